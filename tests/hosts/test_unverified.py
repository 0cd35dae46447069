"""What a run did not get through is made up for; a good run leaves nothing to do.

After Ctrl-C in the transaction, a failed check or a cut at the very end, the packages are all
there. The same command then still owes the ladder.
"""

from __future__ import annotations

import signal

import pytest

from dockwright import events
from dockwright.plan import Verb
from tests.hosts.support import (
    DAEMON,
    STATE,
    Make,
    Run,
    at,
    clean,
    containers,
    dockwright,
    ended,
    install,
    no_program,
    read_until,
    runs,
    sessions,
    talkative,
    under_way,
    unseen,
    until,
)
from tests.hosts.test_interrupt_network import slow
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

__all__ = ["slow"]

BOUND = 240  # seconds: an undisturbed install on a busy machine, and the pauses of a re-join


def verified(run: Run) -> list[str]:
    """What the rungs of the ladder said."""
    return [
        step.text
        for step in run.all(events.StepFinished)
        if step.outcome == "verified" and "hello-world ran" in step.text
    ]


def owed(host: Host) -> bool:
    return host.exec(f"test -e {STATE}/unverified", check=False).returncode == 0


def a_good_second_run(lab: Lab, host: Host) -> None:
    """Facts alone: one command over SSH, no program, no file, no container."""
    talkative(host)
    host.mark()
    before, were = sessions(host), runs(host)
    run = install(lab, at(host, "ops"))
    assert run.code == 0, run
    assert {action.verb for action in run.plan.actions} == {Verb.KEEP}
    assert verified(run) == []
    assert run.all(events.ProgramStarted) == []
    assert sessions(host) - before == 1
    assert runs(host) == were
    unseen(host)


def test_ctrl_c_in_the_transaction(lab: Lab, slow: Host) -> None:
    """I05: 130 after the step that was under way; then the same command verifies, once."""
    with under_way(lab, "install", at(slow, "ops"), "--yes") as process:
        read_until(process, '"event":"commit_point"')
        until(lambda: slow.exec("pgrep when-told", check=False).returncode == 0, "dpkg is due")
        process.send_signal(signal.SIGINT)
        until(
            lambda: slow.exec(f"ls {STATE}/runs/*/stop", check=False).returncode == 0, "it is asked"
        )
        slow.exec("rm /run/hold")
        run = ended(process, BOUND)
    assert run.code == 130, run
    assert verified(run) == []
    assert slow.exec("docker version", check=False).returncode == 0
    assert owed(slow)
    planned = dockwright(lab, "plan", "docker", at(slow, "ops"))
    assert planned.plan.checks
    again = install(lab, at(slow, "ops"))
    assert again.code in (0, 20), again  # lists may be refreshed, too
    assert len(verified(again)) == 1, again
    assert not owed(slow)
    assert len(runs(slow)) == 2
    clean(slow)
    a_good_second_run(lab, slow)
    undone = dockwright(lab, "undo", at(slow), "--yes")
    assert undone.code == 0, undone  # of the run that installed, not of the one that verified
    assert slow.exec("command -v docker", check=False).returncode != 0


def test_a_failed_check(lab: Lab, prepared: Make) -> None:
    """8 at the check: the same command checks again, fails again, and ends well once it is mended."""
    host = prepared("fresh", "ubuntu-24.04")
    was = host.exec("cat /etc/hosts").stdout
    host.exec("cat > /etc/hosts", input=was.replace(" registry-1.docker.io", " elsewhere"))
    first = install(lab, at(host))
    assert first.code == 8, first
    second = install(lab, at(host))
    assert second.code == 8, second
    assert "registry unreachable" in second.told
    assert owed(host)
    host.exec("cat > /etc/hosts", input=was)
    pull = "docker pull -q hello-world && docker image rm hello-world"
    until(lambda: host.exec(pull, check=False).returncode == 0, "the registry is back")
    third = install(lab, at(host))
    assert third.code == 0, third
    assert len(verified(third)) == 1
    clean(host)
    a_good_second_run(lab, host)


