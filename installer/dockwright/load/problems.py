"""Errors in what people wrote: where each one is, collected, and raised all at once."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dockwright.errors import InputError
from dockwright.models import Origin

_SHOWN = 60
_MESSAGE_CAP = 400
_LISTED = 200
# A password in a URL must reach no log.
_USERINFO = re.compile(r"(?<=://)[^/\s]*@")
_PASSWORD = re.compile(r"(?i)(pass\w*\s*=).*")


@dataclass(frozen=True, order=True)
class Spot:
    """A place: line and column of a file, both from 1, or an option (line 0)."""

    where: str
    line: int = 0
    column: int = 0

    @property
    def origin(self) -> Origin:
        """The place as plans and receipts know it."""
        return Origin(where=self.where, line=self.line or None)

    def __str__(self) -> str:
        """``site.yaml:14:9``, or the option's name."""
        return f"{self.where}:{self.line}:{self.column}" if self.line else self.where


class Place(NamedTuple):
    """Where a value was written, what messages call it, and its characters where it is not text.

    ``derived`` says that the value was only made of what stands there.
    """

    spot: Spot
    name: str
    raw: str | None = None
    derived: bool = False


@dataclass
class Problems:
    """What is wrong with one playbook and all that goes into it."""

    # Each with whether it only follows from another one at the same place.
    found: dict[tuple[Spot, str], bool] = field(default_factory=dict)
    _closed: set[Spot] = field(default_factory=set)

    def add(self, spot: Spot, message: str, *, last: bool = False, derived: bool = False) -> None:
        """Note one; the same one twice counts once.

        ``last`` is for a value that could not be read: what else seems wrong with it is no news.
        ``derived`` is for a value that was made of the one at ``spot``: told only where nothing is
        wrong with that itself.
        """
        if spot not in self._closed:
            self.found.setdefault((spot, _harmless(message)), derived)
        if last:
            self._closed.add(spot)

    def mentions(self, where: str) -> bool:
        """Whether anything is wrong with that file already."""
        return any(spot.where == where for spot, _ in self.found)

    @property
    def lines(self) -> tuple[str, ...]:
        """Each as ``file:line:col: message``, in the order of files as read, then of lines."""
        files = {spot.where: None for spot, _ in self.found}
        order = {where: number for number, where in enumerate(files)}
        direct = {spot for (spot, _), derived in self.found.items() if not derived}
        told = [
            item for item, derived in self.found.items() if not derived or item[0] not in direct
        ]
        ranked = sorted(told, key=lambda item: (order[item[0].where], item[0]))
        return tuple(f"{spot}: {message}" for spot, message in ranked)

    def stop_here(self, what: str) -> None:
        """Raise all that was found as one InputError; do nothing where nothing was."""
        lines = self.lines
        if lines:
            count = "1 error" if len(lines) == 1 else f"{len(lines)} errors"
            details = [("error", line) for line in lines[:_LISTED]]
            if len(lines) > _LISTED:
                details.append(("error", f"and {len(lines) - _LISTED} more"))
            raise InputError(
                f"{count} in {what}; no host was contacted",
                details=tuple(details),
            )


def _harmless(message: str) -> str:
    """A message as a terminal and a log may have it, however odd the file was that it quotes."""
    text = "".join(char if char.isprintable() else "?" for char in message)
    text = _PASSWORD.sub(r"\1***", _USERINFO.sub("***@", text))
    return text if len(text) <= _MESSAGE_CAP else f"{text[: _MESSAGE_CAP - 3]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'docker_version'?``, or nothing where no name is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def shown(value: Any) -> str:
    """A value for a message: on one line and short."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    # Masked before it is cut: the cut could take the @ away by which it is known.
    text = _USERINFO.sub("***@", text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def type_name(value: Any) -> str:
    """What a value is, in the words of the file: text, a number, true or false, a list, a map."""
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a map"}
    return names.get(type(value), "empty")


def words(path: tuple[str | int, ...]) -> str:
    """What a message calls the value at a path: ``'users'``, or ``item 2 of 'users'``."""
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return ""
    item = path[-1]
    return f"item {item + 1} of {names[-1]!r}" if isinstance(item, int) else repr(names[-1])
