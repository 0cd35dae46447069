"""How many connections a process keeps, and that who does not answer is waited for beside others."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Iterator

import pytest

from dockwright import events
from dockwright.app import Prepared, Room, hosts, interleave
from dockwright.events import Event
from tests.fakes import FakeTransport
from tests.unit.test_rollout import fleet


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], list[tuple[int, int]]]:
    """Sets what the system says of open files; gives what it was asked for."""

    def made(soft: int, hard: int) -> list[tuple[int, int]]:
        asked: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, pair: asked.append(pair))
        return asked

    return made


@pytest.mark.parametrize(
    ("soft", "hard", "forks", "asked", "fit"),
    [
        (1024, 1024, 32, [], 32),
        (1024, 4096, 32, [(4096, 4096)], 32),
        (1024, 1 << 20, 32, [(65_536, 1 << 20)], 32),
        (1024, resource.RLIM_INFINITY, 32, [(65_536, resource.RLIM_INFINITY)], 32),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 32, [], 32),
        (256, 256, 300, [], 48),
        (64, 64, 32, [], 1),
    ],
)
def test_s03_forks_fit_into_the_files_that_may_be_open(
    files: Callable[[int, int], list[tuple[int, int]]], soft: int, hard: int, forks: int,
    asked: list[tuple[int, int]], fit: int,
) -> None:  # fmt: skip
    raised = files(soft, hard)
    assert Room(forks).forks == fit
    assert raised == asked


def parked(room: Room, prepared: list[Prepared], *, looks: bool = False) -> list[str]:
    for one in prepared:
        assert list(room.parking(one, iter(()), looks=looks)) == []
    return [one.host.name for one in prepared if one.parked]


def test_connections_for_which_there_is_no_room_are_ended_for_now(
    files: Callable[[int, int], list[tuple[int, int]]],
) -> None:
    files(80, 80)  # 64 of our own, 4 for a host at work: 12 are left
    hosts = fleet(15)
    assert parked(Room(1), hosts) == ["h13", "h14", "h15"]
    assert [one.transport is None for one in hosts] == [False] * 12 + [True] * 3


def test_connections_end_where_nothing_follows() -> None:
    room, hosts = Room(4), fleet(3, so_already=(2,))
    hosts[0].finished = True
    transports = [one.transport for one in hosts]
    assert parked(room, hosts) == []
    assert [isinstance(one, FakeTransport) and one.closed for one in transports] == [
        True,
        True,
        False,
    ]
    assert parked(room, hosts, looks=True) == []
    assert hosts[2].transport is None


def begun(name: str, then: Callable[[], object]) -> Callable[[], Iterator[Event]]:
    def stage() -> Iterator[Event]:
        yield events.RunStarted(host=name, at=1.0, command="facts", playbook="", version="1")
        then()
        yield events.Note(host=name, at=1.0, text="answered")

    return stage


@pytest.mark.slow
def test_s01_who_does_not_answer_keeps_nobody_from_being_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts, "GRACE", 0.02)
    answered = threading.Event()

    def wait() -> None:
        assert answered.wait(10)

    silent = [begun(f"silent{n}", wait) for n in range(3)]
    # Only where all three are waited for beside it does the fourth get its turn.
    told = list(interleave([*silent, begun("last", answered.set)], workers=1))
    assert len(told) == 8


@pytest.mark.slow
def test_no_more_are_waited_for_than_were_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "GRACE", 0.02)
    gate, now, most = threading.Event(), set[str](), list[int]()
    lock = threading.Lock()

    def wait(name: str) -> None:
        with lock:
            now.add(name)
            most.append(len(now))
        gate.wait(0.2)
        with lock:
            now.discard(name)

    stages = [begun(f"h{n}", lambda n=n: wait(f"h{n}")) for n in range(12)]  # type: ignore[misc]
    assert len(list(interleave(stages, workers=1, most=3))) == 24
    assert max(most) <= 3


def test_what_is_under_way_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that was reached and is at work counts, however long it says nothing."""
    monkeypatch.setattr(hosts, "GRACE", 0.01)
    at_once, now = list[int](), list[int]()

    def stage() -> Iterator[Event]:
        yield events.RunStarted(host="h", at=1.0, command="facts", playbook="", version="1")
        yield events.Note(host="h", at=1.0, text="reached")
        now.append(1)
        at_once.append(len(now))
        threading.Event().wait(0.1)
        now.pop()

    list(interleave([stage] * 6, workers=2))
    assert max(at_once) <= 2
