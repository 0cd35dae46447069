"""``doctor --fix``: findings to the plan that mends them; nothing is changed, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockwright import events
from dockwright.doctor import Case, diagnose, explain
from dockwright.doctor.probe import Keyring
from dockwright.errors import Exit
from dockwright.load.saved import read_plans
from tests.unit.doctor.test_doctor_checks import (
    DAEMON_JSON,
    DOWN,
    KEY,
    LIST,
    NVIDIA,
    case_of,
    seen_of,
)
from tests.unit.doctor.test_doctor_cli import CONFLICT, dockwright, host
from tests.unit.playing import PIN, World

INSTALLED, GPU = "ubuntu-24.04-installed", "ubuntu-24.04-gpu"
NVIDIA_LIST = "/etc/apt/sources.list.d/nvidia.list"
SNAP = [{"name": "docker", "version": "3265", "enabled": True, "data_kib": None}]
MISSING = (Keyring(path=KEY, state="missing", kind="other"),)
CLOSED = (Keyring(path=KEY, state="closed", kind="armoured"),)
OLD_SPEC = {"path": "/var/run/cdi/nvidia.yaml", "driver": "550.1", "devices": []}
BY_HAND = {"path": "/etc/cdi/nvidia.yaml", "driver": "550.1", "devices": []}
NO_DRIVER = {**NVIDIA, "module": "", "listing": []}


def sources(name: str, path: str, line: str) -> dict[str, Any]:
    """The host's sources and one more."""
    return {"sources": {**seen_of(name).sources, path: f"{line}\n"}}


def conflict(name: str, url: str, suite: str) -> dict[str, Any]:
    """Two entries of one repository with different keys."""
    lines = [f"deb [signed-by=/{key}.gpg] {url} {suite}" for key in ("x", "y")]
    return sources(name, LIST, "\n".join(lines))


DOCKER_URL = "https://download.docker.com/linux/ubuntu"
NVIDIA_URL = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64"


@pytest.mark.parametrize(
    ("case", "entry", "plan"),
    [
        (case_of(seen=conflict(INSTALLED, DOCKER_URL, "jammy x")), "signed-by-conflict", "docker"),
        (case_of(GPU, seen=conflict(GPU, NVIDIA_URL, "/")), "signed-by-conflict", "gpu"),
        # NVIDIA's source on a host without GPU, and others' sources anywhere.
        (case_of(seen=conflict(INSTALLED, NVIDIA_URL, "/")), "signed-by-conflict", ""),
        (case_of(seen=conflict(INSTALLED, "https://e.test/deb", "x y")), "signed-by-conflict", ""),
        # The distribution's Docker is not replaced to mend a source.
        (case_of("debian-13-docker.io", seen=conflict(INSTALLED, DOCKER_URL, "jammy x")),
         "signed-by-conflict", ""),
        (case_of(seen={"keyrings": MISSING}), "no-pubkey", "docker"),
        (case_of(seen={"keyrings": CLOSED}), "no-pubkey", ""),
        (case_of(seen={**sources(INSTALLED, LIST, f"deb [signed-by={KEY}] https://e.test x y"),
                       "keyrings": MISSING}), "no-pubkey", ""),
        (case_of(seen={"sources": {LIST: "<html>\n"}}), "page-as-list", ""),
        (case_of(GPU, seen=sources(GPU, NVIDIA_LIST, "<html>")), "page-as-list", "gpu"),
        (case_of(facts={"dpkg_audit": "iU runc"}), "dpkg-interrupted", "docker"),
        (case_of("debian-13-docker.io", {"dpkg_audit": "iU runc"}), "dpkg-interrupted", "docker"),
        (case_of(facts={"dpkg_audit": "database unreadable"}), "dpkg-interrupted", ""),
        (case_of(facts={**DOWN, "units": {"docker.service": "enabled inactive"}}), "daemon-down", "docker"),
        (case_of(facts={**DOWN, "units": {"docker.service": "enabled failed"}}), "daemon-down", ""),
        (case_of("debian-13-docker.io", {**DOWN, "units": {"docker.service": "enabled inactive"}}),
         "daemon-down", ""),
        (case_of(facts={"packages": {"podman-docker": "4.9"}}), "podman-in-the-way", "docker"),
        (case_of(facts={"snaps": SNAP}), "two-dockers", "docker"),
        (case_of("debian-13-docker.io", {"snaps": SNAP}), "two-dockers", ""),
        (case_of(GPU, {"nvidia": {**NVIDIA, "specs": [OLD_SPEC]}}), "cdi-stale", "gpu"),
        (case_of(GPU, {"nvidia": {**NVIDIA, "specs": [BY_HAND]}}), "cdi-stale", ""),
        (case_of(GPU, {"nvidia": {**NVIDIA, "hook": "unseen"}}), "no-device-driver", "gpu"),
        (case_of(GPU, {"packages": {"nvidia-container-toolkit-base": "1.17.7-1"}}),
         "toolkit-insecure", "gpu"),
        (case_of(GPU, {"files": {DAEMON_JSON: '{"default-runtime": "nvidia"}'}}),
         "default-runtime-unknown", "gpu"),
        (case_of(GPU, {"files": {DAEMON_JSON: '{"default-runtime": "kata"}'}}),
         "default-runtime-unknown", ""),
        (case_of(facts={"files": {DAEMON_JSON: '{"default-runtime": "nvidia"}'}}),
         "default-runtime-unknown", ""),
        (case_of(facts={"clock": 5}), "not-valid-yet", ""),
        (case_of(facts={"files": {DAEMON_JSON: "{,}"}}), "daemon-json-invalid", ""),
    ],
)  # fmt: skip
def test_which_findings_a_plan_mends(case: Case, entry: str, plan: str) -> None:
    found = [one.plan for one in diagnose(case) if one.id == entry]
    assert set(found) == {plan}


