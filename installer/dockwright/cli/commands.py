"""All commands, in the order of the groups in --help."""

from dockwright.cli import everyday  # isort: skip
from dockwright.cli import purging  # isort: skip
from dockwright.cli import plans  # isort: skip
from dockwright.cli import look  # isort: skip
from dockwright.cli.register import typer_app

__all__ = ["everyday", "look", "plans", "purging", "typer_app"]
