"""What the tests of doctor on lab hosts share: ask it, break something for a while, look at what it says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockwright.events import Diagnosed, Finding
from dockwright.load.saved import read_plans
from tests.hosts.support import DAEMON, Run, at, dockwright, unseen, until
from tests.lab.host import Host
from tests.lab.lab import Lab

# Where this Python sees a comma too many in line 2: at the comma, or where it wants a name after it.
COMMA = "line 2, column 24" if sys.version_info >= (3, 13) else "line 3, column 1"
PARTS = "/etc/apt/sources.list.d"
URL = "https://download.docker.com/linux/debian"


def diagnose(lab: Lab, host: Host, *args: str, user: str = "ops") -> Run:
    """Ask doctor; it must leave no trace, whatever it finds."""
    host.mark()
    run = dockwright(lab, "doctor", at(host, user), *args)
    unseen(host)
    return run


def findings(run: Run) -> tuple[Finding, ...]:
    return run.one(Diagnosed).findings


def first(lab: Lab, host: Host, *args: str, user: str = "ops") -> Finding:
    """The first finding of a host that has one."""
    run = diagnose(lab, host, *args, user=user)
    assert run.code == 8, run
    return findings(run)[0]


def well(lab: Lab, host: Host) -> None:
    run = diagnose(lab, host)
    assert (run.code, findings(run)) == (0, ()), run


def meaning(lab: Lab, text: str) -> list[str]:
    """What a message means, without a host."""
    done = lab.dockwright("doctor", "--json", "--error", text)
    assert done.returncode == 0, done
    return [one["id"] for one in json.loads(done.stdout)["explained"]]


def says(host: Host, command: str, user: str | None = None) -> str:
    """What a command that fails prints."""
    done = host.exec(command, user=user, check=False)
    assert done.returncode, done
    return done.stdout + done.stderr


@contextmanager
def files(host: Host, texts: dict[str, str]) -> Iterator[None]:
    """Files that are there for a while, instead of what was."""
    for path, text in texts.items():
        host.exec(f"[ ! -e {path} ] || cp -p {path} {path}.was")
        host.put(path, text)
    try:
        yield
    finally:
        for path in texts:
            host.exec(f"rm -f {path}; [ ! -e {path}.was ] || mv {path}.was {path}")


@contextmanager
def broken_daemon(host: Host, text: str) -> Iterator[None]:
    """dockerd does not start with that daemon.json."""
    try:
        with files(host, {DAEMON: text}):
            says(host, "systemctl restart docker.service")
            yield
    finally:
        restart(host)


def restart(host: Host) -> None:
    """dockerd starts anew, whatever became of its last starts."""
    units = "docker.service docker.socket"
    host.exec(f"systemctl reset-failed {units}; systemctl restart docker.socket docker.service")
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")


@contextmanager
def over(host: Host, path: str, text: str) -> Iterator[None]:
    """Another text in the place of a file of the host, by a mount."""
    host.put("/run/over", text)
    host.exec(["mount", "--bind", "/run/over", path])
    try:
        yield
    finally:
        host.exec(["umount", path])


def mended(lab: Lab, host: Host, out: Path, entry: str, *args: str) -> Run:
    """Find it, plan it, see that nothing was done, apply what was saved, and find nothing any more."""
    finding = first(lab, host)
    assert finding.id == entry
    assert finding.plan
    host.mark()
    pins = ("--set", f"docker_fingerprint={lab.fingerprint}")
    run = dockwright(lab, "doctor", at(host), "--fix", "-o", out, *pins, *args)
    assert run.code == 8, run
    assert run.plan.changes
    unseen(host)
    (plan,), _ = read_plans(out)
    assert plan == run.plan
    applied = dockwright(lab, "apply", out, "--detailed-exitcode")
    assert applied.code == 20, applied
    well(lab, host)
    return run
