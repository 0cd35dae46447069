"""A page to write on: what the terminal can show, and lines that fit it.

Text that came from elsewhere gets on a page only through :meth:`Page.say` and :meth:`Page.text`:
cleaned, and never read as markup.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from dockwright.report.streams import mute
from dockwright.report.text import LIMIT, clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockwright.report import Color

WIDEST = 100  # a time far to the right of a wide window is not read as part of its line
_NARROWEST = 20


@dataclass(frozen=True)
class Signs:
    """The signs that a terminal can show."""

    ok: str
    bad: str
    same: str
    skip: str
    wait: str
    note: str
    cut: str
    arrow: str
    edge: str
    full: str
    empty: str
    spinner: str
    dot: str

    @property
    def width(self) -> int:
        """The width of the widest sign that stands before a step."""
        return max(cell_len(sign) for sign in (self.ok, self.bad, self.wait, self.note))


UNICODE = Signs("✓", "✗", "=", "-", "⏸", "•", "…", "→", "│", "█", "░", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "·")
ASCII = Signs("ok", "x", "=", "-", "..", "*", "...", "->", "|", "#", ".", "|/-\\", "-")

# What we and others like to write, for terminals that cannot show it.
_PLAIN = {
    ord(char): plain
    for chars, plain in (
        ("\u2026", "..."),
        ("\u00b7\u2022\u2013\u2014", "-"),
        ("\u2192", "->"),
        ("\u2018\u2019", "'"),
        ("\u201c\u201d", '"'),
        ("\u2713", "ok"),
        ("\u2717", "x"),
    )
    for char in chars
}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on without a reader: the run on the host does, and it is not an error of ours."""
        self.quiet = True
        mute(self.file)


def open_console(stream: TextIO, color: Color = "auto") -> Console:
    """A console on a stream: live and coloured on a terminal, bare lines on a pipe and in CI."""
    terminal = (
        stream.isatty()
        and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}
        and os.environ.get("CI", "") in {"", "0", "false"}
    )
    colored = color == "always" or (
        color == "auto" and terminal and not os.environ.get("NO_COLOR", "")
    )
    return _Console(
        file=stream,
        # All styles are of the 16 colours that people choose themselves for their terminal.
        color_system="standard" if colored else None,
        no_color=not colored,
        force_terminal=terminal,
        force_interactive=terminal,
        force_jupyter=False,
        soft_wrap=not stream.isatty(),
        markup=False,
        emoji=False,
        highlight=False,
    )


def styled(text: str, style: str = "") -> Text:
    """Our own words, or clean ones; whatever is put behind them keeps its own style."""
    return Text().append(text, style)


class Page:
    """Lines on a console. On a pipe lines are not wrapped and not cut."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._encoding = console.encoding
        self._unicode = self._encoding.startswith("utf")
        self.signs = UNICODE if self._unicode else ASCII

    @property
    def width(self) -> int | None:
        """The width that lines have to fit, ``None`` on a pipe."""
        if self.console.soft_wrap:
            return None
        return max(_NARROWEST, min(self.console.width, WIDEST))

    @property
    def ok(self) -> Text:
        """The sign of what is well."""
        return styled(self.signs.ok, "green")

    @property
    def bad(self) -> Text:
        """The sign of what is not."""
        return styled(self.signs.bad, "bold red")

    def say(self, text: str, limit: int = LIMIT) -> str:
        """Text that is safe on this console, in one line."""
        return self.fit(clean(text, limit))

    def fit(self, text: str) -> str:
        """Clean text in characters that this console can show."""
        if self._unicode or text.isascii():
            return text
        return text.translate(_PLAIN).encode(self._encoding, "replace").decode(self._encoding)

    def text(self, text: str, style: str = "", limit: int = LIMIT) -> Text:
        """Text that is safe on this console, to be put on the page."""
        return styled(self.say(text, limit), style)

    def put(self, lines: Iterable[Text]) -> None:
        """Print lines, at once: a live region is drawn anew once for all of them."""
        block = [self.cut(line) for line in lines]  # those that nobody wrapped
        if block:
            self.console.print(Text("\n").join(block), soft_wrap=True)

    def cut(self, line: Text, width: int | None = None) -> Text:
        """The line, cut to the width of the page, or to a smaller one."""
        width = self.width if width is None else width
        if width is None or line.cell_len <= width:
            return line
        mark = self.signs.cut
        whole = set_cell_size(line.plain, max(0, width - cell_len(mark))).rstrip()
        short = line.copy()
        short.right_crop(len(line.plain) - len(whole))
        return short.append(mark)

    def hang(self, lead: Text, body: Text) -> list[Text]:
        """The body behind its lead, wrapped, with later lines set in as far as the lead is."""
        indent = lead.cell_len
        if self.width is None:
            return [lead + body]
        if self.width - indent < _NARROWEST:
            indent = min(4, indent)
            room = self.width - indent
            wrapped = list(body.wrap(self.console, room)) if body.plain else []
            head = [self.cut(lead)] if lead.plain.strip() else []
            return [*head, *(_pad(indent) + line for line in wrapped)]
        lines = list(body.wrap(self.console, self.width - indent)) or [Text()]
        for line in lines:
            line.rstrip()
        return [lead + lines[0], *(_pad(indent) + line for line in lines[1:])]

    def pad(self, text: str, width: int, style: str = "") -> Text:
        """Clean text, padded on the right; longer text is cut."""
        line = self.cut(self.text(text, style), width)
        return line.append(" " * (width - line.cell_len))


def _pad(width: int) -> Text:
    return Text(" " * width)
