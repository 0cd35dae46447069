"""The command as one that goes on by itself, after a reboot of the machine that it runs on."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path


def resume_words() -> str:
    """Lines for sh that run this very command again, unasked, as root; empty where that cannot be.

    Nothing is there any more of what was read from stdin; and in a library there is no command.
    """
    program, *words = sys.argv
    if Path(program).name not in ("dockwright", "__main__.py") or not words or "-" in words:
        return ""
    words = [word for word in words if word not in ("-K", "--ask-sudo-password", "--no-input")]
    words.append("--no-input")
    if not {"-y", "--yes"} & set(words):
        words.append("--yes")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PYTHONPATH" or name.startswith("DOCKWRIGHT_")
    }
    lines = [
        f"cd {shlex.quote(str(Path.cwd()))} || exit",
        "export HOME=/root",
        *(f"export {name}={shlex.quote(value)}" for name, value in kept.items()),
        f"exec {shlex.join([sys.executable, '-m', 'dockwright', *words])}",
    ]
    return "".join(f"{line}\n" for line in lines)
