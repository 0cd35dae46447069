"""A bench for the shell that runs on hosts: its parts, with a PATH of their own and faked programs."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dockwright.resources import directory

RUNTIME = directory("templates") / "runtime"
TOOLS = [
    "awk",
    "base64",
    "cat",
    "chmod",
    "basename",
    "cmp",
    "cp",
    "cut",
    "date",
    "diff",
    "dirname",
    "flock",
    "grep",
    "head",
    "kill",
    "ln",
    "mkdir",
    "mktemp",
    "mv",
    "perl",
    "readlink",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "timeout",
    "tr",
    "true",
    "xargs",
    "find",
    "touch",
    "tar",
    "printf",
    "rmdir",
    "ls",
]
SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]


@dataclass(frozen=True)
class Done:
    """What a script did: its status, its records as (type, step, text), and its output."""

    status: int
    records: list[tuple[str, str, str]]
    output: str

    def of(self, kind: str) -> list[str]:
        return [text for found, _, text in self.records if found == kind]


@dataclass
class Bench:
    """A folder in which parts of the runtime run with a PATH of their own."""

    top: Path
    tools: Path

    def fake(self, name: str, body: str) -> None:
        path = self.top / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\necho {name} \"$@\" >>'{self.top}/calls'\n{body}\n")
        path.chmod(0o755)

    def calls(self) -> list[str]:
        path = self.top / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def script(self, body: str, *parts: str) -> str:
        if "journal" in parts:
            parts = ("away", *parts)  # as in every program
        texts = [(RUNTIME / f"{part}.sh").read_text(encoding="utf-8") for part in parts]
        head = (
            f"set -u\nPATH='{self.top}/bin:{self.tools}' LC_ALL=C.UTF-8 run_id=r1 committed=0 step_id=s01\n"
            f"state='{self.top}/state' run='{self.top}/run' out='{self.top}/run/out'\n"
            f"exec 3>>'{self.top}/run/records' 4>>'{self.top}/run/log'\n: >\"$out\"\n"
        )
        return head + "\n".join(texts) + f"\n{body}\n"

    def run(self, body: str, *parts: str, shell: str = "dash", stdin: str = "") -> Done:
        (self.top / "run/records").unlink(missing_ok=True)
        done = subprocess.run(
            [shutil.which(shell) or "sh", "-c", self.script(body, *parts)],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return Done(done.returncode, self.records(), done.stdout + done.stderr)

    def records(self) -> list[tuple[str, str, str]]:
        found = []
        for line in (self.top / "run/records").read_text().splitlines():
            mark, run_id, kind, step, uptime, *rest = line.split(" ", 5)
            assert (mark, run_id) == ("dw1", "r1")
            assert re.fullmatch(r"[0-9]+\.[0-9]+", uptime)
            text = "".join(rest)
            if kind in ("stop", "cause", "output", "note", "wait"):
                text = base64.b64decode(text).decode()
            found.append((kind, step, text))
        return found


def receipt(bench: Bench) -> list[str]:
    path = bench.top / "run/receipt"
    return path.read_text().splitlines() if path.exists() else []
