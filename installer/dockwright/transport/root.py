"""From a login to a root shell: one exec, and nothing is sent that the host did not ask for.

The host runs ``command()``, which asks by printing lines that carry a nonce::

    READY N HOW         a shell waits for the marker, then for the script
    PASSWORD N          sudo needs a password: an empty line starts sudo, the next one is for it
    NOSUDO N            not root, and no sudo

Where root is not needed, the user's own shell is ready (``READY N user``) instead of the last two.

Whatever comes before (banners, noisy rc files, look-alike prompts) is noise: it can't know the
nonce, so no prompt text is ever matched (sudo-rs, other languages and PAM modules word theirs as
they like). The password goes to sudo alone: what decides is sudo itself, by the very command that is
needed, and a line that sudo did not take is swallowed by the loop that waits for the marker.

Facts: sudo(8), sudo-rs 0.2.5 and newer; the way is measured on dash, bash, zsh, fish and tcsh as
login shells.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import nullcontext
from enum import Enum
from typing import Protocol

from dockwright.errors import UnreachableError
from dockwright.transport.options import TRIALS, Secret
from dockwright.transport.refusal import (
    PasswordRefusedError,
    no_shell,
    printable,
    sudo_refused,
)
from dockwright.transport.tail import TAIL, Tail

NOISE_LIMIT = 1 << 20
START_LIMIT = 30.0  # seconds until the first line that carries the nonce
SUDO_LIMIT = 60.0  # seconds for sudo to judge a password: pam_faildelay, LDAP

_SUDO = {"free": "sudo without password", "asked": "sudo with password"}
_HOW = {"root": "", **_SUDO, "user": "without root"}


class Wire(Protocol):
    """The three streams of one command, whatever carries them."""

    def read(self, timeout: float) -> bytes:
        """As ``Channel.read``; keeps standard error from filling up meanwhile."""
        ...

    def write(self, data: bytes) -> None:
        """Hand ``data`` to standard input. Raises UnreachableError where that is lost."""
        ...

    def status(self) -> int:
        """As ``Channel.status``."""
        ...

    def errors(self) -> str:
        """As ``Channel.errors``."""
        ...

    def close(self) -> None:
        """As ``Channel.close``."""
        ...


class Handshake:
    """The texts for the host, and the reading of its answers. Feed it bytes as they come."""

    class State(Enum):
        """What the host wants."""

        WAITING = "waiting"
        PASSWORD = "password"  # noqa: S105
        NO_SUDO = "no sudo"
        READY = "ready"

    def __init__(self, *, needs_root: bool = True) -> None:
        self._needs_root = needs_root
        self._nonce = secrets.token_hex(16)
        self._marker = secrets.token_hex(16)
        self._line = b""
        self._noise = Tail()
        self._seen = 0
        self.state = self.State.WAITING
        self.how = ""
        self.rest = b""

    def arguments(self) -> list[str]:
        """The command as a list, for a process that is started without a shell."""
        n, m = self._nonce, self._marker
        # The script comes whole and by its length: its commands find standard input empty and
        # open, the shell ends where the script ends, and of a script that was cut nothing runs.
        inner = (
            f'echo; echo "READY {n} $1"; while read -r k c; do [ "$k" = {m} ] || continue;'
            f' s=$(head -c "$c"); case $s in *{m}) eval "$s"; exit;; esac; break; done; exit 97'
        )
        # A shell around it, so that one that is killed still gives a status. 1 is what sudo says where it
        # refuses: a script behind "sudo -n" that ends with it ends with 93 for the shell outside.
        around = 'sh -c "$1" sh "$2"; r=$?; case $2$r in free1) exit 93;; esac; exit $r'
        # Asked without a password first, and by the very command that is needed: no probe goes before it, as
        # each sudo costs a session of PAM. sudo starts again once the password is there: the end of
        # input at its prompt would count as a failed try (pam_faillock). -k: a cached login may end between
        # probe and run, and a line that sudo did not need would go to the command. The prompt's nonce
        # shows when sudo asks a second time. Not by env: below uutils' (0.0.30) sudo-rs takes no password.
        none, asked = (
            'echo; echo "NOSUDO $n"; exit 96',
            (
                'echo; echo "PASSWORD $n"; read -r l || exit 95;'
                ' LC_ALL=C; export LC_ALL; exec sudo -k -S -p "ASK $n " sh -c "$1" sh "$2" asked'
            ),
        )
        if not self._needs_root:
            none = asked = 'exec sh -c "$1" sh "$2" user'
        outer = (
            f'n={n}; if [ "$(id -u)" = 0 ]; then exec sh -c "$1" sh "$2" root; fi;'
            f" command -v sudo >/dev/null 2>&1 || {{ {none}; }};"
            ' sudo -n sh -c "$1" sh "$2" free; r=$?;'
            f" case $r in 1) ;; 93) exit 1;; *) exit $r;; esac; {asked}"
        )
        return ["sh", "-c", outer, "sh", around, inner]

    def command(self) -> str:
        """The same as one line for any login shell.

        Single quotes around texts without quotes, backslashes, ``!`` or line breaks read alike in
        POSIX shells, fish and csh.
        """
        return "exec " + " ".join(
            word if word.isalpha() else f"'{word}'" for word in self.arguments()
        )

    def feed(self, data: bytes) -> State:
        """Take in ``data``; what follows the READY line is in ``rest``."""
        if self.state is self.State.READY:
            self.rest += data
            return self.state
        self._seen += len(data)
        *lines, self._line = (self._line + data).split(b"\n")
        for at, line in enumerate(lines):
            words = line.decode(errors="replace").split(" ")
            if words == ["PASSWORD", self._nonce]:
                self.state = self.State.PASSWORD
            elif words == ["NOSUDO", self._nonce]:
                self.state = self.State.NO_SUDO
            elif words[:2] == ["READY", self._nonce] and words[2:] and words[2] in _HOW:
                self.state = self.State.READY
                self.how = _HOW[words[2]]
                self.rest, self._line = b"\n".join([*lines[at + 1 :], self._line]), b""
                return self.state
            else:
                self._noise.add(line + b"\n")
        if len(self._line) > TAIL:  # a line without an end cannot be ours
            self._noise.add(self._line)
            self._line = b""
        return self.state

    @property
    def prompt(self) -> str:
        """What sudo asks with, on standard error."""
        return f"ASK {self._nonce} "

    @property
    def overflowed(self) -> bool:
        """Whether more noise came than any greeting has."""
        return self._seen > NOISE_LIMIT

    @property
    def noise(self) -> str:
        """The end of what came that was not ours."""
        return printable(self._noise.text() + self._line.decode(errors="replace"))

    def asked_again(self, errors: str) -> bool:
        """Whether sudo asked a second time: the first answer was wrong."""
        return errors.count(self.prompt.strip()) > 1

    def without_prompt(self, errors: str) -> str:
        """``errors`` without the prompt of ours, and without what "sudo -n" said before it."""
        before, asked, after = errors.partition(self.prompt)
        return printable((after if asked else before).replace(self.prompt, ""))

    def answer(self, script: str) -> bytes:
        """What the root shell waits for: a line with the marker and a length, and the script."""
        whole = f"{script}\n\n#{self._marker}".encode()
        return f"{self._marker} {len(whole)}\n".encode() + whole


class RootChannel:
    """A ``Channel`` over a wire whose handshake is done."""

    def __init__(self, wire: Wire, handshake: Handshake) -> None:
        self._wire = wire
        self._rest = handshake.rest
        self._prompt = handshake.prompt
        # What rc files said. Of sudo's prompt a part, or all, may still be on its way.
        before = wire.errors()
        cut = next(
            (n for n in range(len(self._prompt), 0, -1) if before.endswith(self._prompt[:n])), 0
        )
        self._before = before[: len(before) - cut]

    def read(self, timeout: float) -> bytes:
        """Bytes of standard output; ``b""`` at its end. Raises TimeoutError, UnreachableError."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        return self._wire.read(timeout)

    def write(self, data: bytes) -> None:
        """Bytes for the script's standard input. Raises UnreachableError."""
        self._wire.write(data)

    def status(self) -> int:
        """The exit status, 128 + N after signal N. Raises UnreachableError where none came."""
        return self._wire.status()

    def errors(self) -> str:
        """The tail of the script's standard error."""
        return self._wire.errors().removeprefix(self._before).replace(self._prompt, "", 1)

    def close(self) -> None:
        """End the script's standard input and let go of it."""
        self._wire.close()


