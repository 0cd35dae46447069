"""What the stages ask of a transport: run one shell script, as root or as far as that goes."""

from __future__ import annotations

from typing import Protocol


class Channel(Protocol):
    """A script that runs on the host."""

    def read(self, timeout: float) -> bytes:
        """Bytes of standard output as they come; ``b""`` at the end of the stream.

        Raises TimeoutError when nothing came within ``timeout`` seconds, and UnreachableError
        when the connection was lost.
        """
        ...

    def write(self, data: bytes) -> None:
        """Hand ``data`` to a script that reads its standard input. Raises UnreachableError."""
        ...

    def status(self) -> int:
        """The exit status; to be asked for after the end of the stream.

        Raises UnreachableError where the connection broke before a status came.
        """
        ...

    def errors(self) -> str:
        """The tail of standard error so far, for messages; at most 64 KiB."""
        ...

    def close(self) -> None:
        """Close the channel; a script that reads its standard input sees its end."""
        ...


class Transport(Protocol):
    """One connection to one host."""

    @property
    def description(self) -> str:
        """How the host was reached: ``as ubuntu@10.0.0.11, sudo without password``."""
        ...

    def root_shell(self, script: str) -> Channel:
        """Start ``script`` in a POSIX ``sh`` as root and give its channel.

        The script's standard input stays open and empty until the channel is closed. Raises
        UnreachableError where the connection, the login or sudo refuses.
        """
        ...

    def shell(self, script: str) -> Channel:
        """The same for a script that only looks: without root where root is not to be had unasked.

        As root where the login is root's, where sudo asks for nothing, or where a password was given
        beforehand; nobody is asked for one. ``description`` then says ``without root``, and the
        script itself sees it by ``id -u``.
        """
        ...

    def close(self) -> None:
        """End the connection."""
        ...
