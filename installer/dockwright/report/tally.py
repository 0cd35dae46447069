"""What became of each host, and the exit code of the run: pure functions of the events.

The same events give the same code, live or read from a log later.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dockwright.errors import Exit, worst
from dockwright.events import (
    CommitPoint,
    Diagnosed,
    Event,
    Failed,
    Finding,
    Outcome,
    Planned,
    ProgramStarted,
    RunFinished,
    RunStarted,
    StepFinished,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class HostTally:
    """What became of one host so far.

    ``would`` counts the changes of its plan, ``before`` what a preliminary run changed that this
    one goes on from; ``exit`` is ``None`` until the run on it ended, and
    ``failure`` is what it failed with, ``findings`` what doctor found. ``outcomes`` counts the steps.
    """

    host: str
    command: str = ""
    playbook: str = ""
    again: str = ""
    began: float = 0.0
    ended: float = 0.0
    would: int = 0
    before: int = 0
    preliminary: bool = False
    fetched: str = ""
    planned: bool = False
    program: bool = False
    committed: bool = False
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    failure: Failed | None = None
    finish: RunFinished | None = None
    findings: tuple[Finding, ...] = ()

    def count(self, outcome: Outcome) -> int:
        """How many steps ended so."""
        return self.outcomes.get(outcome, 0)

    @property
    def changed(self) -> int:
        """How many things were changed, by the host's own count where it came."""
        own = self.finish.changed if self.finish else self.count(Outcome.CHANGED)
        return self.before + own

    @property
    def same(self) -> int:
        """How many things were so already, by the host's own count where it came."""
        return self.finish.same if self.finish else self.count(Outcome.SAME)

    @property
    def finished(self) -> bool:
        """Whether the events tell how the run on this host ended."""
        return self.finish is not None or self.failure is not None

    @property
    def code(self) -> Exit:
        """The exit code of this host; a log that ends before its run does is a failed run."""
        if self.finish is not None and (self.finish.exit is not Exit.OK or self.failure is None):
            return self.finish.exit
        return self.failure.exit if self.failure is not None else Exit.FAILED

    @property
    def waits(self) -> bool:
        """Whether the run ended before this host's turn came."""
        return self.failure is not None and not self.failure.begun

    @property
    def word(self) -> str:
        """How the run on this host ended, in a word or two."""
        if not self.finished:
            return "cut short"
        return "not begun" if self.waits else self.code.word

    @property
    def differs(self) -> bool:
        """Whether something was changed, or would be by a plan that was not applied."""
        return bool(self.changed) or self.unapplied

    @property
    def unapplied(self) -> bool:
        """Whether there is a plan with changes, and nothing of it was begun."""
        return bool(self.would) and not self.program


def fold(tally: HostTally | None, event: Event) -> HostTally:
    """The tally of a host after one more of its events; a second run of it starts anew."""
    if tally is None or isinstance(event, RunStarted):
        repaired = tally.changed if tally is not None and tally.preliminary else 0
        tally = HostTally(event.host, began=event.at, before=repaired)
    tally = replace(tally, ended=event.at)
    if isinstance(event, RunStarted):
        return replace(tally, command=event.command, playbook=event.playbook, again=event.again)
    if isinstance(event, Planned):
        return replace(
            tally,
            planned=True,
            would=len(event.plan.changes),
            playbook=event.plan.playbook,
            preliminary=event.plan.preliminary,
            fetched=event.plan.fetched,
        )
    if isinstance(event, ProgramStarted):
        return replace(tally, program=True)
    if isinstance(event, CommitPoint):
        return replace(tally, committed=True)
    if isinstance(event, StepFinished):
        count = tally.count(event.outcome) + 1
        return replace(tally, outcomes={**tally.outcomes, event.outcome: count})
    if isinstance(event, Diagnosed):
        return replace(tally, findings=event.findings)
    if isinstance(event, Failed):
        return replace(tally, failure=event)
    if isinstance(event, RunFinished):
        return replace(tally, finish=event)
    return tally


def tally(events: Iterable[Event]) -> dict[str, HostTally]:
    """What became of each host, in the order in which they first appear."""
    hosts: dict[str, HostTally] = {}
    for event in events:
        hosts[event.host] = fold(hosts.get(event.host), event)
    return hosts


def exit_code(tallies: Iterable[HostTally], *, detailed: bool = False) -> Exit:
    """The exit code of a run: its worst host's.

    ``detailed`` is ``--detailed-exitcode``: 20 where all is well and something was, or would be,
    changed.
    """
    return worst(
        [
            Exit.CHANGED if detailed and one.code is Exit.OK and one.differs else one.code
            for one in tallies
        ]
    )
