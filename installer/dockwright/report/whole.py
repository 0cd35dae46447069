"""Reports that are written whole at the end: their file is never half of one.

That the file can be written is tried at once, before any host is contacted. A new file is for its
owner only, as the log is: a report holds names of hosts and what stands in their files. A file
that is there keeps its mode, so that whoever publishes reports decides who reads them.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dockwright.errors import FailedError, InputError
from dockwright.report.fleet import Fleet
from dockwright.report.streams import mute
from dockwright.report.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockwright.events import Event


class WholeReporter:
    """Takes all events, then writes what ``render`` makes of them; of no event it makes nothing."""

    def __init__(self, render: Callable[[Fleet], str], stream: TextIO) -> None:
        self._fleet = Fleet()
        self._render = render
        self._stream: TextIO | None = stream

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self._fleet.take(event)

    def close(self) -> None:
        """Write the report. Raises FailedError where a file can't be written."""
        stream, self._stream = self._stream, None
        if stream is None or not self._fleet.events:
            return
        try:
            stream.write(self._render(self._fleet))
            stream.flush()
        except BrokenPipeError:
            mute(stream)


class WholeFile(io.StringIO):
    """A text that takes the place of a file when it is flushed: all of it, or nothing.

    Raises InputError at once where it will not be possible.
    """

    def __init__(self, path: Path, what: str) -> None:
        super().__init__()
        self._what = what
        self._named = path
        try:
            self._before = _look(path)
            # A device is written to as it is; a link stays, and what it points to is new.
            self._direct = _is_stream(path, self._before)
            self._path = path if self._direct else path.resolve()
            if not self._direct:
                descriptor, draft = self._draft()
                os.close(descriptor)
                Path(draft).unlink()
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before 3.13
            raise InputError(
                f"the {what} cannot be written: {getattr(error, 'strerror', None) or error}",
                details=(("file", clean(str(path))),),
                next_step="name a file in a directory that exists and that you may write to",
            ) from error

    def flush(self) -> None:
        """Write what there is. Raises FailedError."""
        if self.closed or not self.getvalue():
            return
        try:
            self._replace(self.getvalue())
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FailedError(
                f"the {self._what} could not be written: {error.strerror or error}",
                details=(("file", clean(str(self._named))),),
                next_step="where there is a log of the run: dockwright report RUN.jsonl makes it again",
            ) from error

    def _draft(self) -> tuple[int, str]:
        return tempfile.mkstemp(prefix=f".{self._path.name[:80]}.", dir=self._path.parent)

    def _replace(self, text: str) -> None:
        if self._direct:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(text)
            return
        descriptor, draft = self._draft()
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
                if self._before is not None:
                    with contextlib.suppress(OSError):  # only root may give files away
                        os.fchown(descriptor, self._before.st_uid, self._before.st_gid)
                    os.fchmod(descriptor, stat.S_IMODE(self._before.st_mode))
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            Path(draft).replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(draft).unlink()
            raise


def _look(path: Path) -> os.stat_result | None:
    """What is there; raises OSError where it is nothing that can be written over."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return found


def _is_stream(path: Path, found: os.stat_result | None) -> bool:
    """Whether it is a device, a pipe, or one of our own streams such as /dev/stdout."""
    ours = path.is_absolute() and path.parts[1:2] in (("dev",), ("proc",))
    return found is not None and (ours or not stat.S_ISREG(found.st_mode))
