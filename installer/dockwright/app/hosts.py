"""Many hosts: each one's errors are its own, and one reader gets the events of all."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator

from dockwright import events, runner
from dockwright.app.run import Prepared
from dockwright.errors import BusyError, DockwrightError, Exit, UnreachableError
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


def twins(prepared: Iterable[Prepared]) -> Iterator[Event]:
    """Refuse what turned out to be a machine that another name stands for already.

    Machines that were cloned share a machine id, but not a boot.
    """
    first: dict[tuple[str, str], str] = {}
    for one in prepared:
        if one.facts is None or one.finished or not (one.facts.machine_id and one.facts.boot_id):
            continue
        name = first.setdefault((one.facts.machine_id, one.facts.boot_id), one.host.name)
        if name == one.host.name:
            continue
        one.finished = True
        yield _failed(
            one.host.name,
            BusyError(
                f"{one.host.name} and {name} are one machine, and {name} has the run",
                details=(("machine id", one.facts.machine_id),),
                next_step="name it once",
            ),
            changed=False,
        )


def _failed(name: str, error: DockwrightError, *, changed: bool) -> Event:
    return events.Failed(
        host=name, at=time.time(), exit=error.exit, brief=error.brief, details=error.details,
        step=error.step, next_step=error.next_step,
        changed_host=changed,
    )  # fmt: skip


def interleave(stages: Iterable[Callable[[], Iterator[Event]]], workers: int) -> Iterator[Event]:
    """Run hosts' stages on a bounded number of threads; their events come out in one.

    The threads start at once, the caller reads when it is ready. An error that is no
    DockwrightError is a bug: the reader raises it once all others have ended.
    """
    todo: queue.SimpleQueue[Callable[[], Iterator[Event]]] = queue.SimpleQueue()
    count = 0
    for stage in stages:
        todo.put(stage)
        count += 1
    lane: queue.Queue[Event | None] = queue.Queue()
    bugs: list[BaseException] = []

    def work() -> None:
        try:
            while True:
                try:
                    stage = todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    for event in stage():
                        lane.put(event)
                except BaseException as error:  # noqa: BLE001  # raised by the reader below
                    bugs.append(error)
        finally:
            lane.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, count))]
    for thread in threads:
        thread.start()
    return _read(lane, len(threads), bugs)


def _read(
    lane: queue.Queue[Event | None], live: int, bugs: list[BaseException]
) -> Generator[Event, None, None]:
    while live:
        try:
            # Not for ever: a signal that comes just before the wait begins is seen after it.
            event = lane.get(timeout=0.5)
        except queue.Empty:
            continue
        if event is None:
            live -= 1
        else:
            yield event
    if bugs:
        raise bugs[0]
