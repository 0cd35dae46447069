"""Expressions in the leaves of a playbook: ``{{ docker_url }}/gpg``.

YAML first, leaves after: a value can never add a key or a line to the file it stands in. The
language is a small part of Jinja's: names, indexing, ``~ + == and or not if else``, literals and
a few filters. No statements, calls, attributes or products, so nothing runs, loops or explodes;
Jinja's sandbox stands behind that, in ``expressions``. A leaf that is one expression keeps its type. What comes out
is never looked at again: a value with braces stays text.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SIZE_CAP = 64 * 1024
_EXPRESSION_CAP = 500
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


class LeafError(ValueError):
    """Why a leaf cannot be rendered; the message completes ``file:line:col:``."""


@dataclass(frozen=True)
class Expression:
    """One ``{{ … }}``: the names it asks for, and its value when they are given."""

    source: str
    names: tuple[str, ...]

    def value(self, lookup: Callable[[str], Any]) -> Any:
        """Its value; ``lookup`` is asked once for each name."""
        given = {name: lookup(name) for name in self.names}
        tree = _simple(self.source)
        if tree is not None:
            return _worked_out(tree, given)
        from dockwright.load import expressions

        return expressions.value(self.source, given)


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
    return Leaf(
        tuple(_expression(piece) if is_source else piece for is_source, piece in _pieces(text))
    )


def size(value: Any) -> int:
    """Roughly the characters that a value has."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return 2 + sum(1 + size(item) for item in value)
    if isinstance(value, dict):
        return 2 + sum(len(key) + 1 + size(item) for key, item in value.items())
    return 8


_BRACED = re.compile(r"\{\{([^{}]*)\}\}")


def _pieces(text: str) -> list[tuple[bool, str]]:
    parts = [(bool(n % 2), part) for n, part in enumerate(_BRACED.split(text))]
    plain = all(
        _simple(part.strip()) is not None if is_source else not set(part) & set("{}")
        for is_source, part in parts
    )
    if plain:
        return [
            (is_source, part.strip() if is_source else part) for is_source, part in parts if part
        ]
    from dockwright.load import expressions

    return list(expressions.pieces(text))


@functools.lru_cache(maxsize=1024)
def _expression(source: str) -> Expression:
    if len(source) > _EXPRESSION_CAP:
        raise LeafError(f"an expression is longer than {_EXPRESSION_CAP} characters")
    tree = _simple(source)
    if tree is not None:
        return Expression(source, tuple(dict.fromkeys(_names(tree))))
    from dockwright.load import expressions

    return Expression(source, expressions.names(source))


# --- without Jinja --------------------------------------------------------------------------------

# Loading Jinja takes longer than all else that is done with a playbook, and nearly all that playbooks
# ask for means the same to Python: a name, a text, whether two are equal, one or the other.
_READ_ALIKE = re.compile(r"[\w\s.:/'\"=-]+", re.ASCII)


@functools.lru_cache(maxsize=1024)
def _simple(source: str) -> ast.expr | None:
    """The tree of an expression that Python reads as Jinja does; ``None`` for others, right or wrong."""
    if len(source) > _EXPRESSION_CAP or not _READ_ALIKE.fullmatch(source):
        return None
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return tree if _is_simple(tree, source) else None


def _is_simple(tree: ast.expr, source: str) -> bool:
    if isinstance(tree, ast.IfExp):
        return all(_is_simple(part, source) for part in (tree.test, tree.body, tree.orelse))
    if isinstance(tree, ast.Compare):
        equal = len(tree.ops) == 1 and isinstance(tree.ops[0], ast.Eq)
        return equal and all(_is_simple(part, source) for part in (tree.left, *tree.comparators))
    if isinstance(tree, ast.Name):
        return tree.id not in _WORDS
    # Text in a pair of quotes: r'', and what Python joins, are something else to Jinja.
    written = source[tree.col_offset : tree.end_col_offset]
    return isinstance(tree, ast.Constant) and written[1:-1] == tree.value and written[0] in "'\""


def _names(tree: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _worked_out(tree: Any, given: Mapping[str, Any]) -> Any:
    if isinstance(tree, ast.IfExp):
        return _worked_out(tree.body if _worked_out(tree.test, given) else tree.orelse, given)
    if isinstance(tree, ast.Compare):
        return _worked_out(tree.left, given) == _worked_out(tree.comparators[0], given)
    return given[tree.id] if isinstance(tree, ast.Name) else tree.value


def _inside_text(piece: Expression, lookup: Callable[[str], Any]) -> str:
    value = piece.value(lookup)
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise LeafError(f"{{{{ {piece.source} }}}} stands inside text and is neither text nor a number")
