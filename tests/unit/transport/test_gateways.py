"""Jump hosts are connected to once and closed by the last to leave."""

from __future__ import annotations

import threading

import pytest

from dockwright.errors import UnreachableError
from dockwright.transport import gateways as module
from dockwright.transport.gateways import Gateways


class Connection:
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_one_connection_for_all_that_mean_the_same() -> None:
    gateways = Gateways()
    first = gateways.lease("a", Connection)
    assert gateways.lease("a", Connection) is first
    assert gateways.lease("b", Connection) is not first


def test_the_last_to_leave_closes_it_and_the_next_gets_a_new_one() -> None:
    gateways, made = Gateways(), Connection()
    for _ in range(2):
        gateways.lease("a", lambda: made)
    gateways.release("a")
    assert made.closed == 0
    gateways.release("a")
    assert made.closed == 1
    assert gateways.lease("a", Connection) is not made


def test_a_jump_host_may_have_a_jump_host() -> None:
    gateways, inner = Gateways(), Connection()

    def make() -> Connection:
        gateways.lease("inner", lambda: inner)
        return Connection()

    gateways.lease("outer", make)
    gateways.release("outer")
    gateways.release("inner")
    assert inner.closed == 1


def test_s01_a_jump_host_that_does_not_answer_is_waited_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CLOSED", 30.0)
    gateways, knocks, gate = Gateways(), list[int](), threading.Event()
    heard: list[str] = []

    def silent() -> None:
        knocks.append(1)
        gate.wait(10)
        raise UnreachableError("bastion: no answer", next_step="is it up?")

    def host() -> None:
        with pytest.raises(UnreachableError) as caught:
            gateways.enter("bastion", silent)
        heard.append(f"{caught.value.brief}, {caught.value.next_step}")

    hosts = [threading.Thread(target=host) for _ in range(20)]
    for thread in hosts:
        thread.start()
    gate.set()
    for thread in hosts:
        thread.join(10)
    assert (len(knocks), heard) == (1, ["bastion: no answer, is it up?"] * 20)
    monkeypatch.setattr(module, "CLOSED", 0.0)
    gateways = Gateways()
    host()
    entered: list[int] = []
    gateways.enter("bastion", lambda: entered.append(1))
    assert entered == [1]
