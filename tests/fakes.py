"""Hosts that answer from a script of their own: no network, no root, nothing unprepared.

A ``FakeTransport`` is given one answer for each shell that a test expects, records the
scripts, and raises on anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from dockwright.errors import UnreachableError

# Bytes are read; a word is an event on the wire; a function acts when the reader gets there.
CUT, SILENCE = "cut", "silence"
Chunk: TypeAlias = bytes | str | Callable[[], None]


class FakeChannel:
    """Gives prepared chunks of standard output, then its end."""

    def __init__(self, chunks: Iterable[Chunk], status: int = 0, errors: str = "") -> None:
        self._chunks = list(chunks)
        self._status, self._errors = status, errors
        self.closed = False

    def read(self, timeout: float) -> bytes:
        assert not self.closed, "read after close"
        while self._chunks:
            chunk = self._chunks.pop(0)
            if callable(chunk):
                chunk()
            elif chunk == CUT:
                raise UnreachableError("the connection was lost")
            elif chunk == SILENCE:
                raise TimeoutError
            else:
                assert isinstance(chunk, bytes)
                return chunk
        return b""

    def write(self, data: bytes) -> None:
        self.written = getattr(self, "written", b"") + data

    def status(self) -> int:
        return self._status

    def errors(self) -> str:
        return self._errors

    def close(self) -> None:
        self.closed = True


Answer: TypeAlias = FakeChannel | Exception | Callable[[str], FakeChannel]


@dataclass
class FakeTransport:
    """One host; ``answers`` are used up in order."""

    answers: list[Answer]
    description: str = "as root@fake"
    scripts: list[str] = field(default_factory=list)
    channels: list[FakeChannel] = field(default_factory=list)
    closed: bool = False

    def root_shell(self, script: str) -> FakeChannel:
        assert not self.closed, "a script after close"
        self.scripts.append(script)
        assert self.answers, f"nobody prepared an answer to script {len(self.scripts)}"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        channel = answer if isinstance(answer, FakeChannel) else answer(script)
        self.channels.append(channel)
        return channel

    shell = root_shell

    def close(self) -> None:
        self.closed = True
