"""Whatever is in an inventory: hosts come out, or an InputError that says where; no secret does."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dockwright.errors import InputError
from dockwright.load import choose, read_inventories
from dockwright.load.inventory.ini import read_ini
from dockwright.load.inventory.ranges import MOST, RangeError, expand
from dockwright.load.inventory.tree import Tree
from dockwright.models import Host
from dockwright.transport.target import require_safe

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z0-9]", fullmatch=True)
QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


# --- ranges ---------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 40), st.integers(0, 4), NAMES)
def test_numbers_count_as_python_does(
    first: int, more: int, step: int, width: int, name: str
) -> None:
    last = first + more
    width = max(width, len(str(last)))
    low = f"{first:0{width}d}"
    text = f"{name}[{low}:{last:0{width}d}:{step}].x"
    wide = width if low.startswith("0") and len(low) > 1 else 0
    assert expand(text) == [f"{name}{n:0{wide}d}.x" for n in range(first, last + 1, step)]


@given(st.lists(st.sampled_from(["a", "[1:3]", "[a:c]", "-", "[08:10]"]), max_size=5))
def test_ranges_multiply(parts: list[str]) -> None:
    names = expand("".join(parts))
    count = 1
    for part in parts:
        count *= 3 if part.startswith("[") else 1
    assert len(names) == count == len(set(names))
    assert sorted(names) == names


@given(st.text(alphabet="[]:0123456789abzAZ-.", max_size=24))
@example("[1:99999999]")
@example("[1:999][1:999]")
def test_whatever_is_between_brackets_ends_soon(text: str) -> None:
    try:
        names = expand(text)
    except RangeError:
        return
    assert 1 <= len(names) <= MOST


# --- INI ------------------------------------------------------------------------------------------


@given(
    st.dictionaries(NAMES, st.dictionaries(NAMES.map(lambda n: n.replace("-", "_")), st.text(
        st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)), min_size=1, max_size=5)
)  # fmt: skip
def test_what_is_quoted_for_a_shell_comes_back(hosts: dict[str, dict[str, str]]) -> None:
    import shlex

    lines = [
        " ".join([host, *(f"{key}={shlex.quote(value)}" for key, value in said.items())])
        for host, said in hosts.items()
    ]
    tree = Tree()
    read_ini("[all]\n" + "\n".join(lines), "hosts", tree)
    assert tree.problems.lines == ()
    assert list(tree.hosts) == list(hosts)
    for host, said in hosts.items():
        assert {k: g.value for k, (g,) in tree.hosts[host].variables.items()} == said


def outcome(file: Path) -> tuple[dict[str, Host], InputError | None]:
    """The hosts of a file, all of them safe to connect to, or why there are none."""
    try:
        inventory = read_inventories([str(file)])
        hosts = inventory.hosts()
        inventory.stop_here()
    except InputError as error:
        return {}, error
    for host in hosts.values():
        require_safe(host)
    return hosts, None


FRAGMENTS = st.sampled_from(
    [
        *(
            "[web]",
            "[web:vars]",
            "[web:children]",
            "[all:vars]",
            "[",
            "]",
            ":",
            "=",
            "#",
            ";",
            "\n",
        ),
        *(
            "web1",
            "web[1:3]",
            "[::1]:22",
            "db",
            "web",
            " ",
            "'",
            '"',
            "\\",
            "\0",
            "é",
            "\t",
            "\r\n",
        ),
        *(
            "ansible_host=x",
            "ansible_port=22",
            "ansible_password=c4n4ry",
            "docker_version=29",
            "a=b",
        ),
        *(
            "ansible_ssh_common_args='-J a'",
            "$ANSIBLE_VAULT",
            "{{ x }}",
            "all",
            "- ",
            "{",
            "}",
            ",",
        ),
        *("hosts:", "groups:", "  ", "vars:", "children:", "_meta", "!vault ", "null", "\n  "),
    ]
)


@QUIET
@given(
    parts=st.lists(FRAGMENTS | st.text(max_size=5), max_size=14),
    name=st.sampled_from(["i", "i.yaml", "i.json"]),
)
def test_any_text_is_an_inventory_or_an_error_with_its_place(
    tmp_path: Path, parts: list[str], name: str
) -> None:
    file = tmp_path / name
    file.write_bytes("".join(parts).encode("utf-8", "surrogatepass"))
    hosts, error = outcome(file)
    assert bool(hosts) is (error is None)
    if error is not None:
        told = f"{error.brief} {error.details} {error.next_step}"
        assert "c4n4ry" not in told
        assert "no host was contacted" in told
        assert all(str(file) in text for label, text in error.details if label == "error")
    assert "c4n4ry" not in repr(hosts)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
GROUPS = st.fixed_dictionaries(
    {},
    optional={
        "hosts": st.lists(NAMES, max_size=3) | VALUES,
        "children": st.lists(NAMES, max_size=3) | VALUES,
        "vars": st.dictionaries(st.sampled_from(["ansible_host", "ansible_port", "hold", "x"]), VALUES, max_size=2),
    },
)  # fmt: skip


@QUIET
@given(
    value=st.dictionaries(NAMES | st.just("all") | st.just("_meta"), GROUPS | VALUES, max_size=4)
)
def test_any_json_is_an_inventory_or_an_error(tmp_path: Path, value: object) -> None:
    file = tmp_path / "list.json"
    file.write_text(json.dumps(value), encoding="utf-8")
    hosts, error = outcome(file)
    assert error is None or "no host was contacted" in error.brief
    assert error is not None or hosts


# --- choosing -------------------------------------------------------------------------------------

HOSTS = ("web1", "web2", "db1", "db2", "cache")
GROUPS_OF = {"all": HOSTS, "web": ("web1", "web2"), "odd": ("web1", "db1"), "none": ()}
TERMS = st.sampled_from([*HOSTS, *GROUPS_OF, "web*", "*1", "[wd]*", "web[1:2]", "@log"])


def chosen(*terms: str) -> list[str]:
    return choose(HOSTS, list(GROUPS_OF), GROUPS_OF.__getitem__, terms, lambda _: ("db2", "gone"))


def one(term: str) -> set[str]:
    if term.startswith("@"):
        return {"db2"}
    if term == "web[1:2]":
        return {"web1", "web2"}
    groups = (GROUPS_OF[name] for name in GROUPS_OF if fnmatchcase(name, term))
    return {host for host in HOSTS if fnmatchcase(host, term)}.union(*groups)


@given(st.lists(TERMS, max_size=3), st.lists(TERMS, max_size=3), st.randoms())
def test_terms_add_and_exclusions_take_away(
    add: list[str], drop: list[str], chance: object
) -> None:
    terms = [*add, *(f"!{term}" for term in drop)]
    chance.shuffle(terms)  # type: ignore[attr-defined]
    wanted = set().union(*map(one, add)) if add else set(HOSTS)
    wanted -= set().union(*map(one, drop))
    assert chosen(*terms) == chosen(",".join(terms)) == [host for host in HOSTS if host in wanted]


@pytest.mark.parametrize("term", ["wbe1", "!wbe1", "x*", "web[1:3]", "web,nothing"])
def test_a_term_that_means_nothing_is_named(term: str) -> None:
    with pytest.raises(InputError, match="no host and no group is called"):
        chosen(term)
    with pytest.raises(InputError, match=r"'web\[3:1\]'.*upwards"):
        chosen("web[3:1]")
