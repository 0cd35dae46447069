"""What trust rests on, once for all hosts for which the same was seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockwright.report.fleet import Fleet

_AGE = re.compile(r", \d+ (?:min|h|days) old\Z")
_OVERRIDDEN = re.compile(r"\bis not the shipped one\b")
_MOST = 60


@dataclass(frozen=True)
class TrustView:
    """What was seen, for how many hosts; ``overridden`` where a pin is not the shipped one."""

    text: str
    hosts: int
    overridden: bool


def is_overridden(text: str) -> bool:
    """Whether a line says that a pin is not the shipped one."""
    return _OVERRIDDEN.search(text) is not None


def trust_views(fleet: Fleet) -> list[TrustView]:
    """Overridden pins first. The age of an index differs from host to host: it is told of one only."""
    seen: dict[str, list[str]] = {}
    for story in fleet.stories:
        for text in story.trust:
            seen.setdefault(_AGE.sub("", text[:5_000]), []).append(text)
    made = [
        TrustView(
            texts[0] if len(set(texts)) == 1 else text,
            len(texts),
            is_overridden(text),
        )
        for text, texts in seen.items()
    ]
    return sorted(made, key=lambda view: (not view.overridden, -view.hosts))[:_MOST]
