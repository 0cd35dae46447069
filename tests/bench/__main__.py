"""The benchmark's command line; ``script/bench`` calls it.

Everybody gets a fresh host of the same make in each pair, and takes turns: ours, theirs, ours,
theirs. With --fleet everybody gets a fleet of them, one after the other. Only ratios of runs that
were made side by side say something: a machine is never equally busy twice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench import archive, figures, fleet, plot, rivals
from tests.bench.fleet import FleetBench
from tests.bench.rivals import Ours
from tests.bench.runs import DRESS, Bench
from tests.bench.timing import Sample
from tests.lab.lab import Lab
from tests.lab.machine import LabError, os_release, say

FAT = "with needrestart, man-db, unattended-upgrades, AppArmor, ufw and cloud-init"
BARE, SERVED = "without what Docker depends on", "with what Docker depends on"
HOW = """\
Wall time and CPU are of the whole process on the controller. All install the same {packages} \
packages. Times compare within one run on one machine only; ratios are taken pair by pair."""


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
        f"Hosts: {report['fleet'] or 'one'} at a time, {report['dress']} in the lab, on the same machine."
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
    add("--fleet", type=int, metavar="N", help="N hosts for each, all at once (up to 99)")
    add(
        "--fat",
        action="store_true",
        help="hosts with what servers have: needrestart, man-db, unattended-upgrades, cloud-init",
    )
    add(
        "--bare",
        action="store_true",
        help="hosts by debootstrap alone: what Docker depends on is not there",
    )
    add("--small", action="store_true", help="an archive of the lab's few packages alone")
    add("--rate", type=int, metavar="MB", help="what a connection gets in a second (default: all)")
    add("--no-warm-up", action="store_true", help="count the first pair, with its cold caches")
    add("--vendor-script", type=Path, metavar="F", help="get.docker.com's script, not the manual")
    add("--ansible-role", type=Path, metavar="DIR", help="where geerlingguy.docker lies")
    add("--json", type=Path, metavar="F", help="write all samples and figures here")
    add("--write", type=Path, metavar="F", help="write a page of markdown here, and a plot, F.svg")
    args = parser.parse_args()
    if args.rate is not None and args.rate < 1:
        parser.error("--rate is at least 1 MB/s")
    if args.pairs < 1 or args.again < 1:
        parser.error("--pairs and --again are at least 1")
    if args.fleet is not None and not 2 <= args.fleet <= 99:
        parser.error("--fleet is 2 to 99 hosts")
    if args.fleet is not None and args.vendor_script:
        parser.error("--vendor-script is for one host")
    return args


def _measure(args: argparse.Namespace) -> tuple[dict[str, Any], list[Sample]]:
    before = os.getloadavg()
    with Lab.start() as lab, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ours = Ours.install(lab, Path(folder) / "dockwright")
        found, left_out = rivals.all_of(
            ours, args.vendor_script, args.ansible_role, folder=Path(folder), fleet=args.fleet
        )
        if args.fleet:
            bench: Bench = FleetBench(ours, found, args.again, Path(folder) / "log")
        else:
            bench = Bench(ours, found, args.again)
        bench.fat, bench.bare = args.fat, args.bare
        setting = [DRESS, BARE if args.bare else SERVED, *([FAT] if args.fat else [])]
        if not args.small:
            setting.append(f"an archive of {archive.lengthen(lab, DRESS)} packages")
        if args.rate:
            archive.bound(lab, args.rate)
            setting.append(f"{args.rate} MB/s for each connection to an archive")
        try:
            for number in range(1 if args.no_warm_up else 0, args.pairs + 1):
                bench.pair(number)
            if args.turns and not args.fleet:
                bench.programs(args.turns)
        except KeyboardInterrupt:
            say("interrupted: this is what was measured so far")
    ratios = figures.ratios(bench.samples)
    met, text = figures.verdict(ratios, fleet.TARGETS if args.fleet else figures.TARGETS)
    report = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": _machine(),
        "load": {"before": round(before[0], 2), "after": round(os.getloadavg()[0], 2)},
        "dress": ", ".join(setting),
        "fleet": args.fleet,
        "rivals": {rival.name: rival.about for rival in found},
        "left_out": left_out,
        "packages": len(bench.added.get(figures.OURS, ())),
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
