"""The command line: words to stages, and the one place where an exit code is set."""

import atexit
import gc
import os
import sys
from typing import NoReturn

from dockwright.errors import Exit

__all__ = ["main"]


def main() -> NoReturn:
    """The ``dockwright`` command."""
    # What is imported lives to the end. The collector looking for garbage in it, while it comes and
    # once more at the exit, took a quarter of a short command's processor time. A long run has enough
    # of its own for it to look at times.
    gc.set_threshold(200_000, 20, 20)
    atexit.register(gc.freeze)
    # Else pydantic reads the metadata of all that is installed, to find plugins that could watch it.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from dockwright.cli.commands import app

    app(sys.argv[1:])()
    raise SystemExit(Exit.BUG)  # the app does not return
