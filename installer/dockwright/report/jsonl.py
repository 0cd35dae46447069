"""Events as JSON, one a line: ``--json`` and ``--log``. What people later ask reports from."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from pydantic import ValidationError

from dockwright.errors import InputError
from dockwright.events import parse
from dockwright.report.streams import mute
from dockwright.report.text import clean, masked

if TYPE_CHECKING:
    from pathlib import Path

    from dockwright.events import Event


class JsonlReporter:
    """Writes each event as one line, at once. The stream is closed only if it was opened here."""

    def __init__(self, stream: TextIO, *, owned: bool = False) -> None:
        self._stream: TextIO | None = stream
        self._owned = owned
        self._whole = 0  # characters of whole lines; they are ASCII

    @classmethod
    def to_file(cls, path: Path) -> JsonlReporter:
        """A log that only its owner can read; an older one of that name is written over.

        Raises InputError where it cannot be written, or where another run writes it now.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # and never /dev/null's mode
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(descriptor, 0)
                os.fchmod(descriptor, 0o600)
        except BlockingIOError:
            raise InputError(
                "another run writes that log now",
                details=(("file", clean(str(path))),),
                next_step="name another file",
            ) from None
        except OSError as error:
            raise InputError(
                f"the log cannot be written: {error.strerror or error}",
                details=(("file", clean(str(path))),),
                next_step="name a file in a directory that exists and that you may write to",
            ) from error
        return cls(os.fdopen(descriptor, "w", encoding="utf-8"), owned=True)

    def __call__(self, event: Event) -> None:
        """Write one line."""
        if self._stream is None:
            return
        text = line(event) + "\n"
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # Whoever read along went away; the run on the host goes on.
            mute(self._stream)
            self._stream = None
        except OSError as error:
            # As with a full disk: the run goes on, and the host's own journal has all of it.
            self._give_up(error)
        else:
            self._whole += len(text)

    def close(self) -> None:
        """Close a file that was opened here."""
        if self._stream is not None and self._owned:
            self._stream.close()
        self._stream = None

    def _give_up(self, error: OSError) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if self._owned:
            with suppress(OSError):  # no half line stays, where the file can be cut
                os.ftruncate(stream.fileno(), self._whole)
        mute(stream)
        if self._owned:
            stream.close()
        sys.stderr.write(
            f"{'the log' if self._owned else 'the output'} ends here:"
            f" {error.strerror or error}; the run goes on, and the host keeps its journal\n"
        )


def read_log(path: Path) -> list[Event]:
    """The events of a log file, in order.

    A last line that was cut, as by a full disk, is left out: the run is then one that was cut short.
    Raises InputError where the file cannot be read, and names the line that is no event.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"{path} cannot be read: {reason}") from None
    found = []
    for number, text in enumerate(lines, start=1):
        try:
            found.append(parse(text))
        except ValidationError:  # noqa: PERF203 (the line is what is told)
            if found and not text.endswith("\n"):
                break
            raise InputError(f"{path}:{number}: that line is no event of a run") from None
    return found


def line(event: Event) -> str:
    """One event as JSON, without credentials, in ASCII: safe on any terminal and in any locale."""
    text = event.model_dump_json()
    if text.isascii() and "@" not in text:
        return text
    return json.dumps(_masked(json.loads(text)), separators=(",", ":"))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {masked(key): _masked(item) for key, item in value.items()}
    return value
