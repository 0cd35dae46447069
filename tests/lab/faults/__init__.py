"""Cut an install anywhere, heal, run the same command once more, and look at what came of it.

A *point* is a moment of an undisturbed run: an event of the controller before the program runs, or
a record of the program's journal. A *case* is a fault at a point. ``script/faults`` tries them all.
"""

from __future__ import annotations

from tests.lab.faults.case import Case, Outcome, inject
from tests.lab.faults.faults import FAULTS, Fault
from tests.lab.faults.scenario import SCENARIOS, Bench

__all__ = ["FAULTS", "SCENARIOS", "Bench", "Case", "Fault", "Outcome", "inject"]
