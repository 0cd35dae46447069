"""What the tests of this folder share: runs and what they said, prepared hosts, things to look at."""

from __future__ import annotations

import itertools
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dockwright.events import ProgramStarted
from tests.field.run import Run as Run  # noqa: PLC0414 (tests take it from here)
from tests.lab import local
from tests.lab.control import Process
from tests.lab.host import Host, Layer
from tests.lab.init import GATEWAY
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

STATE = "/var/lib/dockwright"
DRESSES = ("debian-13", "ubuntu-24.04")
KEY = "/etc/apt/keyrings/docker.asc"
SOURCE = "/etc/apt/sources.list.d/docker.sources"
DAEMON = "/etc/docker/daemon.json"
PACKAGES = (
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
    "docker-ce-rootless-extras",
)

Make = Callable[..., Host]  # the fixture "prepared"


def arguments(lab: Lab, *args: str | Path) -> list[str]:
    """A command line with the lab's pin, unless it names one, and events as the output."""
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    unpinned = args[0] in ("verify", "doctor", "history", "undo")
    if unpinned or any(str(arg).startswith("docker_fingerprint=") for arg in args):
        pin = []
    return [*map(str, args[:1]), *pin, "--json", *map(str, args[1:])]


def dockwright(lab: Lab, *args: str | Path, **options: Any) -> Run:
    """Run Dockwright as the controller does, from this checkout."""
    done = lab.dockwright(*arguments(lab, *args), **options)
    return Run(done.returncode, done.stdout, done.stderr)


def install(lab: Lab, target: str, *args: str | Path, **options: Any) -> Run:
    """``dockwright install TARGET --yes --detailed-exitcode``."""
    return dockwright(lab, "install", target, "--yes", "--detailed-exitcode", *args, **options)


def cut_off(lab: Lab) -> list[str]:
    """Words before a controller's command: it finds nobody at the vendor's names."""
    names = lab.dir / "nobody"
    names.write_text(_nobody((lab.dir / "etc-hosts").read_text()))
    script = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(names)]


def cut_off_host(host: Host, *, but: str = "") -> None:
    """From now on the host finds nobody at the vendor's and the archive's names, ``but`` at that."""
    text = host.exec(["cat", "/etc/hosts"]).stdout
    host.exec(["tee", "/etc/hosts"], input=_nobody(text, but))
    host.mark()


def _nobody(names: str, but: str = "") -> str:
    """The lab's services listen at the gateway alone: at 127.0.0.1 nobody answers."""
    return "".join(
        line if but and but in line else line.replace(f"{GATEWAY} ", "127.0.0.1 ", 1)
        for line in names.splitlines(keepends=True)
    )


def from_afar(lab: Lab, before: Sequence[str], *args: str | Path, **options: Any) -> Run:
    """Run Dockwright as the controller, with words before its command."""
    env = {"PYTHONPATH": str(ROOT / "installer"), **(options.pop("env", None) or {})}
    argv = [*before, sys.executable, "-m", "dockwright", *arguments(lab, *args)]
    done = lab.run(argv, env=env, **options)
    return Run(done.returncode, done.stdout, done.stderr)


@contextmanager
def under_way(lab: Lab, *args: str | Path) -> Iterator[Process]:
    """A run of Dockwright that the test looks at while it goes on."""
    argv = [sys.executable, "-m", "dockwright", *arguments(lab, *args)]
    with lab.popen(argv, env={"PYTHONPATH": str(ROOT / "installer")}) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def ended(process: Process, timeout: float = 240) -> Run:
    """Wait for a run that is under way; killed where it takes longer.

    By the streams, which may hold more than the lines that were read: communicate() loses that.
    """
    streams = process.stdout, process.stderr
    late = threading.Timer(timeout, process.kill)
    late.start()
    try:
        with ThreadPoolExecutor(2) as pool:
            out, err = pool.map(lambda stream: stream.read() if stream else "", streams)
        return Run(process.wait(), out, err)
    finally:
        late.cancel()


def locally(host: Host, user: str | None, *args: str, lab: Lab, stdin: str | None = None) -> Run:
    """Run the host's own Dockwright as one of its users, for ``local``."""
    command = local.command(*arguments(lab, *args))
    done = host.exec(command, user=user, input=stdin, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


def until(what: Callable[[], object], why: str, timeout: float = 120) -> None:
    """Wait for something that is sure to come."""
    end = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < end, f"{why}: not within {timeout:.0f} s"
        time.sleep(0.05)


def read_until(process: Process, word: str, timeout: float = 120) -> str:
    """What a run says up to a line with a word in it; the run is ended where it does not come."""
    assert process.stdout is not None
    said = ""
    late = threading.Timer(timeout, process.kill)
    late.start()
    try:
        for line in process.stdout:
            said += line
            if word in line:
                return said
    finally:
        late.cancel()
    pytest.fail(f"no {word} within {timeout:.0f} s\n{said}")


def runs(host: Host) -> list[str]:
    """The runs that were ever started on a host."""
    return host.exec(f"ls {STATE}/runs").stdout.split()


def no_program(host: Host) -> bool:
    """Whether no program of Dockwright runs."""
    return host.exec("systemctl list-units --plain --no-legend 'dockwright-*'").stdout == ""


# --- what a host is -------------------------------------------------------------------------------


def versions(host: Host, *names: str) -> dict[str, str]:
    """The versions of the packages that are installed; the others are left out."""
    form = "${Package} ${db:Status-Status} ${Version}\\n"
    done = host.exec(["dpkg-query", "-W", "-f", form, *(names or PACKAGES)], check=False)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: row[2] for row in rows if row[1:2] == ["installed"]}


