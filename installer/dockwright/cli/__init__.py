"""The command line: words to stages, and the one place where an exit code is set."""

from typing import NoReturn

# The order of these is the order of the groups in --help.
from dockwright.cli import everyday  # isort: skip
from dockwright.cli import purging  # isort: skip
from dockwright.cli import plans  # isort: skip
from dockwright.cli import look  # isort: skip
from dockwright.cli.register import typer_app
from dockwright.errors import Exit

__all__ = ["everyday", "look", "main", "plans", "purging", "typer_app"]


def main() -> NoReturn:
    """The ``dockwright`` command."""
    typer_app()
    raise SystemExit(Exit.BUG)  # typer_app does not return
