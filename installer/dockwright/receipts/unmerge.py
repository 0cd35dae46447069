"""Take our keys out of a file that was merged: a merge of three, backwards. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dockwright.events import Merged


def unmerged(current: str, merges: Iterable[Merged]) -> tuple[str | None, tuple[str, ...]]:
    """The file without what runs merged into it, and our keys that somebody changed since.

    ``merges`` are the runs' in their order. Where nobody touched the file since it was merged, the
    very bytes of before return, ``None`` where there was no file. Raises ValueError where the file
    is no JSON object any more.
    """
    text: str | None = current
    kept: list[str] = []
    for merge in reversed(tuple(merges)):
        if text is None:
            break
        if merge.after is None:
            continue
        if text == merge.after:
            text = merge.before
            continue
        there, ours, base = _object(text), _object(merge.after), _object(merge.before or "")
        left, changed = _take_out(there, ours, base)
        kept += changed
        if left == there:
            continue
        if left == base:
            text = merge.before
        else:
            text = json.dumps(left, indent=2, ensure_ascii=False) + "\n"
    return text, tuple(dict.fromkeys(kept))


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("it is not an object")  # noqa: TRY004  # as json says what is no JSON
    return value


def _take_out(
    there: dict[str, Any], ours: dict[str, Any], base: dict[str, Any], path: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """``there`` with each value that we set as it is in ``base``; and what is neither."""
    left, kept = dict(there), []
    for key, value in ours.items():
        before = base.get(key)
        if key not in there or (key in base and before == value):
            continue  # gone already, or never ours
        now = there[key]
        if now == value:
            if key in base:
                left[key] = before
            else:
                del left[key]
        elif isinstance(now, dict) and isinstance(value, dict):
            inner = before if isinstance(before, dict) else {}
            left[key], deeper = _take_out(now, value, inner, f"{path}{key}.")
            kept += deeper
            if not left[key] and key not in base:
                del left[key]
        elif key not in base or now != before:
            kept.append(f"{path}{key}")
    return left, kept
