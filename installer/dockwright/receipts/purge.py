"""The plan that deletes data, too. Pure.

``--images`` and ``--volumes`` are the daemon's own prune: what a container uses stays. ``--all`` is
an uninstall, and then Docker's and containerd's directories are emptied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dockwright.errors import DestructiveError, RefusedError
from dockwright.models import Facts
from dockwright.plan import Action, HostPlan, Level, Verb
from dockwright.receipts.base import assumptions, numbered
from dockwright.receipts.data import Data, Place
from dockwright.receipts.guards import DEFAULTS, refusals
from dockwright.receipts.owned import Vendor
from dockwright.receipts.places import holds_something, places, refuse_shared
from dockwright.receipts.receipt import read_receipt
from dockwright.receipts.trail import Trail
from dockwright.receipts.uninstall import plan_uninstall, size, stop_containers


def plan_purge(
    host: str,
    facts: Facts,
    trail: Trail,
    vendor: Vendor,
    key_owners: Mapping[str, tuple[str, ...]],
    data: Data,
    level: Level,
) -> HostPlan:
    """The plan for one host. Raises DestructiveError for all that must not be deleted."""
    below = [p.path for p in data.places if f"{level.export}/".startswith(f"{p.path}/")]
    if level.export and (below or f"{level.export}/".startswith("/var/lib/dockwright/")):
        raise DestructiveError(
            f"{level.export} is below {below[0] if below else '/var/lib/dockwright'}, which may go",
            next_step="--export DIR with another directory",
        )
    if level.everything:
        return _all(host, facts, trail, vendor, key_owners, data, level)
    if not (level.images or level.volumes):
        raise DestructiveError(
            "purge deletes data: say how much",
            details=tuple(_sizes(data)) or (("there", "no data of Docker was found"),),
            next_step=f"dockwright purge {host} --images, --volumes or --all",
        )
    return _prune(host, facts, data, level)


def _sizes(data: Data) -> Iterator[tuple[str, str]]:
    seen = set()
    for place in data.places:
        if place.type != "absent" and place.path not in seen:
            seen.add(place.path)
            leads = f", a link to {place.real}" if place.type == "symlink" else ""
            yield (
                place.path,
                f"{size(place.kib) if place.type == 'directory' else place.type}{leads}",
            )
    for kind, (count, active) in data.usage.items():
        whole, idle = (f" ({said})" if said else "" for said in data.sizes.get(kind, ("", "")))
        yield kind, f"{count}{whole}, {count - active} of them in no container's use{idle}"
    for volume in data.volumes[:20]:
        yield f"volume {volume.name}", f"{size(volume.kib)}{'' if volume.idle else ', in use'}"


def meant(plan: HostPlan) -> Level:
    """What was asked for where a plan was made that empties directories."""
    roots = (a.target for a in plan.changes if a.kind == "data_gone")
    return Level(
        everything=True, named=tuple(root for root in roots if root not in DEFAULTS.values())
    )


def judge_again(facts: Facts, trail: Trail, data: Data, plan: HostPlan) -> None:
    """Judge a plan that was saved: what it deletes must still be what may go.

    Raises DestructiveError where it may not by now, RefusedError where it is something else.
    """
    targets = {a.target: a for a in plan.changes if a.kind == "data_gone"}
    if not targets:
        return  # the daemon's own prune, which takes what is in no use when it comes to it
    refuse_shared(facts, data)
    unknown = sorted({container.name for container in facts.containers} - set(plan.stops))
    if unknown:
        raise DestructiveError(
            f"containers run that the plan does not know of: {', '.join(unknown)}",
            next_step="stop them, or plan anew: dockwright purge",
        )
    going = {change.name for change in plan.transaction.removals}
    for place in filter(holds_something, places(facts, data, meant(plan), going)):
        action = targets.get(place.path)
        if action is None or action.params["identity"] != place.identity:
            raise RefusedError(
                f"{place.path} is not what the plan was made for",
                next_step="plan anew: dockwright purge",
            )
        _data_gone(place, data, _begun(trail))


# --- prune ------------------------------------------------------------------------------------


def _prune(host: str, facts: Facts, data: Data, level: Level) -> HostPlan:
    if facts.daemon is None:
        raise RefusedError(
            f"no Docker daemon answers on {facts.hostname}: only it knows what is in use",
            details=(("said", facts.daemon_error or "nothing"),),
            next_step=f"systemctl start docker, or all of it: dockwright purge {host} --all",
        )
    if level.images and "Images" not in data.usage:
        raise RefusedError(
            "the daemon did not say in time which images are in use",
            next_step="look at its load (docker system df), then run the same command again",
        )
    actions = []
    if level.images:
        count = data.idle("Images", "BuildCache")
        actions.append(_pruned("images", count, "images and build cache that no container uses"))
    if level.volumes:
        idle = [volume for volume in data.volumes if volume.idle]
        named = ", ".join(f"{volume.name} ({size(volume.kib)})" for volume in idle[:20])
        more = f" and {len(idle) - 20} more" if len(idle) > 20 else ""
        names = [volume.name for volume in idle] if level.export else []
        root = next((place.path for place in data.places if place.how == "daemon"), "")
        if names and not root:
            raise RefusedError(
                "the daemon did not say in time where its volumes are",
                next_step="look at its load (docker info), then run the same command again",
            )
        if names:
            actions.append(_saved(root, level.export, named + more, names))
        why = f"that no container uses: {named}{more}"
        actions.append(_pruned("volumes", len(idle), why, names))
    return HostPlan(
        host=host,
        playbook="prune",
        summary="What no container uses is deleted; Docker stays",
        assumes=assumptions(facts, {}),
        actions=numbered(actions),
    )


def _pruned(what: str, count: int, reason: str, names: Sequence[str] = ()) -> Action:
    verb = Verb.REMOVE if count else Verb.KEEP
    return Action(
        id="", component="purge", step=f"delete {what}", kind="prune", verb=verb, target=what,
        reason=f"{count} {reason}" if count else f"no {what} that nobody uses",
        params={"what": what, "names": list(names)},
    )  # fmt: skip


def _saved(root: str, folder: str, what: str, names: Sequence[str] = ()) -> Action:
    """Volumes are saved first; without ``names`` all that are below the root."""
    return Action(
        id="", component="purge", step="save volumes", kind="volumes_saved", verb=Verb.ADD,
        target=folder, reason=f"each as an archive: {what}",
        params={"root": root, "folder": folder, "names": list(names)},
    )  # fmt: skip


# --- all of it --------------------------------------------------------------------------------


def _all(
    host: str,
    facts: Facts,
    trail: Trail,
    vendor: Vendor,
    key_owners: Mapping[str, tuple[str, ...]],
    data: Data,
    level: Level,
) -> HostPlan:
    refuse_shared(facts, data)
    base = plan_uninstall(host, facts, trail, vendor, key_owners)
    going = {change.name for change in base.transaction.changes}
    chosen = places(facts, data, level, going)
    begun = _begun(trail)
    full = [place for place in chosen if holds_something(place)]
    actions = [_data_gone(place, data, begun) for place in full]
    # Of one that a run began to empty nothing is saved any more: what is left may be half of it.
    saving = [
        _saved(place.path, level.export, f"all below {place.path}/volumes")
        for place in full
        if level.export and place.kind == "docker" and (place.path, place.identity) not in begun
    ]
    running = tuple(container.name for container in facts.containers)
    stopping = [stop_containers(running, "their data goes")] if running else []
    others = [action for action in base.actions if action.kind != "containers_stop"]
    changes = [*stopping, *saving, *others, *actions]
    if any(action.verb is not Verb.KEEP for action in changes):
        changes.append(_scan([place.path for place in chosen]))
    return base.model_copy(
        update={
            "playbook": "purge",
            "summary": "Docker's packages, sources, keys, settings and all its data go",
            "actions": numbered(changes),
            "notes": tuple(note for note in base.notes if not note.startswith("data stays")),
        }
    )


def _begun(trail: Trail) -> set[tuple[str, str]]:
    """The directories that runs of ours began to empty, with their identity."""
    return {each for run in trail.runs for each in read_receipt(run.receipt).purging}


def _data_gone(place: Place, data: Data, begun: set[tuple[str, str]]) -> Action:
    why = tuple(refusals(place, begun=(place.path, place.identity) in begun))
    if why:
        raise DestructiveError(
            f"{place.path} is not deleted",
            details=tuple(("why", reason) for reason in why),
            next_step="settle that on the host, then run the same command again",
        )
    volumes = ", ".join(f"{v.name} ({size(v.kib)})" for v in data.volumes[:20])
    more = f" and {len(data.volumes) - 20} more" if len(data.volumes) > 20 else ""
    what = f"{size(place.kib)}, all of it"
    if place.kind == "docker" and volumes:
        what += f"; volumes {volumes}{more}"
    if any(mount.point == place.path for mount in place.mounts):
        what += "; it is a mount of its own, which stays"
    daemons = ["dockerd", "containerd"] if place.kind == "docker" else ["containerd"]
    return Action(
        id="", component="purge", step=f"delete {place.path}", kind="data_gone",
        verb=Verb.REMOVE, target=place.path, reason=what,
        params={"path": place.path, "identity": place.identity, "processes": daemons},
    )  # fmt: skip


def _scan(paths: list[str]) -> Action:
    return Action(
        id="", component="purge", step="look for leftovers", kind="leftover_scan",
        verb=Verb.CHECK, target="leftovers", reason="each is named, or that there is none",
        params={"paths": paths},
    )  # fmt: skip
