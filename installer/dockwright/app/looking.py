"""Facts, plan, trust, probe: what is done before anything changes.

What comes after the facts is loaded while the host gathers them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from dockwright import __version__, events, facts, receipts
from dockwright.app.asking import converse
from dockwright.app.run import Connect, Prepared, Request, proxy_for
from dockwright.errors import (
    BusyError,
    DockwrightError,
    RefusedError,
    UnreachableError,
)
from dockwright.events import Event
from dockwright.load import HostValues, Playbook
from dockwright.models import Facts, LiveRun
from dockwright.plan import HostPlan
from dockwright.steps import ARCHIVE, RepositoryWish


def gather(prepared: Prepared, request: Request, connect: Connect) -> Iterator[Event]:
    """Connect and ask the host what it is: one round trip."""
    name = prepared.host.name
    yield events.RunStarted(
        host=name, at=time.time(), command=request.command, version=__version__,
        playbook=request.playbook.name if request.playbook and not request.back else "",
        operator=request.operator,
        again=request.again,
    )  # fmt: skip
    begun = time.monotonic()
    prepared.transport = connect(prepared.host)
    (script, nonce), whole = facts.question(), facts.answered
    if request.back:
        more = {"uninstall": "sizes", "purge": "data"}.get(request.command, "")
        script, whole = script + receipts.question(nonce, more=more), receipts.answered
    if request.command == "purge":
        script += receipts.data.question(nonce, request.level.named)
        whole = receipts.data.answered
    if request.command == "doctor":
        from dockwright import doctor  # late: nobody else needs it

        script += doctor.question(nonce)
        whole = doctor.answered
    # Who only wants to know what is wrong need not be root: what is closed then is told.
    start = (
        prepared.transport.shell if request.command == "doctor" else prepared.transport.root_shell
    )
    output = converse(start, script, partial(whole, nonce=nonce))
    machine = request.proxy.machine if request.proxy else ""
    known = facts.judge_login(facts.read(output, nonce, host=name), nonce, machine)
    prepared.facts = facts.judge_logins(known, nonce, request.logins)
    prepared.how = prepared.transport.description
    yield events.HostReached(
        host=name, at=time.time(), how=prepared.how, facts=prepared.facts,
        seconds=time.monotonic() - begun,
    )  # fmt: skip
    if request.command == "doctor":
        from dockwright.app.diagnosing import diagnosed

        seen = doctor.read(output, nonce)
        yield diagnosed(prepared, request, seen, key_owners(prepared.facts))
    if request.back:
        prepared.trail = receipts.read(output, nonce, prepared.facts)
        if request.command == "purge":
            prepared.data = receipts.data.read(output, nonce, prepared.facts)
        if request.command == "history":
            yield events.HistoryTold(host=name, at=time.time(), runs=prepared.trail.runs)


def prepare(prepared: Prepared, request: Request, connect: Connect) -> Iterator[Event]:
    """Facts, plan, and where packages change: the vendor's key and index, and apt's simulation."""
    yield from gather(prepared, request, connect)
    refuse_twin(prepared, request)
    yield from planned(prepared, request)


def planned(prepared: Prepared, request: Request) -> Iterator[Event]:
    """The plan of a host whose facts are there."""
    known, playbook = prepared.facts, request.playbook
    if known is None or playbook is None or prepared.transport is None:
        return
    name = prepared.host.name
    if known.live is not None and request.command in _CHANGING:
        # In the middle of a run a host's state is no ground for a plan.
        prepared.joins = joined(name, known.live, request)
        yield events.Note(host=name, at=time.time(), text=under_way(known.live))
        return
    make = planner_for(name, playbook, known, request)
    plan, wishes = make(offers={})
    if ARCHIVE in plan.unresolved:
        from dockwright.app import probing

        proxy = proxy_for(plan.proxy, request.proxy)
        plan, wishes = make(offers={ARCHIVE: probing.archive(prepared.transport, plan, proxy)})
    if wishes:
        from dockwright.app.consulting import consult

        begun = time.monotonic()
        try:
            asked = consult(
                wishes, known.architecture, proxy=proxy_for(plan.proxy, request.proxy),
                way=request.fetch, host=prepared.transport, market=request.market,
            )  # fmt: skip
        except (UnreachableError, RefusedError) as error:
            blame_mirror(error, playbook, wishes)
            raise
        pins = tuple(
            f"{variable} is not the shipped one: it is set by {origin}"
            for variable, origin in playbook.overrides.items()
        )
        plan, _ = make(offers=asked.offers)
        plan = plan.model_copy(update={"trust": (*asked.seen, *pins), "fetched": asked.way.value})
        yield events.PhaseFinished(
            host=name, at=time.time(), phase="trust",
            text=f"key and index verified, fetched {asked.way.words}",
            seconds=time.monotonic() - begun,
        )  # fmt: skip
    if plan.changes:
        from dockwright.app import sending

        sending.files(plan)
    if plan.transaction.changes:
        from dockwright.app import probing

        begun = time.monotonic()
        # Its program follows, but where nothing is to be changed, or containers would stop that may not.
        follows = not request.looks and (request.allow_restart or not plan.stops)
        prepared.probed = secrets.token_hex(8) if follows else ""
        proxy = proxy_for(plan.proxy, request.proxy)
        # A login for the proxy goes with the probe.
        ahead = request.ahead and not (plan.destructive or plan.proxy_login)
        plan = probing.probe(
            prepared.transport, plan, known, proxy, kept=prepared.probed, ahead=ahead
        )
        room = min((disk.free_kib for disk in known.disks if disk.path in ("/", "/var")), default=0)
        yield events.PhaseFinished(
            host=name, at=time.time(), phase="preflight",
            text=f"{room / 1024**2:.1f} GB free, clock ok, simulation = plan",
            seconds=time.monotonic() - begun,
        )  # fmt: skip
    prepared.plan = plan
    yield events.Planned(host=name, at=time.time(), plan=plan)


def blame_mirror(
    error: DockwrightError, playbook: Playbook, wishes: Sequence[RepositoryWish]
) -> None:
    """Say so where it is a mirror that does not serve, and not the vendor."""
    for wish in wishes:
        origin, place = playbook.overrides.get(f"{wish.id}_url"), wish.url.split("://")[1]
        if origin is not None and place.split("/")[0] in error.brief:
            text = f"mirror: {wish.url}, by {origin}, and not the vendor's own repository"
            error.details = (*error.details, ("cause", text))


def refuse_twin(prepared: Prepared, request: Request) -> None:
    """Leave a machine alone that another name of this run has led to already."""
    if prepared.facts is None:
        return
    first = request.machines.first(prepared.facts, prepared.host.name)
    if first != prepared.host.name:
        raise BusyError(
            f"this is the same machine as {first}, which this run works on already",
            details=(("machine-id", prepared.facts.machine_id),),
            next_step="name it once; clones of one image get an id of their own by"
            " systemd-machine-id-setup",
        )


_CHANGING = ("install", "apply")


def joined(host: str, live: LiveRun, request: Request) -> LiveRun:
    """The run that is under way, where it is for the same wish. Raises BusyError else."""
    if live.wish == request.wish:
        return live
    raise BusyError(
        f"another run is under way on {host}",
        details=(("run", under_way(live)),),
        next_step=f"dockwright attach {host} follows it; the same command again when it has ended",
    )


def under_way(live: LiveRun) -> str:
    """Which run is under way, since when, and whose."""
    since = time.strftime("%H:%M:%S", time.localtime(live.since))
    return f"run {live.run_id} is under way since {since}, started by {live.who}"


def planner_for(
    name: str, playbook: Playbook, known: Facts, request: Request
) -> Callable[..., tuple[HostPlan, tuple[RepositoryWish, ...]]]:
    """The planner with all that is known of a host; it takes the vendors' offers."""
    from dockwright import planner

    try:
        values = HostValues.of(known)
        components = [(c.name, c.steps) for c in playbook.steps_for(values)]
        proxy = playbook.variables_for(values)["proxy"] if "proxy" in playbook.declared else ""
    except RefusedError:
        planner.require_supported(known)  # where the host's release is the reason, that is said
        raise
    given = request.proxy.url if request.proxy else ""
    return partial(
        planner.make_plan,
        name,
        playbook.name,
        playbook.summary,
        components,
        known,
        key_owners=key_owners(known),
        upgrade=request.upgrade,
        proxy=proxy.rstrip("/") or given,
        login=request.proxy is not None and request.proxy.login,
        logins=request.logins.hosts,
        verify=request.command == "verify",
        now=int(time.time()),
    )


def key_owners(known: Facts) -> dict[str, tuple[str, ...]]:
    """Whose keys lie on the host, by path."""
    from dockwright import trust  # OpenPGP: only where there are keys

    return {
        file.path: trust.primary_fingerprints((file.content or "").encode("latin-1"))
        for file in known.keys
    }
