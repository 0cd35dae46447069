"""What is wrong on a host, and what mends it: pure checks over facts, and a catalogue of messages.

``diagnose`` looks at a host, ``explain`` at a message. Both only know what the catalogue has: a
check says by an entry's id what it saw.
"""

from __future__ import annotations

from collections.abc import Iterable

from dockwright.doctor.case import Case, Found
from dockwright.doctor.catalogue import BY_ID, Entry, explain
from dockwright.doctor.checks import ASKED, CHECKS
from dockwright.doctor.probe import Seen, answered, question, read
from dockwright.doctor.remedy import playbook_for
from dockwright.doctor.unseen import unseen
from dockwright.events import Explanation, Finding

__all__ = [
    "Case",
    "Entry",
    "Seen",
    "answered",
    "diagnose",
    "explain",
    "explained",
    "question",
    "read",
    "unseen",
]


def diagnose(case: Case, asked: Iterable[Entry] = ()) -> tuple[Finding, ...]:
    """The findings of a host: those of the messages that were asked for first, then from the ground up."""
    ids = [entry.id for entry in asked]
    found = [one for check in CHECKS for one in check(case)]
    missing = [name for name in ids if name not in {one.id for one in found}]
    found += [one for name in missing for check in ASKED.get(name, ()) for one in check(case)]
    found.sort(key=lambda one: one.id not in ids)
    return tuple(_finding(one, case) for one in found)


def explained(
    entries: Iterable[Entry], findings: Iterable[Finding] | None = None
) -> tuple[Explanation, ...]:
    """Entries for a report; ``seen`` is told where a host was looked at."""
    ids = None if findings is None else {finding.id for finding in findings}
    return tuple(
        Explanation(
            id=entry.id, rung=entry.rung, finding=entry.finding, cause=entry.cause,
            look=entry.look, action=entry.mend, source=entry.source,
            seen=None if ids is None else entry.id in ids,
        )
        for entry in entries
    )  # fmt: skip


def _finding(found: Found, case: Case) -> Finding:
    entry = BY_ID[found.id]
    action = tuple(line.replace("HOST", case.name) for line in found.action or entry.mend)
    return Finding(
        id=found.id, severity=found.severity, rung=entry.rung, finding=entry.finding,
        cause=entry.cause, evidence=found.evidence, action=action, source=entry.source,
        plan=playbook_for(case, found),
    )  # fmt: skip
