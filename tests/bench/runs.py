"""One bench: the lab with its rivals, fresh hosts for each, and what was measured."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import figures, program, rivals
from tests.bench.rivals import Command, Ours, Rival
from tests.bench.timing import PLAIN, Sample, timed
from tests.lab.dress import DRESSES
from tests.lab.faults.extra import debs
from tests.lab.host import Host, Layer
from tests.lab.machine import ROOT, LabError, say

DRESS = "ubuntu-24.04"

# All install the same packages: what is recommended on top is left out for everybody.
APT = 'APT::Install-Recommends "false";\n'
ALONE = {"plan, nothing to do": ["plan", "docker"], "verify": ["verify"]}
# Ubuntu's base-files bring it, and the vendor's script looks there for the codename.
LSB_RELEASE = "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={0.version}\nDISTRIB_CODENAME={0.codename}\n"
PREINSTALLED = ("ca-certificates", "curl")  # as on a server image; the manual installs them
# What Docker depends on and servers mostly have: nftables and netbase are of priority important, libpam-systemd
# is standard and recommends dbus-user-session (by Debian's index; this dress is Ubuntu's), and ufw depends
# on iptables (packages.ubuntu.com/noble/ufw). Not read from an image's manifest: none was at hand.
SERVER = ("dbus-user-session", "iptables", "libpam-systemd", "netbase", "nftables")


class Bench:
    """The lab with its rivals, and what was measured."""

    def __init__(self, ours: Ours, rivals: list[Rival], again: int) -> None:
        self.ours = ours
        self.lab = ours.lab
        self.rivals = rivals
        self.again = again
        self.samples: list[Sample] = []
        self.base: Layer | None = None
        self.fat = False
        self.bare = False
        self.added: dict[str, dict[str, str]] = {}

    def pair(self, number: int) -> None:
        """One fresh host for each rival: everybody installs, then everybody runs again in turn."""
        for turn in range(1, self.again + 1):
            for who, command in rivals.helps(self.ours).items():
                self.run(command, "--help", who, number, turn)
        with self._hosts() as hosts:
            self.run(Command(["true"]), "nothing", "lab", number)
            for turn in range(1, self.again + 1):
                self.run(Command(rivals.ssh("pyinfra", "true")), "ssh true", "ssh", number, turn)
            plan = self.ours.command("plan", "docker", f"{rivals.USER}@pyinfra")
            self.run(plan, "plan, fresh host", figures.OURS, number)
            # Who begins changes: hosts that have just booted are slower, and so is the first to fetch.
            first = number % len(self.rivals)
            in_turn = (*self.rivals[first:], *self.rivals[:first])
            for rival in in_turn:
                before = installed(hosts[rival.name])
                self.run(rival.first, "fresh install", rival.name, number)
                after = installed(hosts[rival.name])
                self.added[rival.name] = {k: v for k, v in after.items() if before.get(k) != v}
            self.same_packages()
            for turn in range(1, self.again + 1):
                for rival in in_turn:
                    if rival.again is not None:
                        self.run(rival.again, "second run", rival.name, number, turn)
            for what, args in ALONE.items():
                command = self.ours.command(*args, f"{rivals.USER}@{figures.OURS}")
                for turn in range(1, self.again + 1):
                    self.run(command, what, figures.OURS, number, turn)

    def programs(self, turns: int) -> None:
        """Twenty steps that find nothing to do, from near and from far; see program.py."""
        with self._hosts() as hosts:
            host = hosts[figures.OURS]
            argv: list[str | Path] = [sys.executable, "-m", "tests.bench.program", host.name]
            argv += [self.ours.place, str(turns), *program.TIMES]
            load = round(os.getloadavg()[0], 2)
            done = self.lab.run(argv, cwd=ROOT, env=PLAIN, timeout=480, check=False)
            if done.returncode:
                raise LabError(f"the twenty steps: {done.stderr[-2000:]}")
        for row in map(json.loads, done.stdout.splitlines()):
            # Turn 0 is the warm-up, and so pair 0.
            pair = min(1, row["turn"])
            sample = Sample(
                row["what"], row["who"], pair, row["turn"], round(row["wall"], 4), 0, 0, load
            )
            self.samples.append(sample)

    def run(self, command: Command, what: str, who: str, pair: int, turn: int = 1) -> None:
        sample = timed(
            self.lab, command.argv, what=what, who=who, pair=pair, turn=turn,
            stdin=command.stdin, env=command.env,
        )  # fmt: skip
        self._keep(sample)

    def _keep(self, sample: Sample) -> None:
        self.samples.append(sample)
        place = f"pair {sample.pair}" if sample.pair else "warm-up"
        say(
            f"{place}: {sample.what}, {sample.who}: {sample.wall:.2f} s, "
            f"CPU {sample.user + sample.system:.2f} s, load {sample.load}"
        )

    def same_packages(self) -> None:
        """What is not equal is not comparable."""
        ours = self.added[figures.OURS].items()
        for name, added in self.added.items():
            differ = sorted(f"{package}={version}" for package, version in ours ^ added.items())
            if differ:
                raise LabError(f"dockwright and {name} installed different packages: {differ}")

    @contextmanager
    def _hosts(self) -> Iterator[dict[str, Host]]:
        if self.base is None:
            self.base = self.make_base()
        hosts: dict[str, Host] = {}
        try:
            for rival in self.rivals:
                hosts[rival.name] = self.lab.host(rival.name, base=self.base)
            for host in hosts.values():
                host.exec("systemctl is-system-running --wait", check=False)
            yield hosts
        finally:
            for host in hosts.values():
                host.remove()

    def make_base(self) -> Layer:
        """What all hosts are stacked on: curl is there, the lists of apt are not, as on an image."""
        needs = tuple(need for rival in self.rivals for need in rival.needs)
        extra = {"/mnt": debs(DRESSES[DRESS].suite, *needs)} if needs else None
        host = self.lab.host("base", DRESS, extra=extra, fat=self.fat)
        if self.fat:
            host.exec("cloud-init status --wait", check=False)
        host.put("/etc/apt/apt.conf.d/90bench", APT)
        host.put("/etc/lsb-release", LSB_RELEASE.format(DRESSES[DRESS]))
        image = (*PREINSTALLED, *(() if self.bare else SERVER))
        names = [*image, *(f"/mnt/{need}_*.deb" for need in needs)]
        host.exec(f"apt-get -qq update && apt-get -qq -y install {' '.join(names)}")
        host.exec("apt-get clean; find /var/lib/apt/lists -type f -delete")
        return host.freeze()


def installed(host: Host) -> dict[str, str]:
    form = "${db:Status-Status} ${Package} ${Version}\\n"
    rows = [line.split() for line in host.exec(["dpkg-query", "-Wf", form]).stdout.splitlines()]
    return {row[1]: row[2] for row in rows if row[0] == "installed"}
