"""Two controllers, lost controllers, Ctrl-C: the host's run is one, and ends in good order."""

from __future__ import annotations

import re
import signal

import pytest

from dockwright import events
from dockwright.events import ProgramStarted
from tests.hosts.support import (
    STATE,
    Make,
    at,
    clean,
    dockwright,
    ended,
    install,
    leftovers,
    no_program,
    read_until,
    runs,
    under_way,
    until,
)
from tests.hosts.test_locks import LOCKS, held
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def slow(prepared: Make) -> Host:
    """A fresh host on which the transaction takes a while."""
    host = prepared("fresh")
    hook = 'DPkg::Pre-Invoke { "sleep 2"; };\n'
    host.put("/etc/apt/apt.conf.d/99slow", hook)
    host.mark()
    return host


class TestTwoControllers:
    def test_the_same_plan_joins(self, lab: Lab, prepared: Make) -> None:
        """C06, I03."""
        host = prepared("fresh")
        command = ["install", at(host, "ops"), "--yes", "--detailed-exitcode"]
        with under_way(lab, *command) as first, under_way(lab, *command) as second:
            with held(host, LOCKS[0]):
                said = read_until(first, '"event":"waiting"')
                joined = read_until(second, '"event":"program_started"')
            one, two = ended(first), ended(second)
        starts = [
            event
            for text in (said, joined)
            for event in map(events.parse, text.splitlines())
            if isinstance(event, ProgramStarted)
        ]
        assert [start.joined for start in starts] in ([False, True], [True, False])
        assert len({start.run_id for start in starts}) == 1
        assert (one.code, two.code) == (20, 20), f"{one}\n{two}"
        assert len(runs(host)) == 1
        clean(host)

    def test_another_plan_is_busy(self, lab: Lab, prepared: Make) -> None:
        """C06."""
        host = prepared("fresh")
        with under_way(lab, "install", at(host, "ops"), "--yes") as first, held(host, LOCKS[0]):
            said = read_until(first, '"event":"waiting"')
            (start,) = re.findall(r'"run_id":"([^"]+)"', said)
            other = install(lab, at(host), "--docker-version", "29.7.1")
            assert other.code == 10, other
            assert start in other.told
            assert re.search(r"since \d\d:\d\d:\d\d", other.told), other.told
            assert not other.failed.changed_host
            assert len(runs(host)) == 1
        until(lambda: no_program(host), "the first run ends")


class TestLostController:
    def test_killed_before_the_commit_point(self, lab: Lab, prepared: Make) -> None:
        """I06, I03."""
        host = prepared("fresh")
        command = ["install", at(host, "ops"), "--yes", "--detailed-exitcode"]
        with held(host, LOCKS[0]):
            with under_way(lab, *command) as first:
                read_until(first, '"event":"waiting"')
                first.kill()
            with under_way(lab, *command) as second:
                said = read_until(second, '"event":"program_started"')
                assert '"joined":true' in said
                host.exec("systemctl stop holder")
                run = ended(second)
        assert run.code == 20, run
        assert len(runs(host)) == 1
        clean(host)

    def test_killed_in_the_transaction(self, lab: Lab, slow: Host) -> None:
        """I06, I02: The program goes on alone; the same command joins it and ends well."""
        command = ["install", at(slow, "ops"), "--yes"]
        with under_way(lab, *command) as first:
            read_until(first, '"event":"commit_point"')
            first.kill()
        assert not no_program(slow)
        run = dockwright(lab, *command)
        assert run.code == 0, run
        assert len(runs(slow)) == 1
        until(lambda: no_program(slow), "the program ends")
        clean(slow)
        assert install(lab, at(slow)).code == 0

    def test_program_killed(self, lab: Lab, slow: Host) -> None:
        """I07, C07, I11: All of a run dies on the host, after the key and before dpkg: 6, and again goes on."""
        with under_way(lab, "install", at(slow, "ops"), "--yes") as process:
            read_until(process, '"event":"commit_point"')
            slow.exec("systemctl kill --kill-whom=all -s KILL 'dockwright-*'")
            run = ended(process)
        assert run.code == 6, run
        assert "killed" in run.failed.brief
        assert run.failed.changed_host
        assert slow.exec("dpkg --audit").stdout == ""
        again = install(lab, at(slow, "ops"))
        assert again.code == 20, again
        clean(slow)


class TestInterrupt:
    def test_once(self, lab: Lab, slow: Host) -> None:
        """I05: Ctrl-C ends the run after the step that is under way; the same command goes on."""
        command = ["install", at(slow, "ops"), "--yes", "--detailed-exitcode"]
        with under_way(lab, *command) as process:
            read_until(process, '"event":"commit_point"')
            process.send_signal(signal.SIGINT)
            run = ended(process)
        assert run.code == 130, run
        assert "run it again" in run.out or "again" in run.out
        until(lambda: no_program(slow), "the program ends")
        assert slow.exec("dpkg --audit").stdout == ""
        assert leftovers(slow) == []
        again = install(lab, at(slow, "ops"))
        assert again.code in (0, 20), again  # the step that was under way may have been the last
        clean(slow)

    def test_before_the_commit_point(self, lab: Lab, prepared: Make) -> None:
        """I05."""
        host = prepared("fresh")
        with held(host, LOCKS[0]), under_way(lab, "install", at(host), "--yes") as process:
            read_until(process, '"event":"waiting"')
            process.send_signal(signal.SIGINT)
            run = ended(process)  # the program looks each half second
            assert run.code == 130, run
            assert [p for p in host.changed() if not p.startswith(STATE)] == []
        assert leftovers(host) == []

    def test_twice(self, lab: Lab, prepared: Make) -> None:
        """I05: The second Ctrl-C leaves at once; the program goes on, and is joined."""
        host = prepared("fresh")
        host.put("/etc/apt/apt.conf.d/99slow", 'DPkg::Pre-Invoke { "sleep 5"; };\n')
        command = ["install", at(host, "ops"), "--yes"]
        with under_way(lab, *command) as process:
            read_until(process, '"event":"commit_point"')
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            assert "Ctrl-C again" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            run = ended(process)
        assert run.code == 130, run
        assert "goes on" in run.out
        until(lambda: no_program(host), "the program ends")
        assert dockwright(lab, *command).code == 0
        clean(host)
