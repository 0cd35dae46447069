"""E29: what runs on hosts asks of coreutils only what uutils' answer, too, as Ubuntu has them since 25.10.

The list is of what was seen to differ (uutils 0.0.17, 0.0.30 and 0.12.0 against GNU's).
"""

from __future__ import annotations

import re

import pytest

from dockwright.resources import directory
from dockwright.transport.root import Handshake

WORD = r"(?:^|[;&|({`$ \t])"
DIFFERS = {
    "install /dev/stdin": rf"{WORD}install\b[^;&|]* /dev/stdin",
    "date -r tells now": rf"{WORD}date\b[^;&|]* -[a-z]*r\b",
    "date knows no %3N": rf"{WORD}date\b[^;&|]*%[0-9]N",
    "mv -T on a link to a directory": rf"{WORD}mv\b[^;&|]* (-[a-zA-Z]*T|--no-target-directory)",
    "stdbuf is missing or broken": rf"{WORD}stdbuf\b",
    "install -D replaces the link of a merged /usr": rf"{WORD}install\b[^;&|]* -[a-zA-Z]*D",
}
BREAKS = {
    "install /dev/stdin": "x | install -m 644 /dev/stdin /etc/x",
    "date -r tells now": "  since=$(date -u -r /etc/x +%s)",
    "date knows no %3N": "at=$(date +%s%3N)",
    "mv -T on a link to a directory": "mv -fT -- a b",
    "stdbuf is missing or broken": "x | stdbuf -oL cat",
    "install -D replaces the link of a merged /usr": "install -D x /sbin/x",
}


def lines() -> list[tuple[str, str]]:
    """Each line of the shell that hosts get, with its place."""
    top = directory("templates")
    files = (path for path in top.rglob("*") if path.is_file() and path.parent.name != "report")
    return [
        (f"{path.name}:{number}", line)
        for path in sorted(files)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if not line.lstrip().startswith(("#", "{#"))
    ]


@pytest.mark.parametrize("what", DIFFERS)
def test_e29_nothing_relies_on_what_differs(what: str) -> None:
    assert re.search(DIFFERS[what], BREAKS[what]), "the pattern sees nothing"
    assert [place for place, line in lines() if re.search(DIFFERS[what], line)] == []


def test_e29_a_timeout_with_a_kill_after_it_may_end_with_125() -> None:
    """124 is GNU's; uutils before 0.12 ends with 125 where -k is given."""
    text = dict.fromkeys(name for name, line in lines() if re.search(r"\btimeout -k\b", line))
    files = {place.partition(":")[0] for place in text}
    for name in files:
        whole = "\n".join(line for place, line in lines() if place.startswith(f"{name}:"))
        assert "= 125 ]" in whole, name


def test_e30_sudo_is_not_started_by_env() -> None:
    """Seen with sudo-rs 0.2.5 below the env of uutils 0.0.30: the right password is refused, three times."""
    command = Handshake().command()
    assert "export LC_ALL; exec sudo" in command
    assert not re.search(r"\benv\b", command)
