"""The network goes away: noticed, joined again at the byte where it broke, or said in time."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from dockwright.events import Failed
from tests.hosts.support import (
    Make,
    at,
    clean,
    dockwright,
    ended,
    no_program,
    read_until,
    runs,
    under_way,
    until,
)
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


def connected(lab: Lab, host: Host) -> bool:
    """Whether the controller has an SSH connection to the host that it takes for alive."""
    peer = "".join(f"{int(part):02X}" for part in reversed(host.address.split(".")))
    lines = Path(f"/proc/{lab.init}/net/tcp").read_text().splitlines()
    return any(line.split()[2:4] == [f"{peer}:0016", "01"] for line in lines)


@pytest.fixture
def slow(prepared: Make) -> Host:
    """A fresh host on which dpkg starts only when it is told to."""
    host = prepared("fresh")
    wait = "while [ -e /run/hold ]; do sleep 0.1; done"
    host.put("/usr/local/sbin/when-told", f"#!/bin/sh\n{wait}\n", 0o755)
    host.put("/etc/apt/apt.conf.d/99slow", 'DPkg::Pre-Invoke { "/usr/local/sbin/when-told"; };\n')
    host.put("/run/hold", "")
    host.mark()
    return host


def test_black_hole_is_noticed_and_joined(lab: Lab, slow: Host) -> None:
    """I04: No reset comes: the connection is given up within 15 s, and the run followed to its end."""
    command = ["install", at(slow, "ops"), "--yes", "--detailed-exitcode", "--connect-timeout", "2"]
    with under_way(lab, *command) as process:
        read_until(process, '"event":"commit_point"')
        until(lambda: connected(lab, slow), "a connection")
        slow.link(down=True)
        began = time.monotonic()
        until(lambda: not connected(lab, slow), "the dead peer is noticed", 90)
        noticed = time.monotonic() - began
        slow.link(down=False)
        slow.exec("rm /run/hold")
        run = ended(process)
    assert run.code == 20, run
    # 15 s, and what a busy machine adds; TCP by itself would take many minutes.
    assert noticed < 60, noticed
    assert len(runs(slow)) == 1
    clean(slow)


def test_reset_is_joined(lab: Lab, slow: Host) -> None:
    """I02."""
    command = ["install", at(slow, "ops"), "--yes", "--detailed-exitcode"]
    with under_way(lab, *command) as process:
        read_until(process, '"event":"commit_point"')
        for _ in range(2):
            until(lambda: connected(lab, slow), "a connection")
            pids = slow.exec("pgrep -x sshd-session || pgrep -f 'sshd: ops'").stdout.split()
            slow.exec(["kill", "-9", *pids], check=False)
            until(lambda: slow.exec("pgrep -f 'ev$'", check=False).returncode == 0, "it is joined")
        slow.exec("rm /run/hold")
        run = ended(process)
    assert run.code == 20, run
    assert len(runs(slow)) == 1
    clean(slow)


@pytest.mark.deep
def test_never_healed(lab: Lab, slow: Host) -> None:
    """I04, I15: 5 within bounds: the program goes on there, and the same command joins it."""
    command = ["install", at(slow, "ops"), "--yes", "--connect-timeout", "1"]
    with under_way(lab, *command) as process:
        read_until(process, '"event":"commit_point"')
        slow.link(down=True)
        began = time.monotonic()
        run = ended(process)
    took = time.monotonic() - began
    failed = [event for event in run.events if isinstance(event, Failed)]
    slow.link(down=False)
    assert run.code == 5, run
    assert took < 90, took
    assert len(failed) == 1
    told = " ".join([failed[0].brief, failed[0].next_step or ""])
    assert "goes on" in told
    assert re.search(r"same command|attach", told)
    assert failed[0].changed_host
    assert not no_program(slow)
    slow.exec("rm /run/hold")
    again = dockwright(lab, *command)
    assert again.code == 0, again
    assert len(runs(slow)) == 1
    clean(slow)
