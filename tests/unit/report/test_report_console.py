from __future__ import annotations

import atexit
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from dockwright import events as ev
from dockwright.errors import Exit
from dockwright.events import Event, Outcome
from dockwright.report import REPORTERS, Output
from dockwright.report.console import ConsoleReporter
from dockwright.report.live import Frame, Running
from dockwright.report.page import Page, open_console
from dockwright.report.rows import Rows
from tests.unit.report import samples
from tests.unit.report.show import Stream, check_golden, pipe, play, terminal, written

RUNS: dict[str, Callable[[], list[Event]]] = {
    "install": samples.install,
    "converged": samples.converged,
    "plan": samples.plan_only,
    "untrusted": samples.untrusted,
    "broken": samples.broken,
    "fleet": samples.fleet,
    "doctor": lambda: samples.diagnosed(samples.FINDING, samples.WARNED),
    "well": samples.diagnosed,
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    ("variant", "console", "options"),
    [
        ("100", lambda: terminal(100), {}),
        ("60", lambda: terminal(60), {}),
        ("pipe", pipe, {}),
        ("verbose", lambda: terminal(100), {"verbose": True}),
        ("quiet", lambda: terminal(100), {"quiet": True}),
        ("ascii", lambda: terminal(100, "ascii"), {}),
    ],
)
def test_golden(run: str, variant: str, console: Any, options: dict[str, Any]) -> None:
    text = play(RUNS[run](), console(), **options)
    check_golden(f"{run}-{variant}", text)
    assert "\x1b" not in text
    if variant == "60":
        assert max(map(len, text.splitlines())) <= 60
    if variant == "ascii":
        assert text.isascii()


