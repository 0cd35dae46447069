"""The table of releases: its dates, what it says when it and the vendor differ, and the page made of it."""

from __future__ import annotations

import csv
import os
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from dockwright import distros, facts, planner
from dockwright.distros import RELEASES, SOON, Life, Release, believed, find
from dockwright.errors import RefusedError
from dockwright.models import Facts
from tests.unit.making import NONCE, b64

PAGE = Path(__file__).parents[2] / "docs/support.md"
INFO = Path("/usr/share/distro-info")
TODAY = date(2026, 11, 27)


# --- the table ------------------------------------------------------------------------------------


def test_every_release_is_whole_and_named_once() -> None:
    assert len({one.codename for one in RELEASES}) == len(RELEASES)
    for one in RELEASES:
        ends = [each for each in (one.first, one.eol, one.extended) if each]
        assert ends == sorted(ends), one
        assert not (one.docker and one.docker_dropped), one
        assert one.docker == bool(one.architectures), one
    for source in distros.SOURCES:
        assert source.gives, source
        assert source.checked >= date(2026, 11, 27), source


@pytest.mark.skipif(not INFO.is_dir(), reason="no distro-info-data here")
@pytest.mark.parametrize("distro", ["ubuntu", "debian"])
def test_the_dates_are_those_of_distro_info(distro: str) -> None:
    with (INFO / f"{distro}.csv").open(newline="") as file:
        rows = {row["series"]: row for row in csv.DictReader(file)}
    if {one.codename for one in RELEASES if one.distro == distro} - set(rows):
        pytest.skip("an older distro-info-data")
    longer = {"ubuntu": "eol-esm", "debian": "eol-lts"}[distro]
    for one in RELEASES:
        if one.distro == distro and one.first:
            row = rows[one.codename]
            told = [row["release"], row["eol"], row[longer] or ""]
            assert told == [str(each or "") for each in (one.first, one.eol, one.extended)], one


@pytest.mark.parametrize(
    ("codename", "life", "warning"),
    [
        ("noble", Life.REGULAR, ""),
        ("bookworm", Life.EXTENDED, "Debian LTS goes on until 2028-06-30"),
        ("focal", Life.EXTENDED, "Ubuntu Pro goes on until 2030-04-23"),
        ("bullseye", Life.ENDED, "past all support, which ended on 2026-08-31"),
        ("plucky", Life.ENDED, "past all support, which ended on 2026-01-15"),
        ("forky", Life.FUTURE, "not released yet"),
    ],
)
def test_e02_what_is_warned_of(codename: str, life: Life, warning: str) -> None:
    release = next(one for one in RELEASES if one.codename == codename)
    assert release.life(TODAY) is life
    told = release.warning(TODAY)
    assert told.startswith(str(release)) if warning else told == ""
    assert warning in told


def test_e02_an_end_that_is_near_is_told() -> None:
    jammy = find("ubuntu", "jammy")
    assert jammy is not None
    assert jammy.eol is not None
    assert jammy.warning(jammy.eol - SOON) == ""
    near = jammy.warning(jammy.eol - SOON + timedelta(days=1))
    assert near == "the regular support of Ubuntu 22.04 (jammy) ends on 2027-06-01"
    assert jammy.warning(jammy.eol) == near
    assert "Ubuntu Pro" in jammy.warning(jammy.eol + timedelta(days=1))


# --- table and index ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distro", "codename", "indexed", "words"),
    [
        ("ubuntu", "noble", True, ""),
        ("ubuntu", "noble", False, "its index has nothing: the index is believed"),
        ("ubuntu", "plucky", False, ""),
        ("ubuntu", "plucky", True, "since 2026-02-04, its index still has packages"),
        ("ubuntu", "zesty", False, ""),
        ("ubuntu", "zesty", True, "is not in the table of"),
        ("debian", "forky", True, "build no more for Debian 14 (forky)"),
    ],
)
def test_e02_which_of_the_two_is_believed(
    distro: str, codename: str, *, indexed: bool, words: str
) -> None:
    told = believed(distro, codename, indexed=indexed)
    assert ("the index is believed" in told) == bool(words)
    assert words in told
    assert (str(distros.SUITES) in told) == bool(words)


# --- hosts ----------------------------------------------------------------------------------------


def host(release: str, *more: str) -> Facts:
    """The facts of a host with that os-release, and further lines of its answer."""
    answer = [f"dw1 {NONCE} begin", f"os_release {b64(release)}", *more, f"dw1 {NONCE} end", ""]
    return facts.read("\n".join(answer), NONCE, host="web1")


def test_e03_an_empty_codename_is_no_release() -> None:
    known = host('ID=debian\nPRETTY_NAME="Debian GNU/Linux forky/sid"\nVERSION_CODENAME=\n')
    assert known.codename == ""
    with pytest.raises(RefusedError) as caught:
        planner.require_supported(known)
    assert dict(caught.value.details)["why"].endswith("none is guessed")
    assert distros.known() in dict(caught.value.details)["known"]


@pytest.mark.parametrize(
    ("architecture", "machine", "split"),
    [
        ("i386", "x86_64", True),
        ("armel", "aarch64", True),
        ("i386", "i686", False),
        ("riscv64", "riscv64", False),
    ],
)
def test_e04_dpkg_s_word_counts(architecture: str, machine: str, *, split: bool) -> None:
    known = host(
        "ID=debian\nVERSION_CODENAME=trixie\n", f"architecture {architecture}", f"machine {machine}"
    )
    with pytest.raises(RefusedError) as caught:
        planner.require_supported(known)
    assert caught.value.brief == f"Docker builds no debian packages for {architecture}"
    assert ("64-bit kernel" in dict(caught.value.details).get("why", "")) == split


def test_e04_a_userland_of_32_bits_that_docker_builds_for_is_served() -> None:
    known = host("ID=debian\nVERSION_CODENAME=trixie\n", "architecture armhf", "machine aarch64")
    planner.require_supported(known)


# --- the page -------------------------------------------------------------------------------------


def table() -> str:
    """What docs/support.md shows, newest first."""
    head = "| release | codename | released | regular support to | longer support to | Docker builds for |"
    lines = [head, "|---|---|---|---|---|---|"]
    lines += [_row(one) for one in sorted(RELEASES, key=_age, reverse=True)]
    lines += ["", "| what | where it is from | compared last |", "|---|---|---|"]
    lines += [f"| {one.gives} | {one.name} | {one.checked} |" for one in distros.SOURCES]
    return "\n".join(lines)


def _age(release: Release) -> tuple[str, date]:
    return release.distro, release.first or date.max


def _row(release: Release) -> str:
    dropped = f"no, since {release.docker_dropped}" if release.docker_dropped else "no"
    longer = f"{release.extended} ({release.longer})" if release.extended else "-"
    name = f"{release.distro.capitalize()} {release.version}"
    built = ", ".join(release.architectures) or dropped
    dates = f"{release.first or 'not yet'} | {release.eol or '-'} | {longer}"
    return f"| {name} | {release.codename} | {dates} | {built} |"


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = f"<!-- table -->\n{table()}\n<!-- end -->"
    found = re.search(r"<!-- table -->.*<!-- end -->", page, re.DOTALL)
    assert found is not None
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(page.replace(found[0], wanted), encoding="utf-8")
        return
    assert found[0] == wanted
