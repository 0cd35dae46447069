"""What is said of one step: while it runs, and when it ended."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rich.text import Text

from dockwright.events import Outcome, StepFinished, StepProgress, Waiting
from dockwright.report.page import styled
from dockwright.report.text import clean_lines, duration, size

if TYPE_CHECKING:
    from dockwright.plan import HostPlan
    from dockwright.report.page import Page
    from dockwright.report.rows import Rows

_APT = ("/var/lib/apt/", "/var/lib/dpkg/", "/var/cache/apt/")
_TAIL = 20  # lines of output shown of a step that failed
_TAIL_VERBOSE = 500


def step_lines(rows: Rows, event: StepFinished, title: str, *, verbose: bool) -> list[Text]:
    """The row of a step that ended, and why and with what output it failed."""
    page = rows.page
    failed = event.outcome is Outcome.FAILED
    sign, style, word = {
        Outcome.SAME: (page.signs.same, "dim", "already so"),
        Outcome.CHANGED: (page.signs.ok, "green", ""),
        Outcome.VERIFIED: (page.signs.ok, "green", ""),
        Outcome.FAILED: (page.signs.bad, "bold red", event.cause or "failed"),
        Outcome.SKIPPED: (page.signs.skip, "dim", "skipped"),
    }[event.outcome]
    dim = "dim" if style == "dim" else ""
    body = page.text(event.text or word, dim)
    mark, spent = styled(sign, style), duration(event.seconds)
    lines = [rows.row(event.host, mark, title, body, right=spent, style=dim)]
    if failed and event.cause and event.text:
        lines += page.hang(styled("  cause    ", "dim"), page.text(event.cause))
    if event.output and (failed or verbose):
        lines += _output(page, event.output, _TAIL_VERBOSE if verbose else _TAIL)
    return lines


def _output(page: Page, output: str, most: int) -> list[Text]:
    edge = styled(f"  {page.signs.edge} ", "dim")
    tail = clean_lines(output, most, tail=True)
    return [page.cut(edge + styled(page.fit(line), "dim")) for line in tail]


def true_percent(event: StepProgress) -> float:
    """The percentage as it can be drawn, whatever a host sent."""
    return min(100.0, max(0.0, event.percent))


def lock_of(event: Waiting) -> str:
    """What a host waits for, in few words."""
    return "apt lock" if event.lock.startswith(_APT) else PurePosixPath(event.lock).name


def loaded(event: StepProgress, title: str, plan: HostPlan | None) -> str:
    """``108/146 MB`` of a download: apt tells no bytes, but the plan knows how many there will be."""
    total = plan.transaction.download_bytes if plan else None
    if title != "download" or not total:
        return event.text
    whole, unit = size(total).split(" ")
    done = float(whole) * true_percent(event) / 100
    return f"{done:.{1 if '.' in whole else 0}f}/{whole} {unit}"
