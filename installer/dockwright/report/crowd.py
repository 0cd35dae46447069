"""What is said of many hosts at a time: how far they are, and a trouble of all of them once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dockwright.errors import Exit
from dockwright.report.errors import Trouble
from dockwright.report.text import duration, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dockwright.events import StepFinished
    from dockwright.report.live import Running
    from dockwright.report.tally import HostTally

CROWD = 24  # hosts; with more, those that are well go by without a line of their own
_ALIKE = 3  # times that a trouble is told whole
_SOON = 30.0  # seconds of a run before it is told when it may be done


class Repeats:
    """Counts troubles that are the same but for the host's name."""

    def __init__(self) -> None:
        self._seen: Counter[object] = Counter()

    def enough(self, trouble: Trouble) -> bool:
        """Whether that trouble was told often enough by now."""
        key = alike(trouble)
        self._seen[key] += 1
        return self._seen[key] > _ALIKE

    def enough_of_step(self, event: StepFinished, title: str) -> bool:
        """The same for a step that failed."""
        output = (("output", event.output), ("cause", event.cause))
        return self.enough(Trouble(Exit.FAILED, event.text, output, title, host=event.host))


def alike(trouble: Trouble) -> Trouble:
    """The trouble without the host's name: the same for all hosts that have it."""
    from dockwright.report.troubles import nameless  # with all that reports need

    return replace(nameless(trouble, trouble.host or ""), host=None)


class Progress:
    """How far the hosts of a run are; counted as events come, and not anew for each picture."""

    def __init__(self, expected: int = 0) -> None:
        self._expected = expected
        self._words: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._changing: float | None = None
        self._changed = 0

    def take(self, tally: HostTally, now: float) -> None:
        """A host after one more of its events, by the clock that ``line`` is given, too."""
        if tally.program and self._changing is None:
            self._changing = now
        word = tally.word if tally.finished else ""
        before = self._words.get(tally.host)
        if before == word:
            return
        self._words[tally.host] = word
        self._counts[word] += 1
        if before is not None:
            self._counts[before] -= 1
        if word and tally.program:
            self._changed += 1

    def line(self, running: Mapping[str, Running], now: float) -> str:
        """``312 of 500 hosts done (62 %, about 50 s left), 20 failed, 30 at work, 138 planned``."""
        total = max(self._expected, len(self._words))
        open_ = self._counts[""]
        done = len(self._words) - open_
        waiting = sum(one.waiting for one in running.values())
        left = self._left(done, total, now)
        share = f"{done * 100 // max(total, 1)} %"
        parts = [f"{done} of {plural(total, 'host')} done ({share}{left})"]
        words = [pair for pair in self._counts.most_common() if pair[0] not in ("", "ok")]
        parts += [f"{count} {word}" for word, count in words if count]
        parts.append(f"{len(running) - waiting} at work")
        parts += [f"{waiting} waiting"] if waiting else []
        planned = open_ - len(running)
        parts += [f"{planned} planned"] if planned > 0 else []
        return ", ".join(parts)

    def _left(self, done: int, total: int, now: float) -> str:
        """How long it may take yet, by the hosts that were changed; empty while nobody can tell."""
        if self._changing is None or not self._changed or done == total:
            return ""
        spent = now - self._changing
        if spent < _SOON:
            return ""
        return f", about {duration(spent / self._changed * (total - done))} left"


def hidden(hosts: Collection[Running], shown: Collection[Running]) -> str:
    """``20 more: 12 download, 8 verify``: what those do that are not shown."""
    names = {one.host for one in shown}
    steps = Counter(one.step or "at work" for one in hosts if one.host not in names)
    if not steps:
        return ""
    told = ", ".join(f"{count} {step}" for step, count in steps.most_common(4))
    return f"{plural(sum(steps.values()), 'more host')}: {told}"