def become_root(
    wire: Wire, handshake: Handshake, script: str, password: Callable[[], Secret], who: str
) -> tuple[RootChannel, str]:
    """Lead the handshake on ``wire``, start ``script``, and give its channel and the way to root.

    ``password`` is called when the host asks, and raises UnreachableError where there is none;
    ``who`` is ``user@host`` for messages. The way is ``""`` for a root login, else ``sudo
    without password`` or ``sudo with password``; where ``handshake`` needs no root, ``without
    root``, too. Raises UnreachableError and closes the wire.
    """
    try:
        state = _wait(wire, handshake, START_LIMIT, who)
        if state is Handshake.State.PASSWORD:
            _give_password(wire, handshake, password(), who)
        channel = RootChannel(wire, handshake)
        wire.write(handshake.answer(script))
    except BaseException:
        wire.close()
        raise
    return channel, handshake.how


def _give_password(wire: Wire, handshake: Handshake, secret: Secret, who: str) -> None:
    with TRIALS.turn(secret) or nullcontext():
        if elsewhere := TRIALS.refused_by(secret):
            raise UnreachableError(
                f"sudo: not tried for {who}, because {elsewhere} refused the same password",
                next_step="give the right password, and run the same command again",
            )
        wire.write(f"\n{secret.reveal()}\n".encode())
        try:
            _wait(wire, handshake, SUDO_LIMIT, who, answered=True)
        except PasswordRefusedError:
            TRIALS.refuse(secret, who)
            raise
        TRIALS.taken(secret)


def _wait(
    wire: Wire, handshake: Handshake, limit: float, who: str, *, answered: bool = False
) -> Handshake.State:
    """Read until the host asks for something new. Raises UnreachableError."""
    before, deadline = handshake.state, time.monotonic() + limit
    while True:
        try:
            # Standard output wakes us at once; a second prompt comes on standard error.
            data = wire.read(0.1 if answered else max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            data = None
        if data:
            handshake.feed(data)
        if handshake.state is Handshake.State.NO_SUDO:
            raise UnreachableError(
                f"{who} is not root, and the host has no sudo",
                next_step="log in as root, or install sudo on the host",
            )
        if handshake.state is not before:
            return handshake.state
        if answered and handshake.asked_again(wire.errors()):
            raise PasswordRefusedError.of(who)
        late = time.monotonic() >= deadline
        if data != b"" and not late and not handshake.overflowed:
            continue
        if answered and not handshake.overflowed:
            ended = data == b""
            raise sudo_refused(handshake.without_prompt(wire.errors()), who, ended=ended)
        said = printable(f"{handshake.noise}\n{wire.errors()}")
        status = wire.status() if data == b"" else None
        raise no_shell(who, said, status, None if handshake.overflowed else limit)
