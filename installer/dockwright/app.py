"""The order of the stages, spelled out once: facts, plan, trust, probe, program.

Each host is two generators of events: ``prepare`` looks and plans, ``carry_out`` changes. Between
them the command line shows the plans and asks once for all hosts. An error of one host is an event
of that host; other hosts go on.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from dockwright import __version__, events, facts, judge, planner, renderer, runner
from dockwright.channel import Channel, Transport
from dockwright.errors import (
    BY_EXIT,
    DestructiveError,
    DockwrightError,
    Exit,
    FailedError,
    RefusedError,
    UnreachableError,
)
from dockwright.events import Event
from dockwright.load import HostValues, Playbook
from dockwright.models import Facts, Host
from dockwright.plan import HostPlan
from dockwright.runner import Stop
from dockwright.steps import Offer, RepositoryWish

Connect = Callable[[Host], Transport]


@dataclass(frozen=True)
class Request:
    """What the user asked for, the same for all hosts of a run.

    ``lock_timeout`` is in seconds; ``operator`` is named in the host's journal.
    """

    command: str
    playbook: Playbook | None = None
    upgrade: bool = False
    allow_restart: bool = False
    lock_timeout: int = 600
    operator: str = ""
    proxy: str | None = None


@dataclass
class Prepared:
    """What is known of a host when its plan is made; ``plan`` stays None where it failed."""

    host: Host
    began: float = field(default_factory=time.monotonic)
    transport: Transport | None = None
    facts: Facts | None = None
    plan: HostPlan | None = None
    finished: bool = False

    def close(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.close()
            self.transport = None


# --- looking --------------------------------------------------------------------------------------


def gather(prepared: Prepared, request: Request, connect: Connect) -> Iterator[Event]:
    """Connect and ask the host what it is: one round trip."""
    name = prepared.host.name
    yield events.RunStarted(
        host=name, at=time.time(), command=request.command, version=__version__,
        playbook=request.playbook.name if request.playbook else "", operator=request.operator,
    )  # fmt: skip
    begun = time.monotonic()
    prepared.transport = connect(prepared.host)
    script, nonce = facts.question()
    output = _converse(prepared.transport, script, partial(facts.answered, nonce=nonce))
    prepared.facts = facts.read(output, nonce, host=name)
    yield events.HostReached(
        host=name, at=time.time(), how=prepared.transport.description, facts=prepared.facts,
        seconds=time.monotonic() - begun,
    )  # fmt: skip


def prepare(prepared: Prepared, request: Request, connect: Connect) -> Iterator[Event]:
    """Facts, plan, and where packages change: the vendor's key and index, and apt's simulation."""
    yield from gather(prepared, request, connect)
    known, playbook = prepared.facts, request.playbook
    if known is None or playbook is None or prepared.transport is None:
        return
    name = prepared.host.name
    make = planner_for(name, playbook, known, request)
    plan, wishes = make(offers={})
    if wishes:
        begun = time.monotonic()
        offers, trust = consult(wishes, known.architecture, request.proxy)
        pins = tuple(
            f"{variable} is not the shipped one: it is set by {origin}"
            for variable, origin in playbook.overrides.items()
        )
        plan, _ = make(offers=offers)
        plan = plan.model_copy(update={"trust": (*trust, *pins)})
        yield events.PhaseFinished(
            host=name, at=time.time(), phase="trust", text="key and index verified",
            seconds=time.monotonic() - begun,
        )  # fmt: skip
    if plan.transaction.changes:
        begun = time.monotonic()
        plan = _probe(prepared.transport, plan, known)
        room = min((disk.free_kib for disk in known.disks if disk.path in ("/", "/var")), default=0)
        yield events.PhaseFinished(
            host=name, at=time.time(), phase="preflight",
            text=f"{room / 1024**2:.1f} GB free, clock ok, simulation = plan",
            seconds=time.monotonic() - begun,
        )  # fmt: skip
    prepared.plan = plan
    yield events.Planned(host=name, at=time.time(), plan=plan)


def planner_for(
    name: str, playbook: Playbook, known: Facts, request: Request
) -> Callable[..., tuple[HostPlan, tuple[RepositoryWish, ...]]]:
    """The planner with all that is known of a host; it takes the vendors' offers."""
    try:
        components = [(c.name, c.steps) for c in playbook.steps_for(HostValues.of(known))]
    except RefusedError:
        planner.require_supported(known)  # where the host's release is the reason, that is said
        raise
    return partial(
        planner.make_plan,
        name,
        playbook.name,
        playbook.summary,
        components,
        known,
        key_owners=_key_owners(known),
        upgrade=request.upgrade,
        verify=request.command == "verify",
        now=int(time.time()),
    )


