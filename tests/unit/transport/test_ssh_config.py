"""ssh_config with Includes, as text that Paramiko's parser reads as ssh would."""

from __future__ import annotations

import shutil
from pathlib import Path

import paramiko
import pytest

from dockwright.errors import InputError
from dockwright.models import Host
from dockwright.transport import sshconfig


def lookup(text: str, host: str) -> dict[str, object]:
    return dict(paramiko.SSHConfig.from_text(text).lookup(host))


def test_includes_are_read_in_place_and_their_blocks_end_with_them(home: Path) -> None:
    ssh = home / ".ssh"
    (ssh / "conf.d").mkdir()
    (ssh / "conf.d" / "10-a").write_text("Host web*\n  User web\n")
    (ssh / "conf.d" / "20-b").write_text("Host db\n  User=db\n  Port 2222")
    (ssh / "conf.d" / "sub").mkdir()
    (ssh / "config").write_text("Include conf.d/*\nPort 2200\nHost old\n  User old\n")
    text = sshconfig.read(None)
    assert lookup(text, "web1")["user"] == "web"
    assert lookup(text, "web1")["port"] == "2200"
    assert lookup(text, "db")["port"] == "2222"
    assert lookup(text, "old")["user"] == "old"
    assert "user" not in lookup(text, "other")


def test_an_include_in_a_block_is_for_its_hosts(home: Path) -> None:
    ssh = home / ".ssh"
    (ssh / "extra").write_text("IdentityFile /k\n")
    (ssh / "config").write_text('Host a\n  Include "extra" missing\nHost b\n  User b\n')
    text = sshconfig.read(None)
    assert lookup(text, "a")["identityfile"] == ["/k"]
    assert "identityfile" not in lookup(text, "b")
    assert lookup(text, "b")["user"] == "b"


def test_a_block_for_every_host_is_no_condition(home: Path) -> None:
    ssh = home / ".ssh"
    (ssh / "extra").write_text("Host a\n  User a\n")
    (ssh / "config").write_text("Host *\n  Compression no\n  Include extra\n")
    assert lookup(sshconfig.read(None), "a")["user"] == "a"
    assert "user" not in lookup(sshconfig.read(None), "b")


def test_two_conditions_at_once_are_refused_with_file_and_line(home: Path) -> None:
    ssh = home / ".ssh"
    (ssh / "extra").write_text("\nHost a\n  User a\n")
    (ssh / "config").write_text("Host b\n  Include extra\n")
    with pytest.raises(InputError, match=r"extra:2: a Host block"):
        sshconfig.read(None)


def test_a_circle_of_includes_ends(home: Path) -> None:
    (home / ".ssh" / "config").write_text("Include config\n")
    with pytest.raises(InputError, match="too deeply"):
        sshconfig.read(None)


def test_a_named_file_stands_alone(home: Path, tmp_path: Path) -> None:
    (home / ".ssh" / "config").write_text("User users\n")
    named = tmp_path / "named"
    named.write_text("Port 2222\n")
    found = lookup(sshconfig.read(named), "h")
    assert found["port"] == "2222"
    assert "user" not in found
    with pytest.raises(InputError, match="no such ssh_config"):
        sshconfig.read(tmp_path / "missing")


def test_a_file_that_cannot_be_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".ssh" / "config").write_text("")

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(InputError, match="config: Permission denied"):
        sshconfig.read(None)


def test_the_users_file_wins_over_the_systems(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "ssh_config"
    system.write_text("Port 1\nUser system\n")
    monkeypatch.setattr(sshconfig, "SYSTEM", system)
    (home / ".ssh" / "config").write_text("Host only\n  Port 2\n")
    text = sshconfig.read(None)
    assert lookup(text, "only")["port"] == "2"
    assert lookup(text, "only")["user"] == "system"
    assert lookup(text, "h")["port"] == "1"


def test_what_was_typed_wins_and_is_known_to_tokens() -> None:
    host = Host(name="h", address="h", user="me", port=2222)
    rules = "Host h\n User other\n Port 1\n ProxyCommand nc %h %p %r\nHost *\n User any\n"
    found = lookup(sshconfig.given(host, ProxyJump="j") + rules, "h")
    assert (found["user"], found["port"], found["proxyjump"]) == ("me", "2222", "j")
    assert found["proxycommand"] == "nc h 2222 me"
    assert lookup(sshconfig.given(host) + rules, "x")["user"] == "any"


def rules_of(text: str, home: Path, host: Host) -> dict[str, object]:
    file = home / "config"
    file.write_text(text)
    assert host.address is not None
    return lookup(sshconfig.rules(file).of(host), host.address)


# A client that is newer than some: it knows tags.
CLIENT = """\
#!/bin/sh
echo "$*" >>"${0%/*}/asked"
for address; do :; done
echo "host $address"
echo "hostname 10.0.0.1"
echo "user right"
echo "port 22"
echo "connecttimeout none"
echo "identityfile ~/.ssh/a key"
[ "$address" = gate ] || echo "proxyjump gate"
"""


def test_what_only_ssh_knows_is_asked_of_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paramiko takes a criterion that it does not know for true."""
    (home / "bin").mkdir()
    (home / "bin/ssh").write_text(CLIENT)
    (home / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=":")
    for criterion in ("tagged far", "host a !localnetwork 10.0.0.0/8", "version OpenSSH_1*"):
        text = f"Match {criterion}\n  User wrong\nHost *\n  User right\n"
        sshconfig._asked.cache_clear()
        found = rules_of(text, home, Host(name="a", address="a"))
        assert (found["user"], found["hostname"], found["proxyjump"]) == (
            "right",
            "10.0.0.1",
            "gate",
        )
        assert found["identityfile"] == [f"{home}/.ssh/a key"]
        assert "connecttimeout" not in found
        assert "proxyjump" not in rules_of(text, home, Host(name="gate", address="gate"))
    typed = rules_of(text, home, Host(name="a", address="a", user="typed", port=2222))
    assert (typed["user"], typed["port"]) == ("typed", "2222")
    asked = (home / "bin/asked").read_text().splitlines()
    assert asked[-1] == f"-G -F {home}/config -l typed -p 2222 -- a"


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client here")
def test_two_conditions_at_once_are_asked_of_ssh(home: Path) -> None:
    (home / "extra").write_text("Host a\n  User inner\n")
    text = f"Host a b\n  Include {home}/extra\nHost *\n  User outer\n"
    assert rules_of(text, home, Host(name="a", address="a"))["user"] == "inner"
    assert rules_of(text, home, Host(name="b", address="b"))["user"] == "outer"


def test_what_ssh_refuses_is_told(home: Path) -> None:
    with pytest.raises(InputError, match=r"ssh_config, for a: .*"):
        rules_of("Match tagged x\n  NoSuchThing 1\n", home, Host(name="a", address="a"))


def test_what_paramiko_knows_starts_no_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet would feel it."""
    monkeypatch.setattr(sshconfig, "_asked", None)
    text = "Match originalhost a user u\n  Port 7\nHost version\n  Port 8\n"
    assert rules_of(text, home, Host(name="a", address="a", user="u"))["port"] == "7"
    assert rules_of(text, home, Host(name="v", address="version"))["port"] == "8"


def test_without_a_client_it_is_not_read_wrongly(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputError, match="Match tagged x"):
        rules_of("Match tagged x\n  User a\n", home, Host(name="a", address="a"))
    (home / "extra").write_text("Host a\n  User a\n")
    with pytest.raises(InputError, match="extra:1: a Host block"):
        rules_of(f"Host b\n  Include {home}/extra\n", home, Host(name="a", address="a"))
