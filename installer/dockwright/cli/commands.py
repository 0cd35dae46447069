"""All commands, in the order of the groups in --help."""

from dockwright.cli import everyday  # isort: skip
from dockwright.cli import purging  # isort: skip
from dockwright.cli import plans  # isort: skip
from dockwright.cli import look  # isort: skip
from dockwright.cli.register import app

__all__ = ["app", "everyday", "look", "plans", "purging"]
