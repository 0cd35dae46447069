"""Logins with Paramiko: the keys, the agent and the passwords that auth.py has tried."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentSSH
from paramiko.ssh_exception import BadAuthenticationType

from dockwright.transport.auth import EncryptedKeyError, HungUpError, KeyUnusableError, Login
from dockwright.transport.options import Secret
from dockwright.transport.refusal import banner

AGENT_LIMIT = 1.0  # seconds for an agent to list its keys; a stale socket never answers


class Strategy:
    """A login, as ``SSHClient.connect(auth_strategy=...)`` calls it; the ``Door`` of auth.py."""

    def __init__(self, login: Login, user: str) -> None:
        self._login = login
        self._user = user
        self._transport: paramiko.Transport
        self._socket: socket.socket | None = None

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Log in on ``transport``; Paramiko calls it."""
        self._transport = transport
        try:
            self._login.enter(self)
        finally:
            if self._socket is not None:
                self._socket.close()

    def key(self, key: Any) -> set[str] | None:
        """As ``Door.key``."""
        return self._try(lambda: self._transport.auth_publickey(self._user, key))

    def password(self, secret: Secret) -> set[str] | None:
        """As ``Door.password``."""
        # Paramiko itself falls back to a single keyboard-interactive prompt.
        return self._try(lambda: self._transport.auth_password(self._user, secret.reveal()))

    def methods(self) -> set[str]:
        """As ``Door.methods``."""
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            try:
                self._transport.auth_none(self._user)
            except BadAuthenticationType as error:
                return set(error.allowed_types)
        return set()

    def load(self, path: Path, passphrase: Secret | None) -> Any:
        """As ``Door.load``."""
        try:
            word: Any = passphrase.reveal().encode() if passphrase else None
            return paramiko.PKey.from_path(path, word)  # typed as text, but takes bytes only
        except TypeError:  # of cryptography: encrypted, and no passphrase
            raise EncryptedKeyError from None
        except (paramiko.SSHException, OSError, ValueError, UnsupportedAlgorithm) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise KeyUnusableError(type(error).__name__) from None

    def agent_keys(self, path: str) -> dict[bytes, Any]:
        """As ``Door.agent_keys``."""
        agent, self._socket = AgentSSH(), socket.socket(socket.AF_UNIX)
        self._socket.settimeout(AGENT_LIMIT)
        try:
            self._socket.connect(path)
            # Paramiko's own opening waits for ever, and knows the path of the environment only.
            agent._connect(self._socket)  # type: ignore[attr-defined]  # noqa: SLF001
        except (paramiko.SSHException, OSError):
            return {}
        self._socket.settimeout(None)  # to sign may need a touch; the login's own limit holds
        return {key.asbytes(): key for key in agent.get_keys()}

    def _try(self, attempt: Callable[[], list[str]]) -> set[str] | None:
        try:
            return set(attempt())
        except (paramiko.SSHException, OSError, EOFError) as error:
            if not self._transport.is_active():
                raise HungUpError(banner(self._transport)) from None
            if isinstance(error, paramiko.AuthenticationException):
                return None
            raise
