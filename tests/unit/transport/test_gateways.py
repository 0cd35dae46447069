"""Jump hosts are connected to once and closed by the last to leave."""

from __future__ import annotations

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
