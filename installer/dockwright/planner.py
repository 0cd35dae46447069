"""Decide what a host needs. Pure: steps and facts in, a plan out; nothing is asked or touched.

It runs twice where a vendor must be consulted: the first result names the repositories in
``unresolved``, the second is made with their offers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone

from dockwright import distros
from dockwright.errors import DestructiveError, RefusedError, RepairError, TrustError
from dockwright.models import Facts
from dockwright.plan import Action, Assumptions, HostPlan, Repository, Transaction, Verb
from dockwright.steps import Decision, RepositoryWish, StepBase, View
from dockwright.steps.base import Offer, action
from dockwright.steps.daemon_json import united
from dockwright.steps.order import needed
from dockwright.steps.versions import compare

ComponentSteps = tuple[str, Sequence[StepBase]]

# Where apt itself could be deceived: codename -> the version that can not, and the CVE.
_FIXED_APT = {"bookworm": ("2.6.2", "CVE-2026-109518")}
_CLOCK_TOLERANCE = 300  # seconds; above it signatures and certificates are judged wrongly


def make_plan(
    host: str,
    playbook: str,
    summary: str,
    components: Iterable[ComponentSteps],
    facts: Facts,
    *,
    offers: Mapping[str, Offer] | None = None,
    key_owners: Mapping[str, tuple[str, ...]] | None = None,
    upgrade: bool = False,
    verify: bool = False,
    now: int | None = None,
) -> tuple[HostPlan, tuple[RepositoryWish, ...]]:
    """The plan for one host, and the repositories that were not consulted yet but must be.

    ``verify`` asks that checks are made although nothing changes. ``now`` is the controller's clock
    in seconds since the epoch, for comparison with the host's.
    Raises RefusedError, DestructiveError or RepairError where the host must not be changed.
    """
    if facts.dpkg_audit and not verify:
        return _repair(host, playbook, facts), ()
    decisions: list[Decision] = []
    parts = united([(name, list(steps)) for name, steps in components], facts)
    kinds = {step.kind for _, steps in parts for step in steps}
    for component, steps in parts:
        view = View(
            facts=facts,
            offers=offers or {},
            key_owners=key_owners or {},
            upgrade=upgrade,
            resuming=verify or bool(facts.cut),
            component=component,
        )
        decisions += [_decide(step, view) for step in steps]
    asked = {name for decision in decisions for name in decision.consult}
    wishes = tuple(d.wish for d in decisions if d.wish is not None and d.wish.id in asked)
    intended = needed(decisions)
    if not verify and all(a.verb in (Verb.KEEP, Verb.CHECK) for a in intended):
        intended[:0] = _unfinished(facts, intended)
    actions = _settled(intended, facts, verify=verify)
    plan = HostPlan(
        host=host,
        playbook=playbook,
        summary=summary,
        assumes=Assumptions(
            os_id=facts.os_id,
            codename=facts.codename,
            architecture=facts.architecture,
            machine_id=facts.machine_id,
            init=facts.init,
            files={path: sha for d in decisions for path, sha in d.assumes.items()},
        ),
        actions=actions,
        transaction=_transaction(decisions),
        unresolved=tuple(wish.id for wish in wishes),
        notes=(*_notes(facts, kinds, now), *(note for d in decisions for note in d.notes)),
    )
    if plan.changes or plan.unresolved:
        _fit_to_change(plan, facts, now)
    return plan, wishes


def _repair(host: str, playbook: str, facts: Facts) -> HostPlan:
    """Finish what dpkg was in the middle of; nothing else can be planned before that."""
    lines = facts.dpkg_audit.splitlines()
    if "database unreadable" in lines:
        raise RepairError(
            "dpkg's database cannot be read on this host",
            details=(("dpkg", lines[0][:200]),),
            next_step="cp /var/lib/dpkg/status-old /var/lib/dpkg/status, or from /var/backups",
        )
    names = ", ".join(line.split()[-1] for line in lines if " " in line)
    return HostPlan(
        host=host,
        playbook=playbook,
        summary="finish what dpkg was in the middle of",
        assumes=Assumptions(
            os_id=facts.os_id,
            codename=facts.codename,
            architecture=facts.architecture,
            machine_id=facts.machine_id,
            init=facts.init,
        ),
        actions=(
            Action(
                id="s01",
                component="dpkg",
                step="repair dpkg",
                kind="dpkg_repair",
                verb=Verb.CHANGE,
                target=names,
                reason="half installed: dpkg was interrupted",
                params={},
            ),
        ),
        notes=("what was asked for is planned after that",),
        preliminary=True,
    )


def _unfinished(facts: Facts, intended: Sequence[Action]) -> list[Action]:
    """All is there, but nobody cleared up after the last run, or it got through no checks.

    An action that changes something starts a program: that runs the checks, and notes that it did.
    """
    if facts.cut:
        step, reason = "clear up after a run that was cut", f"run {facts.cut} died before its end"
    elif facts.unverified and any(each.verb is Verb.CHECK for each in intended):
        step, reason = "finish the last run", f"run {facts.unverified} was not verified"
    else:
        return []
    leftovers = Action(
        id="", component="dockwright", step=step, kind="leftovers", verb=Verb.CHANGE,
        target="/var/lib/dockwright", reason=reason,
    )  # fmt: skip
    return [leftovers]


def _decide(step: StepBase, view: View) -> Decision:
    mismatch = step.when.mismatch(view.facts) if step.when else None
    if mismatch is None:
        return step.decide(view)
    return Decision(
        actions=(
            action(step, view, kind=step.kind, verb=Verb.KEEP, target=step.name, reason=mismatch),
        )
    )


def _settled(actions: list[Action], facts: Facts, *, verify: bool) -> tuple[Action, ...]:
    """Ids in order; checks are dropped to *keep* where nothing changes and the ping is answered.

    Who asks for nothing but checks gets them.
    """
    changing = any(a.verb not in (Verb.KEEP, Verb.CHECK) for a in actions)
    verify = verify or all(a.kind in ("container_check", "gpu_check") for a in actions)
    settled = []
    # What could serve as a way back goes when all else is done and proven.
    for number, each in enumerate(sorted(actions, key=lambda a: a.kind == "snap_remove"), start=1):
        values: dict[str, object] = {"id": f"s{number:02d}"}
        if (
            each.verb is Verb.CHECK
            and not (changing or verify or each.params.get("always"))
            and facts.daemon is not None
        ):
            values |= {
                "verb": Verb.KEEP,
                "reason": f"daemon {facts.daemon.version} answers; 'verify' runs a container",
            }
        settled.append(each.model_copy(update=values))
    return tuple(settled)


def _transaction(decisions: list[Decision]) -> Transaction:
    changes = tuple(change for d in decisions for change in d.packages)
    needed = {change.origin for change in changes if change.origin}
    repositories: list[Repository] = []
    for decision in decisions:
        repository = decision.repository
        if repository is None:
            continue
        written = any(a.verb is not Verb.KEEP for a in decision.actions)
        if written or repository.id in needed:
            repositories.append(repository)
    return Transaction(
        changes=changes,
        repositories=tuple(repositories),
        held=tuple(name for d in decisions for name in d.held),
        allow_downgrades=any(d.allow_downgrades for d in decisions),
    )


def _notes(facts: Facts, kinds: Collection[str], now: int | None) -> Iterable[str]:
    release = distros.find(facts.distro, facts.codename)
    if release is not None and now is not None:
        life = release.life(datetime.fromtimestamp(now, tz=timezone.utc).date())
        if life in (distros.Life.ENDED, distros.Life.EXTENDED):
            yield f"{release} is past its regular support ({release.eol}): {life.value}"
    if facts.os_id != facts.distro:
        yield f"{facts.pretty_name} is served as {facts.distro} {facts.codename}, which it derives from"
    apt = facts.package("apt")
    fixed = _FIXED_APT.get(facts.codename)
    if apt is not None and apt.version and fixed and compare(apt.version, fixed[0]) < 0:
        yield f"apt {apt.version} is older than {fixed[0]} ({fixed[1]}): upgrade apt first"
    for line in facts.apt_lax:
        if not _is_setting(line):
            place = ":".join(line.split(":")[:2])
            yield f"{place} trusts its source without a signature: packages from it are not verified"
    if facts.gpus and not {"gpu", "gpu_check"} & set(kinds):
        yield f"{len(facts.gpus)} NVIDIA GPU seen on the PCI bus: install --gpu makes use of it"


def require_supported(facts: Facts) -> None:
    """Refuse a host that Docker builds nothing for, in words that say so."""
    architectures = distros.DOCKER_ARCHITECTURES.get(facts.distro)
    # A codename that the table does not know yet may well be there: the vendor's index is asked.
    if architectures is None or not facts.codename:
        raise _unsupported(facts)
    if facts.architecture not in architectures:
        raise RefusedError(
            f"Docker builds no {facts.distro} packages for {facts.architecture}",
            details=(("builds", ", ".join(architectures)),),
            next_step="use a machine of one of these architectures",
        )


def _fit_to_change(plan: HostPlan, facts: Facts, now: int | None) -> None:
    """Refuse a host that must not be changed; the order is from the host's nature to its state."""
    require_supported(facts)
    if now is not None and abs(facts.clock - now) > _CLOCK_TOLERANCE:
        raise RefusedError(
            f"the clock of {facts.hostname} differs from this machine's by {abs(facts.clock - now)} s",
            details=(("why", "signatures and certificates would be judged by a wrong date"),),
            next_step="timedatectl set-ntp true",
        )
    _verifies(plan, facts)
    snap = facts.snap("docker")
    gives_way = any(action.kind == "snap_disable" for action in plan.actions)
    if snap is not None and snap.enabled and plan.transaction.changes and not gives_way:
        raise RefusedError(
            "the snap 'docker' is installed: two daemons would fight for one socket",
            details=(("data", f"{snap.data} in /var/snap/docker would not move over"),),
            next_step="--remove-snap takes it out once the new daemon answers;"
            " by hand, with its data: snap remove docker",
        )
    touched = {change.name for change in plan.transaction.changes}
    if facts.kubernetes and touched & {"containerd", "containerd.io", "runc"}:
        raise DestructiveError(
            f"{facts.hostname} is a Kubernetes node ({facts.kubernetes[0]}); its containerd stays",
            details=(
                ("asked", ", ".join(sorted(touched & {"containerd", "containerd.io", "runc"}))),
            ),
            next_step="use a host without Kubernetes, or drain and clean this one first",
        )


def _verifies(plan: HostPlan, facts: Facts) -> None:
    """Refuse a host whose apt would take packages that nobody signed."""
    urls = [
        repository.url.partition("://")[2].rstrip("/").lower()
        for repository in plan.transaction.repositories
    ]
    for line in facts.apt_lax:
        ours = any(url in line.lower() for url in urls)
        if not (_is_setting(line) or ours) or not (plan.transaction.changes or urls):
            continue
        path, number, text = (*line.split(":", 2), "", "")[:3]
        raise TrustError(
            f"{path}:{number} tells apt not to verify",
            details=(("there", text.strip()),),
            next_step=f"take that line out of {path}",
        )


def _is_setting(line: str) -> bool:
    """Whether it is from apt's configuration, and not of one source."""
    return line.startswith("/etc/apt/apt.conf")


def _unsupported(facts: Facts) -> RefusedError:
    known = ", ".join(f"{one.codename} ({one.distro} {one.version})" for one in distros.SUPPORTED)
    name = f"{facts.pretty_name} ({facts.codename or 'no codename'})"
    return RefusedError(
        f"{name} is not a release that Docker builds for",
        details=(("known", known),),
        next_step="upgrade the host to one of these releases",
    )
