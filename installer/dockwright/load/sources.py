"""Find playbooks and components, shipped or beside one another, and take them apart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from dockwright import resources
from dockwright.errors import InputError
from dockwright.load.explain import explain
from dockwright.load.files import read_text
from dockwright.load.leaves import is_template
from dockwright.load.problems import Place, Problems, Spot, did_you_mean, shown, type_name, words
from dockwright.load.values import HOST_NAMES, TYPES, Declaration
from dockwright.load.yaml_marks import Document, KeyPath, parse
from dockwright.models import Frozen, Line, Variables, Word
from dockwright.steps import STEPS

_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_COMPONENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Words of the expression language, and names that Jinja gives a meaning of its own.
_RESERVED = {"and", "else", "false", "if", "in", "is", "loop", "none", "not", "or", "self", "true"}


class PlaybookFile(Frozen):
    """A playbook: components in their order, and what differs from their defaults.

    ``images`` and ``registries`` stand for the variables of these names.
    """

    playbook: Word
    summary: Line
    components: Annotated[tuple[Word, ...], Field(min_length=1)]
    variables: Variables = Field(default_factory=dict)
    images: Any = ()
    registries: Any = ()


class ComponentFile(Frozen):
    """A component: its variables with defaults, and its steps in their order."""

    component: Word
    summary: Line
    variables: dict[str, Any] = Field(default_factory=dict)
    steps: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]


@dataclass
class Component:
    """What could be read of a component; what could not was noted."""

    name: str
    summary: str
    document: Document
    declared: dict[str, Declaration] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    steps: dict[int, dict[str, Any]] = field(default_factory=dict)
    readable: bool = True


@dataclass
class Source:
    """What could be read of a playbook; ``texts`` are the files as read, for the digest.

    ``whole`` is False where a component could not be read, so that not all variables are known.
    """

    shown_as: str
    document: Document
    name: str = ""
    summary: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    components: list[Component] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    whole: bool = True


def shipped_names(folder: str = ".") -> tuple[str, ...]:
    """The names of the playbooks that come with Dockwright, or of its ``components``."""
    files = (resources.directory("playbooks") / folder).glob("*.yaml")
    return tuple(sorted(file.stem for file in files))


def read_source(name_or_path: str, problems: Problems) -> Source:
    """Read a playbook and its components; raises where the playbook itself cannot be read."""
    path, shown_as, shipped = _find(name_or_path)
    text = read_text(path, shown_as, guarded=not shipped)
    document = parse(text, shown_as, problems)
    source = Source(shown_as, document, texts={shown_as: text})
    value = _checked(document, PlaybookFile, problems)
    source.name = _text(value.get("playbook")) or path.stem
    source.summary = _text(value.get("summary"))
    variables = value.get("variables")
    source.variables = variables if isinstance(variables, dict) else {}
    beside = None if shipped else path.parent / "components"
    wanted = value.get("components")
    names: list[Any] = wanted if isinstance(wanted, list) else []
    source.whole = bool(names)
    for index, name in enumerate(names):
        spot = document.at(("components", index))
        if name in names[:index]:
            problems.add(spot, f"component {shown(name)} is there twice")
        elif isinstance(name, str) and _COMPONENT.fullmatch(name):
            component = _read_component(name, beside, spot, source, problems)
            source.components += [component] if component else []
            source.whole = source.whole and component is not None and component.readable
        else:
            source.whole = False
    return source


def read_component(text: str, shown_as: str, name: str, problems: Problems) -> Component:
    """Take a component's text apart."""
    document = parse(text, shown_as, problems)
    value = _checked(document, ComponentFile, problems)
    component = Component(name, _text(value.get("summary")), document, readable=bool(value))
    if value.get("component", name) != name:
        problems.add(
            document.at(("component",)),
            f"the file is named {name}.yaml, the component {shown(value.get('component'))}",
        )
    variables = value.get("variables")
    for variable, given in (variables if isinstance(variables, dict) else {}).items():
        _declare(component, variable, given, problems)
    steps = value.get("steps")
    names: dict[str, Spot] = {}
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict) and _step_is_known(step, index, document, names, problems):
            component.steps[index] = step
    return component


