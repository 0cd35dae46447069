"""The dated table of releases."""

from __future__ import annotations

from datetime import date

import pytest

from dockwright.distros import DOCKER_ARCHITECTURES, RELEASES, SUPPORTED, Life, find


def test_what_docker_builds() -> None:
    assert [(release.distro, release.codename) for release in SUPPORTED] == [
        ("ubuntu", "jammy"),
        ("ubuntu", "noble"),
        ("ubuntu", "resolute"),
        ("debian", "bullseye"),
        ("debian", "bookworm"),
        ("debian", "trixie"),
    ]
    assert {release.distro for release in SUPPORTED} == set(DOCKER_ARCHITECTURES)


@pytest.mark.parametrize(
    ("distro", "codename", "today", "life"),
    [
        ("ubuntu", "noble", date(2024, 4, 24), Life.FUTURE),
        ("ubuntu", "noble", date(2029, 5, 31), Life.REGULAR),
        ("ubuntu", "noble", date(2029, 6, 1), Life.EXTENDED),
        ("ubuntu", "plucky", date(2026, 1, 16), Life.ENDED),
        ("debian", "bullseye", date(2026, 8, 31), Life.EXTENDED),
        ("debian", "bullseye", date(2026, 9, 1), Life.ENDED),
        ("debian", "forky", date(2030, 1, 1), Life.FUTURE),
    ],
)
def test_life(distro: str, codename: str, today: date, life: Life) -> None:
    release = find(distro, codename)
    assert release is not None
    assert release.life(today) is life


def test_find_takes_both_names() -> None:
    assert find("debian", "noble") is None
    assert find("ubuntu", "") is None
    assert str(find("ubuntu", "resolute")) == "Ubuntu 26.04 (resolute)"


def test_the_table_is_consistent() -> None:
    assert len({release.codename for release in RELEASES}) == len(RELEASES)
    for release in RELEASES:
        dates = [day for day in (release.first, release.eol, release.extended) if day]
        assert dates == sorted(dates)
        assert not (release.docker and release.docker_dropped)
