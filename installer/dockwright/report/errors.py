"""How an error is told: what, where, why, what became of the host, and what comes next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from dockwright.errors import DockwrightError, Exit
from dockwright.report.page import Page, styled
from dockwright.report.rows import Rows

if TYPE_CHECKING:
    from rich.console import Console

    from dockwright.events import Failed

_LABEL = 8  # the narrowest column of labels
_DETAIL = 2_000  # characters of one detail: commands must come whole
_DETAILS = 40
# site.yaml:14 or site.yaml:14:9, as editors and terminals know how to open it.
_PLACE = re.compile(r":[0-9]+(:[0-9]+)?\Z")


@dataclass(frozen=True)
class Trouble:
    """An error as it is shown. ``changed`` is ``None`` where it is not known."""

    exit: Exit
    brief: str
    details: tuple[tuple[str, str], ...] = ()
    step: str | None = None
    next_step: str | None = None
    host: str | None = None
    changed: bool | None = None

    @classmethod
    def of_event(cls, event: Failed, step: str | None = None) -> Trouble:
        """What a host's run failed with; ``step`` is a better name of the step, if there is one."""
        return cls(
            exit=event.exit,
            brief=event.brief,
            details=event.details,
            step=step or event.step,
            next_step=event.next_step,
            host=event.host,
            changed=event.changed_host,
        )

    @classmethod
    def of_error(
        cls, error: DockwrightError, host: str | None = None, *, changed: bool | None = None
    ) -> Trouble:
        """An exception, with the host that it is about if there is one."""
        return cls(
            exit=error.exit,
            brief=error.brief,
            details=error.details,
            step=error.step,
            next_step=error.next_step,
            host=host,
            changed=changed,
        )

    @property
    def fate(self) -> str:
        """What became of the host, where there is one and it is known."""
        if self.host is None or self.changed is None:
            return ""
        if not self.changed:
            return "nothing was changed"
        if self.exit is Exit.REPAIR:
            return "was changed and needs repair"
        if self.exit is Exit.FAILED:
            return "was changed; the same command resumes"
        return "was changed"


def block(trouble: Trouble, rows: Rows) -> list[Text]:
    """The lines of an error, without its exit code."""
    page = rows.page
    bad = styled(page.signs.bad, "bold red")
    places = [pair for pair in trouble.details if _PLACE.search(pair[0])]
    rest = [pair for pair in trouble.details if not _PLACE.search(pair[0])]
    lines = [
        page.text(f"{where}:", "bold") + styled(" ") + page.text(why, limit=_DETAIL)
        for where, why in places
    ]
    lines = [line for lead in lines for line in page.hang(Text(), lead)]
    if trouble.host is None:
        lead = bad + styled(" ")
        lines += page.hang(lead, page.text(trouble.brief, "bold", _DETAIL))
    else:
        label = trouble.step or trouble.exit.word
        lines += rows.block(trouble.host, bad, label, page.text(trouble.brief, "bold", _DETAIL))

    pairs = [*rest[:_DETAILS], ("host", trouble.fate), ("next", trouble.next_step or "")]
    pairs = [(page.say(label, 24), text) for label, text in pairs if text]
    column = max([_LABEL, *(len(label) for label, _ in pairs)])
    lines += [Text()] if pairs else []
    for label, text in pairs:
        lead = styled(f"  {label:<{column}} ", "dim")
        style = "bold" if label == "next" else ""
        lines += _several(page, lead, text, style)
    if trouble.host is None and trouble.exit is Exit.INPUT:
        lines.append(styled("No host was contacted."))
    return lines


def _several(page: Page, lead: Text, text: str, style: str) -> list[Text]:
    """A detail of several lines, such as commands to be typed one after the other."""
    lines: list[Text] = []
    for number, line in enumerate(text.strip("\n").split("\n")[:_DETAILS]):
        before = lead if not number else styled(" " * lead.cell_len)
        lines += page.hang(before, page.text(line, style, _DETAIL))
    return lines


def exit_line(code: Exit) -> Text:
    """``exit 4 (trust)``."""
    return styled(f"exit {code.value} ({code.word})", "bold red")


def render_error(
    error: DockwrightError,
    console: Console,
    *,
    host: str | None = None,
    changed: bool | None = None,
) -> None:
    """Tell an error that no event tells, such as one before any host was contacted."""
    page = Page(console)
    rows = Rows(page, [host] if host else [])
    trouble = Trouble.of_error(error, host, changed=changed)
    page.put([*block(trouble, rows), exit_line(trouble.exit)])
