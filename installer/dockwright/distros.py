"""The Ubuntu and Debian releases that Dockwright knows, as dated data.

A new release is one entry. Releases that are no longer, or not yet, provided for stay listed, so
that a refusal can say why. What a repository really holds is asked at run time; this table only
says what to expect. Where the two differ the vendor's index is believed, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

DOCKER = "docker"  # the id of Docker's repository, in playbooks and messages
SOON = timedelta(days=90)  # an end of support that is as near is worth a word


class Life(str, Enum):
    """How far a release is on the given day."""

    FUTURE = "not released"
    REGULAR = "supported"
    EXTENDED = "extended support"
    ENDED = "end of life"


@dataclass(frozen=True)
class Source:
    """Where a part of the table comes from, and when somebody compared the two last."""

    gives: str
    name: str
    checked: date

    def __str__(self) -> str:
        """``the table of 2026-11-27``, which is how messages call it."""
        return f"the table of {self.checked}"


DATES = Source(
    "releases and the ends of their support",
    "distro-info-data 0.58+deb12u6: ubuntu.csv and debian.csv, columns release, eol, and eol-esm or eol-lts",
    date(2026, 11, 27),
)
SUITES = Source(
    "the releases that Docker builds for, and since when no more",
    "docker-ce-packaging 2f12fe8861 of 2026-08-20: distros.json, deb/Makefile and their commits",
    date(2026, 11, 27),
)
PLATFORMS = Source(
    "the architectures that Docker builds for, in dpkg's names",
    "Docker's manual, engine/install: the table of platforms",
    date(2026, 11, 27),
)
SOURCES = (DATES, SUITES, PLATFORMS)


@dataclass(frozen=True)
class Release:
    """One release of a distribution.

    ``eol`` ends the regular security updates, ``extended`` those of Debian LTS or Ubuntu Pro.
    ``docker`` says whether Docker builds packages for it; ``docker_dropped`` since when no more.
    """

    distro: str
    codename: str
    version: str
    first: date | None
    eol: date | None
    extended: date | None = None
    docker: bool = False
    docker_dropped: date | None = None

    def life(self, today: date) -> Life:
        """How far it is on that day; both end dates still count as supported."""
        if self.first is None or today < self.first:
            return Life.FUTURE
        if self.eol is None or today <= self.eol:
            return Life.REGULAR
        if self.extended is not None and today <= self.extended:
            return Life.EXTENDED
        return Life.ENDED

    @property
    def longer(self) -> str:
        """What goes on after the regular support: ``Ubuntu Pro`` is asked for, ``Debian LTS`` comes."""
        return {"ubuntu": "Ubuntu Pro", "debian": "Debian LTS"}[self.distro]

    @property
    def architectures(self) -> tuple[str, ...]:
        """What Docker builds for, in dpkg's names; nothing where it builds none."""
        return DOCKER_ARCHITECTURES[self.distro] if self.docker else ()

    def support(self, today: date) -> str:
        """``supported until 2029-05-31``; past that who still brings updates, if anybody does."""
        life = self.life(today)
        if life is Life.FUTURE:
            return "not released yet"
        if life is Life.REGULAR:
            return f"supported until {self.eol}" if self.eol else "supported"
        if life is Life.EXTENDED:
            return f"past its regular support ({self.eol}); {self.longer} goes on until {self.extended}"
        return f"past all support, which ended on {self.extended or self.eol}"

    def warning(self, today: date) -> str:
        """What to warn of: support that is over, soon over or not begun; empty where all is well."""
        if self.life(today) in (Life.EXTENDED, Life.ENDED):
            return f"{self} is {self.support(today)}"
        if self.life(today) is Life.FUTURE:
            return f"{self} is not released yet"
        if self.eol is not None and today <= self.eol < today + SOON:
            return f"the regular support of {self} ends on {self.eol}"
        return ""

    def __str__(self) -> str:
        """``Ubuntu 24.04 (noble)``."""
        return f"{self.distro.capitalize()} {self.version} ({self.codename})"