def engine(host: Host) -> str:
    """The upstream version of docker-ce."""
    return versions(host, "docker-ce")["docker-ce"].split(":")[1].split("-")[0]


def containers(host: Host) -> dict[str, str]:
    """Running containers: name to id and start time."""
    ids = host.exec("docker ps -q --no-trunc").stdout.split()
    if not ids:
        return {}
    form = "{{.Name}} {{.Id}} {{.State.StartedAt}}"
    rows = host.exec(["docker", "inspect", "--format", form, *ids]).stdout.splitlines()
    return {name.lstrip("/"): f"{rest}" for name, rest in (row.split(" ", 1) for row in rows)}


def printed(host: Host, run: str, *, check: bool = True) -> str:
    """What a command that starts a container prints, both streams.

    Of a container that ends at once, dockerd now and then loses all output ("reading from a closed
    fifo", moby 41378), the more so on a busy machine: where it ended well without a word, it is
    asked again. What is said of a pull is no word of the container's.
    """
    for _ in range(3):
        done = host.exec(run, check=check)
        if done.stdout or done.returncode:
            break
    return done.stdout + done.stderr


def clean(host: Host) -> None:
    """The package system is in order and Docker runs containers."""
    assert host.exec("dpkg --audit").stdout == ""
    assert host.exec("apt-get -q check").returncode == 0
    assert set(PACKAGES) == set(versions(host))
    assert "Hello from Docker!" in printed(host, "docker run --rm hello-world")
    host.exec("docker image rm hello-world")
    assert leftovers(host) == []
    assert host.exec(f"test -e {STATE}/unverified", check=False).returncode == 1


def leftovers(host: Host) -> list[str]:
    """What a run must not leave: private directories, half-written files."""
    found = host.exec(
        f"ls -d /run/dockwright* /var/tmp/dockwright* {STATE}/apt.* {STATE}/live 2>/dev/null;"
        " find /etc /usr -xdev -name '.dockwright*'",
        check=False,
    )
    return found.stdout.split()


def at(host: Host, user: str = "root") -> str:
    """How a host is named on the command line."""
    return f"{user}@{host.name}"


def untouched(host: Host) -> None:
    """Nothing outside the state directory has changed since the mark; nothing runs on."""
    assert [path for path in host.changed() if not path.startswith(STATE)] == []
    assert leftovers(host) == []


def unseen(host: Host) -> None:
    """Not even the state directory is there."""
    assert host.changed() == []
    assert leftovers(host) == []


def journal(host: Host) -> list[str]:
    """What Dockwright wrote to the host's journal."""
    command = "journalctl -q -t dockwright -o cat --no-pager"
    return host.exec(command, check=False).stdout.splitlines()


def receipt(host: Host, run: Run) -> list[list[str]]:
    """The receipt of a run, line by line in words."""
    place = run.one(ProgramStarted).directory
    return [line.split() for line in host.exec(["cat", f"{place}/receipt"]).stdout.splitlines()]


def talkative(host: Host) -> None:
    """Have sshd log each session that is opened."""
    host.put("/etc/ssh/sshd_config.d/sessions.conf", "LogLevel VERBOSE\n")
    host.exec("systemctl reload ssh")


def sessions(host: Host) -> int:
    """How many commands were run over SSH since the boot."""
    log = host.exec("journalctl -q -b -o cat --no-pager").stdout.splitlines()
    return sum(line.startswith("Starting session") for line in log)


# --- prepared hosts -------------------------------------------------------------------------------


@dataclass
class Layers:
    """Prepared hosts that others are stacked on, each made when it is first asked for."""

    lab: Lab
    made: dict[tuple[str, str], Layer] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def host(self, kind: str, dress: str = "debian-13") -> Host:
        """A host: ``fresh``, ``docker`` (the newest), a version of docker-ce, or ``distribution``."""
        name = f"{re.sub('[^a-z]', '', kind)[:6] or 'docker'}{next(self.numbers)}"
        if kind == "fresh":
            return self.lab.host(name, dress)
        key = (kind, dress)
        if key not in self.made:
            self.made[key] = self._make(kind, dress)
        host = self.lab.host(name, base=self.made[key])
        if kind == "distribution":
            until(lambda: "app" in containers(host), "the old container runs")
        else:
            until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")
        host.mark()
        return host

    def _make(self, kind: str, dress: str) -> Layer:
        host = self.lab.host(f"layer{next(self.numbers)}", dress)
        if kind == "distribution":
            _use(host)
        else:
            wish = [] if kind == "docker" else ["--docker-version", kind]
            run = install(self.lab, f"root@{host.name}", *wish)
            assert run.code == 20, run
        return host.freeze()


def _use(host: Host) -> None:
    """A host that somebody uses: docker.io with an image, a volume and a container."""
    host.exec("apt-get -qq update && apt-get -qq -y install docker.io docker-cli")
    host.exec("docker pull -q ubuntu && docker volume create data")
    host.exec("docker run --rm -v data:/d ubuntu sh -c 'echo precious > /d/file'")
    host.exec(
        "docker run -d --stop-timeout=1 --restart=always --name=app -v data:/d ubuntu sleep 100000"
    )
