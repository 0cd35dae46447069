"""What messages mean: the catalogue, in the order in which it is asked."""

from __future__ import annotations

from dockwright.doctor.catalogue.apt import APT
from dockwright.doctor.catalogue.docker import DOCKER
from dockwright.doctor.catalogue.entry import Entry
from dockwright.doctor.catalogue.gpu import GPU

__all__ = ["BY_ID", "CATALOGUE", "Entry", "explain"]

# GPU first: its messages are wrapped in Docker's. The daemon's before apt's: they hold file names.
CATALOGUE: tuple[Entry, ...] = (*GPU, *APT, *DOCKER)
BY_ID = {entry.id: entry for entry in CATALOGUE}
_LONGEST = 20_000  # characters that are looked at


def explain(text: str) -> tuple[Entry, ...]:
    """The entries that a text calls for, one at most for each of its lines; the order is the text's.

    A line that is the end of a longer message ("The list of sources could not be read.") only counts
    where nothing else is known. So does a message that was broken over several lines.
    """
    lines = [" ".join(line.split()) for line in text[:_LONGEST].splitlines()]
    found = [next((entry for entry in CATALOGUE if entry.fits(line)), None) for line in lines]
    known = tuple(dict.fromkeys(entry for entry in found if entry is not None))
    if not known:
        whole = " ".join(lines)
        return tuple(entry for entry in CATALOGUE if entry.fits(whole))[:1]
    strong = tuple(entry for entry in known if entry.id not in _WEAK)
    return strong or known


# What only says that something failed.
_WEAK = frozenset({"source-malformed", "start-limit", "unmet-or-broken", "daemon-down"})
