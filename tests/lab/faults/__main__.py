"""The command line of the sweep; ``script/faults`` calls it."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab.dress import DRESSES
from tests.lab.faults.case import Case, Outcome, inject
from tests.lab.faults.choice import cases, sample
from tests.lab.faults.faults import FAULTS
from tests.lab.faults.scenario import SCENARIOS, Bench
from tests.lab.lab import Lab


def main() -> int:
    """Try cases and print what came of them."""
    parser = argparse.ArgumentParser(prog="script/faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--sample", type=int, metavar="N", help="N cases; all without it")
    parser.add_argument("--case", action="append", metavar="FAULT:K", help="this case only")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="these faults only")
    parser.add_argument("--dress", choices=list(DRESSES), default="debian-13")
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="fresh")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="start no further case after that")
    args = parser.parse_args()
    with Lab.start() as lab, tempfile.TemporaryDirectory() as folder:
        bench = Bench(lab, args.scenario, args.dress)
        bench.learn(Path(folder))
        print(f"{len(bench.points)} points in {bench.seconds:.1f} s, seed {args.seed}", flush=True)
        faults = args.fault or list(FAULTS)
        if args.case:
            todo = [Case(name, int(at)) for name, at in (one.split(":") for one in args.case)]
            if beyond := [case.point for case in todo if case.point >= len(bench.points)]:
                print(f"no such point: {beyond}; they count from 0", file=sys.stderr)
                return 2
        elif args.sample:
            todo = sample(bench, args.seed, args.sample, faults)
        else:
            todo = cases(bench, faults)
            random.Random(args.seed).shuffle(todo)
        return _run(bench, todo, args)


def _run(bench: Bench, todo: list[Case], args: argparse.Namespace) -> int:
    end = time.monotonic() + 60 * args.minutes if args.minutes else float("inf")
    done: list[Outcome] = []

    def one(case: Case) -> Outcome | None:
        if time.monotonic() > end:
            return None
        return inject(bench, FAULTS[case.fault], case.point)

    with ThreadPoolExecutor(args.jobs) as pool:
        for outcome in pool.map(one, todo):
            if outcome is None:
                continue
            done.append(outcome)
            print(outcome, flush=True)
            if outcome.wrong or outcome.stranded:
                where = f"--dress {args.dress} --scenario {args.scenario}"
                print(f"         again: script/faults {where} --case {outcome.case}", flush=True)
    stranded = sum(outcome.stranded for outcome in done)
    repair = sum(7 in outcome.after for outcome in done)
    wrong = sum(bool(outcome.wrong) for outcome in done)
    print(
        f"{bench.dress} {bench.scenario}: {len(done)} points tried of {len(todo)},"
        f" {stranded} stranded, {wrong} wrong end states, {repair} ended with 7 and its commands"
    )
    return 1 if stranded or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
