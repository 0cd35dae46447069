"""Which hosts of an inventory are meant: names, groups, globs, what is excluded, what failed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from dockwright.errors import InputError
from dockwright.load.inventory.ranges import RangeError, expand
from dockwright.load.problems import did_you_mean, shown

Members = Callable[[str], Collection[str]]


def choose(
    hosts: Sequence[str],
    groups: Sequence[str],
    members: Members,
    terms: Iterable[str],
    failed: Members,
) -> list[str]:
    """The hosts that terms mean, in the order of ``hosts``.

    A term is a name, a group, or a glob over both; ``!term`` takes away, ``@TERM`` stands for hosts
    that a log tells apart; several stand with commas between them. ``failed`` gives those of a
    term. Terms that only take away take from all. Raises InputError for a term that means nothing.
    """
    split = [part.strip() for term in terms for part in term.split(",") if part.strip()]
    add = [name for term in split if not term.startswith("!") for name in _names(term)]
    drop = [name for term in split if term.startswith("!") for name in _names(term[1:].strip())]

    def meant(term: str) -> set[str]:
        if term.startswith("@"):
            return set(failed(term[1:]))
        found = {name for name in hosts if fnmatchcase(name, term)}
        for group in groups:
            if fnmatchcase(group, term):
                found |= set(members(group))
        if not found and term not in groups:
            hint = did_you_mean(term, (*hosts, *groups))
            raise InputError(
                f"no host and no group is called {shown(term)}{hint}",
                details=(("hosts", "none was contacted"),),
            )
        return found

    wanted = set(hosts) if not add else set[str]().union(*map(meant, add))
    wanted -= set[str]().union(*map(meant, drop))
    return [name for name in hosts if name in wanted]


def _names(term: str) -> list[str]:
    """``web[1:3]`` is a range as in inventories: as a glob it would leave out web2."""
    try:
        return [term] if term.startswith("@") else expand(term)
    except RangeError as error:
        raise InputError(f"{shown(term)}: {error}") from None
