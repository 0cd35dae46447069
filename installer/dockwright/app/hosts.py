"""Many hosts: each one's errors are its own, and one reader gets the events of all."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from dockwright import events, runner
from dockwright.app.run import Prepared
from dockwright.errors import DockwrightError, Exit, UnreachableError
from dockwright.events import Event


def guarded(prepared: Prepared, stage: Iterator[Event]) -> Iterator[Event]:
    """A stage of one host whose errors are events of that host."""
    name = prepared.host.name
    begun = committed = False
    try:
        for event in stage:
            begun = begun or event.event == "program_started"
            committed = committed or event.event == "commit_point"
            yield event
    except DockwrightError as error:
        prepared.finished = True
        # A program that was lost goes on: nobody can say that the host stays as it was.
        changed = committed or (begun and isinstance(error, UnreachableError))
        yield _failed(name, error, changed=changed)
    except runner.LeftError as left:
        prepared.finished = True
        yield events.Failed(
            host=name, at=time.time(), exit=Exit.INTERRUPTED, changed_host=True,
            brief=f"left alone: run {left.run_id} goes on on the host",
            next_step="the same command joins it again",
        )  # fmt: skip


def _failed(name: str, error: DockwrightError, *, changed: bool) -> Event:
    return events.Failed(
        host=name, at=time.time(), exit=error.exit, brief=error.brief, details=error.details,
        step=error.step, next_step=error.next_step,
        changed_host=changed,
    )  # fmt: skip


Stage = Callable[[], Iterator[Event]]

GRACE = 3.0  # seconds for a host to answer; then another one may begin beside it
CROWD = 4  # times as many hosts as there are workers, with those that are waited for


def interleave(stages: Iterable[Stage], workers: int, most: int | None = None) -> Iterator[Event]:
    """Run hosts' stages on a bounded number of threads; their events come out in one.

    The threads start at once, the caller reads when it is ready. A host that was only begun and
    does not answer keeps nobody else from being begun: up to ``most`` are, where ``workers`` are
    at work. An error that is no DockwrightError is a bug: the reader raises it once all others
    have ended.
    """
    pool = _Pool(stages, workers, max(workers, CROWD * workers if most is None else most))
    pool.relieve()
    return pool.read()


class _Pool:
    def __init__(self, stages: Iterable[Stage], workers: int, most: int) -> None:
        self._todo: deque[Stage] = deque(stages)
        self._workers, self._most = workers, most
        # Bounded: who prints without end waits for the reader.
        self._lane: queue.Queue[Event | None] = queue.Queue(maxsize=10_000)
        self._lock = threading.Lock()
        self._live = 0
        self._begun: dict[int, float] = {}
        self._bugs: list[BaseException] = []

    def relieve(self) -> None:
        """Begin as many hosts as may be at work."""
        with self._lock:
            new = min(self._room(), self._most - self._live, len(self._todo))
            self._live += max(0, new)
        for _ in range(new):
            threading.Thread(target=self._work, daemon=True).start()

    def _room(self) -> int:
        late = time.monotonic() - GRACE
        return (
            self._workers - self._live + sum(since < late for since in tuple(self._begun.values()))
        )

    def _next(self) -> Stage | None:
        with self._lock:
            # Whoever was waited for makes one too many when it goes on.
            if self._todo and self._room() >= 0:
                return self._todo.popleft()
            self._live -= 1
            return None

    def _work(self) -> None:
        me = threading.get_ident()
        while (stage := self._next()) is not None:
            try:
                for event in stage():
                    if event.event == "run_started":
                        self._begun[me] = time.monotonic()
                    else:
                        self._begun.pop(me, None)
                    self._lane.put(event)
            except BaseException as error:  # noqa: BLE001  # raised by the reader
                self._bugs.append(error)
            self._begun.pop(me, None)
        self._lane.put(None)

    def read(self) -> Iterator[Event]:
        """The events, to the last of them."""
        looked = time.monotonic()
        # Whoever ends has put all its events before it is no longer counted.
        while self._live or not self._lane.empty():
            try:
                # Not for ever: a signal that comes just before the wait begins is seen after it.
                event = self._lane.get(timeout=0.25)
            except queue.Empty:
                event = None
            if event is not None:
                yield event
            if time.monotonic() - looked > GRACE / 8:
                looked = time.monotonic()
                self.relieve()
        if self._bugs:
            raise self._bugs[0]
