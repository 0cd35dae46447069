"""attach: the run under way is followed, the last one shown; Ctrl-C at a real terminal."""

from __future__ import annotations

import shlex
import sys
import time

import pytest

from dockwright.events import Note, ProgramStarted, StepFinished
from tests.hosts.support import (
    Make,
    arguments,
    at,
    clean,
    dockwright,
    ended,
    install,
    no_program,
    read_until,
    runs,
    under_way,
    unseen,
    until,
)
from tests.hosts.test_interrupt_network import slow
from tests.lab.control import Process
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = pytest.mark.lab

__all__ = ["slow"]


def attached(lab: Lab, host: Host, user: str = "ops") -> list[str]:
    argv = arguments(lab, "attach", at(host, user))
    cut = argv.index("--set")
    return [*argv[:cut], *argv[cut + 2 :]]


def attach(lab: Lab, host: Host) -> Process:
    argv = [sys.executable, "-m", "dockwright", *attached(lab, host)]
    return lab.popen(argv, env={"PYTHONPATH": str(ROOT / "installer")})


def test_live_then_ended(lab: Lab, slow: Host) -> None:
    """I06: Two follow one run; a lost controller's run is followed by attach alone; then it is history."""
    with under_way(lab, "install", at(slow, "ops"), "--yes") as first:
        read_until(first, '"event":"commit_point"')
        first.kill()
    with attach(lab, slow) as second, attach(lab, slow) as third:
        for process in (second, third):
            assert '"joined":true' in read_until(process, '"event":"program_started"')
        slow.exec("rm /run/hold")
        one, two = ended(second), ended(third)
    assert (one.code, two.code) == (0, 0), f"{one}\n{two}"
    titles = [event.title for event in one.all(StepFinished)]
    assert "file docker.asc" in titles
    assert "install docker-ce and containerd.io" in titles
    assert len(runs(slow)) == 1
    until(lambda: no_program(slow), "the program ends")

    done = lab.dockwright(*attached(lab, slow))
    assert done.returncode == 0, done
    assert "no run is under way" in done.stdout
    assert runs(slow)[0] in done.stdout
    for line in ("install docker-ce and containerd.io", "verify with hello-world"):
        assert line in done.stdout
    clean(slow)


def test_nothing_to_attach_to(lab: Lab, prepared: Make) -> None:
    host = prepared("fresh")
    done = lab.dockwright(*attached(lab, host))
    assert done.returncode == 3, done
    assert "there is no run" in done.stdout
    unseen(host)


def test_the_last_run_failed(lab: Lab, slow: Host) -> None:
    """A program that was killed: attach says so, and ends as that run did."""
    with under_way(lab, "install", at(slow, "ops"), "--yes") as process:
        read_until(process, '"event":"commit_point"')
        slow.exec(f"systemctl kill -s KILL --kill-whom=all dockwright-{runs(slow)[0]}")
        run = ended(process)
    assert run.code == 6, run
    assert "killed" in run.told
    done = lab.dockwright(*attached(lab, slow))
    assert done.returncode == 6, done
    assert "killed" in done.stdout
    slow.exec("rm /run/hold")
    again = install(lab, at(slow, "ops"))
    assert again.code == 20, again
    clean(slow)


def test_mid_transaction_the_same_command_joins(lab: Lab, slow: Host) -> None:
    """I03, C06: What the host looks like in the middle of a run is no other wish; another wish is busy."""
    with under_way(lab, "install", at(slow, "ops"), "--yes") as first:
        read_until(first, '"event":"commit_point"')
        with under_way(lab, "install", at(slow, "ops"), "--yes") as second:
            read_until(second, '"event":"program_started"')
            other = install(lab, at(slow), "--docker-version", "29.7.1")
            assert other.code == 10, other
            assert runs(slow)[0] in other.told
            slow.exec("rm /run/hold")
            one, two = ended(first), ended(second)
    assert (one.code, two.code) == (0, 0), f"{one}\n{two}"
    assert [event.joined for event in two.all(ProgramStarted)] in ([True], [])
    assert any("under way" in note.text for note in two.all(Note)) or two.out
    assert len(runs(slow)) == 1
    clean(slow)


class TestTerminal:
    """Ctrl-C as a person types it: the terminal sends the signal, to all of the foreground."""

    @staticmethod
    def typed(lab: Lab, host: Host) -> Process:
        argv = arguments(lab, "install", at(host, "ops"), "--yes")
        argv.remove("--json")
        command = shlex.join([sys.executable, "-m", "dockwright", *argv])
        return lab.popen(
            ["script", "-qefc", command, "/dev/null"],
            env={"PYTHONPATH": str(ROOT / "installer"), "TERM": "dumb"},
        )

    @staticmethod
    def ctrl_c(process: Process) -> None:
        assert process.stdin is not None
        process.stdin.write("\x03")
        process.stdin.flush()

    def test_once(self, lab: Lab, slow: Host) -> None:
        """I05."""
        with self.typed(lab, slow) as process:
            until(lambda: slow.exec("pgrep when-told", check=False).returncode == 0, "dpkg is due")
            self.ctrl_c(process)
            until(
                lambda: (
                    slow.exec("ls /var/lib/dockwright/runs/*/stop", check=False).returncode == 0
                ),
                "asked",
            )
            slow.exec("rm /run/hold")
            out, _ = process.communicate(timeout=120)
        assert process.returncode == 130, out
        assert "stopping after the running step" in out
        assert "again" in out
        assert slow.exec("dpkg --audit").stdout == ""
        assert no_program(slow)
        again = dockwright(lab, "install", at(slow, "ops"), "--yes")
        assert again.code == 0, again
        clean(slow)

    def test_twice(self, lab: Lab, slow: Host) -> None:
        """I05."""
        with self.typed(lab, slow) as process:
            until(lambda: slow.exec("pgrep when-told", check=False).returncode == 0, "dpkg is due")
            self.ctrl_c(process)
            until(
                lambda: (
                    slow.exec("ls /var/lib/dockwright/runs/*/stop", check=False).returncode == 0
                ),
                "asked",
            )
            began = time.monotonic()
            self.ctrl_c(process)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 130, out
        assert time.monotonic() - began < 60  # what it waits for never comes
        out = " ".join(out.split())  # lines are as wide as the terminal
        assert "goes on" in out
        assert runs(slow)[0] in out
        assert not no_program(slow)
        slow.exec("rm /run/hold")
        until(lambda: no_program(slow), "the program ends")
        assert dockwright(lab, "install", at(slow, "ops"), "--yes").code == 0
        clean(slow)
