"""A local root shell by the same handshake: root at once, or through sudo.

The root shell is a plain child process, not one of Invoke's: Invoke's runner polls each 10 ms,
takes quadratic time for output (16 MB: 31 s), reads the terminal's standard input, and can only
answer sudo by matching its prompt. Invoke runs the small command that explains a refusal, where
none of that matters.

The shell has a session of its own, so Ctrl-C on the terminal does not reach it, and sudo finds no
terminal to ask on.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import selectors
import subprocess
import threading
import time
from typing import IO, Any

from dockwright.channel import Channel
from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport.options import Asker, ConnectOptions
from dockwright.transport.password import SudoPassword
from dockwright.transport.root import Handshake, become_root
from dockwright.transport.tail import Tail

CHUNK = 64 << 10


class LocalTransport:
    """A ``Transport`` to the machine that we run on."""

    def __init__(self, host: Host, options: ConnectOptions, ask: Asker) -> None:
        self._name = host.name
        self._password = SudoPassword(host, options, ask)
        self._user = "root" if os.geteuid() == 0 else _user()
        self._how = ""

    @property
    def description(self) -> str:
        """``as ubuntu on this machine, sudo with password``; sudo is known after the first shell."""
        return ", ".join(filter(None, (f"as {self._user} on this machine", self._how)))

    def root_shell(self, script: str) -> Channel:
        """As ``Transport.root_shell``."""
        return self._start(script, Handshake())

    def shell(self, script: str) -> Channel:
        """As ``Transport.shell``."""
        return self._start(script, Handshake(needs_root=self._password.given))

    def _start(self, script: str, handshake: Handshake) -> Channel:
        wire = LocalWire(handshake.arguments())
        try:
            channel, self._how = become_root(
                wire, handshake, script, self._password, f"{self._user}@{self._name}"
            )
        except UnreachableError as error:
            if not error.brief.startswith("sudo"):
                raise
            error.details = (*error.details, ("groups of the user", _groups()))
            raise
        return channel

    def close(self) -> None:
        """Nothing to end: each shell ends with its channel."""


class LocalWire:
    """The streams of a child process; see ``root.Wire``."""

    def __init__(self, arguments: list[str]) -> None:
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise UnreachableError(f"no shell on this machine: {error.strerror}") from error
        self._errors = Tail()
        self._ready: list[bytes] = []
        self._ended = False
        self._selector = selectors.DefaultSelector()
        for stream in (self._stdout, self._stderr):
            self._selector.register(stream, selectors.EVENT_READ)
        for stream in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(stream.fileno(), False)

    def read(self, timeout: float) -> bytes:
        """See ``Channel.read``."""
        deadline = time.monotonic() + timeout
        while not self._ready and not self._ended:
            left = deadline - time.monotonic()
            if left < 0:
                raise TimeoutError
            self._turn(left)
        return self._ready.pop(0) if self._ready else b""

    def write(self, data: bytes) -> None:
        """See ``Wire.write``; what the script prints meanwhile is kept for ``read``."""
        view = memoryview(data)
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        try:
            while view:
                if self._turn(None):
                    view = view[os.write(self._stdin.fileno(), view[:CHUNK]) :]
        except BrokenPipeError:
            raise UnreachableError(
                "the root shell on this machine ended before it had read its script"
            ) from None
        finally:
            self._selector.unregister(self._stdin)

    def status(self) -> int:
        """See ``Channel.status``."""
        status = self._process.wait()
        self._drain_errors()
        return status if status >= 0 else 128 - status

    def errors(self) -> str:
        """See ``Channel.errors``."""
        self._drain_errors()
        return self._errors.text()

    def close(self) -> None:
        """See ``Channel.close``; the script itself is left to end by its end of input."""
        self._ended = True
        self._selector.close()
        for stream in (self._stdin, self._stdout, self._stderr):
            stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.05)
        if self._process.poll() is None:
            # Somebody has to wait for it, else it stays as a zombie.
            threading.Thread(target=self._process.wait, daemon=True).start()

    def _turn(self, timeout: float | None) -> bool:
        """Take in what the streams have; whether standard input takes more."""
        writable = False
        for ready, _ in self._selector.select(timeout):
            stream = ready.fileobj
            if stream is self._stdin:
                writable = True
                continue
            data = os.read(ready.fd, CHUNK)
            if not data:
                self._selector.unregister(stream)
                self._ended = self._ended or stream is self._stdout
            elif stream is self._stdout:
                self._ready.append(data)
            else:
                self._errors.add(data)
        return writable

    def _drain_errors(self) -> None:
        with contextlib.suppress(BlockingIOError, ValueError):
            while data := os.read(self._stderr.fileno(), CHUNK):
                self._errors.add(data)

    @property
    def _stdin(self) -> IO[bytes]:
        return _pipe(self._process.stdin)

    @property
    def _stdout(self) -> IO[bytes]:
        return _pipe(self._process.stdout)

    @property
    def _stderr(self) -> IO[bytes]:
        return _pipe(self._process.stderr)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:  # pragma: no cover
        raise AssertionError("Popen was asked for pipes")
    return stream


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return f"uid {os.geteuid()}"


def _groups() -> str:
    # Only here: 60 ms that no other run has a use for.
    from invoke.config import Config
    from invoke.context import Context
    from invoke.runners import Local

    # A lazy configuration: ~/.invoke.yaml and /etc/invoke.yaml have no say here.
    runner: Any = Local(Context(Config(lazy=True)))
    result = runner.run("id -nG", hide=True, warn=True, in_stream=False)
    for stream in (runner.process.stdin, runner.process.stdout, runner.process.stderr):
        stream.close()  # Invoke leaves them open
    return str(result.stdout).strip()
