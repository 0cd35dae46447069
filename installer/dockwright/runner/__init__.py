"""Run programs on a host and tell what happens, as events.

A program that changes the host runs there detached: it is stored, started in its own session, and
its records are followed. A lost connection is joined again at the byte where it broke; the program
is never started twice. Only this package, through a transport, changes a host.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace

from dockwright import events
from dockwright.channel import Channel, Transport
from dockwright.errors import FailedError, UnreachableError
from dockwright.events import Event
from dockwright.plan import Assumptions, HostPlan
from dockwright.runner.records import POLL, Lines, Record, read_records
from dockwright.runner.teller import Ended, Teller

__all__ = [
    "Ended",
    "LeftError",
    "Record",
    "Stop",
    "attach",
    "read_records",
    "run_attached",
    "run_detached",
]

_SILENCE = 3600.0  # seconds without a record after which a followed program counts as lost
_REJOIN = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds between attempts to join again


@dataclass
class Stop:
    """What the user asked for: ``after_step`` by the first Ctrl-C, ``now`` by the second."""

    after_step: threading.Event = field(default_factory=threading.Event)
    now: threading.Event = field(default_factory=threading.Event)


def run_attached(
    transport: Transport, script: str, plan: HostPlan, titles: dict[str, str], *, run_id: str
) -> Generator[Event, None, Ended]:
    """Run a program that only looks, over the open channel. Its return value is Ended."""
    channel = transport.root_shell(script)
    try:
        teller = Teller(plan, titles)
        for record in read_records(channel, run_id, timeout=600):
            yield from teller.tell(record)
            if teller.ended is not None:
                return teller.ended  # a generator's result, for "yield from"
        raise FailedError(
            "the program ended without a last word",
            details=(("printed", channel.errors()[-500:] or "nothing"),),
            next_step="run the same command again",
        )
    finally:
        channel.close()


def run_detached(
    transport: Transport,
    launch: str,
    follow: Callable[[str, int], str],
    plan: HostPlan,
    titles: dict[str, str],
    *,
    run_id: str,
    stop: Stop,
) -> Generator[Event, None, Ended]:
    """Store and start a program on the host, and follow it to its end. Its return value is Ended.

    ``launch`` is the script that does so; ``follow(run_id, offset)`` gives the script that joins
    it again after a cut. Raises BusyError where another program runs there, RefusedError where it
    could not be stored, UnreachableError where the host could not be reached again.
    """
    teller = Teller(plan, titles)
    ids = {run_id}
    channel = transport.root_shell(launch)
    lines = Lines(channel, ids)
    directory, asked, quiet, in_vain = "", False, time.monotonic(), 0
    try:
        while teller.ended is None:
            if stop.now.is_set():
                raise LeftError(run_id)
            if stop.after_step.is_set() and not asked and directory:
                asked = _ask_to_stop(transport, directory)
            try:
                found = lines.next(POLL)
            except TimeoutError:
                if time.monotonic() - quiet > _SILENCE:
                    raise UnreachableError("the program on the host is silent") from None
                continue
            except UnreachableError:
                found = None
            if found is None:
                if not directory:
                    raise _not_started(channel)
                channel.close()
                if in_vain == len(_REJOIN):
                    raise _goes_on(None)
                in_vain += 1
                channel = _join_again(transport, follow(run_id, lines.offset + 1), stop, run_id)
                lines = Lines(channel, ids, offset=lines.offset)
                continue
            quiet, in_vain = time.monotonic(), 0 if found else in_vain
            for record in found:
                if record.type == "last":
                    run_id = record.text
                    ids.add(run_id)
                    directory = f"/var/lib/dockwright/runs/{run_id}"
                    text = f"no run is under way; this is how the last one, {run_id}, ended"
                    yield events.Note(host=plan.host, at=time.time(), text=text)
                    continue
                if record.type in ("started", "joined"):
                    if record.type == "joined":
                        run_id = record.text
                        ids.add(run_id)
                    directory = f"/var/lib/dockwright/runs/{run_id}"
                    yield events.ProgramStarted(
                        host=plan.host,
                        at=time.time(),
                        run_id=run_id,
                        directory=directory,
                        joined=record.type == "joined",
                    )
                    continue
                yield from teller.tell(record)
    finally:
        channel.close()
    return replace(teller.ended, directory=directory)


def attach(
    transport: Transport,
    script: str,
    follow: Callable[[str, int], str],
    host: str,
    *,
    run_id: str,
    stop: Stop,
) -> Generator[Event, None, Ended]:
    """Follow the run that is under way on the host, or show the last one. Gives Ended.

    ``script`` finds it and frames its first answer by the nonce ``run_id``. Raises RefusedError
    where there never was a run.
    """
    nothing = Assumptions(os_id="", codename="", architecture="")
    plan = HostPlan(host=host, playbook="", summary="", assumes=nothing)
    return (yield from run_detached(transport, script, follow, plan, {}, run_id=run_id, stop=stop))


class LeftError(Exception):
    """The user left; the program on the host goes on as ``run_id``."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


def _ask_to_stop(transport: Transport, directory: str) -> bool:
    """Whether the wish arrived; where it did not it is handed over again."""
    try:
        channel = transport.root_shell(f": >{directory}/stop\n")
    except UnreachableError:
        return False
    try:
        while channel.read(10):
            pass
    except (TimeoutError, UnreachableError):
        return False
    finally:
        channel.close()
    return True


def _join_again(transport: Transport, script: str, stop: Stop, run_id: str) -> Channel:
    last: UnreachableError | None = None
    for pause in _REJOIN:
        if stop.now.wait(pause):
            raise LeftError(run_id)
        try:
            return transport.root_shell(script)
        except UnreachableError as error:
            last = error
    raise _goes_on(last)


def _goes_on(last: UnreachableError | None) -> UnreachableError:
    return UnreachableError(
        "the connection broke and the host cannot be reached again; the program there goes on",
        details=last.details if last else (),
        next_step="run the same command again: it joins the program",
    )


def _not_started(channel: Channel) -> UnreachableError:
    return UnreachableError(
        "the connection broke before the program was started",
        details=(("printed", channel.errors()[-300:] or "nothing"),),
        next_step="run the same command again",
    )
