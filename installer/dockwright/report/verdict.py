"""The verdict on each host for programs: a line of JSON, with what was found, how bad it is, what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockwright.events import Outcome
from dockwright.report.story import Kind
from dockwright.report.text import clean
from dockwright.report.troubles import command_of, knot_of
from dockwright.report.trust_lines import is_overridden

if TYPE_CHECKING:
    from dockwright.report.fleet import Fleet
    from dockwright.report.story import HostStory

SCHEMA = 1
_LONGEST = 2_000  # characters
_MOST = 1_000  # findings of one host
_RANK = {"error": 2, "warning": 1, "ok": 0}


def render_verdict(fleet: Fleet) -> str:
    """One document for each host, a line each: ``verdict`` is the worst severity of its findings."""
    return "".join(json.dumps(_verdict(story)) + "\n" for story in fleet.stories)


def _verdict(story: HostStory) -> dict[str, Any]:
    """What a host is, then what was found: errors first, then warnings, then what was proved."""
    found = sorted(_findings(story), key=lambda one: -_RANK[str(one["severity"])])[:_MOST]
    return {
        "schema": SCHEMA,
        "host": clean(story.host),
        "verdict": found[0]["severity"] if found else "ok",
        "exit": story.code.value,
        "word": story.word,
        "command": story.tally.command,
        "system": clean(story.system),
        "findings": found,
    }


def _findings(story: HostStory) -> list[dict[str, Any]]:
    found = [
        _finding(one.severity.value, one.finding, one.cause, one.action)
        for one in story.tally.findings
    ]
    if not story.fine and not found:
        knot = knot_of(story)
        details = dict(knot.trouble.details)
        cause = details.get("cause") or details.get("why") or ""
        action = [*knot.advice, *(c for c in knot.commands if c not in knot.advice)]
        found.append(_finding("error", knot.trouble.brief, cause, action))
    # X10: a pin that is not the shipped one is named in each report.
    found += [_finding("warning", line, "", ()) for line in story.trust if is_overridden(line)]
    found += [
        _finding("warning", note, "", [command] if (command := command_of(note)) else [])
        for note in story.notes
    ]
    found += [
        _finding("ok", f"{span.title}: {span.text}" if span.text else span.title, "", ())
        for span in story.spans
        if span.kind is Kind.VERIFY and span.outcome is Outcome.VERIFIED
    ]
    return found


def _finding(severity: str, finding: str, cause: str, action: Any) -> dict[str, Any]:
    return {
        "severity": severity,
        "finding": clean(finding, _LONGEST),
        "cause": clean(cause, _LONGEST),
        "action": [clean(line, _LONGEST) for line in action],
    }
