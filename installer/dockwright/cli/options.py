"""The options of the command line: each once, in the group of those that go together.

A command takes whole groups as parameters; ``groups.grouped`` shows their fields to typer as options and
gives the command the filled groups.

The modules that declare commands import no more than this one and ``register`` at their top: --help
needs no SSH, no model and no template, and what a command needs is imported in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer


class HostKeys(str, Enum):
    """What to do with a host key that is not known."""

    ASK = "ask"
    STRICT = "strict"
    ACCEPT_NEW = "accept-new"


class Transport(str, Enum):
    """What carries hosts, where they say nothing of it: what ``open_transport`` knows."""

    SSH = "ssh"
    OPENSSH = "openssh"


class Color(str, Enum):
    """When to use colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Fetch(str, Enum):
    """Who gets the vendor's key and index: what ``app.Way`` knows."""

    AUTO = "auto"
    CONTROLLER = "controller"
    HOST = "host"


def panel(title: str) -> Callable[..., Any]:
    """Makes options of a group, from the help text and the names."""

    def option(text: str, *names: str) -> Any:
        return typer.Option(*names, help=text, rich_help_panel=title, show_default=False)

    return option


WHAT = "What is installed"
_connection, _choice = panel("Connection"), panel(WHAT)
_asking, _output = panel("Asking"), panel("Output")

Hosts: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[HOST]...",
        help="user@host[:port], an alias of ssh_config, a host or group of the inventory, or 'local'; "
        "without: all of the inventory, or this machine where there is none.",
        show_default=False,
    ),
]
NamedHosts: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="HOST...", help="Always named, 'local' too.", show_default=False),
]
PlaybookName: TypeAlias = Annotated[
    str, typer.Argument(metavar="PLAYBOOK", help="A shipped playbook's name, or a path.")
]


RegistryLogins: TypeAlias = Annotated[
    str | None,
    _choice(
        "Read logins of registries from it, https://USER:PASSWORD@HOST a line, or from - (stdin).",
        "--registry-logins",
    ),
]


@dataclass(frozen=True)
class Reach:
    """Which hosts, and how they are reached."""

    inventory: Annotated[
        list[str] | None,
        _connection(
            "Hosts and groups: YAML, or Ansible's INI, YAML or --list JSON; - is stdin. May be "
            "repeated; without it, DOCKWRIGHT_INVENTORY.",
            "-i",
            "--inventory",
        ),
    ] = None
    limit: Annotated[
        list[str] | None,
        _connection(
            "Only these: name, group, glob, '!name', @failed:RUN.jsonl, @unfinished:RUN.jsonl (also those "
            "that it never came to); without a name the log is --log.",
            "--limit",
        ),
    ] = None
    user: Annotated[str | None, _connection("Log in as this user.", "-u", "--user")] = None
    jump: Annotated[
        str | None, _connection("Connect through this host, as ssh -J does.", "-J", "--jump")
    ] = None
    identity: Annotated[
        list[Path] | None, _connection("Private key to try first; may be repeated.", "--identity")
    ] = None
    known_hosts: Annotated[
        Path | None, _connection("Use this known_hosts file.", "--known-hosts")
    ] = None
    host_keys: Annotated[
        HostKeys | None,
        _connection("Unknown host keys: ask on a terminal, strict without one.", "--host-keys"),
    ] = None
    transport: Annotated[
        Transport, _connection("ssh (built in), or openssh: the system's own.", "--transport")
    ] = Transport.SSH
    ask_sudo_password: Annotated[
        bool, _connection("Ask for the sudo password at the start.", "-K", "--ask-sudo-password")
    ] = False
    sudo_password_file: Annotated[
        str | None,
        _connection("Read the sudo password from it, or from - (stdin).", "--sudo-password-file"),
    ] = None
    connect_timeout: Annotated[
        float, _connection("Seconds for each stage of connecting (10).", "--connect-timeout")
    ] = 10.0
    forks: Annotated[int, _connection("Hosts at a time (32).", "--forks")] = 32
    no_input: Annotated[bool, _asking("Never ask anything.", "--no-input")] = False


