"""Finished lines, and on a terminal the live region below them."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from dockwright.report.live import Frame
    from dockwright.report.page import Page


class Screen:
    """Prints lines and starts, stops and holds the live region. Not thread safe."""

    def __init__(self, page: Page, frame: Frame, *, live: bool) -> None:
        self._page = page
        self._frame = frame
        self._wanted = live
        self._live: Live | None = None
        self._held: list[Text] | None = None
        self._blank = True

    def put(self, lines: list[Text]) -> None:
        """Print lines above the live region, or keep them while something is asked."""
        if self._held is not None:
            self._held += lines
            return
        shown = []
        for line in lines:  # never two blank ones, and none at the top
            if line.plain or not self._blank:
                shown.append(line)
            self._blank = not line.plain
        self._page.put(shown)

    def draw(self) -> None:
        """Show the live region, as far as something runs and nothing is asked."""
        if not self._wanted or self._held is not None:
            return
        if not self._frame.busy:
            self.stop()
        elif self._live is None:
            from rich.live import Live

            self._live = Live(
                self._frame, console=self._page.console, refresh_per_second=10, transient=True
            )
            # The cursor is hidden while it runs: whoever forgets to stop it still gets it back.
            atexit.register(self.stop)
            self._live.start()

    def stop(self) -> None:
        """Take the live region away and show the cursor again."""
        if self._live is not None:
            live, self._live = self._live, None
            atexit.unregister(self.stop)
            live.stop()

    def hold(self) -> None:
        """From here on nothing is printed."""
        self.stop()
        self._held = self._held or []

    def release(self) -> None:
        """Print what was kept, and go on."""
        held, self._held = self._held or [], None
        self.put(held)
        self.draw()
