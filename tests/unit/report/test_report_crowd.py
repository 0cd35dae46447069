"""What is shown of many hosts: those that need eyes, and the others as counts."""

from __future__ import annotations

from dataclasses import replace

from dockwright import events as ev
from dockwright.errors import Exit
from dockwright.events import Event
from dockwright.report.crowd import Progress
from dockwright.report.fleet import Fleet
from dockwright.report.junit import render_junit
from dockwright.report.live import Running
from dockwright.report.tally import fold
from tests.unit.report import samples
from tests.unit.report.show import pipe, play, terminal


def failing(host: str, brief: str, code: Exit) -> list[Event]:
    return samples.Play(host)(ev.Failed, exit=code, brief=brief).events


def test_a_fleet_that_is_large_shows_who_needs_eyes() -> None:
    """Those that are well are counted; the same trouble is told three times, and then counted."""
    names = [f"w{n}" for n in range(40)]
    away = [failing(name, "no way to it", Exit.UNREACHABLE) for name in names[:9]]
    fine = [samples.converged(name) for name in names[9:]]
    both = samples.interleaved(*away, *fine)
    live = terminal(force_interactive=True)
    text = play(both, live, hosts=names)
    assert "already so" not in text.split("40 hosts:")[0]
    assert text.count("no way to it") == 3 + 9
    assert play(both, pipe(), hosts=names).count("no way to it") == 9 + 9


def test_s06_one_message_where_all_hosts_have_one_trouble() -> None:
    many = [failing(f"w{n}", f"w{n}: the name is not known", Exit.UNREACHABLE) for n in range(1000)]
    text = play(samples.interleaved(*many), terminal(), hosts=[f"w{n}" for n in range(1000)])
    assert text.splitlines()[-4:] == [
        "1000 hosts: 0 ok, 1000 unreachable. 0 changed, 0 already so, 0.1 s.",
        "  1000 hosts  exit 5 (unreachable)  HOST: the name is not known",
        "             w0, w1, w2, w3, w4, and 995 more",
        "exit 5 (unreachable)",
    ]


def test_hosts_that_were_not_begun_are_one_line() -> None:
    why = "not begun: 1 of 30 hosts failed, and no batch follows a failure"
    many = [failing("w0", "broken", Exit.FAILED)]
    many += [
        samples.Play(f"w{n}")(
            ev.Failed, exit=Exit.REFUSED, brief=why, next_step="look", begun=False
        ).events
        for n in range(1, 30)
    ]
    text = play(samples.interleaved(*many), pipe())
    xml = render_junit(Fleet.of(samples.interleaved(*many)))
    assert (xml.count("<failure"), xml.count("<skipped")) == (1, 29)
    assert text.count("not begun:") == 1
    assert "30 hosts: 0 ok, 29 not begun, 1 failed." in text
    assert text.splitlines()[-3:] == [f"  {why}", "  next  look", "exit 6 (failed)"]


def test_how_far_a_fleet_is_and_how_long_it_may_take() -> None:
    progress = Progress(10)
    for n in range(6):
        begun = fold(
            None, samples.Play(f"w{n}")(ev.ProgramStarted, run_id="r", directory="/d").events[-1]
        )
        progress.take(begun, 0.0)
    for n in range(4):
        done = replace(begun, host=f"w{n}", finish=samples.Play("w").end().events[-1])  # type: ignore[arg-type]
        progress.take(done, 40.0)
    running = {"w4": Running("w4"), "w5": Running("w5", waiting=True)}
    assert progress.line(running, 10.0) == "4 of 10 hosts done (40 %), 1 at work, 1 waiting"
    assert progress.line({}, 40.0) == (
        "4 of 10 hosts done (40 %, about 1 min 00 s left), 0 at work, 2 planned"
    )
