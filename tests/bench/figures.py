"""From samples to figures: medians, ranges, and ratios of runs that were made side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.timing import Sample

OURS = "dockwright"


@dataclass(frozen=True)
class Target:
    """Such a run of Dockwright's takes at most that part of the rival's."""

    what: str
    who: str
    limit: float


TARGETS = (Target("second run", "pyinfra", 0.6),)


@dataclass(frozen=True)
class Line:
    """One kind of run by one rival."""

    what: str
    who: str
    runs: int
    wall: float
    low: float
    high: float
    cpu: float


@dataclass(frozen=True)
class Ratio:
    """Dockwright's time over a rival's, pair by pair."""

    what: str
    who: str
    pairs: int
    middle: float
    low: float
    high: float


def _groups(samples: Iterable[Sample]) -> dict[tuple[str, str], list[Sample]]:
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.pair:
            groups.setdefault((sample.what, sample.who), []).append(sample)
    return groups


def lines(samples: Sequence[Sample]) -> list[Line]:
    """A line for each kind of run, in the order in which they were first made."""
    found = []
    for (what, who), group in _groups(samples).items():
        walls = [sample.wall for sample in group]
        cpu = median(sample.user + sample.system for sample in group)
        found.append(
            Line(what, who, len(group), median(walls), min(walls), max(walls), round(cpu, 3))
        )
    return found


def ratios(samples: Sequence[Sample]) -> list[Ratio]:
    """Our runs over each rival's run of the same pair and turn."""
    groups = _groups(samples)
    found = []
    for (what, who), theirs in groups.items():
        same: dict[tuple[int, int], float] = {
            (sample.pair, sample.turn): sample.wall for sample in groups.get((what, OURS), ())
        }
        parts = [
            same[sample.pair, sample.turn] / sample.wall
            for sample in theirs
            if (sample.pair, sample.turn) in same
        ]
        if who != OURS and parts:
            found.append(Ratio(what, who, len(parts), median(parts), min(parts), max(parts)))
    return found


def verdict(found: Sequence[Ratio], targets: Sequence[Target] = TARGETS) -> tuple[bool, str]:
    """Whether the targets are met, in words too."""
    ratios = {(ratio.what, ratio.who): ratio.middle for ratio in found}
    met, lines = True, []
    for one in targets:
        ratio = ratios.get((one.what, one.who))
        if ratio is None:
            met = False
            lines.append(f"{one.what}: nothing was measured beside {one.who}")
            continue
        met = met and ratio <= one.limit
        lines.append(
            f"{one.what}: {ratio:.2f} of {one.who}'s time; "
            f"the target is {one.limit}: {'met' if ratio <= one.limit else 'MISSED'}"
        )
    return met, "\n".join(lines)


def table(rows: Sequence[Sequence[str]], heads: Sequence[str], *, markdown: bool = False) -> str:
    """Rows as aligned text; the first two columns are words, the others numbers."""
    both = [heads, *rows]
    widths = [max(3, *(len(row[at]) for row in both)) for at in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip()

    rule = [
        ("-" * width if at < 2 else f"{'-' * (width - 1)}:") if markdown else "-" * width
        for at, width in enumerate(widths)
    ]
    return "\n".join([line(heads), line(rule), *map(line, rows)])


LINE_HEADS = ("run", "by", "runs", "median s", "min-max s", "controller CPU s")
RATIO_HEADS = ("run", "Dockwright over", "pairs", "median ratio", "min-max")


def line_rows(found: Iterable[Line]) -> list[list[str]]:
    """The lines as words."""
    return [
        [one.what, one.who, str(one.runs), f"{one.wall:.2f}", f"{one.low:.2f}-{one.high:.2f}",
         f"{one.cpu:.2f}"]
        for one in found
    ]  # fmt: skip


def ratio_rows(found: Iterable[Ratio]) -> list[list[str]]:
    """The ratios as words."""
    return [
        [one.what, one.who, str(one.pairs), f"{one.middle:.2f}", f"{one.low:.2f}-{one.high:.2f}"]
        for one in found
    ]
