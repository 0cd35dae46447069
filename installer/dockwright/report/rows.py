"""Rows of a run: host, sign, step, what was seen, and how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockwright.report.page import Page

_HOST = 24  # the widest column of hosts
_STEP = 12  # the narrowest column of steps
_STEP_FLEET = 20
_STEP_WIDEST = 28
_TIME = 9
_NARROW = 40  # where there is no room for times


class Rows:
    """The columns of a run: as wide as its hosts and its steps ask for."""

    def __init__(self, page: Page, hosts: Sequence[str] = ()) -> None:
        self.page = page
        self._host = 0
        # The plans of a fleet differ, and its rows are mixed: one width for all.
        self._step = _STEP_FLEET if len(hosts) > 1 else _STEP
        for host in hosts:
            self.know(host)

    def know(self, host: str) -> None:
        """Make room for the name of a host."""
        self._host = max(self._host, min(cell_len(self.page.say(host)), _HOST))

    def expect(self, steps: Iterable[str]) -> None:
        """Make room for the names of the steps that a plan has."""
        widest = max((cell_len(self.page.say(step)) for step in steps), default=0)
        self._step = max(self._step, min(widest, _STEP_WIDEST))

    def lead(self, host: str, sign: Text, step: str, style: str = "") -> Text:
        """What stands before the text of a row."""
        page = self.page
        room = page.width
        name, column = self._host, self._step
        if room is not None:
            name, column = min(name, max(8, room // 4)), min(column, max(_STEP, room // 3))
        label = page.text(step, style)
        label = page.cut(label, max(column, (room or 10_000) * 2 // 5))
        line = page.pad(host, name, "bold").append("  ").append_text(sign)
        line.append(" " * (page.signs.width - sign.cell_len + 1)).append_text(label)
        return line.append(" " * (max(0, column - label.cell_len) + 1))

    def row(
        self,
        host: str,
        sign: Text,
        step: str,
        body: Text,
        *,
        right: str = "",
        style: str = "",
        margin: int = 0,
    ) -> Text:
        """One line, cut where it is too long; ``right`` at the right edge, less the margin."""
        page = self.page
        line = self.lead(host, sign, step, style)
        if page.width is None:
            line.append_text(body)
            if right:
                line.append(f" ({right})" if body.plain else f"({right})", "dim")
            line.rstrip()
            return line
        edge = page.width - margin
        right = right if edge >= _NARROW else ""
        room = edge - (max(_TIME, cell_len(right) + 1) if right else 0)
        line = page.cut(line.append_text(body), room)
        if right:
            line.append(" " * (edge - line.cell_len - cell_len(right)))
            line.append(right, "dim")
        else:
            line.rstrip()
        return line

    def block(self, host: str, sign: Text, step: str, body: Text) -> list[Text]:
        """A row whose text is shown whole, in as many lines as it takes."""
        return self.page.hang(self.lead(host, sign, step), body)
