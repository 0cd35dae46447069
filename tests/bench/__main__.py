"""The benchmark's command line; ``script/bench`` calls it.

Everybody gets a fresh host of the same make in each pair, and takes turns: ours, theirs, ours,
theirs. Only ratios of runs that were made side by side say something: a machine is never equally
busy twice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench import figures, plot, program, rivals
from tests.bench.rivals import Command, Ours, Rival
from tests.bench.timing import PLAIN, Sample, timed
from tests.lab.dress import DRESSES
from tests.lab.faults.extra import debs
from tests.lab.host import Host, Layer
from tests.lab.lab import Lab
from tests.lab.machine import ROOT, LabError, os_release, say

DRESS = "ubuntu-24.04"

# All install the same packages: what is recommended on top is left out for everybody.
APT = 'APT::Install-Recommends "false";\n'
ALONE = {"plan, nothing to do": ["plan", "docker"], "verify": ["verify"]}
# Ubuntu's base-files bring it, and the vendor's script looks there for the codename.
LSB_RELEASE = "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={0.version}\nDISTRIB_CODENAME={0.codename}\n"
PREINSTALLED = ("ca-certificates", "curl")  # as on a server image; the manual installs them

HOW = """\
Wall time and CPU are of the whole process on the controller. All install the same {packages} \
packages. Times compare within one run on one machine only; ratios are taken pair by pair."""


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
        for turn in range(1, self.again + 1):
            for who, command in rivals.helps(self.ours).items():
                self._run(command, "--help", who, number, turn)
        with self._hosts() as hosts:
            self._run(Command(["true"]), "nothing", "lab", number)
            for turn in range(1, self.again + 1):
                self._run(Command(rivals.ssh("pyinfra", "true")), "ssh true", "ssh", number, turn)
            plan = self.ours.command("plan", "docker", f"{rivals.USER}@pyinfra")
            self._run(plan, "plan, fresh host", figures.OURS, number)
            for rival in self.rivals:
                before = _installed(hosts[rival.name])
                self._run(rival.first, "fresh install", rival.name, number)
                after = _installed(hosts[rival.name])
                self.added[rival.name] = {k: v for k, v in after.items() if before.get(k) != v}
            self._same_packages()
            for turn in range(1, self.again + 1):
                for rival in self.rivals:
                    if rival.again is not None:
                        self._run(rival.again, "second run", rival.name, number, turn)
            for what, args in ALONE.items():
                command = self.ours.command(*args, f"{rivals.USER}@{figures.OURS}")
                for turn in range(1, self.again + 1):
                    self._run(command, what, figures.OURS, number, turn)

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

    def _run(self, command: Command, what: str, who: str, pair: int, turn: int = 1) -> None:
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

    def _same_packages(self) -> None:
        """What is not equal is not comparable."""
        ours = self.added[figures.OURS].items()
        for name, added in self.added.items():
            differ = sorted(f"{package}={version}" for package, version in ours ^ added.items())
            if differ:
                raise LabError(f"dockwright and {name} installed different packages: {differ}")

    @contextmanager
    def _hosts(self) -> Iterator[dict[str, Host]]:
        if self.base is None:
            self.base = self._make_base()
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

    def _make_base(self) -> Layer:
        """What all hosts are stacked on: curl is there, the lists of apt are not, as on an image."""
        needs = tuple(need for rival in self.rivals for need in rival.needs)
        extra = {"/mnt": debs(DRESSES[DRESS].suite, *needs)} if needs else None
        host = self.lab.host("base", DRESS, extra=extra)
        host.put("/etc/apt/apt.conf.d/90bench", APT)
        host.put("/etc/lsb-release", LSB_RELEASE.format(DRESSES[DRESS]))
        names = [*PREINSTALLED, *(f"/mnt/{need}_*.deb" for need in needs)]
        host.exec(f"apt-get -qq update && apt-get -qq -y install {' '.join(names)}")
        host.exec("apt-get clean; find /var/lib/apt/lists -type f -delete")
        return host.freeze()


def _installed(host: Host) -> dict[str, str]:
    form = "${db:Status-Status} ${Package} ${Version}\\n"
    rows = [line.split() for line in host.exec(["dpkg-query", "-Wf", form]).stdout.splitlines()]
    return {row[1]: row[2] for row in rows if row[0] == "installed"}


def _machine() -> dict[str, Any]:
    with Path("/proc/meminfo").open() as lines:
        kib = int(next(lines).split()[1])
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(kib / 1024**2),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "system": os_release().get("PRETTY_NAME", platform.system()),
        "python": platform.python_version(),
    }


def _page(report: dict[str, Any], samples: list[Sample], *, markdown: bool) -> str:
    machine, load = report["machine"], report["load"]
    found = figures.ratios(samples)
    head = "## " if markdown else ""
    about = [f"{name}: {text}" for name, text in report["rivals"].items()] + report["left_out"]
    facts = (
        f"{report['date']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, {machine['system']}, Python {machine['python']}; "
        f"load {load['before']} before and {load['after']} after. "
        f"Hosts: {report['dress']} in the lab, on the same machine."
    )
    parts = [
        f"{'# ' if markdown else ''}Benchmark",
        facts,
        "\n".join(f"- {line}" for line in about),
        HOW.format(packages=report["packages"]),
        f"{head}Times",
        figures.table(
            figures.line_rows(figures.lines(samples)), figures.LINE_HEADS, markdown=markdown
        ),
        f"{head}Ratios (below 1: Dockwright is quicker)",
        figures.table(figures.ratio_rows(found), figures.RATIO_HEADS, markdown=markdown),
        report["verdict"]["text"],
    ]
    return "\n\n".join(parts) + "\n"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--pairs", type=int, default=5, metavar="N", help="pairs that count (default: %(default)s)")
    add(
        "--again",
        type=int,
        default=3,
        metavar="N",
        help="second runs a pair (default: %(default)s)",
    )
    add(
        "--turns", type=int, default=9, metavar="N", help="of the twenty steps, 0 to leave them out"
    )
    add("--no-warm-up", action="store_true", help="count the first pair, with its cold caches")
    add("--vendor-script", type=Path, metavar="F", help="get.docker.com's script, not the manual")
    add("--ansible-role", type=Path, metavar="DIR", help="where geerlingguy.docker lies")
    add("--json", type=Path, metavar="F", help="write all samples and figures here")
    add("--write", type=Path, metavar="F", help="write a page of markdown here, and a plot, F.svg")
    args = parser.parse_args()
    if args.pairs < 1 or args.again < 1:
        parser.error("--pairs and --again are at least 1")
    return args


def _measure(args: argparse.Namespace) -> tuple[dict[str, Any], list[Sample]]:
    before = os.getloadavg()
    with Lab.start() as lab, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ours = Ours.install(lab, Path(folder) / "dockwright")
        found, left_out = rivals.all_of(
            ours, args.vendor_script, args.ansible_role, folder=Path(folder)
        )
        bench = Bench(ours, found, args.again)
        for number in range(1 if args.no_warm_up else 0, args.pairs + 1):
            bench.pair(number)
        if args.turns:
            bench.programs(args.turns)
    ratios = figures.ratios(bench.samples)
    met, text = figures.verdict(ratios)
    report = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": _machine(),
        "load": {"before": round(before[0], 2), "after": round(os.getloadavg()[0], 2)},
        "dress": DRESS,
        "rivals": {rival.name: rival.about for rival in found},
        "left_out": left_out,
        "packages": len(bench.added[figures.OURS]),
        "verdict": {"met": met, "text": text},
        "times": [asdict(line) for line in figures.lines(bench.samples)],
        "ratios": [asdict(ratio) for ratio in ratios],
        "samples": [asdict(sample) for sample in bench.samples],
    }
    return report, bench.samples


def main() -> int:
    """Measure, show, write; 0 where the target is met, 1 where not, 2 where nothing came of it."""
    args = _parse()
    try:
        report, samples = _measure(args)
    except LabError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 2
    sys.stdout.write(_page(report, samples, markdown=False))
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    if args.write:
        args.write.write_text(_page(report, samples, markdown=True))
        args.write.with_suffix(".svg").write_text(plot.draw(figures.lines(samples)))
    return 0 if report["verdict"]["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