def _find(name_or_path: str) -> tuple[Path, str, bool]:
    """Path, how messages call it, and whether it is shipped."""
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path), name_or_path, False
    names = shipped_names()
    if name_or_path not in names:
        raise InputError(
            f"there is no playbook {shown(name_or_path)}{did_you_mean(name_or_path, names)};"
            " no host was contacted",
            details=(("shipped", ", ".join(names)),),
            next_step="a playbook of your own is named by its path, such as ./site.yaml",
        )
    file = f"{name_or_path}.yaml"
    return resources.directory("playbooks") / file, f"playbooks/{file}", True


def _read_component(
    name: str, beside: Path | None, spot: Spot, source: Source, problems: Problems
) -> Component | None:
    file = f"{name}.yaml"
    shipped = shipped_names("components")
    own = beside / file if beside else None
    if own and own.exists():
        if name in shipped:
            # Else a file that lies there could quietly replace what was reviewed, pins included.
            problems.add(spot, f"component {name!r} comes with Dockwright; give {own} another name")
            return None
        path, shown_as = own, str(own)
    elif name in shipped:
        path = resources.directory("playbooks") / "components" / file
        shown_as = f"playbooks/components/{file}"
    else:
        problems.add(spot, f"there is no component {name!r}{did_you_mean(name, shipped)}")
        return None
    text = read_text(path, shown_as, guarded=path == own)
    source.texts[shown_as] = text
    return read_component(text, shown_as, name, problems)


def _checked(document: Document, model: type[BaseModel], problems: Problems) -> dict[str, Any]:
    """The document's map, checked against the model as far as it is one."""
    value = document.value
    if not isinstance(value, dict):
        if not problems.mentions(document.name):
            message = "is empty" if value is None else f"must be a map, not {type_name(value)}"
            problems.add(document.at(()), f"the file {message}")
        return {}
    check(model, value, document, (), problems)
    return value


def check(
    model: type[BaseModel], value: Any, document: Document, base: KeyPath, problems: Problems
) -> BaseModel | None:
    """The model of a value that holds no expressions; what is wrong is noted."""
    try:
        # As JSON, where a list is what a tuple is written as; strict in all else.
        return model.model_validate_json(json.dumps(value))
    except ValidationError as error:

        def locate(path: KeyPath, key: bool) -> Place:  # noqa: FBT001
            full = (*base, *path)
            spot = document.key(full) if key else document.at(full)
            return Place(spot, words(full), document.raw.get(full))

        explain(error, model, value, locate, problems)
        return None


def _declare(component: Component, name: str, given: Any, problems: Problems) -> None:
    document, path = component.document, ("variables", name)
    component.broken.add(name)
    if not _VARIABLE.fullmatch(name) or name in _RESERVED:
        problems.add(document.key(path), f"{name!r} cannot name a variable (a-z 0-9 _)")
    elif name in HOST_NAMES:
        problems.add(document.key(path), f"{name!r} is told by the host and cannot be a variable")
    elif isinstance(given, dict) and type(given.get("default", "")) not in TYPES.values():
        problems.add(
            document.at((*path, "default")),
            f'{name!r} needs a default: text such as "", a whole number, true or false, [] or {{}}',
        )
    else:
        declared = check(Declaration, given, document, path, problems)
        if isinstance(declared, Declaration):
            component.declared[name] = declared
            component.broken.discard(name)


def _step_is_known(
    step: dict[str, Any], index: int, document: Document, names: dict[str, Spot], problems: Problems
) -> bool:
    """Whether a step has a known kind; its kind and name are plain and its name its own."""
    path = ("steps", index)
    name, kind = step.get("name"), step.get("kind")
    for key in ("kind", "name"):
        if isinstance(step.get(key), str) and is_template(step[key]):
            problems.add(document.at((*path, key)), f"{key!r} cannot hold template expressions")
            return False
    if isinstance(name, str):
        spot = document.at((*path, "name"))
        if name in names:
            problems.add(spot, f"step {name!r} is there twice, first in line {names[name].line}")
        names.setdefault(name, spot)
    if isinstance(kind, str) and kind in STEPS:
        return True
    if "kind" not in step:
        problems.add(document.at(path), f"'kind' is missing: one of {', '.join(STEPS)}")
    else:
        problems.add(
            document.at((*path, "kind")),
            f"unknown kind {shown(kind)}{did_you_mean(str(kind), STEPS)}"
            f"; there are {', '.join(STEPS)}",
        )
    return False


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
