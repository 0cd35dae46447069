"""Apt: its locks, its sources, their keys, and what came of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dockwright import distros
from dockwright.doctor.case import Case, Found
from dockwright.doctor.entries import Entry
from dockwright.doctor.probe import Keyring
from dockwright.doctor.sources import Complaint
from dockwright.events import Severity
from dockwright.steps.versions import compare

DOCKER = "download.docker.com/linux/"
_LOOKS_INSIDE = "2.9"  # since then apt asks sqv, or reads the keyring itself, whatever its name


def lock(case: Case) -> Iterator[Found]:
    """Who holds apt's lock, and since when."""
    held = case.seen.lock
    if held is not None:
        who = f"pid {held.pid}, {held.command}" if held.pid else held.command
        yield Found(
            "apt-locked",
            f"{held.path} is held by {who}, for {held.seconds} s",
            severity=Severity.WARNING,
        )


def sources(case: Case) -> Iterator[Found]:
    """What apt will refuse to read; each error stops it for all repositories."""
    for complaint in case.apt.complaints:
        yield _refused(complaint, case)
    for path in case.seen.unread:
        yield Found("source-malformed", f"{path} cannot be read, or is larger than any such file")


def _refused(complaint: Complaint, case: Case) -> Found:
    message = complaint.message.split("\n", 1)[0]
    if complaint.conflict:
        first, second = complaint.places
        mend = (f"keep one of {first} and {second}, and comment the other out", "apt-get update")
        return Found("signed-by-conflict", f"{message} ({first}, {second})", mend)
    (path,) = complaint.places
    if re.match(r"\s*<(!doctype|html|\?xml)", case.seen.sources.get(path, ""), re.IGNORECASE):
        return Found("page-as-list", message, (f"rm {path}", "apt-get update"))
    mend = (f"correct that entry of {path}, or comment it out", "apt-get update")
    return Found("source-malformed", message, mend)


def keyrings(case: Case) -> Iterator[Found]:
    """Keyrings that a source names and apt cannot use."""
    used = {path for entry in case.apt.entries for path in _keyrings(entry)}
    for ring in case.seen.keyrings:
        why = _unusable(ring, case)
        if why and ring.path in used:
            mend = (f"chmod a+r {ring.path}",) if ring.state == "closed" else ()
            yield Found("no-pubkey", f"{ring.path} {why}", mend)


def _unusable(ring: Keyring, case: Case) -> str:
    if ring.state == "missing":
        return "is named by a source, and is not there"
    if ring.state == "closed":
        return "cannot be read by apt's user _apt"
    if ring.kind in ("empty", "other"):
        return f"{'is empty' if ring.kind == 'empty' else 'holds no OpenPGP key'}"
    apt = case.facts.package("apt")
    if ring.fits or apt is None or not apt.version or compare(apt.version, _LOOKS_INSIDE) >= 0:
        return ""
    right = "asc" if ring.kind == "armoured" else "gpg"
    return f"is {ring.kind}, which apt {apt.version} takes from a file that ends in .{right} only"


def _keyrings(entry: Entry) -> list[str]:
    return [word for word in entry.options.get("signed-by", "").split(",") if word.startswith("/")]


def indexes(case: Case) -> Iterator[Found]:
    """Repositories of the vendors that apt has no index of, though it has others: refused, or never asked.

    Silent where apt has no lists at all, as on a fresh image, and where it reads no source. Others'
    repositories are passed over: an update of one source alone, as ours, leaves them without an index.
    """
    broken = {ring.path for ring in case.seen.keyrings if _unusable(ring, case)}
    if not case.facts.apt_lists or case.apt.complaints:
        return
    asked: dict[str, Entry] = {}
    for entry in case.apt.entries:
        if entry.index.startswith((DOCKER, *case.pins)):
            asked.setdefault(entry.index, entry)
    for index, entry in asked.items():
        name = _list_name(index)
        if {f"{name}InRelease", f"{name}Release"} & set(case.facts.lists):
            if entry.kind == "deb" and index.startswith(DOCKER):
                yield from _offers_docker(entry, case)
        elif not broken & set(_keyrings(entry)):
            yield _unknown(entry, case)


def _list_name(index: str) -> str:
    """The name of a release file among apt's lists: ``URItoFileName`` of apt-pkg/contrib/strutl.cc."""
    quoted = re.sub(r"[\\|{}\[\]<>\"^~_=!@#$%&*]", lambda m: f"%{ord(m[0]):02x}", index)
    return quoted.replace("/", "_")


def _unknown(entry: Entry, case: Case) -> Found:
    where = f"{entry.place}: {entry.uri} {entry.suite}"
    family = entry.index.removeprefix(DOCKER).split("/", 1)[0]
    if entry.index.startswith(DOCKER) and not _is_built(family, entry.suite):
        wanted = case.facts.codename
        mend = (f"write {wanted} for {entry.suite} in {entry.path}", "apt-get update")
        right = family == case.facts.distro and _is_built(family, wanted)
        return Found("no-release", f"{where} is not a suite of Docker's", mend if right else ())
    rings = _keyrings(entry)
    held = [owner for path in rings for owner in case.owners.get(path, ())]
    pin = next((pin for place, pin in case.pins.items() if entry.index.startswith(place)), None)
    if pin and held and pin not in held:
        return Found(
            "no-pubkey", f"{where}: {rings[0]} holds {held[0]}, and not the vendor's {pin}"
        )
    return Found("no-index", where, severity=Severity.WARNING)


def _is_built(distro: str, codename: str) -> bool:
    release = distros.find(distro, codename)
    # A release that the table does not know yet may well be there.
    return (
        release.docker
        if release
        else distro in distros.DOCKER_ARCHITECTURES
        and not any(one.codename == codename for one in distros.RELEASES)
    )


def _offers_docker(entry: Entry, case: Case) -> Iterator[Found]:
    if "docker-ce" in case.facts.offered:
        return
    wanted, own = entry.options.get("arch", ""), case.facts.architecture
    if wanted and own not in wanted.split(","):
        mend = (f"write {own} for {wanted} in {entry.path}", "apt-get update")
        yield Found("not-locatable", f"{entry.place} is for {wanted}, the host is {own}", mend)
    else:
        yield Found(
            "not-locatable", f"the index of {entry.uri} {entry.suite} has no docker-ce for {own}"
        )
