"""Judge apt's own simulation against the plan. Pure: what the probe printed in, the plan out.

The plan stands only where apt would do exactly it: removals are the plan's, each planned package
comes at its version from its repository, and whatever else is installed is a new package from a
source that the host had already.
"""

from __future__ import annotations

import re

from pydantic import Field

from dockwright.errors import DestructiveError, RefusedError, TrustError
from dockwright.models import Facts, Frozen
from dockwright.plan import ANY_VERSION, HostPlan, PackageChange, Transaction

_INST = re.compile(r"^Inst (\S+?)(?::\S+)? (?:\[(\S+)\] )?\((\S+) ")
_REMV = re.compile(r"^Remv (\S+?)(?::\S+)?(?: \[(\S+)\])?(?: |$)")
_URI = re.compile(r"^'(\S+)' (\S+) ([0-9]{1,15})(?: |$)")
_ROOM = re.compile(r"^After this operation, ([0-9,]{1,15}(?:\.[0-9]+)?) ([kMGT]?B) of additional")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
# Packages that run on containerd: taking them out is more than a surprise.
_USERS_OF_CONTAINERD = re.compile(r"^(kube|cri-|k3s|rke2|nerdctl|containers-)")
_MARGIN = 64 * 1024  # KiB that stay free beside what apt says it needs
_INODES = (10_000, 1000)  # that must be free: for packages, and for dockerd's own files


class Simulation(Frozen):
    """What apt would do: new and upgraded packages, removals, downloads, room in bytes."""

    installs: dict[str, tuple[str | None, str]] = Field(default_factory=dict)
    removals: dict[str, str | None] = Field(default_factory=dict)
    uris: dict[str, str] = Field(default_factory=dict)
    download_bytes: int = 0
    room_bytes: int = 0
    gone: tuple[str, ...] = ()


def read_simulation(simulated: str, uris: str, gone: str) -> Simulation:
    """From the lines of ``apt-get -s`` and ``--print-uris`` (apt-get(8)); ``gone`` are names.

    Only the second tells the room that is needed: a simulation ends before that line.
    """
    installs: dict[str, tuple[str | None, str]] = {}
    removals: dict[str, str | None] = {}
    for line in simulated.splitlines():
        if match := _INST.match(line):
            installs[match[1]] = (match[2], match[3])
        elif match := _REMV.match(line):
            removals[match[1]] = match[2]
    found: dict[str, str] = {}
    size = room = 0
    for line in uris.splitlines():
        if match := _URI.match(line):
            found[match[2].split("_", 1)[0]] = match[1]
            size += int(match[3])
        elif match := _ROOM.match(line):
            room = int(float(match[1].replace(",", "") or 0) * _UNITS[match[2]])
    return Simulation(
        installs=installs,
        removals=removals,
        uris=found,
        download_bytes=size,
        room_bytes=room,
        gone=tuple(gone.split()),
    )


def judge(plan: HostPlan, simulation: Simulation, facts: Facts) -> HostPlan:
    """The plan with what apt adds to it, or the refusal.

    Raises RefusedError, or DestructiveError where apt would take out users of containerd.
    """
    planned = {change.name: change for change in plan.transaction.changes}
    _removals(planned, simulation)
    changes = [_change(change, simulation, plan) for change in plan.transaction.changes]
    for name, (old, new) in simulation.installs.items():
        if name in planned:
            continue
        if old is not None:
            raise _not_planned(f"apt would also change {name} from {old} to {new}")
        changes.append(PackageChange(name=name, new=new, planned=False))
    _room(simulation, facts)
    notes = list(plan.notes)
    if simulation.gone:
        notes.append(
            f"the archive no longer has {', '.join(simulation.gone)}: "
            "the removed version cannot be kept for a way back"
        )
    transaction = plan.transaction.model_copy(
        update={"changes": tuple(changes), "download_bytes": simulation.download_bytes}
    )
    return plan.model_copy(update={"transaction": transaction, "notes": tuple(notes)})


def _removals(planned: dict[str, PackageChange], simulation: Simulation) -> None:
    wanted = {name for name, change in planned.items() if change.new is None}
    extra = sorted(set(simulation.removals) - wanted)
    users = [name for name in extra if _USERS_OF_CONTAINERD.match(name)]
    if users:
        raise DestructiveError(
            f"apt would also remove {', '.join(users)}, which run on containerd",
            details=(("apt", "Remv " + ", ".join(extra)),),
            next_step="use a host without them, or take them out yourself first",
        )
    if extra:
        raise _not_planned(f"apt would also remove {', '.join(extra)}")
    missing = sorted(wanted - set(simulation.removals))
    if missing:
        raise _not_planned(f"apt would not remove {', '.join(missing)}")


def _change(change: PackageChange, simulation: Simulation, plan: HostPlan) -> PackageChange:
    if change.new is None:
        return change
    found = simulation.installs.get(change.name)
    if found is None:
        raise _not_planned(f"apt would not install {change.name}")
    if change.new == ANY_VERSION:
        return change.model_copy(update={"new": found[1]})
    if found[1] != change.new:
        raise _not_planned(f"apt would install {change.name} {found[1]}, not {change.new}")
    _origin(change, simulation, plan.transaction)
    return change


def _origin(change: PackageChange, simulation: Simulation, transaction: Transaction) -> None:
    repository = next((r for r in transaction.repositories if r.id == change.origin), None)
    uri = simulation.uris.get(change.name, "")
    if repository is None or uri.startswith(repository.url.rstrip("/") + "/"):
        return
    raise TrustError(
        f"{change.name} would come from another source than {repository.url}",
        details=(("from", uri or "unknown"),),
        next_step="take that source, or its pin, out of the host's apt configuration",
    )


def _not_planned(brief: str) -> RefusedError:
    return RefusedError(
        brief,
        details=(("why", "that is not in the plan"),),
        next_step="settle on the host what stands in the way: apt-get -s install shows it",
    )


_UNPACKED = ("/", "/usr", "/var")  # what packages bring
_DATA = ("/var/lib/docker", "/var/lib/containerd")  # what dockerd writes from its first start on


def _room(simulation: Simulation, facts: Facts) -> None:
    """Download and unpacked size must fit, with a margin; dockerd needs room of its own."""
    needed = (simulation.download_bytes + simulation.room_bytes) // 1024 + _MARGIN
    for disk in facts.disks:
        need = needed if disk.path in _UNPACKED else _MARGIN if disk.path in _DATA else 0
        if disk.free_kib < need:
            raise RefusedError(
                f"not enough room below {disk.path}",
                details=(("need", f"{need // 1024} MiB"), ("have", f"{disk.free_kib // 1024} MiB")),
                next_step="make room: apt-get clean; journalctl --vacuum-size=100M",
            )
        if need and disk.free_inodes is not None and disk.free_inodes < _INODES[disk.path in _DATA]:
            raise RefusedError(
                f"only {disk.free_inodes} inodes are free below {disk.path}",
                details=(("need", str(_INODES[disk.path in _DATA])),),
                next_step="remove files there; df -i shows where",
            )
