"""Logins of registries, kept apart from the plan: they go to the host's docker and nowhere else.

Not into a plan, an event, a log, a program, an argument or an environment.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from dockwright.errors import InputError

# Under which key docker's config.json has the hub's login.
HUB_KEY = "https://index.docker.io/v1/"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?")
_FORM = "each line https://USER:PASSWORD@registry.example:5000, percent-encoded"


@dataclass(frozen=True)
class Login:
    """User and password of one registry, as they are typed."""

    host: str
    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def auth(self) -> str:
        """The login as docker's config.json holds it."""
        return _b64(f"{self.user}:{self.password}")

    @property
    def line(self) -> str:
        """The login for the program: words without blanks."""
        return f"{self.host} {_b64(self.user)} {_b64(self.password)}"


@dataclass(frozen=True)
class Logins:
    """The logins that were given, by the registry's host."""

    given: Mapping[str, Login] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str, where: str) -> Logins:
        """Logins from lines of URLs; empty lines and those that begin with ``#`` are passed over.

        ``where`` names the option. Raises InputError with the number of the line, which never
        shows the line itself: what can't be parsed can't be masked.
        """
        given: dict[str, Login] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            login = _login(line.strip(), f"{where}:{number}")
            if login.host in given:
                raise _malformed(f"{where}:{number}", f"a second login for {login.host}")
            given[login.host] = login
        if not given:
            raise _malformed(where, "there is no login in it")
        return cls(given)

    def of(self, host: str) -> Login | None:
        """The login for that registry, if one was given."""
        return self.given.get(host)

    @property
    def hosts(self) -> frozenset[str]:
        """The registries that logins were given for."""
        return frozenset(self.given)

    def lines(self, hosts: Iterable[str]) -> str:
        """The lines for the program, of these registries only."""
        return "\n".join(self.given[host].line for host in hosts if host in self.given)


def _login(line: str, where: str) -> Login:
    if re.search(r"[\s\x00-\x1f\x7f]", line):  # urlsplit drops some of them
        raise _malformed(where, "a blank in it")
    try:
        parts = urlsplit(line)
        host = parts.netloc.rpartition("@")[2].lower()
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        raise _malformed(where, "it is no URL of a registry") from None
    if parts.scheme not in ("https", "http") or parts.path.strip("/") or parts.query:
        raise _malformed(where, "it is no URL of a registry")
    if not _HOST.fullmatch(host):
        raise _malformed(where, "it names no registry")
    if not user or not password:
        raise _malformed(where, "user or password is missing")
    if ":" in user or re.search(r"[\x00-\x1f\x7f]", user + password):
        raise _malformed(where, "a user with a colon, or a control character: no registry takes it")
    return Login(host, user, password)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _malformed(where: str, why: str) -> InputError:
    return InputError(
        f"{where}: {why}",
        details=(("hosts", "none was contacted"),),
        next_step=f"write {_FORM}",
    )
