"""A call on a thread of its own that can be waited for, and left behind."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Background(Generic[Result]):
    """``call`` under way.

    The thread is a daemon, unlike those of concurrent.futures: one that hangs in a look-up of a
    name, which knows no deadline, keeps neither Ctrl-C nor the end of the program waiting.
    """

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._done = Event()
        self._results: list[Result] = []
        self._error: BaseException | None = None
        Thread(target=self._run, daemon=True, name="dockwright-fetch").start()

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # noqa: BLE001 (raised again by result)
            self._error = error
        self._done.set()

    def result(self, timeout: float | None = None) -> Result:
        """What the call gave, or raised; TimeoutError after ``timeout`` seconds without either."""
        if not self._done.wait(timeout):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._results[0]
