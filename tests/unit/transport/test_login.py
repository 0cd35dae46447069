"""Which keys are tried, in which order, and when a person is asked."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Secret, Silent
from dockwright.transport.auth import (
    EncryptedKeyError,
    HungUpError,
    KeyUnusableError,
    Login,
    agent_socket,
)


class Key:
    def __init__(self, name: str) -> None:
        self.name = name
        self.comment = name

    def asbytes(self) -> bytes:
        return self.name.encode()


class FakeDoor:
    """Files by name: a name that begins with ``x`` is encrypted, with ``b`` broken."""

    def __init__(self, opens: str = "", agent: tuple[str, ...] = (), wants: str = "") -> None:
        self.opens = opens
        self.agent = agent
        self.wants = {wants} if wants else set()
        self.takes = {"publickey"}
        self.tried: list[str] = []
        self.hang_up_after = 99
        self.says = ""

    def key(self, key: Any) -> set[str] | None:
        self.tried.append(key.name)
        if len(self.tried) > self.hang_up_after:
            raise HungUpError(self.says)
        return self.wants if key.name == self.opens else None

    def password(self, secret: Secret) -> set[str] | None:
        self.tried.append(f"password {secret.reveal()}")
        return set() if secret.reveal() == "right" else None

    def methods(self) -> set[str]:
        return self.takes

    def load(self, path: Path, passphrase: Secret | None) -> Any:
        if not path.exists():
            raise FileNotFoundError
        if path.name.startswith("b"):
            raise KeyUnusableError("ValueError")
        if path.name.startswith("x"):
            if passphrase is None:
                raise EncryptedKeyError
            if passphrase.reveal() != "open":
                raise KeyUnusableError("ValueError")
        return Key(path.name)

    def agent_keys(self, path: str) -> dict[bytes, Any]:
        return {name.encode(): Key(name) for name in self.agent}


class Person(Silent):
    def __init__(self, passphrase: str = "", password: str = "") -> None:
        self._passphrase = passphrase
        self._password = password
        self.asked: list[str] = []

    def passphrase(self, path: Path) -> Secret | None:
        self.asked.append(path.name)
        return Secret(self._passphrase) if self._passphrase else None

    def password(self, host: Host) -> Secret | None:
        self.asked.append("password")
        return Secret(self._password) if self._password else None


HOST = Host(name="h", address="h")


def login(
    home: Path, *names: str, person: Silent | None = None, agent: str = "/agent", **config: Any
) -> Login:
    for name in names:
        (home / name).touch()
    options = ConnectOptions(identity=tuple(home / name for name in names))
    return Login("u@h", HOST, options, person or Person(), {"identityagent": agent, **config})


def test_named_files_come_before_the_agents_keys(home: Path) -> None:
    door = FakeDoor("a2", ("a1", "a2"))
    login(home, "k1", "k2").enter(door)
    assert door.tried == ["k1", "k2", "a1", "a2"]


def test_files_of_ssh_config_come_after_the_named(home: Path) -> None:
    (home / "k0").touch()
    door = FakeDoor("k0")
    login(home, "k1", identityfile=[str(home / "k0"), str(home / "missing")]).enter(door)
    assert door.tried == ["k1", "k0"]


def test_the_default_files_stand_in(home: Path) -> None:
    for name in ("id_rsa", "id_ed25519"):
        (home / ".ssh" / name).touch()
    door = FakeDoor("id_rsa")
    login(home).enter(door)
    assert door.tried == ["id_ed25519", "id_rsa"]


def test_a_key_that_the_agent_holds_is_tried_once_and_needs_no_passphrase(home: Path) -> None:
    public = base64.b64encode(b"held").decode()
    (home / "x1.pub").write_text(f"ssh-ed25519 {public} comment")
    person = Person("open")
    door = FakeDoor("held", ("held", "other"))
    login(home, "x1", person=person).enter(door)
    assert door.tried == ["held"]
    assert person.asked == []
    door = FakeDoor("none", ("k1",))
    with pytest.raises(UnreachableError):
        login(home, "k1").enter(door)
    assert door.tried == ["k1"]


def test_identities_only_leaves_the_agents_other_keys_out(home: Path) -> None:
    door = FakeDoor("a1", ("a1",))
    with pytest.raises(UnreachableError):
        login(home, "k1", identitiesonly="yes").enter(door)
    assert door.tried == ["k1"]


def test_passphrases_are_asked_for_last(home: Path) -> None:
    person = Person("open")
    door = FakeDoor("x1", ("a1",))
    login(home, "x1", "k1", person=person).enter(door)
    assert door.tried == ["k1", "a1", "x1"]
    assert person.asked == ["x1"]


@pytest.mark.parametrize(("phrase", "why"), [("", "it needs a passphrase"), ("bad", "wrong")])
def test_keys_that_stay_shut_are_named(home: Path, phrase: str, why: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        login(home, "x1", "b1", person=Person(phrase)).enter(FakeDoor())
    tried = dict(caught.value.details)["tried"]
    assert why in tried
    assert "b1 (not usable: ValueError)" in tried


def test_a_named_file_that_is_missing_is_an_error(home: Path) -> None:
    options = ConnectOptions(identity=(home / "nothing",))
    with pytest.raises(UnreachableError, match="no such key file"):
        Login("u@h", HOST, options, Person(), {"identityagent": "none"}).enter(FakeDoor())


def test_a_refusal_lists_what_was_tried_and_what_is_taken(home: Path) -> None:
    with pytest.raises(UnreachableError, match="the login was refused") as caught:
        login(home, "k1").enter(FakeDoor("none", ("a1",)))
    details = dict(caught.value.details)
    assert details["tried"] == f"{home}/k1; agent: a1"
    assert details["the server takes"] == "publickey"


def test_the_password_is_asked_for_where_the_server_takes_it_and_once(home: Path) -> None:
    person = Person(password="right")
    door = FakeDoor()
    door.takes = {"publickey", "password"}
    login(home, "k1", person=person).enter(door)
    assert door.tried == ["k1", "password right"]
    person = Person(password="wrong")
    door = FakeDoor()
    door.takes = {"keyboard-interactive"}
    with pytest.raises(UnreachableError) as caught:
        login(home, "k1", person=person).enter(door)
    assert door.tried == ["k1", "password wrong"]
    assert person.asked == ["password"]
    assert "password" in dict(caught.value.details)["tried"]


def test_a_server_without_passwords_gets_none(home: Path) -> None:
    person = Person(password="right")
    with pytest.raises(UnreachableError):
        login(home, "k1", person=person).enter(FakeDoor())
    assert person.asked == []


def test_two_factors(home: Path) -> None:
    door = FakeDoor("k1", wants="password")
    login(home, "k1", "k2", person=Person(password="right")).enter(door)
    assert door.tried == ["k1", "password right"]
    door = FakeDoor("k1", wants="hostbased")
    with pytest.raises(UnreachableError) as caught:
        login(home, "k1", "k2", person=Person(password="right")).enter(door)
    assert dict(caught.value.details)["the server takes"] == "hostbased"


def test_a_server_that_hangs_up_is_told_with_the_keys(home: Path) -> None:
    door = FakeDoor("k3")
    door.hang_up_after = 1
    with pytest.raises(UnreachableError, match="hung up") as caught:
        login(home, "k1", "k2", "k3").enter(door)
    assert dict(caught.value.details)["tried"] == f"{home}/k1; {home}/k2"
    assert "MaxAuthTries" in str(caught.value.next_step)


def test_an_account_that_is_closed_is_told_by_the_server_s_banner(home: Path) -> None:
    door = FakeDoor("k1")
    door.hang_up_after = 0
    door.says = "Your account has expired; please contact your system administrator."
    with pytest.raises(UnreachableError, match="lets this account in no more") as caught:
        login(home, "k1").enter(door)
    assert dict(caught.value.details)["the host says"] == door.says
    assert "chage" in str(caught.value.next_step)


def test_where_the_agent_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert agent_socket("SSH_AUTH_SOCK") is None
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert agent_socket("SSH_AUTH_SOCK") == "/run/agent"
    assert agent_socket("none") is None
    assert agent_socket("~/agent") == f"{home}/agent"
    assert agent_socket("$SSH_AUTH_SOCK.2") == "/run/agent.2"
