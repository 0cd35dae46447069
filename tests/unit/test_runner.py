"""Programs are followed to their end: what comes, what is cut, what is forged, what is asked."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwright import events, runner
from dockwright.errors import BusyError, Exit, FailedError, RefusedError, UnreachableError
from dockwright.events import Event, Outcome
from dockwright.plan import Action, Assumptions, HostPlan, PackageChange, Transaction, Verb
from dockwright.runner import Ended, LeftError, Stop, read_records, run_attached, run_detached
from dockwright.runner.records import Lines, number
from dockwright.runner.teller import Teller
from tests.fakes import CUT, SILENCE, Answer, Chunk, FakeChannel, FakeTransport

RUN = "2026-11-24-1f3a2b"
TITLES = {"s01": "remove old packages", "s02": "file docker.asc", "s03": "install docker-ce"}


def action(name: str, kind: str, verb: Verb) -> Action:
    return Action(
        id=name, component="c", step=TITLES[name], kind=kind, verb=verb, target="t", reason="r"
    )


PLAN = HostPlan(
    host="web1",
    playbook="docker",
    summary="A verified Docker host",
    assumes=Assumptions(os_id="debian", codename="trixie", architecture="amd64"),
    actions=(
        action("s01", "packages", Verb.REMOVE),
        action("s02", "file", Verb.ADD),
        action("s03", "packages", Verb.ADD),
    ),
    transaction=Transaction(changes=(PackageChange(name="docker-ce", new="1"),)),
)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def record(
    kind: str, step: str = "-", text: str = "", *, uptime: str = "1.0", run: str = RUN
) -> bytes:
    return f"dw1 {run} {kind} {step} {uptime} {text}\n".encode()


def answer(*words: str, run: str = RUN) -> bytes:
    """A line of launcher or follower, which has no time and is in no record file."""
    return f"dw1 {run} {' '.join(words)}\n".encode()


STARTED = answer("started", "-", "-", f"/var/lib/dockwright/runs/{RUN}")
WELL = [
    record("start", text="1 boot"),
    record("begin", "preflight", "simulate", uptime="2.0"),
    record("passed", "preflight", "apt's simulation is the plan", uptime="2.5"),
    record("commit"),
    record("begin", "s02", "file docker.asc", uptime="3.0"),
    record("changed", "s02", uptime="3.25"),
    record("begin", "s03", uptime="4.0"),
    record("progress", "s03", "42.5 docker-ce Unpacking docker-ce"),
    record("changed", "s03", "6 packages in, 1 out", uptime="6.0"),
    record("end", text="0"),
]


class Run:
    """A detached run on a fake host: its events, and how it ended."""

    def __init__(self, *answers: Answer, stop: Stop | None = None) -> None:
        self.transport = FakeTransport(list(answers))
        self.stop = stop or Stop()
        self.follows: list[tuple[str, int]] = []
        self.events: list[Event] = []
        self.ended: Ended | None = None

    def follow(self, run_id: str, offset: int) -> str:
        self.follows.append((run_id, offset))
        return f"follow {run_id} {offset}"

    def go(self) -> Run:
        stream = run_detached(
            self.transport, "launch", self.follow, PLAN, TITLES, run_id=RUN, stop=self.stop
        )
        self.ended = _drained(stream, self.events)
        return self

    def told(self) -> list[tuple[str, Any]]:
        return [
            (event.event, getattr(event, "step", None) or getattr(event, "text", ""))
            for event in self.events
        ]


def _drained(stream: Generator[Event, None, Ended], into: list[Event]) -> Ended:
    ended: list[Ended] = []

    def whole() -> Iterator[Event]:
        ended.append((yield from stream))

    for event in whole():
        into.append(event)  # noqa: PERF402 (what came before an error counts, too)
    return ended[0]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_REJOIN", (0.0, 0.0, 0.0))


def channel(*chunks: Chunk, errors: str = "") -> FakeChannel:
    return FakeChannel(chunks, errors=errors)


# --- a run that goes well -------------------------------------------------------------------------


def test_a_run_is_told_from_its_start_to_its_end() -> None:
    run = Run(channel(STARTED, *WELL)).go()
    assert run.told() == [
        ("program_started", ""),
        ("step_started", "preflight"), ("step_finished", "preflight"),
        ("commit_point", ""),
        ("step_started", "s02"), ("step_finished", "s02"),
        ("step_started", "s03"), ("step_progress", "s03"),
        ("step_finished", "s01"), ("step_finished", "s03"),  # one transaction, two actions
    ]  # fmt: skip
    assert run.ended == Ended(
        Exit.OK, changed=3, same=0, directory=f"/var/lib/dockwright/runs/{RUN}"
    )
    assert run.transport.scripts == ["launch"]
    assert all(one.closed for one in run.transport.channels)


def test_times_are_the_host_s_and_titles_are_the_plan_s() -> None:
    finished = [e for e in Run(channel(STARTED, *WELL)).go().events if e.event == "step_finished"]
    assert [(e.step, e.title, e.outcome, e.seconds) for e in finished] == [
        ("preflight", "simulate", Outcome.VERIFIED, 0.5),
        ("s02", "file docker.asc", Outcome.CHANGED, 0.25),
        ("s01", "remove old packages", Outcome.CHANGED, 0.0),
        ("s03", "install docker-ce", Outcome.CHANGED, 2.0),
    ]


def test_progress_is_what_apt_said() -> None:
    (progress,) = [
        e for e in Run(channel(STARTED, *WELL)).go().events if e.event == "step_progress"
    ]
    assert (progress.percent, progress.text) == (42.5, "docker-ce Unpacking docker-ce")


def test_what_is_so_already_is_counted_apart() -> None:
    run = Run(
        channel(STARTED, record("begin", "s02"), record("same", "s02"), record("end", text="0"))
    ).go()
    assert run.ended is not None
    assert (run.ended.changed, run.ended.same) == (0, 1)


@given(st.integers(1, 40))
def test_lines_may_come_in_any_pieces(size: int) -> None:
    whole = b"".join([STARTED, *WELL])
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert Run(channel(*pieces)).go().told() == Run(channel(whole)).go().told()


def test_silence_is_waited_through() -> None:
    run = Run(channel(STARTED, SILENCE, SILENCE, *WELL)).go()
    assert run.ended is not None
    assert run.ended.exit is Exit.OK


def test_a_program_that_is_silent_for_an_hour_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_SILENCE", -1.0)
    with pytest.raises(UnreachableError, match="silent"):
        Run(channel(STARTED, SILENCE)).go()


def test_who_holds_a_lock_and_notes_are_told() -> None:
    lock = b64("/var/lib/dpkg/lock-frontend 812 61 unattended-upgrade --x")
    run = Run(
        channel(STARTED, record("wait", "locks", lock), record("note", text=b64("a note")),
                record("wait", "locks", b64("lock")), record("end", text="0"))
    ).go()  # fmt: skip
    _, wait, note, bare = run.events
    assert wait.event == bare.event == "waiting"
    assert (wait.lock, wait.holder, wait.seconds) == (
        "/var/lib/dpkg/lock-frontend", "unattended-upgrade --x (pid 812)", 61.0,
    )  # fmt: skip
    assert bare.holder == "a process (pid )"
    assert note.event == "note"
    assert note.text == "a note"


# --- forged and foreign lines ---------------------------------------------------------------------


def test_records_of_another_run_and_all_other_output_are_dropped() -> None:
    noise = [
        b"Welcome to web1\n",
        record("end", text="0", run="2026-11-24-000000"),
        record("commit", run=""),
        f"dw2 {RUN} end - 1.0 0\n".encode(),
        f"dw1 {RUN} end\n".encode(),
        f" dw1 {RUN} end - 1.0 0\n".encode(),
        b"\xff\xfe\x00\n",
        b"\n",
    ]
    run = Run(channel(STARTED, *(line for pair in zip(noise, WELL, strict=False) for line in pair),
                      *WELL[len(noise):])).go()  # fmt: skip
    assert run.told() == Run(channel(STARTED, *WELL)).go().told()


def test_unknown_types_are_ignored() -> None:
    run = Run(channel(STARTED, record("sing", "s01", "la"), record("end", text="0"))).go()
    assert [event.event for event in run.events] == ["program_started"]


@pytest.mark.slow
def test_noise_without_end_is_refused() -> None:
    """And what a long run prints in between its records is not."""
    noise = b"\x1b[31mowned\n" * 100_000
    with pytest.raises(UnreachableError, match="before the program was started"):
        Run(channel(*[noise] * 12)).go()
    told = Run(channel(STARTED, *(x for one in WELL for x in (*[noise] * 5, one)))).go().told()
    assert told == Run(channel(STARTED, *WELL)).go().told()
    with pytest.raises(UnreachableError, match="what is not ours without end"):
        list(read_records(FakeChannel([noise] * 12), RUN, timeout=60))
    with pytest.raises(UnreachableError, match="no answer for 0 s"):
        list(read_records(FakeChannel([b"x\n", SILENCE, b"x\n"] * 9), RUN, timeout=0))


def test_a_line_without_end_is_refused() -> None:
    endless = [b"x" * 1024 * 1024] * 6
    with pytest.raises(UnreachableError, match="a line without end"):
        list(read_records(channel(*endless), RUN, timeout=1))
    run = Run(channel(STARTED, *endless), *(channel(*endless) for _ in range(50)))
    with pytest.raises(UnreachableError):
        run.go()
    assert len(run.transport.scripts) < 20


@pytest.mark.parametrize(
    "line",
    [
        record("progress", "s01", "nan x"), record("progress", "s01", "inf"),
        record("progress", "s01"), record("progress", "s01", "1e999"),
        record("begin", "s01", uptime="soon"), record("begin", "s01", uptime="nan"),
        record("wait", "s01", "!!!"), record("note", text="ä"), record("stop", "s01", b64("")),
        record("stop", "s01", b64("99 x")), record("output", "s01", b64("\x1b[31m")),
        record("same", "s99"), record("changed"), record("cause", "s01", "="),
    ],
)  # fmt: skip
def test_a_record_that_makes_no_sense_is_still_an_event_of_the_schema(line: bytes) -> None:
    run = Run(channel(STARTED, line, record("end", text="6"))).go()
    for event in run.events:
        assert events.parse(event.model_dump_json()) == event


@given(st.lists(st.tuples(
    st.sampled_from(["begin", "same", "changed", "progress", "wait", "note", "stop", "cause",
                     "output", "commit", "start", "end", "joined", "started", "x"]),
    st.sampled_from(["s01", "s02", "-", "", "s99"]),
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n"), max_size=20),
), max_size=8))  # fmt: skip
def test_any_records_are_events_or_one_of_our_errors(lines: list[tuple[str, str, str]]) -> None:
    stream = [record(kind, step, text) for kind, step, text in lines]
    run = Run(channel(STARTED, *stream, record("end", text="0")))
    # "joined" with another id: the end that is ours comes from nobody.
    with contextlib.suppress(UnreachableError, FailedError):
        run.go()
    for event in run.events:
        assert events.parse(event.model_dump_json()) == event


# --- a connection that breaks ---------------------------------------------------------------------


def offset_of(*lines: bytes) -> int:
    return sum(map(len, lines)) + 1


@pytest.mark.parametrize("end", [CUT, b""], ids=["lost", "closed"])
@pytest.mark.parametrize("at", [1, 4, 8])
def test_a_cut_run_is_joined_at_the_byte_where_it_broke(at: int, end: Chunk) -> None:
    run = Run(channel(STARTED, *WELL[:at], end), channel(*WELL[at:])).go()
    assert run.told() == Run(channel(STARTED, *WELL)).go().told()
    assert run.follows == [(RUN, offset_of(*WELL[:at]))]
    assert run.transport.scripts == ["launch", f"follow {RUN} {offset_of(*WELL[:at])}"]


def test_half_a_line_is_asked_for_again() -> None:
    run = Run(channel(STARTED, WELL[0], WELL[1][:9], CUT), channel(*WELL[1:])).go()
    assert run.follows == [(RUN, offset_of(WELL[0]))]
    assert run.told() == Run(channel(STARTED, *WELL)).go().told()


def test_only_bytes_of_the_record_file_count() -> None:
    noise = b"sudo: unable to resolve host web1\n"
    foreign = record("end", text="0", run="another")
    run = Run(channel(noise, STARTED, foreign, WELL[0], noise, CUT), channel(*WELL[1:])).go()
    assert run.follows == [(RUN, offset_of(WELL[0]))]


def test_it_is_joined_again_and_again_where_it_breaks_again() -> None:
    run = Run(channel(STARTED, *WELL[:2], CUT), channel(*WELL[2:5], CUT), channel(*WELL[5:])).go()
    assert run.follows == [(RUN, offset_of(*WELL[:2])), (RUN, offset_of(*WELL[:5]))]


def test_a_host_that_does_not_answer_at_once_is_asked_again() -> None:
    down = UnreachableError("no route to host")
    run = Run(channel(STARTED, *WELL[:2], CUT), down, down, channel(*WELL[2:])).go()
    assert run.ended is not None
    assert run.ended.exit is Exit.OK


def test_a_host_that_stays_away_is_unreachable_and_its_program_goes_on() -> None:
    down = UnreachableError("no route", details=(("host", "no route"),))
    with pytest.raises(UnreachableError, match="the program there goes on") as caught:
        Run(channel(STARTED, *WELL[:2], CUT), down, down, down).go()
    assert caught.value.details == (("host", "no route"),)
    assert caught.value.next_step == "run the same command again: it joins the program"


def test_a_follower_that_always_ends_at_once_is_not_asked_for_ever() -> None:
    answers = [channel(STARTED, CUT), *(channel() for _ in range(50))]
    run = Run(*answers)
    with pytest.raises(UnreachableError, match="goes on"):
        run.go()
    assert len(run.transport.scripts) < 20


def test_a_connection_that_breaks_before_the_start_started_nothing() -> None:
    with pytest.raises(UnreachableError, match="before the program was started") as caught:
        Run(channel(CUT, errors="sh: not found")).go()
    assert caught.value.details == (("printed", "sh: not found"),)


def test_a_program_that_was_killed_is_told_with_its_last_step() -> None:
    with pytest.raises(FailedError, match="killed on the host") as caught:
        Run(channel(STARTED, *WELL[:5], answer("gone", "-", "-"))).go()
    assert caught.value.details == (("last step", "file docker.asc"),)


def test_a_host_that_rebooted_is_told_as_such() -> None:
    with pytest.raises(FailedError, match="the host rebooted"):
        Run(channel(STARTED, *WELL[:5], answer("gone", "-", "-", "rebooted"))).go()


def test_a_program_that_was_killed_before_any_step() -> None:
    with pytest.raises(FailedError) as caught:
        Run(channel(STARTED, answer("gone", "-", "-"))).go()
    assert caught.value.details == (("last step", "none"),)


def test_a_run_that_the_host_does_not_know_any_more() -> None:
    with pytest.raises(FailedError, match="does not know this run"):
        Run(channel(STARTED, CUT), channel(answer("unknown", "-", "-"))).go()


# --- others on the host ---------------------------------------------------------------------------


def test_a_run_of_the_same_program_is_joined() -> None:
    other = "2026-11-24-aaaaaa"
    joined = answer("joined", "-", "-", other)
    lines = [line.replace(RUN.encode(), other.encode()) for line in WELL]
    run = Run(channel(joined, *lines[:3], CUT), channel(*lines[3:])).go()
    (started, *_) = run.events
    assert started.event == "program_started"
    assert (started.run_id, started.joined) == (other, True)
    assert run.follows == [(other, offset_of(*lines[:3]))]
    assert run.ended is not None
    assert run.ended.directory == f"/var/lib/dockwright/runs/{other}"


def test_another_program_makes_the_host_busy() -> None:
    who = "2026-11-24-bbbbbb since 09:30:01, started by kim@laptop"
    with pytest.raises(BusyError, match="another run is under way on web1") as caught:
        Run(channel(answer("busy", "-", "-", b64(who)))).go()
    assert caught.value.details == (("run", who),)


def test_a_program_that_cannot_be_stored_is_refused_in_the_host_s_words() -> None:
    with pytest.raises(RefusedError, match="could not be started on web1") as caught:
        Run(channel(answer("refused", "-", "-", b64("is the disk full?")))).go()
    assert caught.value.details == (("why", "is the disk full?"),)


# --- a program that fails -------------------------------------------------------------------------


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("code", [3, 4, 5, 6, 7, 8, 10, 130])
def test_a_failure_has_its_step_cause_output_and_fate(code: int, committed: bool) -> None:  # noqa: FBT001
    run = Run(
        channel(
            STARTED, record("begin", "s02", uptime="1.0"),
            record("stop", "s02", b64(f"{code} {int(committed)} no room"), uptime="3.0"),
            record("cause", "s02", b64("disk full")),
            record("output", "s02", b64("E: no space\n")),
            record("end", text=str(code), uptime="3.0"),
        )
    ).go()  # fmt: skip
    *_, finished, failed = run.events
    assert finished.event == "step_finished"
    assert (finished.outcome, finished.text, finished.cause) == (
        Outcome.FAILED, "no room", "disk full",
    )  # fmt: skip
    assert (finished.output, finished.seconds) == ("E: no space", 2.0)
    assert failed.event == "failed"
    assert (failed.exit, failed.brief, failed.step) == (code, "no room", "file docker.asc")
    assert failed.details == (("cause", "disk full"), ("output", "E: no space"))
    assert failed.changed_host is committed
    assert failed.next_step
    assert run.ended is not None
    assert run.ended.exit == code


def test_an_exit_that_nobody_knows_is_a_failure() -> None:
    run = Run(channel(STARTED, record("end", text="77"))).go()
    assert run.ended is not None
    assert run.ended.exit is Exit.FAILED


# --- Ctrl-C ---------------------------------------------------------------------------------------


def test_the_first_stop_is_handed_to_the_program_once() -> None:
    stop = Stop()
    asked = channel()
    last = [
        record("stop", "s03", b64("130 1 stopped after a step, as asked")),
        record("end", text="130"),
    ]
    run = Run(
        channel(STARTED, *WELL[:6], stop.after_step.set, SILENCE, SILENCE, *last), asked, stop=stop
    ).go()
    assert run.transport.scripts == ["launch", f": >/var/lib/dockwright/runs/{RUN}/stop\n"]
    assert asked.closed
    assert run.ended is not None
    assert run.ended.exit is Exit.INTERRUPTED


@pytest.mark.parametrize("first", [UnreachableError("away"), channel(CUT), channel(SILENCE)])
def test_a_stop_that_does_not_arrive_is_handed_over_again(first: Answer) -> None:
    stop = Stop()
    stop.after_step.set()
    run = Run(channel(STARTED, *WELL), first, channel(), stop=stop).go()
    assert run.ended is not None
    assert run.ended.exit is Exit.OK
    assert run.transport.scripts[1] == run.transport.scripts[2]
    assert len(run.transport.scripts) == 3


def test_the_second_stop_leaves_at_once() -> None:
    stop = Stop()
    run = Run(channel(STARTED, *WELL[:4], stop.now.set, SILENCE, SILENCE), stop=stop)
    with pytest.raises(LeftError) as caught:
        run.go()
    assert caught.value.run_id == RUN
    assert all(one.closed for one in run.transport.channels)


def test_the_second_stop_leaves_while_the_host_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_REJOIN", (60.0,))
    stop = Stop()
    run = Run(channel(STARTED, stop.now.set, CUT), stop=stop)
    with pytest.raises(LeftError):
        run.go()


# --- programs that only look ----------------------------------------------------------------------


def attached(*chunks: Chunk, errors: str = "") -> tuple[list[Event], Ended]:
    told: list[Event] = []
    transport = FakeTransport([channel(*chunks, errors=errors)])
    ended = _drained(run_attached(transport, "script", PLAN, TITLES, run_id=RUN), told)
    assert transport.channels[0].closed
    return told, ended


def test_an_attached_program_is_read_to_its_last_word() -> None:
    told, ended = attached(SILENCE, record("begin", "s03"), record("verified", "s03", "ran"),
                           record("end", text="0"), b"never read")  # fmt: skip
    assert [event.event for event in told] == ["step_started", "step_finished", "step_finished"]
    assert ended.exit is Exit.OK


def test_an_attached_program_that_ends_without_a_last_word_has_failed() -> None:
    with pytest.raises(FailedError, match="without a last word") as caught:
        attached(record("begin", "s03"), errors="Killed")
    assert caught.value.details == (("printed", "Killed"),)


def test_records_that_do_not_come_are_not_waited_for_for_ever() -> None:
    with pytest.raises(UnreachableError, match="no answer for 0 s"):
        list(read_records(channel(SILENCE, SILENCE), RUN, timeout=0.0))


# --- pieces ---------------------------------------------------------------------------------------


def test_the_offset_goes_on_where_the_last_connection_ended() -> None:
    lines = Lines(channel(WELL[0]), {RUN}, offset=100)
    assert lines.next(1.0) is not None
    assert lines.offset == 100 + len(WELL[0])
    assert lines.next(1.0) is None


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-inf", "1e999", "0x10"])
def test_what_is_no_number_is_zero(text: str) -> None:
    assert number(text) == 0.0


def test_actions_of_one_transaction_end_together_and_kept_ones_do_not() -> None:
    kept = PLAN.model_copy(
        update={"actions": (action("s01", "packages", Verb.KEEP), *PLAN.actions[1:])}
    )
    teller = Teller(kept, TITLES)

    def steps(of: Callable[[], Iterator[Event]]) -> list[str]:
        return [event.step for event in of() if event.event == "step_finished"]

    (changed,) = list(read_records(channel(record("changed", "s03")), RUN, timeout=1))
    assert steps(lambda: teller.tell(changed)) == ["s03"]
