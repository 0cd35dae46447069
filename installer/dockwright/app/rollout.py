"""Which hosts begin when: batches, how many may fail, and commands before and after each host."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from dockwright import events
from dockwright.app.commands import run_command
from dockwright.app.hosts import guarded, interleave
from dockwright.app.run import Connect, Prepared
from dockwright.errors import Exit, InputError
from dockwright.events import Event
from dockwright.runner import Stop

_REST = "rest"
_GO_ON = "see what failed; then the same command with --limit @unfinished:RUN.jsonl, its --log"


@dataclass(frozen=True)
class Share:
    """So many hosts, or so many percent of all."""

    number: int
    percent: bool = False

    @classmethod
    def of_text(cls, text: str, option: str) -> Share:
        """``3`` or ``10%``; raises InputError."""
        match = re.fullmatch(r"([0-9]{1,7})\s*(%?)", text.strip())
        number, percent = (int(match[1]), bool(match[2])) if match else (0, False)
        if number < 1 or (percent and number > 100):
            raise InputError(
                f"{option}: {text.strip()[:40]!r} is neither a number of hosts nor a percentage",
                details=(("hosts", "none was contacted"),),
                next_step=f"such as {option} 3, or {option} 10%",
            )
        return cls(number, percent)

    def of(self, total: int) -> int:
        """How many of ``total`` hosts these are; at least one."""
        return max(1, total * self.number // 100) if self.percent else self.number

    def reached(self, count: int, total: int) -> bool:
        """Whether ``count`` of ``total`` hosts are as many."""
        return count * 100 >= self.number * total if self.percent else count >= self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


@dataclass(frozen=True)
class Rollout:
    """How a change goes over a fleet; the default is all at once, whatever fails.

    ``batches`` are sizes, the last one for all that follow. ``most_failures`` hosts that failed keep
    further ones from being begun. ``pause`` is in seconds. ``before`` and ``after`` are commands of
    this machine, as lists of words in which ``{host}`` stands for the host.
    """

    batches: tuple[Share, ...] = ()
    most_failures: Share | None = None
    pause: float = 0.0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether no host waits for another one, or for a command."""
        return not (self.batches or self.before)

    def split(self, hosts: Sequence[Prepared]) -> list[list[Prepared]]:
        """The hosts in batches; percentages are of all of them."""
        sizes, left, found = list(self.batches), list(hosts), []
        while left:
            size = sizes[0].of(len(hosts)) if sizes else len(left)
            sizes = sizes[1:] or sizes
            found.append(left[:size])
            left = left[size:]
        return found


def sizes_of(text: str) -> tuple[Share, ...]:
    """The batches of ``1,10%,rest``. Raises InputError."""
    words = [word.strip() for word in text.split(",")]
    if _REST in words[:-1]:
        raise InputError(
            "--batches: nothing comes after the rest", details=(("hosts", "none was contacted"),)
        )
    return tuple(
        Share(100, percent=True) if word == _REST else Share.of_text(word, "--batches")
        for word in words
    )


@dataclass
class _Budget:
    """Counts what failed, and says why no further host is begun."""

    rollout: Rollout
    total: int
    failed: set[str] = field(default_factory=set)
    why: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, host: str) -> None:
        """That host failed."""
        with self.lock:
            self.failed.add(host)

    def spent(self) -> str:
        """Why no host is begun any more, the same for all of those; empty where hosts are."""
        with self.lock:
            self.why = self.why or self._judged(len(self.failed))
            return self.why

    def _judged(self, count: int) -> str:
        rollout, words = self.rollout, f"{count} of {self.total} hosts failed"
        if rollout.most_failures is not None:
            reached = rollout.most_failures.reached(count, self.total)
            return f"{words}, and --max-failures is {rollout.most_failures}" if reached else ""
        return f"{words}, and no batch follows a failure" if rollout.batches and count else ""


def roll(
    hosts: Sequence[Prepared],
    rollout: Rollout,
    change: Callable[[Prepared], Iterator[Event]],
    *,
    connect: Connect,
    stop: Stop,
    workers: int,
) -> Iterator[Event]:
    """Change hosts, batch after batch; the events of all come out in one.

    Batches are made of hosts that there is something to do on, so that a canary is never one
    that is as it should be. What failed before counts for ``--max-failures``; without that, with
    batches, the first failure in one is enough.
    """
    lost = {one.host.name for one in hosts if one.finished}
    budget = _Budget(rollout, len(hosts), lost if rollout.most_failures is not None else set())
    going = [one for one in hosts if not one.finished]
    due = [one for one in going if one.due]
    batches = rollout.split(due) if rollout.batches else [due]
    idle = [one for one in going if not one.due]
    for number, batch in enumerate(batches or [[]]):
        if number and rollout.pause and not budget.spent():
            stop.after_step.wait(rollout.pause)
        whole = batch if number else [*idle, *batch]
        stages = (partial(_one, one, rollout, change, connect, stop, budget) for one in whole)
        yield from interleave(stages, workers)


def _one(
    prepared: Prepared,
    rollout: Rollout,
    change: Callable[[Prepared], Iterator[Event]],
    connect: Connect,
    stop: Stop,
    budget: _Budget,
) -> Iterator[Event]:
    name = prepared.host.name
    if prepared.due:
        why, code = budget.spent(), Exit.REFUSED
        if stop.after_step.is_set() or stop.now.is_set():
            why, code = "the run was interrupted", Exit.INTERRUPTED
        if why:
            prepared.finished = True
            if prepared.probed:
                from dockwright.app import probing

                probing.drop(prepared.transport, prepared.probed)
            yield events.Failed(
                host=name, at=time.time(), exit=code, brief=f"not begun: {why}",
                next_step=_GO_ON, begun=False,
            )  # fmt: skip
            return
    for event in guarded(prepared, _whole(prepared, rollout, change, connect, stop)):
        if isinstance(event, events.Failed | events.RunFinished) and event.exit is not Exit.OK:
            budget.note(name)
        yield event


def _whole(
    prepared: Prepared,
    rollout: Rollout,
    change: Callable[[Prepared], Iterator[Event]],
    connect: Connect,
    stop: Stop,
) -> Iterator[Event]:
    """One host: the command before it, the change, and where that went well, the command after it."""
    due, well = prepared.due, True
    if due and rollout.before:
        yield from run_command(rollout.before, prepared.host, stop, phase="before")
    if prepared.parked:
        prepared.parked = False
        prepared.transport = connect(prepared.host)
    for event in change(prepared):
        if isinstance(event, events.RunFinished):
            well = event.exit is Exit.OK
        yield event
    if due and well and rollout.after and not prepared.again:
        yield from run_command(rollout.after, prepared.host, stop, phase="after")
