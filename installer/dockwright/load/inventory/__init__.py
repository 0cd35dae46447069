"""Hosts, groups and variables from inventories: our own form, and Ansible's three.

``read_inventories`` reads them all; what is wrong is collected, together with what a playbook finds
wrong with the variables, and raised at once by ``stop_here``. No host is contacted, and no
inventory is executed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ValidationError

from dockwright.load.inventory.tree import SETTINGS, Tree
from dockwright.load.problems import Problems, Spot
from dockwright.load.values import Given
from dockwright.models import Host

__all__ = ["Inventory", "read_inventories"]

_LOCAL = ("local", "localhost")


@dataclass
class Inventory:
    """All that the inventories of a command say.

    ``environment`` says that they are named by the environment, not on the command line.
    """

    names: tuple[str, ...] = ()
    tree: Tree = field(default_factory=Tree)
    environment: bool = False
    beside: tuple[str, ...] = ()

    @property
    def problems(self) -> Problems:
        """What is wrong."""
        return self.tree.problems

    @property
    def what(self) -> str:
        """The inventories as messages call them."""
        return ", ".join(self.names)

    def stop_here(self) -> None:
        """Raise all that was found wrong as one InputError."""
        self.problems.stop_here(self.what)

    def hosts(self, *, user: str | None = None) -> dict[str, Host]:
        """The hosts by name, in order; two names of one machine are noted.

        ``user`` is the command line's, which comes before the inventory's.
        """
        found: dict[str, Host] = {}
        seen: dict[tuple[object, ...], str] = {}
        for name in self.tree.hosts:
            host = self._host(name, user)
            if host is None:
                continue
            found[name] = host
            key = (host.address and host.address.lower(), host.port or 22, host.jump)
            first = seen.setdefault(key, name)
            if first != name:
                here, there = self.tree.hosts[name].spot, self.tree.hosts[first].spot
                where = f"{host.address}, port {host.port or 22}" if host.address else "this one"
                message = f"host {name!r} is the same machine as {first!r} at {there}: {where}"
                self.problems.add(here, message)
        return found

    def variables(self, host: str, known: Iterable[str]) -> dict[str, Given]:
        """The variables of a host, as far as they are known; contradictions are noted."""
        names = sorted(self.tree.variable_names(host).intersection(known))
        said = ((name, self.tree.variable(host, name)) for name in names)
        return {name: given for name, given in said if given is not None}

    def _host(self, name: str, user: str | None) -> Host | None:
        said = {key: self.tree.setting(name, key) for key in SETTINGS}
        given = {key: one.value for key, one in said.items() if one is not None}
        address = given.get("address")
        way = given.get("transport") or ("local" if name in _LOCAL and not address else "ssh")
        if way == "local" and address is not None:
            at = said["transport"] or said["address"]
            spot = at.spot if at else self.tree.hosts[name].spot
            self.problems.add(spot, f"host {name!r} is local and has an address: which is it?")
        identity = given.get("identity")
        try:
            return Host(
                name=name,
                address=None if way == "local" else address or name,
                user=user or given.get("user"),
                port=given.get("port"),
                identity=(identity,) if identity else (),
                jump=given.get("jump"),
                transport="openssh" if way == "openssh" else None,
            )
        except ValidationError:  # noted where it was written
            return None

    def notes(self) -> list[str]:
        """What in the inventories, and beside them, means nothing here; a line each."""
        foreign = ", ".join(sorted(self.tree.foreign))
        told = [f"not used: {foreign}"] if foreign else []
        return [*told, *(f"not read: {path}" for path in self.beside)]


def read_inventories(sources: Iterable[str], *, environment: bool = False) -> Inventory:
    """Read inventories: paths, ``-`` for standard input, or ``vagrant``; what is wrong is noted.

    Raises InputError for what cannot be read at all, and RefusedError for a file that, as root,
    is not to be trusted.
    """
    named = tuple(sources)
    if not named:
        return Inventory(environment=environment)
    from dockwright.load.inventory import forms  # most commands have no inventory

    inventory = Inventory(tuple(map(forms.shown, named)), environment=environment)
    for source, name in zip(named, inventory.names, strict=True):
        inventory.beside += forms.read(source, name, inventory.tree)
    tree = inventory.tree
    tree.check_members()
    if not tree.hosts and not tree.problems.found:
        tree.problems.add(Spot(inventory.names[-1], 1, 1), "there is no host in it")
    return inventory
