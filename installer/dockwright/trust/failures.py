"""What can go wrong when a file is fetched, as errors that say where to look.

``what`` is the address, masked; ``proxy`` the proxy's URL without credentials, or None. The texts
of urllib3 are not passed on: they hold URLs, and the names of its objects.
"""

from __future__ import annotations

from dockwright.errors import DockwrightError, RefusedError, TrustError, UnreachableError
from dockwright.trust.words import clean, mask

_GONE = (404, 410)
_PROXY_LOGIN = 407
_NETWORK = "Check the network of this machine, then run it again."


class NotFoundError(RefusedError):
    """The vendor answers, and has nothing at that address."""


def unreachable(what: str, why: str, next_step: str = _NETWORK) -> UnreachableError:
    """The vendor, or the way there, did not answer as it should."""
    return UnreachableError(
        f"{what}: {why}", details=(("what", what), ("why", why)), next_step=next_step
    )


def too_large(what: str, limit: int) -> TrustError:
    """More than ``limit`` bytes came."""
    return TrustError(
        f"{what}: larger than such a file can be",
        details=(("what", what), ("expected", f"at most {limit} bytes"), ("got", "more")),
        next_step="Look who answers at that address.",
    )


def downgraded(what: str, target: str) -> TrustError:
    """A redirect leads out of TLS."""
    return TrustError(
        f"{what}: redirected from https down to http",
        details=(("what", what), ("expected", "https"), ("got", target)),
        next_step="Look who answers at that address.",
    )


def answered(
    what: str, proxy: str | None, status: int, reason: str | None
) -> UnreachableError | NotFoundError:
    """The server answered something other than the file."""
    said = f"{status} {clean(reason or '', 60)}".strip()
    if status in _GONE:
        return NotFoundError(
            f"{what}: there is nothing ({said})",
            details=(("what", what), ("why", said)),
            next_step="Check the address; the vendor's manual has the one that is right.",
        )
    if status == _PROXY_LOGIN and proxy:
        return by_proxy(what, proxy, said)
    return unreachable(what, f"the server answered {said}")


def broken(what: str, proxy: str | None, error: Exception) -> DockwrightError:
    """No answer: ``error`` is urllib3's."""
    from urllib3.exceptions import ProxyError, SSLError

    why = _why(error)
    tunnel = why.partition("Tunnel connection failed: ")[2]
    if proxy and (tunnel or isinstance(error, ProxyError)):
        return by_proxy(what, proxy, tunnel or why)
    if isinstance(error, SSLError):
        return _tls(what, error, why)
    return unreachable(what, why)


def by_proxy(what: str, proxy: str, why: str) -> UnreachableError:
    """The proxy, and not the vendor, is what stands in the way."""
    login = " and its credentials" if str(_PROXY_LOGIN) in why else ""
    return unreachable(
        what,
        f"the proxy {proxy} does not let us through: {why}",
        f"Check the proxy{login}, then run it again.",
    )


def _tls(what: str, error: Exception, why: str) -> DockwrightError:
    import ssl

    inner = error.args[0] if error.args else None
    if not isinstance(inner, ssl.SSLCertVerificationError):
        return unreachable(what, f"no TLS connection: {why}")
    return TrustError(
        f"{what}: the server's TLS certificate is not trusted",
        details=(
            ("what", what),
            ("expected", "a certificate that this machine trusts"),
            ("got", clean(inner.verify_message)),
        ),
        next_step=(
            "Check this machine's clock and its ca-certificates; where a "
            "proxy opens TLS, its authority belongs into the system's store."
        ),
    )


def _why(error: BaseException) -> str:
    """The innermost reason of an error of urllib3, such as ``Connection refused``."""
    from urllib3 import exceptions

    chain = [error]
    while inner := _inner(chain[-1]):
        chain.append(inner)
    for link in chain:
        if isinstance(link, exceptions.NameResolutionError):
            return "its name is not known here (DNS)"
        if isinstance(link, exceptions.NewConnectionError):
            continue  # a ConnectTimeoutError by class, a refusal by its cause
        if isinstance(link, exceptions.ConnectTimeoutError):
            return "no connection in time"
        if isinstance(link, exceptions.TimeoutError):
            return "connected, but nothing comes"
    return clean(mask(getattr(chain[-1], "strerror", None) or str(chain[-1])))


def _inner(error: BaseException) -> BaseException | None:
    """What caused ``error``: urllib3 puts it among the arguments, or chains it."""
    return next((part for part in error.args if isinstance(part, BaseException)), error.__cause__)
