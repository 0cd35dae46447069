"""Finished lines, and on a terminal the live region below them."""

from __future__ import annotations

import atexit
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from dockwright.report.live import Frame
    from dockwright.report.page import Page

_TICK = 0.1  # seconds


class Screen:
    """Prints lines, and starts, stops and holds the live region.

    All of it happens under ``lock``, the drawing too. rich's own thread takes rich's two locks in
    another order than a thread that prints: a signal handler that ends the region while its thread
    prints would wait for ever.
    """

    def __init__(self, page: Page, frame: Frame, *, live: bool) -> None:
        self.lock = RLock()
        self._page = page
        self._frame = frame
        self._wanted = live
        self._live: Live | None = None
        self._done = Event()
        self._holds = 0
        self._held: list[Text] = []
        self._blank = True

    def put(self, lines: list[Text]) -> None:
        """Print lines above the live region, or keep them while something is asked."""
        if self._holds:
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
        if not self._wanted or self._holds:
            return
        if not self._frame.busy:
            self.stop()
        elif self._live is None:
            from rich.live import Live

            self._live = Live(
                self._frame, console=self._page.console, auto_refresh=False, transient=True
            )
            # The cursor is hidden while it runs: whoever forgets to stop it still gets it back.
            atexit.register(self.stop)
            self._live.start(refresh=True)
            self._done = Event()
            Thread(target=self._tick, args=(self._live, self._done), daemon=True).start()

    def _tick(self, live: Live, done: Event) -> None:
        while not done.wait(_TICK):
            with self.lock:
                if self._live is live:
                    live.refresh()

    def stop(self) -> None:
        """Take the live region away and show the cursor again."""
        with self.lock:
            if self._live is not None:
                live, self._live = self._live, None
                self._done.set()
                atexit.unregister(self.stop)
                live.stop()

    def hold(self) -> None:
        """From here on nothing is printed, until it was released as often as it was held."""
        self.stop()
        self._holds += 1

    def release(self) -> None:
        """Print what was kept, and go on."""
        self._holds = max(0, self._holds - 1)
        if not self._holds:
            held, self._held = self._held, []
            self.put(held)
            self.draw()

    def end(self) -> None:
        """Print what was kept, whoever still holds it, without a live region from here on."""
        self._wanted = False
        self.stop()
        self._holds = 0
        self.release()
