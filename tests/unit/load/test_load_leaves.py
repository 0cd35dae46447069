"""The expression language of leaves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwright.load import expressions, leaves
from dockwright.load.leaves import LeafError, leaf, size

VALUES: dict[str, Any] = {
    "text": "x",
    "list": ["p", "q"],
    "map": {"log-driver": "local", "keys": 1},
    "braces": "{{ 7 * 7 }}",
    "number": 3,
    "flag": False,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ text }}/gpg", "x/gpg"),
        ("a {{ text }} b {{ number }}\n", "a x b 3\n"),
        ("{{ list }}", ["p", "q"]),
        ("{{ flag }}", False),
        ("{{ braces }}", "{{ 7 * 7 }}"),
        ("a{{ braces }}", "a{{ 7 * 7 }}"),
        ("{{ map['log-driver'] }}", "local"),
        ("{{ list[0] ~ list[-1] }}", "pq"),
        ("{{ list + ['r'] }}", ["p", "q", "r"]),
        ("{{ {'a': [1, 2.5, none]} }}", {"a": [1, 2.5, None]}),
        ("{{ 'a' if number == 3 and not flag else 'b' }}", "a"),
        ("{{ text | upper }}", "X"),
        ("{{ text | default('y') }}", "x"),
        ("{{ list | length }}", 2),
        ("{{ 'p' in list }}", True),
        ("{{ '{{.Name}}' }}", "{{.Name}}"),
        ("{{ true }}", True),
        ("}} and {", "}} and {"),
    ],
)
def test_values(source: str, value: object) -> None:
    rendered = leaf(source).render(VALUES.__getitem__)
    assert rendered == value
    assert type(rendered) is type(value)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ map.keys }}", "attributes are not allowed"),
        ("{{ map['items'] }}", "there is no 'items' in it"),
        ("{{ list[7] }}", "there is no 7 in it"),
        ("{{ list['append'] }}", "there is no 'append' in it"),
        ("{{ text['upper'] }}", "there is no 'upper' in it"),
        ("{{ list[0:1] }}", "slices are not allowed"),
        ("{{ text is defined }}", "tests (is) are not allowed"),
        ("{{ number % 2 }}", "% is not allowed"),
        ("{{ +number }}", "pos not allowed"),
        ("{{ list | join }}", "no filter 'join'; there are default, first"),
        ("{{ number + text }}", "cannot be worked out: unsupported operand"),
        ("{{ 1e999 }}", "cannot be worked out"),
        ("{{ [] | first }}", "No first item"),
        ("{{ text if flag }}", "an if needs its else"),
        ("{{ {1: 2} }}", "is neither text, number, list nor map"),
        ("{{ list }}x", "stands inside text and is neither text nor a number"),
        ("{{ flag }}x", "stands inside text and is neither text nor a number"),
        ("{{.Name}}", "to keep braces as they are, write {{ '{{ … }}' }}"),
        ("{{ text", "must end with }}"),
        ("{{ }}", "not a template expression"),
        ("{{ a b }}", "not a template expression"),
        ("{{ ' }}", "not a template expression"),
        ("{{ text }}\r\n", "carriage return"),
        ("{{ " + "(" * 120 + "text" + ")" * 120 + " }}", "more than 32 brackets"),
        ("{{ " + "not " * 100 + "text }}", "nested too deeply"),
        ("{{ " + "a" * 501 + " }}", "longer than 500 characters"),
        ("{{ text }}" + "y" * 70_000, "longer than 64 KiB"),
    ],
)
def test_refusals(source: str, why: str) -> None:
    with pytest.raises(LeafError) as caught:
        leaf(source).render(VALUES.__getitem__)
    assert why in str(caught.value)


def test_names() -> None:
    assert leaf("{{ a ~ b }}{{ a }}c").names == ("a", "b")
    assert leaf("{{ a }}").sole_name == "a"
    assert leaf("{{ a }}b").sole_name is leaf("{{ 'a' }}").sole_name is leaf("a").sole_name is None


WORDS = st.sampled_from(
    [*("text", "number", "flag", "none", "in", "is", "class", "==", "if", "else", "not"),
     *("'x'", '"x"', "r'x'", "u'x'", "''", "'a b'", "'", "3", "-", ".", "/", "=", "=="),
     *("text == 'x'", "'y' if flag else", "number if text else 'z'", "\n", "\t")]
)  # fmt: skip


@given(st.lists(WORDS, min_size=1, max_size=7), st.sampled_from([" ", ""]))
def test_what_is_read_without_jinja_means_to_jinja_the_same(words: list[str], between: str) -> None:
    source = between.join(words).strip()
    tree = leaves._simple(source)
    if tree is None:
        return
    names = expressions.names(source)
    assert set(leaf(f"{{{{ {source} }}}}").names) == set(names)
    if not set(names) - set(VALUES):
        found = leaves._worked_out(tree, VALUES)
        there = expressions.value(source, VALUES)
        assert (found, type(found)) == (there, type(there))


@pytest.mark.parametrize(
    "text", ["a{{ text }}-{{ 'p' if text == 'x' else number }}\n", "{{text}}", "{{ '' }}"]
)
def test_most_texts_are_taken_apart_without_jinja(text: str) -> None:
    parts = leaves._pieces(text)
    assert parts == list(expressions.pieces(text))
    assert all(leaves._simple(part) is not None for is_source, part in parts if is_source)


def test_size_counts_what_is_inside() -> None:
    assert size("abc") == 3
    assert size(["abc", {"de": True}]) == 2 + 4 + 1 + 2 + 3 + 8
