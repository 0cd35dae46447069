"""Sockets to SSH servers: TCP with the options that Paramiko leaves out, or a proxy command.

Measured: without TCP_NODELAY each new channel waits 40 ms for a delayed acknowledgement;
Paramiko's own keepalive never looks for replies, so a dead peer went unnoticed for a minute and
more, where the kernel's keepalive and user timeout end the connection after 15 s (tcp(7)).
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

from dockwright.errors import UnreachableError

# By name: not every system has each of them. Seconds, but TCP_USER_TIMEOUT in milliseconds.
_OPTIONS = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 15_000),
)

_RETRIES = (0.3, 1.0, 2.5)


def dial(host: str, port: int, timeout: float) -> socket.socket:
    """A connected TCP socket that notices within about 15 s when the peer is gone.

    All addresses of ``host`` are tried, within ``timeout`` seconds after the name was found.
    Raises UnreachableError with the reason of each address.
    """
    try:
        # As bytes, a name needs no codec for those of other alphabets, which is slow to load.
        name = host.encode() if host.isascii() else host
        found = socket.getaddrinfo(name, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise UnreachableError(
            f"{host}: the name is not known: {reason}",
            next_step="check the name, DNS, or the host's entry in ssh_config",
        ) from None
    reasons: list[str] = []
    deadline = time.monotonic() + timeout
    for at, (family, kind, protocol, _, address) in enumerate(found):
        left = max(0.1, (deadline - time.monotonic()) / (len(found) - at))
        try:
            return _connected(socket.socket(family, kind, protocol), address, left)
        except TimeoutError:
            reasons.append(f"{address[0]}: no answer within {left:.3g} s")
        except OSError as error:
            reasons.append(f"{address[0]}: {error.strerror or error}")
    raise UnreachableError(
        f"{host} port {port}: {'; '.join(dict.fromkeys(reasons))}",
        next_step="is the host up, sshd running, and the port open in the firewall?",
    )


def _connected(sock: socket.socket, address: object, timeout: float) -> socket.socket:
    try:
        for level, name, value in _OPTIONS:
            if (option := getattr(socket, name, None)) is not None:
                sock.setsockopt(level, option, value)
        sock.settimeout(timeout)
        sock.connect(address)  # type: ignore[arg-type]  # what getaddrinfo gave
    except BaseException:
        sock.close()
        raise
    return sock


def retries() -> Iterator[float]:
    """Seconds before each further attempt, different for each host, so that they do not come together."""
    return (pause * random.uniform(0.5, 1.5) for pause in _RETRIES)  # noqa: S311  # no secret


def dropped(error: Exception) -> bool:
    """Whether a server hung up before it said who it is: sshd does that to one in many callers.

    Nothing was sent by then, so it may be tried again; sshd_config(5), MaxStartups.
    """
    return isinstance(error, (ConnectionResetError, EOFError)) or (
        str(error).startswith("Error reading SSH protocol banner")
    )


def failure(who: str, error: Exception, proxy: str) -> UnreachableError:
    """What to tell when the SSH library gave up on ``who``; ``proxy`` is its command's stderr."""
    text = str(error)
    if type(error).__name__ == "IncompatiblePeer":
        brief = f"no algorithm in common: {text}"
        advice = "is the server very old, or hardened to algorithms that are not known here?"
    elif (
        "banner" in text or text == "No existing session"
    ):  # the time was over before there was one
        brief = "something answers there, but not SSH, or it closes at once"
        advice = "is the port right? too many connections at a time (MaxStartups)?"
    else:
        brief = text or "the server closed the connection"
        advice = "see the log of the host: journalctl -u ssh"
    return UnreachableError(
        f"{who}: {brief}",
        details=(("the proxy command says", proxy),) if proxy else (),
        next_step=advice,
    )


class ProxyCommand:
    """A command of ssh_config(5) whose standard streams lead to the server.

    ``socket`` is one end of a socket pair: Paramiko's own class spins when the command ends and
    stalls when it writes 64 KiB of errors.
    """

    def __init__(self, command: str) -> None:
        self.socket, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the command
        with theirs:
            # exec, as ssh does: no shell stays in between. A session of its own keeps Ctrl-C away.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors,
                start_new_session=True,
            )

    def errors(self) -> str:
        """What the command wrote to standard error, at most 4 KiB of it."""
        self._errors.seek(0)
        return self._errors.read(4096).decode(errors="replace").strip()

    def close(self) -> None:
        """End the command, and wait for it."""
        self.socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._errors.close()
