"""What a host tells of its daemon."""

from __future__ import annotations

from dockwright.models.fields import Frozen


class Container(Frozen):
    """A running container."""

    id: str
    name: str
    image: str


class Daemon(Frozen):
    """What dockerd answered; ``None`` values were not told."""

    version: str
    live_restore: bool = False
    swarm: str = "inactive"
    data_root: str = ""
    driver: str = ""
