"""What on a host is ours, by the receipts of all runs, or the vendor's, by its own marks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dockwright.events import Merged
from dockwright.models import FileFact
from dockwright.plan import list_prefix
from dockwright.receipts.receipt import read_receipt
from dockwright.receipts.trail import Trail
from dockwright.steps import AptRepository, Packages, Step, apt_sources

# Plans that take things back make nothing that would be ours.
_BACKWARDS = frozenset({"uninstall", "undo", "purge"})
# Docker's own, which the playbook does not ask for; get.docker.com installs it.
_BESIDE = ("docker-model-plugin",)


@dataclass(frozen=True)
class Vendor:
    """What Docker's own files on a host are known by: its repositories and its packages."""

    repositories: tuple[AptRepository, ...]
    packages: tuple[str, ...]

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Vendor:
        """From the steps of the playbook that installs it, resolved for the host."""
        every = tuple(steps)
        named = [
            name
            for step in every
            if isinstance(step, Packages) and step.repository
            for name in step.present
        ]
        return cls(
            repositories=tuple(step for step in every if isinstance(step, AptRepository)),
            packages=tuple(dict.fromkeys((*named, *_BESIDE))),
        )

    def source(self, file: FileFact) -> tuple[bool, bool]:
        """Whether an apt source names a repository of the vendor, and whether nothing else."""
        urls, parsed = [repository.url for repository in self.repositories], apt_sources.parse(file)
        known = [
            any(apt_sources.same(uri, url) for url in urls)
            for entry in parsed.entries
            for uri in entry.uris
        ]
        names = any(parsed.names(url) for url in urls)
        return names, names and all(known)

    def key(self, file: FileFact, owners: Mapping[str, tuple[str, ...]]) -> bool:
        """Whether a key file holds a pinned key of the vendor and no other, under its name."""
        pins = {(repository.fingerprint,) for repository in self.repositories}
        return "docker" in file.path.rpartition("/")[2] and owners.get(file.path) in pins

    def prefixes(self, files: Iterable[FileFact], architecture: str) -> tuple[str, ...]:
        """How apt's lists of the vendor's repositories, and of these sources, begin."""
        own = [apt_sources.expanded(one.url, architecture) for one in self.repositories]
        entries = (e for file in files for e in apt_sources.parse(file, architecture).entries)
        urls = (*own, *(uri for entry in entries for uri in entry.uris))
        return tuple(dict.fromkeys(list_prefix(url, "/") for url in urls if "://" in url))


@dataclass(frozen=True)
class Ours:
    """What the runs brought and still own.

    ``packages`` maps what came by us to the run that brought it, ``asked`` are those that a plan
    named; ``files`` maps paths that were not there
    before us to the sha256 that we left; ``merged`` paths to what each run
    made of them, oldest first; ``logins`` registries to what was there before us.
    """

    packages: dict[str, str]
    asked: frozenset[str]
    files: dict[str, str]
    merged: dict[str, tuple[Merged, ...]]
    directories: tuple[str, ...]
    holds: tuple[str, ...]
    members: tuple[tuple[str, str], ...]
    logins: dict[str, str]


def owned(trail: Trail) -> Ours:
    """Replay the receipts of all runs that were not taken back, those of uninstalls among them."""
    packages: dict[str, str] = {}
    files: dict[str, str] = {}
    merged: dict[str, tuple[Merged, ...]] = {}
    asked: set[str] = set()
    directories: list[str] = []
    holds: list[str] = []
    members: list[tuple[str, str]] = []
    logins: dict[str, str] = {}
    for run in trail.runs:
        if run.undone or not run.receipt:
            continue
        receipt, back = read_receipt(run.receipt), run.playbook in _BACKWARDS
        if back and run.exit != 0:
            continue  # cut: what it meant to take away may still be there, and is ours
        for name, (before, after) in receipt.packages.items():
            if after is None:
                packages.pop(name, None)
            elif before is None:
                packages.setdefault(name, run.run_id)
        known = set(files)
        for path, sha in receipt.wrote.items():
            files.pop(path, None)
            if back:
                merged.pop(path, None)
            elif sha is not None and (path in known or receipt.files.get(path) is None):
                files[path] = sha
        for one in run.merged:
            merged[one.path] = (*merged.get(one.path, ()), one)
        asked |= set(receipt.asked)
        directories += receipt.directories
        holds = [name for name in (*holds, *receipt.holds) if name not in receipt.released]
        logins = {
            host: before
            for host, before in {**receipt.logins, **logins}.items()
            if host not in receipt.logouts
        }
        members = [one for one in (*members, *receipt.members) if one not in receipt.left]
    return Ours(
        packages=packages,
        asked=frozenset(asked),
        files={path: sha for path, sha in files.items() if path not in merged},
        merged=merged,
        directories=tuple(dict.fromkeys(directories)),
        holds=tuple(name for name in dict.fromkeys(holds) if name in trail.held),
        members=tuple(one for one in dict.fromkeys(members) if one in trail.members),
        logins=logins,
    )


def spare(ours: Ours, trail: Trail, leaving: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Of what came by us beside ``leaving``: what can go with it, and why the rest stays.

    A package stays where one that stays depends on it, where somebody marked it as wanted since
    (apt-mark(8)), and the SSH server always: it is the way in.
    """
    going = {name for name in ours.packages if name in trail.packages} - set(leaving)
    stays: dict[str, str] = {}
    for name in sorted(going):
        if name == "openssh-server":
            stays[name] = "it is the way into this host"
        elif ours.asked and name not in ours.asked and name not in trail.automatic:
            stays[name] = "somebody marked it as wanted since"
    going -= set(stays)
    while True:
        gone = going | set(leaving)
        needed = {
            name: next((by for by in trail.needs.get(name, ()) if by not in gone), "")
            for name in going
        }
        needed = {name: by for name, by in needed.items() if by}
        if not needed:
            return sorted(going), stays
        stays |= {name: f"{by} needs it" for name, by in sorted(needed.items())}
        going -= set(needed)
