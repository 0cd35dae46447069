"""The hosts that faults are tried on: a bare one, and one whose Docker is being replaced.

Both have canaries that no run may touch: an administrator's key in daemon.json, a package and a
source of a third party, a file.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.control import Process
from tests.lab.faults.journal import Watch, journal
from tests.lab.faults.state import state
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


@dataclass(frozen=True)
class Scenario:
    """How a host is made, and what is then asked of it."""

    make: Callable[[Host], None]
    options: tuple[str, ...]


_FEW = "docker_packages=[docker-ce, docker-ce-cli, containerd.io]"
SCENARIOS = {
    "fresh": Scenario(
        _bare,
        ("--set", _FEW, "--set", 'docker_daemon={"live-restore": true}', "--add-user", "plain"),
    ),
    "replace": Scenario(_used, ("--set", _FEW, "--allow-restart")),
    "whole": Scenario(_plain, ("--add-user", "plain")),
}


@dataclass
class Bench:
    """A lab with prepared hosts of one scenario, and what an undisturbed run looks like there."""

    lab: Lab
    scenario: str = "fresh"
    dress: str = "debian-13"
    points: list[str] = field(default_factory=list)
    expected: frozenset[str] = frozenset()
    seconds: float = 0.0
    _layer: Layer | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def host(self) -> Host:
        """A prepared host, fresh from the layer."""
        with self._lock:
            number = next(self._numbers)
            if self._layer is None:
                first = self.lab.host(f"{self.scenario[:5]}{number}", self.dress)
                SCENARIOS[self.scenario].make(first)
                self._layer = first.freeze()
                number = next(self._numbers)
        host = self.lab.host(f"{self.scenario[:5]}{number}", base=self._layer)
        if self.scenario == "replace":
            host.exec("timeout 30 sh -c 'until docker ps | grep -q app; do sleep 0.1; done'")
        return host

    def command(self, host: Host) -> list[str]:
        """The command line that is disturbed, and run again."""
        argv = [
            sys.executable,
            "-m",
            "dockwright",
            "install",
            f"ops@{host.name}",
            "--yes",
            "--json",
        ]
        pin = f"docker_fingerprint={self.lab.fingerprint}"
        return [*argv, "--set", pin, *SCENARIOS[self.scenario].options]

    def start(self, host: Host, out: Path) -> Process:
        """The command under way; its events go to a file."""
        with out.open("wb") as stdout, out.with_suffix(".err").open("wb") as stderr:
            return Process(
                self.lab,
                self.command(host),
                env={"PYTHONPATH": str(ROOT / "installer")},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    def learn(self, folder: Path) -> None:
        """Run once without a fault: its points and its end state."""
        host = self.host()
        out = folder / "reference.jsonl"
        began = time.monotonic()
        with self.start(host, out) as process:
            code = process.wait(300)
        self.seconds = time.monotonic() - began
        if code:
            raise AssertionError(f"an undisturbed run ends with {code}\n{out.read_text()[-3000:]}")
        self.points = Watch.points(out, journal(host))
        self.expected = state(host)
        host.remove()
