"""Expressions in the leaves of a playbook: ``{{ docker_url }}/gpg``.

YAML first, leaves after: a value can never add a key or a line to the file it stands in. The
language is a small part of Jinja's: names, indexing, ``~ + == and or not if else``, literals and
a few filters. No statements, calls, attributes or products, so nothing runs, loops or explodes;
Jinja's sandbox stands behind that. A leaf that is one expression keeps its type. What comes out
is never looked at again: a value with braces stays text.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

SIZE_CAP = 64 * 1024
_EXPRESSION_CAP = 500
_NESTING_CAP = 32
_FILTERS = ("default", "first", "last", "length", "lower", "trim", "upper")
_NODES: tuple[type[nodes.Node], ...] = (
    *(nodes.Name, nodes.Const, nodes.Getitem, nodes.Filter, nodes.Keyword),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg),
    *(nodes.Add, nodes.Concat),
)


# What evaluating or compiling a well-formed expression can still raise.
_FAULTS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, NameError)


class LeafError(ValueError):
    """Why a leaf cannot be rendered; the message completes ``file:line:col:``."""


class _Environment(ImmutableSandboxedEnvironment):
    """Indexing reaches what is in lists and maps, never an attribute of a Python object."""

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, dict) and isinstance(argument, str) and argument in obj:
            return obj[argument]
        if isinstance(obj, list) and type(argument) is int and -len(obj) <= argument < len(obj):
            return obj[argument]
        return self.undefined(f"there is no {argument!r} in it")


def _environment() -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    return environment


_ENVIRONMENT = _environment()


@dataclass(frozen=True)
class Expression:
    """One ``{{ … }}``: the names it asks for, and its value when they are given."""

    source: str
    names: tuple[str, ...]

    def value(self, lookup: Callable[[str], Any]) -> Any:
        """Its value; ``lookup`` is asked once for each name."""
        given = {name: lookup(name) for name in self.names}
        if self.source in given:
            return given[self.source]
        try:
            value = _compiled(self.source)(given)
            if isinstance(value, StrictUndefined):
                value._fail_with_undefined_error()  # noqa: SLF001 (its only way to say why)
        except UndefinedError as error:
            raise LeafError(f"{{{{ {self.source} }}}}: {error.message}") from None
        except _FAULTS as error:
            raise LeafError(f"{{{{ {self.source} }}}} cannot be worked out: {error}") from None
        return _plain(value, self.source)


@dataclass(frozen=True)
class Leaf:
    """A text that was taken apart once: pieces of text and expressions."""

    pieces: tuple[str | Expression, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names it asks for, each once."""
        found = [n for piece in self.pieces if isinstance(piece, Expression) for n in piece.names]
        return tuple(dict.fromkeys(found))

    @property
    def sole_name(self) -> str | None:
        """The variable that it is, and nothing else: ``{{ docker_packages }}``."""
        piece = self.pieces[0] if len(self.pieces) == 1 else ""
        return (
            piece.source
            if isinstance(piece, Expression) and piece.names == (piece.source,)
            else None
        )

    def render(self, lookup: Callable[[str], Any]) -> Any:
        """Its value for one host."""
        if len(self.pieces) == 1 and isinstance(self.pieces[0], Expression):
            return self.pieces[0].value(lookup)
        parts: list[str] = []
        length = 0
        for piece in self.pieces:
            parts.append(piece if isinstance(piece, str) else _inside_text(piece, lookup))
            length += len(parts[-1])
            if length > SIZE_CAP:
                raise LeafError(f"becomes longer than {SIZE_CAP // 1024} KiB")
        return "".join(parts)


def is_template(text: str) -> bool:
    """Whether a text needs ``leaf`` at all."""
    return "{{" in text or "{%" in text or "{#" in text


@functools.lru_cache(maxsize=1024)
def leaf(text: str) -> Leaf:
    """Take a text apart; raises LeafError where it is not text with expressions."""
    for opener, what in (("{%", "statements ({% %})"), ("{#", "template comments ({# #})")):
        if opener in text:
            raise LeafError(f"{what} are not allowed, only expressions: {{{{ name }}}}")
    if "\r" in text:
        raise LeafError("holds a carriage return beside a template expression")
    pieces: list[str | Expression] = []
    source: list[str] | None = None
    try:
        for _, token, value in _ENVIRONMENT.lex(text):
            if token == "variable_begin":  # noqa: S105 (a kind of token, not a secret)
                source = []
            elif token == "variable_end":  # noqa: S105
                pieces.append(_expression("".join(source or ()).strip()))
                source = None
            elif source is None:
                pieces.append(value)
            else:
                source.append(value)
    except TemplateSyntaxError as error:
        raise _not_an_expression(error) from None
    if source is not None:
        raise LeafError("a template expression that starts with {{ must end with }}")
    return Leaf(tuple(pieces))


