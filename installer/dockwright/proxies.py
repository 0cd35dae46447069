"""An HTTP proxy, with the login that it may want kept apart from its address.

The address may be shown, planned, saved and rendered; the login goes to whoever uses it and nowhere
else: not into a plan, an event, a program, an argument or an environment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from dockwright.errors import InputError
from dockwright.models import PROXY_URL

_FORM = "http://proxy.example:3128, with USER:PASSWORD@ before the name where it wants a login"


@dataclass(frozen=True)
class Proxy:
    """``url`` is ``http://name:port`` or https; ``user`` and ``password`` are as they are typed."""

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str, where: str) -> Proxy:
        """A proxy from its URL; user and password are percent-encoded in it.

        ``where`` names the option. Raises InputError, which never shows the text: what can't be
        parsed can't be masked.
        """
        if re.search(r"[\s\x00-\x1f\x7f]", text):  # urlsplit drops some of them
            raise _malformed(where, "a blank or a line break in it")
        try:
            parts = urlsplit(text)
            bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
            port = parts.port
            proxy = cls(bare, unquote(parts.username or ""), unquote(parts.password or ""))
        except ValueError:
            raise _malformed(where, "it is no URL of a proxy") from None
        if not re.match(PROXY_URL, bare):
            raise _malformed(where, "it is no URL of a proxy")
        if port == 0:
            raise _malformed(where, "there is no port 0")
        if proxy.password and not proxy.user:
            raise _malformed(where, "a password without a user")
        # apt_auth.conf(5): words with blanks between them, and nothing that quotes one.
        if any(re.search(r"[\s\x00-\x1f\x7f]", word) for word in (proxy.user, proxy.password)):
            raise _malformed(where, "a blank in user or password, which apt cannot be told")
        return proxy

    @property
    def login(self) -> bool:
        """Whether it wants a login."""
        return bool(self.user)

    @property
    def full(self) -> str:
        """The URL with the login in it, for an HTTP client."""
        if not self.login:
            return self.url
        scheme, _, place = self.url.partition("://")
        word = f":{quote(self.password, safe='')}" if self.password else ""
        return f"{scheme}://{quote(self.user, safe='')}{word}@{place}"

    @property
    def machine(self) -> str:
        """The login as a line of apt_auth.conf(5); empty where there is none.

        The scheme is named: without it apt sends no login over plain http.
        """
        if not self.login:
            return ""
        word = f" password {self.password}" if self.password else ""
        return f"machine {self.url} login {self.user}{word}"


def _malformed(where: str, why: str) -> InputError:
    return InputError(
        f"{where}: {why}",
        details=(("hosts", "none was contacted"),),
        next_step=f"write it as {_FORM}",
    )
