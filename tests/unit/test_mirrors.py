"""Mirrors of Docker's packages: the table, and what --mirror makes of a word."""

from __future__ import annotations

import pytest

from dockwright import mirrors
from dockwright.errors import InputError
from dockwright.load import Flag, HostValues, Overrides, load_playbook
from tests.unit.making import recorded


def test_each_mirror_of_the_table_has_a_source_and_makes_a_repository() -> None:
    for one in mirrors.MIRRORS:
        assert one.source
        flag = Flag("--mirror", "docker_url", mirrors.repository(one.name))
        book = load_playbook("docker", overrides=Overrides(flags=(flag,)))
        values = book.variables_for(HostValues.of(recorded("debian-13-bare")))
        assert values["docker_url"] == f"{one.url}/linux/debian"
        assert values["docker_key_url"] == f"{one.url}/linux/debian/gpg"
        assert list(book.overrides) == ["docker_url"]  # and the pin stays Docker's


@pytest.mark.parametrize("end", ["", "/", "/linux", "/linux/ubuntu", "/linux/debian/"])
def test_a_url_may_go_deeper_than_it_has_to(end: str) -> None:
    made = mirrors.repository(f"https://mirror.example/docker-ce{end}")
    assert made == "https://mirror.example/docker-ce/linux/{{ distro }}"


@pytest.mark.parametrize(
    "text", ["tunna", "ftp://a.example", "https://a b", "https://a/{{ x }}", ""]
)
def test_what_is_no_mirror_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="neither"):
        mirrors.repository(text)


def test_a_login_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        mirrors.repository("https://robot:c4n4ry@mirror.example/docker-ce")
    assert "c4n4ry" not in str(caught.value.brief)
