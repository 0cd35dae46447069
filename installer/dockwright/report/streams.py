"""What a reporter does when nobody reads its output any more."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import IO


def mute(stream: IO[str]) -> None:
    """Send what is still in the stream's buffer nowhere.

    Else the interpreter fails to write it at its end, complains, and exits with 120.
    """
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
