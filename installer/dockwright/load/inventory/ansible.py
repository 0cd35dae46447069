"""What variables of Ansible's inventories mean here; docs/inventory.md has the table.

Connection settings are taken over. Passwords and vault values are refused, and never quoted. All
else with Ansible's prefix means nothing to Dockwright and is named once; other names are variables
of playbooks, ours or Ansible's.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from dockwright.frozen import Frozen
from dockwright.load.explain import explain
from dockwright.load.inventory.tree import PASSWORDS, Level, Tree
from dockwright.load.leaves import is_template
from dockwright.load.problems import Place, Spot, shown
from dockwright.load.values import Given
from dockwright.load.yaml_marks import KeyPath
from dockwright.models import Address, JumpHosts, Line, LoginName

_SETTINGS = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_private_key_file": "identity",
    "ansible_ssh_private_key_file": "identity",
    "ansible_connection": "transport",
    "ansible_ssh_common_args": "jump",
    "ansible_ssh_extra_args": "jump",
}
_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")
_PRIVATE = re.compile(r"ansible_\w*(pass(word|wd|phrase)?|secret|token|private_key)")


class _Settings(Frozen):
    """Grammars of the settings; a key file may be relative, as it is with Ansible."""

    address: Address | None = None
    user: LoginName | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    identity: Line | None = None
    jump: JumpHosts | None = None
    transport: Literal["ssh", "local"] | None = None


def take(level: Level, name: str, given: Given, tree: Tree) -> None:
    """Take over one variable of a host or group; what is wrong with it is noted."""
    if _PRIVATE.fullmatch(name):
        tree.problems.add(given.spot, f"{name!r}: {PASSWORDS}", last=True)
    elif in_vault(given.value):
        tree.problems.add(
            given.spot,
            f"{name!r} is a value of Ansible Vault: it cannot be read here, and secrets do not"
            " belong here",
        )
    elif name in _SETTINGS:
        _setting(level, name, given, tree)
    elif name.startswith("ansible_"):
        tree.foreign.setdefault(name, given.spot)
    else:
        level.give(name, given)


def in_vault(value: Any) -> bool:
    """Whether a value, or one in it, is encrypted by Ansible Vault."""
    if isinstance(value, str):
        return value.lstrip().startswith("$ANSIBLE_VAULT")
    if isinstance(value, dict):
        return "__ansible_vault" in value or any(map(in_vault, value.values()))
    return isinstance(value, list) and any(map(in_vault, value))


def _setting(level: Level, name: str, given: Given, tree: Tree) -> None:
    """One of the connection's settings, in Ansible's words."""
    setting, value = _SETTINGS[name], given.value
    if isinstance(value, str) and is_template(value):
        tree.problems.add(
            given.spot, f"{name!r} holds an expression of Ansible's, which is not evaluated here"
        )
        return
    if setting == "jump":
        value = _jump(name, value, given.spot, tree)
    elif setting == "transport" and value in _SSH:
        value = "ssh"
    elif setting == "transport" and value != "local":
        tree.problems.add(
            given.spot, f"{name!r} must be ssh or local, not {shown(value)}: there is no other way"
        )
        return
    if value is not None:
        settle(level, setting, Given(value, given.document, given.path), name, tree)


def settle(level: Level, setting: str, given: Given, name: str, tree: Tree) -> None:
    """Set one of the connection's settings that ``name`` stands for; a wrong value is noted."""
    value = given.value
    if setting == "port" and isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
        value = int(value)
    try:
        _Settings.model_validate_json(json.dumps({setting: value}))
    except ValidationError as error:

        def locate(_path: KeyPath, _key: bool) -> Place:  # noqa: FBT001
            return Place(given.spot, repr(name))

        explain(error, _Settings, {setting: value}, locate, tree.problems)
    else:
        level.set(setting, Given(value, given.document, given.path))


def _jump(name: str, value: Any, spot: Spot, tree: Tree) -> str | None:
    """The jump hosts in ssh's arguments; a proxy of another kind is noted as wrong.

    All other arguments are named with what means nothing here.
    """
    try:
        words = shlex.split(value) if isinstance(value, str) else None
    except ValueError:
        words = None
    if words is None:
        tree.problems.add(spot, f"{name!r} must be arguments of ssh")
        return None
    jump = None
    while words:
        word = words.pop(0)
        option = words.pop(0) if word in ("-J", "-o") and words else word[2:]
        if word.startswith("-J"):
            jump = option
            continue
        keyword, _, text = re.sub(r"\s*[=\s]\s*", "=", option.strip(), count=1).partition("=")
        if word.startswith("-o") and keyword.lower() == "proxyjump":
            jump = text
        elif word.startswith("-o") and keyword.lower() == "proxycommand":
            tree.problems.add(
                spot,
                f"{name!r}: ProxyCommand belongs in ~/.ssh/config; a jump host is -J HOST here",
            )
        else:
            tree.foreign.setdefault(f"{name} {word[:2]}{keyword[:40]}", spot)
    return jump
