"""Which packages carry running containers."""

from __future__ import annotations

from collections.abc import Iterable

from dockwright.steps.base import View

# Removing or replacing one of these ends the containers that it runs.
RUNTIMES = frozenset(
    [
        "docker.io",
        "docker-ce",
        "docker-engine",
        "moby-engine",
        "containerd",
        "containerd.io",
        "moby-containerd",
        "runc",
        "moby-runc",
        "podman-docker",
    ]
)
# With live-restore these can be upgraded below running containers; docs.docker.com, live-restore.
_LIVE = frozenset({"docker-ce", "docker-ce-cli", "containerd.io"})


def stopped(view: View, names: Iterable[str], *, live: bool) -> tuple[str, ...]:
    """The containers that stop where these packages are removed or replaced.

    ``live`` says that live-restore carries them over an upgrade.
    """
    affected = RUNTIMES.intersection(names) - (_LIVE if live else frozenset())
    return tuple(container.name for container in view.facts.containers) if affected else ()
