"""Runs that somebody else started: followed, shown when they have ended, or in the way."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterator

import pytest

from dockwright import runner
from dockwright.app import Prepared, Request, attach, carry_out, prepare
from dockwright.errors import BusyError, Exit, FailedError, RefusedError
from dockwright.events import Event, Note, ProgramStarted, RunFinished, StepFinished
from dockwright.models import Host, LiveRun
from dockwright.runner import Stop
from tests.fakes import CUT, Answer, Chunk, FakeChannel, FakeTransport
from tests.unit.making import pin, playbook
from tests.unit.playing import World, facts_of, probe_of

WEB1 = Host(name="web1", address="web1")
LIVE = "2026-11-24-5fdc20"
ASKED = Request(command="attach", operator="pat@here")
RUNNING = (
    "start - 1 boot", "begin preflight trial update and simulation", "passed preflight fine",
    "commit -", "begin s03 file docker.asc", "changed s03", "begin s06 install docker-ce",
    "same s06", "end - 0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_REJOIN", (0.0, 0.0))


def found(how: str, *lines: str, end: tuple[Chunk, ...] = ()) -> Callable[[str], FakeChannel]:
    """Answers the script that looks for a run: how it was found, then its records."""

    def answer(script: str) -> FakeChannel:
        nonces = re.findall(r"printf 'dw1 %s %s - - %s\\n' (\S+) ", script)
        first = f"dw1 {nonces[0]} {how} - - {LIVE}\n"
        rest = [f"dw1 {LIVE} {line}\n" for line in _timed(lines)]
        return FakeChannel([first.encode(), *(line.encode() for line in rest), *end])

    return answer


def _timed(lines: tuple[str, ...]) -> Iterator[str]:
    for line in lines:
        kind, step, text = (*line.split(" ", 2), "", "")[:3]
        yield f"{kind} {step} 1.0 {text}"


def told_by(*answers: Answer) -> tuple[list[Event], FakeTransport, Prepared]:
    one = Prepared(host=WEB1)
    transport = FakeTransport(list(answers))
    told = list(attach(one, ASKED, lambda _: transport, Stop()))
    return told, transport, one


def test_a_live_run_is_followed_and_names_its_steps_itself() -> None:
    told, transport, _ = told_by(found("joined", *RUNNING))
    (started,) = [event for event in told if isinstance(event, ProgramStarted)]
    assert (started.run_id, started.joined) == (LIVE, True)
    titles = [event.title for event in told if isinstance(event, StepFinished)]
    assert titles == ["trial update and simulation", "file docker.asc", "install docker-ce"]
    end = told[-1]
    assert isinstance(end, RunFinished)
    assert (end.exit, end.changed, end.same) == (Exit.OK, 1, 1)
    assert end.receipt == f"/var/lib/dockwright/runs/{LIVE}"
    assert len(transport.scripts) == 1


def test_it_is_joined_again_where_the_connection_breaks() -> None:
    whole = "".join(f"dw1 {LIVE} {line}\n" for line in _timed(RUNNING[:3]))
    rest = "".join(f"dw1 {LIVE} {line}\n" for line in _timed(RUNNING[3:]))
    told, transport, _ = told_by(
        found("joined", *RUNNING[:3], end=(CUT,)), FakeChannel([rest.encode()])
    )
    assert f"follow {len(whole) + 1}" in transport.scripts[1]
    assert told[-1].event == "run_finished"


def test_the_last_run_is_shown_as_the_last_one() -> None:
    told, _, _ = told_by(found("last", *RUNNING))
    (note,) = [event for event in told if isinstance(event, Note)]
    assert "no run is under way" in note.text
    assert LIVE in note.text
    assert [event for event in told if isinstance(event, ProgramStarted)] == []
    assert told[-1].event == "run_finished"


def test_a_last_run_that_died_has_failed() -> None:
    gone = f"dw1 {LIVE} gone - -\n".encode()
    with pytest.raises(FailedError, match="killed"):
        told_by(found("last", *RUNNING[:5], end=(gone,)))


def test_where_there_never_was_a_run() -> None:
    def none(script: str) -> FakeChannel:
        nonces = re.findall(r"printf 'dw1 %s none - -\\n' (\S+);", script)
        return FakeChannel([f"dw1 {nonces[0]} none - -\n".encode()])

    with pytest.raises(RefusedError, match="no run of Dockwright"):
        told_by(none)


# --- the same wish, another wish ------------------------------------------------------------------


def asked(**options: object) -> Request:
    book = playbook("docker", {"docker_fingerprint": pin()})
    return Request(command="install", playbook=book, operator="pat@here", **options)  # type: ignore[arg-type]


def live(wish: str) -> Callable[[str], FakeChannel]:
    who = base64.b64encode(b"sam@there").decode()
    line = f"0\nlive {LIVE} {wish} {int(time.time())} {who}"
    return facts_of("ubuntu-24.04-bare", ssh_listening=line)


def test_the_same_wish_joins_whatever_the_host_looks_like(world: World) -> None:
    request = asked()
    host = world.host("web1", live(request.wish), found("joined", *RUNNING))
    one = Prepared(host=WEB1)
    before = list(prepare(one, request, world.connect))
    assert one.plan is None
    assert isinstance(one.joins, LiveRun)
    assert any(isinstance(event, Note) and "sam@there" in event.text for event in before)
    after = list(carry_out(one, request, Stop()))
    assert [event.event for event in after][-1] == "run_finished"
    assert world.consulted == []
    assert len(host.scripts) == 2


def test_another_wish_is_busy_and_names_the_run(world: World) -> None:
    world.host("web1", live(asked(upgrade=True).wish))
    with pytest.raises(BusyError) as caught:
        list(prepare(Prepared(host=WEB1), asked(), world.connect))
    text = " ".join(value for _, value in caught.value.details)
    assert LIVE in text
    assert re.search(r"since \d\d:\d\d:\d\d, started by sam@there", text)
    assert "attach" in (caught.value.next_step or "")


def test_a_plan_alone_does_not_join(world: World) -> None:
    request = Request(command="plan", playbook=asked().playbook)
    world.host("web1", live("x"), probe_of("ubuntu-24.04-bare"))
    one = Prepared(host=WEB1)
    told = list(prepare(one, request, world.connect))
    assert one.joins is None
    assert told[-1].event == "planned"


def test_a_wish_is_what_was_asked_and_not_how_the_host_is() -> None:
    assert asked().wish == asked(allow_restart=True, lock_timeout=1).wish
    assert asked().wish != asked(upgrade=True).wish
    assert Request(command="apply").wish == ""  # a saved plan: its program is its wish
