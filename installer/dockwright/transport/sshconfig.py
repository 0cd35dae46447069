"""ssh_config as text for Paramiko's parser, which has no ``Include``.

Facts: ssh_config(5). Relative paths of an Include are below ~/.ssh for the user's file and below
/etc/ssh for the system's; globs are read in lexical order; an Include may stand in a Host or
Match block and is then read for those hosts only. An included file that has Host blocks of its
own inside of such a block would need both conditions; and Paramiko takes what it does not know in a
Match for true. Then the client of this machine is asked (``ssh -G``), for each host; without one
that is an InputError rather than read wrongly.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from glob import glob
from pathlib import Path

from dockwright.errors import InputError
from dockwright.models import Host

USER = Path("~/.ssh/config")
SYSTEM = Path("/etc/ssh/ssh_config")
_DEPTH = 16  # as OpenSSH
_EVERY = re.compile(r"\s*(host\s+\*|match\s+all)\s*$", re.IGNORECASE)
# What Match knows in ssh and Paramiko does not.
_BEYOND = re.compile(
    r"(?im)^\s*match\b.*[\s!](tagged|localnetwork|version|sessiontype|command)\b.*$"
)
# What is taken of ssh's answer; the others are defaults, or about its own doing.
_TAKEN = frozenset(
    [
        "hostname",
        "user",
        "port",
        "proxyjump",
        "proxycommand",
        "identityfile",
        "identitiesonly",
        "identityagent",
        "hostkeyalias",
        "userknownhostsfile",
        "globalknownhostsfile",
    ]
)
_KEYWORD = re.compile(r"\s*(\w+)(?:\s*=\s*|\s+)(.*?)\s*$")


class NestedError(InputError):
    """A condition within a condition."""


@dataclass(frozen=True)
class Rules:
    """The rules for all hosts as ``text``; with ``by_ssh`` the client is asked, by that ``file``."""

    text: str = ""
    file: Path | None = None
    by_ssh: bool = False

    def of(self, host: Host) -> str:
        """The text for one host, with what was typed before it. Raises InputError."""
        if not self.by_ssh:
            return given(host) + self.text
        assert host.address is not None
        return given(host) + _asked(host.address, host.user, host.port, self.file)


def rules(path: Path | None) -> Rules:
    """The rules of ``path``, or of the user's and the system's file. Raises InputError as ``read``."""
    client = shutil.which("ssh") is not None
    try:
        text = read(path)
    except NestedError:
        if client:
            return Rules(file=path, by_ssh=True)
        raise
    beyond = _BEYOND.search(text)
    if beyond and not client:
        raise InputError(
            f"ssh_config: {beyond[0].strip()!r} needs an OpenSSH client, and there is none here",
            next_step="install openssh-client, or take that block out",
        )
    return Rules(text, path, by_ssh=bool(beyond))


@cache
def _asked(address: str, user: str | None, port: int | None, file: Path | None) -> str:
    """What ssh says of a host."""
    words = ["-F", str(file.expanduser())] if file is not None else []
    words += ["-l", user] if user is not None else []
    words += ["-p", str(port)] if port is not None else []
    done = subprocess.run(
        ["ssh", "-G", *words, "--", address], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", check=False, timeout=30,
    )  # fmt: skip
    if done.returncode:
        raise InputError(f"ssh_config, for {address}: {done.stderr.strip()[-300:]!r}")
    lines = [line for line in done.stdout.splitlines() if line.partition(" ")[0] in _TAKEN]
    return "\n".join(lines) + "\n"


def read(path: Path | None) -> str:
    """The text of ``path``, or of the user's and then the system's file, Includes expanded.

    Raises InputError for a file that was named and cannot be read.
    """
    if path is not None:
        if not path.expanduser().is_file():
            raise InputError(f"{path}: no such ssh_config")
        return "\n".join(_lines(path.expanduser(), Path("~/.ssh").expanduser(), None, 0))
    lines: list[str] = []
    for file, base in ((USER.expanduser(), Path("~/.ssh").expanduser()), (SYSTEM, SYSTEM.parent)):
        if file.is_file():
            # A file starts outside of any block, whatever block the one before ended in.
            lines += ["Host *", *_lines(file, base, None, 0)]
    return "\n".join(lines)


def given(host: Host, **more: str) -> str:
    """What was typed, as the first lines of an ssh_config: they win, and %p and %r know them."""
    settings = {"User": host.user, "Port": host.port, **more}
    lines = [f"Match originalhost {host.address}"]
    lines += [f"    {name} {value}" for name, value in settings.items() if value is not None]
    return "\n".join([*lines, "Host *", ""])


def _lines(file: Path, base: Path, block: str | None, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        raise InputError(f"{file}: Includes are nested too deeply")
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    # Often an Include follows "Host *" at the file's top; that is no condition.
    outer = None if block is None or _EVERY.match(block) else block
    current = block
    for number, line in enumerate(text.splitlines(), 1):
        match = _KEYWORD.match(line)
        keyword = match[1].lower() if match else ""
        if keyword in {"host", "match"}:
            if outer is not None:
                raise NestedError(
                    f"{file}:{number}: a {match[1] if match else ''} block in a file that is"
                    " included by a block; move the Include to the top of its file"
                )
            current = line
        if match and keyword == "include":
            for included in _files(match[2], base):
                yield from _lines(included, base, current, depth + 1)
            # Blocks of the included file end with it.
            yield current or "Host *"
        else:
            yield line


def _files(patterns: str, base: Path) -> Iterator[Path]:
    for pattern in re.findall(r'"([^"]*)"|(\S+)', patterns):
        path = Path(pattern[0] or pattern[1]).expanduser()
        full = path if path.is_absolute() else base / path
        found = map(Path, glob(str(full)))  # noqa: PTH207  # Path.glob takes no absolute pattern
        yield from sorted(file for file in found if file.is_file())
