"""What replaces the defaults of components: the playbook's values, ``--vars`` files, options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockwright import resources
from dockwright.load.files import read_text
from dockwright.load.problems import Problems, Spot, did_you_mean, shown, type_name
from dockwright.load.sources import Source, read_component, shipped_names
from dockwright.load.values import HOST_NAMES, Declaration, Given, Typed
from dockwright.load.yaml_marks import Document, KeyPath, parse


@dataclass(frozen=True)
class Flag:
    """An option that sets a variable: ``Flag("--docker-version", "docker_version", "29.7")``.

    One that is not ``required`` says something to playbooks that know the variable, and nothing to others.
    """

    option: str
    name: str
    value: Any
    required: bool = True


@dataclass(frozen=True)
class Overrides:
    """What the command line gave.

    ``files`` are those of ``--vars``, later over earlier; ``sets`` are ``--set``'s arguments as
    typed; ``flags`` are other options that set variables. Sets and flags are over files, files
    over the playbook, the playbook over its components' defaults.
    """

    files: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Known:
    """The variables that may be overridden; ``broken`` ones were noted where they are declared.

    ``whole`` is False where a component could not be read: then no name is called unknown.
    """

    playbook: str
    declared: Mapping[str, Declaration]
    broken: frozenset[str]
    whole: bool

    def accepts(self, name: str) -> bool:
        """Whether a value for that name can be taken."""
        return name in self.declared

    def complain(self, name: str, spot: Spot, problems: Problems) -> None:
        """Note that the name is none, unless that cannot be told."""
        if not self.whole or name in self.broken:
            return
        if name in HOST_NAMES:
            problems.add(spot, f"{name!r} is told by the host and cannot be set")
            return
        hint = did_you_mean(name, self.declared)
        problems.add(spot, f"unknown variable {name!r} in playbook {self.playbook}{hint}")


def of_playbook(source: Source, known: Known, problems: Problems) -> dict[str, Given]:
    """The playbook's own values: its variables, and the keys that stand for one."""
    given: dict[str, Given] = {}
    whole = source.document.value if isinstance(source.document.value, dict) else {}
    places: list[tuple[str, Any, KeyPath]] = [
        *((name, value, ("variables", name)) for name, value in source.variables.items()),
        *((name, whole[name], (name,)) for name in ("images", "registries") if name in whole),
    ]
    for name, value, path in places:
        if name in given:
            problems.add(source.document.key(path), f"{name!r} is among the variables, too")
            continue
        if known.accepts(name):
            given[name] = Given(value, source.document, path)
        else:
            known.complain(name, source.document.key(path), problems)
    return given


def of_command_line(
    source: Source, overrides: Overrides, known: Known, problems: Problems
) -> dict[str, Given]:
    """The last word on each variable that files and options of the command line set."""
    given: dict[str, Given] = {}
    for file in overrides.files:
        given.update(_file(file, known, source, problems))
    options: dict[str, Given] = {}
    for name, option in _options(overrides, known, problems):
        if name in options and options[name].value != option.value:
            first = options[name].document.name
            again = "" if first == option.document.name else f" and by {first}"
            problems.add(option.spot, f"{name!r} is given twice, here{again}, with two values")
        options[name] = option
    return given | options


def of_inventory(given: Mapping[str, Given], known: Known, problems: Problems) -> dict[str, Given]:
    """A host's values from an inventory; text of a form without types gets the declared one."""
    return {
        name: _set(value.value, value.spot, known.declared[name], problems)
        if isinstance(value, Typed)
        else value
        for name, value in given.items()
    }


def _file(
    file: Path, known: Known, source: Source, problems: Problems
) -> Iterator[tuple[str, Given]]:
    text = read_text(file, str(file))
    source.texts[str(file)] = text
    document = parse(text, str(file), problems)
    if document.value is None:
        return
    if not isinstance(document.value, dict):
        problems.add(
            document.at(()), f"must be a map of variables, not {type_name(document.value)}"
        )
        return
    elsewhere: set[str] | None = None
    for name, value in document.value.items():
        if known.accepts(name):
            yield name, Given(value, document, (name,))
            continue
        # One file may serve several playbooks: what another shipped component knows is no error.
        elsewhere = shipped_variables() if elsewhere is None else elsewhere
        if name not in elsewhere:
            known.complain(name, document.key((name,)), problems)


def shipped_variables() -> set[str]:
    """The variables of all components that come with Dockwright."""
    names: set[str] = set()
    for component in shipped_names("components"):
        path = resources.directory("playbooks") / "components" / f"{component}.yaml"
        text = read_text(path, path.name, guarded=False)
        names |= set(read_component(text, path.name, component, Problems()).declared)
    return names


def _options(overrides: Overrides, known: Known, problems: Problems) -> Iterator[tuple[str, Given]]:
    for argument in overrides.sets:
        name, equals, text = argument.partition("=")
        name = name.strip()
        if not equals or not name.isprintable():
            problems.add(Spot("--set"), f"write NAME=VALUE, not {shown(argument)}")
            continue
        spot = Spot(f"--set {name}")
        if not known.accepts(name):
            known.complain(name, spot, problems)
            continue
        yield name, _set(text, spot, known.declared[name], problems)
    for flag in overrides.flags:
        if known.accepts(flag.name):
            yield flag.name, _at(Spot(flag.option), flag.value)
        elif flag.required and known.whole and flag.name not in known.broken:
            problems.add(Spot(flag.option), f"playbook {known.playbook} has no {flag.name!r}")


def _at(spot: Spot, value: Any) -> Given:
    document = Document(spot.where, value)
    document.values[()] = spot
    return Given(value, document)


def _set(text: str, spot: Spot, declared: Declaration, problems: Problems) -> Given:
    """The value of ``--set``: text stays as typed, all else is read as YAML."""
    if declared.kind == "str" or text.lstrip().startswith("{{"):
        return _at(spot, _printable(text, spot, problems))
    if declared.kind == "list" and not text.lstrip().startswith("["):
        items = [item.strip() for item in text.split(",")] if text.strip() else []
        return _at(spot, [_printable(item, spot, problems) for item in items])
    document = parse(text, spot.where, problems, at=spot)
    document.values.setdefault((), spot)
    return Given(document.value, document)


def _printable(text: str, spot: Spot, problems: Problems) -> str:
    """The text; bytes of the command line that are no characters are noted."""
    if text.isascii() or text.encode("utf-8", "replace").decode() == text:
        return text
    problems.add(spot, "holds a character that is not text", last=True)
    return ""
