"""Read apt source files, one-line and deb822, as far as recognising whose they are needs it.

The formats are sources.list(5)'s. Nothing is rewritten here: a file is ours, another's with the
same origin, or mixed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dockwright.models import FileFact

_ONE_LINE = re.compile(r"^deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)")


@dataclass(frozen=True)
class SourceFile:
    """The enabled entries of one source file, as (URI without trailing slash, suite)."""

    path: str
    entries: tuple[tuple[str, str], ...]

    def names(self, url: str) -> bool:
        """Whether an enabled entry points at that URL, over http or https."""
        return any(_same(uri) == _same(url) for uri, _ in self.entries)

    def only(self, url: str) -> bool:
        """Whether every enabled entry points at that URL."""
        return all(_same(uri) == _same(url) for uri, _ in self.entries)


def parse(file: FileFact, architecture: str = "") -> SourceFile:
    """The enabled entries of a source file on such a host; what apt would ignore is ignored."""
    text = expanded(file.content or "", architecture)
    read = _deb822 if file.path.endswith(".sources") else _one_line
    return SourceFile(path=file.path, entries=tuple(read(text)))


def expanded(text: str, architecture: str) -> str:
    """Text with ``$(ARCH)`` as apt reads it on a host of that architecture."""
    return text.replace("$(ARCH)", architecture)


def _same(uri: str) -> str:
    return re.sub(r"^https?://", "", uri).rstrip("/").lower()


def _one_line(text: str) -> list[tuple[str, str]]:
    found = (_ONE_LINE.match(line.strip()) for line in text.splitlines())
    return [(match[1].rstrip("/"), match[2]) for match in found if match]


def _deb822(text: str) -> list[tuple[str, str]]:
    from debian.deb822 import Deb822  # 50 ms, and seldom needed

    entries: list[tuple[str, str]] = []
    for stanza in Deb822.iter_paragraphs(text, use_apt_pkg=False):
        if stanza.get("Enabled", "yes").strip().lower() in ("no", "false", "0", "off", "without"):
            continue
        for uri in stanza.get("URIs", "").split():
            entries.extend((uri.rstrip("/"), suite) for suite in stanza.get("Suites", "").split())
    return entries
