"""How the tests are run."""

from __future__ import annotations

import gc
import os
from collections import defaultdict

import pytest
from hypothesis import settings

# What its assertions compare is shown as in a test.
pytest.register_assert_rewrite("tests.hosts.support")

# Machines that are shared take their time now and then.
settings.register_profile("quick", deadline=None, max_examples=10)
settings.register_profile("thorough", deadline=None)

# What is imported and collected is no garbage, and the collector would look through it again and again.
gc.set_threshold(100_000, 50, 50)

# Side by side: a lab waits for a fifth of its time, and wants up to two gigabytes for its hosts.
LABS, GIB = 3, 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole",
        action="store_true",
        help="every cell of the matrices, and not each row on some of its hosts",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The plain run is for while one works: properties are tried on fewer examples."""
    settings.load_profile("quick" if _plain(config) else "thorough")


def _plain(config: pytest.Config) -> bool:
    return str(config.option.markexpr).startswith("not lab")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Tests that need no lab run on all cores; with labs, each worker has one of its own."""
    cores = os.cpu_count() or 1
    if _plain(config):
        return cores
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    return max(1, min(cores + 1, LABS, memory // GIB - 1))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test that is marked ``sampled(NAME, N)``, take only N values of its parameter NAME.

    The N are spread evenly over the values, and each next test begins one value further on: every
    row is seen on N hosts and every host sees its share of the rows. What somebody asks for by its
    node id is one value, and is taken. A test marked ``deep`` is a second, slow look at what others
    see too: it is taken whole, or where it is asked for by its node id.
    """
    if config.getoption("--whole"):
        return
    deep = [item for item in items if item.get_closest_marker("deep")]
    if not any("::" in word for word in config.args):
        _leave(config, items, deep)
    rows: dict[str, list[pytest.Item]] = defaultdict(list)
    numbers: dict[str, int] = {}
    for item in items:
        spec = getattr(item, "callspec", None)
        params: dict[str, object] = spec.params if spec else {}
        # The nearest mark counts; a module may have one for each of its parameters.
        marks = (mark.args for mark in item.iter_markers("sampled"))
        name, number = next((args for args in marks if args[0] in params), ("", 0))
        if not name:
            continue
        rest = sorted((key, repr(value)) for key, value in params.items() if key != name)
        row = f"{item.nodeid.partition('[')[0]} {rest}"
        rows[row].append(item)
        numbers[row] = number
    left = [
        item
        for at, (row, cells) in enumerate(rows.items())
        for item in set(cells) - set(_spread(cells, numbers[row], at))
    ]
    _leave(config, items, left)


def _leave(config: pytest.Config, items: list[pytest.Item], left: list[pytest.Item]) -> None:
    """Take tests out of those that are run."""
    if left:
        config.hook.pytest_deselected(items=left)
        gone = set(left)
        items[:] = [item for item in items if item not in gone]


def _spread(cells: list[pytest.Item], number: int, begin: int) -> list[pytest.Item]:
    count = len(cells)
    return [cells[(begin + step * count // number) % count] for step in range(min(number, count))]
