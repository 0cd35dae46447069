"""One file of a vendor over HTTP(S): size and time bounded, errors that say what to look at.

urllib3 carries it; where OpenSSL does not know the certificate authorities that this machine trusts,
truststore lends them.
Redirects are followed here, because urllib3 would follow one from https down to http.
"""

from __future__ import annotations

import os
import sys
import time
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from dockwright.errors import DockwrightError, InputError, UnreachableError
from dockwright.trust import failures
from dockwright.trust.background import Background
from dockwright.trust.words import clean, mask

if TYPE_CHECKING:
    import ssl

    from urllib3 import BaseHTTPResponse, PoolManager

REDIRECTS = 5
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 20.0  # nothing at all from the server for so long is an error of its own
RETRY_PAUSES = (0.3, 1.0)  # seconds before the second and the third try of a broken connection
_CHUNK = 64 * 1024
_CAS = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_TRY_AGAIN = (502, 503, 504)
_ELSEWHERE = (301, 302, 303, 307, 308)


def fetch(
    url: str, *, limit: int, deadline: float, proxy: str | None = None, patient: bool = True
) -> bytes:
    """Get ``url``: at most ``limit`` bytes, within ``deadline`` seconds from now in all.

    ``proxy`` is an http or https URL, with credentials or without. A connection that breaks is
    tried three times, and once where there is another way and no reason to be ``patient``. Nothing that is raised holds credentials.

    Raises NotFoundError where there is no such file; TrustError where the server's certificate is
    not trusted, a redirect leads from https to http, or more than ``limit`` bytes come;
    UnreachableError for all other failures, with the reason; InputError for a URL that can't be.
    """
    try:
        get = _Get(url, limit=limit, deadline=deadline, proxy=proxy, patient=patient)
    except ValueError as error:
        raise InputError(f"an address to fetch from, or the proxy's, is {error}") from None
    work = Background(get.run)
    try:
        return work.result(deadline)
    except TimeoutError:
        raise failures.unreachable(get.what, f"not done after {deadline:g} seconds") from None


def make_ready() -> None:
    """Load what a fetch needs, the certificate authorities as well, before there is one to be made."""
    _pool(None, None, _authorities())


