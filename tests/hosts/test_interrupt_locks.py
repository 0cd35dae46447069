"""Who holds what apt needs: unattended-upgrades, cloud-init, a process that cannot be seen."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from dockwright import events
from dockwright.events import Waiting
from tests.hosts.support import (
    Make,
    at,
    clean,
    ended,
    install,
    read_until,
    under_way,
    until,
    untouched,
)
from tests.lab.control import Process
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

FRONTEND = "/var/lib/dpkg/lock-frontend"

# What cloud-init leaves below /run while it is at it, and a unit of its that is being started.
CLOUD_INIT = """\
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mkdir -p /run/cloud-init; echo {} >/run/cloud-init/status.json; \
while [ -e /run/hold ]; do sleep 0.1; done; echo {} >/run/cloud-init/result.json'
"""
# Holds dpkg's lock under the name and with the habits of unattended-upgrades.
UNATTENDED = """\
#!/usr/bin/perl
use Fcntl;
open(my $f, "+>>", "/var/lib/dpkg/lock-frontend") or die;
my $lock = pack("s s x96", F_WRLCK, 0);
fcntl($f, F_SETLKW, $lock) or die;
while (-e "/run/hold") { select(undef, undef, undef, 0.1) }
"""
# Takes the lock once, after Dockwright has looked and before the real apt-get starts.
BETWEEN = """\
#!/bin/sh
case "$*" in
*--no-download*" install "*)
  if mkdir /run/taken 2>/dev/null; then
    perl -e 'use Fcntl; open(my $f, "+>>", "/var/lib/dpkg/lock-frontend");
      my $lock = pack("s s x96", F_WRLCK, 0); fcntl($f, F_SETLKW, $lock) or die;
      open(my $g, ">", "/run/taken/now"); close($g); sleep 3' &
    for i in $(seq 500); do [ -e /run/taken/now ] || sleep 0.02; done
  fi ;;
esac
exec /usr/bin/apt-get "$@"
"""


def waiting(process: Process) -> Waiting:
    """The first wait that a run tells of."""
    event = events.parse(read_until(process, '"event":"waiting"').splitlines()[-1])
    assert isinstance(event, Waiting)
    return event


def test_unattended_upgrades(lab: Lab, prepared: Make) -> None:
    """C01."""
    host = prepared("fresh")
    host.put("/run/hold", "")
    host.put("/usr/bin/unattended-upgrade", UNATTENDED, 0o755)
    host.exec("systemd-run -q --collect --unit=apt-daily-upgrade-twin /usr/bin/unattended-upgrade")
    until(lambda: "POSIX" in host.exec("cat /proc/locks").stdout, "the lock is held")
    host.mark()
    with under_way(lab, "install", at(host, "ops"), "--yes") as process:
        wait = waiting(process)
        assert wait.lock == FRONTEND
        assert "unattended-upgrade" in wait.holder
        assert host.exec("systemctl is-active apt-daily-upgrade-twin").stdout == "active\n"
        untouched_so_far = [p for p in host.changed() if not p.startswith("/var/lib/dockwright")]
        host.exec("rm /run/hold")
        run = ended(process)
    assert untouched_so_far == []
    assert run.code == 0, run
    clean(host)


def test_first_boot(lab: Lab, prepared: Make) -> None:
    """C05: cloud-init is still at work: it goes first; with a short patience the run ends with 10."""
    host = prepared("fresh")
    host.put("/run/hold", "")
    host.put("/etc/systemd/system/cloud-final.service", CLOUD_INIT)
    host.exec("systemctl daemon-reload; systemctl start --no-block cloud-final")
    until(lambda: host.exec("test -e /run/cloud-init/status.json", check=False).returncode == 0, "")
    host.mark()
    impatient = install(lab, at(host, "ops"), "--lock-timeout", "1")
    assert impatient.code == 10, impatient
    assert "cloud-init" in impatient.told
    untouched(host)
    with under_way(lab, "install", at(host, "ops"), "--yes") as process:
        assert "cloud-init" in waiting(process).holder
        host.exec("rm /run/hold")
        run = ended(process)
    assert run.code == 0, run
    clean(host)


def test_a_holder_that_cannot_be_seen(lab: Lab, prepared: Make) -> None:
    """C01: In another pid namespace: /proc/locks has no line of it."""
    host = prepared("fresh")
    path = Path(f"/proc/{host.leader()}/root{FRONTEND}")
    with path.open("r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        host.mark()
        impatient = install(lab, at(host, "ops"), "--lock-timeout", "1")
        assert impatient.code == 10, impatient
        assert "cannot be seen" in impatient.told
        (wait, *_) = impatient.all(Waiting)
        assert wait.lock == FRONTEND
        assert "pid" not in wait.holder
        untouched(host)
    assert install(lab, at(host, "ops")).code == 20
    clean(host)


def test_taken_between_our_look_and_apt_s_start(lab: Lab, prepared: Make) -> None:
    """C03."""
    host = prepared("fresh")
    host.put("/usr/local/sbin/apt-get", BETWEEN, 0o755)
    host.mark()
    run = install(lab, at(host, "ops"))
    assert run.code == 20, run
    assert host.exec("ls /run/taken").stdout == "now\n"
    host.exec("rm /usr/local/sbin/apt-get")
    clean(host)


def test_archives_lock(lab: Lab, prepared: Make) -> None:
    """C02: Somebody downloads into the host's archives: ours are private, but the end is waited for."""
    host = prepared("fresh")
    host.exec("touch /var/cache/apt/archives/lock")
    path = Path(f"/proc/{host.leader()}/root/var/cache/apt/archives/lock")
    with path.open("r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with under_way(lab, "install", at(host, "ops"), "--yes") as process:
            assert waiting(process).lock == "/var/cache/apt/archives/lock"
            fcntl.lockf(lock, fcntl.LOCK_UN)
            run = ended(process)
    assert run.code == 0, run
    clean(host)


def test_files_changed_by_another_program(lab: Lab, prepared: Make) -> None:
    """C09: daemon.json is edited while the run waits: no lost update, the program refuses its old plan."""
    host = prepared("fresh")
    host.put("/etc/docker/daemon.json", '{"labels": ["a=1"]}\n')
    with (
        under_way(
            lab,
            "install",
            at(host, "ops"),
            "--yes",
            "--set",
            'docker_daemon={"live-restore": true}',
        ) as process,
        Path(f"/proc/{host.leader()}/root{FRONTEND}").open("r+b") as lock,
    ):
        fcntl.lockf(lock, fcntl.LOCK_EX)
        waiting(process)
        host.put("/etc/docker/daemon.json", '{"labels": ["a=1", "b=2"]}\n')
        fcntl.lockf(lock, fcntl.LOCK_UN)
        run = ended(process)
    text = host.exec("cat /etc/docker/daemon.json").stdout
    assert '"b=2"' in text, f"the other program's edit is lost\n{run}"
    assert run.code in (3, 6), run
    again = install(lab, at(host, "ops"), "--set", 'docker_daemon={"live-restore": true}')
    assert again.code == 20, again
    text = host.exec("cat /etc/docker/daemon.json").stdout
    assert '"b=2"' in text
    assert '"live-restore"' in text
    clean(host)
