"""Why apt on a host could not get a file, as the errors that the same failure has here.

Facts: the texts of apt 2.6.1 and 3.0.4 in the C.UTF-8 locale. TLS is GnuTLS's in the one ("Certificate
verification failed: ...") and OpenSSL's in the other ("certificate verify failed"); all others are
the same in both.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from dockwright.errors import DockwrightError, TrustError, UnreachableError
from dockwright.trust import failures
from dockwright.trust.words import clean, mask

_REASON = re.compile(r"^E: Failed to fetch \S+ +(.*)$", re.MULTILINE)
_ADDRESS = re.compile(r" *\[IP: [^]]*\]")
_STATUS = re.compile(r"^(\d{3})  +(.*)$")
_REDIRECTED = re.compile(r"Redirection from https to '([^']*)' is forbidden")
_CERTIFICATE = ("certificate verification failed", "certificate verify failed")
# Signal 25 is SIGXFSZ: the file outgrew what it was allowed.
_TOO_LARGE = ("received signal 25", "File size limit exceeded")
_NETWORK = "Check the network of that host, then run it again."


def refused(url: str, said: str, *, limit: int, proxies: tuple[str, ...] = ()) -> DockwrightError:
    """What to raise for ``url`` where apt-helper (apt 2.2 and newer) ``said`` that.

    ``limit`` is in bytes; ``proxies`` are the URLs, without credentials, that the host's apt goes
    through. Gives NotFoundError, TrustError or UnreachableError; nothing in it holds credentials.
    """
    what = clean(mask(url), 200)
    if any(word in said for word in _TOO_LARGE):
        return failures.too_large(what, limit)
    found = _REASON.findall(said)
    reason = _ADDRESS.sub("", found[-1]).strip() if found else ""
    why = clean(mask(reason or said.strip())) or "apt gave no reason"
    status = _STATUS.match(reason)
    redirected = _REDIRECTED.search(reason)
    if redirected:
        return failures.downgraded(what, clean(mask(redirected[1]), 200))
    proxy = _proxy_meant(url, reason, proxies)
    if proxy is not None:
        return failures.by_proxy(what, proxy, f"apt on the host says {why!r}")
    if status:
        return failures.answered(what, None, int(status[1]), status[2])
    if any(word in reason.lower() for word in _CERTIFICATE):
        return TrustError(
            f"{what}: the server's TLS certificate is not trusted by the host",
            details=(
                ("what", what),
                ("expected", "a certificate that the host trusts"),
                ("got", why),
            ),
            next_step="Check the host's clock and its ca-certificates, or use --fetch controller.",
        )
    return failures.unreachable(what, f"the host does not get it: {why}", _NETWORK)


def late(url: str, deadline: float) -> UnreachableError:
    """Apt on the host was not done after ``deadline`` seconds."""
    what = clean(mask(url), 200)
    return failures.unreachable(what, f"the host was not done after {deadline:g} seconds", _NETWORK)


def too_large(url: str, limit: int) -> TrustError:
    """The host sent more than ``limit`` bytes of a file."""
    return failures.too_large(clean(mask(url), 200), limit)


def _proxy_meant(url: str, reason: str, proxies: tuple[str, ...]) -> str | None:
    """The proxy that the reason is about, where it is about one and not about the vendor."""
    told = "Invalid response from proxy" in reason or reason.startswith("407 ")
    for proxy in proxies:
        parts = urlsplit(proxy)
        same = parts.hostname == urlsplit(url).hostname
        if told or (parts.hostname and not same and parts.hostname in reason):
            return proxy
    return "of the host's apt" if told else None
