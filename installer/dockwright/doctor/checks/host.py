"""The machine below everything: its clock, its room, its release, and dpkg."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from dockwright import distros
from dockwright.doctor.case import Case, Found
from dockwright.events import Severity

_CLOCK_TOLERANCE = 300  # seconds; above it signatures and certificates are judged wrongly
_ROOM = 256 * 1024  # KiB; below it dpkg and dockerd fail on one thing or another
_INODES = 2000
_FULL = ("/", "/var", "/var/lib/docker", "/var/lib/containerd")


def clock(case: Case) -> Iterator[Found]:
    """The host's clock against this machine's."""
    off = case.facts.clock - case.now
    if abs(off) > _CLOCK_TOLERANCE:
        way = "ahead of" if off > 0 else "behind"
        yield Found("not-valid-yet", f"it is {abs(off)} s {way} this machine's")


def room(case: Case) -> Iterator[Found]:
    """Bytes and inodes where packages and images go; one finding for each file system."""
    seen = set()
    for disk in case.facts.disks:
        key = (disk.free_kib, disk.total_kib)
        if disk.path in _FULL and disk.free_kib < _ROOM and disk.total_kib and key not in seen:
            seen.add(key)
            free = f"{disk.free_kib / 1024:.0f} of {disk.total_kib / 1024:.0f} MiB are free"
            yield Found("disk-full", f"{free} below {disk.path}")
    for path, free_inodes, total in case.seen.inodes:
        if free_inodes < _INODES and total > 2 * _INODES:
            yield Found("disk-full", f"{free_inodes} of {total} inodes are free on {path}")


def release(case: Case) -> Iterator[Found]:
    """A release that nobody supports any more, or that Docker builds nothing for.

    The latter is no trouble of who has the distribution's Docker. A codename that the table does not
    know yet may well be built for.
    """
    known = distros.find(case.facts.distro, case.facts.codename)
    today = datetime.fromtimestamp(case.now, tz=timezone.utc).date()
    life = known.life(today) if known else distros.Life.REGULAR
    # What Debian LTS brings comes by itself; Ubuntu Pro has to be asked for.
    paid = life is distros.Life.EXTENDED and case.facts.distro == "ubuntu"
    if known is not None and (paid or life is distros.Life.ENDED):
        text = f"{known} is {known.support(today)}; {distros.DATES}"
        yield Found("released-no-more", text, severity=Severity.WARNING)
        return
    architectures = distros.DOCKER_ARCHITECTURES.get(case.facts.distro, ())
    unknown = not architectures or not case.facts.codename
    # Nobody asks the vendor here, but what its index had is in the host's lists: that is believed.
    dropped = known is not None and not known.docker and "docker-ce" not in case.facts.offered
    if case.engine not in ("", "docker-ce") or not (
        unknown or dropped or case.facts.architecture not in architectures
    ):
        return
    name = (
        str(known)
        if known
        else f"{case.facts.pretty_name} ({case.facts.codename or 'no codename'})"
    )
    text = f"{name} on {case.facts.architecture}; {distros.SUITES}"
    yield Found("not-built", text, severity=Severity.WARNING)


def dpkg(case: Case) -> Iterator[Found]:
    """Installations that were cut off, the one that apt refuses to go on from first."""
    lines = [" ".join(line.split()) for line in case.facts.dpkg_audit.splitlines()]
    for name in case.seen.reinstall:
        state = next((line.split()[0] for line in lines if line.endswith(f" {name}")), "R")
        yield Found(
            "half-installed",
            f"{name} is in state {state}",
            (
                f"apt-get install --reinstall {name}",
                "where its archive is gone: dpkg --remove --force-remove-reinstreq " + name,
            ),
        )
    rest = [
        line for line in lines if not any(line.endswith(f" {name}") for name in case.seen.reinstall)
    ]
    if rest:
        yield Found("dpkg-interrupted", "; ".join(rest[:5]))
