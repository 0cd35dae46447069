"""Time as bars: where each piece lies, in thousandths of a bar's width. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from dockwright.events import Outcome
from dockwright.report.story import HostStory, Kind, Span
from dockwright.report.text import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 1000
_LEAST = 3  # a piece that took next to no time is still seen
_MOST = 100  # pieces of one bar
_OUTLIER = 6  # times the median: such a host would make all other bars a dot

# The words of the legend, in the order in which they come.
LEGEND = {
    Kind.CONNECT: "connect and facts",
    Kind.TRUST: "trust",
    Kind.PREFLIGHT: "preflight",
    Kind.START: "start",
    Kind.DOWNLOAD: "download",
    Kind.LOCK: "waiting for locks",
    Kind.STEP: "steps",
    Kind.VERIFY: "verify",
}


@dataclass(frozen=True)
class Bit:
    """A piece of a bar: its left edge and width in thousandths, and the name of its colour."""

    x: int
    width: int
    name: str


@dataclass(frozen=True)
class Stage:
    """One kind of work over all hosts, in seconds."""

    name: str
    label: str
    total: float
    median: float
    most: float
    slowest: str
    share: int


def scale(stories: Sequence[HostStory]) -> float:
    """The seconds that a whole bar stands for: those of the slowest host that is no outlier."""
    times = sorted(story.seconds for story in stories)
    if not times:
        return 1.0
    usual = [spent for spent in times if spent <= _OUTLIER * max(median(times), 0.1)]
    return max(usual[-1] if usual else times[-1], 0.001)


def bits(story: HostStory, whole: float) -> list[Bit]:
    """The bar of a host; neighbours of one kind are one piece."""
    pieces: list[tuple[float, float, str]] = []
    for span in story.spans:
        for begin, seconds, name in _pieces(span):
            start = begin - story.begin
            before = pieces[-1] if pieces else None
            if before and before[2] == name and start - before[1] < whole / 200:
                pieces[-1] = (before[0], start + seconds, name)
            else:
                pieces.append((start, start + seconds, name))
    return [_bit(start, end - start, name, whole) for start, end, name in pieces[:_MOST]]


def own_bits(span: Span, story: HostStory) -> list[Bit]:
    """The bar of one piece, where it lies in its host's run."""
    whole = max(story.seconds, 0.001)
    return [_bit(begin - story.begin, spent, name, whole) for begin, spent, name in _pieces(span)]


def _pieces(span: Span) -> list[tuple[float, float, str]]:
    """The span itself, and over it what of it was waiting."""
    name = {Outcome.FAILED: "failed", None: "cut"}.get(span.outcome, span.kind.value)
    waits = [(wait.begin, wait.seconds, Kind.LOCK.value) for wait in span.waits]
    covers = sum(seconds for _, seconds, _ in waits) >= span.seconds
    return (
        waits
        if waits and covers and name == span.kind.value
        else [(span.begin, span.seconds, name), *waits]
    )


def _bit(start: float, seconds: float, name: str, whole: float) -> Bit:
    x = min(WIDTH - _LEAST, max(0, round(WIDTH * _part(start, whole))))
    width = max(_LEAST, round(WIDTH * _part(seconds, whole)))
    return Bit(x, min(width, WIDTH - x), name)


def _part(seconds: float, whole: float) -> float:
    return min(1.0, max(0.0, seconds / whole))


def spent(story: HostStory) -> dict[Kind, float]:
    """The seconds that went into each kind of work."""
    found: dict[Kind, float] = {}
    for span in story.spans:
        own = span.seconds if span.kind is Kind.LOCK else span.seconds - span.waited
        found[span.kind] = found.get(span.kind, 0.0) + own
        if span.waited and span.kind is not Kind.LOCK:
            found[Kind.LOCK] = found.get(Kind.LOCK, 0.0) + span.waited
    return found


def said(story: HostStory) -> str:
    """``connect and facts 0.3 s, trust 0.1 s``: the bar for who does not see it."""
    times = spent(story)
    return ", ".join(
        f"{text} {duration(times[kind])}" for kind, text in LEGEND.items() if kind in times
    )


def stages(stories: Iterable[HostStory]) -> list[Stage]:
    """Where the time of all hosts went, in the order of the work."""
    times: dict[Kind, list[tuple[float, str]]] = {}
    for story in stories:
        for kind, seconds in spent(story).items():
            times.setdefault(kind, []).append((seconds, story.host))
    whole = sum(seconds for found in times.values() for seconds, _ in found) or 1.0
    made = []
    for kind, label in LEGEND.items():
        found = times.get(kind, [])
        if not found:
            continue
        total = sum(seconds for seconds, _ in found)
        most, slowest = max(found)
        middle = median(seconds for seconds, _ in found)
        share = round(WIDTH * total / whole)
        made.append(Stage(kind.value, label, total, middle, most, slowest, share))
    return made
