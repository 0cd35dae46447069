"""Hosts, groups and variables from inventories: our own form, and Ansible's three.

``read_inventories`` reads them all; what is wrong is collected, together with what a playbook finds
wrong with the variables, and raised at once by ``stop_here``. No host is contacted, and no
inventory is executed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from dockwright.errors import InputError
from dockwright.load.files import decoded, read_text
from dockwright.load.inventory import vagrant
from dockwright.load.inventory.ansible_tree import read_tree
from dockwright.load.inventory.ini import read_ini
from dockwright.load.inventory.own import SETTINGS, read_own
from dockwright.load.inventory.tree import Tree
from dockwright.load.problems import Problems, Spot, type_name
from dockwright.load.values import Given
from dockwright.load.yaml_marks import Document, parse
from dockwright.models import Host

__all__ = ["Inventory", "read_inventories"]

STDIN = "<stdin>"
_CAP = 16 * 1024 * 1024  # a thousand hosts of a cloud with all that it tells of them
_LOCAL = ("local", "localhost")
_YAML = re.compile(r"---|[\w.\"'-][^\s=]*:(\s|$)")


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
    inventory = Inventory(tuple(_shown(source) for source in sources), environment=environment)
    for source, name in zip(sources, inventory.names, strict=True):
        if name == vagrant.SHOWN:
            vagrant.read_vagrant(inventory.tree)
            continue
        text = _stdin() if source == "-" else _file(Path(source), name)
        form = _read(text, name, inventory.tree)
        if source != "-" and form == "ansible":
            inventory.beside += _beside(Path(source))
    tree = inventory.tree
    tree.check_members()
    if not tree.hosts and not tree.problems.found and inventory.names:
        tree.problems.add(Spot(inventory.names[-1], 1, 1), "there is no host in it")
    return inventory


def _shown(source: str) -> str:
    if source == vagrant.NAME and not Path(source).exists():
        return vagrant.SHOWN
    return STDIN if source == "-" else source


def _read(text: str, name: str, tree: Tree) -> str:
    """Read one text in the form that it has; ``own`` or ``ansible``."""
    first = next((line for line in text.splitlines() if line.strip(" \t")[:1] not in "#;"), "")
    if first.lstrip().startswith("$ANSIBLE_VAULT"):
        message = "the whole file is encrypted by Ansible Vault: it cannot be read here"
        tree.problems.add(Spot(name, 1, 1), message)
        return "ansible"
    is_yaml = name.endswith((".yaml", ".yml"))
    if first.lstrip().startswith("{") and not is_yaml:
        document = _json(text, name, tree.problems)
    elif is_yaml or _YAML.match(first):
        document = parse(text, name, tree.problems)
    else:
        read_ini(text, name, tree)
        return "ansible"
    value = document.value
    if isinstance(value, dict) and "hosts" in value:
        read_own(document, tree)
        return "own"
    if isinstance(value, dict):
        read_tree(document, tree)
    elif not tree.problems.mentions(name):
        what = "is empty" if value is None else f"must be a map, not {type_name(value)}"
        tree.problems.add(Spot(name, 1, 1), f"the inventory {what}")
    return "ansible"


def _json(text: str, name: str, problems: Problems) -> Document:
    """JSON with places: it is YAML, too, but for what PyYAML does not take."""
    try:
        value = json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        problems.add(Spot(name, error.lineno, error.colno), f"not valid JSON: {error.msg}")
        return Document(name, {})
    except (ValueError, RecursionError) as error:
        problems.add(Spot(name, 1, 1), f"not an inventory: {error}")
        return Document(name, {})
    document = parse(text, name, Problems())
    return document if document.value == value else Document(name, value)


def _pairs(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice[:60]!r} is there twice")
    return found


def _stdin() -> str:
    if sys.stdin.isatty():
        raise InputError(
            "-i - reads standard input, and that is the terminal",
            next_step="ansible-inventory --list | dockwright COMMAND -i -",
        )
    return decoded(sys.stdin.buffer.read(_CAP + 1), STDIN, cap=_CAP)


def _file(path: Path, name: str) -> str:
    if path.is_dir():
        raise InputError(
            f"{name} is a directory; no host was contacted",
            next_step=f"name the files in it, or: ansible-inventory -i {name} --list | dockwright"
            " COMMAND -i -",
        )
    text = read_text(path, name, cap=_CAP)
    if text.startswith("#!"):
        raise InputError(
            f"{name} is a program, and inventories are not executed; no host was contacted",
            next_step=f"run it yourself: {name} --list | dockwright COMMAND -i -",
        )
    return text


def _beside(path: Path) -> tuple[str, ...]:
    """Directories of variables that Ansible would have read with a file."""
    folders = (path.parent / "group_vars", path.parent / "host_vars")
    how = f"ansible-inventory -i {path} --list | dockwright COMMAND -i - takes it in"
    return tuple(f"{folder}; {how}" for folder in folders if folder.is_dir())
