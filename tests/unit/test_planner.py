"""The planner, a case a file: ``cases/planner/*.yaml``.

A case has ``about``, ``facts`` (a recorded host) with ``change`` (other facts), and what is asked
for: ``playbook``, ``variables``, ``offers`` (packages to upstream versions; ``null`` takes one out),
``meta`` (NVIDIA's versions of nvidia-docker2),
``options`` of the planner and ``clock`` (how far the host's is ahead, in seconds). What comes of it
is ``expect``, a list of [sign, kind, target, part of the reason], with ``transaction``, ``stops``,
``notes`` and ``unresolved`` where they matter; or ``error`` with ``exit``, a part of ``brief``, and a
part of ``next``. A target may end in an ellipsis.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dockwright.errors import DockwrightError, RefusedError
from dockwright.models import Facts
from dockwright.plan import HostPlan, PackageChange
from dockwright.planner import make_plan
from dockwright.steps import Packages, When
from dockwright.steps.pins import refuse_pinned
from tests.unit.making import changed, nvidia_offer, nvidia_pin, offer, pin, plan_for, recorded

CASES = Path(__file__).parent / "cases" / "planner"
KEYS = {
    "about", "facts", "change", "playbook", "variables", "offers", "meta", "options", "clock",
    "expect", "transaction", "stops", "notes", "unresolved", "error",
}  # fmt: skip


def load(name: str) -> dict[str, Any]:
    case = yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(case) <= KEYS, f"unknown: {set(case) - KEYS}"
    assert ("expect" in case) != ("error" in case)
    return dict(case)


def facts_of(case: dict[str, Any]) -> Facts:
    return changed(recorded(case["facts"]), case.get("change", {}))


def planned(case: dict[str, Any]) -> tuple[HostPlan, tuple[str, ...]]:
    """The last plan, and the repositories that were consulted for it."""
    facts = facts_of(case)
    book = case.get("playbook", "docker")
    variables = dict(case.get("variables", {}))
    if book in ("docker", "gpu", "nvidia-docker2"):
        variables.setdefault("docker_fingerprint", pin())
    if book in ("gpu", "nvidia-docker2"):
        variables.setdefault("nvidia_fingerprint", nvidia_pin())
    options = {"now": facts.clock - case.get("clock", 0), **case.get("options", {})}
    plan, wishes = plan_for(facts, book, variables, **options)
    if wishes:
        offers = {
            "docker": offer(facts, case.get("offers")),
            "nvidia": nvidia_offer(meta=case.get("meta")),
        }
        plan, again = plan_for(facts, book, variables, offers, **options)
        assert again == (), "asks twice"
    return plan, tuple(wish.id for wish in wishes)


def line(change: PackageChange) -> str:
    if change.new is None:
        return f"- {change.name}"
    return f"+ {change.name} {change.new}" + (f" ({change.origin})" if change.origin else "")


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.yaml")))
def test_case(name: str) -> None:
    case = load(name)
    if "error" in case:
        with pytest.raises(DockwrightError) as caught:
            planned(case)
        error = caught.value
        assert case["error"]["exit"] == error.exit
        assert case["error"]["brief"] in error.brief
        assert case["error"].get("next", "") in (error.next_step or "")
        return
    plan, consulted = planned(case)
    actual = [[a.verb.sign, a.kind, a.target, a.reason] for a in plan.actions]
    wanted = [_fitted(want, got) for want, got in zip(case["expect"], actual, strict=False)]
    assert wanted + case["expect"][len(wanted) :] == actual
    assert case.get("unresolved", []) == list(consulted)
    assert case.get("notes", []) == list(plan.notes)
    assert case.get("stops", []) == list(plan.stops)
    if "transaction" in case:
        assert case["transaction"] == [line(change) for change in plan.transaction.changes]


def _fitted(want: list[str], got: list[str]) -> list[str]:
    """The wanted line, completed from the actual one where a part of it is what is wanted."""
    sign, kind, target, reason = want
    if target.endswith("…") and got[2].startswith(target[:-1]):
        target = got[2]
    return [sign, kind, target, got[3] if reason and reason in got[3] else reason]


def test_there_are_enough_cases() -> None:
    assert len(list(CASES.glob("*.yaml"))) >= 30


# --- what holds for every case --------------------------------------------------------------------


@cache
def whole_plans() -> list[tuple[str, HostPlan]]:
    cases = {path.stem: load(path.stem) for path in sorted(CASES.glob("*.yaml"))}
    return [(name, planned(case)[0]) for name, case in cases.items() if "error" not in case]


@pytest.mark.slow
def test_every_action_has_an_id_of_its_own_and_a_reason() -> None:
    for name, plan in whole_plans():
        ids = [action.id for action in plan.actions]
        assert ids == [f"s{number:02d}" for number in range(1, len(ids) + 1)], name
        assert all(action.reason and action.target and action.step for action in plan.actions), name


def test_a_plan_survives_json() -> None:
    for name, plan in whole_plans():
        assert HostPlan.model_validate_json(plan.model_dump_json()) == plan, name


@pytest.mark.slow
def test_the_same_facts_make_the_same_plan() -> None:
    assert whole_plans() == whole_plans.__wrapped__()


def test_only_what_is_merged_or_replaced_is_assumed() -> None:
    for name, plan in whole_plans():
        touched = {a.target for a in plan.actions if a.kind in ("file", "daemon_json")}
        assert set(plan.assumes.files) <= touched, name


def test_repositories_come_only_with_what_needs_them() -> None:
    for name, plan in whole_plans():
        if not plan.changes:
            assert plan.transaction.repositories == (), name


# --- steps that are for some hosts only -----------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ({"distro": ("ubuntu",), "architecture": ("amd64",)}, None),
        ({"distro": ("debian",)}, "distro is ubuntu, the step wants debian"),
        ({"codename": ("jammy", "focal")}, "codename is noble, the step wants jammy or focal"),
        ({"architecture": ("arm64",)}, "architecture is amd64, the step wants arm64"),
    ],
)
def test_a_step_that_does_not_apply_is_kept_with_the_reason(
    when: dict[str, Any], reason: str | None
) -> None:
    facts = recorded("ubuntu-24.04-bare")
    step = Packages(kind="packages", name="tools", present=("curl",), when=When(**when))
    plan, _ = make_plan("web1", "own", "Own", [("own", [step])], facts)
    (action,) = plan.actions
    assert (action.verb.value, action.reason) == (
        ("add", "wanted") if reason is None else ("keep", reason)
    )


def test_e05_a_start_that_is_left_to_others_is_no_step() -> None:
    plan, _ = planned(load("no-systemd-asked-for"))
    assert [action.kind for action in plan.actions if action.kind == "service"] == ["service"]
    assert "service" not in [action.kind for action in plan.steps]
    assert "service" in [action.kind for action in planned(load("fresh-ubuntu"))[0].steps]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Package: /^docker-/\nPin: version 5:29.7.1*\nPin-Priority: 990\n", True),
        ("Package: docker-ce\nPin: version 5:29.7.2*\nPin-Priority: 990\n", False),
        ("Package: docker-ce\nPin: version 5:29.7.2*\nPin-Priority: -1\n", True),
        ("Package: docker-ce\nPin: version 5:28*\nPin-Priority: 100\n", False),
        ("Package: docker-ce\nPin: origin download.docker.com\nPin-Priority: 1000\n", False),
        ("Package: *\nPin: release o=Docker\nPin-Priority: -10\n", False),
        ("Package: /(/\nPin: version 1\nPin-Priority: 990\n\nrubbish\n", False),
        ("Package: docker-ce\nPin: release *\nPin-Priority: never\n", True),
        ("Package: docker-ce\nPin: version 1\nPin-Priority: soon\n", False),
    ],
)
def test_e21_which_pins_are_against_a_version(text: str, refused: bool) -> None:  # noqa: FBT001
    change = PackageChange(name="docker-ce", new="5:29.7.2-1~ubuntu.24.04~noble")
    gone = PackageChange(name="docker-ce", old="1")
    refuse_pinned({"/etc/apt/preferences": text}, [gone], "x")
    if not refused:
        refuse_pinned({"/etc/apt/preferences": text}, [change], "x")
        return
    with pytest.raises(RefusedError, match=r"pinned by /etc/apt/preferences:1"):
        refuse_pinned({"/etc/apt/preferences": text}, [change], "x")
