"""What happened on one host, in order and in seconds: made of its events, and of nothing else.

Where the time went is told by *spans* that do not overlap: what the host measured is believed for
how long a step took, and the controller's clock for when it ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from dockwright import events as ev
from dockwright.errors import Exit
from dockwright.events import Outcome
from dockwright.plan import Verb
from dockwright.report.tally import HostTally, fold

if TYPE_CHECKING:
    from dockwright.events import Event


class Kind(str, Enum):
    """What a span of time went into."""

    CONNECT = "connect"
    TRUST = "trust"
    PREFLIGHT = "preflight"
    START = "start"
    DOWNLOAD = "download"
    LOCK = "lock"
    STEP = "step"
    VERIFY = "verify"


# Parts of a program that are no actions of a plan.
_STAGES = {
    "guard": Kind.PREFLIGHT,
    "preflight": Kind.PREFLIGHT,
    "download": Kind.DOWNLOAD,
    "locks": Kind.LOCK,
    "refresh": Kind.STEP,
}
_PHASES = {"trust": Kind.TRUST, "preflight": Kind.PREFLIGHT}
_LONGEST = 10_000_000.0  # seconds; more is no measurement
_WAITS = 100  # of one step; a host that tells of more is not believed


def sane(seconds: float) -> float:
    """The seconds, or 0 where no clock can have told them."""
    return seconds if 0 < seconds < _LONGEST else 0.0


@dataclass(frozen=True)
class Wait:
    """A lock that another program held: who, which, from when, for how many seconds."""

    holder: str
    lock: str
    begin: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Span:
    """A piece of a run on a host. ``begin`` is in seconds since the epoch.

    ``outcome`` is ``None`` where the events end before the piece does; ``waits`` lie inside.
    """

    kind: Kind
    step: str
    title: str
    begin: float
    seconds: float
    outcome: Outcome | None = Outcome.VERIFIED
    text: str = ""
    output: str = ""
    cause: str = ""
    waits: tuple[Wait, ...] = ()

    @property
    def end(self) -> float:
        """When it ended."""
        return self.begin + self.seconds

    @property
    def waited(self) -> float:
        """The seconds of it that went into waiting for locks."""
        return min(self.seconds, sum(wait.seconds for wait in self.waits))


@dataclass
class HostStory:
    """One host's run so far. ``plans`` are the keys that the fleet gave to the host's plans."""

    host: str
    tally: HostTally
    start: ev.RunStarted | None = None
    system: str = ""
    how: str = ""
    run_id: str = ""
    joined: bool = False
    plans: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trust: tuple[str, ...] = ()
    _spans: list[Span] = field(default_factory=list)
    _open: dict[str, Span] = field(default_factory=dict)
    _wait: tuple[str, Wait] | None = None
    _reached: bool = False
    _planned: float | None = None
    _checks: frozenset[str] = frozenset()

    @classmethod
    def of(cls, event: Event) -> HostStory:
        """The story that begins with this event; it is still to be taken."""
        return cls(event.host, HostTally(event.host, began=event.at))

    @property
    def spans(self) -> list[Span]:
        """The pieces of the run, those that did not end included, in the order of their begin."""
        ended = self.tally.ended
        still = [
            replace(span, seconds=sane(ended - span.begin), outcome=None)
            for span in self._open.values()
        ]
        return [*self._spans, *still]

    @property
    def code(self) -> Exit:
        """The exit code of this host."""
        return self.tally.code

    @property
    def word(self) -> str:
        """How it ended, in one word that hosts are counted by."""
        return self.tally.word

    @property
    def fine(self) -> bool:
        """Whether nothing has to be looked at."""
        return self.tally.finished and self.code is Exit.OK

    @property
    def begin(self) -> float:
        """When the first piece began, in seconds since the epoch."""
        return min([self.tally.began, *(span.begin for span in self._spans[:1])])

    @property
    def seconds(self) -> float:
        """From the first event to the end of the last."""
        ends = [self.tally.ended, *(span.end for span in self.spans[-1:])]
        return sane(max(ends) - self.begin)

    def take(self, event: Event) -> None:
        """One more event of this host."""
        self.tally = fold(self.tally, event)
        if self._wait is not None and not isinstance(event, (ev.Waiting, ev.Note)):
            self._end_wait(event.at)
        match event:
            case ev.RunStarted():
                self.start = event
                self._reached, self._planned = False, None
            case ev.HostReached():
                known = event.facts
                name = known.pretty_name.replace(f"({known.codename})", "").strip()
                self.system = f"{name} ({known.codename}, {known.architecture})"
                self.how = event.how
                self._arrive(event.at, event.how)
            case ev.PhaseFinished():
                self._arrive(event.at - event.seconds)
                kind = _PHASES.get(event.phase, Kind.PREFLIGHT)
                self._add(kind, event.phase, event.phase, event.at, event.seconds, text=event.text)
            case ev.Planned():
                self._arrive(event.at)
                self._planned = event.at
                self.trust = tuple(dict.fromkeys((*self.trust, *event.plan.trust)))
                self._checks = frozenset(a.id for a in event.plan.actions if a.verb is Verb.CHECK)
            case ev.ProgramStarted():
                self._arrive(event.at)
                self.run_id, self.joined = event.run_id, event.joined
                if self._planned is not None:
                    spent = event.at - self._planned
                    self._add(Kind.START, "start", "start the program", event.at, spent)
            case ev.StepStarted():
                self._arrive(event.at)
                self._open[event.step] = Span(
                    self._kind(event.step), event.step, event.title or event.step, event.at, 0.0
                )
            case ev.StepFinished():
                self._finish_step(event)
            case ev.Waiting():
                self._begin_wait(event)
            case ev.Note():
                self.notes.append(event.text)
            case ev.Diagnosed():
                self.notes += [f"not looked at without root: {one.what}" for one in event.unseen]
            case ev.Failed():
                self._fail(event)
            case _:
                pass

    # --- inner --------------------------------------------------------------------------------

    def _kind(self, step: str, outcome: Outcome | None = None) -> Kind:
        if step in _STAGES:
            return _STAGES[step]
        checked = step in self._checks or outcome is Outcome.VERIFIED
        return Kind.VERIFY if checked else Kind.STEP

    def _add(
        self, kind: Kind, step: str, title: str, at: float, seconds: float, **more: Any
    ) -> None:
        """One more piece that ended at ``at``; it begins no sooner than the one before it ended."""
        last = self._spans[-1].end if self._spans else self.tally.began
        seconds = sane(seconds)
        begin = max(last, at - seconds)
        self._spans.append(Span(kind, step, title, begin, seconds, **more))

    def _arrive(self, at: float, how: str = "") -> None:
        if not self._reached:
            self._reached = True
            began = self.tally.began
            self._add(Kind.CONNECT, "connect", "connect and ask", at, at - began, text=how)

    def _finish_step(self, event: ev.StepFinished) -> None:
        self._arrive(event.at - event.seconds)
        begun, seconds = self._open.pop(event.step, None), event.seconds
        last = self._spans[-1]
        if begun is None and last.kind is Kind.LOCK and last.step == event.step and last.waits:
            # All that the host told of this step, until its end, is that it waited.
            begun, seconds = self._spans.pop(), event.at - last.begin
        self._add(
            self._kind(event.step, event.outcome), event.step,
            event.title or (begun.title if begun else event.step), event.at, seconds,
            outcome=event.outcome, text=event.text, output=event.output, cause=event.cause,
            waits=begun.waits if begun else (),
        )  # fmt: skip

    def _begin_wait(self, event: ev.Waiting) -> None:
        self._arrive(event.at)
        if self._wait is not None and self._wait[1].holder != event.holder:
            self._end_wait(event.at)
        if self._wait is None:
            self._wait = (event.step, Wait(event.holder, event.lock, event.at))

    def _end_wait(self, at: float) -> None:
        assert self._wait is not None
        step, wait = self._wait
        self._wait = None
        wait = replace(wait, seconds=sane(at - wait.begin))
        begun = self._open.get(step)
        if begun is None:
            self._add(Kind.LOCK, step, "apt lock", at, wait.seconds, waits=(wait,))
        elif len(begun.waits) < _WAITS:
            self._open[step] = replace(begun, waits=(*begun.waits, wait))

    def _fail(self, event: ev.Failed) -> None:
        """What broke off is where it broke off, also where no step says that it failed."""
        if not event.begun:
            return
        if self._open:
            step, span = self._open.popitem()
            self._open.clear()
            self._add(
                span.kind, step, span.title, event.at, event.at - span.begin,
                outcome=Outcome.FAILED, text=event.brief, waits=span.waits,
            )  # fmt: skip
        elif not (self._spans and self._spans[-1].outcome is Outcome.FAILED):
            kind = Kind.TRUST if event.exit is Exit.TRUST else Kind.PREFLIGHT
            title = event.step or event.exit.word
            if not self._reached:
                kind, title, self._reached = Kind.CONNECT, "connect and ask", True
            last = self._spans[-1].end if self._spans else self.tally.began
            self._add(
                kind, event.step or "", title, event.at, event.at - last,
                outcome=Outcome.FAILED, text=event.brief,
            )  # fmt: skip
