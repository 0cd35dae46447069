"""The actions of a plan as the lines that are printed: what belongs together is put together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dockwright.plan import ANY_VERSION, Action, HostPlan, PackageChange, Verb
from dockwright.report.page import Page
from dockwright.report.text import short_version

_PACKAGES = {"packages", "package"}
# Kinds of steps in fewer letters; a kind that is not here is shown by its own name.
_WORDS = {
    "packages": "package",
    "daemon_json": "merge",
    "group_member": "group",
    "container_check": "check",
    "gpu_check": "check",
    "image_gone": "image",
    "operations_check": "check",
    "registry_check": "check",
    "registry_login": "login",
    "registry_logout": "login",
    "cdi_spec": "cdi",
    "nvidia_hook": "service",
    "nvidia_past": "package",
    "nvidia_runtime": "merge",
    "nvidia_shim": "file",
    "nvidia_volumes": "volume",
    "repack": "archive",
    "snap_disable": "snap",
    "snap_remove": "snap",
}


@dataclass
class Entry:
    """One line of the printed plan: an action, or several of one kind for one reason."""

    verb: Verb
    kind: str
    cells: list[str]
    reason: str
    action: Action | None = None
    stops: tuple[str, ...] = ()
    bytes: int | None = None


def entries(page: Page, plan: HostPlan) -> Iterator[Entry]:
    """Actions with those put together that differ in their target only."""
    changes = {change.name: change for change in plan.transaction.changes}
    last = next(
        (a for a in reversed(plan.actions) if any(changes[n].new for n in _names(a, changes))), None
    )
    entry: Entry | None = None
    for action in plan.actions:
        kind = _kind(action)
        cells = _cells(page, action, changes)
        alone = action.before is not None or action.after is not None or action.stops
        if (
            entry is not None
            and not alone
            and entry.action is None
            and (entry.verb, entry.kind, entry.reason) == (action.verb, kind, action.reason)
        ):
            entry.cells += cells
        else:
            if entry is not None:
                yield entry
            entry = Entry(
                action.verb,
                kind,
                cells,
                action.reason,
                action if alone else None,
                action.stops,
            )
        if action is last:
            entry.bytes = plan.transaction.download_bytes
            yield _versions_once(entry)
            entry = None
            yield from _dependencies(page, plan)
    if entry is not None:
        yield entry
    if last is None:
        yield from _dependencies(page, plan)


def _kind(action: Action) -> str:
    if action.verb is Verb.RESTART:
        return "restart"
    return _WORDS.get(action.kind) or re.sub("[_-]", " ", action.kind)


def _names(action: Action, changes: dict[str, PackageChange]) -> list[str]:
    """The packages that an action puts in or takes away, if the transaction has all of them."""
    if action.kind not in _PACKAGES or action.verb is Verb.KEEP:
        return []
    named = action.params.get("packages")
    if not isinstance(named, list):
        named = [part.split()[0] for part in _parts(action.target)]
    names = [str(name) for name in named]
    return names if all(name in changes for name in names) else []


def _parts(target: str) -> list[str]:
    return [part for part in (part.strip() for part in target.split(",")) if part]


def _cells(page: Page, action: Action, changes: dict[str, PackageChange]) -> list[str]:
    names = _names(action, changes)
    if names:
        return [_package(page, changes[name]) for name in names]
    return [page.say(part) for part in _parts(action.target)] or [""]


def _package(page: Page, change: PackageChange) -> str:
    old, new = change.old or "", "" if change.new == ANY_VERSION else change.new or ""
    if old and new and old != new:
        versions = f"{short_version(old, new)} {page.signs.arrow} {short_version(new, old)}"
    else:
        versions = short_version(new or old)
    return page.say(f"{change.name} {versions}".strip())


def _versions_once(entry: Entry) -> Entry:
    """A version that is the one of the package before it needs no second telling."""
    pairs = [cell.partition(" ")[::2] for cell in entry.cells]
    if all(version for _, version in pairs):
        before = ["", *(version for _, version in pairs)]
        entry.cells = [
            name if version == previous else f"{name} {version}"
            for (name, version), previous in zip(pairs, before, strict=False)
        ]
    return entry


def _dependencies(page: Page, plan: HostPlan) -> Iterator[Entry]:
    """What apt adds by itself."""
    added = [change for change in plan.transaction.changes if not change.planned]
    for verb, reason in ((Verb.ADD, "dependencies that apt adds"), (Verb.REMOVE, "apt removes it")):
        cells = [_package(page, c) for c in added if (c.new is None) is (verb is Verb.REMOVE)]
        if cells:
            yield Entry(verb, "package", cells, reason)
