"""What apt will say of a set of source files, before it is asked: pure, and read-only by nature.

An entry is compared with those before it. Trust options belong to a release file: two entries of one
release file with different ones are fatal for every use of apt on the host. The order decides:
an entry without ``Signed-By`` may be followed by one that has it; the other way round only since apt 2.9.8.

Not foreseen: conflicts of options that hardly anybody sets (allow-insecure, valid-until-max, ...).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dockwright.doctor.entries import Entry, MalformedError, entries, order
from dockwright.steps.versions import compare


@dataclass(frozen=True)
class Complaint:
    """An error of apt's: its message, and the files and places that it is about, the later one last."""

    message: str
    places: tuple[str, ...]

    @property
    def conflict(self) -> bool:
        """Whether two entries contradict each other, and each alone would do."""
        return len(self.places) > 1


@dataclass(frozen=True)
class Verdict:
    """What apt makes of the files: its errors, what it reads all the same, and entries that are there twice."""

    complaints: tuple[Complaint, ...] = ()
    entries: tuple[Entry, ...] = ()
    twice: tuple[tuple[Entry, Entry], ...] = ()


@dataclass
class _Release:
    """The options of a release file so far, by its first entry."""

    first: Entry
    signed_by: str = ""
    signer: Entry | None = None
    flags: dict[str, bool | None] = field(default_factory=dict)


_FLAGS = {"trusted": "Trusted", "check-valid-until": "Check-Valid-Until"}
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40}!?")
_TRUE = re.compile(r"(?i)yes|true|with|on|enable|0*1")


# Since then an entry that names no signer is no contradiction (apt's changelog).
_NO_SIGNER_IS_NONE = "2.9.8"


def predict(files: Mapping[str, str], architecture: str, apt_version: str) -> Verdict:
    """Apt's verdict over source files, given as path to text; ``apt_version`` is the package's.

    Apt goes on with the next file after an error, and keeps what it read before it; a signer that
    is neither keyring nor fingerprint is an error that does not even end its file.
    """
    lax = bool(apt_version) and compare(apt_version, _NO_SIGNER_IS_NONE) >= 0
    releases: dict[str, _Release] = {}
    seen: dict[tuple[str, ...], Entry] = {}
    complaints: list[Complaint] = []
    taken: list[Entry] = []
    twice: list[tuple[Entry, Entry]] = []
    for path in order(files):
        try:
            for entry in entries(path, files[path], architecture):
                complaint = _take(entry, releases, lax=lax)
                if complaint is not None:
                    complaints.append(complaint)
                    if complaint.conflict:
                        break
                taken.append(entry)
                # What begins flat stays flat: apt then looks for one index, whatever the component.
                flat = releases[entry.index].first.suite.endswith("/")
                key = (entry.kind, entry.index, "" if flat else entry.component)
                first = seen.setdefault(key, entry)
                if first.place != entry.place:
                    twice.append((first, entry))
        except MalformedError as error:
            complaints.append(Complaint(str(error), (path,)))
    return Verdict(tuple(complaints), tuple(taken), tuple(twice))


def _take(entry: Entry, releases: dict[str, _Release], *, lax: bool) -> Complaint | None:
    release = releases.get(entry.index)
    signed_by, flags = entry.options.get("signed-by", ""), _flags(entry)
    if release is None:
        release = releases[entry.index] = _Release(entry, flags=flags)
    where = f"regarding source {release.first.uri} {release.first.suite}"
    for name, value in flags.items():
        if release.flags[name] != value:
            return Complaint(
                f"Conflicting values set for option {_FLAGS[name]} {where}",
                (release.first.place, entry.place),
            )
    normal = _normal(signed_by)
    if not release.signed_by:
        if signed_by and not normal:
            return Complaint(
                f"Invalid value set for option Signed-By {where} (not a fingerprint)",
                (entry.path,),
            )
        release.signed_by = normal
        release.signer = entry if normal else None
        return None
    if release.signed_by == normal or (lax and not normal):
        return None
    signer = release.signer or release.first
    return Complaint(
        f"Conflicting values set for option Signed-By {where}: {release.signed_by} != {normal}",
        (signer.place, entry.place),
    )


def _flags(entry: Entry) -> dict[str, bool | None]:
    """Set, not set, or not there at all: all three differ."""
    return {
        name: bool(_TRUE.fullmatch(entry.options[name])) if name in entry.options else None
        for name in _FLAGS
    }


def _normal(signed_by: str) -> str:
    """Keyrings as they are, fingerprints in capitals; nothing where a word is neither."""
    if "-----BEGIN" in signed_by:
        return signed_by
    words = [word for word in signed_by.split(",") if word]
    if all(word.startswith("/") or _FINGERPRINT.fullmatch(word) for word in words):
        return ",".join(word if word.startswith("/") else word.upper() for word in words)
    return ""
