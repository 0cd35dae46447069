"""One root shell for all scripts of a host, one after the other.

Each shell of its own costs a channel, a login of sudo with PAM's session, and three round trips: a
host has them once. The shell reads a script from its standard input as it read the first one, runs
it in a subshell (which may end itself, and leaves no variables behind), and prints a line with a
nonce and the status where it ended. What goes on when the next script is due (a program that is
followed) keeps its shell, and the next script gets another one.
"""

from __future__ import annotations

import re
import secrets
import time

from dockwright.channel import Channel, Transport
from dockwright.errors import UnreachableError

_LATE = 1.0  # seconds between the end of standard output and that of standard error


class Lasting:
    """A ``Transport`` around another one; its root scripts share a shell while they follow each other."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._idle: _Shell | None = None

    @property
    def description(self) -> str:
        """As ``Transport.description``."""
        return self._transport.description

    def begin(self, *, root: bool = True) -> None:
        """Connect in the background, where the transport can; the first shell will be a ``root`` one, or not."""
        getattr(self._transport, "begin", lambda **_: None)(root=root)

    def root_shell(self, script: str) -> Channel:
        """As ``Transport.root_shell``, in the shell that waits if there is one.

        A script is over, and its shell waits for the next, when its end was read.
        """
        shell, self._idle = self._idle, None
        if shell is not None:
            try:
                shell.take(script)
            except UnreachableError:  # it is gone meanwhile: a new one connects again
                shell.channel.close()
            else:
                return _Turn(self, shell)
        mark = secrets.token_hex(16)
        return _Turn(self, _Shell(self._transport.root_shell(_first(script, mark)), mark))

    def shell(self, script: str) -> Channel:
        """As ``Transport.shell``; a shell of its own, which may be without root."""
        return self._transport.shell(script)

    def keep(self, shell: _Shell) -> None:
        """Let a shell wait for the next script; one is enough."""
        if self._idle is None:
            self._idle = shell
        else:
            shell.channel.close()

    def close(self) -> None:
        """End the shell that waits, and the connection."""
        shell, self._idle = self._idle, None
        if shell is not None:
            shell.channel.close()
        self._transport.close()


def _first(script: str, mark: str) -> str:
    """The script, and then those that come on standard input: framed by ``mark`` and a length."""
    told = f"r=$?; echo {mark} >&2; echo {mark} $r\n"  # the end of both streams
    return (
        f"(:\n{script}\n)\n{told}"
        f'while read -r k c; do [ "$k" = {mark} ] || continue\n'
        f's=$(head -c "$c"); case $s in *{mark}) ;; *) exit 97 ;; esac\n'
        f'(eval "$s")\n{told}done'
    )


class _Shell:
    """A root shell that takes one script after the other."""

    def __init__(self, channel: Channel, mark: str) -> None:
        self.channel, self.mark = channel, mark
        self.turns = 0

    def take(self, script: str) -> None:
        """Hand over the next script. Raises UnreachableError."""
        whole = f"{script}\n\n#{self.mark}".encode()
        self.channel.write(f"{self.mark} {len(whole)}\n".encode() + whole)


class _Turn:
    """The ``Channel`` of one script in a shell: its output ends at the shell's mark."""

    def __init__(self, owner: Lasting, shell: _Shell) -> None:
        self._owner, self._shell = owner, shell
        self._mark = f"{shell.mark} ".encode()
        self._rest = b""
        self._status: int | None = None
        self._ended = self._closed = False
        shell.turns += 1

    def read(self, timeout: float) -> bytes:
        """As ``Channel.read``."""
        deadline = time.monotonic() + timeout
        while not self._ended:
            data = self._shell.channel.read(max(0.0, deadline - time.monotonic()))
            self._rest += data
            self._ended = not data  # without a mark: the shell was killed
            if ready := self._ready():
                return ready
        rest, self._rest = self._rest, b""
        return rest

    def write(self, data: bytes) -> None:
        """As ``Channel.write``."""
        self._shell.channel.write(data)

    def status(self) -> int:
        """As ``Channel.status``."""
        return self._shell.channel.status() if self._status is None else self._status

    def errors(self) -> str:
        """As ``Channel.errors``; of the scripts before it nothing. Another stream: its end may come later."""
        end, until = f"{self._shell.mark}\n", time.monotonic() + _LATE
        text = self._shell.channel.errors()
        while self._status is not None and text.count(end) < self._shell.turns:
            if time.monotonic() > until:
                break
            time.sleep(0.01)
            text = self._shell.channel.errors()
        return text.removesuffix(end).rpartition(end)[2]

    def close(self) -> None:
        """As ``Channel.close``; a shell whose script is over waits for the next one."""
        if not self._closed:
            self._closed = True
            if self._status is None:
                self._shell.channel.close()
            else:
                self._owner.keep(self._shell)

    def _ready(self) -> bytes:
        """What of ``_rest`` is the script's for sure; notes the mark."""
        at = self._rest.find(self._mark)
        if at < 0:
            at = len(self._rest) - _begun(self._rest, self._mark)
        elif found := re.match(rb"(\d{1,3})\n", self._rest[at + len(self._mark) :]):
            self._status, self._ended = int(found[1]), True
            ready, self._rest = self._rest[:at], b""
            return ready
        ready, self._rest = self._rest[:at], self._rest[at:]
        return ready


def _begun(data: bytes, mark: bytes) -> int:
    """How many bytes at the end of ``data`` may be the beginning of the mark."""
    return next((n for n in range(len(mark), 0, -1) if data.endswith(mark[:n])), 0)