def size(value: Any) -> int:
    """Roughly the characters that a value has."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return 2 + sum(1 + size(item) for item in value)
    if isinstance(value, dict):
        return 2 + sum(len(key) + 1 + size(item) for key, item in value.items())
    return 8


@functools.lru_cache(maxsize=1024)
def _expression(source: str) -> Expression:
    if len(source) > _EXPRESSION_CAP:
        raise LeafError(f"an expression is longer than {_EXPRESSION_CAP} characters")
    # Jinja's parser is recursive.
    if sum(map(source.count, "([{")) > _NESTING_CAP:
        raise LeafError(f"an expression has more than {_NESTING_CAP} brackets")
    if source.isidentifier() and source.isascii() and source not in _WORDS:
        return Expression(source, (source,))
    try:
        # What Jinja makes of {{ source }}: an Output of one expression.
        tree = _ENVIRONMENT.parse(f"{{{{ {source} }}}}")
    except TemplateSyntaxError as error:
        raise _not_an_expression(error) from None
    except RecursionError:
        raise LeafError("an expression is nested too deeply") from None
    output = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(output, nodes.Output) or len(output.nodes) != 1:
        raise LeafError(f"{{{{ {source} }}}} is not one expression")
    _refuse_all_but_known(output.nodes[0], source)
    names = [node.name for node in output.find_all(nodes.Name)]
    return Expression(source, tuple(dict.fromkeys(names)))


_WORDS = {
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "not",
    "and",
    "or",
    "in",
    "is",
    "if",
    "else",
}


def _refuse_all_but_known(tree: nodes.Node, source: str, depth: int = 0) -> None:
    if depth > _NESTING_CAP:
        raise LeafError("an expression is nested too deeply")
    if type(tree) not in _NODES:
        what = _REFUSED.get(type(tree), type(tree).__name__.lower())
        raise LeafError(f"{{{{ {source} }}}}: {what} not allowed")
    if isinstance(tree, nodes.Filter) and tree.name not in _FILTERS:
        raise LeafError(
            f"{{{{ {source} }}}}: no filter {tree.name!r}; there are {', '.join(_FILTERS)}"
        )
    if isinstance(tree, nodes.CondExpr) and tree.expr2 is None:
        # Jinja would make it an empty text.
        raise LeafError(f"{{{{ {source} }}}}: an if needs its else")
    for child in tree.iter_child_nodes():
        _refuse_all_but_known(child, source, depth + 1)


_REFUSED: dict[type[nodes.Node], str] = {
    nodes.Call: "calls are",
    nodes.Getattr: "attributes are",
    nodes.Mul: "products are",
    nodes.Pow: "powers are",
    nodes.Mod: "% is",
    nodes.Div: "quotients are",
    nodes.Slice: "slices are",
    nodes.Test: "tests (is) are",
}


@functools.lru_cache(maxsize=1024)
def _compiled(source: str) -> Callable[..., Any]:
    return _ENVIRONMENT.compile_expression(source, undefined_to_none=False)


def _not_an_expression(error: TemplateSyntaxError) -> LeafError:
    return LeafError(
        f"not a template expression: {error.message};"
        " to keep braces as they are, write {{ '{{ … }}' }}"
    )


def _inside_text(piece: Expression, lookup: Callable[[str], Any]) -> str:
    value = piece.value(lookup)
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise LeafError(f"{{{{ {piece.source} }}}} stands inside text and is neither text nor a number")


def _plain(value: Any, source: str) -> Any:
    """The value as JSON has it; what Jinja's own types leave is refused."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        if len(value) <= SIZE_CAP:
            return str(value)
        raise LeafError(f"becomes longer than {SIZE_CAP // 1024} KiB")
    if isinstance(value, (list, tuple)) and len(value) <= SIZE_CAP:
        return [_plain(item, source) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, source) for key, item in value.items()}
    raise LeafError(f"{{{{ {source} }}}} is neither text, number, list nor map")
