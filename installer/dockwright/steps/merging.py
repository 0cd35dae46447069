"""JSON objects merged by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def appended(keys: dict[str, Any], lists: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """``keys`` with each entry of ``lists`` that its list lacks at the end of it; others stay.

    An address with a slash behind it is the same as one without. Raises ValueError where a key
    is there and is not a list.
    """
    whole = dict(keys)
    for key, wanted in lists.items():
        there = whole.get(key, [])
        if not isinstance(there, list):
            raise ValueError(f"{key} is not a list")  # noqa: TRY004  # as json says what is no JSON
        known = {str(entry).rstrip("/") for entry in there}
        new = [entry for entry in wanted if entry.rstrip("/") not in known]
        if new:
            whole[key] = [*there, *new]
    return whole
