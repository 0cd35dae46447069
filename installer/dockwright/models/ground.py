"""What a host tells of the ground that Docker stands on: its file systems, networks and daemons."""

from __future__ import annotations

from ipaddress import IPv4Network

from pydantic import Field

from dockwright.models.fields import Frozen


class Route(Frozen):
    """A network that the host reaches by an interface of its own."""

    interface: str
    network: IPv4Network

    @property
    def of_docker(self) -> bool:
        """Whether it is one of Docker's own."""
        return self.interface.startswith(("docker", "br-", "veth"))


class Ground(Frozen):
    """``exec_start`` is dockerd's command line as systemd has it, drop-ins counted in.

    ``read_only`` are folders that packages write to and root cannot, ``rootless`` the sockets of
    users' own daemons, ``firewalls`` what else has rules for packets: ufw or firewalld. ``pins`` has
    the files of apt's preferences in which Docker occurs, with their text.
    """

    exec_start: str = ""
    routes: tuple[Route, ...] = ()
    read_only: tuple[str, ...] = ()
    rootless: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = ()
    pins: dict[str, str] = Field(default_factory=dict)
