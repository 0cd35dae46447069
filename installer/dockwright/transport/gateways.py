"""Jump hosts, each connected to once, however many hosts lie behind it.

A connection for each target would run into the limit that sshd has for logins under way: with the
usual ``MaxStartups 10:30:100``, 20 at a time lose a quarter of them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol


class Closable(Protocol):
    """A connection, as far as it matters here."""

    def close(self) -> None:
        """End it."""
        ...


@dataclass
class _Shared:
    connection: Closable
    users: int = 0


class Gateways:
    """Connections by what makes them the same; the last one to leave closes the door."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a jump host may have its own
        self._shared: dict[Hashable, _Shared] = {}

    def lease(self, key: Hashable, make: Callable[[], Closable]) -> Closable:
        """The connection of ``key``, made if there is none; to be given back by ``release``."""
        with self._lock:
            shared = self._shared.get(key)
            if shared is None:
                shared = self._shared[key] = _Shared(make())
            shared.users += 1
            return shared.connection

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
