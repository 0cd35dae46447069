"""What the stages ask of a transport: run one root shell script, and read what it prints."""

from __future__ import annotations

from typing import Protocol


class Channel(Protocol):
    """A script that runs as root on the host."""

    def read(self, timeout: float) -> bytes:
        """Bytes of standard output as they come; ``b""`` at the end of the stream.

        Raises TimeoutError when nothing came within ``timeout`` seconds, and UnreachableError
        when the connection was lost.
        """
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

    def close(self) -> None:
        """End the connection."""
        ...