@dataclass(frozen=True)
class Values:
    """Values of a playbook's variables."""

    sets: Annotated[
        list[str] | None, _choice("NAME=VALUE: set a variable of the playbook.", "--set")
    ] = None
    variables: Annotated[
        list[Path] | None, _choice("YAML file with variables of the playbook.", "--vars")
    ] = None


@dataclass(frozen=True)
class Choice:
    """What is installed, in words of its own."""

    docker_version: Annotated[
        str | None, _choice("29, 29.7, 29.7.2 or the full string.", "--docker-version")
    ] = None
    channel: Annotated[str | None, _choice("stable or test.", "--channel")] = None
    mirror: Annotated[
        str | None,
        _choice(
            "Docker's packages from tuna, aliyun, or the URL of a copy; Docker's own key stays pinned.",
            "--mirror",
        ),
    ] = None
    add_user: Annotated[
        list[str] | None,
        _choice("Let this user talk to the daemon; the same as root there.", "--add-user"),
    ] = None
    remove_snap: Annotated[
        bool, _choice("Remove the snap 'docker', once the new daemon answers.", "--remove-snap")
    ] = False
    driver: Annotated[
        str | None,
        _choice(
            "NVIDIA's driver where a GPU has none: auto, or a branch such as 570.",
            "--driver",
        ),
    ] = None
    reboot: Annotated[
        bool, _choice("The host may reboot, where the driver takes that.", "--reboot")
    ] = False
    remove_nvidia_docker: Annotated[
        bool,
        _choice(
            "Containers and volumes of nvidia-docker 1.0 may go, with what is in them.",
            "--remove-nvidia-docker",
        ),
    ] = False


@dataclass(frozen=True)
class Gateway:
    """The way out where there is no other."""

    proxy: Annotated[
        str | None,
        _choice("http://proxy:3128, for the vendor's key and index and for apt.", "--proxy"),
    ] = None
    proxy_file: Annotated[
        str | None,
        _choice(
            "Read the proxy's URL, with its login, from it, or from - (stdin).", "--proxy-file"
        ),
    ] = None


@dataclass(frozen=True)
class Renewal(Gateway):
    """What may be fetched anew."""

    upgrade: Annotated[
        bool, _choice("Upgrade what is installed, within its major version.", "--upgrade")
    ] = False
    registry_logins: RegistryLogins = None
    fetch: Annotated[
        Fetch,
        _choice(
            "Who gets the vendor's key and index; they are judged here either way. auto: through "
            "the host where this machine does not reach the vendor.",
            "--fetch",
        ),
    ] = Fetch.AUTO


@dataclass(frozen=True)
class Consent:
    """What the user agrees to."""

    yes: Annotated[bool, _asking("Do not ask; needed without a terminal.", "-y", "--yes")] = False
    allow_restart: Annotated[
        bool, _asking("Running containers may be stopped.", "--allow-restart")
    ] = False
    dry_run: Annotated[bool, _asking("Only show the plan.", "-n", "--dry-run")] = False
    lock_timeout: Annotated[
        int, _connection("Seconds to wait for apt's locks (600).", "--lock-timeout")
    ] = 600


@dataclass(frozen=True)
class Show:
    """What is told, and how."""

    as_json: Annotated[bool, _output("Events on stdout, one JSON a line.", "--json")] = False
    log: Annotated[Path | None, _output("Write the events to this file, too.", "--log")] = None
    html: Annotated[Path | None, _output("Write a page about the run here.", "--html")] = None
    junit: Annotated[Path | None, _output("Write JUnit's XML here, for CI.", "--junit")] = None
    summary: Annotated[
        Path | None, _output("Write a summary in Markdown here, for CI.", "--summary")
    ] = None
    verdict: Annotated[
        Path | None, _output("Write a line of JSON on each host here: findings.", "--verdict")
    ] = None
    detailed: Annotated[
        bool, _output("Exit 20 where something changed or would change.", "--detailed-exitcode")
    ] = False
    quiet: Annotated[bool, _output("Errors and the last line only.", "-q", "--quiet")] = False
    verbose: Annotated[bool, _output("Steps that are already so, too.", "-v", "--verbose")] = False
    color: Annotated[Color, _output("auto, always or never; NO_COLOR is obeyed.", "--color")] = (
        Color.AUTO
    )
