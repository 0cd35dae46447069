"""The live region below the finished lines: what each host does at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from dockwright.report.crowd import hidden
from dockwright.report.page import styled
from dockwright.report.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, ConsoleOptions

    from dockwright.report.page import Page
    from dockwright.report.rows import Rows

_BAR = 20
_TURN = 0.1  # seconds that a picture of the spinner stands
_MOST = 10  # hosts that are shown; more are counted
_WIDE = 80
# Room for the ^C that a terminal prints: where it does not fit, it moves the cursor to another
# line, and the region is not found again when it is to go.
_MARGIN = 3


@dataclass(frozen=True)
class Running:
    """What a host does at this moment. ``since`` is of the reporter's clock."""

    host: str
    step: str = ""
    text: str = ""
    percent: float | None = None
    waiting: bool = False
    since: float = 0.0


def bar(page: Page, percent: float, text: str) -> Text:
    """``███████████████░░░░░  74 %  108/146 MB``; shorter where there is little room."""
    width = _BAR if (page.width or 0) >= _WIDE else _BAR // 2
    full = round(width * percent / 100)
    line = styled(page.signs.full * full, "green").append(
        page.signs.empty * (width - full), style="dim"
    )
    return line.append(f" {percent:3.0f} %  ", "default").append_text(page.text(text, "dim"))


class Frame:
    """Draws the live region anew each time that rich asks for it.

    That is ten times a second, and whenever something is printed above: it never shows what is
    over.
    """

    def __init__(
        self,
        rows: Rows,
        running: dict[str, Running],
        clock: Callable[[], float],
        fleet: Callable[[], str],
    ) -> None:
        self._rows = rows
        self._running = running
        self._clock = clock
        self._fleet = fleet

    @property
    def busy(self) -> bool:
        """Whether there is something to draw."""
        return bool(self._running)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines of the region, for rich."""
        del options
        hosts = list(self._running.values())
        fleet = self._fleet()
        most = max(1, min(_MOST, console.height - 5))
        # Those that wait or take long need eyes; idle ones do not.
        shown = sorted(hosts, key=lambda one: (not one.step, not one.waiting, one.since))[:most]
        places = {one.host for one in shown}
        now = self._clock()
        for one in hosts:
            if one.host in places:
                yield self._line(one, now)
        if fleet:
            page = self._rows.page
            for line in filter(None, (hidden(hosts, shown), fleet)):
                yield page.cut(styled(line, "dim"), (page.width or 0) - _MARGIN)

    def _line(self, one: Running, now: float) -> Text:
        page = self._rows.page
        spent = max(0.0, now - one.since)
        right = duration(spent) if spent >= 1 or one.waiting else ""
        picture = page.signs.spinner[int(now / _TURN) % len(page.signs.spinner)]
        sign = styled(picture, "cyan")
        body = page.text(one.text, "dim")
        if one.waiting:
            sign, body = styled(page.signs.wait, "yellow"), page.text(one.text, "yellow")
        elif one.percent is not None:
            body = bar(page, one.percent, one.text)
            right = right if (page.width or 0) >= _WIDE else ""
        return self._rows.row(one.host, sign, one.step, body, right=right, margin=_MARGIN)
