"""The plan that deletes data, too. Pure.

``--images`` and ``--volumes`` are the daemon's own prune: what a container uses stays. ``--all`` is
an uninstall, and then Docker's and containerd's directories are emptied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dockwright.errors import DestructiveError, RefusedError
from dockwright.models import Facts
from dockwright.plan import Action, HostPlan, Verb
from dockwright.receipts.base import assumptions, numbered
from dockwright.receipts.data import Data, Place
from dockwright.receipts.guards import DEFAULTS, refusals
from dockwright.receipts.owned import Vendor
from dockwright.receipts.receipt import read_receipt
from dockwright.receipts.trail import Trail
from dockwright.receipts.uninstall import plan_uninstall, size, stop_containers

_OWN_SPACES = frozenset({"moby", "plugins.moby"})
_ENGINES = ("docker.io", "moby-engine", "docker-engine")
_CONTAINERDS = ("containerd", "moby-containerd")


@dataclass(frozen=True)
class Level:
    """How much is deleted; ``named`` are data roots that are meant although nobody expects them."""

    images: bool = False
    volumes: bool = False
    everything: bool = False
    named: tuple[str, ...] = ()


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
        yield kind, f"{count}, {count - active} of them in no container's use"
    for volume in data.volumes[:20]:
        yield f"volume {volume.name}", f"{size(volume.kib)}{'' if volume.idle else ', in use'}"


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
        actions.append(_pruned("volumes", len(idle), f"that no container uses: {named}{more}"))
    return HostPlan(
        host=host,
        playbook="prune",
        summary="What no container uses is deleted; Docker stays",
        assumes=assumptions(facts, {}),
        actions=numbered(actions),
    )


def _pruned(what: str, count: int, reason: str) -> Action:
    verb = Verb.REMOVE if count else Verb.KEEP
    return Action(
        id="", component="purge", step=f"delete {what}", kind="prune", verb=verb, target=what,
        reason=f"{count} {reason}" if count else f"no {what} that nobody uses",
        params={"what": what},
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
    _lone(facts, data)
    base = plan_uninstall(host, facts, trail, vendor, key_owners)
    going = {change.name for change in base.transaction.changes}
    chosen = [*_docker(facts, data, level, going), *_containerd(facts, data, level, going)]
    begun = {each for run in trail.runs for each in read_receipt(run.receipt).purging}
    actions = [_data_gone(place, data, begun) for place in chosen if _holds_something(place)]
    running = tuple(container.name for container in facts.containers)
    stopping = [stop_containers(running, "their data goes")] if running else []
    others = [action for action in base.actions if action.kind != "containers_stop"]
    changes = [*stopping, *others, *actions]
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


def _lone(facts: Facts, data: Data) -> None:
    """Refuse a host on whose data others live."""
    if data.swarm:
        _, control, nodes, managers = (*data.swarm.split(" "), "", "", "", "")[:4]
        role = "manager" if control == "true" else "worker"
        leaves = f"{role}; the swarm has {nodes or '?'} nodes, {managers or '?'} of them managers"
        lost = "services, secrets and the swarm's own state" if managers == "1" else "its tasks"
        raise DestructiveError(
            f"{facts.hostname} is a Swarm node",
            details=(("role", leaves), ("goes", lost)),
            next_step="on the node: docker swarm leave (a manager: docker node demote first)",
        )
    if facts.kubernetes:
        raise DestructiveError(
            f"{facts.hostname} is a Kubernetes node ({facts.kubernetes[0]})",
            details=(("why", "its containerd's data is not Docker's"),),
            next_step="drain the node and take Kubernetes off it first",
        )
    node = next((n for n, _ in data.processes if n.startswith(("k3s", "kubelet"))), "")
    if node:
        raise DestructiveError(
            f"{node} runs on {facts.hostname}: it is a Kubernetes node",
            next_step="drain the node and take Kubernetes off it first",
        )
    foreign = sorted(set(data.spaces) - _OWN_SPACES)
    if foreign:
        raise DestructiveError(
            f"containerd is shared: it has the namespace {', '.join(foreign)}",
            details=(("why", "that is not Docker's, and lives in the same directory"),),
            next_step=f"ctr -n {foreign[0]} containers ls shows what is in it; take it out first",
        )
    engine = next((p for n in _ENGINES if (p := facts.package(n)) and p.installed), None)
    if engine is not None:
        raise DestructiveError(
            f"{engine.name} lives on this data, and is not ours to remove",
            next_step=f"apt-get remove {engine.name} (never purge: that deletes unasked), then again",
        )


def _roots(kind: str, data: Data, facts: Facts, level: Level) -> list[Place]:
    """The directories that are meant: the one that is in use, or those that were named."""
    places = [place for place in data.places if place.kind == kind]
    by = {place.how: place for place in places if place.how != "named"}
    used = by.get("daemon")
    if used is None:
        _settled(kind, by, facts)
        used = by.get("settings") or by.get("options") or by.get("default")
    named = [place for place in places if place.path in level.named]
    unique = {place.path: place for place in named}
    if used is None or used.type == "absent":
        return list(unique.values())
    if used.path != DEFAULTS[kind] and used.path not in level.named:
        raise DestructiveError(
            f"{kind}'s data is elsewhere: {used.path} ({size(used.kib)})",
            details=(
                ("known by", used.how),
                ("default", f"{DEFAULTS[kind]} is not touched either"),
            ),
            next_step=f"if that is what you mean: --data-root {used.path}",
        )
    return list(unique.values()) or [used]


def _settled(kind: str, by: Mapping[str, Place], facts: Facts) -> None:
    """No daemon says where its data is: the settings must be plain about it."""
    said = {place.path for how, place in by.items() if how in ("settings", "options")}
    file = facts.file("/etc/docker/daemon.json")
    if kind == "docker" and file is not None:
        # The host looked for the key as text; what counts is what it is as JSON.
        try:
            value = json.loads(file.content or "{}")
            root = value.get("data-root") or value.get("graph") or DEFAULTS[kind]
        except (ValueError, AttributeError):
            root = "daemon.json, which is not valid"
        if "settings" in by or root != DEFAULTS[kind]:
            said.add(str(root))
    if len(said) > 1:
        raise DestructiveError(
            "it cannot be told where Docker's data is",
            details=tuple(("says", path) for path in sorted(said)),
            next_step="start the daemon, or mend its settings, then run the same command again",
        )


def _docker(facts: Facts, data: Data, level: Level, going: set[str]) -> list[Place]:
    """The data root, unless a daemon runs on it that no package brought that goes."""
    alien = next((pid for name, pid in data.processes if name == "dockerd"), "")
    if alien and "docker-ce" not in going:
        raise DestructiveError(
            f"a dockerd runs (pid {alien}) that no package of Docker's own brought",
            details=(("why", "data is not deleted below a daemon that goes on"),),
            next_step="stop it and take it off the host first",
        )
    return _roots("docker", data, facts, level)


def _containerd(facts: Facts, data: Data, level: Level, going: set[str]) -> list[Place]:
    """The directory of containerd, unless one stays that is not Docker's own."""
    runs = any(name == "containerd" for name, _ in data.processes)
    if runs and "containerd.io" not in going:
        return []
    if any((package := facts.package(name)) and package.installed for name in _CONTAINERDS):
        return []
    return _roots("containerd", data, facts, level)


def _holds_something(place: Place) -> bool:
    return place.type in ("symlink", "other") or any(n != "lost+found" for _, n in place.names)


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
