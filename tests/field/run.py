"""A finished run of Dockwright, by its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from dockwright import events
from dockwright.events import Event, Failed, Planned, StepFinished
from dockwright.plan import HostPlan

_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True)
class Run:
    """A finished run of Dockwright with ``--json``."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[Event]:
        """All events; every line of standard output has to be one."""
        return [events.parse(line) for line in self.out.splitlines()]

    def all(self, kind: type[_E]) -> list[_E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def one(self, kind: type[_E]) -> _E:
        """The only event of its kind."""
        found = self.all(kind)
        assert len(found) == 1, f"{len(found)} of {kind.__name__}\n{self}"
        return found[0]

    @property
    def plan(self) -> HostPlan:
        """The plan that was shown."""
        return self.one(Planned).plan

    @property
    def failed(self) -> Failed:
        """Why the run did not succeed."""
        return self.one(Failed)

    @property
    def told(self) -> str:
        """All that a failure says to people."""
        failed = self.failed
        details = [f"{label}: {text}" for label, text in failed.details]
        return "\n".join([failed.brief, *details, failed.next_step or ""])

    def step(self, title: str) -> StepFinished:
        """How the step with that title ended."""
        (found,) = [event for event in self.all(StepFinished) if event.title == title]
        return found

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out[-6000:]}\n{self.err[-3000:]}"
