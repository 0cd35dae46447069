"""Others are at it too: on the host, on the controller, and under another name of the same host."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dockwright import events
from dockwright.load.saved import read_plans
from dockwright.report.jsonl import read_log
from tests.hosts.support import (
    DAEMON,
    KEY,
    Make,
    Run,
    at,
    clean,
    dockwright,
    ended,
    engine,
    install,
    read_until,
    runs,
    under_way,
    until,
    untouched,
    versions,
)
from tests.hosts.test_locks import LOCKS, held
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = pytest.mark.lab

BOUND = 240  # seconds: an undisturbed install on a busy machine

# dockerd is asked to validate the merged file: in that moment somebody writes another one.
EDITOR = f"""\
#!/bin/sh
case "$*" in *--validate*--config-file*)
  if mkdir /run/edited 2>/dev/null; then printf '{{"labels": ["b=2"]}}\\n' >{DAEMON}; fi ;;
esac
exec /usr/bin/dockerd "$@"
"""
# As apt-daily-upgrade.service does it, from the lists that are there.
UPGRADE = "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 upgrade"


def test_an_edit_during_the_merge(lab: Lab, prepared: Make) -> None:
    """C09: between the guard and the write; the edit stands, and the same command merges into it."""
    host = prepared("docker")
    host.put(DAEMON, '{"labels": ["a=1"]}\n')
    host.exec("systemctl restart docker")
    host.put("/usr/local/sbin/dockerd", EDITOR, 0o755)
    wish = ("--set", 'docker_daemon={"debug": true}')
    run = install(lab, at(host, "ops"), *wish)
    assert run.code == 6, run
    assert "changed by another program meanwhile" in run.told
    assert run.failed.next_step
    assert host.exec(f"cat {DAEMON}").stdout == '{"labels": ["b=2"]}\n'
    again = install(lab, at(host, "ops"), *wish)
    assert again.code == 20, again
    text = host.exec(f"cat {DAEMON}").stdout
    assert '"b=2"' in text
    assert '"debug": true' in text
    clean(host)


def test_an_install_between_our_steps(lab: Lab, prepared: Make) -> None:
    """C08: somebody installs docker.io while the run waits; apt would now do more than the plan."""
    host = prepared("fresh")
    host.exec("apt-get -qq update; apt-get -qq -y --download-only install docker.io")
    command = ["install", at(host, "ops"), "--yes", "--detailed-exitcode"]
    with under_way(lab, *command) as process:
        with held(host, LOCKS[1]):  # apt-get install does not need that one
            read_until(process, '"event":"waiting"')
            host.exec("apt-get -qq -y --no-download install docker.io", timeout=120)
        run = ended(process, BOUND)
    assert run.code == 3, run
    assert run.failed.next_step
    assert "docker.io" in versions(host, "docker.io")
    assert versions(host) == {}
    assert host.exec(["test", "-e", KEY], check=False).returncode == 1
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)


def test_two_runs_of_one_controller(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """C10: known_hosts has each host once, a log is one run's, a saved plan is whole."""
    one, two = prepared("fresh"), prepared("fresh", "ubuntu-24.04")
    known, log, saved = (tmp_path / name for name in ("known", "log", "plan.json"))
    reach = ["--known-hosts", str(known), "--host-keys", "accept-new"]
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    argv = [sys.executable, "-m", "dockwright", "plan", "docker", *pin, *reach, "-o", str(saved)]
    env = {"PYTHONPATH": str(ROOT / "installer")}
    both = [[at(one), at(two, "ops")], [at(two, "ops"), at(one)]]
    runs_ = [lab.popen([*argv, *hosts], env=env) for hosts in both * 2]
    for process in runs_:
        out, err = process.communicate(timeout=BOUND)
        assert process.returncode == 0, out + err
    lines = known.read_text().splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted([one.name, two.name])
    assert {plan.host for plan in read_plans(saved)[0]} == {at(one), at(two, "ops")}
    assert {path.name for path in tmp_path.iterdir()} == {"known", "plan.json"}

    with under_way(lab, "install", at(one), "--yes", "--log", log) as first, held(one, LOCKS[0]):
        read_until(first, '"event":"waiting"')
        second = install(lab, at(two), "--log", log)
        assert second.code == 2, second
        assert "another run writes that log" in second.out + second.err
        untouched(two)
        one.exec("systemctl stop holder")
        run = ended(first, BOUND)
    assert run.code == 0, run
    assert read_log(log)[-1].event == "run_finished"
    assert {event.host for event in read_log(log)} == {at(one)}


def test_two_names_of_one_host(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """C11: who comes first has the run, the other name is busy (10); the host sees one program."""
    host = prepared("fresh")
    named, numbered = at(host, "ops"), f"root@{host.address}"
    reach = ["--known-hosts", str(tmp_path / "known"), "--host-keys", "accept-new"]
    done = lab.dockwright(
        "install", named, numbered, "--yes", "--json", *reach,
        "--set", f"docker_fingerprint={lab.fingerprint}",
    )  # fmt: skip
    run = Run(done.returncode, done.stdout, done.stderr)
    assert run.code == 10, run
    (first,) = {named, numbered} - {run.failed.host}
    assert f"the same machine as {first}" in run.told
    assert not run.failed.changed_host
    (finished,) = run.all(events.RunFinished)
    assert (finished.host, finished.exit) == (first, 0)
    assert len(runs(host)) == 1
    clean(host)


def _upgraded(host: Host) -> None:
    host.exec(["systemd-run", "-q", "--wait", "--unit=apt-daily-twin", "sh", "-c", UPGRADE])


def test_an_unattended_upgrade(lab: Lab, prepared: Make) -> None:
    """C12, C13: what apt upgrades by itself is kept, and what is held stays; never downgraded."""
    host = prepared("29.7.1")
    older = dockwright(lab, "plan", "docker", at(host))
    assert older.plan.notes == ("docker-ce 29.7.1 is kept; 29.7.2 is there: --upgrade",)
    assert install(lab, at(host), "--set", "hold=true").code == 20
    _upgraded(host)
    assert engine(host) == "29.7.1"
    host.exec("apt-mark unhold docker-ce docker-ce-cli containerd.io docker-buildx-plugin"
              " docker-compose-plugin docker-ce-rootless-extras")  # fmt: skip
    _upgraded(host)
    assert engine(host) == "29.7.2"
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")
    host.mark()
    for more in ((), ("--docker-version", "29"), ("--upgrade",)):
        run = install(lab, at(host, "ops"), *more)
        assert run.code == 0, run
        assert engine(host) == "29.7.2"
    untouched(host)
    # A version that is named to its last digit is a wish, and the plan says what it does.
    drift = dockwright(lab, "plan", "docker", at(host), "--docker-version", "29.7.1")
    assert any("29.7.2 → 29.7.1" in action.target for action in drift.plan.actions)
    clean(host)
