"""The controller's side: a scheduler that is there, shards for its workers, what they tell.

Facts: distributed's ``Client.submit`` (``resources`` place a task), ``Client.subscribe_topic``,
``Client.get_versions``, and the words of ``Future.status``.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from distributed import Client, Future, KilledWorker
from distributed import Event as Flag

from dockwright import __version__, events
from dockwright.engine.shard import Shard, work
from dockwright.errors import DockwrightError, Exit, RefusedError, UnreachableError
from dockwright.events import Event
from dockwright.models import Host
from dockwright.report.tally import HostTally, fold
from dockwright.runner import Stop

_MOST = 200  # hosts of a shard
_ANSWER = 10.0  # seconds for the scheduler to tell of its workers
_LOOK = 0.25  # seconds without news after which the workers are looked at
_GONE = 60.0  # seconds without any worker that could go on
_LEAVING = 15.0  # seconds for workers to tell that they left their hosts


class Engine:
    """A scheduler with its workers. Raises UnreachableError, RefusedError; use as a context manager."""

    def __init__(self, address: str, timeout: float) -> None:
        for name in logging.root.manager.loggerDict:  # what is wrong is told here
            if name.startswith("distributed"):
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            self._client = Client(address, timeout=timeout, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise UnreachableError(
                f"no scheduler answers at {address}",
                details=(
                    ("error", str(error) or type(error).__name__),
                    ("hosts", "none was contacted"),
                ),
                next_step="is it up (dask scheduler)? tls:// takes the certificates of Dask's own "
                "configuration, distributed.comm.tls",
            ) from None
        self._address = address
        self._futures: dict[int, Future[None]] = {}

    def __enter__(self) -> Engine:  # noqa: PYI034  # Self came with Python 3.11
        self._same_version()
        return self

    def __exit__(self, *_: object) -> None:
        if self._there:
            with contextlib.suppress(OSError, TimeoutError):
                self._client.cancel(list(self._futures.values()))
        self._client.close(timeout=5)

    @property
    def _there(self) -> bool:
        """Whether there is a connection to the scheduler: without one, a question waits for ever."""
        return bool(self._client.status == "running")

    def _same_version(self) -> None:
        told: Any = self._client.get_versions(packages=["dockwright"])
        places = {"the scheduler": told["scheduler"], **told["workers"]}
        has = {
            place: (one or {}).get("packages", {}).get("dockwright")
            for place, one in places.items()
        }
        other = tuple((place, f"{v or 'none'}") for place, v in has.items() if v != __version__)
        if other:
            raise RefusedError(
                f"Dockwright is {__version__} here, and not on all of {self._address}",
                details=(*other[:10], ("hosts", "none was contacted")),
                next_step="install the same version of dockwright[fleet] there",
            )

    def workers(self, site: str) -> int:
        """How many workers are there that have the resource ``site``; with '' all of them."""
        if not self._there:
            return 0
        scheduler: Any = self._client.scheduler
        try:
            told = self._client.sync(scheduler.identity, n_workers=-1, callback_timeout=_ANSWER)
        except (OSError, TimeoutError):  # it is gone while it is asked
            return 0
        found = told["workers"].values()
        return sum(not site or bool(one.get("resources", {}).get(site)) for one in found)

    def shards(self, sites: Mapping[str, Sequence[Host]]) -> Iterator[tuple[str, tuple[Host, ...]]]:
        """Hosts of each site in shards: two for each of its workers, unless that makes them too big."""
        for site, hosts in sites.items():
            count = self.workers(site)
            if not count:
                raise UnreachableError(
                    f"no worker has the resource {site}"
                    if site
                    else "the scheduler has no workers",
                    details=(("scheduler", self._address), ("hosts", "none was contacted")),
                    next_step=f"dask worker {self._address}"
                    + (f" --resources {site}=1" * bool(site)),
                )
            size = min(_MOST, -(-len(hosts) // (2 * count)))
            for at in range(0, len(hosts), size):
                yield site, tuple(hosts[at : at + size])

    def run(self, sites: Mapping[str, Sequence[Host]], whole: Shard, stop: Stop) -> Iterator[Event]:
        """Have workers do it, and tell what happens; a host is told of to its end, once."""
        lane: queue.Queue[tuple[int, str]] = queue.Queue()
        self._client.subscribe_topic(whole.topic, lambda event: lane.put(tuple(event[1])))
        left: dict[int, Shard] = {}
        for number, (site, hosts) in enumerate(self.shards(sites)):
            shard = left[number] = whole.part(number, site, hosts)
            needs = {site: 1} if site else None
            self._futures[number] = self._client.submit(work, shard, resources=needs, pure=False)
        tallies: dict[str, HostTally] = {}
        done: set[str] = set()
        watch = _Watch(self, whole.topic, stop)
        while left:
            try:
                number, text = lane.get(timeout=_LOOK)
            except queue.Empty:
                number, text = -1, ""
            for lost, error in watch.look(left, self._futures, quiet=number < 0):
                yield from _given_up(left.pop(lost), tallies, error)
            if number not in left:
                continue
            if not text:
                del left[number]
                self._futures.pop(number).release()
                continue
            event = events.parse(text)
            known = tallies.get(event.host)
            if isinstance(event, events.RunStarted) and known and known.finished:
                # A shard that is done anew comes again to what is over.
                done |= set() if known.preliminary else {event.host}
            if event.host not in done:
                tallies[event.host] = fold(known, event)
                yield event

    def raise_flag(self, name: str) -> None:
        """Tell the workers of a signal."""
        if self._there:
            with contextlib.suppress(OSError):
                Flag(name, self._client).set()


class _Watch:
    """What may come between: signals, tasks that failed, and workers that are gone for good."""

    def __init__(self, engine: Engine, topic: str, stop: Stop) -> None:
        self._engine, self._topic, self._stop = engine, topic, stop
        self._told: dict[str, float] = {}
        self._seen = time.monotonic()

    def look(
        self, left: Mapping[int, Shard], futures: Mapping[int, Future[None]], *, quiet: bool
    ) -> Iterator[tuple[int, DockwrightError | None]]:
        """Shards that nothing more comes of, each with why; None where they were left by Ctrl-C."""
        now = time.monotonic()
        for word in ("after_step", "now"):
            if getattr(self._stop, word).is_set() and word not in self._told:
                self._told[word] = now
                self._engine.raise_flag(f"{self._topic}-{word}")
        if not quiet:  # who talks is there
            self._seen = now
            return
        if now > self._told.get("now", now) + _LEAVING:
            yield from ((number, None) for number in tuple(left))
            return
        if any(self._engine.workers(site) for site in {shard.site for shard in left.values()}):
            self._seen = now
        for number in tuple(left):
            future = futures[number]
            if future.status == "error":
                yield number, _error_of(future)
            elif future.status in ("cancelled", "lost") or now > self._seen + _GONE:
                yield number, UnreachableError("the scheduler, or all of its workers, are gone")


def _error_of(future: Future[None]) -> DockwrightError:
    error = future.exception()
    if isinstance(error, DockwrightError):
        return error
    if isinstance(error, KilledWorker):
        return UnreachableError("each worker that was given it died")
    assert error is not None
    raise error  # a bug


def _given_up(
    shard: Shard, tallies: Mapping[str, HostTally], error: DockwrightError | None
) -> Iterator[Event]:
    """The end of hosts that nobody tells of any more; what runs there runs on."""
    for name in (host.name for host in shard.hosts):
        known = tallies.get(name)
        if known is None or not known.finished:
            yield events.Failed(
                host=name, at=time.time(), exit=error.exit if error else Exit.INTERRUPTED,
                brief=error.brief if error else "left alone: its worker did not answer any more",
                details=error.details if error else (),
                next_step="the same command joins what goes on on the host, and does what is left",
                changed_host=known is not None and known.program,
            )  # fmt: skip
