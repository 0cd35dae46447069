"""The Ubuntu and Debian releases that Dockwright knows, as dated data.

A new release is one entry. Releases that are no longer, or not yet, provided for stay listed, so
that a refusal can say why. What a repository really holds is asked at run time; this table only
says what to expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum


class Life(str, Enum):
    """How far a release is on the given day."""

    FUTURE = "not released"
    REGULAR = "supported"
    EXTENDED = "extended support"
    ENDED = "end of life"


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

    def __str__(self) -> str:
        """``Ubuntu 24.04 (noble)``."""
        return f"{self.distro.capitalize()} {self.version} ({self.codename})"


# Dates: distro-info-data 0.58+deb12u6, ubuntu.csv and debian.csv, columns release, eol, and
# eol-esm or eol-lts. Docker's suites: docker-ce-packaging 2f12fe8861 (2026-08-20), distros.json
# and deb/Makefile; the two dates of dropping are those of its commits.
RELEASES: tuple[Release, ...] = (
    Release("ubuntu", "focal", "20.04", date(2020, 4, 23), date(2025, 5, 29), date(2030, 4, 23)),
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
    Release("ubuntu", "oracular", "24.10", date(2024, 10, 10), date(2025, 7, 10)),
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
    Release("debian", "buster", "10", date(2019, 7, 6), date(2022, 9, 10), date(2024, 6, 30)),
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

# Docker's platform table (docs, manuals/engine/install/_index.md), in Debian's names.
DOCKER_ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "ubuntu": ("amd64", "arm64", "armhf", "ppc64el", "s390x"),
    "debian": ("amd64", "arm64", "armhf", "ppc64el"),
}


def find(distro: str, codename: str) -> Release | None:
    """The release of that name, if this table has it."""
    return next((r for r in RELEASES if (r.distro, r.codename) == (distro, codename)), None)
