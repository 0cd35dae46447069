"""One bench: the lab with its rivals, fresh hosts for each, and what was measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import figures, rivals
from tests.bench.needs import download, lacking
from tests.bench.rivals import Command, Ours, Rival
from tests.bench.timing import Sample, timed
from tests.lab.dress import DRESSES
from tests.lab.host import Host, Layer
from tests.lab.machine import LabError, say

DRESS = "ubuntu-24.04"

# All install the same packages: what is recommended on top is left out for everybody.
APT = 'APT::Install-Recommends "false";\n'
ALONE = {"plan, nothing to do": ["plan", "docker"], "verify": ["verify"]}
# Ubuntu's base-files bring it, and the vendor's script looks there for the codename.
LSB_RELEASE = "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={0.version}\nDISTRIB_CODENAME={0.codename}\n"
PREINSTALLED = ("ca-certificates", "curl")  # as on a server image; the manual installs them


class Bench:
    """The lab with its rivals, and what was measured."""

    def __init__(self, ours: Ours, rivals: list[Rival], again: int) -> None:
        self.ours = ours
        self.lab = ours.lab
        self.rivals = rivals
        self.again = again
        self.samples: list[Sample] = []
        self.base: Layer | None = None
        self.added: dict[str, dict[str, str]] = {}

    def pair(self, number: int) -> None:
        """One fresh host for each rival: everybody installs, then everybody runs again in turn."""
        with self._hosts() as hosts:
            self.run(Command(["true"]), "nothing", "lab", number)
            for turn in range(1, self.again + 1):
                self.run(Command(rivals.ssh("pyinfra", "true")), "ssh true", "ssh", number, turn)
            plan = self.ours.command("plan", "docker", f"{rivals.USER}@pyinfra")
            self.run(plan, "plan, fresh host", figures.OURS, number)
            for rival in self.rivals:
                before = installed(hosts[rival.name])
                self.run(rival.first, "fresh install", rival.name, number)
                after = installed(hosts[rival.name])
                self.added[rival.name] = {k: v for k, v in after.items() if before.get(k) != v}
            self.same_packages()
            for turn in range(1, self.again + 1):
                for rival in self.rivals:
                    if rival.again is not None:
                        self.run(rival.again, "second run", rival.name, number, turn)
            for what, args in ALONE.items():
                command = self.ours.command(*args, f"{rivals.USER}@{figures.OURS}")
                for turn in range(1, self.again + 1):
                    self.run(command, what, figures.OURS, number, turn)

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
        with tempfile.TemporaryDirectory(prefix="bench-debs-") as folder:
            host = self.lab.host("base", DRESS, extra={"/mnt": Path(folder)})
            host.put("/etc/apt/apt.conf.d/90bench", APT)
            host.put("/etc/lsb-release", LSB_RELEASE.format(DRESSES[DRESS]))
            needs = [need for rival in self.rivals for need in rival.needs]
            names = [*PREINSTALLED, *needs]
            if lacks := lacking(self.lab.dir, DRESS, needs):
                download(Path(folder), host, lacks)
                names = [*(name for name in names if name not in lacks), "/mnt/archives/*.deb"]
            host.exec(f"apt-get -qq update && apt-get -qq -y install {' '.join(names)}")
            host.exec("apt-get clean; find /var/lib/apt/lists -type f -delete")
            return host.freeze()


def installed(host: Host) -> dict[str, str]:
    form = "${db:Status-Status} ${Package} ${Version}\\n"
    rows = [line.split() for line in host.exec(["dpkg-query", "-Wf", form]).stdout.splitlines()]
    return {row[1]: row[2] for row in rows if row[0] == "installed"}