def test_the_toolkit_does_not_come_where_its_driver_is_missing() -> None:
    files = {DAEMON_JSON: '{"default-runtime": "nvidia"}'}
    found = diagnose(case_of(GPU, {"nvidia": NO_DRIVER, "files": files}))
    assert {one.plan for one in found} == {""}
    assert len(found) > 1


def test_what_a_message_asks_for_is_planned_as_well() -> None:
    asked = explain("bash: docker: command not found")
    (finding,) = diagnose(case_of("debian-13-bare"), asked)
    assert (finding.id, finding.plan) == ("not-installed", "docker")


# --- the command ----------------------------------------------------------------------------------

DOWN_HOST = "ubuntu-24.04-daemon-down"


def test_a_plan_is_shown_and_saved_and_nothing_else_is_run(world: World, tmp_path: Path) -> None:
    played, out = world.host("web1", host(DOWN_HOST)), tmp_path / "plan.json"
    done = dockwright("web1", "--fix", "-o", str(out), *PIN)
    assert done.exit_code == Exit.VERIFY, done.output
    for word in (
        "the daemon does not answer",
        "Plan for web1",
        "docker.service",
        "exit 8 (verify)",
    ):
        assert word in done.stdout, word
    assert f"dockwright apply {out} carries it out" in done.stderr
    assert len(played.scripts) == 1
    (plan,), _ = read_plans(out)
    assert (plan.host, plan.playbook) == ("web1", "docker")
    assert [one.target for one in plan.changes] == ["docker.service"]


def test_without_fix_there_is_no_plan(world: World) -> None:
    world.host("web1", host(DOWN_HOST))
    done = dockwright("web1", "--json")
    told = [events.parse(line) for line in done.stdout.splitlines()]
    assert not [one for one in told if isinstance(one, events.Planned)]
    (verdict,) = [one for one in told if isinstance(one, events.Diagnosed)]
    assert verdict.findings[0].plan == "docker"


def test_what_no_plan_mends_is_told_with_its_commands(world: World, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    world.host("web1", host("debian-13-bare", clock="5"))
    done = dockwright("web1", "--fix", "-o", str(out))
    assert done.exit_code == Exit.VERIFY, done.output
    assert "by hand: the clock of the host is off: timedatectl set-ntp true" in done.stdout
    assert "no plan mends any of it" in done.stdout
    assert f"{out} was not written" in done.stderr
    assert not out.exists()


def test_a_plan_that_would_change_nothing_is_none(world: World) -> None:
    """Facts know nothing of the second source: what a plan changes is what facts tell."""
    world.host("web1", host(INSTALLED, *CONFLICT))
    done = dockwright("web1", "--fix", *PIN)
    assert done.exit_code == Exit.VERIFY, done.output
    assert "a plan finds nothing to change" in done.stdout


def test_who_is_not_root_gets_findings_and_no_plan(world: World) -> None:
    played = world.host("web1", host(DOWN_HOST, "login dev dev", uid="1000 -"))
    done = dockwright("web1", "--fix")
    assert done.exit_code == Exit.VERIFY, done.output
    assert "a plan is made as root" in done.stdout
    assert len(played.scripts) == 1


def test_a_plan_that_is_refused_says_why(world: World) -> None:
    world.host("web1", host(DOWN_HOST, clock="5"))
    done = dockwright("web1", "--fix", *PIN)
    assert done.exit_code == Exit.REFUSED, done.output
    assert "the daemon does not answer" in done.stdout
    assert "by hand: the clock of the host is off" in done.stdout
    assert "differs from this machine's" in done.stdout


def test_a_host_that_is_well_needs_no_plan(world: World, tmp_path: Path) -> None:
    world.host("web1", host(INSTALLED))
    done = dockwright("web1", "--fix", "-o", str(tmp_path / "plan.json"))
    assert done.exit_code == Exit.OK, done.output
    assert "nothing is wrong" in done.stdout
    assert "plan" not in done.stdout


def test_many_hosts_are_one_file(world: World, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    world.host("web1", host(DOWN_HOST))
    world.host("web2", host(INSTALLED))
    world.host("web3", host("ubuntu-24.04-half-installed"))
    done = dockwright("web1", "web2", "web3", "--fix", "-o", str(out), *PIN)
    assert done.exit_code == Exit.VERIFY, done.output
    plans, _ = read_plans(out)
    assert [(one.host, one.preliminary) for one in plans] == [("web1", False), ("web3", True)]
    assert "among it: dockwright install web3" in " ".join(done.stdout.split())
    assert "dockwright install web1" not in done.stdout


@pytest.mark.parametrize(
    "words", [("-o", "x.json"), ("--set", "hold=true"), ("--vars", "x.yaml")], ids=lambda w: w[0]
)
def test_options_of_a_plan_want_fix(world: World, words: tuple[str, str]) -> None:
    done = dockwright("web1", *words)
    assert done.exit_code == Exit.INPUT
    assert "add --fix" in done.output
    assert world.contacted == []


def test_mistakes_in_variables_are_told_before_any_contact(world: World) -> None:
    done = dockwright("web1", "--fix", "--set", "docker_verzion=29")
    assert done.exit_code == Exit.INPUT
    assert "docker_version" in done.output
    assert world.contacted == []
    # What only the playbook for GPUs knows is no mistake.
    world.host("web1", host(INSTALLED))
    assert dockwright("web1", "--fix", "--set", "nvidia_version=1.20").exit_code == Exit.OK
