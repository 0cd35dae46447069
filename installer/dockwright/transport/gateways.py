"""Jump hosts, each connected to once, however many hosts lie behind it.

A connection for each target would run into the limit that sshd has for logins under way: with the
usual ``MaxStartups 10:30:100``, 20 at a time lose a quarter of them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from dockwright.errors import UnreachableError

CLOSED = 30.0  # seconds for which a jump host that did not answer is not asked again


class Closable(Protocol):
    """A connection, as far as it matters here."""

    def close(self) -> None:
        """End it."""
        ...


@dataclass
class _Shared:
    connection: Closable
    users: int = 0


@dataclass
class _Door:
    """One at a time knocks; what the last one heard holds for those that waited for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    refusal: UnreachableError | None = None
    until: float = 0.0


class Gateways:
    """Connections by what makes them the same; the last one to leave closes the door."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a jump host may have its own
        self._shared: dict[Hashable, _Shared] = {}
        self._doors: dict[Hashable, _Door] = {}

    def lease(self, key: Hashable, make: Callable[[], Closable]) -> Closable:
        """The connection of ``key``, made if there is none; to be given back by ``release``."""
        with self._lock:
            shared = self._shared.get(key)
            if shared is None:
                shared = self._shared[key] = _Shared(make())
            shared.users += 1
            return shared.connection

    def enter(self, key: Hashable, connect: Callable[[], None]) -> None:
        """Call ``connect`` for the connection of ``key``, unless that has just failed.

        Else a fleet behind a jump host that does not answer would wait for it host by host. Raises
        what ``connect`` raised, then or now.
        """
        with self._lock:
            door = self._doors.setdefault(key, _Door())
        with door.lock:
            if door.refusal is not None and time.monotonic() < door.until:
                refusal = door.refusal
                raise UnreachableError(
                    refusal.brief, details=refusal.details, next_step=refusal.next_step
                )
            try:
                connect()
            except UnreachableError as error:
                door.refusal, door.until = error, time.monotonic() + CLOSED
                raise
            door.refusal = None

    def release(self, key: Hashable) -> None:
        """Give a lease back; the connection is closed when it was the last."""
        with self._lock:
            shared = self._shared[key]
            shared.users -= 1
            if shared.users:
                return
            del self._shared[key]
        shared.connection.close()


def closing_quietly(channel: Any) -> Any:
    """A channel through a jump host, which may be gone before the connection in it is closed.

    Paramiko's thread would print a traceback of that on standard error.
    """
    closed = channel.close

    def close() -> None:
        with contextlib.suppress(EOFError, OSError):
            closed()

    channel.close = close
    return channel
