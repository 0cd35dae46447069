"""``dockwright doctor``: from the words of its line to its screen, its JSON and its exit code."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dockwright import doctor, events
from dockwright.cli.commands import app as command_line
from dockwright.errors import Exit, UnreachableError
from dockwright.report.jsonl import read_log
from dockwright.report.tally import exit_code, tally
from tests.fakes import FakeChannel
from tests.unit.making import NONCE
from tests.unit.playing import World, facts_of

LIST = "/etc/apt/sources.list.d/docker.list"
OTHER = "/etc/apt/sources.list.d/vendor.list"
SOURCE = "/etc/apt/sources.list.d/docker.sources"
LINE = "deb [signed-by=/x.gpg] https://download.docker.com/linux/ubuntu noble stable\n"
STANZA = LINE.replace("/x.gpg", "/y.gpg")
DENIED = (
    "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock"
)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode() or "="


def answer(*lines: str) -> str:
    """What templates/doctor.sh prints: the lines in its frame."""
    well = ("tool iptables", "tool nvidia-container-runtime")
    return "\n".join([f"dw1 {NONCE} doctor", *well, *lines, f"dw1 {NONCE} diagnosed", ""])


CONFLICT = (
    f"source {b64(LIST)} {b64(LINE)}",
    f"source {b64(OTHER)} {b64(STANZA)}",
)


def host(name: str, *lines: str, **facts: str | None) -> Callable[[str], FakeChannel]:
    """Answers the facts script with doctor's questions behind it."""
    told = facts_of(name, **facts)

    def play(script: str) -> FakeChannel:
        (nonce,) = re.findall(r"\Aset -- ([0-9a-f]+)\n", script)
        assert "doctor()" in script
        return FakeChannel([told(script).read(1), answer(*lines).replace(NONCE, nonce).encode()])

    return play


