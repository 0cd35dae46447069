"""TCP with the options that matter, and proxy commands."""

from __future__ import annotations

import socket
import time

import pytest

from dockwright.errors import UnreachableError
from dockwright.transport.net import ProxyCommand, dial, failure

pytestmark = pytest.mark.slow  # real sockets, shells and programs


def test_the_socket_has_no_delay_and_notices_a_dead_peer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = dial("127.0.0.1", server.getsockname()[1], 5)
    with sock:
        tcp = socket.IPPROTO_TCP
        assert sock.getsockopt(tcp, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(tcp, socket.TCP_KEEPIDLE) == 5
        assert sock.getsockopt(tcp, socket.TCP_KEEPINTVL) == 5
        assert sock.getsockopt(tcp, socket.TCP_KEEPCNT) == 3
        assert sock.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 15_000


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"port {port}: 127.0.0.1: Connection refused"):
        dial("127.0.0.1", port, 5)


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        fill = [socket.socket() for _ in range(4)]
        for sock in fill:
            sock.setblocking(False)
            sock.connect_ex(address)
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="no answer within"):
            dial("127.0.0.1", address[1], 0.2)
        assert time.monotonic() - began < 30
        for sock in fill:
            sock.close()


@pytest.mark.parametrize("name", ["no-such-host.invalid", "x" * 70, "a..b"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(UnreachableError, match="the name is not known"):
        dial(name, 22, 1)


def test_the_second_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))
        live = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [dead, live])
        with dial("two", port, 5) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [dead, dead])
        with pytest.raises(UnreachableError) as caught:
            dial("two", port, 5)
        assert caught.value.brief.count("refused") == 1


def test_a_proxy_command_is_a_socket_and_ends_with_it() -> None:
    proxy = ProxyCommand("sh -c 'echo trouble >&2; cat'")
    proxy.socket.sendall(b"ping")
    assert proxy.socket.recv(9) == b"ping"
    assert proxy.errors() == "trouble"
    proxy.close()
    stubborn = ProxyCommand("sh -c 'trap \"\" TERM HUP; sleep 60'")
    stubborn.close()
    gone = ProxyCommand("false")
    assert gone.socket.recv(9) == b""
    gone.close()


def test_failures_are_told_apart() -> None:
    class IncompatiblePeer(Exception):  # noqa: N818
        pass

    assert "no algorithm in common" in failure("u@h", IncompatiblePeer("x"), "").brief
    assert "not SSH" in failure("u@h", Exception("Error reading SSH protocol banner"), "").brief
    said = failure("u@h", EOFError(), "ssh: no route")
    assert "closed the connection" in said.brief
    assert said.details == (("the proxy command says", "ssh: no route"),)
