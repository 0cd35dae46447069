"""What a playbook's values come to on one host: rendered once, typed, bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic import Field

from dockwright.frozen import Frozen
from dockwright.load import leaves
from dockwright.load.problems import Problems, Spot, did_you_mean, shown, type_name
from dockwright.load.yaml_marks import Document, KeyPath
from dockwright.models import Facts, Line

TypeName: TypeAlias = Literal["str", "int", "bool", "list", "map"]
TYPES: dict[TypeName, type] = {"str": str, "int": int, "bool": bool, "list": list, "map": dict}
_WORDS: dict[TypeName, str] = {
    "str": "text",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list",
    "map": "a map",
}
_BUDGET = 256 * 1024
_CHAIN_CAP = 16


class HostValues(Frozen):
    """What expressions may ask about a host. A host's words are data: never looked at again."""

    distro: str
    codename: str
    architecture: str
    version_id: str = ""
    hostname: str = ""

    @classmethod
    def of(cls, facts: Facts) -> HostValues:
        """The values of the host that told these facts."""
        return cls(
            distro=facts.distro,
            codename=facts.codename,
            architecture=facts.architecture,
            version_id=facts.version_id,
            hostname=facts.hostname,
        )


HOST_NAMES: tuple[str, ...] = tuple(HostValues.model_fields)


class Located(Exception):  # noqa: N818 (it carries an error to where errors are collected)
    """A leaf that cannot be rendered, or a value of the wrong type, and where it stands."""

    def __init__(self, spot: Spot, message: str) -> None:
        super().__init__(message)
        self.spot = spot
        self.message = message


class Noted(Exception):  # noqa: N818 (as above)
    """A value that depends on one whose error was noted where it was written."""


Failed: TypeAlias = dict[KeyPath, Located | Noted]


class Declaration(Frozen):
    """A variable as its component declares it.

    ``trusted`` marks what trust rests on, such as a fingerprint: overriding it is always shown.
    ``gone`` maps choices that once were to what to say about them.
    """

    default: Any
    about: Line = ""
    type: TypeName | None = None
    trusted: bool = False
    choices: tuple[Line, ...] = ()
    gone: dict[str, Line] = Field(default_factory=dict)

    @property
    def kind(self) -> TypeName:
        """The declared type, or that of the default."""
        if self.type is not None:
            return self.type
        return next(name for name, kind in TYPES.items() if type(self.default) is kind)


@dataclass(frozen=True)
class Given:
    """A raw value and where it was written."""

    value: Any
    document: Document
    path: KeyPath = ()

    @property
    def spot(self) -> Spot:
        """Where it stands."""
        return self.document.at(self.path)


class Typed(Given):
    """Text of a form that knows nothing else: its type is the declared one, as with ``--set``."""


@dataclass
class Scope:
    """The variables of a playbook on one host, each worked out once, when it is asked for."""

    declared: Mapping[str, Declaration]
    given: Mapping[str, Given]
    host: Mapping[str, str]
    _known: dict[str, Any] = field(default_factory=dict)
    _spent: int = 0

    def lookup(self, name: str) -> Any:
        """The value of a variable or of a word about the host; Located where there is none."""
        if name in self.host:
            return self.host[name]
        if name not in self._known:
            if name not in self.given:
                raise Noted
            given = self.given[name]
            value = self.render(given.value, given)
            _check(name, self.declared[name], given, value)
            self._known[name] = value
        return self._known[name]

    def lookup_all(self, failed: Failed) -> dict[str, Any]:
        """All values that can be worked out; the others are put into ``failed``."""
        values = {}
        for name in self.given:
            try:
                values[name] = self.lookup(name)
            except (Located, Noted) as error:  # noqa: PERF203 (one bad value hides no other)
                failed[(name,)] = error
        return values

    def render(
        self, value: Any, given: Given, path: KeyPath = (), *, failed: Failed | None = None
    ) -> Any:
        """``value`` with its leaves rendered; ``path`` leads to it from ``given``.

        With ``failed``, leaves that cannot be rendered are put there and become ``None``; without,
        the first one raises.
        """
        if isinstance(value, str):
            return self._leaf(value, given, path, failed) if leaves.is_template(value) else value
        if isinstance(value, list):
            return [
                self.render(item, given, (*path, index), failed=failed)
                for index, item in enumerate(value)
            ]
        if isinstance(value, dict):
            return {
                key: self.render(item, given, (*path, key), failed=failed)
                for key, item in value.items()
            }
        return value

    def _leaf(self, text: str, given: Given, path: KeyPath, failed: Failed | None) -> Any:
        try:
            value = self._rendered(text, given.document.at((*given.path, *path)))
        except (Located, Noted) as error:
            if failed is None:
                raise
            failed[path] = error
            return None
        return value

    def _rendered(self, text: str, spot: Spot) -> Any:
        try:
            value = leaves.leaf(text).render(self.lookup)
        except leaves.LeafError as error:
            raise Located(spot, str(error)) from None
        # Values may hold values that hold values: what counts is what it all comes to.
        self._spent += leaves.size(value)
        if self._spent > _BUDGET:
            raise Located(spot, f"all values together become longer than {_BUDGET // 1024} KiB")
        return value


