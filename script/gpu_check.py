"""The rows that only real GPUs can prove, tried on one; ``script/gpu-check`` tells how it is called.

Each row is a claim about what Dockwright does there, judged from its events (``--json``) and exit codes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Rows whose lab test stands on a stand-in; tests/unit/test_rows.py holds this list.
ROWS = {
    "T05": "NVIDIA's own index is signed by the pinned primary key, whose subkey ran out (G13)",
    "G04": "the loaded module and its library are told as they are",
    "G05": "library and module are one driver: nvidia-smi answers",
    "G11": "a container has the very GPUs of the host by each way, and CUDA computes in it",
    "G15": "/dev/nvidia-uvm is there",
    "G17": "the kernel's log tells of no Xid error since the boot",
}


class Broken(Exception):  # noqa: N818 (what it says)
    """A row that did not hold, in words."""


@dataclass
class Bench:
    """A host, the options for it, and what was learnt of it so far."""

    host: str
    sets: list[str]
    options: list[str]
    install: bool
    facts: dict[str, Any] = field(default_factory=dict)

    def dockwright(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        """The exit code and the events of a command; variables go to those that have them."""
        known = {"facts": "-", "verify": "gpu"}.get(words[0], "")
        sets = [word for one in self.sets if one.startswith(known) for word in ("--set", one)]
        command = [sys.executable, "-m", "dockwright", *words, self.host, *sets, *self.options]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if not told:
            raise Broken(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
        return done.returncode, told


def failure(told: list[dict[str, Any]]) -> str:
    """What a run failed with."""
    failed = [one for one in told if one["event"] == "failed"]
    return "; ".join(
        [one["brief"] + "".join(f" ({v})" for _, v in one["details"]) for one in failed]
    )


def look(bench: Bench) -> None:
    """The host's facts, which later rows rest on."""
    code, told = bench.dockwright("facts")
    reached = [one for one in told if one["event"] == "host_reached"]
    if code or not reached:
        raise Broken(failure(told) or f"facts ended with {code}")
    bench.facts = reached[0]["facts"]
    if not bench.facts["gpus"]:
        raise Broken("this host has no NVIDIA GPU")


def t05(bench: Bench) -> str:
    """Key and index of NVIDIA's own repository are judged on the controller."""
    code, told = bench.dockwright("plan", "gpu")
    plans = [one["plan"] for one in told if one["event"] == "planned"]
    if code or not plans:
        raise Broken(failure(told) or f"plan ended with {code}")
    lines = [line for line in plans[0]["trust"] if line.startswith("nvidia")]
    return lines[0] if lines else "already so: nobody was asked"


def g04(bench: Bench) -> str:
    nvidia = bench.facts["nvidia"]
    if not nvidia["module"]:
        raise Broken("no module is loaded")
    return f"module {nvidia['module']}, library {nvidia['library']}"


def g05(bench: Bench) -> str:
    nvidia = bench.facts["nvidia"]
    if nvidia["error"] or nvidia["module"] != nvidia["library"]:
        raise Broken(nvidia["error"] or "module and library differ: reboot")
    listed = [line for line in nvidia["listing"] if line.startswith("GPU ")]
    if len(listed) != len(bench.facts["gpus"]):
        raise Broken(f"{len(bench.facts['gpus'])} on the PCI bus, {len(listed)} in nvidia-smi")
    return f"{len(listed)} GPUs, {sum('MIG ' in line for line in nvidia['listing'])} MIG instances"


def g11(bench: Bench) -> str:
    # The second time nothing is left to change.
    for more in ((), ("--detailed-exitcode",)) if bench.install else ():
        code, told = bench.dockwright("install", "--gpu", "--yes", *more)
        if code:
            raise Broken(failure(told) or f"install ended with {code}")
    with tempfile.TemporaryDirectory() as work:
        verdict = Path(work) / "verdict.jsonl"
        code, told = bench.dockwright("verify", "--deep", "--verdict", str(verdict))
        if code:
            raise Broken(failure(told) or f"verify ended with {code}")
        found = json.loads(verdict.read_text(encoding="utf-8").splitlines()[0])["findings"]
    bench.facts["notes"] = [one["finding"] for one in found if one["severity"] == "warning"]
    return str(next(one["finding"] for one in found if "GPUs by" in one["finding"]))


def g15(bench: Bench) -> str:
    if "nvidia-uvm" not in bench.facts["nvidia"]["nodes"]:
        raise Broken("it is missing: nvidia-modprobe -u -c=0")
    return ", ".join(bench.facts["nvidia"]["nodes"])


def g17(bench: Bench) -> str:
    xids = [note for note in bench.facts.get("notes", ()) if "Xid" in note]
    if xids:
        raise Broken(xids[0])
    return "none"


CHECKS: dict[str, Callable[[Bench], str]] = {
    "T05": t05, "G04": g04, "G05": g05, "G15": g15, "G11": g11, "G17": g17,
}  # fmt: skip


def tried(bench: Bench) -> Iterator[tuple[str, bool, str]]:
    """Each row: whether it held, and what was seen."""
    for row, check in CHECKS.items():
        try:
            yield row, True, check(bench)
        except Broken as broken:  # noqa: PERF203 (one row, and the next)
            yield row, False, str(broken)


def main(words: list[str]) -> int:
    """Tell row by row; 0 where all held."""
    install = "--install" in words
    words = [word for word in words if word != "--install"]
    host = words.pop(0) if words and not words[0].startswith("-") else "local"
    sets = [words.pop(at + 1) for at in reversed(range(len(words))) if words[at] == "--set"]
    bench = Bench(host, sets[::-1], [word for word in words if word != "--set"], install)
    try:
        look(bench)
    except Broken as broken:
        print(f"{host}: {broken}")
        return 1
    print(f"{host}: {bench.facts['pretty_name']}, kernel {bench.facts['kernel']}")
    for line in bench.facts["nvidia"]["listing"]:
        print(f"  {line.split(' (UUID')[0]}")
    held = True
    for row, right, seen in tried(bench):
        print(f"{'ok    ' if right else 'FAILED'} {row}  {ROWS[row]}: {seen}", flush=True)
        held = held and right
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
