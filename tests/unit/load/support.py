"""Types and texts that the tests of loading share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dockwright.load import Inventory

Write: TypeAlias = Callable[..., None]
Errors: TypeAlias = Callable[..., list[str]]
Read: TypeAlias = Callable[..., Inventory]

SITE = """\
playbook: site
summary: Mine
components: [own]
"""
STEP = "steps:\n  - {kind: service, name: run, unit: docker.service}\n"


def steps(*lines: str) -> str:
    """A component's steps, from their lines."""
    return "steps:\n" + "".join(f"  {line}\n" for line in lines)
