"""The order of the stages, on hosts and vendors that are made up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dockwright import events
from dockwright.app import (
    Prepared,
    Request,
    carry_out,
    consulting,
    gather,
    guarded,
    interleave,
    prepare,
)
from dockwright.errors import (
    BY_EXIT,
    DestructiveError,
    DockwrightError,
    Exit,
    FailedError,
    RefusedError,
    TrustError,
    UnreachableError,
)
from dockwright.events import Event
from dockwright.models import Host
from dockwright.runner import LeftError, Stop
from tests.fakes import SILENCE, FakeChannel
from tests.unit.making import b64, pin, playbook
from tests.unit.playing import World, facts_of, fresh, probe_of, records

WEB1 = Host(name="web1", address="web1")


def request(name: str = "docker", *, command: str = "install", **options: Any) -> Request:
    variables = {"docker_fingerprint": pin()} if name == "docker" else {}
    return Request(
        command=command, playbook=playbook(name, variables), operator="pat@here", **options
    )


def prepared_on(world: World, asked: Request | None = None) -> tuple[Prepared, list[Event]]:
    one = Prepared(host=WEB1)
    return one, list(prepare(one, asked or request(), world.connect))


def kinds(told: list[Event]) -> list[str]:
    return [event.event for event in told]


# --- looking --------------------------------------------------------------------------------------


def test_a_fresh_host_is_asked_consulted_probed_and_planned(world: World) -> None:
    host = world.host("web1", *fresh())
    one, told = prepared_on(world)
    assert kinds(told) == [
        "run_started", "host_reached", "phase_finished", "phase_finished", "planned",
    ]  # fmt: skip
    assert world.consulted == [("noble", "amd64")]
    assert len(host.scripts) == 2
    assert one.plan is not None
    assert len(one.plan.transaction.changes) > 6
    assert one.plan.trust[0].endswith(
        "matches the pin; index signed by it, 2 h old; fetched by this machine"
    )
    assert one.plan.trust[1].startswith("docker_fingerprint is not the shipped one: it is set by")
    one.close()
    one.close()
    assert host.closed


def test_a_converged_host_is_asked_once_and_the_vendor_never(world: World) -> None:
    host = world.host("web1", facts_of("ubuntu-24.04-installed"))
    one, told = prepared_on(world)
    assert kinds(told) == ["run_started", "host_reached", "planned"]
    assert world.consulted == []
    after = list(carry_out(one, request(), Stop()))
    assert kinds(after) == ["run_finished"]
    assert after[0].event == "run_finished"
    assert (after[0].exit, after[0].changed, after[0].same) == (Exit.OK, 0, 9)
    assert len(host.scripts) == 1


def test_facts_alone_are_one_round_trip(world: World) -> None:
    host = world.host("web1", facts_of("debian-13-bare"))
    one = Prepared(host=WEB1)
    told = list(gather(one, Request(command="facts"), world.connect))
    assert kinds(told) == ["run_started", "host_reached"]
    assert len(host.scripts) == 1


def test_reading_facts_ends_where_the_answer_is_whole(world: World) -> None:
    whole = facts_of("debian-13-bare")
    world.host("web1", lambda script: FakeChannel([whole(script).read(1), SILENCE]))
    one = Prepared(host=WEB1)
    assert kinds(list(gather(one, Request(command="facts"), world.connect)))[-1] == "host_reached"


def test_a_host_that_does_not_answer_is_unreachable(world: World) -> None:
    world.host("web1", FakeChannel([b"Welcome\n", SILENCE]))
    with pytest.raises(UnreachableError, match="did not answer within 60 s"):
        prepared_on(world)


def test_a_host_that_never_stops_talking_is_unreachable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.host("web1", FakeChannel([b"x" * 2**20] * 100))
    with pytest.raises(UnreachableError, match="prints without end and does not answer"):
        prepared_on(world)
    host = world.host("web1", FakeChannel([b"x"] * 1000))
    hours = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(hours)))
    with pytest.raises(UnreachableError, match="did not answer within 60 s"):
        prepared_on(world)
    assert host.channels[0].closed


@pytest.mark.parametrize(
    "release", ['ID=x\nVERSION_CODENAME="a b;\x1b[0m"\n', "ID='$(reboot)'\n", ""]
)
def test_a_host_with_a_release_that_is_none_is_refused(world: World, release: str) -> None:
    world.host("web1", facts_of("ubuntu-24.04-bare", os_release=b64(release)))
    with pytest.raises(RefusedError):
        prepared_on(world)


def test_a_release_that_docker_does_not_build_for_is_told_in_those_words(world: World) -> None:
    release = b64("ID=alpine\nPRETTY_NAME='Alpine Linux v3.22'\n")
    world.host("web1", facts_of("ubuntu-24.04-bare", os_release=release))
    with pytest.raises(RefusedError, match=r"^Alpine Linux v3.22 \(no codename\) is not a release"):
        prepared_on(world)


def test_what_trust_refuses_ends_the_host_before_the_probe(world: World) -> None:
    host = world.host("web1", facts_of("ubuntu-24.04-bare"))
    world.refusal = TrustError("not the key that was pinned")
    with pytest.raises(TrustError):
        prepared_on(world)
    assert len(host.scripts) == 1


def test_notes_of_the_vendor_are_part_of_the_plan(world: World) -> None:
    world.host("web1", *fresh())
    world.notes = ("the key expires in 40 days",)
    one, _ = prepared_on(world)
    assert one.plan is not None
    assert "the key expires in 40 days" in one.plan.trust


@pytest.mark.parametrize(
    ("age", "words"),
    [(0, ", 0 min old"), (3600, ", 60 min old"), (7200, ", 2 h old"), (48 * 3600, ", 2 days old"),
     (-100, ", 0 min old"), (10 * 86400, ", 10 days old")],
)  # fmt: skip
def test_the_age_of_an_index_is_in_words(age: int, words: str) -> None:
    assert consulting._age(int(time.time()) - age) == words
    assert consulting._age(None) == ""


# --- the probe ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["3", "4", "5", "9", "10"])
def test_what_the_probe_stops_with_is_that_error(world: World, code: str) -> None:
    said = records(f"stop preflight {b64(f'{code} 0 no such suite')}",
                   f"output preflight {b64('E: 404')}", f"end - {code}")  # fmt: skip
    world.host("web1", facts_of("ubuntu-24.04-bare"), said)
    with pytest.raises(BY_EXIT[Exit(int(code))], match="no such suite") as caught:
        prepared_on(world)
    assert caught.value.details == (("output", "E: 404"),)
    assert caught.value.step == "preflight"


@pytest.mark.parametrize("stop", ["", "99 0 x", "² 0 x", "-1 0 x", "0 0 x", "20 0 x", "03 0 x"])
def test_a_probe_that_stops_without_sense_has_failed(world: World, stop: str) -> None:
    world.host("web1", facts_of("ubuntu-24.04-bare"), records(f"stop - {b64(stop)}", "end - 1"))
    with pytest.raises(FailedError):
        prepared_on(world)


@pytest.mark.parametrize("lines", [(), ("simulated -",), ("end - 1",), ("end -",)])
def test_a_probe_that_breaks_off_is_unreachable(world: World, lines: tuple[str, ...]) -> None:
    world.host("web1", facts_of("ubuntu-24.04-bare"), records(*lines, errors="Connection reset"))
    with pytest.raises(UnreachableError, match="broke off") as caught:
        prepared_on(world)
    assert caught.value.details == (("printed", "Connection reset"),)


def test_a_simulation_that_is_not_the_plan_is_refused(world: World) -> None:
    answers = facts_of("ubuntu-24.04-bare"), probe_of("ubuntu-24.04-behind"), records("end - 0")
    host = world.host("web1", *answers)
    with pytest.raises(RefusedError, match=r"apt would not install containerd\.io"):
        prepared_on(world)
    assert "drop_kept" in host.scripts[-1]  # what the probe kept


# --- changing -------------------------------------------------------------------------------------


def test_a_plan_is_carried_out_by_one_program(world: World) -> None:
    host = world.host("web1", *fresh())
    asked = request(lock_timeout=30)
    one, _ = prepared_on(world, asked)
    told = list(carry_out(one, asked, Stop()))
    assert told[0].event == "program_started"
    assert told[-1].event == "run_finished"
    assert (told[-1].exit, told[-1].changed) == (Exit.OK, 4)
    assert told[-1].receipt.startswith("/var/lib/dockwright/runs/")
    assert len(host.scripts) == 3
    assert "lock_timeout=30" in host.scripts[2]
    assert "systemd-run" in host.scripts[2]


def test_containers_stop_only_where_that_was_said(world: World) -> None:
    host = world.host(
        "web1", facts_of("debian-13-docker.io"), probe_of("debian-13-docker.io"),
        records("started -", "end - 0"),
    )  # fmt: skip
    one, _ = prepared_on(world)
    with pytest.raises(DestructiveError, match="containers would stop: legacy-app") as caught:
        list(carry_out(one, request(), Stop()))
    assert "--allow-restart" in (caught.value.next_step or "")
    assert len(host.scripts) == 2
    allowed = request(allow_restart=True)
    assert kinds(list(carry_out(one, allowed, Stop()))) == ["program_started", "run_finished"]


def test_verify_runs_attached_and_leaves_nothing(world: World) -> None:
    ladder = records("begin s01 verify", "verified s01 ran", "end - 0")
    host = world.host("web1", facts_of("ubuntu-24.04-installed"), ladder)
    asked = request("verify", command="verify")
    one, told = prepared_on(world, asked)
    told += list(carry_out(one, asked, Stop()))
    assert kinds(told)[-3:] == ["step_started", "step_finished", "run_finished"]
    assert "open_scratch" in host.scripts[1]
    assert "open_run" not in host.scripts[1].split("# --- begin")[1]


def test_a_host_without_a_plan_is_left_alone() -> None:
    assert list(carry_out(Prepared(host=WEB1), request(), Stop())) == []


# --- one host's error is an event of that host ----------------------------------------------------


def raising(error: BaseException) -> Iterator[Event]:
    yield events.Note(host="web1", at=0.0, text="before")
    raise error


@pytest.mark.parametrize("kind", BY_EXIT.values())
def test_an_error_of_ours_becomes_an_event(kind: type[DockwrightError]) -> None:
    one = Prepared(host=WEB1)
    error = kind("no", details=(("a", "b"),), step="s", next_step="n")
    note, failed = guarded(one, raising(error))
    assert note.event == "note"
    assert failed == events.Failed(
        host="web1", at=failed.at, exit=kind.exit, brief="no", details=(("a", "b"),), step="s",
        next_step="n", changed_host=False,
    )  # fmt: skip
    assert one.finished


BEGUN = events.ProgramStarted(host="web1", at=0.0, run_id="r", directory="d")
COMMITTED = events.CommitPoint(host="web1", at=0.0)


@pytest.mark.parametrize(
    ("before", "error", "changed"),
    [
        ([], UnreachableError("x"), False),
        ([BEGUN], FailedError("killed"), False),
        ([BEGUN], UnreachableError("lost: it goes on"), True),
        ([BEGUN, COMMITTED], FailedError("killed"), True),
        ([BEGUN, COMMITTED], UnreachableError("lost"), True),
    ],
)
def test_a_host_counts_as_changed_from_the_commit_point_on(
    before: list[Event],
    error: DockwrightError,
    changed: bool,  # noqa: FBT001
) -> None:
    def stage() -> Iterator[Event]:
        yield from before
        raise error

    *_, failed = guarded(Prepared(host=WEB1), stage())
    assert failed.event == "failed"
    assert failed.changed_host is changed


def test_leaving_a_run_is_told_with_its_name() -> None:
    _, failed = guarded(Prepared(host=WEB1), raising(LeftError("2026-11-24-1f3a2b")))
    assert failed.event == "failed"
    assert failed.exit is Exit.INTERRUPTED
    assert "2026-11-24-1f3a2b goes on" in failed.brief


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(ZeroDivisionError):
        list(guarded(Prepared(host=WEB1), raising(ZeroDivisionError())))


# --- many hosts -----------------------------------------------------------------------------------


def stage(name: str, *, wait: threading.Event | None = None) -> Callable[[], Iterator[Event]]:
    def run() -> Iterator[Event]:
        yield events.Note(host=name, at=0.0, text="one")
        if wait is not None:
            assert wait.wait(5)
        yield events.Note(host=name, at=0.0, text="two")

    return run


def test_hosts_go_on_beside_each_other() -> None:
    gate = threading.Event()

    def opens() -> Iterator[Event]:
        yield events.Note(host="b", at=0.0, text="one")
        gate.set()

    told = list(interleave([stage("a", wait=gate), opens], workers=2))
    assert sorted((event.host, getattr(event, "text", "")) for event in told) == [
        ("a", "one"), ("a", "two"), ("b", "one"),
    ]  # fmt: skip


def test_no_more_hosts_at_a_time_than_asked_for() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def counted() -> Iterator[Event]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        yield events.Note(host="x", at=0.0, text="")
        with lock:
            running -= 1

    assert len(list(interleave([counted] * 12, workers=3))) == 12
    assert most <= 3


def test_a_bug_on_one_host_is_raised_when_the_others_have_ended() -> None:
    told: list[Event] = []
    stages = [lambda: raising(ZeroDivisionError()), stage("a"), stage("b")]
    with pytest.raises(ZeroDivisionError):
        told.extend(event for event in interleave(stages, 2))
    assert sorted(event.host for event in told) == ["a", "a", "b", "b", "web1"]


def test_no_host_at_all_is_no_event() -> None:
    assert list(interleave([], 32)) == []
