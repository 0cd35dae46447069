"""A seeded sample of the sweep that ``script/faults`` makes: cut, heal, run again, compare."""

from __future__ import annotations

import os

import pytest

from tests.lab.faults import FAULTS, SCENARIOS, Bench, inject
from tests.lab.faults.choice import sample
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

SEED = int(os.environ.get("FAULTS_SEED", "20"))
# A black hole takes its 20 seconds; test_interrupt_network.py has it.
QUICK = [name for name in FAULTS if name != "blackhole"]


@pytest.fixture(scope="module", params=["fresh", "replace", "back", "purge", "gone"])
def bench(
    lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Bench:
    made = Bench(lab, request.param)
    made.learn(tmp_path_factory.mktemp("reference"))
    return made


def test_a_sample(bench: Bench) -> None:
    """I11, P13: Each case ends as an undisturbed run does; a failure prints how to repeat it."""
    number = {"fresh": 3, "replace": 1, "back": 1, "purge": 1, "gone": 1}[bench.scenario]
    outcomes = [
        inject(bench, FAULTS[case.fault], case.point) for case in sample(bench, SEED, number, QUICK)
    ]
    bad = [outcome for outcome in outcomes if outcome.wrong or outcome.stranded]
    again = [f"script/faults --scenario {bench.scenario} --case {one.case}" for one in bad]
    assert not bad, "\n".join([*map(str, bad), f"seed {SEED}", *again])


def test_every_fault_is_known() -> None:
    assert set(SCENARIOS) == {"fresh", "replace", "whole", "back", "purge", "gone"}
    assert len(FAULTS) == 12
