"""The lines of an answer, read as data: a host may be hostile."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence


def one(told: Mapping[str, Sequence[str]], key: str, default: str = "") -> str:
    """The first line of a key, without the blanks around it."""
    values = told.get(key)
    return values[0].strip() if values else default


def rows(told: Mapping[str, Sequence[str]], key: str, count: int) -> Iterator[tuple[str, ...]]:
    """Each line of a key as ``count`` words; those that are not there are empty."""
    for rest in told.get(key, ()):
        words = printable(rest).split(" ")
        yield tuple([*words, *[""] * count][:count])


def octets(encoded: str) -> bytes:
    """What base64 says; nothing where it is none (``=`` stands for an empty file)."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def decoded(encoded: str) -> str:
    """The text that base64 says."""
    return octets(encoded).decode("utf-8", "replace")


def printable(text: str, keep: str = "") -> str:
    """The text with a blank for what cannot be printed."""
    allowed: Callable[[str], bool] = lambda c: c.isprintable() or c in keep  # noqa: E731
    return "".join(c if allowed(c) else " " for c in text).strip()


def whole(text: str) -> int:
    """A whole number, 0 where it is none."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0
