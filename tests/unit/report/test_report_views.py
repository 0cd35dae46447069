from __future__ import annotations

import pytest

from dockwright import errors
from dockwright.models import Disk, Facts
from dockwright.plan import Action, HostPlan, Verb
from dockwright.report.diff import file_diff
from dockwright.report.errors import Trouble, render_error
from dockwright.report.facts_view import render_facts
from dockwright.report.plan_view import render_plan
from tests.unit.report import samples
from tests.unit.report.show import check_golden, pipe, shown, terminal


@pytest.mark.parametrize("name", ["PLAN", "SAME", "UPGRADE"])
@pytest.mark.parametrize("width", [100, 60])
def test_plan(name: str, width: int) -> None:
    plan = getattr(samples, name)
    text = shown(lambda c: render_plan(plan, None, None, c, verbose=True), terminal(width))
    check_golden(f"view-plan-{name.lower()}-{width}", text)
    assert max(map(len, text.splitlines())) <= width


def test_plan_without_footer() -> None:
    how = "on this machine"
    text = shown(lambda c: render_plan(samples.PLAN, samples.FACTS, how, c, footer=False), pipe())
    assert text.splitlines()[0] == "web1  Ubuntu 24.04.3 LTS (noble, amd64)   on this machine"
    assert "Apply it with" not in text


def test_release_names_are_not_told_twice() -> None:
    facts = samples.FACTS.model_copy(
        update={"pretty_name": "Debian GNU/Linux 13 (trixie)", "codename": "trixie"}
    )
    text = shown(lambda c: render_plan(samples.SAME, facts, None, c), pipe())
    assert text.startswith("web1  Debian GNU/Linux 13 (trixie, amd64)\n")


def plan_of(*actions: Action) -> HostPlan:
    return samples.SAME.model_copy(update={"actions": actions})


def test_long_diffs_are_cut_and_longer_ones_left_out() -> None:
    before = "\n".join(map(str, range(100)))
    long = samples.action("a", "file", Verb.CHANGE, "/etc/x", "", before=before, after="new")
    text = shown(lambda c: render_plan(plan_of(long), None, None, c), pipe())
    assert "… 61 more lines; -v shows them" in text
    whole = shown(lambda c: render_plan(plan_of(long), None, None, c, verbose=True), pipe())
    assert "- 99" in whole
    huge = long.model_copy(update={"before": "x\n" * 3000})
    text = shown(lambda c: render_plan(plan_of(huge), None, None, c), pipe())
    assert "too long to be compared here" in text


def test_plan_with_odd_params() -> None:
    odd = [
        samples.action("a", "packages", Verb.ADD, "", "", params={"packages": 7}),
        samples.action("b", "packages", Verb.ADD, "x", "", params={"packages": [["y"]]}),
    ]
    text = shown(lambda c: render_plan(plan_of(*odd), None, None, c), pipe())
    assert "  + package  x\n" in text.replace("package         ", "package  ")


def test_empty_plan() -> None:
    text = shown(lambda c: render_plan(plan_of(), None, None, c), pipe())
    assert text.endswith("Plan for web1: nothing to do.\n")


def test_diff() -> None:
    old = "\n".join("abcdefghij")
    new = old.replace("c", "C")
    assert file_diff(old, new, context=1) == [
        ("@", ""), (" ", "b"), ("-", "c"), ("+", "C"), (" ", "d"), ("@", ""),
    ]  # fmt: skip
    assert file_diff(old, old) == []
    assert file_diff("", "x") == [("+", "x")]


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("width", [100, 60])
def test_facts(*, verbose: bool, width: int) -> None:
    text = shown(
        lambda c: render_facts(samples.FACTS, c, how="as ubuntu@10.0.0.11", verbose=verbose),
        terminal(width),
    )
    check_golden(f"view-facts-{'verbose' if verbose else 'short'}-{width}", text)
    assert "hunter2" not in text
    assert max(map(len, text.splitlines())) <= width


def test_facts_of_a_host_with_little() -> None:
    little = samples.FACTS.model_copy(update={"daemon": None, "docker_group": None, "disks": (
        Disk(path="/", free_kib=1, total_kib=2),
    )})  # fmt: skip
    text = shown(lambda c: render_facts(little, c), pipe())
    assert "docker\n" not in text.replace("/docker\n", "")
    assert "1.0 kB free of 2.0 kB\n" in text


def test_facts_of_a_bare_host_invent_nothing() -> None:
    bare = Facts(
        hostname="bare", distro="debian", os_id="kali", version_id="", codename="trixie",
        pretty_name="Kali", architecture="arm64", init="docker-init", clock=10**15, boot_id="",
        apparmor_parser_missing=True, ca_certificates=False, apt_lists=False,
        daemon_error="Cannot connect to the Docker daemon", ssh_listening=True,
        docker_group=("alice", "bob"),
    )  # fmt: skip
    text = shown(lambda c: render_facts(bare, c), pipe())
    check_golden("view-facts-bare", text)


def test_hostile_facts() -> None:
    bad = samples.HOSTILE
    facts = samples.FACTS.model_copy(
        update={"hostname": bad, "kernel": bad, "offered": {bad: (bad,)}, "users": (bad,)}
    )
    text = shown(lambda c: render_facts(facts, c, verbose=True), pipe())
    assert all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("width", [100, 60])
def test_error_before_any_host(width: int) -> None:
    error = errors.InputError(
        "2 errors in the playbook",
        details=(
            (
                "playbooks/site.yaml:14:9",
                (
                    "unknown key 'docker_verison' in component docker-ce; did you mean "
                    "'docker_version'?"
                ),
            ),
            ("playbooks/site.yaml:21:3", "'url' contains a line break"),
        ),
    )
    check_golden(
        f"view-error-input-{width}", shown(lambda c: render_error(error, c), terminal(width))
    )


def test_error_of_a_host() -> None:
    error = errors.TrustError(
        "the repository is signed by a key that is not the pinned one",
        details=samples.DETAILS, step="trust", next_step=samples.NEXT,
    )  # fmt: skip
    text = shown(lambda c: render_error(error, c, host="web1", changed=False), terminal(100))
    check_golden("view-error-trust", text)


def test_errors_without_much_to_say() -> None:
    brief = shown(lambda c: render_error(errors.InputError("no host was named"), c), pipe())
    assert brief == "✗ no host was named\nNo host was contacted.\nexit 2 (input)\n"
    bug = shown(lambda c: render_error(errors.DockwrightError("bug"), c), pipe())
    assert bug == "✗ bug\nexit 1 (bug)\n"
    lost = shown(lambda c: render_error(errors.UnreachableError("gone"), c, host="w"), pipe())
    assert lost == "w  ✗ unreachable  gone\nexit 5 (unreachable)\n"


@pytest.mark.parametrize(
    ("code", "changed", "fate"),
    [
        (errors.Exit.REFUSED, False, "nothing was changed"),
        (errors.Exit.FAILED, True, "was changed; the same command resumes"),
        (errors.Exit.REPAIR, True, "was changed and needs repair"),
        (errors.Exit.VERIFY, True, "was changed"),
        (errors.Exit.UNREACHABLE, None, ""),
    ],
)
def test_what_became_of_the_host(code: errors.Exit, *, changed: bool | None, fate: str) -> None:
    assert Trouble(exit=code, brief="b", host="web1", changed=changed).fate == fate


def test_more_details_than_anybody_reads() -> None:
    details = tuple((f"d{n}", "x\n" * 100) for n in range(100))
    text = shown(lambda c: render_error(errors.FailedError("b", details=details), c), terminal(20))
    assert text.count("\n") < 2_000
