"""JSON objects merged by key."""

from __future__ import annotations

from typing import Any


def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of one JSON object; raises ValueError for a key that stands there twice."""
    keys = [key for key, _ in pairs]
    twins = {key for key in keys if keys.count(key) > 1}
    if twins:
        raise ValueError(f"the key {min(twins)!r} stands there twice")
    return dict(pairs)


def merge(
    current: dict[str, Any], wanted: dict[str, Any], path: str = ""
) -> tuple[dict[str, Any], list[tuple[str, Any, Any]]]:
    """``current`` with ``wanted`` merged in, and the clashes as (key, there, wanted).

    Maps are merged deeply; lists and scalars are values. Where they clash, the wanted value is in
    the result.
    """
    merged, clashes = dict(current), []
    for key, value in wanted.items():
        name = f"{path}{key}"
        there = current.get(key)
        if key in current and isinstance(there, dict) and isinstance(value, dict):
            merged[key], deeper = merge(there, value, f"{name}.")
            clashes += deeper
            continue
        if key in current and there != value:
            clashes.append((name, there, value))
        merged[key] = value
    return merged, clashes
