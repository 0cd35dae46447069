"""Plans that take back what earlier runs did: undo, uninstall, purge."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

from dockwright import events, receipts
from dockwright.app import looking
from dockwright.app.asking import converse
from dockwright.app.run import Connect, Prepared, Request
from dockwright.errors import BusyError, FailedError
from dockwright.events import Event
from dockwright.load import HostValues
from dockwright.models import Facts
from dockwright.plan import HostPlan


def prepare(prepared: Prepared, request: Request, connect: Connect) -> Iterator[Event]:
    """What leads to a plan, whichever way it goes; looking.prepare makes those that go ahead."""
    if not request.back:
        yield from looking.prepare(prepared, request, connect)
        return
    yield from looking.gather(prepared, request, connect)
    looking.refuse_twin(prepared, request)
    known, trail, name = prepared.facts, prepared.trail, prepared.host.name
    if known is None or trail is None or prepared.transport is None:
        return
    if known.live is not None:
        # In the middle of a run a host's state is no ground for a plan.
        run = trail.run(known.live.run_id)
        undoing = request.command == "undo" and run is not None and run.playbook == "undo"
        prepared.joins = known.live if undoing else looking.joined(name, known.live, request)
        yield events.Note(host=name, at=time.time(), text=looking.under_way(known.live))
        return
    if request.command == "undo":
        receipts.refuse_for_good(name, trail, request.undoes)
    changing = request.command != "purge" or request.level.everything
    if known.dpkg_audit and changing:
        from dockwright import planner

        plan = planner.repair(name, request.command, known)
    elif request.command == "undo":
        plan = _through(request, receipts.plan_undo(name, known, trail, request.undoes))
    else:
        plan = _removal(name, known, trail, prepared.data, request)
        if plan.transaction.changes:
            from dockwright.app import probing

            plan = probing.probe(prepared.transport, plan, known)
    prepared.plan = plan
    yield events.Planned(host=name, at=time.time(), plan=plan)


def _through(request: Request, plan: HostPlan) -> HostPlan:
    """A plan that may download, with the proxy that was given."""
    if request.proxy is None or not plan.transaction.installs:
        return plan
    return plan.model_copy(update={"proxy": request.proxy.url, "proxy_login": request.proxy.login})


def forget(prepared: Prepared, request: Request, connect: Connect) -> Iterator[Event]:
    """Take the state directory away: receipts, backups, journals. Nothing can be undone then.

    Connects again where the connection was ended, as nothing else was to be done.
    Raises BusyError where a run is under way, FailedError where it cannot be deleted.
    """
    name, nonce = prepared.host.name, secrets.token_hex(8)
    if request.command != "purge":
        return
    if prepared.transport is None:
        prepared.transport = connect(prepared.host)
    from dockwright import renderer

    script = renderer.render_forget(run_id=nonce)
    for run in prepared.trail.runs if prepared.trail is not None else ():
        text = f"forgotten: run {run.run_id}, {run.playbook or '?'}: {run.changed or 'nothing changed'}"
        yield events.Note(host=name, at=time.time(), text=text)

    def answer_of(output: str) -> str:
        return output.partition(f"dw1 {nonce} ")[2]

    said = converse(prepared.transport.root_shell, script, lambda text: "\n" in answer_of(text))
    answer = answer_of(said).split("\n")[0]
    if answer == "busy":
        raise BusyError(
            "a run is under way: its directory is still needed",
            next_step=f"dockwright attach {name} follows it; the same command again after it",
        )
    if answer != "forgotten":
        raise FailedError(
            "/var/lib/dockwright could not be deleted",
            details=(("said", answer or "nothing"),),
            next_step="look at it on the host, then run the same command again",
        )
    yield events.Note(
        host=name, at=time.time(), text="/var/lib/dockwright is gone: no trace is left"
    )


def _removal(
    name: str,
    known: Facts,
    trail: receipts.Trail,
    data: receipts.Data | None,
    request: Request,
) -> HostPlan:
    book = request.playbook
    components = book.steps_for(HostValues.of(known)) if book is not None else ()
    vendor = receipts.Vendor.of(step for component in components for step in component.steps)
    owners = looking.key_owners(known)
    if data is None:
        return receipts.plan_uninstall(name, known, trail, vendor, owners)
    return receipts.plan_purge(name, known, trail, vendor, owners, data, request.level)
