"""The files of an uninstall: sources, keys, lists, settings, and the directories around them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dockwright.models import Facts, FileFact
from dockwright.plan import Action, Verb
from dockwright.receipts.owned import Ours, Vendor
from dockwright.receipts.trail import Trail
from dockwright.receipts.unmerge import unmerged
from dockwright.steps.cdi_spec import PATH as CDI
from dockwright.steps.daemon_json import RELOADABLE

_PLAIN = re.compile(r"(/[A-Za-z0-9@._+-]+)+")


@dataclass
class Files:
    """What becomes of each file. ``daemon_stays``: a daemon that goes on must take its new settings.

    ``assumed`` fills, as the actions are made, with the files that the plan rests on.
    """

    facts: Facts
    trail: Trail
    vendor: Vendor
    ours: Ours
    key_owners: Mapping[str, tuple[str, ...]]
    daemon_stays: bool
    assumed: dict[str, str | None] = field(default_factory=dict)

    def actions(self) -> tuple[Action, ...]:
        """Lists before the sources that tell of them, and those before keys that they still name."""
        merges = [action for path in self.ours.merged for action in self._merged(path)]
        found = [*self._lists(), *self._sources(), *self._keys(), *self._others(), *merges]
        gone = {action.target for action in found if action.params.get("absent")}
        return (*found, *self._directories(gone))

    # --- apt ----------------------------------------------------------------------------------

    @cached_property
    def _leaving(self) -> tuple[FileFact, ...]:
        """The source files that go."""
        return tuple(file for file in self.facts.sources if self._goes(file))

    def _goes(self, file: FileFact) -> bool:
        if not _PLAIN.fullmatch(file.path):
            return False  # a receipt is lines of words: nobody could read back what went
        left = self.ours.files.get(file.path)
        return self._as_left(file.path) if left else self.vendor.source(file)[1]

    def _as_left(self, path: str) -> bool:
        return self.trail.files.get(path) == self.ours.files[path]

    def _sources(self) -> Iterator[Action]:
        for file in self.facts.sources:
            ours = file.path in self.ours.files
            if file in self._leaving:
                yield self._gone(file, "ours" if ours else "names Docker's repository alone")
            elif ours:
                yield _kept(file.path, "changed since by somebody else: it stays")
            elif self.vendor.source(file)[0]:
                yield _kept(file.path, "names others beside Docker's repository: it stays")

    def _lists(self) -> Iterator[Action]:
        architecture = self.facts.architecture
        staying = (file for file in self.facts.sources if file not in self._leaving)
        stay = Vendor((), ()).prefixes(staying, architecture)
        for prefix in self.vendor.prefixes(self._leaving, architecture):
            # A flat repository's lists have no further part; those of others may begin like them.
            for start, deep in ((f"{prefix}_dists", True), (prefix, False)):
                rest = (n[len(start) + 1 :] for n in self.facts.lists if n.startswith(f"{start}_"))
                if prefix in stay or not any(deep or "_" not in name for name in rest):
                    continue
                yield Action(
                    id="", component="uninstall", step="forget lists", kind="lists_gone",
                    verb=Verb.REMOVE, target=start, reason="apt's lists of a source that goes",
                    params={"prefix": start, "deep": deep},
                )  # fmt: skip

    def _keys(self) -> Iterator[Action]:
        for file in self.facts.keys:
            ours = file.path in self.ours.files
            if not (ours or self.vendor.key(file, self.key_owners)):
                continue
            if not _PLAIN.fullmatch(file.path):
                continue
            user = next(
                (
                    source.path
                    for source in self.facts.sources
                    if source not in self._leaving and file.path in (source.content or "")
                ),
                None,
            )
            if ours and not self._as_left(file.path):
                yield _kept(file.path, "changed since by somebody else: it stays")
            elif user:
                yield _kept(file.path, f"{user} still names it: it stays")
            else:
                yield self._gone(file, "ours" if ours else "holds Docker's key and no other")

    # --- others -------------------------------------------------------------------------------

    def _others(self) -> Iterator[Action]:
        """Files of ours that are neither sources nor keys."""
        known = {file.path for file in (*self.facts.sources, *self.facts.keys)}
        for path in self.ours.files:
            sha = self.trail.files.get(path)
            if path in known or sha is None:
                continue
            # The toolkit makes its specification anew by itself: that is nobody's edit.
            if self._as_left(path) or path == CDI:
                self.assumed[path] = sha
                yield _removal(path, "ours", None)
            else:
                yield _kept(path, "changed since by somebody else: it stays")

    def _merged(self, path: str) -> Iterator[Action]:
        file = self.facts.file(path)
        if file is None:
            return
        if file.content is None or file.target is not None:
            yield _kept(path, "it cannot be read, or is a link: our keys stay in it")
            return
        try:
            text, kept = unmerged(file.content, self.ours.merged[path])
        except ValueError as error:
            yield _kept(path, f"it is not valid ({error}): our keys stay in it")
            return
        if kept:
            names = ", ".join(kept)
            yield _kept(path, f"{names}: changed since by somebody else, and stays")
        if text == file.content:
            return
        if text is None:
            yield self._gone(file, "ours alone")
        else:
            self.assumed[path] = file.sha256
            yield Action(
                id="", component="uninstall", step="take our keys out", kind="file",
                verb=Verb.CHANGE, target=path, reason="without our keys; those of others stay",
                before=file.content, after=text,
                params={"path": path, "mode": file.mode, "content": text, "absent": False},
            )  # fmt: skip
        if self.daemon_stays:
            yield self._taken_up(path)

    def _taken_up(self, path: str) -> Action:
        """A daemon that is not ours, and stays, takes the file as it is now."""
        keys = {key for merge in self.ours.merged[path] for key in _keys(merge.after)}
        reload = keys <= RELOADABLE
        restores = self.facts.daemon is not None and self.facts.daemon.live_restore
        running = tuple(container.name for container in self.facts.containers)
        return Action(
            id="", component="uninstall", step="take up the settings", kind="reload",
            verb=Verb.CHANGE if reload else Verb.RESTART, target="docker.service",
            reason="a daemon that is not ours reads its settings anew",
            stops=() if reload or restores else running,
            params={"unit": "docker.service", "how": "reload" if reload else "restart"},
        )  # fmt: skip

    def _directories(self, gone: set[str]) -> Iterator[Action]:
        for path in sorted(self.ours.directories, reverse=True):  # what is inside goes first
            inside = self.trail.inside.get(path)
            if inside is not None and all(f"{path}/{name}" in gone for name in inside):
                gone.add(path)
                yield Action(
                    id="", component="uninstall", step="remove empty directory",
                    kind="directory_gone", verb=Verb.REMOVE, target=path,
                    reason="made by us, and empty then", params={"path": path},
                )  # fmt: skip

    def _gone(self, file: FileFact, reason: str) -> Action:
        self.assumed[file.path] = file.sha256
        return _removal(file.path, f"{reason}; a copy is kept with the run", file.content)


def _removal(path: str, reason: str, content: str | None) -> Action:
    armoured = content is not None and "-----BEGIN" in content
    return Action(
        id="", component="uninstall", step=f"remove {path}", kind="file", verb=Verb.REMOVE,
        target=path, reason=reason, before=None if armoured else content,
        after=None if armoured else "",
        # A login is nothing that a copy should be kept of.
        params={"path": path, "mode": "", "content": "", "absent": True}
        | ({"secret": True} if path.startswith("/etc/apt/auth.conf.d/") else {}),
    )  # fmt: skip


def _kept(path: str, reason: str) -> Action:
    kind = "file"
    return Action(
        id="", component="uninstall", step=path, kind=kind, verb=Verb.KEEP, target=path,
        reason=reason,
    )  # fmt: skip


def _keys(text: str | None) -> frozenset[str]:
    value = json.loads(text or "{}")
    return frozenset(value) if isinstance(value, dict) else frozenset()
