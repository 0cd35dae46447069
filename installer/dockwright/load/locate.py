"""From a complaint about a rendered step back to the place where somebody wrote the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dockwright.load import leaves
from dockwright.load.problems import Place, words
from dockwright.load.values import Given
from dockwright.load.yaml_marks import KeyPath


@dataclass(frozen=True)
class Locator:
    """Places of a step's values: in the step, in a variable's default, or in what overrides it."""

    step: Given
    given: Mapping[str, Given]
    defaults: Mapping[str, Given]

    def __call__(self, path: KeyPath, key: bool) -> Place:  # noqa: FBT001
        """Place, name, and characters in the file of what stands at ``path`` of the step."""
        return self._follow(self.step, path, words(path), key=key)

    def _follow(self, given: Given, path: KeyPath, name: str, *, key: bool) -> Place:
        document, value = given.document, given.value
        for depth, part in enumerate(path):
            if isinstance(value, str):
                return self._template(given, path[:depth], path[depth:], name, key=key)
            value = _child(value, part)
        full = (*given.path, *path)
        if isinstance(value, str) and not key:
            return self._template(given, path, (), name, key=False)
        spot = document.key(full) if key else document.at(full)
        return Place(spot, name, document.raw.get(full))

    def _template(
        self, given: Given, path: KeyPath, rest: KeyPath, name: str, *, key: bool
    ) -> Place:
        """Go on in the variable that the text at ``path`` stands for, if it is one."""
        text = given.value
        for part in path:
            text = _child(text, part)
        here = given.document.at((*given.path, *path))
        if not leaves.is_template(text):
            return Place(here, name)
        leaf = leaves.leaf(text)
        sole = leaf.sole_name
        if sole is not None and sole in self.given:
            variable = self.given[sole]
            inner = words((sole, *rest))
            return self._follow(variable, rest, inner, key=key)
        # Text around it is the shipped file's: what the user wrote is likelier to be wrong.
        theirs = sorted(self._overridden(leaf.names))
        if len(theirs) == 1:
            return Place(self.given[theirs[0]].spot, words((theirs[0],)), derived=True)
        return Place(here, name)

    def _overridden(self, names: tuple[str, ...]) -> set[str]:
        """Which of the variables, and of those that they refer to, are not the defaults."""
        found: set[str] = set()
        waiting, seen = list(names), set(names)
        while waiting:
            name = waiting.pop()
            if name not in self.given:
                continue
            if self.given[name] is not self.defaults.get(name):
                found.add(name)
            inner = _names(self.given[name].value) - seen
            seen |= inner
            waiting.extend(inner)
        return found


def _names(value: Any) -> set[str]:
    if isinstance(value, str) and leaves.is_template(value):
        return set(leaves.leaf(value).names)
    return set()


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
