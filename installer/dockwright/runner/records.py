"""The records of a program: framed lines from the host, read as bytes come."""

from __future__ import annotations

import base64
import binascii
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dockwright.channel import Channel
from dockwright.errors import UnreachableError

# Seconds between looks at the clock and the stop flags while nothing comes. A fleet feels each.
POLL = 1.0
_LINE_LIMIT = 4 * 1024 * 1024  # bytes; a host may be hostile
_NOISE_LIMIT = 8 * 1024 * 1024  # bytes in a row without one record of ours
# Answers of the launcher and the follower: not part of the record file, so not of the offset.
_NOT_IN_FILE = frozenset(
    {"started", "joined", "last", "none", "busy", "refused", "gone", "unknown"}
)


@dataclass(frozen=True)
class Record:
    """One record of a program; ``uptime`` is the host's, in seconds."""

    type: str
    step: str
    uptime: float
    text: str

    @property
    def decoded(self) -> str:
        """Free text, which travels as base64."""
        try:
            return base64.b64decode(self.text, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return ""


def read_records(channel: Channel, run_id: str, *, timeout: float) -> Iterator[Record]:
    """The records that a script prints, to its end; other output is dropped.

    Raises UnreachableError when no record came for ``timeout`` seconds, or noise without end.
    """
    lines = Lines(channel, {run_id})
    quiet = time.monotonic()
    while True:
        try:
            found = lines.next(POLL)
        except TimeoutError:
            found = []
        if found is None:
            return
        if found:
            quiet = time.monotonic()
            yield from found
        elif time.monotonic() - quiet > timeout:
            raise UnreachableError(
                f"no answer for {timeout:.0f} s",
                next_step="look at the host's load, then try again",
            )


class Lines:
    """Bytes of a channel to records; counts what belongs to the record file."""

    def __init__(self, channel: Channel, run_ids: set[str], offset: int = 0) -> None:
        self._channel = channel
        self._ids = run_ids
        self._rest = b""
        self._noise = 0
        self.offset = offset

    def next(self, timeout: float) -> list[Record] | None:
        """The records that came, possibly none; ``None`` at the end of the stream."""
        data = self._channel.read(timeout)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = [record for line in lines if (record := self._record(line)) is not None]
        self._noise = 0 if found else self._noise + len(data)
        if len(self._rest) > _LINE_LIMIT or self._noise > _NOISE_LIMIT:
            what = "a line" if len(self._rest) > _LINE_LIMIT else "what is not ours"
            raise UnreachableError(
                f"the host printed {what} without end",
                next_step="look at what the login shell, sudo and the tools in its PATH print there",
            )
        return found

    def _record(self, line: bytes) -> Record | None:
        words = line.decode("utf-8", "replace").split(" ", 5)
        if len(words) < 4 or words[0] != "dw1" or words[1] not in self._ids:
            return None
        kind, step, uptime, text = (*words[2:], "", "")[:4]
        if kind in ("joined", "last"):
            self._ids.add(text)
        if kind not in _NOT_IN_FILE:
            self.offset += len(line) + 1
        return Record(kind, step, number(uptime), text)


def number(text: str) -> float:
    """A number that a host wrote; 0 where it is none."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
