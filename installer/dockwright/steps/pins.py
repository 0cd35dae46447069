"""Pins of others on the vendor's packages; apt_preferences(5).

A version that apt is asked for by name goes before any pin, so it is we who have to respect them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from dockwright.errors import RefusedError
from dockwright.plan import PackageChange


def refuse_pinned(pins: Mapping[str, str], changes: Iterable[PackageChange], step: str) -> None:
    """Refuse versions that a pin is against. ``pins`` maps files of apt's preferences to their text."""
    for path, line, names, pin, priority in _pins(pins):
        for change in changes:
            if not change.new or not any(_fits(name, change.name) for name in names):
                continue
            kind, _, wish = pin.partition(" ")
            against = priority < 0
            if kind == "version":
                meant = fnmatchcase(change.new, wish.strip().strip('"'))
                against = meant if priority < 0 else not meant and priority >= 500
            if against:
                raise RefusedError(
                    f"{change.name} is pinned by {path}:{line}",
                    details=(("there", f"Pin: {pin}, priority {priority}"), ("asked", change.new)),
                    step=step,
                    next_step="name the version that is meant (--docker-version), or take the pin out",
                )


def _fits(pattern: str, name: str) -> bool:
    if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
        try:
            return re.search(pattern[1:-1], name) is not None
        except re.error:
            return False
    return fnmatchcase(name, pattern)


def _pins(pins: Mapping[str, str]) -> Iterator[tuple[str, int, list[str], str, int]]:
    """File, line, names, pin and priority of each stanza; ``*`` counts where its pin is about Docker."""
    for path, text in pins.items():
        stanza: dict[str, str] = {}
        first = 0
        for number, line in enumerate([*text.splitlines(), ""], 1):
            if line.startswith("#"):
                continue
            if line.strip():
                first = first if stanza else number
                name, _, value = line.partition(":")
                stanza[name.strip().lower()] = value.strip()
                continue
            names, pin = stanza.get("package", "").split(), stanza.get("pin", "")
            priority = stanza.get("pin-priority", "").replace("never", "-32768")
            if re.fullmatch(r"-?[0-9]{1,5}", priority):
                if "docker" not in pin:
                    names = [one for one in names if one != "*"]
                yield path, first, names, " ".join(pin.split()), int(priority)
            stanza = {}
