"""The sudo password of one host: asked for when the host wants it, and only once."""

from __future__ import annotations

from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport.options import Asker, ConnectOptions, Secret


class SudoPassword:
    """Call it for the password. Raises UnreachableError where nobody gives one."""

    def __init__(self, host: Host, options: ConnectOptions, ask: Asker) -> None:
        self._host = host
        self._source = options.sudo_password_source
        self._ask = ask
        self._known: Secret | None = None

    @property
    def given(self) -> bool:
        """Whether there is one without asking anybody but the command line's source."""
        return self._known is not None or self._source is not None

    def __call__(self) -> Secret:
        """The password; the source of the command line comes before the asker."""
        if self._known is None and self._source is not None:
            self._known = self._source()
        if self._known is None:
            self._known = self._ask.sudo_password(self._host)
        if self._known is None:
            raise UnreachableError(
                f"sudo on {self._host.name} wants a password, and none was given",
                next_step="give it: --ask-sudo-password, or --sudo-password-file FILE",
            )
        return self._known
