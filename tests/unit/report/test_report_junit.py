"""JUnit's XML: as Jenkins' schema wants it, with what failed, why and what comes next."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings

from dockwright import events as ev
from dockwright.events import Event
from dockwright.report.fleet import Fleet
from dockwright.report.junit import render_junit
from tests.unit.report import runs, samples
from tests.unit.report.changed import PAYLOADS, any_events, everywhere

# What the schema of Jenkins' xunit plugin (junit-10.xsd) allows, in our own words: for each
# element the attributes that must and may be there, and its children.
_SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"skipped", "time", "timestamp", "hostname"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name"}, {"time", "classname"}, {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "skipped": (set(), {"message", "type"}, set()),
    "failure": (set(), {"message", "type"}, set()),
    "error": (set(), {"message", "type"}, set()),
    "system-out": (set(), set(), set()),
    "system-err": (set(), set(), set()),
}  # fmt: skip
_RESULTS = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def junit(events: list[Event]) -> ET.Element:
    """The report, read back and held against the schema."""
    root = ET.fromstring(render_junit(Fleet.of(events)))
    assert root.tag == "testsuites"
    for element in root.iter():
        needed, allowed, children = _SCHEMA[element.tag]
        assert needed <= set(element.attrib) <= needed | allowed, element.attrib
        assert {child.tag for child in element} <= children
        for name in ("tests", "failures", "errors", "skipped"):
            assert element.get(name, "0").isdecimal()
        assert re.fullmatch(r"[0-9]+\.[0-9]{3}", element.get("time", "0.000"))
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert all(sum(child.tag in _RESULTS for child in case) <= 1 for case in cases)
        for tag, name in _RESULTS.items():
            assert suite.get(name) == str(sum(case.find(tag) is not None for case in cases))
    for name in ("tests", "failures", "errors"):
        assert int(root.get(name, "")) == sum(int(suite.get(name, "")) for suite in root)
    return root


def results(suite: ET.Element) -> list[tuple[str, str]]:
    return [
        (case.get("name", ""), next((c.tag for c in case if c.tag in _RESULTS), ""))
        for case in suite.findall("testcase")
    ]


def test_a_host_that_is_fine() -> None:
    (suite,) = junit(samples.install())
    assert (suite.get("name"), suite.get("failures"), suite.get("errors")) == ("web1", "0", "0")
    assert results(suite) == [
        ("connect and ask", ""), ("trust", ""), ("preflight", ""), ("start the program", ""),
        ("download", ""), ("apt lock", ""), ("install docker-ce", ""), ("users", ""),
        ("daemon.json", ""), ("nothing of this", "skipped"), ("verify with hello-world", ""),
    ]  # fmt: skip
    found = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert found["exit"] == "0 (ok)"
    assert found["receipt"] == "/var/lib/dockwright/runs/2026-11-24-1f3a"
    assert found["system"] == "Ubuntu 24.04.3 LTS (noble, amd64)"
    assert found["operator"] == "alice"
    assert "matches the pin" in (suite.findtext("system-out") or "")


def test_what_failed_tells_cause_and_next_command() -> None:
    (suite,) = junit(samples.broken("web.example"))
    case = next(c for c in suite.findall("testcase") if c.get("name") == "install docker-ce")
    assert case.get("classname") == "docker.web_example"
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "apt could not install docker-ce"
    assert failure.get("type") == "exit 6 (failed)"
    for line in (
        "cause: /var is full: 12 MB of 20 GB free",
        "host: web.example: was changed; the same command resumes",
        "next: make room, then: dockwright install web1",
        "command: dockwright install web1",
    ):
        assert line in (failure.text or "").splitlines(), failure.text
    assert (case.findtext("system-err") or "").endswith("dpkg: line 30")
    # The steps that were never reached are not green.
    assert ("verify with hello-world: hello-world", "skipped") in results(suite)


def test_what_failed_outside_of_a_step_is_a_case_too() -> None:
    for events in (samples.untrusted(), runs.Fleet(16).events()):
        for suite in junit(events):
            exit_code = next(
                p.get("value") for p in suite.iter("property") if p.get("name") == "exit"
            )
            assert (suite.get("failures") == "0") == (exit_code == "0 (ok)")


def test_a_log_that_was_cut_is_an_error() -> None:
    play = samples.Play().reached()(ev.ProgramStarted, run_id="r", directory="/d")
    (suite,) = junit(play(ev.StepStarted, step="a4", title="install").events)
    assert results(suite)[-1] == ("install", "error")
    (suite,) = junit(samples.Play().events)
    assert results(suite) == [("cut short", "failure")]


def test_what_is_only_planned_is_skipped() -> None:
    (suite,) = junit(samples.plan_only())
    told = dict(results(suite))
    assert told["remove old packages: docker.io 26.1.5+dfsg1-9+b11, containerd 1.7.24"] == "skipped"
    assert told["users: docker"] == ""
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")


def test_credentials_are_masked() -> None:
    text = render_junit(Fleet.of([*samples.hostile(), *samples.install()]))
    assert "hunter2" not in text
    assert len(text) < 100_000


@pytest.mark.parametrize("payload", [*PAYLOADS, "\x00\x0b\x1f\ufffe\uffff"])
def test_hostile_text_is_text(payload: str) -> None:
    plain, hostile = junit(samples.fleet()), junit(everywhere(samples.fleet(), payload))
    assert {e.tag for e in hostile.iter()} <= {e.tag for e in plain.iter()} | set(_SCHEMA)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_events())
def test_any_list_of_events_makes_valid_xml(events: list[Event]) -> None:
    junit(events)
