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


class Snap(Frozen):
    """An installed snap that matters here; ``data_kib`` is the size of its data, where it was told."""

    name: str
    version: str
    enabled: bool = True
    data_kib: int | None = None

    @property
    def data(self) -> str:
        """The size of its data in words."""
        if self.data_kib is None:
            return "of unknown size"
        return f"{self.data_kib / 1024:.0f} MiB"
