"""What is asked on the terminal, and nothing without one. Answers are kept for one run only."""

from __future__ import annotations

import contextlib
import getpass
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dockwright.errors import InputError
from dockwright.models import Host
from dockwright.transport import Secret


def interactive() -> bool:
    """Whether somebody can answer: standard input and standard error are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Terminal:
    """The Asker of a person at a terminal. One question at a time; one sudo password a run."""

    def __init__(self, paused: Callable[[], AbstractContextManager[None]]) -> None:
        self._paused = paused
        self._lock = threading.Lock()
        self._sudo: Secret | None = None
        self._settings: list[Any] | None = None

    def remember(self) -> None:
        """Keep how the terminal is set: a thread that asks for a password may be cut off."""
        with contextlib.suppress(termios.error, OSError):
            self._settings = termios.tcgetattr(sys.stdin)

    def restore(self) -> None:
        """Set the terminal as it was."""
        if self._settings is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._settings)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock, self._paused():
            yield

    def host_key(self, host: str, fingerprint: str, kind: str) -> bool:
        """Ask as ssh does; only a whole "yes" or the fingerprint itself is a yes."""
        with self._turn():
            _say(f"The authenticity of host '{host}' can't be established.")
            _say(f"{kind} key fingerprint is {fingerprint}.")
            answer = _ask("Are you sure you want to continue connecting (yes/no/[fingerprint])? ")
        return answer in ("yes", fingerprint)

    def sudo_password(self, host: Host) -> Secret | None:
        """Ask once a run; the same password is offered to other hosts until one refuses it."""
        with self._turn():
            if self._sudo is None:
                self._sudo = _secret(f"sudo password on {host.name}: ")
            return self._sudo

    def passphrase(self, path: Path) -> Secret | None:
        """The passphrase of a private key."""
        with self._turn():
            return _secret(f"passphrase of {path}: ")

    def password(self, host: Host) -> Secret | None:
        """The login password, where the server takes one."""
        with self._turn():
            return _secret(f"password on {host.name}: ")

    def typed(self, question: str) -> str:
        """What is typed as the answer."""
        with self._turn():
            return _ask(question)

    def confirm(self, question: str) -> bool:
        """A yes or no; everything but yes is a no."""
        with self._turn():
            return _ask(f"{question} [y/N] ").lower() in ("y", "yes")


def password_source(file: str | None, *, ask_now: bool) -> Callable[[], Secret | None] | None:
    """Where ``--sudo-password-file`` and ``-K`` get the password; read once, before any contact.

    Raises InputError where the file cannot be read or is empty.
    """
    if file is not None:
        try:
            text = sys.stdin.readline() if file == "-" else Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise InputError(f"--sudo-password-file {file}: {reason}") from None
        line = text.split("\n", 1)[0]
        if not line or "\0" in line:
            raise InputError(f"--sudo-password-file {file}: no password in its first line")
        secret: Secret | None = Secret(line)
    elif ask_now:
        if not interactive():
            raise InputError(
                "-K asks on a terminal, and there is none",
                next_step="--sudo-password-file FILE, or - for standard input",
            )
        secret = _secret("sudo password: ")
    else:
        return None
    return lambda: secret


def _secret(prompt: str) -> Secret | None:
    try:
        text = getpass.getpass(prompt, stream=sys.stderr)
    except EOFError:
        return None
    return Secret(text) if text else None


def _ask(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
