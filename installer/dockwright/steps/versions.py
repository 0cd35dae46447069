"""Versions of packages: Debian's order, and the words in which people name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cmp_to_key

from dockwright.errors import TrustError
from dockwright.plan import ANY_VERSION, PackageChange


def compare(one: str, other: str) -> int:
    """Below, at or above 0 as ``one`` is older, the same or newer; Debian's order (deb-version(7))."""
    from debian.debian_support import version_compare  # 40 ms, seldom needed

    return int(version_compare(one, other))


def newest_first(versions: tuple[str, ...]) -> list[str]:
    """Versions in Debian's order, the newest first."""
    return sorted(versions, key=cmp_to_key(compare), reverse=True)


def upstream(version: str) -> str:
    """``29.7.2`` of ``5:29.7.2-1~ubuntu.24.04~noble``; of ``5:20.10.24~3-0~ubuntu-jammy`` too."""
    return version.rpartition(":")[2].split("-", 1)[0].split("~", 1)[0]


def short(version: str) -> str:
    """A version without the part that names the release it was built for."""
    return version.split("~", 1)[0]


def major(version: str) -> str:
    """The first number of the upstream version."""
    return upstream(version).split(".", 1)[0]


def matches(version: str, wish: str) -> bool:
    """Whether a full version fits a wish: the same, the upstream part, or a leading part of it."""
    plain = upstream(version)
    return version == wish or plain == wish or plain.startswith(f"{wish}.")


def refuse_replayed(
    name: str, newest: str, known: tuple[str, ...], *, step: str, floor: str = ""
) -> None:
    """Refuse an index whose ``newest`` is older than what is known already.

    ``known`` is what the host has, installed or in its lists; ``floor`` is an upstream version that
    was out on a day (``29.7.2 of 2026-08-05``), for hosts that never saw the repository. A good
    signature does not say when: an old index can be given out again. What is from the channel
    ``test`` does not count.
    """
    final = tuple(v for v in known if not any(tag in v for tag in ("~rc", "~beta", "~alpha")))
    seen = newest_first(final)[:1]
    least, _, since = floor.partition(" of ")
    if seen and compare(newest, seen[0]) < 0:
        told = f"this host knows {upstream(seen[0])} already"
    elif least and compare(upstream(newest), upstream(least)) < 0:
        told = f"{least} has been out since {since}" if since else f"{least} is out already"
    else:
        return
    raise TrustError(
        f"the repository offers {name} {upstream(newest)}; {told}",
        details=(("why", "an old index with a good signature is being replayed"),),
        step=step,
        next_step="ask another mirror, or the vendor itself; then run it again",
    )


def below(versions: Mapping[str, str], names: Iterable[str], floor: str, why: str) -> list[str]:
    """The first of ``names`` that is older than ``floor``, in words with ``why``; none without one."""
    found = [(name, versions[name]) for name in names if floor and name in versions]
    low = [(name, version) for name, version in found if compare(upstream(version), floor) < 0]
    return [f"{name} {upstream(version)} is below {floor}: {why}" for name, version in low[:1]]


def newer(name: str, current: str, offered: tuple[str, ...], named_by: str) -> str | None:
    """That a newer version is there, and the words that get it; ``None`` where there is none."""
    best = newest_first(offered)[:1]
    if not best or compare(best[0], current) <= 0:
        return None
    how = f"{named_by}{major(best[0])}" if major(best[0]) != major(current) else "--upgrade"
    return f"{name} {upstream(current)} is kept; {upstream(best[0])} is there: {how}"


def listed(changes: Iterable[PackageChange]) -> str:
    """Packages with their new versions, as a plan's target."""
    return ", ".join(
        change.name if change.new == ANY_VERSION else f"{change.name} {short(change.new or '')}"
        for change in changes
    )