def test_a_cut_at_the_very_end(lab: Lab, prepared: Make) -> None:
    """The power goes while the last container runs: all is there, and nobody saw it run."""
    host = prepared("fresh")
    wait = (
        '#!/bin/sh\ncase $1 in run) : >/run/running; sleep 600 ;; esac\nexec /usr/bin/docker "$@"\n'
    )
    host.put("/usr/local/bin/docker", wait, 0o755)
    with under_way(lab, "install", at(host, "ops"), "--yes") as process:
        until(
            lambda: host.exec("test -e /run/running", check=False).returncode == 0, "it is last", 60
        )
        host.kill()
        host.boot()
        run = ended(process, BOUND)
    assert run.code in (5, 6), run
    host.exec("rm /usr/local/bin/docker")
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")
    again = install(lab, at(host, "ops"))
    assert again.code in (0, 20), again
    assert len(verified(again)) == 1, again
    clean(host)
    a_good_second_run(lab, host)


def test_verify_by_apply(lab: Lab, prepared: Make) -> None:
    """``apply verify`` is asked for nothing but the ladder, and climbs it; so does its plan."""
    host = prepared("docker")
    host.mark()
    for command in (["apply", "verify", at(host, "ops"), "--yes"], ["verify", at(host, "ops")]):
        done = lab.dockwright(*command, "--json", "--detailed-exitcode")
        run = Run(done.returncode, done.stdout, done.stderr)
        assert run.code == 0, run
        assert len(verified(run)) == 1
    unseen(host)


def test_what_a_failed_verify_prints_is_printed_once(lab: Lab, prepared: Make) -> None:
    host = prepared("docker")
    host.exec("systemctl stop docker.socket docker.service")
    done = lab.dockwright("verify", at(host, "ops"))
    assert done.returncode == 8, done
    lines = [line for line in done.stdout.splitlines() if "Stopped docker.service" in line]
    assert len(lines) == 1, done.stdout


class TestUndo:
    """A daemon that stays takes the daemon.json that is restored."""

    LABELS = ("--set", 'docker_daemon={"labels": ["by=us"], "log-driver": "local"}')

    @staticmethod
    def told(host: Host) -> str:
        return host.exec("docker info -f '{{.LoggingDriver}} {{.Labels}}'").stdout.strip()

    def test_restarts(self, lab: Lab, prepared: Make) -> None:
        host = prepared("docker")
        was = self.told(host)
        assert install(lab, at(host), *self.LABELS).code == 20
        assert self.told(host) == "local [by=us]"
        run = dockwright(lab, "undo", at(host), "--yes")
        assert run.code == 0, run
        assert self.told(host) == was
        assert host.exec(f"test -e {DAEMON}", check=False).returncode == 1
        clean(host)

    def test_containers_are_named_first(self, lab: Lab, prepared: Make) -> None:
        host = prepared("docker")
        host.exec("docker pull -q ubuntu")
        host.exec("docker run -d --stop-timeout=1 --name app ubuntu sleep 100000")
        assert install(lab, at(host), *self.LABELS, "--allow-restart").code == 20
        host.exec("docker start app")
        running = containers(host)
        refused = dockwright(lab, "undo", at(host), "--yes")
        assert refused.code == 9, refused
        assert "app" in refused.told
        assert containers(host) == running
        assert self.told(host) == "local [by=us]"
        agreed = dockwright(lab, "undo", at(host), "--yes", "--allow-restart")
        assert agreed.code == 0, agreed
        assert "by=us" not in self.told(host)
        assert "app" in containers(host)  # it ran before, so it runs again
        host.exec("docker rm -f app; docker image rm ubuntu")
        clean(host)

    def test_live_restore_keeps_containers(self, lab: Lab, prepared: Make) -> None:
        host = prepared("docker")
        host.put(DAEMON, '{"live-restore": true}\n')
        host.exec("systemctl reload docker; docker pull -q ubuntu")
        host.exec("docker run -d --stop-timeout=1 --name app ubuntu sleep 100000")
        assert install(lab, at(host), *self.LABELS).code == 20
        running = containers(host)
        run = dockwright(lab, "undo", at(host), "--yes")
        assert run.code == 0, run
        assert "by=us" not in self.told(host)
        assert containers(host) == running
        assert host.exec(f"cat {DAEMON}").stdout == '{"live-restore": true}\n'


def test_program_is_over(lab: Lab, slow: Host) -> None:
    """I05: a second Ctrl-C leaves the program to go on; once it is over, all is verified."""
    with under_way(lab, "install", at(slow, "ops"), "--yes") as process:
        read_until(process, '"event":"commit_point"')
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "Ctrl-C again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        run = ended(process)
    assert run.code == 130, run
    slow.exec("rm /run/hold")
    until(lambda: no_program(slow), "the program ends", BOUND)
    again = install(lab, at(slow, "ops"))
    assert again.code in (0, 20), again
    assert not owed(slow)
    clean(slow)
