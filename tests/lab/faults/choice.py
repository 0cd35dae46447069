"""Which cases there are, and a seeded choice of them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.lab.faults.case import Case
from tests.lab.faults.faults import FAULTS
from tests.lab.faults.scenario import Bench


def cases(bench: Bench, faults: Sequence[str]) -> list[Case]:
    """Every fault at every point where it can strike."""
    start = bench.points.index("program_started")
    return [
        Case(name, point)
        for name in faults
        for point in range(len(bench.points))
        if FAULTS[name].suits(bench.scenario) and (point > start or not FAULTS[name].needs_program)
    ]


def sample(bench: Bench, seed: int, number: int, faults: Sequence[str] = ()) -> list[Case]:
    """A seeded choice: each fault once before any comes twice, at points all along the run."""
    chance = random.Random(seed)
    order = [name for name in faults or FAULTS if FAULTS[name].suits(bench.scenario)]
    chance.shuffle(order)
    names = [order[at % len(order)] for at in range(number)]
    choice = cases(bench, list(dict.fromkeys(names)))
    return [chance.choice([case for case in choice if case.fault == name]) for name in names]
