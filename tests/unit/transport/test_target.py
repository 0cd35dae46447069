"""Targets as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwright.errors import InputError
from dockwright.models import Host
from dockwright.transport.target import parse_target, refuse_private_key, require_safe


@pytest.mark.parametrize(
    ("text", "address", "user", "port"),
    [
        ("web1", "web1", None, None),
        ("ubuntu@10.0.0.11", "10.0.0.11", "ubuntu", None),
        ("ubuntu@10.0.0.11:2222", "10.0.0.11", "ubuntu", 2222),
        ("web1:22", "web1", None, 22),
        ("my_alias", "my_alias", None, None),
        ("::1", "::1", None, None),
        ("[::1]", "::1", None, None),
        ("[2001:db8::1]:2222", "2001:db8::1", None, 2222),
        ("root@[fe80::1%eth0]:22", "fe80::1%eth0", "root", 22),
        ("svc$@host", "host", "svc$", None),
        ("a.user+x@host", "host", "a.user+x", None),
        ("root@localhost", "localhost", "root", None),
        ("localhost:2222", "localhost", None, 2222),
    ],
)
def test_forms(text: str, address: str, user: str | None, port: int | None) -> None:
    assert parse_target(text) == Host(name=text, address=address, user=user, port=port)


@pytest.mark.parametrize("text", ["local", "localhost"])
def test_this_machine(text: str) -> None:
    assert parse_target(text).local


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=evil",
        "-",
        "-l@host",
        "user@-host",
        "@host",
        "user@",
        "a b",
        "a@b@c",
        "$(id)@host",
        "x;id@host",
        "`id`@host",
        "host;id",
        "host\n",
        "host\x1b[31m",
        "host:0",
        "host:65536",
        "host:",
        "host:ssh",
        "[host]:22",
        "[::1",
        "1::2::3",
        "a:b:c",
        "x" * 300,
        "host%n",
        "host/path",
    ],
)
def test_what_is_no_target_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_target(text)
    assert "user@" in str(caught.value.next_step)
    assert "\x1b" not in caught.value.brief
    assert len(caught.value.brief) < 250


KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "head", [KEY, "-----BEGIN RSA PRIVATE KEY-----\nx", "PuTTY-User-Key-File-3"]
)
def test_a_private_key_is_refused_and_never_echoed(head: str, tmp_path: Path) -> None:
    file = tmp_path / "id_ed25519"
    file.write_text(head)
    for given_text in (head, str(file)):
        with pytest.raises(InputError, match="a private key was given") as caught:
            refuse_private_key(given_text)
        shown = f"{caught.value.brief} {caught.value.details} {caught.value.next_step}"
        assert "c2VjcmV0" not in shown
        assert "BEGIN" not in shown


def test_a_file_that_is_no_key_is_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text("hosts: []")
    refuse_private_key(str(file))
    refuse_private_key(str(tmp_path))
    refuse_private_key("~nobody-here/x\0")


@pytest.mark.parametrize(
    "host",
    [
        Host(name="h", address="h;id"),
        Host(name="h", address="-oX"),
        Host(name="h", address="h", user="$(id)"),
        Host(name="h", address="h", user="-l"),
    ],
)
def test_hosts_of_an_inventory_are_held_to_the_same(host: Host) -> None:
    with pytest.raises(InputError):
        require_safe(host)


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_safe_host_or_refused(text: str) -> None:
    try:
        host = parse_target(text)
    except InputError:
        return
    require_safe(host)
    assert host.name == text
    assert not (host.address or "").startswith("-")
    assert not set(f"{host.address}{host.user}") & set(" ;&|<>`'\"\\\n\t()*?!#")


def test_a_scheme_names_the_system_s_ssh() -> None:
    host = parse_target("openssh://ops@web1:2222")
    assert (host.address, host.user, host.port, host.transport) == ("web1", "ops", 2222, "openssh")
    assert host.name == "openssh://ops@web1:2222"
    assert parse_target("web1").transport is None
    for text in ("openssh://", "openssh://-x", "ssh://web1", "openssh://a/b", "openssh://a;b"):
        with pytest.raises(InputError):
            parse_target(text)
