"""The runs that a host keeps, for people: one line each, what it changed below it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.text import Text

from dockwright.errors import Exit
from dockwright.report.page import Page, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from dockwright.events import PastRun


def render_history(runs: Sequence[PastRun], console: Console, *, host: str) -> None:
    """Print the runs of a host, oldest first."""
    page = Page(console)
    head = page.text(host, "bold")
    if not runs:
        page.put(page.hang(Text(), head + styled("  no run of Dockwright is kept there")))
        return
    lines = page.hang(Text(), head)
    for run in runs:
        words = page.text(run.run_id, "bold")
        words.append(f"  {_when(run.began)}  ", "default")
        words.append_text(page.pad(run.playbook or "?", 10)).append("  ")
        words.append_text(page.pad(outcome(run), 11, _style(run))).append("  ")
        words.append_text(page.text(f"by {run.who or '?'}", "dim"))
        lines += page.hang(styled("  "), words)
        changed = page.text(run.changed or "nothing changed", limit=2000)
        lines += page.hang(styled("      "), changed)
    page.put(lines)


def outcome(run: PastRun) -> str:
    """How a run ended, in a word or two."""
    if run.live:
        return "under way"
    if run.exit is None:
        return "cut off"
    try:
        word = Exit(run.exit).word
    except ValueError:
        word = f"exit {run.exit}"
    return f"{word}, undone" if run.undone and run.playbook != "undo" else word


def _style(run: PastRun) -> str:
    return "green" if run.exit == 0 else "yellow" if run.live else "red"


def _when(seconds: int) -> str:
    if not seconds:
        return "?" * 16
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
