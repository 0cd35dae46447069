"""Plans as reports tell them: each once for all of its hosts, with its diffs, and within bounds."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockwright.plan import Verb
from dockwright.report.diff import file_diff
from dockwright.report.page import Page, open_console
from dockwright.report.plan_entries import Entry, entries
from dockwright.report.plan_view import count_line
from dockwright.report.text import Cleaned, clean, clean_lines, plural, size

if TYPE_CHECKING:
    from dockwright.plan import Action, HostPlan
    from dockwright.report.fleet import Fleet

_ROOM = 1_000_000  # characters of all plans
_PLANS = 300
_ENTRIES = 400
_CELLS = 200
_DIFF = 200  # lines of one file
_KEY = "-----BEGIN PGP"


@dataclass(frozen=True)
class Line:
    """One line of a plan. ``diff`` has (sign, text); ``new`` tells that all of the file is new."""

    verb: Verb
    kind: str
    cells: list[str]
    reason: str
    stops: list[str] = field(default_factory=list)
    diff: list[tuple[str, Cleaned]] = field(default_factory=list)
    more: str = ""
    new: bool = False


@dataclass(frozen=True)
class PlanView:
    """A plan and its hosts. ``lines`` is empty where there was no room for them."""

    id: str
    title: str
    system: str
    counts: str
    hosts: list[str]
    lines: list[Line]
    notes: list[str]
    left_out: bool = False

    @property
    def size(self) -> int:
        """About how many characters of text there are."""
        return sum(
            100
            + sum(map(len, (*line.cells, line.reason, *line.stops)))
            + sum(30 + len(text) for _, text in line.diff)
            for line in self.lines
        )


def plan_views(fleet: Fleet) -> dict[str, PlanView]:
    """The plans by their key: those of the hosts that are not fine first, then those of the most."""
    bad = {story.host for story in fleet.stories if not story.fine}
    order = sorted(
        fleet.plans.items(),
        key=lambda item: (not bad.intersection(item[1].hosts), -len(item[1].hosts)),
    )
    room = _ROOM
    made: dict[str, PlanView] = {}
    for number, (key, group) in enumerate(order[:_PLANS], start=1):
        lines = _lines(group.plan) if room > 0 else []
        view = PlanView(
            id=f"p{number}",
            title=clean(group.plan.host)
            if len(group.hosts) == 1
            else plural(len(group.hosts), "host"),
            system=_system(fleet, group.hosts),
            counts=count_line(group.plan),
            hosts=group.hosts,
            lines=lines,
            notes=_notes(group.plan),
            left_out=room <= 0,
        )
        room -= view.size
        made[key] = view
    return made


def _system(fleet: Fleet, hosts: list[str]) -> str:
    """What the hosts of a plan run, where that is one and the same."""
    systems = {fleet.hosts[host].system for host in hosts}
    return systems.pop() if len(systems) == 1 else ""


def _lines(plan: HostPlan) -> list[Line]:
    page = Page(open_console(io.StringIO(), "never"))
    return [_line(entry) for _, entry in zip(range(_ENTRIES), entries(page, plan), strict=False)]


def _line(entry: Entry) -> Line:
    reason = entry.reason
    if entry.bytes:
        told = f"{size(entry.bytes)} to download"
        reason = f"{reason} ({told})" if reason else told
    diff, more, new = _diff(entry.action) if entry.action is not None else ([], "", False)
    return Line(
        entry.verb, clean(entry.kind, 24), entry.cells[:_CELLS], clean(reason),
        [clean(name, 100) for name in entry.stops[:_CELLS]], diff, more, new,
    )  # fmt: skip


def _diff(action: Action) -> tuple[list[tuple[str, Cleaned]], str, bool]:
    before, after = action.before or "", action.after or ""
    if after.startswith(_KEY):
        return [], f"an OpenPGP certificate, {plural(after.count(chr(10)), 'line')}", False
    found = file_diff(before, after)
    if found is None:
        return [], "too long to be compared here", False
    lines = [(sign, (clean_lines(text, 1) or [Cleaned()])[0]) for sign, text in found[:_DIFF]]
    more = f"{len(found) - _DIFF} more lines" if len(found) > _DIFF else ""
    return lines, more, action.before is None


def _notes(plan: HostPlan) -> list[str]:
    notes = list(plan.notes)
    if plan.transaction.held:
        notes.append(f"held back from upgrades: {', '.join(plan.transaction.held)}")
    if plan.transaction.allow_downgrades:
        notes.append("older versions than the installed ones are put in")
    notes += [
        f"key and index of {name} were not fetched and judged yet" for name in plan.unresolved
    ]
    return notes
