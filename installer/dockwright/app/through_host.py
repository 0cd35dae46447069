"""A vendor's files through a host: its apt gets them, this machine judges them.

The host is not believed in anything: what it sends is bounded here by size and by time, whatever it
bounded itself.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import threading
import time
from collections.abc import Mapping

from dockwright import renderer, runner
from dockwright.channel import Channel, Transport
from dockwright.errors import BY_EXIT, DockwrightError, Exit, UnreachableError
from dockwright.models import PROXY_URL
from dockwright.proxies import Proxy

_SLACK = 30.0  # seconds for the way to and from the host, beside the files' own time
_NOISE = 1 << 20  # bytes beside the files' own


class HostFetch:
    """Gets files through one host; a ``dockwright.trust.Fetch``.

    ``ahead`` are addresses, with the most bytes of each, that come with whatever is asked for
    first: one round trip for all of them. The host's apt goes through ``proxy`` where there is one,
    else its own way.
    """

    def __init__(
        self, transport: Transport, ahead: Mapping[str, int], proxy: Proxy | None = None
    ) -> None:
        self._transport = transport
        self._proxy = proxy
        self._ahead = dict(ahead)
        self._come: dict[str, bytes | DockwrightError] = {}
        self._lock = threading.Lock()  # key and index are asked for at the same time

    def __call__(
        self,
        url: str,
        *,
        limit: int,
        deadline: float,
        proxy: str | None = None,  # noqa: ARG002 (the host has its own, see above)
    ) -> bytes:
        """The bytes at ``url``; raises as ``dockwright.trust.fetch.fetch`` does."""
        with self._lock:
            if url not in self._come:
                files = {**self._ahead, url: limit}
                self._ahead = {}
                self._come |= _get(self._transport, files, deadline, self._proxy)
            # Whoever asks again wants to know what is there by now.
            come = self._come.pop(url)
        if isinstance(come, DockwrightError):
            raise come
        return come


def _get(
    transport: Transport, files: Mapping[str, int], deadline: float, proxy: Proxy | None
) -> dict[str, bytes | DockwrightError]:
    """All the files in one round trip, each as its bytes or as the error to raise for it."""
    from dockwright import trust

    run_id = secrets.token_hex(8)
    script = renderer.render_fetch(files, run_id=run_id, seconds=int(deadline), proxy=proxy)
    most = sum(files.values()) * 3 // 2 + _NOISE
    bodies = {str(number): bytearray() for number in range(1, len(files) + 1)}
    names = dict(zip(bodies, files, strict=True))
    come: dict[str, bytes | DockwrightError] = {}
    proxies: tuple[str, ...] = ()
    stopped: tuple[str, str] | None = None
    channel = transport.root_shell(script)
    bounded = _Bounded(channel, most, time.monotonic() + deadline + _SLACK)
    try:
        for record in runner.read_records(bounded, run_id, timeout=deadline + _SLACK):
            url = names.get(record.step, "")
            if record.type == "proxies":
                told = record.decoded.split()
                proxies = tuple(word for word in told if re.match(PROXY_URL, word))
            elif record.type == "stop":
                code, _, brief = (*record.decoded.split(" ", 2), "", "")[:3]
                stopped = (code, brief)
            elif not url or url in come:
                continue
            elif record.type == "data":
                bodies[record.step] += _bytes(record.text)
                if len(bodies[record.step]) > files[url]:
                    come[url] = trust.too_large(url, files[url])
            elif record.type == "got":
                come[url] = bytes(bodies[record.step])
            elif record.type == "late":
                come[url] = trust.late(url, deadline)
            elif record.type == "refused":
                said = record.decoded
                come[url] = trust.refused(url, said, limit=files[url], proxies=proxies)
    finally:
        channel.close()
    if stopped is not None:
        kinds = {str(int(number)): kind for number, kind in BY_EXIT.items()}
        raise kinds.get(stopped[0], BY_EXIT[Exit.UNREACHABLE])(
            stopped[1], next_step="use --fetch controller, where this machine reaches the vendor"
        )
    if len(come) < len(files):
        raise UnreachableError(
            "the host broke off while it fetched the vendor's key and index",
            details=(("printed", channel.errors()[-500:] or "nothing"),),
            next_step="run the same command again",
        )
    return come


def _bytes(text: str) -> bytes:
    """What a piece holds; nothing where it is no base64: the judges see that."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


class _Bounded:
    """A channel that gives no more than ``most`` bytes and not beyond ``end`` (monotonic seconds)."""

    def __init__(self, channel: Channel, most: int, end: float) -> None:
        self._channel = channel
        self._left = most
        self._end = end

    def read(self, timeout: float) -> bytes:
        """As ``Channel.read``; UnreachableError where a bound is reached."""
        if time.monotonic() > self._end:
            raise UnreachableError(
                "the host did not fetch the vendor's key and index in time",
                next_step="look at its load and its network, then run the same command again",
            )
        data = self._channel.read(timeout)
        self._left -= len(data)
        if self._left < 0:
            raise UnreachableError(
                "the host sends more than the files that it was asked for",
                next_step="look what its login shell and its sudo print",
            )
        return data

    def write(self, data: bytes) -> None:
        """As ``Channel.write``."""
        self._channel.write(data)

    def status(self) -> int:
        """As ``Channel.status``."""
        return self._channel.status()

    def errors(self) -> str:
        """As ``Channel.errors``."""
        return self._channel.errors()

    def close(self) -> None:
        """As ``Channel.close``."""
        self._channel.close()