@pytest.mark.parametrize("kind", samples.EVENT_TYPES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("reporter", REPORTERS)
@pytest.mark.parametrize("tty", [False, True])
def test_every_reporter_takes_every_event(
    kind: type[Any], reporter: str, *, tty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    event = {type(event): event for event in samples.every_event()}[kind]
    made = REPORTERS[reporter](Output(Stream(tty=tty), verbose=True))
    made(event)
    made.close()


def test_console_knows_exactly_the_events_there_are() -> None:
    assert set(ConsoleReporter(pipe())._handlers) == set(samples.EVENT_TYPES)


def test_what_a_step_printed_is_shown_once() -> None:
    """The step has it already when the error that ends the run carries it, too."""
    run = (
        samples.Play(command="verify")
        .reached()
        .step(
            "s01",
            "verify",
            Outcome.FAILED,
            "the daemon does not answer",
            output="a line of its log",
        )
    )
    run(
        ev.Failed, exit=Exit.VERIFY, brief="the daemon does not answer", changed_host=False,
        details=(("cause", "daemon down"), ("output", "a line of its log")), step="verify",
    )  # fmt: skip
    text = play(run.events, terminal(100))
    assert text.count("a line of its log") == 1
    assert "daemon down" in text


@pytest.mark.parametrize("options", [{}, {"verbose": True}, {"hosts": ("a", "b")}])
@pytest.mark.parametrize("width", [24, 60, None])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_hostile_text_is_shown_harmless(
    width: int | None, encoding: str, options: dict[str, Any]
) -> None:
    console = terminal(width, encoding) if width else pipe(encoding)
    text = play(samples.hostile(), console, **options)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "[red]markup" in re.sub(r"\s+", "", text) or width == 24
    assert "hunter2" not in text
    assert "owned" not in text
    if width:
        assert max(map(len, text.splitlines())) <= width
    else:
        assert max(map(len, text.splitlines())) < 10_000


def test_a_live_run_leaves_the_terminal_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(tty=True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    registered: list[Any] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    monkeypatch.setattr(atexit, "unregister", registered.remove)
    before = threading.active_count()
    reporter = REPORTERS["console"](Output(stream, hosts=("web1",)))
    for event in samples.install():
        reporter(event)
        if isinstance(event, ev.StepProgress):
            assert len(registered) == 1  # the cursor comes back whatever happens
    reporter.close()
    text = stream.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "web1\x1b[0m is a Docker host" in text
    assert not registered
    for _ in range(100):  # the thread of the region ends by itself
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_nothing_live_while_something_is_asked() -> None:
    console = terminal(force_interactive=True)
    reporter = ConsoleReporter(console, hosts=("web1", "web2"))
    events = samples.install()
    reporter(events[0])
    with reporter.paused():
        asked = written(console)
        assert asked.endswith(("\x1b[?25h", "\x1b[2K")) or "\x1b[?25h" in asked[-40:]
        reporter(ev.Note(host="web2", at=samples.T0, text="seen later"))
        assert written(console) == asked
    assert "seen later" in written(console)
    reporter.close()


def test_pauses_nest() -> None:
    console = terminal(force_interactive=True)
    reporter = ConsoleReporter(console)
    events = samples.install()
    reporter(events[0])
    with reporter.paused():
        with reporter.paused():  # a signal while something is asked
            pass
        reporter(ev.Note(host="web1", at=samples.T0, text="seen later"))
        assert reporter._screen._live is None
        assert "seen later" not in written(console)
        reporter.close()
    assert written(console).count("seen later") == 1
    assert reporter._screen._live is None


def test_the_region_moves_without_events() -> None:
    console = terminal(force_interactive=True)
    ticks = iter(range(1000))
    reporter = ConsoleReporter(console, clock=lambda: next(ticks) / 10)
    reporter(samples.install()[0])
    for _ in range(200):
        if len(set(written(console)) & set("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")) > 2:
            break
        time.sleep(0.01)
    else:
        pytest.fail("the spinner stands still")
    reporter.close()


def test_a_signal_while_an_event_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(tty=True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    reporter = ConsoleReporter(open_console(stream))
    plain_write = stream.write

    def write(text: str) -> int:
        """Writes slowly, and a handler runs in the middle of it."""
        if "key and index" in text:
            monkeypatch.setattr(stream, "write", plain_write)
            time.sleep(0.25)  # the region wants to be drawn meanwhile
            with reporter.paused():
                pass
        return plain_write(text)

    monkeypatch.setattr(stream, "write", write)

    def run() -> None:
        for event in samples.install():
            reporter(event)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    reporter.close()
    assert "is a Docker host" in stream.getvalue()


def test_no_live_region_once_a_plan_is_there() -> None:
    reporter = ConsoleReporter(terminal(force_interactive=True))
    for event in samples.plan_only()[:-1]:
        reporter(event)
    assert reporter._screen._live is None
    reporter.close()


def frame(running: list[Running], fleet: str = "", **options: Any) -> list[str]:
    console = terminal(**options)
    page = Page(console)
    rows = Rows(page, [one.host for one in running])
    picture = Frame(rows, {one.host: one for one in running}, lambda: 100.0, lambda: fleet)
    return [line.plain for line in picture.__rich_console__(console, console.options)]


def test_live_lines() -> None:
    lines = frame(
        [
            Running("web1", "download", "108/146 MB", percent=74.0, since=99.5),
            Running("web2", "apt lock", "waiting for apt (pid 1)", waiting=True, since=59.0),
            Running("web3", since=95.0),
        ]
    )
    assert lines[0].rstrip() == (
        "web1  ⠋ download             ███████████████░░░░░  74 %  108/146 MB"
    )
    assert lines[1].startswith("web2  ⏸ apt lock             waiting for apt (pid 1) ")
    assert lines[1].endswith("  41.0 s")
    assert lines[2].startswith("web3  ⠋ ")
    assert max(map(len, lines)) <= 97  # ^C fits behind


def test_live_lines_on_a_narrow_terminal() -> None:
    (line,) = frame([Running("web1", "download", "108/146 MB", percent=74.0)], width=60)
    assert line == "web1  ⠋ download     ███████░░░  74 %  108/146 MB"
    (line,) = frame([Running("web1", "download", "x", percent=50.0)], width=60, encoding="ascii")
    assert line == "web1  |  download     #####.....  50 %  x"


def test_live_lines_of_a_fleet_fit_the_height() -> None:
    many = [Running(f"web{n}", "install", since=float(n)) for n in range(40)]
    lines = frame(
        [*many, Running("slow", "apt lock", waiting=True, since=90.0)], "3 of 50", height=12
    )
    assert len(lines) == 9
    assert any(line.startswith("slow") for line in lines)
    assert lines[-2:] == ["34 more hosts: 34 install", "3 of 50"]


def test_the_line_of_the_fleet() -> None:
    reporter = ConsoleReporter(terminal(), hosts=[f"web{n}" for n in range(1, 9)])
    for event in samples.fleet()[:40]:
        reporter(event)
    assert reporter._fleet_line() == "3 of 8 hosts done (37 %), 1 trust, 1 failed, 1 at work"
    reporter(samples.Play("web9").wait().events[-1])
    assert reporter._fleet_line() == (
        "3 of 8 hosts done (37 %), 1 trust, 1 failed, 1 at work, 1 waiting"
    )


def test_a_pipe_is_reminded_each_ten_seconds() -> None:
    run = samples.Play().download(upto=100, by=5, after=2.0)
    run.wait(1.0).wait(6.0, after=5.0).wait(11.0, after=5.0)
    text = play(run.events, pipe())
    assert text.splitlines() == [
        "web1  · download     20 %  Retrieving file 2 of 6",
        "web1  · download     45 %  Retrieving file 3 of 6",
        "web1  · download     70 %  Retrieving file 4 of 6",
        "web1  · download     95 %  Retrieving file 5 of 6",
        "web1  ⏸ apt lock     waiting for unattended-upgrades (pid 812) (1.0 s)",
        "web1  ⏸ apt lock     waiting for unattended-upgrades (pid 812) (11.0 s)",
    ]


def test_small_downloads_are_told_with_a_decimal() -> None:
    transaction = samples.PLAN.transaction.model_copy(update={"download_bytes": 5_200_000})
    plan = samples.PLAN.model_copy(update={"transaction": transaction})
    run = samples.Play()(ev.Planned, plan=plan).download(upto=50, by=50, after=11.0)
    assert "50 %  2.6/5.2 MB" in play(run.events, pipe(), plans=False)


def last(events: list[Event], **options: Any) -> list[str]:
    return play(events, pipe(), quiet=True, **options).splitlines()


def test_last_lines() -> None:
    play_ = samples.Play
    assert last(play_(playbook="site.yaml").end(changed=2, same=1).events) == [
        "web1 is done. 2 changed, 1 already so, 6.0 s."
    ]
    assert last(play_(playbook="site.yaml").end().events) == [
        "web1 already so: nothing to do (6.0 s)"
    ]
    checked = play_(command="verify", playbook="verify").step("a", "b", Outcome.VERIFIED).end()
    assert last(checked.events) == ["web1 is well: 1 check passed, 6.0 s."]
    assert last(play_().end(Exit.BUSY).events) == ["exit 10 (busy)"]
    assert last(play_().reached().events) == []
    assert last([]) == []
    upgrade = samples.UPGRADE
    declined = play_(playbook="site.yaml")(ev.Planned, plan=upgrade).end()
    (line,) = last(declined.events)
    assert line == (
        "web1: 1 change planned. Nothing was changed. "
        "Apply it with: dockwright apply site.yaml web1"
    )


def test_last_lines_of_a_fleet() -> None:
    plans = [samples.Play(f"w{n}")(ev.Planned, plan=samples.UPGRADE).end().events for n in (1, 2)]
    text = play(samples.interleaved(*plans), pipe())
    assert text.splitlines()[-1] == "2 hosts: 2 ok. 2 hosts would change; nothing was changed."
    many = [samples.Play(f"w{n}").end(Exit.BUSY).events for n in range(25)]
    many.append(samples.Play("cut").events)
    lines = last(samples.interleaved(*many))
    assert lines[0] == "26 hosts: 0 ok, 25 busy, 1 cut short. 0 changed, 0 already so, 0.1 s."
    assert lines[-1].strip() == "w0, w1, w2, w3, w4, and 20 more"
    assert lines[-2] == "   25 hosts  exit 10 (busy)"
    many_lines = play(samples.interleaved(*many), pipe()).splitlines()
    assert "w3   ✗ done                 exit 10 (busy) (6.0 s)" in many_lines


def test_plans_can_be_left_to_the_caller() -> None:
    assert "Plan for" not in play(samples.plan_only(), pipe(), plans=False)


def test_steps_of_a_fleet_are_shown_on_a_terminal_with_v_only() -> None:
    def text(**options: Any) -> str:
        return play(samples.fleet(), terminal(force_interactive=True), **options)

    assert "5 packages in, 2 out" not in text()
    assert "5 packages in, 2 out" in text(verbose=True)


@pytest.mark.parametrize(
    ("color", "tty", "environ", "colored", "live"),
    [
        ("auto", True, {}, True, True),
        ("auto", True, {"NO_COLOR": "1"}, False, True),
        ("always", True, {"NO_COLOR": "1"}, True, True),
        ("never", True, {}, False, True),
        ("auto", True, {"TERM": "dumb"}, False, False),
        ("auto", True, {"CI": "true"}, False, False),
        ("auto", False, {}, False, False),
        ("auto", False, {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "1"}, False, False),
        ("always", False, {}, True, False),
    ],
)
def test_what_a_stream_can_show(
    *, color: Any, tty: bool, environ: dict[str, str], colored: bool, live: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("NO_COLOR", "CI", "FORCE_COLOR", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    stream = Stream(tty=tty)
    console = open_console(stream, color)
    assert console.is_interactive is live
    text = play(samples.untrusted(), console)
    assert bool(re.search(r"\x1b\[[0-9;]+m", text)) is colored
    if not live and not colored:
        assert "\x1b" not in text


def test_a_reader_that_goes_away_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    console: Console = open_console(stream)

    def broken(_text: str) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(stream, "write", broken)
    reporter = ConsoleReporter(console)
    for event in samples.install():
        reporter(event)
    reporter.close()
    assert console.quiet
