"""How hosts are reached: this machine, or SSH. Both give the same ``Transport``."""

from __future__ import annotations

from dockwright.channel import Transport
from dockwright.models import Host
from dockwright.transport.lasting import Lasting
from dockwright.transport.options import Asker, ConnectOptions, Secret, Silent

__all__ = ["Asker", "ConnectOptions", "Secret", "Silent", "bare_transport", "open_transport"]


def open_transport(host: Host, options: ConnectOptions, ask: Asker) -> Transport:
    """The transport of ``host``. It connects at its first ``root_shell``, and keeps that shell.

    Raises InputError where ssh_config cannot be read.
    """
    return Lasting(bare_transport(host, options, ask))


def bare_transport(host: Host, options: ConnectOptions, ask: Asker) -> Transport:
    """The same with a shell of its own for each script."""
    # Imported late: Paramiko takes 160 ms that a local run, or --help, has no use for.
    if host.local:
        from dockwright.transport.local import LocalTransport

        return LocalTransport(host, options, ask)
    if (host.transport or options.transport) == "openssh":
        from dockwright.transport.openssh import OpenSshTransport

        return OpenSshTransport(host, options, ask)
    from dockwright.transport.remote import SshTransport

    return SshTransport(host, options, ask)
