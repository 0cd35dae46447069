"""The options of the command line, each once; commands put together what they take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_CONNECTION = "Connection"
_CHOICE = "What is installed"
_OUTPUT = "Output"
_SAFETY = "Asking"


class HostKeys(str, Enum):
    """What to do with a host key that is not known."""

    ASK = "ask"
    STRICT = "strict"
    ACCEPT_NEW = "accept-new"


class Color(str, Enum):
    """When to use colours."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def _connection(text: str, *names: str) -> typer.models.OptionInfo:
    return typer.Option(*names, help=text, rich_help_panel=_CONNECTION)  # type: ignore[no-any-return]


def _choice(text: str, *names: str) -> typer.models.OptionInfo:
    return typer.Option(*names, help=text, rich_help_panel=_CHOICE)  # type: ignore[no-any-return]


def _output(text: str, *names: str) -> typer.models.OptionInfo:
    return typer.Option(*names, help=text, rich_help_panel=_OUTPUT)  # type: ignore[no-any-return]


def _safety(text: str, *names: str) -> typer.models.OptionInfo:
    return typer.Option(*names, help=text, rich_help_panel=_SAFETY)  # type: ignore[no-any-return]


Hosts: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[HOST]...",
        help="user@host[:port], an alias of ssh_config, or 'local'; this machine if none is given.",
        show_default=False,
    ),
]
User: TypeAlias = Annotated[str | None, _connection("Log in as this user.", "-u", "--user")]
Jump: TypeAlias = Annotated[
    str | None, _connection("Connect through this host, as ssh -J does.", "-J", "--jump")
]
Identity: TypeAlias = Annotated[
    list[Path] | None, _connection("Private key to try first; may be repeated.", "--identity")
]
KnownHosts: TypeAlias = Annotated[
    Path | None, _connection("Use this known_hosts file.", "--known-hosts")
]
HostKeyPolicy: TypeAlias = Annotated[
    HostKeys | None,
    _connection(
        "Unknown host keys: ask (default on a terminal), strict, accept-new.", "--host-keys"
    ),
]
AskSudoPassword: TypeAlias = Annotated[
    bool, _connection("Ask for the sudo password at the start.", "-K", "--ask-sudo-password")
]
SudoPasswordFile: TypeAlias = Annotated[
    str | None,
    _connection("Read the sudo password from this file, or - for stdin.", "--sudo-password-file"),
]
ConnectTimeout: TypeAlias = Annotated[
    float, _connection("Seconds for each stage of connecting.", "--connect-timeout")
]
LockTimeout: TypeAlias = Annotated[
    int, _connection("Seconds to wait for apt's locks.", "--lock-timeout")
]
Forks: TypeAlias = Annotated[int, _connection("Hosts at a time.", "--forks")]
DockerVersion: TypeAlias = Annotated[
    str | None, _choice("29, 29.7, 29.7.2 or the full string.", "--docker-version")
]
Channel: TypeAlias = Annotated[str | None, _choice("stable or test.", "--channel")]
AddUser: TypeAlias = Annotated[
    list[str] | None,
    _choice("Let this user talk to the daemon; the same as root there.", "--add-user"),
]
Upgrade: TypeAlias = Annotated[
    bool, _choice("Upgrade what is installed, within its major version.", "--upgrade")
]
Sets: TypeAlias = Annotated[
    list[str] | None, _choice("NAME=VALUE: set a variable of the playbook.", "--set")
]
Vars: TypeAlias = Annotated[
    list[Path] | None, _choice("YAML file with variables of the playbook.", "--vars")
]
Proxy: TypeAlias = Annotated[
    str | None, _choice("HTTP proxy for the vendor's key and index.", "--proxy")
]
Yes: TypeAlias = Annotated[bool, _safety("Do not ask; needed without a terminal.", "-y", "--yes")]
NoInput: TypeAlias = Annotated[bool, _safety("Never ask anything.", "--no-input")]
AllowRestart: TypeAlias = Annotated[
    bool, _safety("Running containers may be stopped.", "--allow-restart")
]
DryRun: TypeAlias = Annotated[bool, _safety("Only show the plan.", "-n", "--dry-run")]
Json: TypeAlias = Annotated[bool, _output("Events on stdout, one JSON a line.", "--json")]
Log: TypeAlias = Annotated[Path | None, _output("Write the events to this file, too.", "--log")]
Detailed: TypeAlias = Annotated[
    bool, _output("Exit 20 where something changed or would change.", "--detailed-exitcode")
]
Quiet: TypeAlias = Annotated[bool, _output("Errors and the last line only.", "-q", "--quiet")]
Verbose: TypeAlias = Annotated[bool, _output("Steps that are already so, too.", "-v", "--verbose")]
ColorWhen: TypeAlias = Annotated[
    Color, _output("auto, always or never; NO_COLOR is obeyed.", "--color")
]


@dataclass(frozen=True)
class Reach:
    """Connection options, as typed."""

    user: str | None = None
    jump: str | None = None
    identity: tuple[Path, ...] = ()
    known_hosts: Path | None = None
    host_keys: HostKeys | None = None
    ask_sudo_password: bool = False
    sudo_password_file: str | None = None
    connect_timeout: float = 10.0
    no_input: bool = False
    forks: int = 32


@dataclass(frozen=True)
class Show:
    """Output options, as typed."""

    json: bool = False
    log: Path | None = None
    detailed: bool = False
    quiet: bool = False
    verbose: bool = False
    color: Color = Color.AUTO
