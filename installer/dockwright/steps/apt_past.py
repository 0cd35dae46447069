"""What a vendor's earlier repositories left on a host: pages saved as lists, and keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from dockwright.models import FileFact
from dockwright.steps.apt_sources import SourceFile
from dockwright.steps.base import View

_PLAIN = re.compile(r"(/[A-Za-z0-9@._+-]+)+")  # a receipt is lines of words
# nvidia.github.io answers so for a distribution that it does not know. The first stops all of apt
# ("Type '<!doctype' is not known", nvidia-container-toolkit#565); the other is gh-pages' 404.html.
_PAGE = re.compile(r"\s*<|# Unsupported distribution!")

_EVERYBODYS = "/etc/apt/trusted.gpg"  # apt-key(8)'s file, and the directory trusted.gpg.d beside it


class _Kept(Protocol):
    """The key and the source that stay, and the vendor's name."""

    @property
    def id(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def key_path(self) -> str: ...
    @property
    def source_path(self) -> str: ...


def page_for_list(file: FileFact, parsed: SourceFile, names: Collection[str]) -> bool:
    """Whether a file of one of these names has no entry, but a page that was saved as a list."""
    named = file.path.rpartition("/")[2] in names
    return named and not parsed.entries and bool(_PAGE.match(file.content or ""))


def spare_keys(kept: _Kept, view: View, others: Mapping[str, str | None]) -> tuple[str, ...]:
    """Files of the vendor's name, or apt-key's, with the pinned key and no other, that nobody needs.

    One that a source names which stays is needed. So is one that apt believes for every source, while
    a source that may be a mirror of the vendor's names no key. ``others`` are the sources that go, or
    that are edited, with what is left of their text.
    """
    left = [
        _active(others.get(file.path, file.content) or "")
        for file in view.facts.sources
        if file.path != kept.source_path
    ]
    keyless = any(kept.id in text and "signed-by" not in text for text in map(str.lower, left))
    return tuple(
        path
        for path, owners in view.key_owners.items()
        if owners == (kept.fingerprint,) and path != kept.key_path and _PLAIN.fullmatch(path)
        if kept.id in path.rpartition("/")[2] or path == _EVERYBODYS
        if not (any(path in text for text in left) or (keyless and path.startswith(_EVERYBODYS)))
    )


def _active(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def shared_keyrings(view: View, fingerprint: str) -> Iterator[str]:
    """Keys that apt believes for every source, beside which the pinned one lies: apt-key(8)'s file."""
    for path, owners in view.key_owners.items():
        if path.startswith(_EVERYBODYS) and fingerprint in owners and len(owners) > 1:
            yield (
                f"{path} makes apt trust this key for every source, and stays: others are in it; "
                f"apt-key del {fingerprint[-8:]} takes it out"
            )