def _check(name: str, declared: Declaration, given: Given, value: Any) -> None:
    """Refuse a value that is not of the declared type, or none of its choices."""
    wanted = declared.kind
    if type(value) is not TYPES[wanted]:
        raw = given.document.raw.get(given.path)
        message = f"{name!r} must be {_WORDS[wanted]}, not {type_name(value)}"
        if wanted == "str" and raw:
            message = f'{name!r} must be text: write it in quotes, "{raw}"'
        raise Located(given.spot, message)
    if isinstance(value, str) and value in declared.gone:
        raise Located(given.spot, f"{name!r}: {declared.gone[value]}")
    if declared.choices and value not in declared.choices:
        raise Located(
            given.spot,
            f"{name!r} must be one of {', '.join(declared.choices)}, not {shown(value)}"
            f"{did_you_mean(str(value), declared.choices)}",
        )


def texts(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Each text leaf of a value with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, (list, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from texts(item, (*path, key))


def _keys(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of each key of each map in a value."""
    if isinstance(value, (list, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if isinstance(key, str):
                yield (*path, key)
            yield from _keys(item, (*path, key))


def check_references(
    given: Given, known: set[str], unsure: set[str] | None, problems: Problems
) -> set[str]:
    """Note each leaf that is no template or asks for what nobody declares; give the names.

    ``unsure`` names are not known, but not to be called unknown either; ``None`` stands for all.
    """
    names: set[str] = set()
    for path in _keys(given.value, given.path):
        if leaves.is_template(str(path[-1])):
            problems.add(given.document.key(path), "a key cannot hold template expressions")
    for path, text in texts(given.value, given.path):
        if not leaves.is_template(text):
            continue
        spot = given.document.at(path)
        try:
            asked = leaves.leaf(text).names
        except leaves.LeafError as error:
            problems.add(spot, str(error))
            continue
        for name in asked:
            if name not in known and unsure is not None and name not in unsure:
                problems.add(spot, f"unknown variable {name!r}{did_you_mean(name, known)}")
        names.update(asked)
    return names


def check_circles(
    given: Mapping[str, Given], uses: Mapping[str, set[str]], problems: Problems
) -> set[str]:
    """Note variables that refer in a circle, or through too many others; give their names."""
    depth: dict[str, int] = {}
    bad: set[str] = set()
    waiting = set(given)
    while waiting:
        # Each round takes the variables that refer only to those of earlier rounds.
        ready = {name for name in waiting if not uses[name] & waiting}
        if not ready:
            break
        for name in ready:
            depth[name] = 1 + max((depth.get(used, 0) for used in uses[name]), default=0)
        waiting -= ready
    for name in sorted(depth):
        if depth[name] > _CHAIN_CAP:
            bad.add(name)
            problems.add(
                given[name].spot, f"{name!r} refers to variables more than {_CHAIN_CAP} deep"
            )
    while waiting:
        circle = _circle(min(waiting), uses, waiting)
        first = circle[0]
        problems.add(
            given[first].spot, f"variables refer in a circle: {' -> '.join([*circle, first])}"
        )
        bad |= set(circle)
        waiting -= set(circle)
        waiting = {name for name in waiting if uses[name] & waiting}
    return bad


def _circle(start: str, uses: Mapping[str, set[str]], waiting: set[str]) -> list[str]:
    """A circle that is reached from ``start``, beginning with its first name in the alphabet."""
    chain = [start]
    while True:
        step = min(uses[chain[-1]] & waiting)
        if step in chain:
            circle = chain[chain.index(step) :]
            first = circle.index(min(circle))
            return circle[first:] + circle[:first]
        chain.append(step)