def _key_owners(known: Facts) -> dict[str, tuple[str, ...]]:
    """Whose keys lie on the host, by path."""
    from dockwright import trust  # OpenPGP: only where there are keys

    return {
        file.path: trust.primary_fingerprints((file.content or "").encode("latin-1"))
        for file in known.keys
    }


def consult(
    wishes: Iterable[RepositoryWish], architecture: str, proxy: str | None
) -> tuple[dict[str, Offer], tuple[str, ...]]:
    """The vendors' offers by repository id, and what was seen, in words."""
    from dockwright import trust  # HTTP and OpenPGP: only where packages change

    offers, seen = {}, []
    for wish in wishes:
        vendor = trust.consult(wish, architecture=architecture, now=int(time.time()), proxy=proxy)
        names = dict.fromkeys(package.name for package in vendor.available)
        offers[wish.id] = Offer(
            id=wish.id,
            key=vendor.key.armoured,
            fingerprint=vendor.key.fingerprint,
            versions={name: tuple(vendor.versions(name)) for name in names},
        )
        seen.append(
            f"{wish.id}'s key {trust.grouped(vendor.key.fingerprint)} matches the pin; "
            f"index signed by it{_age(vendor.release.date)}"
        )
        seen += vendor.notes
    return offers, tuple(seen)


def _age(date: int | None) -> str:
    if date is None:
        return ""
    minutes = max(0, int(time.time()) - date) // 60
    if minutes < 120:
        return f", {minutes} min old"
    return f", {minutes // 60} h old" if minutes < 48 * 60 else f", {minutes // 1440} days old"


def _probe(transport: Transport, plan: HostPlan, known: Facts) -> HostPlan:
    """Ask apt on the host what it would do, and judge it. Raises where that is not the plan."""
    run_id = secrets.token_hex(8)
    channel = transport.root_shell(renderer.render_probe(plan, run_id=run_id).text)
    told: dict[str, str] = {}
    ended = None
    try:
        for record in runner.read_records(channel, run_id, timeout=300):
            if record.type == "end":
                ended = record.text
                break
            told[record.type] = record.decoded
    finally:
        channel.close()
    if "stop" in told:
        code, _, brief = (*told["stop"].split(" ", 2), "", "")[:3]
        kind = BY_EXIT.get(Exit(int(code)), FailedError) if code.isdigit() else FailedError
        details = [("output", told["output"].strip())] if told.get("output", "").strip() else []
        raise kind(brief, details=tuple(details), step="preflight")
    if ended != "0":
        raise UnreachableError(
            "the host broke off while it was asked what apt would do",
            details=(("printed", channel.errors()[-500:] or "nothing"),),
            next_step="run the same command again",
        )
    simulation = judge.read_simulation(
        told.get("simulated", ""), told.get("uris", ""), told.get("unkept", "")
    )
    return judge.judge(plan, simulation, known)


def _converse(transport: Transport, script: str, whole: Callable[[str], bool]) -> str:
    """Run a short script and give what it prints, to its end or until the answer is whole."""
    channel: Channel = transport.root_shell(script)
    output = b""
    deadline = time.monotonic() + 60
    try:
        while not whole(output.decode("utf-8", "replace")):
            left = deadline - time.monotonic()
            data = channel.read(max(0.1, left))
            if not data or len(output) > 8 * 1024 * 1024:
                break
            output += data
    except TimeoutError:
        raise UnreachableError(
            "the host did not answer within 60 s", next_step="look at its load, then try again"
        ) from None
    finally:
        channel.close()
    return output.decode("utf-8", "replace")


