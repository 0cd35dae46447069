"""How many connections fit into this process: open files are what a fleet runs out of first."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockwright.app.run import Prepared
    from dockwright.events import Event

_MOST = 65_536  # more than any fleet needs; select() and friends are not used on them
_OWN = 64  # files of our own: standard streams, reports, libraries
_EACH = 4  # files of a host that is worked on: its socket, an agent's, a proxy command's


class Room:
    """Counts open connections by the limit that the system sets; see getrlimit(2)."""

    def __init__(self, forks: int) -> None:
        """Raise the soft limit as far as that is allowed, and divide it."""
        self.limit = _raised()
        self.forks = max(1, min(forks, (self.limit - _OWN) // _EACH))
        self._free = max(0, self.limit - _OWN - self.forks * _EACH)
        self._lock = threading.Lock()

    def parking(
        self, prepared: Prepared, stage: Iterator[Event], *, looks: bool = False
    ) -> Iterator[Event]:
        """A stage that looks; it ends the connection where nothing follows, or no room is left.

        ``looks`` says that nothing follows on any host.
        """
        yield from stage
        if prepared.transport is None:
            return
        if looks or prepared.finished or not prepared.due:
            prepared.close()
        elif not self._taken():
            prepared.parked = True
            prepared.close()

    def _taken(self) -> bool:
        with self._lock:
            self._free -= 1
            return self._free >= 0


def _raised() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):  # pragma: no cover  # not for us to say
            return soft
        return most
    return min(soft, _MOST) if soft != resource.RLIM_INFINITY else _MOST
