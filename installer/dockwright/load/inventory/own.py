"""Our own form of an inventory: a YAML file with ``hosts``, and ``groups`` of them.

::

    user: ops                      # of all hosts
    variables: {docker_version: "29"}
    hosts:
      web1: {address: 10.0.0.11}
      "web[02:10]":
      db1:
        jump: bastion
        variables: {docker_users: [deploy]}
    groups:
      web:
        hosts: ["web[02:10]", web1]
        children: [canary]
      canary:
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dockwright.load.inventory.tree import ALL, PASSWORDS, SETTINGS, Level, Tree, as_list, as_map
from dockwright.load.sources import check
from dockwright.load.values import Given
from dockwright.load.yaml_marks import SECRET, Document, KeyPath
from dockwright.models import Address, Frozen, GroupName, JumpHosts, KeyFile, Line, LoginName
from dockwright.models import Variables as Values


class Reach(Frozen):
    """How hosts are reached, as far as many can have it in common."""

    user: LoginName | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    identity: KeyFile | None = None
    jump: JumpHosts | None = None
    transport: Literal["ssh", "openssh", "local"] | None = None
    variables: Values | None = None


class HostEntry(Reach):
    """What is said about one host."""

    address: Address | None = None


class GroupEntry(Reach):
    """What is said about a group."""

    hosts: tuple[Line, ...] | None = None
    children: tuple[GroupName, ...] | None = None


class InventoryFile(Reach):
    """A whole file."""

    hosts: dict[Line, HostEntry | None] | None
    groups: dict[GroupName, GroupEntry | None] = Field(default_factory=dict)


def read_own(document: Document, tree: Tree) -> None:
    """Add what a file of our own form says; what is wrong is noted, and left out."""
    tree.strict.add(document.name)
    whole = document.value
    _refuse_passwords(whole, (), document, tree)
    check(InventoryFile, whole, document, (), tree.problems)
    _take(tree.groups[ALL], whole, document, ())
    for name, entry in as_map(whole.get("hosts")).items():
        path: KeyPath = ("hosts", name)
        for host in tree.names(name, document.key(path)):
            if host in tree.hosts and tree.hosts[host].spot.where == document.name:
                spot, first = document.key(path), tree.hosts[host].spot
                tree.problems.add(spot, f"host {host!r} is there twice, first at {first}")
            _take(tree.host(host, document.key(path)), entry, document, path)
    for name, entry in as_map(whole.get("groups")).items():
        path = ("groups", name)
        if name == ALL:
            tree.problems.add(
                document.key(path), "'all' is every host: what is said of it stands at the top"
            )
            continue
        group = tree.group(name, document.key(path))
        _take(group, entry, document, path)
        for index, text in enumerate(as_list(as_map(entry).get("hosts"))):
            spot = document.at((*path, "hosts", index))
            for host in tree.names(text, spot):
                tree.join(group.hosts, host, spot)
        for index, text in enumerate(as_list(as_map(entry).get("children"))):
            tree.join(group.children, text, document.at((*path, "children", index)))


def _take(level: Level, entry: Any, document: Document, path: KeyPath) -> None:
    entry = as_map(entry)
    for name in SETTINGS:
        if entry.get(name) is not None:
            level.set(name, Given(entry[name], document, (*path, name)))
    for name, value in as_map(entry.get("variables")).items():
        level.give(name, Given(value, document, (*path, "variables", name)))


def _refuse_passwords(value: Any, path: KeyPath, document: Document, tree: Tree) -> None:
    for key, inner in as_map(value).items():
        here = (*path, key)
        # What a host or a group is called is its own affair.
        if SECRET.search(key) and path not in (("hosts",), ("groups",)):
            tree.problems.add(document.key(here), f"{key!r}: {PASSWORDS}", last=True)
        elif key != "variables":
            _refuse_passwords(inner, here, document, tree)
