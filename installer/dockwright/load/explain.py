"""Pydantic's complaints in the words of the file: which key, where, and what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, StringConstraints, ValidationError

from dockwright import models
from dockwright.load.problems import Place, Problems, did_you_mean, shown, type_name
from dockwright.load.yaml_marks import KeyPath

# (path below the model, whether the key is meant rather than its value) -> where that was written.
Locate: TypeAlias = Callable[[KeyPath, bool], Place]

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}
_GRAMMARS = {
    "PackageName": "the name of a package (a-z 0-9 . + -)",
    "VersionWish": "a version, such as 29, 29.7 or 29.7.2",
    "Floor": "a version, such as 29.7.2, or 29.7.2 of 2026-08-05",
    "Url": "an http or https URL without user, query or fragment",
    "AptUri": "an http or https URL without user, query or fragment",
    "ProxyUrl": "the http or https URL of a proxy; its login is given by --proxy-file",
    "Suite": "a suite, such as noble",
    "Word": "a word (a-z 0-9 . _ -)",
    "Architecture": "an architecture, such as amd64",
    "UnitName": "a unit, such as docker.service",
    "UserName": "the name of a user (a-z 0-9 . _ -)",
    "AbsolutePath": "an absolute path (A-Z a-z 0-9 . _ @ + -)",
    "FileMode": 'a file mode, such as "0644"',
    "ImageName": "the name of an image, such as hello-world",
    "ImageTag": "the name of an image without a digest, such as registry.example/app:1.0",
    "RegistryHost": "the name of a registry without a scheme, such as registry.example:5000",
    "Sha256": "a sha256 (64 hex digits)",
    "Line": "one line of text",
    "LoginName": "the name of a user (A-Z a-z 0-9 . _ + -)",
    "JumpHosts": "jump hosts, such as ops@bastion or ops@bastion:22,inner",
    "KeyFile": "the path of a key file that begins with / or ~/",
    "GroupName": "the name of a group (A-Z a-z 0-9 . _ -)",
}


def _pattern(alias: Any) -> str:
    """The pattern of an alias such as ``models.PackageName``."""
    found = [item for item in get_args(alias) if isinstance(item, StringConstraints)]
    return str(found[0].pattern) if found else ""


_BY_PATTERN = {_pattern(getattr(models, name)): words for name, words in _GRAMMARS.items()}


def explain(
    error: ValidationError,
    model: type[BaseModel],
    value: Any,
    locate: Locate,
    problems: Problems,
    *,
    noted: Collection[KeyPath] = (),
) -> None:
    """Note each complaint about ``value``, which was meant to be a ``model``.

    ``noted`` are the paths of which it was said already what is wrong.
    """
    seen: set[KeyPath] = set(noted)
    for complaint in error.errors(include_url=False):
        location = complaint["loc"]
        path = _within(value, location)
        # A union complains once for each of its branches.
        if path in seen and path != ():
            continue
        seen.add(path)
        kind = complaint["type"]
        place = locate(path, kind == "extra_forbidden")
        if kind == "extra_forbidden":
            hint = did_you_mean(str(path[-1]), _fields(model, path[:-1]))
            message = f"unknown key {place.name}{hint}"
        elif kind == "missing":
            message = f"{location[-1]!r} is missing"
        else:
            colon = ":" if kind == "value_error" else ""
            subject = f"{place.name}{colon} " if place.name else ""
            message = f"{subject}{_message(complaint, place.raw)}"
        problems.add(place.spot, message, derived=place.derived)


def _message(complaint: Mapping[str, Any], raw: str | None) -> str:
    kind, given = complaint["type"], complaint["input"]
    context = complaint.get("ctx", {})
    if kind == "string_type" and raw:
        return f'must be text: write it in quotes, "{raw}"'
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {type_name(given)}"
    if kind == "string_pattern_mismatch":
        return _mismatch(str(given), _BY_PATTERN.get(context["pattern"], "of the form asked for"))
    if kind == "literal_error":
        expected = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return f"must be one of {', '.join(expected)}, not {shown(given)}{did_you_mean(str(given), expected)}"
    if kind == "value_error":
        # A block of PEM says nothing to a reader, and a key that was put there is a secret.
        tells = isinstance(given, str) and "-----BEGIN" not in given
        return f"{context['error']}" + (f": {shown(given)}" if tells else "")
    if kind in ("less_than_equal", "greater_than_equal"):
        limit = f"at most {context['le']}" if "le" in context else f"at least {context['ge']}"
        return f"must be {limit}, not {shown(given)}"
    if kind == "too_short":
        return "must not be empty"
    return f"is wrong: {complaint['msg']}"


def _mismatch(given: str, wanted: str) -> str:
    if "\n" in given or "\r" in given:
        return "contains a line break"
    if re.search(r"[\x00-\x1f\x7f]", given):
        return "contains a control character"
    if wanted == _GRAMMARS["ProxyUrl"]:
        return f"is not {wanted}"  # what can't be parsed can't be masked
    return f"is not {wanted}: {shown(given)}"


def _within(value: Any, location: tuple[str | int, ...]) -> KeyPath:
    """As much of pydantic's location as is in the value; the rest names branches of unions."""
    path: KeyPath = ()
    for part in location:
        inside = isinstance(value, dict) and part in value
        inside = inside or (isinstance(value, list) and isinstance(part, int) and part < len(value))
        if not inside:
            break
        path, value = (*path, part), value[part]
    return path


def _fields(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that the model has at that path."""
    for part in path:
        if not isinstance(part, str) or part not in model.model_fields:
            continue
        model = next(iter(_models(model.model_fields[part].annotation)), model)
    return list(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]