# --- changing -------------------------------------------------------------------------------------


def carry_out(prepared: Prepared, request: Request, stop: Stop) -> Iterator[Event]:
    """Run the plan's program, unless nothing is to be done."""
    plan, transport = prepared.plan, prepared.transport
    if plan is None or transport is None:
        return
    if plan.stops and not request.allow_restart:
        raise DestructiveError(
            f"containers would stop: {', '.join(plan.stops)}",
            next_step="when they may stop: the same command with --allow-restart",
        )
    titles, ended = renderer.titles(plan), None
    if not plan.changes and not plan.checks:
        pass
    elif not plan.changes:
        run_id = secrets.token_hex(8)
        program = renderer.render_program(plan, operator=request.operator, attached=run_id)
        ended = yield from runner.run_attached(transport, program.text, plan, titles, run_id=run_id)
    else:
        run_id = f"{time.strftime('%Y-%m-%d')}-{secrets.token_hex(3)}"
        program = renderer.render_program(
            plan, operator=request.operator, lock_timeout=request.lock_timeout
        )
        launch = renderer.render_launch(
            program,
            run_id=run_id,
            operator=request.operator,
            booted=plan.assumes.init == "systemd",
        )
        ended = yield from runner.run_detached(
            transport,
            launch,
            lambda identity, offset: renderer.render_follow(run_id=identity, offset=offset),
            plan,
            titles,
            run_id=run_id,
            stop=stop,
        )
    kept = len(plan.actions) - len(plan.steps)
    prepared.finished = True
    yield events.RunFinished(
        host=plan.host,
        at=time.time(),
        exit=ended.exit if ended else Exit.OK,
        changed=ended.changed if ended else 0,
        same=kept + (ended.same if ended else 0),
        receipt=ended.directory if ended else "",
        seconds=time.monotonic() - prepared.began,
    )


def finish(prepared: Prepared) -> Iterator[Event]:
    """The end of a run that only looked."""
    prepared.finished = True
    plan = prepared.plan
    yield events.RunFinished(
        host=prepared.host.name,
        at=time.time(),
        exit=Exit.OK,
        same=len(plan.actions) - len(plan.changes) - len(plan.checks) if plan else 0,
        seconds=time.monotonic() - prepared.began,
    )


# --- many hosts -----------------------------------------------------------------------------------


def guarded(prepared: Prepared, stage: Iterator[Event]) -> Iterator[Event]:
    """A stage of one host whose errors are events of that host."""
    name = prepared.host.name
    try:
        yield from stage
    except DockwrightError as error:
        prepared.finished = True
        yield _failed(name, error)
    except runner.LeftError as left:
        prepared.finished = True
        yield events.Failed(
            host=name, at=time.time(), exit=Exit.INTERRUPTED, changed_host=True,
            brief=f"left alone: run {left.run_id} goes on on the host",
            next_step="the same command joins it again",
        )  # fmt: skip


def _failed(name: str, error: DockwrightError) -> Event:
    return events.Failed(
        host=name, at=time.time(), exit=error.exit, brief=error.brief, details=error.details,
        step=error.step, next_step=error.next_step,
        changed_host=error.exit in (Exit.FAILED, Exit.REPAIR, Exit.VERIFY),
    )  # fmt: skip


def interleave(
    stages: Iterable[Callable[[], Iterator[Event]]], workers: int
) -> Generator[Event, None, None]:
    """Run many hosts' stages on a bounded number of threads; events come out in one.

    An error that is no DockwrightError is a bug: it is raised here once all others have ended.
    """
    waiting = list(stages)
    if len(waiting) == 1:
        yield from waiting[0]()
        return
    lane: queue.Queue[Event | None] = queue.Queue()
    bugs: list[BaseException] = []
    todo: queue.SimpleQueue[Callable[[], Iterator[Event]]] = queue.SimpleQueue()
    for stage in waiting:
        todo.put(stage)

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

    threads = [
        threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(waiting)))
    ]
    for thread in threads:
        thread.start()
    live = len(threads)
    while live:
        event = lane.get()
        if event is None:
            live -= 1
        else:
            yield event
    if bugs:
        raise bugs[0]
