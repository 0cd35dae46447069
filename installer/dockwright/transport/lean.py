"""Loads invoke without the testing tools that it brings along.

``invoke.context`` imports ``unittest.mock`` for its MockContext, which nobody here uses; with it come
asyncio and ssl, together a tenth of all the processor time of a command. Paramiko and Fabric import
invoke, so this comes before them.
"""

from __future__ import annotations

import sys
from types import ModuleType

_NAME = "unittest.mock"


def load_invoke() -> None:
    """Import invoke; where ``unittest.mock`` is not there yet, with an empty class in its place."""
    if _NAME in sys.modules:
        import invoke
    else:
        sys.modules[_NAME] = stand_in = ModuleType(_NAME)
        stand_in.Mock = object  # type: ignore[attr-defined]
        try:
            import invoke  # noqa: F401
        finally:
            del sys.modules[_NAME]


load_invoke()
