"""The faults: how each strikes a run that is under way, and how it is healed.

What is simulated, and how honestly:

- *full*: /usr, /etc, apt's, dpkg's and Dockwright's folders are overlays on one small file system in
  memory, which shrinks to what is in use: every further byte is ENOSPC, for everybody.
- *readonly*: /usr and /etc are bind mounts that become read-only. The kernel refuses that while a
  file is open for writing, so it happens at the first moment when none is, as with a network disk.
- *power*: all processes end at once; the page cache survives, so what was not synced is not lost.
- *reset*: the host's sshd processes of the session die, so the kernel closes the connection.
- *mount*: what is not Docker's is mounted below its data while that is being deleted.
- *drop*, *blackhole*: the cable is out for 3 s (TCP survives) and for 20 s (the connection is given up).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.control import Process
from tests.lab.host import Host

STATE = "/var/lib/dockwright"

_SMALL = "/usr /etc /var/lib/dpkg /var/lib/apt /var/cache/apt /var/lib/dockwright"
_ON_A_SMALL_DISK = f"""\
mkdir -p /var/lib/dockwright /run/disk && mount -t tmpfs -o size=1g disk /run/disk || exit
echo >/run/disk/something # a size of 0 means: no limit
for dir in {_SMALL}; do
  own=/run/disk/$(echo "$dir" | tr / -)
  mkdir -p "$own/upper" "$own/work" && chmod --reference="$dir" "$own/upper" || exit
  mount -t overlay -o "lowerdir=$dir,upperdir=$own/upper,workdir=$own/work" disk "$dir" || exit
done
"""
_FILL = """\
for attempt in $(seq 200); do
  used=$(df -k --output=used /run/disk | tail -n 1)
  mount -o "remount,size=$((used))k" /run/disk 2>/dev/null || continue
  [ "$(df -k --output=avail /run/disk | tail -n 1 | tr -d ' ')" != 0 ] || exit 0
done
exit 1
"""
_FREEZE = """\
for dir in /usr /etc; do
  for attempt in $(seq 2000); do
    mount -o remount,bind,ro "$dir" 2>/dev/null && continue 2
  done
  exit 1
done
"""
_SESSIONS = """\
for dir in /proc/[0-9]*; do
  read -r name 2>/dev/null <"$dir/comm" || continue
  case $name:$(tr '\\0' ' ' <"$dir/cmdline") in
    sshd-session:*|sshd:*"@notty"*|sshd:*"[priv]"*) kill -9 "${dir#/proc/}" ;;
  esac
done 2>/dev/null
exit 0
"""
# flock(1) does not exclude apt: its locks are fcntl locks.
_HOLD = """\
use Fcntl;
open(my $f, "+>>", "/var/lib/dpkg/lock-frontend") or die;
my $lock = pack("s s l! l! i x4", F_WRLCK, 0, 0, 0, 0);
fcntl($f, F_SETLKW, $lock) or die;
sleep 3;
"""
_LET_GO = """\
while systemctl is-active -q holder; do sleep 0.1; done
! systemctl is-failed -q holder
"""


@dataclass
class Scene:
    """A run that is under way."""

    host: Host
    process: Process

    def units(self) -> list[str]:
        """The units of programs that run on the host."""
        listed = self.host.exec("systemctl list-units --plain --no-legend 'dockwright-*'").stdout
        return [line.split()[0] for line in listed.splitlines()]


def _nothing(_: Host) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """What happens, what the disturbed run may then end with, and how the host is mended.

    ``first`` are the allowed exits of the disturbed run; 0 is one where it could still end well.
    ``needs_program`` faults strike only where a program runs on the host, ``only`` ones in that scenario.
    """

    name: str
    strike: Callable[[Scene], None]
    first: frozenset[int]
    prepare: Callable[[Host], None] = _nothing
    heal: Callable[[Host], None] = _nothing
    needs_program: bool = False
    only: str = ""

    def suits(self, scenario: str) -> bool:
        """Whether it can strike in that scenario."""
        return self.only in ("", scenario)


def _controller_dies(scene: Scene) -> None:
    scene.process.kill()


def _ctrl_c(scene: Scene) -> None:
    scene.process.send_signal(signal.SIGINT)


def _reset(scene: Scene) -> None:
    scene.host.exec(_SESSIONS)


def _unplugged(seconds: float) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        scene.host.link(down=True)
        time.sleep(seconds)
        scene.host.link(down=False)

    return strike


def _signalled(name: str) -> Callable[[Scene], None]:
    """The whole unit, as the kernel's out-of-memory killer or a careless stop would."""

    def strike(scene: Scene) -> None:
        for unit in scene.units():
            scene.host.exec(["systemctl", "kill", "-s", name, "--kill-whom=all", unit], check=False)

    return strike


def _power_cut(scene: Scene) -> None:
    scene.host.kill()
    scene.host.boot()


def _lock_taken(scene: Scene) -> None:
    scene.host.exec(["systemd-run", "-q", "--unit=holder", "perl", "-e", _HOLD])


def _fills(scene: Scene) -> None:
    scene.host.exec(_FILL)


def _freezes(scene: Scene) -> None:
    scene.host.exec(_FREEZE, check=False)  # a run may end before there is such a moment


_LATE = "/var/lib/docker/volumes/late"


def _mounted(scene: Scene) -> None:
    command = f"mkdir {_LATE} && mount --bind /srv {_LATE}"
    scene.host.exec(command, check=False)  # the data may be gone by then


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("controller-kill", _controller_dies, frozenset({0, -9, 137})),
        Fault("controller-int", _ctrl_c, frozenset({0, 130})),
        Fault("reset", _reset, frozenset({0, 5})),
        # The cable is the host's only one: its archive and its registry are out of reach, too.
        Fault("drop", _unplugged(3), frozenset({0, 5, 6, 8})),
        Fault("blackhole", _unplugged(20), frozenset({0, 5, 6, 8})),
        Fault("term", _signalled("TERM"), frozenset({0, 6, 7, 8, 143}), needs_program=True),
        Fault("kill", _signalled("KILL"), frozenset({0, 6, 7}), needs_program=True),
        Fault("power", _power_cut, frozenset({0, 5, 6, 7})),
        Fault(
            "full",
            _fills,
            frozenset({0, 3, 5, 6, 7, 8}),
            prepare=lambda host: _done(host, _ON_A_SMALL_DISK),
            heal=lambda host: _done(host, "mount -o remount,size=2g /run/disk"),
        ),
        Fault(
            "readonly",
            _freezes,
            frozenset({0, 3, 5, 6, 7, 8}),
            prepare=lambda host: _done(
                host, "for dir in /usr /etc; do mount --bind $dir $dir || exit; done"
            ),
            heal=lambda host: _done(
                host, "for dir in /usr /etc; do mount -o remount,bind,rw $dir || exit; done"
            ),
        ),
        Fault(
            "lock",
            _lock_taken,
            frozenset({0}),
            heal=lambda host: _done(host, _LET_GO),
        ),
        Fault(
            "mount",
            _mounted,
            frozenset({0, 6, 9}),
            heal=lambda host: _done(host, f"umount {_LATE} 2>/dev/null; true"),
            only="purge",
        ),
    )
}


def _done(host: Host, script: str) -> None:
    host.exec(script)
