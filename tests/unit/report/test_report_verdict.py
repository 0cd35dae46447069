"""The verdict for programs: a line of JSON on each host, bounded and safe to show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from dockwright import events as ev
from dockwright.errors import Exit
from dockwright.events import Event, Finding, Outcome, Severity
from dockwright.report.fleet import Fleet
from dockwright.report.verdict import render_verdict
from tests.unit.report import runs, samples
from tests.unit.report.changed import any_events

HOLD = "apt-mark hold libnvidia-compute-570"


def verdicts(events: list[Event]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in render_verdict(Fleet.of(events)).splitlines()]


def told(*between: Event, code: Exit = Exit.OK) -> dict[str, Any]:
    begin = ev.RunStarted(host="gpu1", at=1, command="verify", playbook="verify", version="1")
    end = ev.RunFinished(host="gpu1", at=9, exit=code, seconds=8)
    (one,) = verdicts([begin, *between, end])
    return one


def test_what_was_proved_is_ok_and_a_note_is_a_warning_with_its_command() -> None:
    proved = ev.StepFinished(
        host="gpu1", at=3, step="s01", title="verify the GPUs in containers",
        outcome=Outcome.VERIFIED, text="2 GPUs", seconds=1,
    )  # fmt: skip
    fine = told(proved)
    assert (fine["host"], fine["verdict"], fine["exit"], fine["command"]) == (
        "gpu1",
        "ok",
        0,
        "verify",
    )
    (ok,) = fine["findings"]
    assert (ok["severity"], ok["finding"]) == ("ok", "verify the GPUs in containers: 2 GPUs")
    note = ev.Note(host="gpu1", at=4, text=f"unattended-upgrades may change the driver: {HOLD}")
    warned = told(proved, note)
    assert warned["verdict"] == "warning"
    assert [one["severity"] for one in warned["findings"]] == ["warning", "ok"]
    assert warned["findings"][0]["action"] == [HOLD]


def test_a_broken_rung_is_an_error_with_cause_and_action() -> None:
    failed = ev.Failed(
        host="gpu1", at=4, exit=Exit.VERIFY, brief="no GPU by --gpus all", step="s01",
        details=(("cause", "dockerd started before the toolkit"),),
        next_step="systemctl restart docker",
    )  # fmt: skip
    one = told(failed, code=Exit.VERIFY)
    assert (one["verdict"], one["exit"], one["word"]) == ("error", 8, "verify")
    (error,) = one["findings"]
    assert error == {
        "severity": "error", "finding": "no GPU by --gpus all",
        "cause": "dockerd started before the toolkit", "action": ["systemctl restart docker"],
    }  # fmt: skip


def test_what_doctor_found_keeps_its_severity_and_actions() -> None:
    found = Finding(
        id="x", severity=Severity.WARNING, rung="gpu", finding="it may break", cause="why",
        evidence="seen", action=(HOLD, "reboot"), source="",
    )  # fmt: skip
    one = told(ev.Diagnosed(host="gpu1", at=2, findings=(found,)), code=Exit.VERIFY)
    assert one["verdict"] == "warning"
    assert one["findings"][0]["action"] == [HOLD, "reboot"]


def test_each_host_has_its_own_line() -> None:
    events = runs.Fleet(16).events()
    assert [one["host"] for one in verdicts(events)] == list(dict.fromkeys(e.host for e in events))


@pytest.mark.parametrize("events", [samples.hostile(), samples.install()[:-3]])
def test_it_is_plain_and_always_json(events: list[Event]) -> None:
    text = render_verdict(Fleet.of(events))
    assert text.isascii()
    assert "\x1b" not in "".join(str(json.loads(line)) for line in text.splitlines())


@given(any_events())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_list_of_events_makes_verdicts(events: list[Event]) -> None:
    assert all(one["verdict"] in ("ok", "warning", "error") for one in verdicts(events))


def test_a_pin_that_is_not_the_shipped_one_is_a_warning() -> None:
    (planned,) = [one for one in runs.Fleet(1).events() if isinstance(one, ev.Planned)][:1]
    line = "docker_fingerprint is not the shipped one: it is set by site.yaml:3"
    plan = planned.plan.model_copy(update={"trust": ("key 9DC8 is the pinned one", line)})
    (one,) = told(ev.Planned(host="gpu1", at=2, plan=plan))["findings"]
    assert (one["severity"], one["finding"]) == ("warning", line)
