"""Expressions of leaves as Jinja reads them: what is allowed, the names they ask for, their value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dockwright.load.leaves import SIZE_CAP, LeafError

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


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """The pieces of a text: whether it is the source of an expression, and the piece.

    Raises LeafError where there is more than text and expressions.
    """
    source: list[str] | None = None
    try:
        for _, token, value in _ENVIRONMENT.lex(text):
            if token == "variable_begin":  # noqa: S105 (a kind of token, not a secret)
                source = []
            elif token == "variable_end":  # noqa: S105
                yield True, "".join(source or ()).strip()
                source = None
            elif source is None:
                yield False, value
            else:
                source.append(value)
    except TemplateSyntaxError as error:
        raise _not_an_expression(error) from None
    if source is not None:
        raise LeafError("a template expression that starts with {{ must end with }}")


def names(source: str) -> tuple[str, ...]:
    """The names that an expression asks for, each once; LeafError where it is none, or not allowed."""
    # Jinja's parser is recursive.
    if sum(map(source.count, "([{")) > _NESTING_CAP:
        raise LeafError(f"an expression has more than {_NESTING_CAP} brackets")
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
    return tuple(dict.fromkeys(node.name for node in output.find_all(nodes.Name)))


def value(source: str, given: Mapping[str, Any]) -> Any:
    """The value of an expression where its names are given; LeafError where it has none."""
    try:
        found = _compiled(source)(given)
        if isinstance(found, StrictUndefined):
            found._fail_with_undefined_error()  # noqa: SLF001 (its only way to say why)
    except UndefinedError as error:
        raise LeafError(f"{{{{ {source} }}}}: {error.message}") from None
    except _FAULTS as error:
        raise LeafError(f"{{{{ {source} }}}} cannot be worked out: {error}") from None
    return _plain(found, source)


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
