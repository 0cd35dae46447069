"""A plan as people read it: what, why, and how much, before anything is done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from dockwright.plan import Action, HostPlan, Verb
from dockwright.report.diff import file_diff
from dockwright.report.page import Page, styled
from dockwright.report.plan_entries import Entry, entries
from dockwright.report.text import apply_command, clean, plural, size

if TYPE_CHECKING:
    from rich.console import Console

    from dockwright.models import Facts

_STYLES = {
    Verb.ADD: "green",
    Verb.CHANGE: "yellow",
    Verb.REMOVE: "red",
    Verb.RESTART: "magenta",
    Verb.CHECK: "cyan",
    Verb.KEEP: "dim",
}
_COUNTED = {
    Verb.ADD: "to add",
    Verb.CHANGE: "to change",
    Verb.REMOVE: "to remove",
    Verb.RESTART: "to restart",
    Verb.KEEP: "already so",
    Verb.CHECK: "to check",
}
_TARGET = 46  # the widest column of targets
_REASON = 24  # the least room for a reason beside its target
_DIFF = 40  # lines of a diff; -v shows all
_KEY = "-----BEGIN PGP"


def render_plan(
    plan: HostPlan,
    facts: Facts | None,
    how: str | None,
    console: Console,
    verbose: bool = False,  # noqa: FBT001, FBT002
    *,
    footer: bool = True,
) -> None:
    """Print a plan. ``footer`` tells that nothing was changed and what applies the plan."""
    page = Page(console)
    lines = plan_lines(page, plan, facts, how, verbose=verbose)
    if footer and plan.changes:
        command = page.text(apply_command(plan.playbook, [plan.host]), "bold")
        lines += page.hang(Text(), styled("Nothing was changed. Apply it with: ") + command)
    page.put(lines)


def count_line(plan: HostPlan) -> str:
    """``5 to add, 1 to change, 2 to remove, 1 already so``, and containers that stop."""
    counts = Counter(action.verb for action in plan.actions)
    parts = [f"{counts[verb]} {word}" for verb, word in _COUNTED.items() if counts[verb]]
    stops = f". Containers that stop: {len(plan.stops)}" if plan.stops else ""
    return (", ".join(parts) or "nothing to do") + stops


def plan_lines(
    page: Page, plan: HostPlan, facts: Facts | None, how: str | None, *, verbose: bool
) -> list[Text]:
    """The lines of a plan, without what comes next."""
    lines = [*_head(page, plan, facts, how), Text()]
    if verbose and plan.summary:
        lines[1:1] = page.hang(styled("  "), page.text(plan.summary, "dim"))
    listed = list(entries(page, plan))
    kinds = max([5, *(cell_len(page.say(entry.kind, 16)) for entry in listed)])
    lead = styled(f"  {'trust':<{kinds + 2}}  ", "dim")
    for number, text in enumerate(plan.trust):
        lines += page.hang(lead if not number else styled(" " * lead.cell_len), page.text(text))
    for name in plan.unresolved:
        text = f"key and index of {name} are still to be fetched and judged"
        lines += page.hang(styled(f"  ? {'trust':<{kinds}}  ", "yellow"), page.text(text))
    single = [cell_len(page.say(entry.cells[0])) for entry in listed if len(entry.cells) == 1]
    column = max([12, *(width for width in single if width <= _TARGET)])
    for entry in listed:
        lines += _entry(page, entry, kinds, column, verbose=verbose)
    lines += _notes(page, plan)
    if lines[-1].plain:
        lines.append(Text())
    title = page.text(f"Plan for {plan.host}:", "bold").append(" ")
    return [*lines, *page.hang(Text(), title + styled(count_line(plan) + "."))]


def _head(page: Page, plan: HostPlan, facts: Facts | None, how: str | None) -> list[Text]:
    if facts is not None:
        system = facts.pretty_name.replace(f"({facts.codename})", "").strip()
        system = f"{system} ({facts.codename}, {facts.architecture})"
    else:
        assumed = plan.assumes
        system = f"{assumed.os_id} {assumed.codename}, {assumed.architecture}"
    body = page.text(system)
    if how:
        reached = f"reached {how}" if how.startswith(("as ", "over ", "through ")) else how
        body.append("   ").append_text(page.text(reached, "dim"))
    return page.hang(page.text(plan.host, "bold").append("  "), body)


def _entry(page: Page, entry: Entry, kinds: int, column: int, *, verbose: bool) -> list[Text]:
    style = _STYLES[entry.verb]
    dim = "dim" if entry.verb is Verb.KEEP else ""
    lead = styled(f"  {entry.verb.sign} ", style).append_text(
        page.pad(entry.kind, kinds, dim or style)
    )
    lead.append("  ")
    indent = lead.cell_len
    reason = page.text(entry.reason, "dim")
    if entry.bytes:
        reason.append(f"{'   ' if entry.reason else ''}({size(entry.bytes)} to download)", "dim")
    target = "  ".join(entry.cells)
    width = cell_len(target)
    room = None if page.width is None else page.width - indent - max(width, column) - 2
    if reason.plain and width <= column and (room is None or room >= _REASON):
        beside = lead + page.pad(target, column, dim) + styled("  ")
        lines = page.hang(beside, reason)
    elif reason.plain and room is None:
        lines = [lead + page.text(target, dim, 10_000) + styled("  ") + reason]
    else:
        lines = [
            (lead if not number else styled(" " * indent)) + styled(line, dim)
            for number, line in enumerate(_fill(page, entry.cells, indent))
        ]
        if reason.plain:
            lines += page.hang(styled(" " * (indent + 2)), reason)
    if entry.stops:
        text = f"{plural(len(entry.stops), 'container')} {'stops' if len(entry.stops) == 1 else 'stop'}: "
        stops = page.text(text + ", ".join(entry.stops), "bold red", 2_000)
        lines += page.hang(styled(" " * indent), stops)
    if entry.action is not None:
        lines += _diff(page, entry.action, indent, verbose=verbose)
    return lines


def _fill(page: Page, cells: list[str], indent: int) -> list[str]:
    """Cells in as many lines as they take; a name stays with its version."""
    room = (page.width or 10_000) - indent
    lines = [""]
    for cell in cells:
        joined = f"{lines[-1]}  {cell}" if lines[-1] else cell
        if cell_len(joined) <= room or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(cell)
    return [page.cut(styled(line), room).plain for line in lines]


def _diff(page: Page, action: Action, indent: int, *, verbose: bool) -> list[Text]:
    margin = styled(" " * indent)
    after = action.after or ""
    if action.before is None and not verbose:
        return []  # all of a new file would be new
    if after.startswith(_KEY):
        return [
            margin
            + styled(f"an OpenPGP certificate, {plural(after.count(chr(10)), 'line')}", "dim")
        ]
    diff = file_diff(action.before or "", after)
    if diff is None:
        return [margin + styled("too long to be compared here", "dim")]
    most = len(diff) if verbose else _DIFF
    styles = {"+": "green", "-": "red", " ": "", "@": "dim"}
    lines = []
    for sign, text in diff[:most]:
        shown = page.signs.cut if sign == "@" else f"{sign} {_line(page, text)}"
        lines.append(page.cut(margin + styled(shown, styles[sign])))
    if len(diff) > most:
        lines.append(margin + page.text(f"… {len(diff) - most} more lines; -v shows them", "dim"))
    return lines


def _line(page: Page, text: str) -> str:
    text = text.expandtabs(4)
    blank = len(text) - len(text.lstrip(" "))
    return " " * min(blank, 40) + page.fit(clean(text))


def _notes(page: Page, plan: HostPlan) -> list[Text]:
    notes = list(plan.notes)
    if plan.transaction.held:
        notes.append(f"held back from upgrades: {', '.join(plan.transaction.held)}")
    if plan.transaction.allow_downgrades:
        notes.append("older versions than the installed ones are put in")
    lines = [Text()] if notes else []
    for note in notes:
        lines += page.hang(styled(f"  {page.signs.note} ", "cyan"), page.text(note, limit=2_000))
    return lines
