"""Ansible's INI inventories.

Written here: what reads this form is Ansible itself, or code that skips what it does not
understand, and configparser takes neither ranges nor lines of several values. Facts: Ansible's
documentation of its ``ini`` inventory plugin. Values are text; what they come to is decided by who
declares the variable, as for ``--set``. No message quotes a line: it may hold a password.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from dockwright.load.inventory.ansible import take
from dockwright.load.inventory.tree import ALL, UNGROUPED, Level, Tree
from dockwright.load.problems import Spot, did_you_mean
from dockwright.load.values import Given, Typed
from dockwright.load.yaml_marks import Document
from dockwright.models import is_ipv6

_SECTION = re.compile(r"\[\s*([^\]\s:]+)\s*(?::\s*(\w+)\s*)?\]\s*(?:[#;].*)?")
_KINDS = ("hosts", "children", "vars")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PORT = re.compile(r"(.+):([0-9]{1,5})")
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass
class _Line:
    number: int
    text: str
    where: str

    def spot(self, part: str = "") -> Spot:
        """Where the first ``part`` of the line begins, or the line's text."""
        start = self.text.find(part) if part else len(self.text) - len(self.text.lstrip())
        return Spot(self.where, self.number, max(0, start) + 1)


def read_ini(text: str, name: str, tree: Tree) -> None:
    """Add what an INI inventory says; what is wrong is noted, and left out."""
    group, kind = tree.groups[UNGROUPED], "hosts"
    used: dict[str, _Line] = {}
    defined = {ALL, UNGROUPED}
    for line in _lines(text, name):
        section = _SECTION.fullmatch(line.text.strip())
        if section is not None:
            kind = section[2] or "hosts"
            group = tree.group(section[1], line.spot(section[1]))
            if kind not in _KINDS:
                hint = did_you_mean(kind, _KINDS)
                tree.problems.add(line.spot(kind), f"unknown kind of section {kind!r}{hint}")
            elif not _GROUP.fullmatch(section[1]):
                message = "that is not the name of a group (A-Z a-z 0-9 . _ -)"
                tree.problems.add(line.spot(section[1]), message)
            if kind == "vars":
                used.setdefault(section[1], line)
            else:
                defined.add(section[1])
        elif kind == "hosts":
            _host(line, group, tree)
        elif kind == "children":
            child = line.text.partition("#")[0].strip()
            tree.join(group.children, child, line.spot(child))
        elif kind == "vars":
            _variable(line, group, tree)
    for missing in used.keys() - defined:
        spot = used[missing].spot(missing)
        if missing not in {child for other in tree.groups.values() for child in other.children}:
            hint = did_you_mean(missing, defined)
            tree.problems.add(spot, f"there is no group {missing!r}{hint}")


def _lines(text: str, name: str) -> Iterator[_Line]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and line.lstrip()[0] not in "#;":
            yield _Line(number, line.rstrip("\r"), name)


def _host(line: _Line, group: Level, tree: Tree) -> None:
    try:
        pattern, *words = shlex.split(line.text, comments=True)
    except ValueError:
        tree.problems.add(line.spot(), "a quote is not closed, or a backslash ends the line")
        return
    if pattern.startswith("[") and not is_ipv6(pattern[1:].partition("]")[0]):
        kinds = "[GROUP], [GROUP:children] or [GROUP:vars]"
        tree.problems.add(line.spot(), f"neither a section nor a host: a section is {kinds}")
        return
    pattern, port = _apart(pattern)
    spot = line.spot()
    for name in [pattern] if is_ipv6(pattern) else tree.names(pattern, spot):
        level = tree.host(name, spot)
        tree.join(group.hosts, name, spot)
        if port:
            take(level, "ansible_port", _given(port, spot), tree)
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not _NAME.fullmatch(key):
                message = "after the host there are only NAME=VALUE, values with spaces in quotes"
                tree.problems.add(line.spot(key), message)
            else:
                take(level, key, _given(value, line.spot(f"{key}=")), tree)


def _apart(pattern: str) -> tuple[str, str]:
    """The host's name, and its port where one is given: ``web1:2222``, ``[::1]:22``."""
    if is_ipv6(pattern):
        return pattern, ""
    match = _PORT.fullmatch(pattern)
    name, port = (match[1], match[2]) if match else (pattern, "")
    if name.startswith("[") and name.endswith("]") and is_ipv6(name[1:-1]):
        name = name[1:-1]
    return name, port


def _variable(line: _Line, group: Level, tree: Tree) -> None:
    key, equals, value = (part.strip() for part in line.text.partition("="))
    if not equals or not _NAME.fullmatch(key):
        tree.problems.add(line.spot(), "in a section of variables each line is NAME=VALUE")
        return
    take(group, key, _given(_unquoted(value), line.spot(key)), tree)


def _unquoted(value: str) -> str:
    """The text between quotes, as Ansible takes it; all else as it is."""
    if value[:1] in ("'", '"'):
        try:
            inner = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return value
        return inner if isinstance(inner, str) else value
    return value


def _given(value: str, spot: Spot) -> Given:
    document = Document(spot.where)
    document.values[()] = spot
    return Typed(value, document)
