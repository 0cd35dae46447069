"""What inventories say, whatever their form: hosts, groups, and who said what about them where.

The nearest word counts: the host's own, then its groups', a child before its parents, then that
for all. Two groups of which neither is in the other have no order: where they differ, nobody can
tell what was meant, and that is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from dockwright.load.inventory.ranges import RangeError, expand
from dockwright.load.problems import Problems, Spot, did_you_mean, shown
from dockwright.load.values import Given
from dockwright.models import HOST_NAME, is_ipv6

ALL, UNGROUPED = "all", "ungrouped"
SETTINGS = ("address", "user", "port", "identity", "jump", "transport")  # of a host's connection
Said: TypeAlias = dict[str, list[Given]]

PASSWORDS = (
    "passwords do not belong in an inventory; give keys, or -K, or --sudo-password-file FILE"
)
_NAME = re.compile(HOST_NAME)


@dataclass
class Level:
    """A host or a group. ``settings`` are those of its connection, by the names of our own form."""

    name: str
    spot: Spot
    settings: Said = field(default_factory=dict)
    variables: Said = field(default_factory=dict)
    # Groups only: members by name, and where each is named.
    hosts: dict[str, Spot] = field(default_factory=dict)
    children: dict[str, Spot] = field(default_factory=dict)

    def set(self, name: str, given: Given) -> None:
        """Note a setting of the connection; the same twice is no contradiction."""
        self.settings.setdefault(name, []).append(given)

    def give(self, name: str, given: Given) -> None:
        """Note the value of a variable, likewise."""
        self.variables.setdefault(name, []).append(given)


@dataclass
class Tree:
    """Hosts and groups of all inventories of a command; what is wrong with them is in ``problems``.

    ``foreign`` are settings of Ansible's that mean nothing here, with the first place of each;
    ``strict`` are the names of inventories in our own form, where a name nobody knows is an error.
    """

    problems: Problems = field(default_factory=Problems)
    hosts: dict[str, Level] = field(default_factory=dict)
    groups: dict[str, Level] = field(
        default_factory=lambda: {name: Level(name, Spot("")) for name in (ALL, UNGROUPED)}
    )
    foreign: dict[str, Spot] = field(default_factory=dict)
    strict: set[str] = field(default_factory=set)
    _told: set[tuple[Spot, Spot]] = field(default_factory=set)

    def host(self, name: str, spot: Spot) -> Level:
        """The host of that name, which may be new; a name that is none, or taken, is noted."""
        if not (_NAME.fullmatch(name) or is_ipv6(name)):
            # Not quoted: it may be a password that stands in the wrong section.
            hint = "that is NAME=VALUE and no host; variables have a section of their own"
            message = hint if "=" in name else f"{shown(name)} is not the name of a host"
            self.problems.add(spot, message, last=True)
            return Level(name, spot)
        level = self.hosts.setdefault(name, Level(name, spot))
        if level.spot.where != spot.where:
            self.problems.add(spot, f"host {name!r} is there twice, first at {level.spot}")
        return level

    def group(self, name: str, spot: Spot) -> Level:
        """The group of that name, which may be new."""
        return self.groups.setdefault(name, Level(name, spot))

    def names(self, pattern: str, spot: Spot) -> list[str]:
        """The hosts that a name stands for; a range that is none is noted."""
        try:
            return expand(pattern)
        except RangeError as error:
            self.problems.add(spot, str(error))
            return []

    def join(self, members: dict[str, Spot], name: str, spot: Spot) -> None:
        """Add a member to a group; one that a file names twice there is noted."""
        if name in members and members[name].where == spot.where:
            self.problems.add(spot, f"{name!r} is there twice, first at {members[name]}")
        members.setdefault(name, spot)

    # --- members --------------------------------------------------------------------------

    def check_members(self) -> None:
        """Note members that nobody defines, and groups that are in themselves."""
        for group in self.groups.values():
            if ALL in group.children:
                spot = group.children[ALL]
                self.problems.add(spot, f"{ALL!r} holds every group and is in none")
            for kind, members, known in (
                ("host", group.hosts, self.hosts),
                ("group", group.children, self.groups),
            ):
                for name, spot in members.items():
                    if name not in known:
                        hint = did_you_mean(name, known)
                        self.problems.add(spot, f"there is no {kind} {name!r}{hint}")
        for name in self.groups:
            if name in self._above[name] and ALL not in (name, *self.groups[name].children):
                spot = next(iter(self.groups[name].children.values()))
                self.problems.add(spot, f"group {name!r} is in itself, by its children")

    def above(self, name: str) -> frozenset[str]:
        """The groups that a group is in, however far up; a circle ends where it began."""
        return self._above[name] | ({ALL} if name != ALL else frozenset())

    @cached_property
    def _above(self) -> dict[str, frozenset[str]]:
        parents: dict[str, set[str]] = {}
        for group in self.groups.values():
            for child in group.children:
                parents.setdefault(child, set()).add(group.name)
        return {name: frozenset(_reached(name, parents)) for name in self.groups}

    @cached_property
    def _direct(self) -> dict[str, list[str]]:
        direct: dict[str, list[str]] = {}
        for group in self.groups.values():
            for host in group.hosts:
                direct.setdefault(host, []).append(group.name)
        return direct

    def groups_of(self, host: str) -> set[str]:
        """All groups that a host is in, by others too; ``all`` among them."""
        direct = self._direct.get(host, ())
        return {ALL}.union(direct, *(self.above(name) for name in direct))

    def members(self, group: str) -> list[str]:
        """The hosts of a group and of its children, in the order of the inventory."""
        if group == ALL:
            return list(self.hosts)
        return [name for name in self.hosts if group in self.groups_of(name)]

    # --- what counts ----------------------------------------------------------------------

    def variable_names(self, host: str) -> set[str]:
        """The variables that somebody sets for a host."""
        levels = [self.hosts[host], *(self.groups[name] for name in self.groups_of(host))]
        return {name for level in levels for name in level.variables}

    def variable(self, host: str, name: str) -> Given | None:
        """The value of a variable on a host; groups that contradict each other are noted."""
        return self._nearest(host, name, lambda level: level.variables)

    def setting(self, host: str, name: str) -> Given | None:
        """A setting of a host's connection, likewise."""
        return self._nearest(host, name, lambda level: level.settings)

    def _nearest(self, host: str, key: str, said: Callable[[Level], Said]) -> Given | None:
        words = said(self.hosts[host]).get(key)
        if words is None:
            speaking = [name for name in self.groups_of(host) if key in said(self.groups[name])]
            further = frozenset[str]().union(*(self.above(name) for name in speaking))
            near = sorted(name for name in speaking if name not in further)
            words = [given for name in near for given in said(self.groups[name])[key]]
        if not words:
            return None
        first, *others = sorted(words, key=lambda given: given.spot)
        for other in others:
            if other.value != first.value and (first.spot, other.spot) not in self._told:
                self._told.add((first.spot, other.spot))
                self.problems.add(
                    other.spot,
                    f"{key!r} of host {host!r} is given otherwise at {first.spot}: give it at the"
                    " host, or make one group a child of the other",
                )
        return first


def _reached(name: str, parents: dict[str, set[str]]) -> Iterator[str]:
    waiting, seen = set(parents.get(name, ())), set[str]()
    while waiting:
        up = waiting.pop()
        seen.add(up)
        yield up
        waiting |= parents.get(up, set()) - seen


def as_map(value: Any) -> dict[str, Any]:
    """The map that a value is, or an empty one where it is none, which was noted elsewhere."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[str]:
    """The texts of the list that a value is, likewise."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
