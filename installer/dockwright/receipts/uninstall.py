"""The plan that takes Docker off a host: what is ours by receipt, or Docker's own by its marks. Pure.

The runtime of before does not come back (that is undo), and no data goes (that is purge).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from dockwright.errors import DestructiveError, RefusedError
from dockwright.models import Facts
from dockwright.plan import Action, HostPlan, PackageChange, Transaction, Verb
from dockwright.receipts.base import assumptions, listed, numbered, stops
from dockwright.receipts.files import Files
from dockwright.receipts.owned import Ours, Vendor, owned, spare
from dockwright.receipts.trail import Trail

_CONTAINERD = frozenset({"containerd", "containerd.io", "runc"})
_ENGINES = frozenset({"docker-ce", "containerd.io"})
_DISTRIBUTION = ("docker.io", "moby-engine", "docker-engine", "podman-docker")


def plan_uninstall(
    host: str,
    facts: Facts,
    trail: Trail,
    vendor: Vendor,
    key_owners: Mapping[str, tuple[str, ...]],
) -> HostPlan:
    """The plan for one host; where nothing is ours it changes nothing.

    Raises DestructiveError where Kubernetes or a Swarm lives on what would go, and RefusedError
    where somebody asked apt to hold it.
    """
    view = _View(host, facts, trail, vendor, key_owners)
    _refuse(view)
    files = Files(facts, trail, vendor, view.ours, key_owners, daemon_stays=view.daemon_stays)
    actions = [
        *logouts(facts, view.ours),
        *_package_actions(view),
        *files.actions(),
        *_member_actions(view),
    ]
    changes = [one for one in actions if one.verb is not Verb.KEEP]
    if facts.cut and not changes:
        actions.insert(0, _after_a_cut(facts))
    return HostPlan(
        host=host,
        playbook="uninstall",
        summary="Docker's packages, sources, keys and settings go; data stays",
        assumes=assumptions(facts, files.assumed),
        actions=numbered(actions),
        transaction=Transaction(
            changes=tuple(PackageChange(name=name, old=old) for name, old in view.going.items()),
            held=view.ours.holds,
            way_back=False,
        ),
        notes=tuple(_notes(view)),
    )


@dataclass(frozen=True)
class _View:
    """All that the plan is made from, and what follows from it."""

    host: str
    facts: Facts
    trail: Trail
    vendor: Vendor
    key_owners: Mapping[str, tuple[str, ...]]

    @cached_property
    def ours(self) -> Ours:
        return owned(self.trail)

    @cached_property
    def own(self) -> dict[str, str]:
        """The vendor's packages that are installed, with their versions."""
        known = (self.facts.package(name) for name in self.vendor.packages)
        return {p.name: p.version or "" for p in known if p is not None and p.installed}

    @cached_property
    def beside(self) -> dict[str, str]:
        """What else came by us and goes with them."""
        return {
            name: self.trail.packages[name] for name in spare(self.ours, self.trail, self.own)[0]
        }

    @property
    def going(self) -> dict[str, str]:
        return {**self.own, **self.beside}

    @property
    def daemon_stays(self) -> bool:
        return self.facts.daemon is not None and not _ENGINES & set(self.own)


def _refuse(view: _View) -> None:
    facts, going = view.facts, set(view.going)
    if facts.kubernetes and going & _CONTAINERD:
        raise DestructiveError(
            f"{facts.hostname} is a Kubernetes node ({facts.kubernetes[0]}); its containerd stays",
            details=(("asked", ", ".join(sorted(going & _CONTAINERD))),),
            next_step="drain the node and take Kubernetes off it first",
        )
    if facts.daemon is not None and facts.daemon.swarm == "active" and going & _ENGINES:
        raise DestructiveError(
            f"{facts.hostname} is a Swarm node; the swarm would lose it and its tasks",
            next_step="on the node: docker swarm leave (a manager: docker node demote first)",
        )
    held = [p.name for p in facts.packages if p.held and p.name in going]
    held += [name for name in view.trail.held & going if name not in held]
    foreign = sorted(set(held) - set(view.ours.holds))
    if foreign:
        raise RefusedError(
            f"held by apt-mark: {', '.join(foreign)}",
            details=(("why", "somebody asked apt not to change them, and no run of ours did"),),
            next_step=f"if that is no longer wanted: apt-mark unhold {' '.join(foreign)}",
        )


