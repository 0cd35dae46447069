"""Which keys are tried, in which order, and when a person is asked.

Free of SSH libraries: what a key is and how it is tried comes from a ``Door``. The order is close
to ssh's: files named by --identity, the one that an inventory names for the host, files of
ssh_config, further keys of the agent (not with ``IdentitiesOnly yes``), the default files; a file whose key the agent holds is used through the
agent; encrypted files come last, since a person has to be asked; then the password, once. Paramiko
signs at once instead of asking whether a key would do, so a server that allows six attempts
(``MaxAuthTries``) sees six keys.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport.options import Asker, ConnectOptions, Secret

DEFAULTS = ("id_ed25519", "id_ecdsa", "id_rsa")
_BY_PERSON = {"password", "keyboard-interactive"}


class EncryptedKeyError(Exception):
    """The key file needs a passphrase."""


class KeyUnusableError(Exception):
    """The key file cannot be used; the text says why."""


class HungUpError(Exception):
    """The server ended the connection in the middle of the login."""


class Door(Protocol):
    """What a login can try on one server."""

    def key(self, key: Any) -> set[str] | None:
        """Try a key: ``None`` if refused, else the methods that are still wanted (none: in).

        Raises HungUpError.
        """
        ...

    def password(self, secret: Secret) -> set[str] | None:
        """Try the password, as ``password`` or at one keyboard-interactive prompt; as ``key``."""
        ...

    def methods(self) -> set[str]:
        """What the server takes from this user; empty where it does not say."""
        ...

    def load(self, path: Path, passphrase: Secret | None) -> Any:
        """The key in a file. Raises EncryptedKeyError, KeyUnusableError, FileNotFoundError."""
        ...

    def agent_keys(self, path: str) -> dict[bytes, Any]:
        """The keys of the agent at a socket, by public blob; empty where it does not answer."""
        ...


class Login:
    """One login to one server. ``seen`` lists what was tried, for the message."""

    def __init__(
        self,
        who: str,
        target: Host,
        options: ConnectOptions,
        ask: Asker,
        config: Mapping[str, Any],
    ) -> None:
        """``config`` is what ssh_config says about the host, by keywords in lower case."""
        home = Path("~/.ssh").expanduser()
        self._who = who
        self._target = target
        self._ask = ask
        # A host's own key is no key for its jump hosts.
        named = (*options.identity, *map(Path, target.identity))
        self._named = [path.expanduser() for path in named]
        configured = [Path(path).expanduser() for path in config.get("identityfile", ())]
        # As ssh: the default files stand in where nobody names any.
        files = [*self._named, *configured] or [home / name for name in DEFAULTS]
        self._files = list(dict.fromkeys(files))
        self._only_files = config.get("identitiesonly", "no").lower() == "yes"
        self._agent = agent_socket(config.get("identityagent", "SSH_AUTH_SOCK"))
        self.seen: list[str] = []

    def enter(self, door: Door) -> None:
        """Log in. Raises UnreachableError with what was tried and what the server takes."""
        try:
            self._enter(door)
        except HungUpError:
            raise UnreachableError(
                f"{self._who}: the server hung up during the login",
                details=(("tried", "; ".join(self.seen)),),
                next_step="too many keys (MaxAuthTries)? name the right one: --identity FILE, with"
                " IdentitiesOnly yes in ssh_config",
            ) from None

    def _enter(self, door: Door) -> None:
        wanted: set[str] | None = None
        for name, key in self._keys(door):
            self.seen.append(name)
            wanted = door.key(key)
            if wanted is not None:
                break
        if wanted is not None and not wanted:
            return
        methods = door.methods() if wanted is None else wanted
        if (wanted or methods) & _BY_PERSON:
            secret = self._ask.password(self._target)
            if secret is not None:
                self.seen.append("password")
                if door.password(secret) == set():
                    return
        raise self._refused(methods)

    def _keys(self, door: Door) -> Iterator[tuple[str, Any]]:
        """Names and keys, in the order of trying; later files are loaded only when needed."""
        agent = door.agent_keys(self._agent) if self._agent else {}
        encrypted: list[Path] = []
        for path in self._files:
            public = _public(path)
            if public is not None and public in agent:
                yield f"{path} (agent)", agent.pop(public)
                continue
            try:
                key = door.load(path, None)
            except EncryptedKeyError:
                encrypted.append(path)
            except FileNotFoundError:
                self._missing(path)
            except KeyUnusableError as error:
                self.seen.append(f"{path} (not usable: {error})")
            else:
                # The agent may hold it too: one attempt is enough.
                agent.pop(key.asbytes(), None)
                yield str(path), key
        if not self._only_files:
            for key in agent.values():
                yield f"agent: {getattr(key, 'comment', '') or 'a key'}", key
        for path in encrypted:
            passphrase = self._ask.passphrase(path)
            if passphrase is None:
                self.seen.append(f"{path} (not tried: it needs a passphrase)")
                continue
            try:
                yield str(path), door.load(path, passphrase)
            except (EncryptedKeyError, KeyUnusableError):
                self.seen.append(f"{path} (not tried: wrong passphrase)")

    def _missing(self, path: Path) -> None:
        if path in self._named:
            raise UnreachableError(
                f"{self._who}: {path}: no such key file",
                next_step="--identity takes the private key's file",
            )

    def _refused(self, methods: set[str]) -> UnreachableError:
        takes = ", ".join(sorted(methods)) or "the server did not say"
        tried = "; ".join(self.seen) or "nothing: no key file, no agent, no password"
        return UnreachableError(
            f"{self._who}: the login was refused",
            details=(("tried", tried), ("the server takes", takes)),
            next_step="put your public key into the host's authorized_keys, or name the key:"
            " --identity FILE; is the user name right?",
        )


def agent_socket(configured: str) -> str | None:
    """The path of the agent's socket by ssh_config's ``IdentityAgent``, ``None`` for no agent."""
    if configured == "none":
        return None
    if configured == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    return os.path.expandvars(Path(configured).expanduser())


def _public(path: Path) -> bytes | None:
    """The public blob beside a private key file: it tells whether the agent holds the key."""
    try:
        return base64.b64decode(path.with_name(path.name + ".pub").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return None
