"""How the tests are run."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole",
        action="store_true",
        help="every cell of the matrices, and not each row on some of its hosts",
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Tests that need no lab run on all cores; a lab and its hosts are one worker's at a time."""
    if not config.option.markexpr.startswith("not lab"):
        return 0
    return os.cpu_count() or 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test that is marked ``sampled(NAME, N)``, take only N values of its parameter NAME.

    The N are spread evenly over the values, and each next test begins one value further on: every
    row is seen on N hosts and every host sees its share of the rows. What somebody asks for by its
    node id is one value, and is taken.
    """
    if config.getoption("--whole"):
        return
    rows: dict[str, list[pytest.Item]] = defaultdict(list)
    numbers: dict[str, int] = {}
    for item in items:
        mark, spec = item.get_closest_marker("sampled"), getattr(item, "callspec", None)
        if mark is None or spec is None or mark.args[0] not in spec.params:
            continue
        name, number = mark.args
        rest = sorted((key, repr(spec.params[key])) for key in spec.params if key != name)
        row = f"{item.nodeid.partition('[')[0]} {rest}"
        rows[row].append(item)
        numbers[row] = number
    left = {
        item
        for at, (row, cells) in enumerate(rows.items())
        for item in set(cells) - set(_spread(cells, numbers[row], at))
    }
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def _spread(cells: list[pytest.Item], number: int, begin: int) -> list[pytest.Item]:
    count = len(cells)
    return [cells[(begin + step * count // number) % count] for step in range(min(number, count))]
