from __future__ import annotations

import threading

import pytest

from dockwright.app import market
from dockwright.app.market import Market
from dockwright.errors import UnreachableError


def test_s07_a_fleet_asks_a_vendor_once() -> None:
    """S07: many hosts at the same moment; other questions are other questions."""
    stalls, asked, answers = Market(), list[str](), list[str]()
    gate = threading.Event()

    def ask(what: str) -> str:
        asked.append(what)
        gate.wait(10)
        return what.upper()

    def host(what: str) -> None:
        answers.append(stalls.ask(what, lambda: ask(what)))

    hosts = [threading.Thread(target=host, args=("ab"[n % 2],)) for n in range(40)]
    for thread in hosts:
        thread.start()
    gate.set()
    for thread in hosts:
        thread.join(10)
    assert sorted(asked) == ["a", "b"]
    assert sorted(answers) == ["A"] * 20 + ["B"] * 20


def test_a_refusal_is_for_all_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    stalls, asked = Market(), list[int]()

    def ask() -> None:
        asked.append(1)
        raise UnreachableError("no way", details=(("a", "b"),), next_step="wait")

    seen = []
    for _ in range(3):
        with pytest.raises(UnreachableError) as caught:
            stalls.ask("x", ask)
        caught.value.details = (*caught.value.details, ("host", "its own"))
        seen.append(caught.value)
    assert asked == [1]
    assert {(one.brief, one.next_step, len(one.details)) for one in seen} == {("no way", "wait", 2)}
    monkeypatch.setattr(market, "SHUT", 0.0)
    stalls = Market()
    with pytest.raises(UnreachableError):
        stalls.ask("x", ask)
    assert stalls.ask("x", lambda: "now") == "now"


def test_an_answer_is_asked_for_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "KEPT", 0.0)
    stalls = Market()
    assert [stalls.ask("x", lambda n=n: n) for n in (1, 2)] == [1, 2]  # type: ignore[misc]


def test_a_bug_is_no_answer() -> None:
    stalls = Market()
    with pytest.raises(ZeroDivisionError):
        stalls.ask("x", lambda: 1 // 0)
    assert stalls.ask("x", lambda: 5) == 5
