"""What a worker is told, and the task that it does.

Facts: distributed's ``Worker.log_event`` sends in the order of its calls; ``Event`` is a flag that
the scheduler keeps.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from distributed import Client, get_client, get_worker
from distributed import Event as Flag

from dockwright import __version__, app, events
from dockwright.channel import Transport
from dockwright.errors import RefusedError
from dockwright.events import Event
from dockwright.models import Host
from dockwright.runner import Stop
from dockwright.transport import ConnectOptions, Silent, open_transport


@dataclass(frozen=True)
class Shard:
    """All that a worker is told: nothing of it is a secret, and keys are the worker's own.

    ``words`` are the fields of the request, ``looks`` says that nothing is changed. ``site`` is the
    resource that the worker has to have, ``topic`` is where its events go.
    """

    words: Mapping[str, Any]
    options: ConnectOptions
    forks: int
    looks: bool
    hosts: tuple[Host, ...] = ()
    site: str = ""
    number: int = 0
    topic: str = field(default_factory=lambda: f"dockwright-{secrets.token_hex(8)}")
    version: str = __version__

    def part(self, number: int, site: str, hosts: tuple[Host, ...]) -> Shard:
        """The same for some hosts, with no other one's playbook."""
        books = {host.name: self.words["playbooks"][host.name] for host in hosts}
        words = {**self.words, "playbooks": books}
        return replace(self, number=number, site=site, hosts=hosts, words=words)


def work(shard: Shard) -> None:
    """The task: look at the hosts and change them, and send each event as it comes."""
    worker, stop, over = get_worker(), Stop(), threading.Event()
    if shard.version != __version__:
        raise RefusedError(f"a worker has Dockwright {__version__}, not {shard.version}")
    threading.Thread(target=_heed, args=(get_client(), shard, stop, over), daemon=True).start()
    try:
        for event in _shard(shard, stop):
            if isinstance(event, events.HostReached):
                how = f"{event.how}, by worker {worker.name}"
                event = event.model_copy(update={"how": how})  # noqa: PLW2901
            worker.log_event(shard.topic, [shard.number, event.model_dump_json()])
        worker.log_event(shard.topic, [shard.number, ""])
    finally:
        over.set()


def _heed(client: Client, shard: Shard, stop: Stop, over: threading.Event) -> None:
    """Ctrl-C is typed elsewhere."""
    for word, flag in (("after_step", stop.after_step), ("now", stop.now)):
        told = Flag(f"{shard.topic}-{word}", client)
        while not over.is_set() and not flag.is_set():
            if told.wait(timeout=5):
                flag.set()


def _shard(shard: Shard, stop: Stop) -> Iterator[Event]:
    request = app.Request(**shard.words)
    room, hosts = app.Room(shard.forks), shard.hosts

    def connect(host: Host) -> Transport:
        return open_transport(host, shard.options, Silent())

    def change(prepared: app.Prepared) -> Iterator[Event]:
        try:
            yield from app.carry_out(prepared, request.on(prepared.host.name), stop)
        finally:
            prepared.close()

    prepare: Callable[[app.Prepared, app.Request, app.Connect], Iterator[Event]] = app.prepare
    # Again for hosts that were only made fit to be planned for: mended, given a driver, booted.
    for _ in range(1 + app.ROUNDS):
        prepared = [app.Prepared(host=host) for host in hosts]
        looks = (
            partial(room.parking, one, app.guarded(one, stage), looks=shard.looks)
            for one in prepared
            for stage in (prepare(one, request.on(one.host.name), connect),)
        )
        yield from app.interleave(looks, room.forks)
        if shard.looks:
            for one in prepared:
                if not one.finished:
                    yield from app.finish(one)
            return
        yield from app.roll(
            prepared, app.Rollout(), change, connect=connect, stop=stop, workers=room.forks
        )
        due = [one for one in prepared if one.again]
        if not due or stop.after_step.is_set():
            return
        hosts = tuple(one.host for one in due)
        prepare = app.prepare_after({one.host.name: one.boot for one in due})
