"""``doctor --fix``: from findings to the plan that mends them; nothing is changed.

The plan is an ordinary one, made, judged and shown as ``plan`` does, so that ``apply FILE`` carries
it out by the usual rules. What no plan mends is told with its commands.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from dockwright import events
from dockwright.app import looking
from dockwright.app.run import Connect, Prepared, Request
from dockwright.events import Event


def mend(prepared: Prepared, request: Request, connect: Connect) -> Iterator[Event]:
    """Look, tell what is wrong, and plan what mends it. ``prepared.plan`` stays None where nothing does."""
    yield from looking.gather(prepared, request, connect)
    name, known, found = prepared.host.name, prepared.facts, prepared.findings
    assert request.mends is not None  # else nobody comes here
    if known is None or not found:
        return
    for one in found:
        if not one.plan:
            yield _note(name, f"by hand: {one.finding}: {'; '.join(one.action)}")
    planned = {one.plan for one in found if one.plan}
    if not planned:
        yield _note(name, "no plan mends any of it")
        return
    if known.uid != 0:
        yield _note(name, "a plan is made as root: the same command with --ask-sudo-password")
        return
    if known.live is not None:
        yield _note(name, looking.under_way(known.live))
        return
    looking.refuse_twin(prepared, request)
    snap = any(one.id == "two-dockers" and one.plan for one in found)
    playbook = request.mends(name, "gpu" if "gpu" in planned else "docker", snap)
    yield from looking.planned(prepared, replace(request, playbook=playbook))
    if prepared.plan is not None and prepared.plan.preliminary:
        # What a run of ours was bringing is taken out again by a repair.
        yield _note(
            name,
            f"this finishes what dpkg was in the middle of; after it: dockwright doctor {name}"
            f" --fix, and where Docker's packages were among it: dockwright install {name}",
        )
    if prepared.plan is not None and not prepared.plan.changes:
        prepared.plan = None
        yield _note(name, "a plan finds nothing to change: the commands above mend it by hand")


def _note(host: str, text: str) -> Event:
    return events.Note(host=host, at=time.time(), text=text)
