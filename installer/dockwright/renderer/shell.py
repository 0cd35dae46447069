"""Jinja for shell: every ``{{ }}`` is quoted, undefined names are errors, the sandbox is on."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable
from functools import cache

import jinja2
import jinja2.sandbox

from dockwright.resources import directory


class Raw(str):
    """Shell text that must not be quoted again."""

    __slots__ = ()


@cache
def environment() -> jinja2.Environment:
    """The environment of all templates of host programs; made once."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(directory("templates")),
        undefined=jinja2.StrictUndefined,
        finalize=_quoted,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # this is shell: finalize quotes
    )
    environment.filters["words"] = _words
    environment.filters["variable"] = variable
    environment.filters["comment"] = _comment
    environment.filters["parent"] = lambda path: Raw(shlex.quote(posixpath.dirname(path)))
    environment.globals["runtime"] = _runtime
    return environment


def compile_templates(kinds: Iterable[str]) -> None:
    """Compile a program's templates, and those of its kinds of steps: while a host is waited for."""
    for name in ("program", "launch", *(f"steps/{kind}" for kind in kinds)):
        environment().get_template(f"{name}.sh.j2")


def _quoted(value: object) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises, with the name
    return shlex.quote(str(value))


def _words(values: Iterable[object]) -> Raw:
    return Raw(" ".join(shlex.quote(str(value)) for value in values))


def variable(name: object) -> Raw:
    """A name as part of a shell variable's name."""
    return Raw(re.sub(r"[^A-Za-z0-9]", "_", str(name)))


def _comment(value: object) -> Raw:
    return Raw(one_line(str(value)))


def one_line(text: str) -> str:
    """Text as one line of printable characters, for comments and for names."""
    return "".join(c if c.isprintable() else " " for c in text)


@cache
def _runtime(name: str) -> Raw:
    """A part of the runtime as it stands: plain shell, no Jinja in it."""
    return Raw((directory("templates") / "runtime" / name).read_text(encoding="utf-8"))
