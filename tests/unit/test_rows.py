"""Every row of the list of faults is named by a test that shows it on a host.

A row is a letter and two digits: B bad input, T trust, E environment, C concurrency, I interruption,
D the daemon, G GPUs, P purge, S fleets, X secrets. A test names its rows in its name
(``test_t14_replayed``), its docstring or its parameters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROW = r"[BCDEGIPSTX]\d\d"


def rows(letter: str, last: int, first: int = 1) -> list[str]:
    return [f"{letter}{number:02}" for number in range(first, last + 1)]


WANTED = [
    *rows("B", 21), *rows("C", 13), *rows("D", 19), *rows("E", 31), *rows("G", 17), *rows("I", 15),
    *rows("P", 19), *rows("S", 8), *rows("T", 27), *rows("X", 10),
]  # fmt: skip
# What GPUs and NVIDIA's own repository alone can prove: the lab has stand-ins for both.
HARDWARE = {"G04", "G05", "G11", "G15", "G17", "T05"}


@cache
def named(folder: str) -> dict[str, set[str]]:
    """Rows, each with the tests that name it."""
    found: dict[str, set[str]] = {}
    for path in sorted((TESTS / folder).rglob("test_*.py")):
        if path == Path(__file__):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, text in (*_functions(tree), *_tables(tree)):
            for row in re.findall(rf"\b{ROW}\b", text):
                found.setdefault(row, set()).add(f"{path.name}::{name}")
    return found


def _functions(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            parameters = [text for mark in node.decorator_list for text in _texts(mark)]
            words = " ".join(node.name.split("_")).upper()
            yield node.name, " ".join([words, ast.get_docstring(node) or "", *parameters])


def _tables(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Tables of parameters: only a text that is a row and nothing else counts there."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for text in _texts(node):
                if re.fullmatch(ROW, text):
                    yield "its tables", text


def _texts(node: ast.AST) -> list[str]:
    constants = (one.value for one in ast.walk(node) if isinstance(one, ast.Constant))
    return [value for value in constants if isinstance(value, str)]


def test_every_row_is_shown_on_a_host() -> None:
    shown = named("hosts")
    # Bad input ends before any host is contacted: a unit test shows all there is to see. A mount that
    # stays busy (P12) is shown by the deletion itself, which runs there for real. Fleets are of made-up
    # hosts: a thousand of them fit nowhere else.
    offline = {row for row in named("unit") if row.startswith(("B", "S")) or row == "P12"}
    fleets = {row for row in named("fleet") if row.startswith("S")}
    missing = [row for row in WANTED if row not in {*shown, *offline, *fleets}]
    assert not missing, "no test names these rows"


def test_what_a_lab_without_gpus_cannot_prove_is_tried_by_gpu_check() -> None:
    """Shown on a stand-in only; script/gpu-check tries the same rows on hardware."""
    text = (TESTS / "field/rows.py").read_text(encoding="utf-8")
    (table,) = [
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "ROWS"
    ]  # fmt: skip
    assert isinstance(table, ast.Dict)
    tried = {key.value for key in table.keys if isinstance(key, ast.Constant)}
    assert tried == HARDWARE <= set(WANTED)


def test_no_test_names_a_row_that_there_is_not() -> None:
    known = {*WANTED}
    assert {row: tests for row, tests in named("hosts").items() if row not in known} == {}
