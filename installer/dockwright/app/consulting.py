"""What vendors offer: their keys and signed indexes, got here or through the host, judged here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from dockwright.app.market import Market
from dockwright.app.run import Way
from dockwright.app.through_host import HostFetch
from dockwright.channel import Transport
from dockwright.errors import UnreachableError
from dockwright.proxies import Proxy
from dockwright.steps import Offer, RepositoryWish

if TYPE_CHECKING:
    from dockwright import trust

_T = TypeVar("_T")
_Fetch = Callable[[RepositoryWish], "trust.Fetch"]


@dataclass(frozen=True)
class Consulted:
    """The offers by repository id, what was seen in words, and which way the files came."""

    offers: dict[str, Offer] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    way: Way = Way.CONTROLLER


def consult(
    wishes: Iterable[RepositoryWish],
    architecture: str,
    *,
    proxy: Proxy | None = None,
    way: Way = Way.CONTROLLER,
    host: Transport | None = None,
    market: Market | None = None,
) -> Consulted:
    """Ask the vendors, from here or through ``host``; the judgement is the same, and made here.

    ``Way.AUTO`` takes the host only where the vendor does not answer here: what a vendor's server
    says, or who it is, is no reason to ask another way. ``market`` keeps what was asked from here
    for other hosts. Raises what ``trust.consult`` raises.
    """
    from dockwright.trust.fetch import fetch  # HTTP and OpenPGP: only where packages change

    wishes = tuple(wishes)

    stalls = market or Market()

    def here(*, patient: bool) -> Consulted:
        def get(_: RepositoryWish) -> trust.Fetch:
            return partial(fetch, patient=patient)

        def ask(wish: RepositoryWish, question: Callable[[], _T]) -> _T:
            return stalls.ask((wish, architecture, proxy and proxy.full, patient), question)

        return _consult(wishes, architecture, proxy, get, Way.CONTROLLER, ask)

    if host is None or way is Way.CONTROLLER:
        return here(patient=True)
    if way is Way.AUTO:
        try:
            return here(patient=False)
        except UnreachableError as error:
            unreachable = error
    try:
        through = _consult(wishes, architecture, proxy, partial(_through, host, proxy), Way.HOST)
    except UnreachableError as error:
        if way is Way.HOST:
            raise
        raise _neither(unreachable, error) from None
    if way is Way.AUTO:
        line = f"fetched through the host, as this machine does not reach {unreachable.brief}"
        return replace(through, seen=(*through.seen, line))
    return through


def _ask(_: RepositoryWish, question: Callable[[], _T]) -> _T:
    return question()


def _through(host: Transport, proxy: Proxy | None, wish: RepositoryWish) -> HostFetch:
    from dockwright import trust

    return HostFetch(host, trust.first_files(wish), proxy)


def _consult(
    wishes: Iterable[RepositoryWish],
    architecture: str,
    proxy: Proxy | None,
    fetch: _Fetch,
    way: Way,
    ask: Callable[[RepositoryWish, Callable[[], trust.Vendor]], trust.Vendor] = _ask,
) -> Consulted:
    from dockwright import trust

    offers, seen = {}, []
    for wish in wishes:
        question = partial(
            trust.consult,
            wish,
            architecture=architecture,
            now=int(time.time()),
            proxy=proxy.full if proxy else None,
            fetch=fetch(wish),
        )
        vendor = ask(wish, question)
        names = dict.fromkeys(package.name for package in vendor.available)
        offers[wish.id] = Offer(
            id=wish.id,
            key=vendor.key.armoured,
            fingerprint=vendor.key.fingerprint,
            versions={name: tuple(vendor.versions(name)) for name in names},
        )
        seen.append(
            f"{wish.id}'s key {trust.grouped(vendor.key.fingerprint)} matches the pin; "
            f"index signed by it{_age(vendor.release.date)}; fetched {way.words}"
        )
        seen += vendor.notes
    return Consulted(offers=offers, seen=tuple(seen), way=way)


def _neither(here: UnreachableError, there: UnreachableError) -> UnreachableError:
    return UnreachableError(
        here.brief,
        details=(*here.details, ("through the host", there.brief)),
        next_step=here.next_step,
    )


def _age(date: int | None) -> str:
    if date is None:
        return ""
    minutes = max(0, int(time.time()) - date) // 60
    if minutes < 120:
        return f", {minutes} min old"
    return f", {minutes // 60} h old" if minutes < 48 * 60 else f", {minutes // 1440} days old"
