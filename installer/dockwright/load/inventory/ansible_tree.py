"""Ansible's YAML inventories, and the JSON of ``ansible-inventory --list``."""

from __future__ import annotations

from typing import Any

from dockwright.load.inventory.ansible import take
from dockwright.load.inventory.tree import Level, Tree, as_map
from dockwright.load.problems import did_you_mean, type_name
from dockwright.load.values import Given
from dockwright.load.yaml_marks import Document, KeyPath

_KEYS = ("hosts", "children", "vars")


def read_tree(document: Document, tree: Tree) -> None:
    """Add what a file with groups at its top says; what is wrong is noted, and left out."""
    _Reader(document, tree).groups(document.value, ())


class _Reader:
    def __init__(self, document: Document, tree: Tree) -> None:
        self._document = document
        self._tree = tree

    def groups(self, value: Any, path: KeyPath, parent: Level | None = None) -> None:
        """Groups by name: those of the file, or those in another group."""
        for name, entry in self._map(value, path).items():
            here = (*path, name)
            if parent is None and name == "_meta":
                self._meta(entry, here)
                continue
            group = self._tree.group(name, self._document.key(here))
            if parent is not None:
                parent.children.setdefault(name, self._document.key(here))
            if parent is None and isinstance(entry, list):
                self._hosts(group, entry, here)
                continue
            for key, inner in self._map(entry, here).items():
                below = (*here, key)
                if key == "hosts":
                    self._hosts(group, inner, below)
                elif key == "children" and isinstance(inner, list):
                    for index, child in enumerate(self._texts(inner, below)):
                        spot = self._document.at((*below, index))
                        self._tree.join(group.children, child, spot)
                        self._tree.group(child, spot)  # --list leaves empty groups out
                elif key == "children":
                    self.groups(inner, below, group)
                elif key == "vars":
                    self._variables(group, inner, below)
                else:
                    self._add(below, f"unknown key {key!r} in a group{did_you_mean(key, _KEYS)}")

    def _hosts(self, group: Level, value: Any, path: KeyPath) -> None:
        """A list of names, or a map of names to variables."""
        if isinstance(value, list):
            texts = enumerate(self._texts(value, path))
            entries = [(text, None, self._document.at((*path, index))) for index, text in texts]
        else:
            inner = self._map(value, path).items()
            entries = [(text, one, self._document.key((*path, text))) for text, one in inner]
        for pattern, variables, spot in entries:
            for name in self._tree.names(pattern, spot):
                self._tree.join(group.hosts, name, spot)
                self._variables(self._tree.host(name, spot), variables, (*path, pattern))

    def _meta(self, value: Any, path: KeyPath) -> None:
        inner = (*path, "hostvars")
        for name, variables in self._map(as_map(value).get("hostvars"), inner).items():
            level = self._tree.host(name, self._document.key((*inner, name)))
            self._variables(level, variables, (*inner, name))

    def _variables(self, level: Level, value: Any, path: KeyPath) -> None:
        for name, one in self._map(value, path).items():
            take(level, name, Given(one, self._document, (*path, name)), self._tree)

    def _map(self, value: Any, path: KeyPath) -> dict[str, Any]:
        if value is not None and not isinstance(value, dict):
            self._add(path, f"must be a map, not {type_name(value)}")
        return as_map(value)

    def _texts(self, value: list[Any], path: KeyPath) -> list[str]:
        for index, item in enumerate(value):
            if not isinstance(item, str):
                self._add((*path, index), f"must be a name, not {type_name(item)}")
        return [item for item in value if isinstance(item, str)]

    def _add(self, path: KeyPath, message: str) -> None:
        self._tree.problems.add(self._document.key(path), message)
