"""What happened: one schema, one line of JSON each. Console, reports and exit codes read these.

Times are seconds since the epoch on the controller; durations are seconds.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from dockwright.errors import Exit
from dockwright.models import Facts, Frozen
from dockwright.plan import HostPlan

SCHEMA: Literal[1] = 1


class Outcome(str, Enum):
    """How a step ended."""

    SAME = "same"
    CHANGED = "changed"
    VERIFIED = "verified"
    FAILED = "failed"
    SKIPPED = "skipped"


class Merged(Frozen):
    """A file that a run merged: what stood there before (``None``: nothing), and what it wrote."""

    path: str
    before: str | None
    after: str | None


class PastRun(Frozen):
    """A run that a host keeps. ``began`` is in epoch seconds; ``exit`` is ``None`` without an end.

    ``changed`` says in one line what the receipt has; ``undone`` that it was taken back.
    """

    run_id: str
    began: int = 0
    who: str = ""
    playbook: str = ""
    exit: int | None = None
    undone: bool = False
    live: bool = False
    changed: str = ""
    receipt: str = ""
    merged: tuple[Merged, ...] = ()


class Severity(str, Enum):
    """How bad a finding is: something does not work now, or it will not stay so."""

    ERROR = "error"
    WARNING = "warning"


class Finding(Frozen):
    """Something that is wrong on a host.

    ``evidence`` is what was seen there, ``action`` what mends it, ``rung`` what does not carry, and
    ``source`` where the fact can be read. ``id`` is the catalogue's. ``plan`` is the playbook whose
    plan mends it as well, empty where people have to.
    """

    id: str
    severity: Severity
    rung: str
    finding: str
    cause: str
    evidence: str
    action: tuple[str, ...]
    source: str
    plan: str = ""


class Unseen(Frozen):
    """What was not looked at on a host, as that takes root; ``rung`` as findings have it."""

    rung: str
    what: str


class Explanation(Frozen):
    """What a message means; ``seen`` says whether the host shows it now, ``None`` where none was asked."""

    id: str
    rung: str
    finding: str
    cause: str
    look: tuple[str, ...]
    action: tuple[str, ...]
    source: str
    seen: bool | None = None


class _Event(Frozen):
    schema_version: Literal[1] = SCHEMA
    host: str
    at: float


class RunStarted(_Event):
    """A command began for a host. ``command`` is the verb, ``operator`` who typed it.

    ``again`` is the whole command line that would apply what is planned, where it is known.
    """

    event: Literal["run_started"] = "run_started"
    command: str
    playbook: str
    version: str
    operator: str = ""
    again: str = ""


class HostReached(_Event):
    """Facts are there. ``how`` tells the login and the way to root."""

    event: Literal["host_reached"] = "host_reached"
    how: str
    facts: Facts
    seconds: float


class HistoryTold(_Event):
    """The runs that the host keeps, oldest first."""

    event: Literal["history_told"] = "history_told"
    runs: tuple[PastRun, ...]


class Diagnosed(_Event):
    """What is wrong on the host, the root of it first, and what a message that was given means.

    No finding is health only where nothing is ``unseen``.
    """

    event: Literal["diagnosed"] = "diagnosed"
    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...] = ()
    explained: tuple[Explanation, ...] = ()


class PhaseFinished(_Event):
    """A stage before the program ended well: ``trust``, ``preflight``; ``text`` says what was seen."""

    event: Literal["phase_finished"] = "phase_finished"
    phase: str
    text: str
    seconds: float


class Planned(_Event):
    """The plan as it would be applied."""

    event: Literal["planned"] = "planned"
    plan: HostPlan


class ProgramStarted(_Event):
    """The program runs on the host, detached; ``joined`` where it ran already."""

    event: Literal["program_started"] = "program_started"
    run_id: str
    directory: str
    joined: bool = False


class StepStarted(_Event):
    """A step began. ``step`` is an action's id, or a stage of the program such as ``download``."""

    event: Literal["step_started"] = "step_started"
    step: str
    title: str


class StepProgress(_Event):
    """True progress of a step, as apt's status stream tells it; ``percent`` is 0 to 100."""

    event: Literal["step_progress"] = "step_progress"
    step: str
    percent: float
    text: str = ""


class StepFinished(_Event):
    """A step ended. ``text`` says what was seen, ``output`` is the tail of what failed."""

    event: Literal["step_finished"] = "step_finished"
    step: str
    title: str
    outcome: Outcome
    text: str = ""
    output: str = ""
    cause: str = ""
    seconds: float


class Waiting(_Event):
    """The host waits for a lock that another program holds, since ``seconds`` by its age."""

    event: Literal["waiting"] = "waiting"
    step: str
    lock: str
    holder: str
    seconds: float


class Note(_Event):
    """Something worth knowing that changes nothing."""

    event: Literal["note"] = "note"
    text: str


class CommitPoint(_Event):
    """From here on the host changes; before it nothing outside the state directory did."""

    event: Literal["commit_point"] = "commit_point"


class Failed(_Event):
    """A run could not go on: what, where, why, and the next command.

    ``begun`` is false where it was not tried: other hosts of the run had failed, or it was stopped.
    """

    event: Literal["failed"] = "failed"
    exit: Exit
    brief: str
    details: tuple[tuple[str, str], ...] = ()
    step: str | None = None
    next_step: str | None = None
    changed_host: bool = False
    begun: bool = True


class RunFinished(_Event):
    """The end of a run on a host: counts, and the exit code of this host."""

    event: Literal["run_finished"] = "run_finished"
    exit: Exit
    changed: int = 0
    same: int = 0
    receipt: str = ""
    seconds: float


Event: TypeAlias = Annotated[
    RunStarted
    | HostReached
    | HistoryTold
    | Diagnosed
    | PhaseFinished
    | Planned
    | ProgramStarted
    | StepStarted
    | StepProgress
    | StepFinished
    | Waiting
    | Note
    | CommitPoint
    | Failed
    | RunFinished,
    Field(discriminator="event"),
]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def parse(line: str) -> Event:
    """One line of an event log; raises pydantic's ValidationError where it is none."""
    return EVENT.validate_json(line)
