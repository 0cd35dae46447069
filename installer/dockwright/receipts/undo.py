"""The plan that takes one run back, by its receipt. Pure.

What the run changed is as the run left it, or as it was before (an undo that was cut), or somebody
changed it since: then nothing is taken back, and what was changed is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from dockwright.errors import BusyError, RefusedError
from dockwright.events import PastRun
from dockwright.models import Facts
from dockwright.plan import Action, HostPlan, PackageChange, Transaction, Verb
from dockwright.receipts.base import assumptions, listed, numbered, stopping, stops
from dockwright.receipts.receipt import Receipt, read_receipt
from dockwright.receipts.trail import Trail
from dockwright.steps.cdi_spec import PATH as CDI
from dockwright.steps.docker_image import identity

# Plans whose runs are not taken back: what they took is not kept.
_FOR_GOOD = ("uninstall", "purge", "prune")


def plan_undo(host: str, facts: Facts, trail: Trail, run_id: str = "") -> HostPlan:
    """The plan back to the state before a run, the last one where none is named; data stays.

    Raises RefusedError where there is no such run, where it cannot be taken back, or where what it
    changed was changed since; BusyError where it is under way.
    """
    run = _run(host, facts, trail, run_id)
    receipt = read_receipt(run.receipt)
    changed = tuple(_changed_since(receipt, trail))
    if changed:
        raise RefusedError(
            f"what run {run.run_id} changed was changed since",
            details=changed,
            next_step=f"take back what came later first (dockwright history {host}), "
            f"or all at once: dockwright uninstall {host}",
        )
    # The host keeps the receipt until the run is taken back: it is part of what the plan rests on.
    place = f"/var/lib/dockwright/runs/{run.run_id}/receipt"
    seen = {place: hashlib.sha256(run.receipt.encode()).hexdigest()}
    files = {path: trail.files.get(path) for path in receipt.files}
    actions = list(_actions(facts, trail, receipt))
    if not actions:  # an undo that was cut at its very end
        why = "all is as it was before already"
        actions.append(_action("close the run", "receipt", Verb.CHANGE, run.run_id, why))
    return HostPlan(
        host=host,
        playbook="undo",
        summary=f"Back to the state before run {run.run_id}; data stays",
        assumes=assumptions(facts, {**seen, **files}),
        actions=numbered(actions),
        transaction=Transaction(
            changes=tuple(
                PackageChange(name=name, old=trail.packages.get(name), new=before)
                for name, (before, _) in receipt.packages.items()
            )
        ),
        notes=(
            f"takes back run {run.run_id}: {run.playbook or 'a run'} by {run.who or '?'}",
            *(
                f"the snap '{name}' does not come back by itself: snap install {name};"
                " 'snap saved' shows what 'snap restore' can bring back"
                for name in receipt.snaps
            ),
        ),
        undoes=run.run_id,
    )


def refuse_for_good(host: str, trail: Trail, run_id: str = "") -> None:
    """Raise RefusedError where the run that is meant is none that can come back, whatever else is so.

    Asked before a broken dpkg is mended: what is refused leaves a host as it is.
    """
    run = trail.run(run_id) if run_id else trail.last
    if run is not None and run.playbook in _FOR_GOOD:
        raise _for_good(host, run, trail)


def _run(host: str, facts: Facts, trail: Trail, run_id: str) -> PastRun:
    run = trail.run(run_id) if run_id else trail.last
    cut = trail.run(facts.cut) if facts.cut and not run_id else None
    if run is not None and cut is not None and not cut.receipt and cut.playbook != "undo":
        # It is not what was before that somebody wants back who has just seen this one die.
        raise RefusedError(
            f"run {cut.run_id} ({cut.playbook or '?'}) was cut, and changed nothing that could be undone",
            details=(("before", f"run {run.run_id}: {run.playbook or 'a run'}, {run.changed}"),),
            next_step=f"dockwright undo {host} --run {run.run_id} takes back the one before it",
        )
    if run is None and not run_id:
        raise RefusedError(
            f"there is no run to undo on {facts.hostname}",
            next_step=f"dockwright history {host} lists the runs that it keeps",
        )
    if run is None:
        raise RefusedError(
            f"there is no run {run_id} on {facts.hostname}",
            next_step=f"dockwright history {host} lists the runs that it keeps",
        )
    if run.live:
        raise BusyError(
            f"run {run.run_id} is under way",
            next_step=f"dockwright attach {host} follows it; undo it when it has ended",
        )
    if run.playbook in _FOR_GOOD:
        raise _for_good(host, run, trail)
    if run.undone:
        raise RefusedError(
            f"run {run.run_id} took another one back"
            if run.playbook == "undo"
            else f"run {run.run_id} is undone already",
            next_step=f"dockwright history {host} lists the runs; dockwright install does it anew",
        )
    if not run.receipt:
        raise RefusedError(
            f"run {run.run_id} changed nothing that could be undone",
            next_step=f"dockwright history {host} lists the runs, and what each changed",
        )
    return run


def _for_good(host: str, run: PastRun, trail: Trail) -> RefusedError:
    """Why a run that took things away is not taken back, and what can be done instead."""
    if run.playbook == "prune":
        return RefusedError(
            f"run {run.run_id} deleted what no container used: that cannot come back",
            next_step="docker pull gets an image again; a volume is gone",
        )
    what, kept = (
        ("an uninstall", "what it took is not kept; data stayed, and Docker finds it again")
        if run.playbook == "uninstall"
        else ("a purge", "what it deleted cannot come back")
    )
    # The runtime that an install of ours took away is still to be had by that run's undo.
    older = (one for one in reversed(trail.runs) if one.receipt and not one.undone)
    went = {
        one.run_id: [
            n for n, (old, new) in read_receipt(one.receipt).packages.items() if old and not new
        ]
        for one in older
        if one.playbook not in (*_FOR_GOOD, "undo")
    }
    found = next(((run_id, names) for run_id, names in went.items() if names), None)
    return RefusedError(
        f"run {run.run_id} was {what}: {kept}",
        details=((("before", f"run {found[0]} took away {', '.join(found[1])}"),) if found else ()),
        next_step=f"dockwright install {host} brings Docker back"
        + (f"; dockwright undo {host} --run {found[0]} what was there before" if found else ""),
    )


def _changed_since(receipt: Receipt, trail: Trail) -> Iterator[tuple[str, str]]:
    """What is neither as the run left it nor as it was before, as (what, how)."""
    for name, (before, after) in receipt.packages.items():
        now = trail.packages.get(name)
        if now not in (before, after) and not _dependency(receipt, name):
            left = f"left {after}" if after else "took it away"
            yield name, f"is {now or 'not installed'} by now; the run {left}"
    for path, before in receipt.files.items():
        there = trail.files.get(path)
        # The toolkit makes its specification anew by itself, as after a boot with another driver.
        if there not in (before, receipt.wrote.get(path)) and path != CDI:
            text = "is gone" if there is None else "holds something else than the run left there"
            yield path, text


def _dependency(receipt: Receipt, name: str) -> bool:
    """Whether apt added the package by itself; one that was updated since simply stays."""
    return bool(receipt.asked) and name not in receipt.asked and receipt.packages[name][0] is None


def _actions(facts: Facts, trail: Trail, receipt: Receipt) -> Iterator[Action]:
    now = trail.packages
    due = {
        name: (before, after)
        for name, (before, after) in receipt.packages.items()
        if now.get(name) == after and before != after
    }
    going = {name: after for name, (before, after) in due.items() if before is None}
    coming = {name: before for name, (before, _) in due.items() if before is not None}
    if going:
        ending = stops(facts, [name for name, (_, after) in due.items() if after])
        yield _action(
            "remove what came", "packages", Verb.REMOVE, listed(going), "came with that run",
            stops=ending, packages=list(going),
        )  # fmt: skip
    if coming:
        # Without removals it is a change of versions, which stops what runs on them just as well.
        ending = () if going else stops(facts, [n for n in coming if due[n][1]])
        yield _action(
            "bring back what went", "packages", Verb.ADD, listed(coming), "was there before it",
            stops=ending, packages=list(coming),
        )  # fmt: skip
    yield from _images(facts, receipt)
    for path, before in receipt.files.items():
        there = trail.files.get(path)
        if path == CDI and before is not None and there != receipt.wrote.get(path):
            continue  # the one of now is of the driver of now
        if there != before:
            verb = Verb.REMOVE if before is None else Verb.CHANGE
            reason = (
                "was not there before" if before is None else "as it was before, from the backup"
            )
            yield _action("restore files", "file", verb, path, reason)
    yield from _restart(facts, trail, receipt)
    holds = [name for name in receipt.holds if name in trail.held]
    if holds:
        yield _action("release holds", "hold", Verb.CHANGE, ", ".join(holds), "held by that run")
    for group, user in receipt.members:
        if (group, user) in trail.members:
            reason = f"{user} joined by it"
            yield _action("take out of the group", "group_member", Verb.CHANGE, group, reason)


def _images(facts: Facts, receipt: Receipt) -> Iterator[Action]:
    """Names of images and logins; a name that somebody gave to another image since is looked at there."""
    for name, before in receipt.images.items():
        there = identity(facts, name)
        if there and there != before:
            verb = Verb.CHANGE if before else Verb.REMOVE
            reason = f"named {before[:19]} before" if before else "came with that run"
            yield _action("take images back", "image", verb, name, reason)
    for host in receipt.logins:
        if host in facts.logins:
            yield _action("log out", "registry_login", Verb.REMOVE, host, "logged in by that run")


def _restart(facts: Facts, trail: Trail, receipt: Receipt) -> Iterator[Action]:
    """What a daemon that stays needs: a reload does not take back a key, it keeps the last value.

    A daemon that comes back with its packages is no step of its own: their containers stop anyway.
    """
    settings = [path for path in receipt.files if path.endswith("daemon.json")]
    due = any(trail.files.get(path) != receipt.files[path] for path in settings)
    if not (receipt.keys and due) or facts.daemon is None or stopping(receipt.packages):
        return
    # Without live-restore from now on, the new daemon ends what the old one left running.
    keeps = facts.daemon.live_restore and "live-restore" not in receipt.keys
    yield _action(
        "restart the daemon", "reload", Verb.RESTART, "docker.service",
        f"{', '.join(receipt.keys)} in effect until then"
        + ("; live-restore keeps containers" if keeps else ""),
        stops=() if keeps else tuple(container.name for container in facts.containers),
    )  # fmt: skip


def _action(
    step: str,
    kind: str,
    verb: Verb,
    target: str,
    reason: str,
    *,
    stops: tuple[str, ...] = (),
    **params: object,
) -> Action:
    return Action(
        id="", component="undo", step=step, kind=kind, verb=verb, target=target, reason=reason,
        params=params, stops=stops,
    )  # fmt: skip
