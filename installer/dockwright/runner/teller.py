"""Records to events: what the program on the host does, as people and reports read it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from dockwright import events
from dockwright.errors import BusyError, Exit, FailedError, RefusedError
from dockwright.events import Event, Outcome
from dockwright.plan import HostPlan, Verb
from dockwright.runner.records import Record, number

_NEXT = {
    Exit.REFUSED: "make a new plan: the same command does so",
    Exit.TRUST: "compare the key with the vendor's page and with a colleague's host",
    Exit.UNREACHABLE: "check the host's way to the repository, then run the same command again",
    Exit.FAILED: "mend the cause, then run the same command again: it goes on from what is there",
    Exit.REPAIR: "dpkg --configure -a && apt-get -f install, then the same command again",
    Exit.VERIFY: "mend the cause, then: dockwright verify HOST",
    Exit.BUSY: "run the same command again when the other program has ended",
    Exit.INTERRUPTED: "run the same command again: it goes on from what is there",
}


# Parts of a program that are no actions of a plan.
_STAGES = frozenset({"guard", "preflight", "download", "locks", "refresh"})


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code and the counts of its steps.

    ``again`` says that it only made the host fit to be planned for, ``boot`` is the id of the boot
    that ends with it, where the host reboots.
    """

    exit: Exit
    changed: int = 0
    same: int = 0
    directory: str = ""
    again: bool = False
    boot: str = ""


class Teller:
    """Records to events, and the counts."""

    def __init__(self, plan: HostPlan, titles: dict[str, str]) -> None:
        self._plan = plan
        self._titles = dict(titles)
        self._begun: dict[str, float] = {}
        self._changed = self._same = 0
        self._again = False
        self._boot = ""
        self._stop: tuple[Exit, bool, str, str] | None = None
        self._cause = self._output = ""
        self.ended: Ended | None = None

    def tell(self, record: Record) -> Iterator[Event]:
        """The events of one record.

        Raises BusyError, RefusedError or FailedError where the program did not start or was killed.
        """
        host, at, step = self._plan.host, time.time(), record.step
        seconds = max(0.0, record.uptime - self._begun.get(step, record.uptime))
        title = self._titles.get(step, step)
        match record.type:
            case "begin":
                self._begun[step] = record.uptime
                # A run that somebody else started names its steps itself.
                title = self._titles.setdefault(step, record.text or step)
                yield events.StepStarted(host=host, at=at, step=step, title=title)
            case "same" | "changed" | "verified" | "passed":
                yield from self._finished(record, seconds)
            case "progress":
                percent, _, text = record.text.partition(" ")
                yield events.StepProgress(
                    host=host, at=at, step=step, percent=number(percent), text=text
                )
            case "wait":
                lock, pid, age, command = (*record.decoded.split(" ", 3), "", "", "", "")[:4]
                yield events.Waiting(
                    host=host, at=at, step=step, lock=lock,
                    holder=_holder(command.strip(), pid), seconds=number(age),
                )  # fmt: skip
            case "note":
                yield events.Note(host=host, at=at, text=record.decoded)
            case "again":
                self._again = True
            case "reboot":
                self._boot = record.text
                yield events.Note(host=host, at=at, text="the host reboots")
            case "commit":
                yield events.CommitPoint(host=host, at=at)
            case "stop":
                code, committed, brief = (*record.decoded.split(" ", 2), "", "")[:3]
                self._stop = (_exit(code), committed == "1", brief, step)
            case "cause":
                self._cause = record.decoded
            case "output":
                self._output = record.decoded.strip()
            case "end":
                yield from self._end(_exit(record.text), record)
            case "busy":
                raise BusyError(
                    f"another run is under way on {host}",
                    details=(("run", record.decoded),),
                    next_step="wait for it to end; the same command joins a run of the same plan",
                )
            case "refused":
                raise RefusedError(
                    f"the program could not be started on {host}",
                    details=(("why", record.decoded),),
                    next_step="see what the host says above",
                )
            case "gone":
                rebooted = record.text == "rebooted"
                raise FailedError(
                    "the host rebooted before the program's end"
                    if rebooted
                    else "the program was killed on the host before its end",
                    details=(("last step", self._last()),),
                    next_step="run the same command again: it goes on from what is there",
                )
            case "unknown":
                raise FailedError(
                    "the host does not know this run any more", next_step="run it again"
                )
            case "none":
                raise RefusedError(
                    f"there is no run of Dockwright on {host}",
                    next_step="dockwright install, or plan to see what it would do",
                )

    def _finished(self, record: Record, seconds: float) -> Iterator[Event]:
        outcome = {
            "same": Outcome.SAME,
            "changed": Outcome.CHANGED,
            "verified": Outcome.VERIFIED,
            "passed": Outcome.VERIFIED,
        }[record.type]
        # All package actions are one transaction: its end is the end of each.
        together = [record.step]
        actions = {action.id: action for action in self._plan.actions}
        own = actions.get(record.step)
        if own is not None and own.kind == "packages":
            together = [
                a.id for a in actions.values() if a.kind == "packages" and a.verb is not Verb.KEEP
            ]
        for step in together:
            if step in actions or not (actions or step in _STAGES):
                self._changed += outcome is Outcome.CHANGED
                self._same += outcome is Outcome.SAME
            yield events.StepFinished(
                host=self._plan.host,
                at=time.time(),
                step=step,
                title=self._titles.get(step, step),
                outcome=outcome,
                text=record.text if step == record.step else "",
                seconds=seconds if step == record.step else 0.0,
            )

    def _end(self, code: Exit, record: Record) -> Iterator[Event]:
        if self._stop is not None:
            stopped, committed, brief, step = self._stop
            title = self._titles.get(step, step)
            yield events.StepFinished(
                host=self._plan.host, at=time.time(), step=step, title=title,
                outcome=Outcome.FAILED, text=brief, output=self._output, cause=self._cause,
                seconds=max(0.0, record.uptime - self._begun.get(step, record.uptime)),
            )  # fmt: skip
            details: list[tuple[str, str]] = []
            if self._cause:
                details.append(("cause", self._cause))
            if self._output:
                details.append(("output", self._output))
            advice = _NEXT.get(stopped, "").replace("HOST", self._plan.host)
            yield events.Failed(
                host=self._plan.host, at=time.time(), exit=stopped, brief=brief,
                details=tuple(details), step=title, next_step=advice or None,
                changed_host=committed,
            )  # fmt: skip
        self.ended = Ended(code, self._changed, self._same, again=self._again, boot=self._boot)

    def _last(self) -> str:
        last = next(reversed(self._begun), "")
        return self._titles.get(last, last) or "none"


def _holder(command: str, pid: str) -> str:
    """Who holds a lock; pid 0 is a process in another pid namespace."""
    return command if pid == "0" and command else f"{command or 'a process'} (pid {pid})"


def _exit(text: str) -> Exit:
    try:
        return Exit(int(text))
    except ValueError:
        return Exit.FAILED