def dockwright(*words: str, typed: str | None = None) -> Result:
    done = CliRunner().invoke(
        command_line(["doctor"]), ["doctor", *words], input=typed, prog_name="dockwright"
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.parametrize(
    "name", ["debian-13-bare", "debian-13-docker.io", "ubuntu-24.04-installed"]
)
def test_a_host_that_is_well(world: World, name: str) -> None:
    played = world.host("web1", host(name))
    done = dockwright("web1")
    assert done.exit_code == Exit.OK, done.output
    assert "nothing is wrong that is known here" in done.stdout
    assert len(played.scripts) == 1
    assert played.closed


def test_findings_are_8_with_what_was_seen_and_what_mends_it(world: World) -> None:
    world.host("web1", host("ubuntu-24.04-installed", *CONFLICT))
    done = dockwright("web1")
    assert done.exit_code == Exit.VERIFY, done.output
    for word in (
        "1 finding", "two sources of one repository name different keys", "/x.gpg != /y.gpg",
        f"keep one of {LIST}:1", "apt-get update", "exit 8 (verify)",
    ):  # fmt: skip
        assert word in done.stdout, word


def test_the_verdict_as_json(world: World) -> None:
    world.host("web1", host("ubuntu-24.04-installed", *CONFLICT))
    done = dockwright("web1", "--json")
    assert done.exit_code == Exit.VERIFY
    (verdict,) = [
        line for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "diagnosed"
    ]
    (finding,) = verdict["findings"]
    assert finding["severity"] == "error"
    assert finding["id"] == "signed-by-conflict"
    assert LIST in finding["evidence"]
    assert finding["action"][-1] == "apt-get update"


def test_a_log_and_reports_tell_it_again(world: World, tmp_path: Path) -> None:
    world.host("web1", host("ubuntu-24.04-installed", *CONFLICT))
    names = {
        "--log": "run.jsonl",
        "--junit": "run.xml",
        "--html": "run.html",
        "--summary": "run.md",
    }
    words = [word for option, name in names.items() for word in (option, str(tmp_path / name))]
    done = dockwright("web1", *words)
    told = read_log(tmp_path / "run.jsonl")
    assert exit_code(tally(told).values()) == done.exit_code == Exit.VERIFY
    for name in names.values():
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "two sources of one repository name different keys" in text, name
        assert "comment the other out" in text, name


def test_many_hosts(world: World) -> None:
    world.host("web1", host("ubuntu-24.04-installed", *CONFLICT))
    world.host("web2", host("debian-13-bare"))
    world.host("web3", UnreachableError("no route to it"))
    done = dockwright("web1", "web2", "web3")
    assert done.exit_code == Exit.VERIFY
    assert "nothing is wrong" in done.stdout
    assert "no route to it" in done.stdout


def test_a_host_that_is_not_reached(world: World) -> None:
    world.host("web1", UnreachableError("no route to it"))
    assert dockwright("web1").exit_code == Exit.UNREACHABLE


def test_an_answer_that_breaks_off(world: World) -> None:
    def broken(script: str) -> FakeChannel:
        return FakeChannel([facts_of("debian-13-bare")(script).read(1)])

    world.host("web1", broken)
    done = dockwright("web1")
    assert done.exit_code == Exit.UNREACHABLE
    assert "broke off" in done.output


# --- messages -------------------------------------------------------------------------------------


def test_a_message_without_a_host_contacts_none(world: World) -> None:
    for words, typed in ((("--error", DENIED), None), (("--error", "-"), DENIED)):
        done = dockwright(*words, typed=typed)
        assert done.exit_code == Exit.OK, done.output
        assert "this user may not talk to the daemon" in done.stdout
        assert "newgrp docker" in done.stdout
        assert "https://docs.docker.com/" in done.stdout
    assert world.contacted == []


def test_a_message_as_json() -> None:
    done = dockwright("--error", DENIED, "--json")
    (one,) = json.loads(done.stdout)["explained"]
    assert one["id"] == "socket-denied"
    assert "seen" not in one


def test_a_message_that_nobody_knows() -> None:
    done = dockwright("--error", "the moon is full")
    assert done.exit_code == Exit.INPUT
    assert "no entry for that message" in done.output
    assert "the moon is full" in done.output


def test_standard_input_is_only_one_thing() -> None:
    assert dockwright("--error", "-", "-i", "-", typed="x").exit_code == Exit.INPUT


def test_a_message_with_a_host_tells_what_the_host_shows(world: World) -> None:
    world.host("web1", host("ubuntu-24.04-installed", "socket 660 root:docker", uid="0 ops"))
    done = dockwright("--error", DENIED, "web1")
    assert done.exit_code == Exit.VERIFY, done.output
    assert "ops is not in group docker" in done.stdout


def test_a_message_of_which_the_host_shows_nothing(world: World) -> None:
    world.host("web1", host("ubuntu-24.04-installed"))
    done = dockwright("--error", "E: dpkg was interrupted, you must manually run", "web1")
    assert done.exit_code == Exit.OK, done.output
    assert "no sign of it now" in done.stdout
    assert "dpkg --configure -a" in done.stdout


# --- the answer -----------------------------------------------------------------------------------


def test_every_line_of_an_answer_is_read() -> None:
    lock = "/var/lib/dpkg/lock-frontend 812 41 /usr/bin/python3 unattended-upgrade"
    seen = doctor.read(
        answer(
            f"source {b64(SOURCE)} {b64('Types: deb')}", f"source {b64(LIST)} -",
            "keyring /etc/apt/keyrings/docker.asc closed armoured", f"lock {b64(lock)}",
            "reinstall runc", "inodes /var 12 65536",
            f"docker_log {b64('failed to start daemon: x')}", "cgroup_read_only 1",
            "socket 660 root:docker", "groups ops docker", "gpu_container /train nvidia", "gpu_container",
        ),
        NONCE,
    )  # fmt: skip
    assert seen.sources == {SOURCE: "Types: deb"}
    assert seen.unread == (LIST,)
    assert (seen.keyrings[0].state, seen.keyrings[0].fits) == ("closed", True)
    assert seen.lock is not None
    assert (seen.lock.pid, seen.lock.seconds) == (812, 41)
    assert seen.lock.command == "/usr/bin/python3 unattended-upgrade"
    assert seen.reinstall == ("runc",)
    assert seen.inodes == (("/var", 12, 65536),)
    assert seen.docker_log == "failed to start daemon: x"
    assert seen.cgroup_read_only
    assert seen.socket == "660 root:docker"
    assert seen.groups == ("ops", "docker")
    assert seen.gpu_containers == ("train",)


@pytest.mark.parametrize(
    "line",
    ["source", "source x", "source ! !", "keyring a", "lock !", f"lock {b64('a b')}", "inodes / x y",
     "socket", "reinstall", "groups", "tool", ""],
)  # fmt: skip
def test_an_answer_of_a_hostile_host_is_read_as_far_as_it_goes(line: str) -> None:
    doctor.read(answer(line), NONCE)


def test_events_of_it_are_read_back(world: World) -> None:
    world.host("web1", host("debian-13-bare"))
    done = dockwright("web1", "--json")
    kinds = [events.parse(line).event for line in done.stdout.splitlines()]
    assert kinds == ["run_started", "host_reached", "diagnosed", "run_finished"]
