"""The system's ssh as a transport: one connection for all shells, and ssh's refusals in words."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from dockwright.channel import Transport
from dockwright.errors import InputError, UnreachableError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Silent, bare_transport
from dockwright.transport.openssh import OpenSshTransport, refused
from dockwright.transport.target import parse_target
from tests.unit.transport.ssh_server import Server, serving

pytestmark = pytest.mark.slow  # real sockets, shells and programs

LIMIT = 60.0


def trust(file: Path, server: Server) -> None:
    key = server.host_keys[0]
    with file.open("a") as stream:
        stream.write(f"[127.0.0.1]:{server.port} {key.get_name()} {key.get_base64()}\n")


@pytest.fixture
def server(key: paramiko.PKey, path_of: str, tmp_path: Path) -> Iterator[Server]:
    with serving(users={"u": [key]}, env={"PATH": path_of}) as running:
        trust(tmp_path / "kh", running)
        yield running


Opener = Callable[..., Transport]


@pytest.fixture
def opener(server: Server, tmp_path: Path, home: Path) -> Iterator[Opener]:
    (tmp_path / "config").touch()
    options = ConnectOptions(
        known_hosts=tmp_path / "kh", connect_timeout=5, identity=(home / ".ssh" / "id_ecdsa",),
        ssh_config=tmp_path / "config", transport="openssh",
    )  # fmt: skip
    opened: list[Transport] = []

    def make(port: int = 0, user: str = "u", **changed: object) -> Transport:
        host = Host(name="h", address="127.0.0.1", user=user, port=port or server.port)
        made = bare_transport(host, replace(options, **changed), Silent())  # type: ignore[arg-type]
        opened.append(made)
        return made

    yield make
    for transport in opened:
        transport.close()


def said_by(transport: Transport, script: str = "echo hi") -> bytes:
    channel, output = transport.root_shell(script), b""
    while data := channel.read(LIMIT):
        output += data
    channel.close()
    return output


def test_shells_share_one_connection_that_ends_with_the_transport(
    opener: Opener, server: Server
) -> None:
    transport = opener()
    assert [said_by(transport, f"echo {n}") for n in range(3)] == [b"0\n", b"1\n", b"2\n"]
    assert transport.description == f"as u@127.0.0.1:{server.port} by OpenSSH"
    assert len(server.transports) == 1
    transport.close()
    server.transports[0].join(LIMIT)
    assert not server.transports[0].is_active()


def test_a_shell_begun_ahead_is_the_first_one(opener: Opener, server: Server) -> None:
    transport = opener()
    assert isinstance(transport, OpenSshTransport)
    transport.begin()
    assert [said_by(transport, f"echo {n}") for n in range(2)] == [b"0\n", b"1\n"]
    assert len(server.transports) == 1


def test_a_shell_begun_that_nobody_asks_for_ends_with_the_transport(
    opener: Opener, server: Server
) -> None:
    transport = opener()
    assert isinstance(transport, OpenSshTransport)
    transport.begin()
    channel, said = transport.shell("echo hi"), b""  # needs no root, and does not ask for it
    while data := channel.read(LIMIT):
        said += data
    channel.close()
    assert said == b"hi\n"
    transport.close()
    for one in server.transports:
        one.join(LIMIT)
        assert not one.is_active()


def test_a_shell_begun_without_root_is_the_first_one(opener: Opener, server: Server) -> None:
    """As doctor asks for one: a sudo that was not asked for is an incident on some hosts."""
    transport = opener()
    assert isinstance(transport, OpenSshTransport)
    transport.begin(root=False)
    channel, said = transport.shell("echo hi"), b""
    while data := channel.read(LIMIT):
        said += data
    channel.close()
    assert said == b"hi\n"
    assert len(server.transports) == len(server.logins) == 1


def test_a_login_begun_and_refused_is_told_where_it_is_waited_for(opener: Opener) -> None:
    transport = opener(user="nobody")
    assert isinstance(transport, OpenSshTransport)
    transport.begin()
    with pytest.raises(UnreachableError, match="the login was refused"):
        said_by(transport)


def test_a_cut_connection_is_lost_and_opened_again(opener: Opener, server: Server) -> None:
    transport = opener()
    channel = transport.root_shell("echo up; cat")
    assert channel.read(LIMIT) == b"up\n"
    server.cut()
    assert channel.read(LIMIT) == b""
    with pytest.raises(UnreachableError, match="connection was lost"):
        channel.status()
    channel.close()
    assert said_by(transport) == b"hi\n"


def test_refusals_are_told_as_such(opener: Opener, server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="the login was refused") as caught:
        said_by(opener(user="nobody"))
    assert "Permission denied" in dict(caught.value.details)["ssh says"]
    (tmp_path / "none").touch()
    with pytest.raises(UnreachableError, match="the host key is not the known one"):
        said_by(opener(known_hosts=tmp_path / "none"))
    assert said_by(opener(known_hosts=tmp_path / "none", host_keys="accept-new")) == b"hi\n"
    other = paramiko.ECDSAKey.generate()
    name, text = other.get_name(), other.get_base64()
    (tmp_path / "other").write_text(f"[127.0.0.1]:{server.port} {name} {text}\n")
    with pytest.raises(UnreachableError, match="the host key is not the known one"):
        said_by(opener(known_hosts=tmp_path / "other", host_keys="accept-new"))
    with pytest.raises(UnreachableError, match="no connection"):
        said_by(opener(port=1))


def test_a_host_that_says_nothing_is_given_up(opener: Opener, server: Server) -> None:
    transport = opener(connect_timeout=1)
    import threading

    server.banner_delay = threading.Event()
    began = time.monotonic()
    with pytest.raises(UnreachableError):
        said_by(transport)
    server.banner_delay.set()
    assert time.monotonic() - began < LIMIT


def test_through_jump_hosts_each_with_its_own_key(
    opener: Opener, server: Server, key: paramiko.PKey, tmp_path: Path
) -> None:
    with serving(users={"a": [key]}) as first, serving(users={"b": [key]}) as second:
        trust(tmp_path / "kh", second)
        jump = f"a@127.0.0.1:{first.port},b@127.0.0.1:{second.port}"
        with pytest.raises(UnreachableError, match="the host key is not the known one"):
            said_by(opener(jump=jump))
        assert (second.logins, server.logins) == ([], [])
        trust(tmp_path / "kh", first)
        assert said_by(opener(jump=jump)) == b"hi\n"
        assert {one.split()[0] for one in second.logins} == {"b"}


def test_ssh_config_is_read_by_ssh_itself(
    opener: Opener, server: Server, tmp_path: Path, home: Path
) -> None:
    (tmp_path / "more").write_text("Host h\n Hostname 127.0.0.1\n User u\n")
    (tmp_path / "config").write_text(
        f'Match exec "true"\n Include {tmp_path}/more\nHost *\n Port {server.port}\n'
    )
    host = parse_target("openssh://h")
    options = ConnectOptions(
        known_hosts=tmp_path / "kh", identity=(home / ".ssh" / "id_ecdsa",),
        ssh_config=tmp_path / "config",
    )  # fmt: skip
    transport = bare_transport(host, options, Silent())
    assert isinstance(transport, OpenSshTransport)
    assert said_by(transport) == b"hi\n"
    transport.close()
    (tmp_path / "config").write_text("Nonsense yes\n")
    with pytest.raises(InputError, match="Bad configuration option: nonsense"):
        bare_transport(host, options, Silent())


def test_without_ssh_it_is_said_before_any_contact(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(InputError, match="there is no ssh on this machine"):
        opener()


def test_words_of_ssh_that_nobody_knows_are_shown() -> None:
    error = refused("u@h", "client_loop: send disconnect: Broken pipe\r\n\x1b[31m")
    assert error.brief == "u@h: the connection was lost"
    assert dict(error.details) == {"ssh says": "client_loop: send disconnect: Broken pipe"}


def test_no_path_of_a_socket_is_too_long(
    opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    assert said_by(opener()) == b"hi\n"


def test_nothing_is_left_behind(opener: Opener, server: Server) -> None:
    transport = opener()
    said_by(transport)
    folder = Path(transport._folder.name)  # type: ignore[attr-defined]
    assert (folder.stat().st_mode & 0o777, (folder / "s").is_socket()) == (0o700, True)
    transport.close()
    assert not folder.exists()
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(folder) not in found.stdout