class _Get:
    """One file on its way."""

    def __init__(
        self, url: str, *, limit: int, deadline: float, proxy: str | None, patient: bool = True
    ) -> None:
        self._url, self._login = _parted(url)
        self._proxy: str | None = None
        self._proxy_login: str | None = None
        if proxy:
            self._proxy, self._proxy_login = _parted(proxy)
        self._limit = limit
        self._pauses = RETRY_PAUSES if patient else ()
        self._end = time.monotonic() + deadline

    @property
    def what(self) -> str:
        """The address, fit to print."""
        return clean(mask(self._url), 200)

    def run(self) -> bytes:
        """The file's bytes."""
        pool = _pool(self._proxy, self._proxy_login, _authorities())
        for _ in range(REDIRECTS + 1):
            found = self._patiently(pool)
            if isinstance(found, bytes):
                return found
            self._follow(found)
        raise failures.unreachable(self.what, f"more than {REDIRECTS} redirects")

    def _patiently(self, pool: PoolManager) -> bytes | str:
        """One address, with retries: the file, or where it is instead."""
        from urllib3.exceptions import HTTPError

        failure: DockwrightError
        for pause in (*self._pauses, None):
            try:
                return self._once(pool)
            except _AgainError as error:
                failure = error.failure
            except HTTPError as error:
                failure = failures.broken(self.what, self._proxy, error)
                if not isinstance(failure, UnreachableError):
                    raise failure from None
            if pause is None or time.monotonic() + pause > self._end:
                raise failure from None
            time.sleep(pause)
        raise AssertionError  # pragma: no cover (the last pause is None)

    def _once(self, pool: PoolManager) -> bytes | str:
        import urllib3

        left = max(0.1, self._end - time.monotonic())
        answer = pool.request(
            "GET",
            self._url,
            headers={
                "User-Agent": "dockwright",
                # Packed files are hashed as they are: nobody may pack or unpack them on the way.
                "Accept-Encoding": "identity",
                **_header("Authorization", self._login),
            },
            timeout=urllib3.Timeout(
                connect=min(CONNECT_SECONDS, left), read=min(SILENCE_SECONDS, left)
            ),
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            target = answer.headers.get("Location")
            if answer.status in _ELSEWHERE and target:
                return target
            if answer.status == 200:
                return self._body(answer)
            failure = failures.answered(self.what, self._proxy, answer.status, answer.reason)
            raise _AgainError(failure) if answer.status in _TRY_AGAIN else failure
        finally:
            answer.close()

    def _body(self, answer: BaseHTTPResponse) -> bytes:
        """The answer's bytes, read as they come so that a slow drip is noticed."""
        length = answer.headers.get("Content-Length", "")
        body = bytearray()
        if length.isdecimal() and int(length) > self._limit:
            raise failures.too_large(self.what, self._limit)
        while chunk := answer.read1(_CHUNK, decode_content=False):
            body += chunk
            if len(body) > self._limit:
                raise failures.too_large(self.what, self._limit)
            if time.monotonic() > self._end:
                raise failures.unreachable(self.what, "not done in time")
        return bytes(body)

    def _follow(self, target: str) -> None:
        """Go on to where a redirect leads."""
        old = self._url
        try:
            url = urljoin(old, target)
            self._url, login = _parted(url)
        except ValueError:
            raise failures.unreachable(self.what, "a redirect to what is no URL") from None
        if urlsplit(old).scheme == "https" and urlsplit(url).scheme == "http":
            raise failures.downgraded(clean(mask(old)), self.what)
        if urlsplit(old)[:2] != urlsplit(self._url)[:2]:
            self._login = None  # credentials are for the host that they were given for
        self._login = login or self._login


def _authorities() -> tuple[str | int | None, ...]:
    """Which certificate authorities are trusted now, and since when: a worker lives for weeks."""
    import ssl

    paths = ssl.get_default_verify_paths()
    places = [place for place in (paths.cafile, paths.capath) if place]
    changed = [Path(place).stat().st_mtime_ns for place in places]  # both exist, or are None
    return (*map(os.environ.get, _CAS), *places, *changed)


@cache
def _pool(
    proxy: str | None, login: str | None, _trusted: tuple[str | int | None, ...]
) -> PoolManager:
    """Connections that a vendor's files share."""
    import urllib3

    context = _trusting()
    if proxy is None:
        return urllib3.PoolManager(maxsize=4, ssl_context=context)
    return urllib3.ProxyManager(
        proxy,
        maxsize=4,
        ssl_context=context,
        proxy_ssl_context=context,
        proxy_headers=_header("Proxy-Authorization", login),
    )


def _trusting() -> ssl.SSLContext:
    """A context with the certificate authorities of this machine.

    truststore reads them anew for each connection (17 ms), and lets no handshake begin before
    another has ended; where OpenSSL finds them by itself (ssl.get_default_verify_paths), as it
    does on most Linuxes, they are read once.
    """
    import ssl

    paths = ssl.get_default_verify_paths()
    hashed = paths.capath and any(Path(paths.capath).glob("????????.[0-9]"))
    if sys.platform == "linux" and (paths.cafile or hashed):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_default_verify_paths()
        return context
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _AgainError(Exception):
    """An answer that is worth another try; ``failure`` is what to raise after the last."""

    def __init__(self, failure: DockwrightError) -> None:
        super().__init__()
        self.failure = failure


def _parted(url: str) -> tuple[str, str | None]:
    """``url`` without its credentials, and those as the value of a header.

    Raises ValueError, without the URL: what can't be parsed can't be masked.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("no URL") from None
    if not host or parts.scheme not in ("http", "https"):
        raise ValueError("no URL that starts with http:// or https://")
    host = f"[{host}]" if ":" in host else host
    place = host if port is None else f"{host}:{port}"
    bare = urlunsplit(parts._replace(netloc=place, fragment=""))
    if parts.username is None:
        return bare, None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return bare, f"Basic {b64encode(login.encode()).decode()}"


def _header(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}
