"""A plan is looked at and saved; the host does not know that it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockwright import events
from dockwright.plan import HostPlan, Verb
from tests.hosts.support import PACKAGES, Make, at, containers, dockwright, install, journal, unseen
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("user", ["root", "ops"])
def test_fresh(lab: Lab, prepared: Make, tmp_path: Path, user: str) -> None:
    host = prepared("fresh", "ubuntu-24.04")
    out = tmp_path / "plan.json"
    run = dockwright(lab, "plan", "docker", at(host, user), "-o", out)
    assert run.code == 0, run
    unseen(host)
    assert journal(host) == []
    assert {e.event for e in run.events} <= {
        "run_started", "host_reached", "phase_finished", "planned", "run_finished"
    }  # fmt: skip

    saved = json.loads(out.read_text())
    (plan,) = [HostPlan.model_validate_json(json.dumps(one)) for one in saved["plans"]]
    assert plan == run.plan
    assert {c.name for c in plan.transaction.installs if c.planned} == set(PACKAGES)
    assert all(action.reason for action in plan.actions)

    detailed = dockwright(lab, "plan", "docker", at(host, user), "--detailed-exitcode")
    assert detailed.code == 20, detailed
    dry = install(lab, at(host, user), "--dry-run")
    assert dry.code == 20, dry
    assert dry.plan.transaction == plan.transaction
    unseen(host)


def test_in_use(lab: Lab, prepared: Make) -> None:
    """A plan that would stop containers names them, and is only a plan."""
    host = prepared("distribution")
    running = containers(host)
    run = dockwright(lab, "plan", "docker", at(host, "ops"), "--detailed-exitcode")
    assert run.code == 20, run
    assert run.plan.stops == ("app",)
    assert containers(host) == running
    unseen(host)


def test_converged(lab: Lab, prepared: Make) -> None:
    host = prepared("docker")
    run = dockwright(lab, "plan", "docker", at(host), "--detailed-exitcode")
    assert run.code == 0, run
    assert {action.verb for action in run.plan.actions} == {Verb.KEEP}
    assert run.all(events.PhaseFinished) == []
    assert host.changed() == []


def test_people_read_it(lab: Lab, prepared: Make) -> None:
    """Without --json the plan is text: each change with its reason, and no sign of a run."""
    host = prepared("fresh")
    done = lab.dockwright(
        "plan", "docker", at(host), "--set", f"docker_fingerprint={lab.fingerprint}"
    )
    assert done.returncode == 0, done.stderr
    for word in ("docker-ce 5:29.7.2", "/etc/apt/keyrings/docker.asc", "to add", "--set"):
        assert word in done.stdout
    unseen(host)
