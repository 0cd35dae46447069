"""SSH by Fabric and Paramiko: which of their calls are used, and why the others are not.

Used:

- ``fabric.Config`` and ``fabric.Connection(...)``: what ssh_config says about a host. The
  configuration is lazy, so that ~/.fabric.yaml has no say; ``connect_kwargs`` are fresh for
  each connection, since Fabric changes the dictionary.
- ``Connection.open``: it puts the socket, the gateway and the login into ``SSHClient.connect``,
  through hooks of both: ``open_gateway``, ``sock``, ``transport_factory``, ``auth_strategy``, and
  the policy for host keys.
- ``Transport.open_session``, ``Channel.exec_command``: one channel for each root shell.

Not used:

- ``Connection.run`` and ``sudo``: standard input goes at one character each 10 ms, output takes
  quadratic time, and sudo's password goes to whatever prints something like its prompt.
- ``Connection.put`` and SFTP: hardened servers have none; a script needs no file.
- Fabric's own policy for host keys: it accepts any key. Ours sees every key, since the client's
  own list stays empty.
- ``get_gateway``: it goes through the hops of ProxyJump in the wrong order, does not know
  ``none``, and accepts any key of a jump host.
- ``forward_agent``: off, whatever ssh_config says; root on the host could use the agent.
- ``paramiko.ProxyCommand``, ``SSHClient._auth``, ``set_keepalive``: see net.py and auth.py.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import paramiko
from fabric.config import Config
from fabric.connection import Connection
from paramiko.ssh_exception import ConfigParseError

from dockwright.errors import InputError, UnreachableError
from dockwright.models import Host
from dockwright.transport import hostkeys, sshconfig
from dockwright.transport.auth import Login
from dockwright.transport.gateways import Gateways, closing_quietly
from dockwright.transport.net import ProxyCommand, dial, dropped, failure, retries
from dockwright.transport.options import Asker, ConnectOptions
from dockwright.transport.strategy import Strategy
from dockwright.transport.target import parse_target, require_safe

AUTH_LIMIT = 30.0  # seconds for each key: PAM is slow, and a FIDO key waits for a touch
HOPS = 8  # jump hosts in a row
GATEWAYS = Gateways()

_Untyped: Any = Connection

# Its thread logs tracebacks of what we raise anyway, to stderr if nobody listens.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


class SshConnection(_Untyped):  # type: ignore[misc]
    """A Fabric connection with our sockets, our host keys, our login and our jump hosts."""

    # Set by Fabric's `_set`: a plain assignment would go into its configuration.
    who: str
    _options: ConnectOptions
    _ask: Asker
    _known: hostkeys.KnownHosts
    _label: str
    _proxy: ProxyCommand | None
    _lease: Hashable
    _target: Host

    def __init__(
        self,
        target: Host,
        options: ConnectOptions,
        ask: Asker,
        *,
        rules: sshconfig.Rules,
        jump: str | None = None,
        hops: int = 0,
    ) -> None:
        """Prepare; nothing is contacted. ``rules`` are those of ssh_config.

        ``jump`` wins over its ProxyJump; ``hops`` counts the jump hosts so far. Raises InputError
        for names or an ssh_config that cannot be used.
        """
        require_safe(target)
        self._set(_options=options, _ask=ask, _target=target, _lock=threading.Lock())
        self._set(_proxy=None, _lease=None)
        try:
            config = paramiko.SSHConfig.from_text(rules.of(target))
            super().__init__(
                target.address,
                config=Config(  # type: ignore[no-untyped-call]
                    ssh_config=config,
                    lazy=True,
                    # A function: a bound method would print us, unfinished, in a debug message.
                    overrides={"authentication": {"strategy_class": lambda **_: self._strategy()}},
                ),
                gateway=False,
                forward_agent=False,
                connect_timeout=max(1, round(options.connect_timeout)),
                connect_kwargs={
                    "banner_timeout": options.connect_timeout,
                    "auth_timeout": AUTH_LIMIT,
                    "channel_timeout": options.connect_timeout,
                    "transport_factory": self._transport,
                },
            )
        except (ConfigParseError, ValueError) as error:
            raise InputError(f"ssh_config, for {target.name}: {error}") from error
        alias = self.ssh_config.get("hostkeyalias", "").lower()
        self._set(
            who=f"{self.user}@{self.host}" + (f":{self.port}" if self.port != 22 else ""),
            _known=hostkeys.KnownHosts(hostkeys.files(self.ssh_config, options.known_hosts)),
            _label=alias or hostkeys.name_of(self.host, self.port),
        )
        policy = hostkeys.Policy(self._known, self._label, options.host_keys, ask.host_key)
        self.client.set_missing_host_key_policy(policy)
        self.gateway = self._way(rules, jump or self.ssh_config.get("proxyjump"), hops)

    def session(self, command: str, prepare: Callable[[paramiko.Channel], Any]) -> Any:
        """Run ``command`` on a channel of its own, and give what ``prepare`` made of the channel.

        Connects at need, and again where the connection was lost. ``prepare`` sees the channel
        before the command runs. Raises UnreachableError.
        """
        self.open()
        # exec_command has no timeout of its own.
        alarm = threading.Timer(2 * self._options.connect_timeout, self.transport.close)
        alarm.daemon = True
        alarm.start()
        try:
            channel = self.transport.open_session(timeout=self._options.connect_timeout)
            prepared = prepare(channel)
            channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise UnreachableError(
                f"{self.who}: the server did not run a command: {error}",
                next_step="does sshd let this user run commands (ForceCommand, MaxSessions)?",
            ) from error
        finally:
            alarm.cancel()
        return prepared

    def open(self) -> None:
        """Connect and log in; a jump host is opened by many. Raises UnreachableError."""
        with self._lock:
            pauses, timeout = [*retries()], self._options.connect_timeout
            while not self.is_connected:
                self._drop()
                if not self.gateway:
                    self.connect_kwargs["sock"] = dial(self.host, self.port, timeout)
                soon = time.monotonic() + timeout / 2
                try:
                    super().open()
                except BaseException as error:
                    said = self._proxy.errors() if self._proxy else ""
                    self._drop()
                    if not isinstance(error, (paramiko.SSHException, OSError, EOFError)):
                        raise
                    if not pauses or not dropped(error) or time.monotonic() > soon:
                        raise failure(self.who, error, said) from error
                    time.sleep(pauses.pop(0))
            # Paramiko looks after its socket ten times a second, which a fleet feels; what comes
            # on it wakes it anyway.
            self.transport.sock.settimeout(2.0)

    def open_gateway(self) -> Any:
        """The socket through a jump host or a proxy command; see ``Connection.open``."""
        if isinstance(self.gateway, str):
            self._set(_proxy=(proxy := ProxyCommand(self.gateway)))
            return proxy.socket
        GATEWAYS.enter(self._lease, self.gateway.open)
        try:
            timeout, there = self._options.connect_timeout, (self.host, self.port)
            open_channel = self.gateway.transport.open_channel
            channel = open_channel("direct-tcpip", there, ("", 0), timeout=timeout)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise UnreachableError(
                f"{self.who}: the jump host {self.gateway.who} does not get there: {error}",
                next_step="is the name known there, the port open, and AllowTcpForwarding on?",
            ) from error
        return closing_quietly(channel)

    def close(self) -> None:
        """End the connection, and those to its jump hosts if nobody else goes through them."""
        self._drop()
        if self._lease is not None:
            GATEWAYS.release(self._lease)
            self._set(_lease=None)

    def _drop(self) -> None:
        transport = self.client.get_transport()
        if transport is not None:
            # Else its thread notices the end only when its look at the socket times out.
            with contextlib.suppress(OSError, EOFError):
                transport.sock.shutdown(socket.SHUT_RDWR)
            transport.sock.close()
        self.client.close()
        if self._proxy is not None:
            self._proxy.close()
            self._set(_proxy=None)

    def _way(self, rules: sshconfig.Rules, jump: str | None, hops: int) -> Any:
        """The last jump host, or a proxy command, or ``False``; ssh_config(5) ProxyJump."""
        if jump is None or jump.lower() == "none":
            return (None if jump else self.ssh_config.get("proxycommand")) or False
        # a,b means: to a, from there to b, from there to the target. So b's own jump is a.
        before, _, last = jump.rpartition(",")
        host = parse_target(last.strip().removeprefix("ssh://"))
        if host.address == self._target.address and host.port in {None, self.port}:
            return False  # "Host *" sends the jump host through itself
        if hops == HOPS:
            raise InputError(f"{self._target.name}: more than {HOPS} jump hosts, or a circle")
        options, ask = self._options, self._ask
        more: dict[str, Any] = {"rules": rules, "jump": before or None, "hops": hops + 1}
        self._set(_lease=(host, options, id(ask), *more.values()))
        return GATEWAYS.lease(self._lease, partial(SshConnection, host, options, ask, **more))

    def _transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **options)
        security, known = transport.get_security_options(), self._known.algorithms(self._label)
        security.key_types = sorted(security.key_types, key=lambda name: name not in known)
        return transport

    def _strategy(self) -> Strategy:
        login = Login(self.who, self._target, self._options, self._ask, self.ssh_config)
        return Strategy(login, self.user)
