"""Another program holds apt's locks: it is named and waited for, never ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dockwright import events
from dockwright.events import Waiting
from tests.hosts.support import (
    Make,
    at,
    clean,
    dockwright,
    ended,
    install,
    read_until,
    under_way,
    until,
    untouched,
)
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

# flock(1) does not exclude apt: its locks are fcntl locks.
HOLD = """\
use Fcntl;
open(my $f, "+>>", $ARGV[0]) or die;
my $lock = pack("s s l! l! i x4", F_WRLCK, 0, 0, 0, 0);
fcntl($f, F_SETLK, $lock) or die "held already";
open(my $said, ">", "/run/holds") or die;
close($said);
sleep 1000;
"""


@contextmanager
def held(host: Host, lock: str) -> Iterator[None]:
    """A unit of the host holds a lock until the end of the block."""
    host.put("/run/slow-upgrade", HOLD)
    host.exec(
        ["systemd-run", "-q", "--collect", "--unit=holder", "perl", "/run/slow-upgrade", lock]
    )
    until(lambda: host.exec("test -e /run/holds", check=False).returncode == 0, "the lock is held")
    try:
        yield
    finally:
        host.exec("systemctl stop holder; rm -f /run/holds")


LOCKS = ["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=["dpkg", "lists"])
def test_waits(lab: Lab, prepared: Make, lock: str) -> None:
    """C01, C02."""
    host = prepared("fresh")
    with under_way(lab, "install", at(host, "ops"), "--yes", "--detailed-exitcode") as process:
        with held(host, lock):
            said = read_until(process, '"event":"waiting"')
            assert [p for p in host.changed() if not p.startswith("/var/lib/dockwright")] == []
            pid = host.exec("systemctl show -P MainPID holder").stdout.strip()
        run = ended(process)
    assert run.code == 20, run
    waiting = events.parse(said.splitlines()[-1])
    assert isinstance(waiting, Waiting)
    assert waiting.lock == lock
    assert "slow-upgrade" in waiting.holder
    assert pid in waiting.holder
    assert 0 <= waiting.seconds < 600
    clean(host)


@pytest.mark.parametrize("lock", LOCKS, ids=["dpkg", "lists"])
def test_gives_up(lab: Lab, prepared: Make, lock: str) -> None:
    """C01, C02, C04."""
    host = prepared("fresh")
    with held(host, lock):
        number = host.exec(["stat", "-c", "%i", lock]).stdout
        began = time.monotonic()
        run = install(lab, at(host, "ops"), "--lock-timeout", "2")
        assert run.code == 10, run
        assert time.monotonic() - began < 120  # by itself it would wait for 600 s
        assert run.failed.exit == 10
        assert not run.failed.changed_host
        assert "slow-upgrade" in run.told
        assert run.all(Waiting)
        assert run.all(events.CommitPoint) == []
        untouched(host)
        # The holder lives, and its lock file is the same.
        assert host.exec("systemctl is-active holder").stdout == "active\n"
        assert host.exec(["stat", "-c", "%i", lock]).stdout == number
    if lock != LOCKS[0]:
        return
    again = install(lab, at(host, "ops"), "--lock-timeout", "2")
    assert again.code == 20, again
    clean(host)


def test_a_plan_needs_no_lock(lab: Lab, prepared: Make) -> None:
    host = prepared("fresh")
    with held(host, LOCKS[0]):
        run = dockwright(lab, "plan", "docker", at(host))
    assert run.code == 0, run
