"""Who is not root sees less: what was not seen is told, and is never taken for well or for wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dockwright import doctor, events, facts
from dockwright.doctor import Case, diagnose
from dockwright.doctor.probe import Closed, Lock
from dockwright.errors import Exit
from dockwright.events import Severity
from tests.unit.doctor.test_doctor_checks import DAEMON_JSON, case_of, only
from tests.unit.doctor.test_doctor_cli import answer, dockwright, host
from tests.unit.making import NONCE
from tests.unit.playing import World

DENIED = {
    "daemon": None,
    "daemon_error": "permission denied while trying to connect to the docker API",
    "uid": 1000,
}
NO_UNITS = {"docker.service": None, "docker.socket": None}
ACTIVE = {"docker.service": "enabled active", "docker.socket": "enabled active"}


def closed(*what: str, **more: Any) -> dict[str, Any]:
    """What a user without root has seen."""
    seen = {"closed": tuple(Closed(what=one) for one in what), "user": "dev", "login": ("dev",)}
    return {**seen, "groups": ("dev",), "socket": "660 root:docker", **more}


def outsider(state: str = "active", socket_unit: str = "active", **seen: Any) -> Case:
    """A host of ours as a user outside the group docker sees it."""
    units = {"docker.service": f"enabled {state}", "docker.socket": f"enabled {socket_unit}"}
    return case_of(facts={**DENIED, "units": units}, seen=closed("daemon", **seen))


def test_a_daemon_that_may_not_be_asked_is_neither_well_nor_down() -> None:
    case = outsider()
    assert diagnose(case) == ()
    (one,) = doctor.unseen(case.seen)
    assert (one.rung, "group docker" in one.what) == ("daemon", True)
    # A socket that waits would start it.
    assert diagnose(outsider("inactive")) == ()
    assert only(outsider("inactive", socket_unit="inactive")).id == "daemon-down"
    # Without a system bus nobody knows the unit, either.
    assert (
        diagnose(case_of(facts={**DENIED, "units": NO_UNITS}, seen=closed("daemon", "units"))) == ()
    )


def test_a_unit_that_failed_is_seen_by_everybody() -> None:
    finding = only(outsider("failed"))
    assert (finding.id, finding.severity) == ("daemon-down", Severity.ERROR)
    assert "docker.service is failed" in finding.evidence


def test_a_socket_that_is_not_there_is_seen_by_everybody() -> None:
    down = {**DENIED, "daemon_error": "Cannot connect to the Docker daemon", "units": NO_UNITS}
    finding = only(case_of(facts=down, seen=closed("units", socket="")))
    assert (finding.id, "nobody answers" in finding.evidence) == ("daemon-down", True)


def test_settings_are_a_warning_while_the_daemon_runs_unasked() -> None:
    facts = {**DENIED, "units": ACTIVE, "files": {DAEMON_JSON: "{,}"}}
    finding = only(case_of(facts=facts, seen=closed("daemon")))
    assert (finding.id, finding.severity) == ("daemon-json-invalid", Severity.WARNING)


def test_a_login_that_is_older_than_its_group() -> None:
    finding = only(outsider(groups=("dev", "docker")))
    assert finding.id == "socket-denied"
    assert "dev is in group docker, and this login is older" in finding.evidence
    assert finding.action == ("log in anew, or: newgrp docker",)
    # It is the socket's group that counts.
    assert diagnose(outsider(groups=("dev", "docker"), socket="660 root:wheel")) == ()


def test_what_messages_ask_for_is_not_concluded_from_what_is_closed() -> None:
    sources = closed("source", sources={})
    for message in ("E: Unable to locate package docker-ce", "Unknown runtime specified nvidia."):
        for seen in (sources, closed("daemon.json", sources={})):
            known: dict[str, Any] = {"files": {}, "lists": [], "offered": {}}
            found = diagnose(case_of(facts=known, seen=seen), doctor.explain(message))
            ids = {one.id for one in found}
            told = "not-locatable" if seen is sources else "unknown-runtime"
            assert told not in ids


def test_a_lock_that_a_user_sees_is_named_all_the_same() -> None:
    lock = Lock(path="/var/lib/dpkg/lock", pid=7, seconds=1, command="apt")
    assert only(case_of(seen=closed(lock=lock))).id == "apt-locked"


def test_every_closed_place_is_read_and_told() -> None:
    kinds = ("source L2V0Yy94Lmxpc3Q=", "lock ", "units ", "journal ", "daemon ", "daemon.json ")
    lines = [f"closed {kind}" for kind in kinds]
    seen = doctor.read(answer(*lines, "login dev dev adm", "groups dev docker"), NONCE)
    assert (seen.user, seen.login, seen.groups) == ("dev", ("dev", "adm"), ("dev", "docker"))
    told = [f"{one.rung}: {one.what}" for one in doctor.unseen(seen)]
    assert told[0] == "apt: /etc/x.list"
    assert len(told) == len(kinds)
    assert not any("{" in one for one in told)


def test_a_hostile_host_may_close_what_it_likes() -> None:
    lines = ("closed", "closed x", "closed moon ", "closed source !", "login", "login ")
    (one, *_) = doctor.unseen(doctor.read(answer(*lines), NONCE))
    assert (one.rung, one.what) == ("host", "moon")


# --- the command ----------------------------------------------------------------------------------

CLOSED = ("closed daemon ", "closed source L2V0Yy94Lmxpc3Q=", "login dev dev", "groups dev")


def test_no_finding_without_root_is_not_called_well(world: World) -> None:
    world.host("web1", host("debian-13-bare", *CLOSED, uid="1000 -"))
    done = dockwright("web1")
    assert done.exit_code == Exit.OK, done.output
    assert "nothing is wrong in what could be seen without root" in done.stdout
    assert "nothing is wrong that is known here" not in done.stdout
    for word in ("not looked at without root: /etc/x.list", "group docker", "--ask-sudo-password"):
        assert word in done.stdout, word


def test_the_verdict_says_what_is_not_in_it(world: World) -> None:
    world.host("web1", host("debian-13-bare", *CLOSED, uid="1000 -"))
    world.host("web2", host("debian-13-bare"))
    done = dockwright("web1", "web2", "--json")
    told = [events.parse(line) for line in done.stdout.splitlines()]
    verdicts = {one.host: one for one in told if isinstance(one, events.Diagnosed)}
    assert [one.rung for one in verdicts["web1"].unseen] == ["daemon", "apt"]
    assert verdicts["web2"].unseen == ()


def test_reports_say_what_is_not_in_them(world: World, tmp_path: Path) -> None:
    world.host("web1", host("debian-13-bare", *CLOSED, uid="1000 -"))
    names = {"--junit": "run.xml", "--html": "run.html", "--summary": "run.md"}
    words = [word for option, name in names.items() for word in (option, str(tmp_path / name))]
    assert dockwright("web1", *words).exit_code == Exit.OK
    for name in names.values():
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "not looked at without root: /etc/x.list" in text, name


# --- the script -----------------------------------------------------------------------------------


def test_the_script_runs_without_root() -> None:
    """As nobody, on this very machine: whole, and as itself."""
    script, nonce = facts.question()
    script += doctor.question(nonce)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(["id", "-u"], capture_output=True, text=True, check=True)
    argv = [*(drop if done.stdout.strip() == "0" else []), "sh", "-s"]
    said = subprocess.run(
        argv, input=script, capture_output=True, text=True, cwd="/", timeout=60, check=False
    )
    assert doctor.answered(said.stdout, nonce), said
    assert doctor.read(said.stdout, nonce).user


def lock_seen(path: Path, locks: Path) -> subprocess.CompletedProcess[str]:
    """The part of the script that looks for locks without root, on a lock and a table of its own."""
    script = (
        doctor.question(NONCE)
        .replace(f"set -- {NONCE}\n", "")
        .replace('doctor "$@" </dev/null\n', "")
    )
    script = script.replace("/proc/locks", str(locks)).replace("first_boot ||", "false ||")
    script += f"apt_locks={path}\nlock_seen\n"
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("device", "code"), [("same", 0), ("other", 2), ("none", 1)], ids=["held", "unsure", "free"]
)
def test_a_lock_counts_for_a_user_where_its_device_fits(
    tmp_path: Path, device: str, code: int
) -> None:
    lock, locks = tmp_path / "lock", tmp_path / "locks"
    lock.touch()
    about = lock.stat()
    number = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}"
    place = {"same": number, "other": "ff:ff", "none": "ff:ff"}[device]
    inode = about.st_ino + (device == "none")
    locks.write_text(f"1: POSIX  ADVISORY  WRITE {os.getpid()} {place}:{inode} 0 EOF\n")
    done = lock_seen(lock, locks)
    assert done.returncode == code, done
    told = {0: f"{lock} {os.getpid()} ", 2: f"pid {os.getpid()}, ", 1: ""}[code]
    assert done.stdout.startswith(told)
    assert bool(done.stdout) == bool(told)
