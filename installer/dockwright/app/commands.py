"""Commands of this machine, run before and after a host is changed: to drain a load balancer, say.

No shell is in between: the words of a command stay words, whatever a host is called.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO, Literal

from dockwright import events
from dockwright.errors import DockwrightError, FailedError, InputError, RefusedError
from dockwright.events import Event
from dockwright.models import Host
from dockwright.runner import Stop

LIMIT = 3600.0  # seconds for one command
_TAIL = 4096  # bytes of its output that are kept
_LINES = 10
_NAMES = ("host", "address", "user", "port")
_FIELD = re.compile(r"\{(" + "|".join(_NAMES) + r")\}")


def words_of(text: str, option: str) -> tuple[str, ...]:
    """The words of a command as a shell would split them; raises InputError."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"{option}: {error}", next_step="close the quotes") from None
    if not words:
        raise InputError(f"{option} names no command", next_step="leave it out")
    return words


def filled(words: Sequence[str], host: Host) -> list[str]:
    """The words with ``{host}``, ``{address}``, ``{user}`` and ``{port}`` filled in.

    Other braces stay as they are.
    """
    values = {
        "host": host.name,
        "address": host.address or "localhost",
        "user": host.user or "",
        "port": str(host.port or 22),
    }
    return [_FIELD.sub(lambda match: values[match[1]], word) for word in words]


def run_command(
    words: Sequence[str], host: Host, stop: Stop, *, phase: Literal["before", "after"]
) -> Iterator[Event]:
    """Run a command and show what it prints.

    Raises RefusedError where one ``before`` a host fails: the host is left alone; FailedError where
    one ``after`` it fails. The second Ctrl-C ends it.
    """
    begun, line = time.monotonic(), filled(words, host)
    with tempfile.TemporaryFile() as output:
        how = _ended(line, output, stop)
        said = _end_of(output)
    if how:
        raise _failure(line, how, said, phase)
    for text in said[-_LINES:]:
        yield events.Note(host=host.name, at=time.time(), text=f"{phase}: {text}")
    yield events.PhaseFinished(
        host=host.name, at=time.time(), phase=phase, text=shlex.join(line)[:200],
        seconds=time.monotonic() - begun,
    )  # fmt: skip


def _ended(line: list[str], output: IO[bytes], stop: Stop) -> str:
    """How the command failed; empty where it did not."""
    try:
        # A session of its own keeps the first Ctrl-C away.
        child = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot be started: {getattr(error, 'strerror', None) or error}"
    deadline = time.monotonic() + LIMIT
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = child.wait(0.2)
            return f"ended with status {status}" if status else ""
        if stop.now.is_set() or time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return "was interrupted" if stop.now.is_set() else f"took more than {LIMIT:.0f} s"


def _end_of(output: IO[bytes]) -> list[str]:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL))
    return output.read().decode("utf-8", "replace").splitlines()


def _failure(line: list[str], how: str, said: list[str], phase: str) -> DockwrightError:
    command = shlex.join(line)
    details = (("command", command), *((("output", "\n".join(said)),) if said else ()))
    if phase == "before":
        return RefusedError(
            f"the command before this host {how}",
            details=details,
            step="before",
            next_step="settle what it says, then run the same command again",
        )
    return FailedError(
        f"the host is done, and the command after it {how}",
        details=details,
        step="after",
        next_step=f"run it by hand: {command}",
    )
