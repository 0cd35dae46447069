"""What runs changed on a host, read back from its receipts, and the plan that takes it back. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from dockwright.errors import RefusedError
from dockwright.frozen import Frozen
from dockwright.models import Facts
from dockwright.plan import Action, Assumptions, HostPlan, PackageChange, Transaction, Verb

# Removing one of these ends the containers that it runs.
_RUNTIMES = frozenset({"docker-ce", "containerd.io", "docker.io", "containerd", "moby-engine"})


class Receipt(Frozen):
    """One run's changes: packages as (before, after), files as what stood there before.

    A version or a file of ``None`` was absent. ``keys`` are those merged into daemon.json.
    """

    packages: dict[str, tuple[str | None, str | None]] = Field(default_factory=dict)
    files: dict[str, str | None] = Field(default_factory=dict)
    holds: tuple[str, ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    snaps: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def read_receipt(text: str) -> Receipt:
    """The lines that the program wrote (templates/runtime/files.sh); others are passed over."""
    packages: dict[str, tuple[str | None, str | None]] = {}
    files: dict[str, str | None] = {}
    holds: list[str] = []
    members: list[tuple[str, str]] = []
    snaps: list[str] = []
    keys: list[str] = []
    for line in text.splitlines():
        match line.split(" "):
            case ["package", name, before, after]:
                packages[name] = (_version(before), _version(after))
            case ["file", path, before, _]:
                files.setdefault(path, _version(before))
            case ["hold", *names]:
                holds += names
            case ["member", group, user]:
                members.append((group, user))
            case ["snap", name, "removed"]:
                snaps.append(name)
            case ["keys", _, *names]:
                keys += names
            case _:
                pass
    return Receipt(
        packages=packages,
        files=files,
        holds=tuple(holds),
        members=tuple(members),
        snaps=tuple(snaps),
        keys=tuple(keys),
    )


def _version(word: str) -> str | None:
    return None if word == "absent" else word


def plan_undo(host: str, facts: Facts) -> HostPlan:
    """The plan back to the state before the last run; data stays.

    Raises RefusedError where there is no run to undo.
    """
    if not facts.last_receipt:
        raise RefusedError(
            f"there is no run to undo on {facts.hostname}",
            details=(("last run", facts.last_run or "none that changed anything"),),
        )
    receipt = read_receipt(facts.last_receipt)
    here = {p.name: p.version for p in facts.packages if p.installed}
    going = {name: after for name, (before, after) in receipt.packages.items() if before is None}
    coming = {name: before for name, (before, _) in receipt.packages.items() if before is not None}
    stops = (
        tuple(container.name for container in facts.containers)
        if _RUNTIMES & {name for name, (_, after) in receipt.packages.items() if after}
        else ()
    )
    actions = [
        *_packages("remove what came", Verb.REMOVE, going, "came with the last run", stops),
        *_packages("bring back what went", Verb.ADD, coming, "was there before it", ()),
        *(
            _action(
                "restore files", "file", Verb.REMOVE if before is None else Verb.CHANGE, path,
                "was not there before" if before is None else "as it was before, from the backup",
            )
            for path, before in receipt.files.items()
        ),
        *([_action("release holds", "hold", Verb.CHANGE, ", ".join(receipt.holds),
                   "held by the last run")] if receipt.holds else []),
        *_restart(receipt, facts),
        *(
            _action("take out of the group", "group_member", Verb.CHANGE, group, f"{user} joined by it")
            for group, user in receipt.members
        ),
    ]  # fmt: skip
    return HostPlan(
        host=host,
        playbook="undo",
        summary=f"Back to the state before run {facts.last_run}; data stays",
        assumes=Assumptions(
            os_id=facts.os_id,
            codename=facts.codename,
            architecture=facts.architecture,
            machine_id=facts.machine_id,
            init=facts.init,
        ),
        actions=tuple(
            one.model_copy(update={"id": f"s{number:02d}"})
            for number, one in enumerate(actions, start=1)
        ),
        transaction=Transaction(
            changes=tuple(
                PackageChange(name=name, old=here.get(name), new=before)
                for name, (before, _) in receipt.packages.items()
            )
        ),
        undoes=facts.last_run,
        notes=tuple(
            f"the snap '{name}' does not come back by itself: snap install {name};"
            " 'snap saved' shows what 'snap restore' can bring back"
            for name in receipt.snaps
        ),
    )


def _restart(receipt: Receipt, facts: Facts) -> list[Action]:
    """What a daemon that stays needs: a reload does not take back a key, it keeps the last value.

    A daemon that comes back with its packages is no step of its own: their containers stop anyway.
    """
    if not receipt.keys or facts.daemon is None or _RUNTIMES & receipt.packages.keys():
        return []
    # Without live-restore from now on, the new daemon ends what the old one left running.
    keeps = facts.daemon.live_restore and "live-restore" not in receipt.keys
    stops = () if keeps else tuple(container.name for container in facts.containers)
    reason = f"{', '.join(receipt.keys)} in effect until then"
    reason += "; live-restore keeps containers" if keeps else ""
    unit = "docker.service"
    return [_action("restart the daemon", "reload", Verb.RESTART, unit, reason, stops)]


def _packages(
    step: str, verb: Verb, versions: Mapping[str, str | None], reason: str, stops: tuple[str, ...]
) -> list[Action]:
    if not versions:
        return []
    listed = ", ".join(
        f"{name} {(version or '').split('~', 1)[0]}" for name, version in versions.items()
    )
    return [_action(step, "packages", verb, listed, reason, stops, packages=list(versions))]


def _action(
    step: str,
    kind: str,
    verb: Verb,
    target: str,
    reason: str,
    stops: tuple[str, ...] = (),
    **params: object,
) -> Action:
    return Action(
        id="", component="undo", step=step, kind=kind, verb=verb, target=target, reason=reason,
        params=params, stops=stops,
    )  # fmt: skip
