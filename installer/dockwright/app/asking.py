"""One question to a host, and its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from dockwright.channel import Channel
from dockwright.errors import UnreachableError

_MOST = 8 << 20  # bytes of an answer
_LAST = 4096  # of them that may matter for whether it is whole


def converse(start: Callable[[str], Channel], script: str, whole: Callable[[str], bool]) -> str:
    """Start a short script and give what it prints, to its end or until the answer is whole.

    ``whole`` is asked about the last of it: all of it each time would take long of a long answer.
    """
    channel = start(script)
    output, last = bytearray(), b""
    deadline = time.monotonic() + 60
    try:
        while not whole(last.decode("utf-8", "replace")):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError  # noqa: TRY301 (the same end as silence)
            data = channel.read(left)
            if not data:
                break
            output += data
            if len(output) > _MOST:
                raise UnreachableError(
                    "the host prints without end and does not answer",
                    next_step="see what its login shell and its sudo print",
                )
            last = last[-_LAST:] + data
        _read_out(channel)
    except TimeoutError:
        raise UnreachableError(
            "the host did not answer within 60 s", next_step="look at its load, then try again"
        ) from None
    finally:
        channel.close()
    return output.decode("utf-8", "replace")


def _read_out(channel: Channel) -> None:
    """Read on to the end of a script that has given its answer: its shell is free for the next one."""
    with suppress(TimeoutError, UnreachableError):
        for _ in range(16):
            if not channel.read(1.0):
                return
