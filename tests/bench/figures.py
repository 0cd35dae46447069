"""From samples to figures: medians, ranges, and ratios of runs that were made side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.timing import Sample

OURS = "dockwright"
# Dockwright takes at most that part of a rival's time; of a run of theirs by another name where two are
# named.
TARGETS = (
    ("fresh install", "script", 1.0),
    ("second run", "pyinfra", 0.45),
    ("second run", "ansible", 0.1),
    ("verify", "pyinfra's second run", 0.9),
    *((f"program, connection open, {rtt} ms", "ssh bash", 1.15) for rtt in (0, 20, 100)),
    ("program, whole process, 100 ms", "ssh bash", 1.6),
    ("--help", "pyinfra", 0.5),
)
BESIDE = {("verify", "pyinfra's second run"): ("second run", "pyinfra")}


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
    beside = {both: groups[there] for both, there in BESIDE.items() if there in groups}
    for (what, who), theirs in [*groups.items(), *beside.items()]:
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


def verdict(
    found: Sequence[Ratio], targets: Sequence[tuple[str, str, float]] = TARGETS
) -> tuple[bool, str]:
    """Whether all targets are met that were measured, in words too."""
    measured = {(ratio.what, ratio.who): ratio.middle for ratio in found}
    all_met, said = True, []
    for what, who, limit in targets:
        middle = measured.get((what, who))
        if middle is None:
            said.append(f"- {what}: not measured beside {who}")
            continue
        met = middle <= limit
        all_met = all_met and met
        said.append(
            f"- {what}: {middle:.2f} of {who}; the target is {limit}: {'met' if met else 'MISSED'}"
        )
    return all_met, "\n".join(said)


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
