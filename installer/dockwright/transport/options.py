"""How to connect, and whom to ask: what the command line hands to a transport."""

from __future__ import annotations

import hmac
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NoReturn, Protocol

from dockwright.models import Host

_SALT = os.urandom(32)
_PR_SET_DUMPABLE = 4


@cache
def _leave_no_core() -> None:
    """Keep the kernel from writing our memory anywhere, core_pattern's programs included; prctl(2)."""
    if sys.platform != "linux":  # pragma: no cover
        return
    import ctypes  # only where there is a secret

    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class Secret:
    """A password or passphrase that shows itself only to ``reveal()``.

    Text of it is ``***``, it cannot be pickled or copied, and it has no ``__dict__`` for a
    traceback with locals to print. From the first one on, this process leaves no core dump. Raises
    ValueError for a text with a line break or a NUL: neither can be typed at a prompt, and a line
    break would end the answer early.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        if any(character in text for character in "\n\r\0"):
            raise ValueError("a password is one line")
        _leave_no_core()
        self.__text = text

    def reveal(self) -> str:
        """The text itself, to be handed straight to whoever asked for it."""
        return self.__text

    def digest(self) -> bytes:
        """A number to compare secrets by, of no use outside this process."""
        return hmac.digest(_SALT, self.__text.encode(), "sha256")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.digest(), other.digest())

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not leave its process")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


class Asker(Protocol):
    """Whom a transport asks. Called from worker threads: an asker takes turns by itself."""

    def host_key(self, host: str, fingerprint: str, kind: str) -> bool:
        """Whether ``host`` may be trusted with the key of that SHA256 ``fingerprint``."""
        ...

    def sudo_password(self, host: Host) -> Secret | None:
        """The login user's password for sudo, or ``None`` where nobody can be asked."""
        ...

    def passphrase(self, path: Path) -> Secret | None:
        """The passphrase of a private key; ``None`` leaves the key out."""
        ...

    def password(self, host: Host) -> Secret | None:
        """The login password, asked for where no key was taken; ``None`` gives up."""
        ...


class Silent:
    """The asker of a run without a terminal: trusts nothing new and knows no secrets."""

    def host_key(self, host: str, fingerprint: str, kind: str) -> bool:  # noqa: ARG002
        """No."""
        return False

    def sudo_password(self, host: Host) -> Secret | None:  # noqa: ARG002
        """None."""
        return None

    def passphrase(self, path: Path) -> Secret | None:  # noqa: ARG002
        """None."""
        return None

    def password(self, host: Host) -> Secret | None:  # noqa: ARG002
        """None."""
        return None


@dataclass(frozen=True)
class ConnectOptions:
    """The connection options of the command line, the same for all hosts of a run.

    ``user`` and ``port`` hold where the target names none, and win over ssh_config. ``identity``
    are private key files that are tried first, for jump hosts too. ``jump`` is in the form of
    ``ssh -J`` and wins over ssh_config. ``known_hosts`` stands in for the user's known_hosts.
    ``connect_timeout`` in seconds bounds each of: name and TCP, key exchange, login, opening a
    channel. ``ssh_config`` stands in for the user's and the system's ssh_config.
    ``transport`` carries hosts that say nothing of it: Paramiko, or the system's ssh.
    ``sudo_password_source`` is asked before the asker (``--sudo-password-file``).
    """

    user: str | None = None
    port: int | None = None
    identity: tuple[Path, ...] = ()
    jump: str | None = None
    known_hosts: Path | None = None
    host_keys: Literal["ask", "strict", "accept-new"] = "strict"
    connect_timeout: float = 10.0
    ssh_config: Path | None = None
    transport: Literal["ssh", "openssh"] = "ssh"
    sudo_password_source: Callable[[], Secret | None] | None = None


class _Trials:
    """Which sudo passwords were taken and refused in this process.

    pam_faillock locks an account after three refusals, so a password is new to one host at a
    time: the others wait for its verdict, and one that a host refused is tried nowhere else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[bytes, threading.Lock] = {}
        self._taken: set[bytes] = set()
        self._refused: dict[bytes, str] = {}

    def turn(self, secret: Secret) -> threading.Lock | None:
        """The lock to hold while ``secret`` is tried; ``None`` where a host took it already."""
        with self._lock:
            digest = secret.digest()
            return (
                None if digest in self._taken else self._turns.setdefault(digest, threading.Lock())
            )

    def refused_by(self, secret: Secret) -> str | None:
        """The host that refused ``secret``, if one did."""
        return self._refused.get(secret.digest())

    def taken(self, secret: Secret) -> None:
        """A host took ``secret``."""
        self._taken.add(secret.digest())

    def refuse(self, secret: Secret, host: str) -> None:
        """``host`` refused ``secret``."""
        self._refused[secret.digest()] = host


TRIALS = _Trials()
