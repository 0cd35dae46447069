"""A host behind SSH, as the stages see it."""

from __future__ import annotations

import threading

from dockwright.channel import Channel
from dockwright.models import Host
from dockwright.transport import lean, sshconfig  # noqa: F401  # lean: before what imports invoke
from dockwright.transport.options import Asker, ConnectOptions
from dockwright.transport.password import SudoPassword
from dockwright.transport.root import Handshake, become_root
from dockwright.transport.ssh import SshConnection
from dockwright.transport.wire import SshWire


class SshTransport:
    """A ``Transport`` that connects at its first shell, and again where the connection was lost."""

    def __init__(self, host: Host, options: ConnectOptions, ask: Asker) -> None:
        changed = {"user": host.user or options.user, "port": host.port or options.port}
        self._password = SudoPassword(host, options, ask)
        self._how = self._lax = ""
        self._begun: threading.Thread | None = None
        self._failed: BaseException | None = None
        self._connection = SshConnection(
            host.model_copy(update=changed),
            options,
            ask,
            rules=sshconfig.rules(options.ssh_config),
            jump=options.jump or host.jump,
        )

    @property
    def description(self) -> str:
        """``as ubuntu@10.0.0.11, sudo without password``; the rest is known after the first shell."""
        return ", ".join(filter(None, (f"as {self._connection.who}", self._how, self._lax)))

    def root_shell(self, script: str) -> Channel:
        """As ``Transport.root_shell``; one channel, no round trip more for a root login."""
        return self._start(script, Handshake())

    def shell(self, script: str) -> Channel:
        """As ``Transport.shell``."""
        return self._start(script, Handshake(needs_root=self._password.given))

    def begin(self, *, root: bool = True) -> None:  # noqa: ARG002  # the same connection
        """Connect in the background; what goes wrong there is raised by the first shell."""
        self._begun = threading.Thread(target=self._open, daemon=True)
        self._begun.start()

    def _open(self) -> None:
        try:
            self._connection.open()
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            self._failed = error

    def _start(self, script: str, handshake: Handshake) -> Channel:
        who = self._connection.who
        if self._begun is not None:
            self._begun.join()
            failed, self._begun, self._failed = self._failed, None, None
            if failed is not None:
                raise failed
        wire = self._connection.session(handshake.command(), lambda channel: SshWire(channel, who))
        channel, self._how = become_root(wire, handshake, script, self._password, who)
        # Told, and not refused: paramiko prefers counter mode, which the attack does not reach.
        strict = self._connection.transport.agreed_on_strict_kex
        self._lax = "" if strict else "without strict key exchange (its sshd has CVE-2023-48795)"
        return channel

    def close(self) -> None:
        """End the connection, and those to jump hosts."""
        self._connection.close()
