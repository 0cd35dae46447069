"""Which directories a purge is about, and whether the host is one where they may go. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dockwright.errors import DestructiveError
from dockwright.models import Facts
from dockwright.plan import Level
from dockwright.receipts.data import Data, Place
from dockwright.receipts.guards import DEFAULTS
from dockwright.receipts.uninstall import size

_OWN_SPACES = frozenset({"moby", "plugins.moby"})
_ENGINES = ("docker.io", "moby-engine", "docker-engine")
_CONTAINERDS = ("containerd", "moby-containerd")


def places(facts: Facts, data: Data, level: Level, going: set[str]) -> list[Place]:
    """Docker's and containerd's directories on a host that loses the packages ``going``.

    Raises DestructiveError where a daemon stays on them, or where it cannot be told which they are.
    """
    return [*_docker(facts, data, level, going), *_containerd(facts, data, level, going)]


def refuse_shared(facts: Facts, data: Data) -> None:
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


def holds_something(place: Place) -> bool:
    """Whether there is anything to delete; a disk's own lost+found does not count."""
    return place.type in ("symlink", "other") or any(n != "lost+found" for _, n in place.names)
