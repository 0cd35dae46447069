"""What vendors offer is asked once for a whole run, and not by each of its hosts."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dockwright.errors import DockwrightError

_T = TypeVar("_T")

KEPT = 300.0  # seconds for which an answer holds
SHUT = 30.0  # seconds for which a refusal does


@dataclass
class _Stall:
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = 0.0
    answer: Any = None
    refusal: DockwrightError | None = None


class Market:
    """Answers by what was asked. One host asks, others that want to know the same wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stalls: dict[Hashable, _Stall] = {}

    def ask(self, question: Hashable, ask: Callable[[], _T]) -> _T:
        """The answer to a question, from ``ask`` where none is kept. Raises what ``ask`` raises."""
        with self._lock:
            stall = self._stalls.setdefault(question, _Stall())
        with stall.lock:
            if time.monotonic() >= stall.until:
                try:
                    stall.answer, stall.refusal = ask(), None
                except DockwrightError as error:
                    stall.refusal = error
                stall.until = time.monotonic() + (KEPT if stall.refusal is None else SHUT)
            if stall.refusal is not None:
                # A copy: each host adds what it knows, and has a traceback of its own.
                raise copy.copy(stall.refusal)
            return stall.answer  # type: ignore[no-any-return]  # of this question
