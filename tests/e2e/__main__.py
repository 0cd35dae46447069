"""Says why this machine can have no virtual machine, and nothing where it can: ``script/e2e-vm --short``.

What is missing is installed on the way.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.lab import machine, vagrant
from tests.lab.keeper import work_dir
from tests.lab.machine import LabError
from tests.lab.parts import cache_dir

GIB = 1 << 30
MEMORY = 4 * GIB  # two for the machine, and a lab beside it
CACHE, WORK = 6 * GIB, 6 * GIB  # the box, and the machine's disk


def why_not() -> str:
    """The first thing that is missing; empty where nothing is."""
    checks: tuple[Callable[[], str | None], ...] = (
        machine.why_not, vagrant.usable, no_kvm, no_memory, no_room, no_tools,
    )  # fmt: skip
    return next((reason for check in checks if (reason := check())), "")


def no_kvm() -> str:
    """An emulated machine takes its time, which those have who ask for all of it."""
    return "" if Path("/dev/kvm").exists() else "this machine has no /dev/kvm"


def no_memory() -> str:
    """As the kernel estimates it (proc(5), MemAvailable)."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    return _short("memory", free, MEMORY)


def no_room() -> str:
    """On the file systems of the lab's two folders."""
    for path, need in ((cache_dir(), CACHE), (work_dir(), WORK)):
        path.mkdir(parents=True, exist_ok=True)
        if reason := _short(f"room in {path}", shutil.disk_usage(path).free, need):
            return reason
    return ""


def _short(what: str, have: int, need: int) -> str:
    if have >= need:
        return ""
    return f"too little {what}: {have / GIB:.1f} of {need / GIB:.0f} GiB"


def no_tools() -> str:
    """What apt can't install here is nobody's failure."""
    os.environ.setdefault("DEBIAN_FRONTEND", "noninteractive")
    try:
        machine.install_tools()
        vagrant.install_tools()
    except LabError as error:
        return f"apt: {str(error).splitlines()[-1][:200]}"
    return ""


if __name__ == "__main__":
    sys.stdout.write(why_not())
