"""Whatever is in the files: a playbook comes out, or an InputError that says where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockwright import resources
from dockwright.errors import InputError
from dockwright.load import Overrides, load_playbook
from dockwright.load.problems import Problems
from dockwright.load.yaml_marks import parse
from tests.unit.load.support import SITE

ENGINE = (resources.directory("playbooks") / "components" / "docker-engine.yaml").read_text()
FRAGMENTS = st.sampled_from(
    [
        *("{{", "}}", "{%", "{#", "&a ", "*a", "!!str ", "<<: ", "? ", "- ", ": ", "\n", "  ", "["),
        *(
            "]",
            "{",
            "}",
            "'",
            '"',
            "no",
            "29.10",
            "null",
            "~",
            "#",
            "|\n",
            "---\n",
            "\0",
            "é",
            "\t",
        ),
        *(
            "{{ docker_url }}",
            "{{ hold }}",
            "{{ docker_daemon }}",
            "%",
            "@",
            "`",
            ".inf",
            "\\",
            "kind",
        ),
    ]
)
EDITS = st.lists(st.tuples(st.integers(0, len(ENGINE)), st.integers(0, 12), FRAGMENTS), max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(["component", "summary", "variables", "steps", "kind", "name", "default"])
PLACE = re.compile(r"(site\.yaml|components/own\.yaml|--set [^:]*)(:[1-9][0-9]*:[1-9][0-9]*)?: .+")
QUICK = settings(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    Path("components").mkdir()
    Path("site.yaml").write_text(SITE, encoding="utf-8")
    yield
    assert not Path("canary").exists()


def load_own(text: str) -> None:
    Path("components/own.yaml").write_text(text, encoding="utf-8")
    lines = [""]
    try:
        load_playbook("site.yaml")
    except InputError as error:
        lines = [line for _, line in error.details]
    assert all(line == "" or PLACE.fullmatch(line) for line in lines), lines
    assert lines


@QUICK
@given(EDITS)
def test_an_edited_component(edits: list[tuple[int, int, str]]) -> None:
    text = ENGINE.replace("component: docker-engine", "component: own")
    for position, cut, fragment in edits:
        text = text[:position] + fragment + text[position + cut :]
    load_own(text)


@pytest.mark.slow
@QUICK
@given(st.dictionaries(KEYS, VALUES | st.lists(st.dictionaries(KEYS, VALUES), max_size=3)))
def test_a_component_of_any_shape(value: dict[str, Any]) -> None:
    load_own(yaml.safe_dump(value, allow_unicode=True))


@QUICK
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_text(text: str) -> None:
    load_own(text)


@QUICK
@given(
    st.sampled_from(
        ["docker_url", "docker_users", "hold", "docker_daemon", "docker_packages", "x"]
    ),
    st.text(max_size=30),
)
def test_any_option(name: str, text: str) -> None:
    with suppress(InputError):
        load_playbook("docker", overrides=Overrides(sets=(f"{name}={text}",)))


@QUICK
@given(VALUES)
def test_what_is_parsed_is_what_was_written(value: Any) -> None:
    """Where nothing is refused, the value is the one that YAML has."""
    text = yaml.safe_dump(value, allow_unicode=True)
    problems = Problems()
    parsed = parse(text, "f.yaml", problems).value
    if not problems.lines:
        assert parsed == yaml.safe_load(text)
