"""What it costs to wait: hosts whose programs are at work and say nothing for now."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fleet import farm
from tests.fleet.test_thousand import Farm, served
from tests.lab.machine import ROOT

pytestmark = pytest.mark.slow

__all__ = ["served"]

HOSTS = 300
INTERVAL = 20.0  # seconds of which the processor's are counted


def processor_time(pid: int) -> float:
    """Seconds that a process has computed, by proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wakes(pid: int) -> int:
    """How often its threads had waited and went on."""
    texts = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status"))
    return sum(int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0]) for text in texts)


def test_who_waits_costs_next_to_nothing(served: Farm) -> None:
    """1 % of a core for each hundred hosts that are followed: three times a second each is too often.

    How much that is of a core depends on the machine, and is printed.
    """
    inventory = served.folder / "hosts.yaml"
    lines = [f"  {name}: {how}\n" for name, how in served.hosts(farm.BUSY, HOSTS).items()]
    inventory.write_text("hosts:\n" + "".join(lines))
    inventory.chmod(0o600)
    command = [
        sys.executable, "-m", "dockwright", "attach", "all", "-i", str(inventory), "--json",
        "--known-hosts", str(served.folder / "known_hosts"), "--connect-timeout", "120",
        "--identity", str(served.folder / "key"), "--forks", str(HOSTS),
    ]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(served.folder), "PYTHONPATH": str(ROOT / "installer"),
    }  # fmt: skip
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            left = HOSTS
            for line in process.stdout:
                left -= '"event":"program_started"' in line
                if not left:
                    break
            assert left == 0
            before, woken = processor_time(process.pid), wakes(process.pid)
            began = time.monotonic()
            time.sleep(INTERVAL)
            used = processor_time(process.pid) - before
            often = (wakes(process.pid) - woken) / (time.monotonic() - began) / HOSTS
            share = used / (time.monotonic() - began) * 100 / HOSTS * 100
        finally:
            process.kill()
    print(
        f"{HOSTS} hosts waited for: {share:.2f} % of a core a hundred, {often:.1f} wakes a second each"
    )
    assert often <= 3
