"""Step kind ``nvidia_runtime``: dockerd knows NVIDIA's runtime, by keys in its daemon.json."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Literal

from dockwright.models import Facts
from dockwright.steps.daemon_json import MergesDaemonJson

RUNTIME = {"args": [], "path": "nvidia-container-runtime"}  # as nvidia-ctk writes it
CDI_BY_ITSELF = (28, 3)  # the Engine that has CDI on by default; before it, features.cdi


class NvidiaRuntime(MergesDaemonJson):
    """``runtimes.nvidia``; ``default-runtime`` is changed only with ``default``.

    A registration that is there already, with a path of its own to the same program, stays.
    """

    kind: Literal["nvidia_runtime"]
    default: bool = False

    def wanted(self, facts: Facts) -> dict[str, Any]:
        """The keys for that host: CDI has to be asked for where dockerd is old, or not known yet."""
        keys: dict[str, Any] = {}
        if not _registered(facts, self.path):
            keys["runtimes"] = {"nvidia": RUNTIME}
        if self.default:
            keys["default-runtime"] = "nvidia"
        if facts.daemon is None or _number(facts.daemon.version) < CDI_BY_ITSELF:
            keys["features"] = {"cdi": True}
        return keys


def _registered(facts: Facts, path: str) -> bool:
    """Whether the file registers NVIDIA's runtime in other words than ours.

    nvidia-docker2 wrote ``runtimeArgs``, which is dockerd's own word for what we call ``args``.
    """
    file = facts.file(path)
    with suppress(ValueError, AttributeError, LookupError, TypeError):
        there = json.loads((file and file.content) or "{}")["runtimes"]["nvidia"]
        if "runtimeArgs" in there or there["path"] != RUNTIME["path"]:
            return bool(there["path"].rpartition("/")[2] == RUNTIME["path"])
    return False


def _number(version: str) -> tuple[int, ...]:
    """``(26, 1)`` of ``26.1.5+dfsg1``."""
    parts = version.split(".")[:2]
    return tuple(int(part) if part.isdecimal() else 0 for part in parts)