RELEASES: tuple[Release, ...] = (
    Release(
        "ubuntu",
        "bionic",
        "18.04",
        date(2018, 4, 26),
        date(2023, 5, 31),
        date(2028, 4, 26),
        docker_dropped=date(2023, 6, 21),
    ),
    Release(
        "ubuntu",
        "focal",
        "20.04",
        date(2020, 4, 23),
        date(2025, 5, 29),
        date(2030, 4, 23),
        docker_dropped=date(2025, 5, 22),
    ),
    Release(
        "ubuntu",
        "jammy",
        "22.04",
        date(2022, 4, 21),
        date(2027, 6, 1),
        date(2032, 4, 21),
        docker=True,
    ),
    Release(
        "ubuntu",
        "noble",
        "24.04",
        date(2024, 4, 25),
        date(2029, 5, 31),
        date(2034, 4, 25),
        docker=True,
    ),
    Release(
        "ubuntu",
        "oracular",
        "24.10",
        date(2024, 10, 10),
        date(2025, 7, 10),
        docker_dropped=date(2025, 9, 15),
    ),
    Release(
        "ubuntu",
        "plucky",
        "25.04",
        date(2025, 4, 17),
        date(2026, 1, 15),
        docker_dropped=date(2026, 2, 4),
    ),
    Release(
        "ubuntu",
        "questing",
        "25.10",
        date(2025, 10, 9),
        date(2026, 7, 9),
        docker_dropped=date(2026, 8, 10),
    ),
    Release(
        "ubuntu",
        "resolute",
        "26.04",
        date(2026, 4, 23),
        date(2031, 5, 29),
        date(2036, 4, 23),
        docker=True,
    ),
    Release(
        "debian",
        "buster",
        "10",
        date(2019, 7, 6),
        date(2022, 9, 10),
        date(2024, 6, 30),
        docker_dropped=date(2024, 6, 18),
    ),
    Release(
        "debian",
        "bullseye",
        "11",
        date(2021, 8, 14),
        date(2024, 8, 14),
        date(2026, 8, 31),
        docker=True,
    ),
    Release(
        "debian",
        "bookworm",
        "12",
        date(2023, 6, 10),
        date(2026, 7, 11),
        date(2028, 6, 30),
        docker=True,
    ),
    Release(
        "debian", "trixie", "13", date(2025, 8, 9), date(2028, 8, 9), date(2030, 6, 30), docker=True
    ),
    Release("debian", "forky", "14", None, None),
)

SUPPORTED: tuple[Release, ...] = tuple(release for release in RELEASES if release.docker)

DOCKER_ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "ubuntu": ("amd64", "arm64", "armhf", "ppc64el", "s390x"),
    "debian": ("amd64", "arm64", "armhf", "ppc64el"),
}


def find(distro: str, codename: str) -> Release | None:
    """The release of that name, if this table has it."""
    return next((r for r in RELEASES if (r.distro, r.codename) == (distro, codename)), None)


def known() -> str:
    """The releases that Docker builds for, in one line for a refusal."""
    return ", ".join(f"{one.codename} ({one.distro} {one.version})" for one in SUPPORTED)


def believed(distro: str, codename: str, *, indexed: bool) -> str:
    """What to say where the table and Docker's index differ: the index is believed.

    ``indexed``: whether the index of that release was there. Empty where the two agree.
    """
    release = find(distro, codename)
    if indexed and release is None:
        return (
            f"{distro} {codename} is not in {SUITES}, Docker's index has it: the index is believed;"
            " how long the release is supported is not known here"
        )
    if indexed and release is not None and not release.docker:
        since = f" since {release.docker_dropped}" if release.docker_dropped else ""
        return (
            f"{SUITES} has Docker build no more for {release}{since}, its index still has packages:"
            " the index is believed; newer versions may never come"
        )
    if not indexed and release is not None and release.docker:
        return (
            f"{SUITES} has Docker build for {release}, its index has nothing: the index is believed"
        )
    return ""
