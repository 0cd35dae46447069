"""What is loaded while a host is called and while it answers, in the order in which it is needed.

Before the call, only what checks the command line, the inventory and the playbook is loaded.
"""

from __future__ import annotations

import importlib

_NEXT = (
    *("dockwright.planner", "dockwright.trust.key", "pysequoia.packet"),
    *("dockwright.report.console", "dockwright.app.rollout", "dockwright.app.changing"),
)
_TO_PROVE = ("dockwright.renderer",)
_TO_PLAN = ("debian.deb822",)  # apt's sources are read first of all


def load_transport() -> None:
    """Load SSH in one go: two threads that import at the same time are no faster than one."""
    importlib.import_module("dockwright.transport.remote")


def load_rest(command: str) -> None:
    """Load what the answers to that command need."""
    for name in _NEXT + (_TO_PROVE if command == "verify" else _TO_PLAN):
        importlib.import_module(name)
    if command == "verify":
        from dockwright.renderer.shell import compile_templates

        compile_templates(["container_check"])
