"""The ground that Docker stands on, from the lines of an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network

from dockwright.facts.telling import decoded, one, printable, rows
from dockwright.models import Ground, Route

# apt_preferences(5): files with the extension .pref or none.
_READ = re.compile(r"/(preferences|[A-Za-z0-9_-]+(\.pref)?)$")
_HEX = re.compile(r"[0-9A-F]{8}")


def ground(told: Mapping[str, Sequence[str]]) -> Ground:
    """What was told of it; lines that are none are left out."""
    return Ground(
        exec_start=printable(one(told, "exec_start")),
        routes=tuple(_routes(told)),
        read_only=_words(told, "read_only"),
        rootless=_words(told, "rootless"),
        firewalls=_words(told, "firewall"),
        pins={path: decoded(text) for path, text in rows(told, "pin", 2) if _READ.search(path)},
    )


def _words(told: Mapping[str, Sequence[str]], key: str) -> tuple[str, ...]:
    words = (printable(line) for line in told.get(key, ()))
    return tuple(dict.fromkeys(word for word in words if word))


def _routes(told: Mapping[str, Sequence[str]]) -> Iterator[Route]:
    """Hexadecimal in the machine's order of bytes: little-endian on all but s390x, which is left out."""
    for line in told.get("route", ()):
        words = printable(line).split(" ")
        if len(words) == 3 and all(_HEX.fullmatch(word) for word in words[1:]):
            address = bytes.fromhex(words[1])[::-1]
            length = int(words[2], 16).bit_count()
            yield Route(interface=words[0], network=IPv4Network((address, length), strict=False))
