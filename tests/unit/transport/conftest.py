"""A home of its own, keys, and stand-ins for ``id`` and ``sudo``: no root is needed, and no host."""

from __future__ import annotations

import os
from pathlib import Path

import paramiko
import pytest

from dockwright.transport import gateways, options, root

# What the handshake needs of sudo, in three kinds: free, asks for "right", or allows nobody.
SUDO = """#!/bin/sh
kind=$(cat "${0%/*}/kind")
echo "$*" | cut -c 1-30 >> "${0%/*}/sudo.log"
if [ "$1" = -n ]; then
    shift
    [ "$kind" = free ] && exec "$@"
    echo "sudo: a password is required" >&2; exit 1
fi
[ "$1 $2 $3" = "-k -S -p" ] || exit 99
prompt=$4; shift 4
for _ in 1 2 3; do
    printf '%s' "$prompt" >&2
    IFS= read -r word || exit 1
    echo "$word" >> "${0%/*}/words"
    if [ "$word" = right ]; then
        [ "$kind" = nobody ] && { echo "u is not in the sudoers file." >&2; exit 1; }
        exec "$@"
    fi
    echo "Sorry, try again." >&2
done
exit 1
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home without an agent, and no verdicts on passwords."""
    path = tmp_path / "home"
    (path / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    trials = options._Trials()
    monkeypatch.setattr(options, "TRIALS", trials)
    monkeypatch.setattr(root, "TRIALS", trials)
    # What one test found closed another may find open.
    monkeypatch.setattr(gateways, "CLOSED", 0.0)
    return path


@pytest.fixture
def key(home: Path) -> paramiko.PKey:
    """The user's key, in its default place."""
    made = paramiko.ECDSAKey.generate()
    made.write_private_key_file(str(home / ".ssh" / "id_ecdsa"))
    return made


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A directory for PATH: there ``id -u`` is the number in ``uid``, 0 at first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "uid").write_text("0")
    (folder / "kind").write_text("free")
    (folder / "id").write_text(
        f'#!/bin/sh\n[ "$1" = -u ] || exec /usr/bin/id "$@"\ncat {folder}/uid\n'
    )
    (folder / "sudo").write_text(SUDO)
    for name in ("id", "sudo"):
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def path_of(stand_ins: Path) -> str:
    """PATH with the stand-ins first."""
    return f"{stand_ins}:{os.environ['PATH']}"