def _package_actions(view: _View) -> Iterator[Action]:
    facts, ours = view.facts, view.ours
    ending = stops(facts, view.own)
    restores = facts.daemon is not None and facts.daemon.live_restore
    if ending and restores:
        yield stop_containers(ending, "live-restore would leave them running without a daemon")
    by_us = {name: version for name, version in view.own.items() if name in ours.packages}
    by_hand = {name: version for name, version in view.own.items() if name not in ours.packages}
    runs = ", ".join(sorted({ours.packages[name] for name in by_us}))
    yield from _going(by_us, f"installed by run {runs}; data stays", ending)
    yield from _going(by_hand, "Docker's own, installed by somebody else; data stays", ending)
    yield from _going(view.beside, "came with them; nothing that stays depends on it", ())
    if ours.holds:
        yield Action(
            id="", component="uninstall", step="release holds", kind="unhold", verb=Verb.CHANGE,
            target=", ".join(ours.holds), reason="held by a run of ours",
            params={"packages": list(ours.holds)},
        )  # fmt: skip
    for name, why in spare(ours, view.trail, view.own)[1].items():
        yield _kept("package", name, f"came by us, but {why}: it stays")
    for name in _DISTRIBUTION:
        package = facts.package(name)
        if package is not None and package.installed and name not in view.going:
            yield _kept("package", name, "the distribution's, not ours: it stays")


def stop_containers(names: tuple[str, ...], reason: str) -> Action:
    """Stop what runs before its daemon goes for good."""
    return Action(
        id="", component="uninstall", step="stop containers", kind="containers_stop",
        verb=Verb.CHANGE, target=", ".join(names), stops=names, reason=reason,
    )  # fmt: skip


def logouts(facts: Facts, ours: Ours) -> Iterator[Action]:
    """A login that is ours goes before docker does: nobody else takes it out of docker's file."""
    for host, before in ours.logins.items():
        if host in facts.logins:
            yield Action(
                id="", component="uninstall", step=f"log out of {host}", kind="registry_logout",
                verb=Verb.REMOVE, target=host, reason="logged in by a run of ours",
                params={"host": host, "before": before},
            )  # fmt: skip


def _going(packages: dict[str, str], reason: str, ending: tuple[str, ...]) -> Iterator[Action]:
    if packages:
        yield Action(
            id="", component="uninstall", step="remove packages", kind="packages",
            verb=Verb.REMOVE, target=listed(packages), reason=reason,
            stops=ending if _ENGINES & set(packages) else (), params={"packages": list(packages)},
        )  # fmt: skip


def _member_actions(view: _View) -> Iterator[Action]:
    for group, user in view.ours.members:
        yield Action(
            id="", component="uninstall", step="take out of the group", kind="group_left",
            verb=Verb.CHANGE, target=group, reason=f"{user} joined by a run of ours",
            params={"group": group, "user": user},
        )  # fmt: skip


def _after_a_cut(facts: Facts) -> Action:
    return Action(
        id="", component="dockwright", step="clear up after a run that was cut", kind="leftovers",
        verb=Verb.CHANGE, target="/var/lib/dockwright",
        reason=f"run {facts.cut} died before its end",
    )  # fmt: skip


def _kept(kind: str, target: str, reason: str) -> Action:
    return Action(
        id="", component="uninstall", step=target, kind=kind, verb=Verb.KEEP, target=target,
        reason=reason,
    )  # fmt: skip


def _notes(view: _View) -> Iterator[str]:
    for path, kib in view.trail.data.items():
        yield f"data stays: {path}, {size(kib)}; dockwright purge {view.host} takes it"
    for path in view.trail.rootless:
        yield (
            f"data of a user's own Docker stays, and is never purged: {path}; that user ends it, best"
            " before this, by dockerd-rootless-setuptool.sh uninstall"
        )
    if view.facts.snaps and any(snap.name == "docker" for snap in view.facts.snaps):
        yield "the snap 'docker' is not touched: snap remove docker takes it, and its data with it"
    if view.facts.daemon is not None and _ENGINES & set(view.own):
        yield "docker0 and the daemon's firewall chains stay until the next boot"


def size(kib: int | None) -> str:
    """KiB as people say it."""
    if kib is None:
        return "too much to be counted here"
    for unit, step in (("GB", 1024**2), ("MB", 1024)):
        if kib >= step:
            return f"{kib / step:.1f} {unit}"
    return f"{kib} kB"
