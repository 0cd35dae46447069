"""The hosts that faults are tried on, what is disturbed there, and what is asked of them after it.

An install on a bare host, and on one whose Docker is being replaced, is run again; or it is undone,
and then run again. A purge is run twice more: the second has nothing to do. Or it is to be undone,
which is refused, and then run again.

All have canaries that no run may touch: an administrator's key in daemon.json, a package and a
source of a third party, a file that Docker's data has a link to.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.control import Process
from tests.lab.faults.faults import STATE
from tests.lab.faults.journal import Watch, journal
from tests.lab.faults.state import answers, state
from tests.lab.host import Host, Layer
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

_CANARIES = """\
echo precious >/srv/canary
mkdir -p /etc/docker /srv/other
echo '{"labels": ["rack=7"], "log-level": "warn"}' >/etc/docker/daemon.json
touch /srv/other/Packages
echo 'deb [trusted=yes] file:/srv/other ./' >/etc/apt/sources.list.d/other.list
dir=$(mktemp -d) && mkdir -p "$dir/p/DEBIAN" "$dir/p/opt/other" && echo 1 >"$dir/p/opt/other/file"
printf 'Package: other\\nVersion: 1\\nArchitecture: all\\nMaintainer: other\\nDescription: other\\n' \
  >"$dir/p/DEBIAN/control"
dpkg-deb -b "$dir/p" "$dir/other.deb" >/dev/null && dpkg -i "$dir/other.deb" && rm -r "$dir"
apt-get -qq update
"""
# What Docker needs of the distribution is there, so that a run has no records of it.
_NEEDED = "apt-get -qq -y install --no-install-recommends iptables nftables ca-certificates git-"


def _plain(host: Host) -> None:
    host.exec(_CANARIES)


def _bare(host: Host) -> None:
    host.exec(_CANARIES)
    host.exec(_NEEDED)


def _used(host: Host) -> None:
    host.exec(_CANARIES)
    host.exec("apt-get -qq -y install docker.io docker-cli")
    host.exec("docker pull -q ubuntu && docker volume create data")
    host.exec("docker run --rm -v data:/d ubuntu sh -c 'echo precious >/d/file'")
    host.exec("docker run -d --restart=always --name=app -v data:/d ubuntu sleep 100000")


def _filled(host: Host) -> None:
    host.exec("docker pull -q ubuntu && docker volume create data")
    host.exec(
        "docker run --name=old -v data:/d ubuntu sh -c 'echo much >/d/file; ln -s /srv /d/out'"
    )
    host.exec("ln -s /srv /var/lib/docker/volumes/data/_data/out-of-the-host")


@dataclass(frozen=True)
class Scenario:
    """How a host is made, what is then disturbed there, and what is asked after the heal.

    ``options`` are the install's. ``filled``: it is installed first, and its Docker is then used.
    """

    make: Callable[[Host], None]
    options: tuple[str, ...]
    disturbed: str = "install"
    then: tuple[str, ...] = ("install",)
    filled: bool = False


@dataclass(frozen=True)
class Expected:
    """The state of a host after a command: what it must have, and what it may have."""

    must: frozenset[str]
    may: frozenset[str]


_FEW = "docker_packages=[docker-ce, docker-ce-cli, containerd.io]"
_MUCH = ("--set", _FEW, "--set", 'docker_daemon={"live-restore": true}', "--add-user", "plain")
SCENARIOS = {
    "fresh": Scenario(_bare, _MUCH),
    "replace": Scenario(_used, ("--set", _FEW, "--allow-restart")),
    "whole": Scenario(_plain, ("--add-user", "plain")),
    "back": Scenario(_bare, _MUCH, then=("undo", "install")),
    "purge": Scenario(_bare, _MUCH, disturbed="purge", then=("purge", "purge"), filled=True),
    "gone": Scenario(_bare, _MUCH, disturbed="purge", then=("undo", "purge"), filled=True),
}


@dataclass
class Bench:
    """A lab with prepared hosts of one scenario, and what an undisturbed run looks like there."""

    lab: Lab
    scenario: str = "fresh"
    dress: str = "debian-13"
    points: list[str] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    answers: bool = False
    earlier: frozenset[str] = frozenset()
    seconds: float = 0.0
    _layer: Layer | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def plot(self) -> Scenario:
        """What happens on its hosts."""
        return SCENARIOS[self.scenario]

    def host(self) -> Host:
        """A prepared host, fresh from the layer."""
        with self._lock:
            number = next(self._numbers)
            if self._layer is None:
                first = self.lab.host(f"{self.scenario[:5]}{number}", self.dress)
                self._make(first)
                self._layer = first.freeze()
                number = next(self._numbers)
        host = self.lab.host(f"{self.scenario[:5]}{number}", base=self._layer)
        if self.scenario == "replace":
            host.exec("timeout 30 sh -c 'until docker ps | grep -q app; do sleep 0.1; done'")
        if self.plot.filled:
            host.exec("timeout 30 sh -c 'until docker version; do sleep 0.1; done'")
        return host

    def _make(self, host: Host) -> None:
        self.plot.make(host)
        if self.plot.filled:
            with tempfile.TemporaryDirectory() as folder:
                self._undisturbed(host, "install", Path(folder) / "install.jsonl")
            _filled(host)
            self.earlier = frozenset(host.exec(f"ls {STATE}/runs").stdout.split())

    def command(self, host: Host, verb: str) -> list[str]:
        """A command line for a host."""
        pin = ("--set", f"docker_fingerprint={self.lab.fingerprint}")
        options = {
            "install": ("--yes", *pin, *self.plot.options),
            "undo": ("--yes",),
            "purge": ("--all", "--confirm", host.name, *pin),
        }[verb]
        return [sys.executable, "-m", "dockwright", verb, f"ops@{host.name}", "--json", *options]

    def start(self, host: Host, verb: str, out: Path) -> Process:
        """The command under way; its events go to a file."""
        with out.open("wb") as stdout, out.with_suffix(".err").open("wb") as stderr:
            return Process(
                self.lab,
                self.command(host, verb),
                env={"PYTHONPATH": str(ROOT / "installer")},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    def learn(self, folder: Path) -> None:
        """Run once without a fault: its points, and the state after each command."""
        host = self.host()
        before = state(host)
        out = folder / "reference.jsonl"
        began = time.monotonic()
        self._undisturbed(host, self.plot.disturbed, out)
        self.seconds = time.monotonic() - began
        self.points = Watch.points(out, journal(host, self.earlier))
        for number, verb in enumerate(self.plot.then):
            self._undisturbed(host, verb, folder / f"{number}-{verb}.jsonl")
            after = state(host)
            # What is undone may never have begun: conffiles and groups, which stay, never came.
            wide = verb == "undo"
            self.expected.append(
                Expected(after & before if wide else after, after | before if wide else after)
            )
        self.answers = answers(host)
        host.remove()

    def _undisturbed(self, host: Host, verb: str, out: Path) -> None:
        with self.start(host, verb, out) as process:
            code = process.wait(300)
        if code and not (verb == "undo" and code == 3 and self.plot.disturbed == "purge"):
            raise AssertionError(
                f"an undisturbed {verb} ends with {code}\n{out.read_text()[-3000:]}"
            )
