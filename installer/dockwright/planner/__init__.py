"""Decide what a host needs. Pure: steps and facts in, a plan out; nothing is asked or touched.

It runs twice where a vendor must be consulted: the first result names the repositories in
``unresolved``, the second is made with their offers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from dockwright.errors import RepairError
from dockwright.models import Facts
from dockwright.plan import Action, Assumptions, HostPlan, Repository, Transaction, Verb
from dockwright.planner.fitness import fit_to_change, notes, require_supported
from dockwright.steps import ARCHIVE, Decision, RepositoryWish, StepBase, View
from dockwright.steps.base import Offer, action
from dockwright.steps.order import needed
from dockwright.steps.uniting import united

__all__ = ["make_plan", "require_supported"]

_AFTER = "what was asked for is planned after that"
_CHECKS = ("container_check", "gpu_check", "operations_check", "registry_check")
ComponentSteps = tuple[str, Sequence[StepBase]]


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
    proxy: str = "",
    login: bool = False,
    logins: frozenset[str] = frozenset(),
    verify: bool = False,
    now: int | None = None,
) -> tuple[HostPlan, tuple[RepositoryWish, ...]]:
    """The plan for one host, and the repositories that were not consulted yet but must be.

    ``proxy`` is the address that apt goes through; ``login`` says that one was given for it, and
    ``logins`` for which registries one was.
    ``verify`` asks that checks are made although nothing changes. ``now`` is the controller's clock
    in seconds since the epoch, for comparison with the host's.
    Raises RefusedError, DestructiveError or RepairError where the host must not be changed.
    """
    if facts.dpkg_audit and not verify:
        return repair(host, playbook, facts), ()
    decisions: list[Decision] = []
    parts = united([(name, list(steps)) for name, steps in components], facts)
    kinds = {step.kind for _, steps in parts for step in steps}
    for component, steps in parts:
        view = View(
            facts=facts,
            offers=offers or {},
            key_owners=key_owners or {},
            upgrade=upgrade,
            resuming=verify or bool(facts.cut) or _failed_to_install(facts),
            proving=verify,
            login=login,
            logins=logins,
            component=component,
            host=host,
        )
        decisions += [_decide(step, view) for step in steps if not _first(decisions)]
    if before := _first(decisions):  # the rest is planned by what is there after it
        decisions = [before]
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
        unresolved=(*(wish.id for wish in wishes), *({ARCHIVE} & asked)),
        proxy=proxy,
        proxy_login=bool(proxy) and login,
        notes=(
            *notes(facts, kinds, now),
            *(note for d in decisions for note in d.notes),
            *((_AFTER,) if before else ()),
        ),
        preliminary=before is not None,
    )
    if plan.changes or plan.unresolved:
        fit_to_change(plan, facts, now)
    return plan, wishes


def repair(host: str, playbook: str, facts: Facts) -> HostPlan:
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
        notes=(_AFTER,),
        preliminary=True,
    )


def _failed_to_install(facts: Facts) -> bool:
    """The last run brought packages and failed: how their units stand may be its doing.

    Where another run came between, a repair say, the receipt at hand is not the one that counts.
    """
    if not facts.unverified or facts.unverified != facts.last_run:
        return bool(facts.unverified)
    return re.search(r"^package \S+ absent ", facts.last_receipt, re.MULTILINE) is not None


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


def _first(decisions: Iterable[Decision]) -> Decision | None:
    """What has to be done before anything else can be planned."""
    return next((one for one in decisions if one.first), None)


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
    verify = verify or all(a.kind in _CHECKS for a in actions)
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
                "reason": "asked when something changes"
                if each.kind == "registry_check"
                else f"daemon {facts.daemon.version} answers; 'verify' runs a container",
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
