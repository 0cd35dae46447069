"""The end of a stream: what messages show of it, however much came."""

from __future__ import annotations

TAIL = 64 << 10


class Tail:
    """The last 64 KiB of a stream."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, data: bytes) -> None:
        """Append ``data`` and forget what is too old."""
        self._bytes += data
        del self._bytes[:-TAIL]

    def text(self) -> str:
        """What is kept, decoded as UTF-8 with replacements."""
        return self._bytes.decode(errors="replace")
