"""The rows that only real GPUs can prove, tried on one; ``script/gpu-check`` tells how it is called.

Each row is a claim about what Dockwright does there, judged from its events (``--json``) and exit codes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from dockwright.models import Facts
from tests.field.machine import Broken, Machine, Process, started, why

# Rows whose lab test stands on a stand-in; tests/unit/test_rows.py holds this list.
ROWS = {
    "T05": "NVIDIA's own index is signed by the pinned primary key, whose subkey ran out (G13)",
    "G04": "the loaded module and its library are told as they are",
    "G05": "library and module are one driver: nvidia-smi answers",
    "G15": "/dev/nvidia-uvm is there",
    "G11": "a container has the very GPUs of the host by each way, and CUDA computes in it",
    "G17": "the kernel's log tells of no Xid error since the boot",
}


class Bench:
    """A machine with GPUs, its facts, and what its findings warn of."""

    def __init__(self, machine: Machine, facts: Facts, *, install: bool = False) -> None:
        """With ``install`` it is made a GPU host, twice."""
        self.machine, self.facts, self.install = machine, facts, install
        self.warnings: list[str] = []


def t05(bench: Bench) -> str:
    """Key and index of NVIDIA's own repository are judged on the controller."""
    run = bench.machine.dockwright("plan", "gpu")
    if run.code:
        raise Broken(why(run))
    lines = [line for line in run.plan.trust if line.startswith("nvidia")]
    return lines[0] if lines else "already so: nobody was asked"


def g04(bench: Bench) -> str:
    nvidia = bench.facts.nvidia
    if not nvidia.module:
        raise Broken("no module is loaded")
    return f"module {nvidia.module}, library {nvidia.library}"


def g05(bench: Bench) -> str:
    nvidia = bench.facts.nvidia
    if nvidia.error or nvidia.module != nvidia.library:
        raise Broken(nvidia.error or "module and library differ: reboot")
    listed = [line for line in nvidia.listing if line.startswith("GPU ")]
    if len(listed) != len(bench.facts.gpus):
        raise Broken(f"{len(bench.facts.gpus)} on the PCI bus, {len(listed)} in nvidia-smi")
    return f"{len(listed)} GPUs, {sum('MIG ' in line for line in nvidia.listing)} MIG instances"


def g11(bench: Bench) -> str:
    # The second time nothing is left to change.
    for more in ((), ("--detailed-exitcode",)) if bench.install else ():
        run = bench.machine.dockwright("install", "--gpu", "--yes", *more)
        if run.code:
            raise Broken(why(run))
    with tempfile.TemporaryDirectory() as work:
        verdict = Path(work) / "verdict.jsonl"
        run = bench.machine.dockwright("verify", "--deep", "--verdict", str(verdict))
        if run.code:
            raise Broken(why(run))
        found = json.loads(verdict.read_text(encoding="utf-8").splitlines()[0])["findings"]
    bench.warnings = [one["finding"] for one in found if one["severity"] == "warning"]
    return str(next(one["finding"] for one in found if "GPUs by" in one["finding"]))


def g15(bench: Bench) -> str:
    if "nvidia-uvm" not in bench.facts.nvidia.nodes:
        raise Broken("it is missing: nvidia-modprobe -u -c=0")
    return ", ".join(bench.facts.nvidia.nodes)


def g17(bench: Bench) -> str:
    xids = [note for note in bench.warnings if "Xid" in note]
    if xids:
        raise Broken(xids[0])
    return "none"


CHECKS: dict[str, Callable[[Bench], str]] = {
    "T05": t05, "G04": g04, "G05": g05, "G15": g15, "G11": g11, "G17": g17,
}  # fmt: skip


def tried(
    machine: Machine, facts: Facts, *, install: bool = False
) -> Iterator[tuple[str, bool, str]]:
    """Each row: whether it held, and what was seen."""
    bench = Bench(machine, facts, install=install)
    for row, check in CHECKS.items():
        try:
            yield row, True, check(bench)
        except Broken as broken:  # noqa: PERF203 (one row, and the next)
            yield row, False, str(broken)


class Named(Machine):
    """A machine as it was typed, with options of Dockwright's; rows ask for no shell of its."""

    patience = 12.0

    def _start(self, argv: list[str]) -> Process:
        return started(argv)

    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        raise NotImplementedError

    def _await_boot(self, before: str) -> None:
        raise NotImplementedError


def main(words: list[str]) -> int:
    """Tell row by row; 0 where all held."""
    install = "--install" in words
    words = [word for word in words if word != "--install"]
    host = words.pop(0) if words and not words[0].startswith("-") else "local"
    sets = [words.pop(at + 1) for at in reversed(range(len(words))) if words[at] == "--set"][::-1]
    machine = Named([host, *(word for word in words if word != "--set")], sets)
    try:
        facts = machine.look()
    except Broken as broken:
        print(f"{host}: {broken}")
        return 1
    if not facts.gpus:
        print(f"{host}: this host has no NVIDIA GPU")
        return 1
    print(f"{host}: {facts.pretty_name}, kernel {facts.kernel}")
    for line in facts.nvidia.listing:
        print(f"  {line.split(' (UUID')[0]}")
    every = True
    for row, held, seen in tried(machine, facts, install=install):
        print(f"{'ok    ' if held else 'FAILED'} {row}  {ROWS[row]}: {seen}", flush=True)
        every = every and held
    return 0 if every else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
