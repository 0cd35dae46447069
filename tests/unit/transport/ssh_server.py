"""An SSH server in this process, for tests: real key exchange, real logins, commands in ``sh``."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_PARTIALLY_SUCCESSFUL,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)


@dataclass
class Server:
    """Listens on 127.0.0.1. ``logins`` records each attempt as ``user method``."""

    host_keys: list[paramiko.PKey]
    users: dict[str, list[paramiko.PKey | str]]
    env: dict[str, str] = field(default_factory=dict)
    banner_delay: threading.Event | None = None
    forward: bool = True
    two_factors: bool = False
    tells_status: bool = True
    strict: bool = True
    attempts: int = 99
    shell: str = "sh"
    logins: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    transports: list[paramiko.Transport] = field(default_factory=list)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._spawn(self._accept)

    def _spawn(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self.banner_delay is not None:
                self._spawn(self._stall, sock)
                continue
            transport = paramiko.Transport(sock, strict_kex=self.strict)
            for key in self.host_keys:
                transport.add_server_key(key)
            self.transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(server=_Session(self), event=threading.Event())

    def _stall(self, sock: socket.socket) -> None:
        assert self.banner_delay is not None
        self.banner_delay.wait(10)
        sock.close()

    def run(self, channel: paramiko.Channel, command: str) -> None:
        """Run ``command`` in the login shell, with its streams on ``channel``."""
        child = subprocess.Popen(
            [self.shell, "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.env},
            start_new_session=True,
        )
        self.children.append(child)
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        out = threading.Thread(target=_copy, args=(child.stdout, channel.sendall), daemon=True)
        err = threading.Thread(
            target=_copy, args=(child.stderr, channel.sendall_stderr), daemon=True
        )
        for thread in (out, err):
            thread.start()
        self._spawn(_feed, channel, child.stdin)
        for thread in (out, err):
            thread.join()
        status = child.wait()
        with contextlib.suppress(OSError, EOFError):
            if status >= 0 and self.tells_status:
                channel.send_exit_status(status)
            channel.close()

    def cut(self) -> None:
        """Cut all connections, as a dead network would, only faster."""
        for transport in self.transports:
            with contextlib.suppress(OSError):
                transport.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()  # else each waits for its next look at the socket
        for transport in self.transports:
            transport.close()
            transport.join(5)
        for child in self.children:
            # It has a session of its own, and may end by itself at this very moment.
            with contextlib.suppress(ProcessLookupError):
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        for thread in self._threads:
            thread.join(5)


def _copy(source: Any, send: Any) -> None:
    with source, contextlib.suppress(OSError, EOFError):
        while data := os.read(source.fileno(), 32768):
            send(data)


def _feed(channel: paramiko.Channel, stdin: Any) -> None:
    with contextlib.suppress(OSError), stdin:
        while data := channel.recv(32768):
            stdin.write(data)
            stdin.flush()


class _Session(paramiko.ServerInterface):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._half = False
        self._failures = 0

    def get_allowed_auths(self, username: str) -> str:
        return "password" if self._half else "publickey,password"

    def check_auth_none(self, username: str) -> int:
        return AUTH_FAILED

    def _judge(self, username: str, method: str, given: Any) -> int:
        self._server.logins.append(f"{username} {method}")
        if given in self._server.users.get(username, []):
            if self._server.two_factors and not self._half:
                self._half = True
                return AUTH_PARTIALLY_SUCCESSFUL
            return AUTH_SUCCESSFUL
        self._failures += 1
        if self._failures >= self._server.attempts:
            self._server.cut()
        return AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._judge(username, "key", key)

    def check_auth_password(self, username: str, password: str) -> int:
        return self._judge(username, "password", password)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._server.commands.append(command.decode())
        self._server._spawn(self._server.run, channel, command.decode())
        return True

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if not self._server.forward:
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        self._server._spawn(self._tunnel, chanid, destination)
        return OPEN_SUCCEEDED

    def _tunnel(self, chanid: int, destination: tuple[str, int]) -> None:
        transport = next(t for t in self._server.transports if t.server_object is self)
        # By its number: accept() gives any channel, and of two that wait one may get none.
        while (channel := transport._channels.get(chanid)) is None:  # type: ignore[attr-defined]
            time.sleep(0.001)
        with contextlib.suppress(OSError, EOFError), socket.create_connection(destination) as sock:
            ends: list[Any] = [sock, channel]
            while True:
                ready, _, _ = select.select(ends, [], [], 10)
                for one, other in (ends, ends[::-1]):
                    if one in ready:
                        data = one.recv(32768)
                        if not data:
                            return
                        other.sendall(data)


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[Server]:
    """A server with an ECDSA host key unless told otherwise."""
    options.setdefault("host_keys", [paramiko.ECDSAKey.generate()])
    server = Server(**options)
    try:
        yield server
    finally:
        server.close()
