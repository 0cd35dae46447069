"""Where a run is: events of the controller up to the start of the program, then its records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.lab.host import Host

_EARLY = ("run_started", "host_reached", "phase_finished", "planned", "program_started")
_FREE_TEXT = ("wait", "note", "stop", "cause", "output", "end", "start")


def journal(host: Host, but: frozenset[str] = frozenset()) -> str:
    """All records of all runs on the host ``but`` some, read from outside."""
    leader = host.leader()
    if leader is None:
        return ""
    text = ""
    for path in sorted(Path(f"/proc/{leader}/root/var/lib/dockwright/runs").glob("*/ev")):
        if path.parent.name in but:
            continue
        with suppress(OSError):
            text += path.read_text()
    return text


class Watch:
    """Names moments of a run, so that the same moment can be found in another run."""

    def __init__(self, points: list[str], but: frozenset[str] = frozenset()) -> None:
        self._but = but  # runs of before
        self._rank = {point: number for number, point in enumerate(points)}

    def reached(self, events: Path, host: Host) -> int:
        """The number of the furthest point that a run has reached; -1 before the first."""
        seen = self.points(events, journal(host, self._but))
        return max((self._rank.get(point, -1) for point in seen), default=-1)

    @staticmethod
    def points(events: Path, records: str) -> list[str]:
        """The moments of a run up to now, each by a name of its own."""
        return _numbered([*_events(events), *_records(records)])


def _numbered(names: Iterable[str]) -> list[str]:
    count: dict[str, int] = {}
    named = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        named.append(name if count[name] == 1 else f"{name} #{count[name]}")
    return named


def _events(path: Path) -> Iterable[str]:
    text = path.read_text()
    for line in text[: text.rfind("\n") + 1].splitlines():
        event = json.loads(line)
        if event["event"] in _EARLY:
            yield f"{event['event']} {event.get('phase', '')}".strip()


def _records(text: str) -> Iterable[str]:
    for line in text[: text.rfind("\n") + 1].splitlines():
        _, _, kind, step, _, said = (line.split(" ", 5) + [""] * 6)[:6]
        if kind == "progress":
            said = said.partition(" ")[2]
        elif kind in _FREE_TEXT:
            said = ""
        yield f"{kind} {step} {said}".strip()
