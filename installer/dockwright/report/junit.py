"""JUnit's XML, as Jenkins and GitLab read it: a suite for each host, a case for each step.

A host that is not fine has at least one case that failed: servers count cases, not hosts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # only written here, never read

from dockwright.events import Outcome
from dockwright.plan import Verb
from dockwright.report.text import clean, clean_lines
from dockwright.report.troubles import Knot, knot_of

if TYPE_CHECKING:
    from dockwright.report.fleet import Fleet
    from dockwright.report.story import HostStory, Span

_CASES = 1_000  # of one host
_OUTPUT = 100  # lines


@dataclass(frozen=True)
class _Case:
    name: str
    seconds: float = 0.0
    result: str = ""  # "", failure, error, skipped
    message: str = ""
    kind: str = ""
    text: str = ""
    output: str = ""


def render_junit(fleet: Fleet) -> str:
    """The run as XML."""
    root = ET.Element("testsuites", name="dockwright", time=_seconds(fleet.seconds))
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for story in fleet.stories:
        suite = _suite(fleet, story)
        root.append(suite)
        for name in totals:
            totals[name] += int(suite.get(name, "0"))
    root.attrib.update({name: str(count) for name, count in totals.items()})
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(fleet: Fleet, story: HostStory) -> ET.Element:
    cases = [_case(span) for span in story.spans[:_CASES]]
    cases += _not_run(fleet, story)
    if not story.fine:
        cases = _with_trouble(cases, story, knot_of(story))
    counts = {
        word: sum(case.result == word for case in cases) for word in ("failure", "error", "skipped")
    }
    name = clean(story.host)
    suite = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        time=_seconds(story.seconds),
        timestamp=_timestamp(story.begin),
        hostname=name,
    )
    properties = ET.SubElement(suite, "properties")
    for label, value in _properties(story).items():
        if value:
            ET.SubElement(properties, "property", name=label, value=clean(value, 2_000))
    # Servers group by what stands before the last dot.
    what = clean(story.tally.playbook or story.tally.command or "run")
    group = ".".join(part.replace(".", "_") for part in (what, name))
    for case in cases:
        suite.append(_element(case, group))
    lines = [*(clean(line, 2_000) for line in story.trust), *(clean(n, 2_000) for n in story.notes)]
    if lines:
        ET.SubElement(suite, "system-out").text = "\n".join(lines)
    return suite


def _properties(story: HostStory) -> dict[str, str]:
    start, finish = story.start, story.tally.finish
    return {
        "exit": f"{story.code.value} ({story.word})",
        "command": story.tally.command,
        "playbook": story.tally.playbook,
        "changed": str(story.tally.changed),
        "already so": str(story.tally.same),
        "system": story.system,
        "reached": story.how,
        "run": story.run_id,
        "receipt": finish.receipt if finish else "",
        "operator": start.operator if start else "",
        "dockwright": start.version if start else "",
    }


def _case(span: Span) -> _Case:
    name, text = clean(span.title) or "step", clean(span.text)
    if span.outcome is Outcome.FAILED:
        cause = clean(span.cause)
        return _Case(
            name, span.seconds, "failure", text or "failed", "failed",
            text=f"cause: {cause}" if cause else "", output=span.output,
        )  # fmt: skip
    if span.outcome is Outcome.SKIPPED:
        return _Case(name, span.seconds, "skipped", text or "skipped")
    if span.outcome is None:
        return _Case(
            name, span.seconds, "error", "it began, and its end is not recorded", "cut short"
        )
    waited = "; ".join(f"waited {w.seconds:.1f} s for {clean(w.holder)}" for w in span.waits)
    return _Case(name, span.seconds, text="; ".join(part for part in (text, waited) if part))


def _not_run(fleet: Fleet, story: HostStory) -> list[_Case]:
    """Steps of the plan that nothing was done about: planned only, or never reached."""
    if not story.plans:
        return []
    plan = fleet.plans[story.plans[-1]].plan
    done = {span.step for span in story.spans}
    why = "would be done" if story.tally.unapplied else "not reached"
    found = []
    for action in plan.actions[:_CASES]:
        name = clean(f"{action.step}: {action.target}", 200)
        if action.verb is Verb.KEEP and action.id not in done:
            found.append(_Case(name, text=clean(action.reason)))
        elif action.id not in done and (not story.fine or story.tally.unapplied):
            found.append(_Case(name, result="skipped", message=f"{why}: {clean(action.reason)}"))
    return found


def _with_trouble(cases: list[_Case], story: HostStory, knot: Knot) -> list[_Case]:
    """The cases with the host's trouble told where it failed, or as a case of its own."""
    trouble = knot.trouble
    told = [
        f"{label}: {line}" for label, lines in knot.details if label != "output" for line in lines
    ]
    if trouble.fate:
        told.append(f"host: {clean(story.host)}: {trouble.fate}")
    told += [f"next: {line}" for line in knot.advice]
    told += [f"command: {command}" for command in knot.commands]
    waits = story.tally.waits
    kind = "" if waits else f"exit {trouble.exit.value} ({knot.word})"
    at = next((n for n, case in enumerate(cases) if case.result in ("failure", "error")), None)
    name, seconds, output = clean(trouble.step or knot.word), 0.0, ""
    result = "skipped" if waits else "failure"
    if at is None:
        at = len(cases)
    else:
        before = cases.pop(at)
        name, seconds, output, result = before.name, before.seconds, before.output, before.result
        if before.text and before.text not in told:
            told.insert(0, before.text)
    brief = clean(trouble.brief, 2_000)
    case = _Case(name, seconds, result, brief, kind, "\n".join(told), output)
    return [*cases[:at], case, *cases[at:]]


def _element(case: _Case, group: str) -> ET.Element:
    element = ET.Element("testcase", name=case.name, classname=group, time=_seconds(case.seconds))
    if case.result:
        told = ET.SubElement(element, case.result, message=case.message)
        if case.kind:
            told.set("type", case.kind)
        told.text = f"{case.message}\n{case.text}" if case.text else None
    elif case.text:
        ET.SubElement(element, "system-out").text = case.text
    if case.output:
        lines = clean_lines(case.output, _OUTPUT, tail=True)
        ET.SubElement(element, "system-err").text = "\n".join(lines)
    return element


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _timestamp(at: float) -> str:
    """UTC without a zone, as the schema of most servers wants it; the epoch for what is no date."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00"
