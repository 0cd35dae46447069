"""The streams of one command over an SSH channel, read without polling.

A Paramiko channel keeps two buffers that a thread of the transport fills, and one window for
both: whoever reads only one of them stalls when the other has taken the window (2 MiB). Here both
buffers wake one event, and each wait looks at both.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from dockwright.errors import UnreachableError
from dockwright.transport.tail import Tail

if TYPE_CHECKING:
    from typing import Any

CHUNK = 64 << 10
WRITE_LIMIT = 60.0  # seconds without any room in the channel's window
STATUS_LIMIT = 60.0  # seconds between the end of output and the status


class _Waker:
    """What Paramiko takes for an event. Only its reader clears it, or a wake-up would be lost."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.set = self.event.set

    def clear(self) -> None:
        """A buffer was emptied; the other one may not be."""


class SshWire:
    """See ``root.Wire``. ``session`` is an open ``paramiko.Channel``; ``who`` is for messages."""

    def __init__(self, session: Any, who: str) -> None:
        self._session = session
        self._who = who
        self._closed = False
        self._errors = Tail()
        self._waker = _Waker()
        session.settimeout(WRITE_LIMIT)
        session.in_buffer.set_event(self._waker)
        session.in_stderr_buffer.set_event(self._waker)

    def read(self, timeout: float) -> bytes:
        """See ``Channel.read``."""
        deadline = time.monotonic() + timeout
        while True:
            # In this order: what comes after each look wakes us, or is seen by the next look.
            self._waker.event.clear()
            ended = self._session.eof_received or self._session.closed
            self._drain_errors()
            if self._session.recv_ready():
                return bytes(self._session.recv(CHUNK))
            if ended:
                return self._end()
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._waker.event.wait(left)

    def write(self, data: bytes) -> None:
        """See ``Wire.write``."""
        try:
            self._session.sendall(data)
        except Exception as error:  # OSError, EOFError, SSHException, timeouts
            raise self._lost() from error

    def status(self) -> int:
        """See ``Channel.status``."""
        # A lost connection sets this event too.
        self._session.status_event.wait(STATUS_LIMIT)
        self._drain_errors()
        status = int(self._session.exit_status)
        if status < 0:
            raise self._lost()
        return status

    def errors(self) -> str:
        """See ``Channel.errors``."""
        self._drain_errors()
        return self._errors.text()

    def close(self) -> None:
        """See ``Channel.close``."""
        self._closed = True
        with contextlib.suppress(Exception):  # as in write; all that matters is that it is over
            self._session.shutdown_write()
            self._session.close()

    def _end(self) -> bytes:
        if self._closed or self._session.eof_received or self._session.exit_status >= 0:
            return b""
        raise self._lost()

    def _lost(self) -> UnreachableError:
        transport = self._session.transport
        # A broken connection is seen by its channels a moment before it is told to be one.
        deadline = time.monotonic() + 0.5
        while transport is not None and transport.is_active() and time.monotonic() < deadline:
            time.sleep(0.02)
        if transport is not None and transport.is_active():
            return UnreachableError(f"{self._who}: the command was ended without a status")
        return UnreachableError(
            f"{self._who}: the connection was lost",
            next_step="what was running on the host may still be running; run the same command"
            " again to join it",
        )

    def _drain_errors(self) -> None:
        while self._session.recv_stderr_ready():
            self._errors.add(self._session.recv_stderr(CHUNK))
