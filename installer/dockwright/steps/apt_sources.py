"""Read apt source files, one-line and deb822, as far as recognising whose they are needs it.

The formats are sources.list(5)'s. An entry is a line, or a stanza: where one names our repository
it can be commented out, and every byte of the others stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dockwright.models import FileFact

_ONE_LINE = re.compile(r"^deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)\s+\S+")
_OFF = ("no", "false", "0", "off", "without")


@dataclass(frozen=True)
class Entry:
    """One entry: its URIs, its lines in the file, and whether apt would use it."""

    uris: tuple[str, ...]
    lines: range
    enabled: bool = True


@dataclass(frozen=True)
class SourceFile:
    """A source file: its lines with their ends, and its entries; comments are none."""

    path: str
    lines: tuple[str, ...]
    entries: tuple[Entry, ...]

    def names(self, url: str, below: Sequence[str] = ()) -> bool:
        """Whether an enabled entry points at that URL, over http or https.

        What lies below one of ``below`` counts as well: here and in the methods beside this one.
        """
        return any(
            entry.enabled and _ours(uri, url, below) for entry in self.entries for uri in entry.uris
        )

    def only(self, url: str, below: Sequence[str] = ()) -> bool:
        """Whether every entry points at that URL, also one that somebody disabled for a while."""
        return all(_ours(uri, url, below) for entry in self.entries for uri in entry.uris)

    def without(self, url: str, below: Sequence[str] = ()) -> str | None:
        """The file's text with the entries of that URL commented out.

        ``None`` where they cannot be told apart from others': a stanza with URIs of both, or text
        that is not UTF-8, whose bytes would not come back.
        """
        lines = list(self.lines)
        if any("\ufffd" in line for line in lines):
            return None
        for entry in self.entries:
            ours = [_ours(uri, url, below) for uri in entry.uris]
            if not (entry.enabled and any(ours)):
                continue
            if not all(ours):
                return None
            for number in entry.lines:
                if not lines[number].startswith("#"):
                    lines[number] = f"# {lines[number]}"
        return "".join(lines)


def parse(file: FileFact, architecture: str = "") -> SourceFile:
    """The entries of a source file, with the host's ``$(ARCH)``; lines that are no entries are passed over."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", file.content or "")
    read = _deb822 if file.path.endswith(".sources") else _one_line
    entries = (
        replace(entry, uris=tuple(expanded(uri, architecture) for uri in entry.uris))
        for entry in read(lines)
    )
    return SourceFile(path=file.path, lines=tuple(lines), entries=tuple(entries))


def expanded(text: str, architecture: str) -> str:
    """Text with ``$(ARCH)`` as apt reads it on a host of that architecture."""
    return text.replace("$(ARCH)", architecture)


def same(one: str, other: str) -> bool:
    """Whether two URIs name one repository, over http or https."""
    return _same(one) == _same(other)


def _ours(uri: str, url: str, below: Sequence[str]) -> bool:
    return _same(uri) == _same(url) or any(_same(uri).startswith(f"{_same(b)}/") for b in below)


def _same(uri: str) -> str:
    return re.sub(r"^https?://", "", uri).rstrip("/").lower()


def _one_line(lines: list[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines):
        if match := _ONE_LINE.match(line.strip()):
            yield Entry((match[1],), range(number, number + 1))


def _deb822(lines: list[str]) -> Iterator[Entry]:
    """Stanzas end at an empty line; one without URIs is no entry."""
    from debian.deb822 import Deb822  # 50 ms, and seldom needed

    start = 0
    for number in range(len(lines) + 1):
        if number < len(lines) and lines[number].strip():
            continue
        stanza = Deb822(lines[start:number])
        uris = tuple(stanza.get("URIs", "").split())
        if uris:
            enabled = stanza.get("Enabled", "yes").strip().lower() not in _OFF
            yield Entry(uris, range(start, number), enabled)
        start = number + 1
