"""What is loaded while a host is called and while it answers, in the order in which it is needed.

Before the call, only what checks the command line, the inventory and the playbook is loaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable

from dockwright.models import Host

_NEXT = (
    *("dockwright.planner", "dockwright.trust.key", "pysequoia.packet"),
    *("dockwright.report.console", "dockwright.app.rollout", "dockwright.app.changing"),
)
_TO_PROVE = ("dockwright.renderer",)
_TO_PLAN = ("debian.deb822",)  # apt's sources are read first of all
_TO_CHANGE = (
    lambda: importlib.import_module("dockwright.trust.fetch").make_ready(),
    lambda: importlib.import_module("dockwright.app.consulting"),
    lambda: importlib.import_module("dockwright.app.probing"),
)


def load_transport(hosts: Iterable[Host], transport: str) -> None:
    """Load SSH in one go, where a host needs it: two threads that import are no faster than one."""
    ways = {host.transport or transport for host in hosts if not host.local}
    if ways - {"openssh"}:
        importlib.import_module("dockwright.transport.remote")


def load_rest(command: str, answered: Callable[[], bool]) -> None:
    """Load what the answers to that command need.

    What only a host needs where something is to be changed is loaded until it has ``answered``: by then
    it is known whether it does.
    """
    for name in _NEXT + (_TO_PROVE if command == "verify" else _TO_PLAN):
        importlib.import_module(name)
    if command == "verify":
        from dockwright.renderer.shell import compile_templates

        compile_templates(["container_check"])
    for load in _TO_CHANGE if command in ("install", "apply") else ():
        if answered():
            break
        load()
