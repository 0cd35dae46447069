"""Cuts at the moments that count: in apt-get update, between write and rename, while a log is full."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from dockwright import events
from dockwright.events import CommitPoint
from dockwright.report.jsonl import read_log
from tests.hosts.support import (
    DAEMON,
    STATE,
    Make,
    Run,
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
    unseen,
    until,
    untouched,
)
from tests.hosts.test_interrupt_network import slow
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = pytest.mark.lab

__all__ = ["slow"]

BOUND = 240  # seconds: an undisturbed install on a busy machine, and the pauses of a re-join
DEAF = 180  # seconds until a repository that swallows all packets is given up

# A program that waits, called with words like those, until /run/hold is gone.
GATE = """\
#!/bin/sh
case "$*" in {pattern}) [ ! -e /run/hold ] || { : >/run/reached; while [ -e /run/hold ]; do sleep 0.05; done; } ;; esac
exec {real} "$@"
"""
HELPER = "/usr/lib/apt/apt-helper"  # called by its path; it fetches the packages ahead


def gate(host: Host, program: str, pattern: str) -> None:
    """A program of the host that waits when it is called with such words, a pattern of ``case``."""
    place, real = f"/usr/local/sbin/{program}", f"/usr/bin/{program}"
    if program.startswith("/"):
        place, real = program, f"{program}.real"
        host.exec(["mv", place, real])
    host.put(place, GATE.replace("{real}", real).replace("{pattern}", pattern), 0o755)
    host.put("/run/hold", "")
    host.mark()


def reached(host: Host) -> None:
    until(lambda: host.exec("test -e /run/reached", check=False).returncode == 0, "it is reached")


def cut_sessions(host: Host) -> None:
    pids = host.exec("pgrep -x sshd-session || pgrep -f 'sshd: ops'").stdout.split()
    host.exec(["kill", "-9", *pids], check=False)


def test_cut_in_the_probe_s_update(lab: Lab, prepared: Make) -> None:
    """I01: 5; nothing is half written, nothing stays in /run, and the same command goes on."""
    host = prepared("fresh")
    gate(host, "apt-get", '*" update"')
    with under_way(lab, "install", at(host, "ops"), "--yes") as process:
        reached(host)
        cut_sessions(host)
        began = time.monotonic()
        run = ended(process)
    assert run.code == 5, run
    assert time.monotonic() - began < 60
    assert run.failed.next_step
    assert not run.failed.changed_host
    host.exec("rm /run/hold")
    until(lambda: leftovers(host) == [], "the probe clears up")
    unseen(host)
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)


def test_cut_in_the_program_s_update(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """I01, I02: the program's own update goes on, and the run is joined again at its byte.

    With a plan that was saved, no probe went before it.
    """
    host, saved = prepared("fresh"), tmp_path / "plan.json"
    assert dockwright(lab, "plan", "docker", at(host, "ops"), "-o", saved).code == 0
    gate(host, "apt-get", f'*{STATE}/apt.*" update"')
    with under_way(lab, "apply", saved, at(host, "ops"), "--detailed-exitcode") as process:
        reached(host)
        cut_sessions(host)
        host.exec("rm /run/hold")
        run = ended(process, BOUND)
    assert run.code == 20, run
    assert len(runs(host)) == 1
    clean(host)


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_cut_while_packages_are_fetched_ahead(lab: Lab, prepared: Make, how: str) -> None:
    """I02, I03: what the probe has begun goes on for the program, or the program does it itself."""
    host = prepared("fresh")
    gate(host, HELPER, "*download-file*")
    with under_way(lab, "install", at(host, "ops"), "--yes", "--detailed-exitcode") as process:
        read_until(process, '"event":"program_started"')
        reached(host)
        if how == "cut":
            cut_sessions(host)
        else:
            host.exec("kill -9 $(pgrep -f [d]ownload-file)")
        host.exec("rm /run/hold")
        run = ended(process, BOUND)
    assert run.code == 20, run
    assert len(runs(host)) == 1
    clean(host)


def test_the_controller_is_lost_before_the_program(lab: Lab, prepared: Make) -> None:
    """I01: what the probe kept goes with its root shell, and the same command goes on."""
    host = prepared("fresh")
    gate(host, "apt-get", '*" --print-uris "*')
    with under_way(lab, "install", at(host, "ops"), "--yes") as process:
        reached(host)
        process.kill()
        process.wait()
    host.exec("rm /run/hold")
    until(lambda: leftovers(host) == [], "what was kept goes")
    unseen(host)
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)


@pytest.mark.parametrize("how", ["stop", "all"])
def test_terminated_on_the_host(lab: Lab, slow: Host, how: str) -> None:
    """I07: by systemctl stop, or each process at once; dpkg is in order, the next run heals."""
    with under_way(lab, "install", at(slow, "ops"), "--yes") as process:
        read_until(process, '"event":"commit_point"')
        until(lambda: slow.exec("pgrep when-told", check=False).returncode == 0, "dpkg is due")
        (name,) = runs(slow)
        if how == "stop":
            slow.exec(["systemctl", "stop", "--no-block", f"dockwright-{name}"])
            time.sleep(0.5)
            assert slow.exec("pgrep -x apt-get").returncode == 0  # nobody signals apt
        else:
            slow.exec(["systemctl", "kill", "-s", "TERM", "--kill-whom=all", f"dockwright-{name}"])
        slow.exec("rm /run/hold")
        run = ended(process, BOUND)
    assert run.code in (6, 7, 143), run
    until(lambda: no_program(slow), "the program ends", BOUND)
    assert slow.exec("dpkg --audit").stdout == ""
    assert leftovers(slow) == []
    again = install(lab, at(slow, "ops"))
    assert again.code in (0, 20), again
    assert any("hello-world ran" in step.text for step in again.all(events.StepFinished))
    clean(slow)


def test_power_cut_between_write_and_rename(lab: Lab, prepared: Make) -> None:
    """I10: the old daemon.json stands, whole; an empty one would be valid, and drop data-root."""
    host = prepared("docker")
    old = '{\n  "labels": ["a=1"]\n}\n'
    host.put(DAEMON, old)
    gate(host, "mv", f'*" {DAEMON}"')
    wish = ("--set", 'docker_daemon={"live-restore": true}')
    with under_way(lab, "install", at(host, "ops"), "--yes", *wish) as process:
        reached(host)
        assert host.exec("find /etc/docker -name '.dockwright-*' -size +0").stdout != ""
        host.kill()
        host.boot()
        run = ended(process, BOUND)
    assert run.code in (5, 6), run
    assert host.exec(f"cat {DAEMON}").stdout == old
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")
    again = install(lab, at(host, "ops"), *wish)
    assert again.code == 20, again
    text = host.exec(f"cat {DAEMON}").stdout
    assert '"a=1"' in text
    assert '"live-restore": true' in text
    clean(host)


def test_the_controller_s_disk_is_full(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """I13: the log ends with a whole line, the run goes on; the host's own journal has all of it."""
    host = prepared("fresh")
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    argv = [sys.executable, "-m", "dockwright", "install", *pin, at(host, "ops"), "--yes", "--json"]
    script = 'mount -t tmpfs -o size=16k none "$1" || exit 99; d=$1 k=$2; shift 2; "$@" --log "$d/log"; c=$?; cp "$d/log" "$k"; exit $c'
    full = ["unshare", "-m", "sh", "-c", script, "sh", str(disk), str(kept), *argv]
    done = lab.run(full, env={"PYTHONPATH": str(ROOT / "installer")}, timeout=BOUND)
    run = Run(done.returncode, done.stdout, done.stderr)
    assert run.code == 0, run
    assert "the log ends here: No space left on device; the run goes on" in run.err
    logged = read_log(kept)
    assert [event.event for event in logged] == [event.event for event in run.events[: len(logged)]]
    assert 0 < len(logged) < len(run.events)
    (name,) = runs(host)
    assert " end - " in host.exec(f"tail -n 1 {STATE}/runs/{name}/ev").stdout
    clean(host)


def test_a_repository_that_falls_silent(lab: Lab, prepared: Make) -> None:
    """I15: apt's own timeout ends the download, with 5, in time; nobody signals apt, or dpkg."""
    host = prepared("fresh")
    host.put(
        "/etc/apt/apt.conf.d/99short", 'Acquire::http::Timeout "2";\nAcquire::https::Timeout "2";\n'
    )
    host.exec("apt-get -qq update && apt-get -qq -y install iptables")
    gate(host, HELPER, "*download-file*")  # what is begun ahead
    with under_way(lab, "install", at(host, "ops"), "--yes") as process:
        read_until(process, '"event":"program_started"')
        reached(host)
        for port in (80, 443):
            host.exec(f"iptables -I OUTPUT -p tcp --dport {port} -j DROP")
        host.exec("rm /run/hold")
        began = time.monotonic()
        run = ended(process, DEAF)
    assert run.code == 5, run
    assert time.monotonic() - began < DEAF
    assert "could not be downloaded" in run.told
    assert run.all(CommitPoint) == []
    assert not run.failed.changed_host
    untouched(host)
    assert host.exec("dpkg --audit").stdout == ""
    host.exec("iptables -F OUTPUT")
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)
