"""Plans that take back what earlier runs did: undo and uninstall."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dockwright import events, planner, receipts
from dockwright.app import looking
from dockwright.app.run import Connect, Prepared, Request
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
    if known.dpkg_audit:
        plan = planner.repair(name, request.command, known)
    elif request.command == "undo":
        plan = receipts.plan_undo(name, known, trail, request.undoes)
    else:
        plan = _uninstall(name, known, trail, request)
        if plan.transaction.changes:
            plan = looking.probe(prepared.transport, plan, known)
    prepared.plan = plan
    yield events.Planned(host=name, at=time.time(), plan=plan)


def _uninstall(name: str, known: Facts, trail: receipts.Trail, request: Request) -> HostPlan:
    book = request.playbook
    components = book.steps_for(HostValues.of(known)) if book is not None else ()
    vendor = receipts.Vendor.of(step for component in components for step in component.steps)
    return receipts.plan_uninstall(name, known, trail, vendor, looking.key_owners(known))
