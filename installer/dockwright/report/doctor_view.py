"""What doctor found, on one screen: the root first, with what was seen and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from dockwright.events import Severity
from dockwright.report.page import styled
from dockwright.report.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockwright.events import Diagnosed, Explanation, Finding
    from dockwright.report.page import Page

_EXPLAINED = 3  # findings whose cause is told, too: what comes after them often has the same
_LABEL = 8
_PLANNED = "doctor --fix makes one that mends it"
_PART = " in what could be seen without root"


def diagnosis_lines(page: Page, event: Diagnosed) -> list[Text]:
    """The lines about one host: what its message means, then its findings."""
    lines = explanation_lines(page, event.explained)
    lines += [Text()] if lines else []
    head = page.text(event.host, "bold")
    if not event.findings:
        ok = styled("  ") + styled(page.signs.ok, "green")
        words = " nothing is wrong that is known here"
        if event.unseen:
            ok, words = (
                styled("  ") + styled(page.signs.note, "yellow"),
                f" nothing is wrong{_PART}",
            )
        return [*lines, *page.hang(Text(), head + ok + styled(words)), *_unseen(page, event)]
    lines += page.hang(Text(), head + styled(f"  {plural(len(event.findings), 'finding')}"))
    told = {one.id for one in event.explained}
    for number, finding in enumerate(event.findings):
        why = number < _EXPLAINED and finding.id not in told
        lines += [Text(), *_finding(page, finding, why=why)]
    return [*lines, *_unseen(page, event)]


def _unseen(page: Page, event: Diagnosed) -> list[Text]:
    """What was left out for want of root: no finding says nothing about it."""
    lines: list[Text] = [Text()] if event.unseen else []
    for one in event.unseen:
        lead = styled("  ") + styled(page.signs.note, "yellow") + styled(" ")
        lead.append_text(page.pad(one.rung, _LABEL + 4 - lead.cell_len))
        lines += page.hang(lead, styled("not looked at without root: ") + page.text(one.what))
    if event.unseen:
        lines += _pair(page, "rest", ["as root, or with --ask-sudo-password"])
    return lines


def explanation_lines(page: Page, explained: Iterable[Explanation]) -> list[Text]:
    """What messages mean, wherever they came from."""
    lines: list[Text] = []
    for one in explained:
        lines += [Text()] if lines else []
        lines += page.hang(page.pad(one.rung, _LABEL + 4), page.text(one.finding, "bold"))
        lines += _pair(page, "cause", [one.cause])
        if one.seen is not None:
            word = "yes, see below" if one.seen else "no sign of it now"
            lines += _pair(page, "here", [word])
        lines += [] if one.seen else _pair(page, "look", one.look)
        lines += [] if one.seen else _pair(page, "mend", one.action, "bold")
        lines += _pair(page, "source", [one.source], "dim")
    return lines


def _finding(page: Page, finding: Finding, *, why: bool) -> list[Text]:
    bad = finding.severity is Severity.ERROR
    sign = styled(page.signs.bad, "bold red") if bad else styled(page.signs.note, "yellow")
    lead = styled("  ") + sign + styled(" ")
    lead.append_text(page.pad(finding.rung, _LABEL + 4 - lead.cell_len))
    return [
        *page.hang(lead, page.text(finding.finding, "bold")),
        *_pair(page, "seen", [finding.evidence]),
        *(_pair(page, "cause", [finding.cause]) if why else []),
        *_pair(page, "mend", finding.action, "bold"),
        *(_pair(page, "plan", [_PLANNED]) if finding.plan else []),
    ]


def _pair(page: Page, label: str, texts: Sequence[str], style: str = "") -> list[Text]:
    lines: list[Text] = []
    for number, text in enumerate(texts):
        lead = styled(f"    {'' if number else label:<{_LABEL}}", "dim")
        lines += page.hang(lead, page.text(text, style))
    return lines
