"""The command line: words to stages, and the one place where an exit code is set."""

import atexit
import gc
import os
import sys
from typing import NoReturn, TextIO

from dockwright.errors import Exit

__all__ = ["main"]


def main() -> NoReturn:
    """The ``dockwright`` command."""
    # What is imported lives to the end. The collector looking for garbage in it, while it comes, took
    # a quarter of a short command's processor time. A long run has enough of its own for it to look at
    # times.
    gc.set_threshold(200_000, 20, 20)
    # Else pydantic reads the metadata of all that is installed, to find plugins that could watch it.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from dockwright.cli.commands import app

    try:
        app(sys.argv[1:])()
    except SystemExit as end:
        leave(end.code)
    except Exception:  # noqa: BLE001  # told as Python would, and left as all else
        sys.excepthook(*sys.exc_info())
    leave(Exit.BUG)  # the app does not return


def leave(code: object) -> NoReturn:
    """End the process with that code, and nothing is taken apart.

    A thread that was left behind (see trust/background.py) may be in the middle of OpenSSL, whose own
    end at exit(3) takes the ground from under it: four of ten such processes died of SIGSEGV, and their
    exit code with them.
    """
    status = code if isinstance(code, int) else Exit.BUG if code else Exit.OK
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201  # as sys.exit does
    atexit._run_exitfuncs()  # noqa: SLF001  # temporary directories, and coverage's figures
    told = _flushed(sys.stdout) and _flushed(sys.stderr)
    os._exit(status if told or status else Exit.FAILED)


def _flushed(stream: TextIO | None) -> bool:
    if stream is None:  # closed before we began
        return True
    try:
        stream.flush()
    except (OSError, ValueError):  # nobody reads it any more, or the disk is full
        return False
    return True
