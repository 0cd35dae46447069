"""The forms that an inventory may have: which one it is, and who reads it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from dockwright.errors import InputError
from dockwright.load.files import decoded, read_text
from dockwright.load.inventory import vagrant
from dockwright.load.inventory.ansible_tree import read_tree
from dockwright.load.inventory.ini import read_ini
from dockwright.load.inventory.own import read_own
from dockwright.load.inventory.tree import Tree
from dockwright.load.problems import Problems, Spot, type_name
from dockwright.load.yaml_marks import Document, parse

STDIN = "<stdin>"
_CAP = 16 * 1024 * 1024  # a thousand hosts of a cloud with all that it tells of them
_YAML = re.compile(r"---|[\w.\"'-][^\s=]*:(\s|$)")


def shown(source: str) -> str:
    """An inventory as messages call it."""
    if source == vagrant.NAME and not Path(source).exists():
        return vagrant.SHOWN
    return STDIN if source == "-" else source


def read(source: str, name: str, tree: Tree) -> tuple[str, ...]:
    """Add one inventory to the tree; gives what lies beside it and was not read, a line each.

    Raises as ``read_inventories``.
    """
    if name == vagrant.SHOWN:
        vagrant.read_vagrant(tree)
        return ()
    text = _stdin() if source == "-" else _file(Path(source), name)
    form = _read(text, name, tree)
    return _beside(Path(source)) if source != "-" and form == "ansible" else ()


def _read(text: str, name: str, tree: Tree) -> str:
    """Read one text in the form that it has; ``own`` or ``ansible``."""
    first = next((line for line in text.splitlines() if line.strip(" \t")[:1] not in "#;"), "")
    if first.lstrip().startswith("$ANSIBLE_VAULT"):
        message = "the whole file is encrypted by Ansible Vault: it cannot be read here"
        tree.problems.add(Spot(name, 1, 1), message)
        return "ansible"
    is_yaml = name.endswith((".yaml", ".yml"))
    if first.lstrip().startswith("{") and not is_yaml:
        document = _json(text, name, tree.problems)
    elif is_yaml or _YAML.match(first):
        document = parse(text, name, tree.problems)
    else:
        read_ini(text, name, tree)
        return "ansible"
    value = document.value
    if isinstance(value, dict) and "hosts" in value:
        read_own(document, tree)
        return "own"
    if isinstance(value, dict):
        read_tree(document, tree)
    elif not tree.problems.mentions(name):
        what = "is empty" if value is None else f"must be a map, not {type_name(value)}"
        tree.problems.add(Spot(name, 1, 1), f"the inventory {what}")
    return "ansible"


def _json(text: str, name: str, problems: Problems) -> Document:
    """JSON with places: it is YAML, too, but for what PyYAML does not take."""
    try:
        value = json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        problems.add(Spot(name, error.lineno, error.colno), f"not valid JSON: {error.msg}")
        return Document(name, {})
    except (ValueError, RecursionError) as error:
        problems.add(Spot(name, 1, 1), f"not an inventory: {error}")
        return Document(name, {})
    document = parse(text, name, Problems())
    return document if document.value == value else Document(name, value)


def _pairs(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice[:60]!r} is there twice")
    return found


def _stdin() -> str:
    if sys.stdin.isatty():
        raise InputError(
            "-i - reads standard input, and that is the terminal",
            next_step="ansible-inventory --list | dockwright COMMAND -i -",
        )
    return decoded(sys.stdin.buffer.read(_CAP + 1), STDIN, cap=_CAP)


def _file(path: Path, name: str) -> str:
    if path.is_dir():
        raise InputError(
            f"{name} is a directory; no host was contacted",
            next_step=f"name the files in it, or: ansible-inventory -i {name} --list | dockwright"
            " COMMAND -i -",
        )
    text = read_text(path, name, cap=_CAP)
    if text.startswith("#!"):
        raise InputError(
            f"{name} is a program, and inventories are not executed; no host was contacted",
            next_step=f"run it yourself: {name} --list | dockwright COMMAND -i -",
        )
    return text


def _beside(path: Path) -> tuple[str, ...]:
    """Directories of variables that Ansible would have read with a file."""
    folders = (path.parent / "group_vars", path.parent / "host_vars")
    how = f"ansible-inventory -i {path} --list | dockwright COMMAND -i - takes it in"
    return tuple(f"{folder}; {how}" for folder in folders if folder.is_dir())
