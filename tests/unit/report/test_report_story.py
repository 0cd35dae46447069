"""What reports are made of: the pieces of a run in seconds, plans in groups, troubles in knots."""

from __future__ import annotations

import itertools

import pytest

from dockwright import events as ev
from dockwright.errors import Exit
from dockwright.events import Event, Outcome
from dockwright.report import bars
from dockwright.report.fleet import Fleet
from dockwright.report.story import HostStory, Kind
from dockwright.report.troubles import knots
from dockwright.report.trust_lines import trust_views
from tests.unit.report import runs, samples
from tests.unit.report.samples import Play


def story(events: list[Event]) -> HostStory:
    (one,) = Fleet.of(events).stories
    return one


def pieces(events: list[Event]) -> list[tuple[str, str, float]]:
    return [(s.kind.value, s.title, round(s.seconds, 1)) for s in story(events).spans]


# --- where the time went --------------------------------------------------------------------------


def test_the_pieces_of_an_install() -> None:
    assert pieces(samples.install()) == [
        ("connect", "connect and ask", 0.1),
        ("trust", "trust", 0.1),
        ("preflight", "preflight", 0.2),
        ("start", "start the program", 0.1),
        ("download", "download", 0.8),
        ("lock", "apt lock", 1.3),
        ("step", "install docker-ce", 4.3),
        ("step", "users", 0.0),
        ("step", "daemon.json", 0.4),
        ("step", "nothing of this", 0.4),
        ("verify", "verify with hello-world", 0.4),
    ]


@pytest.mark.parametrize("events", [samples.install(), samples.broken(), samples.hostile()])
def test_pieces_do_not_overlap(events: list[Event]) -> None:
    spans = story(events).spans
    assert all(one.end <= two.begin + 1e-6 for one, two in itertools.pairwise(spans))


def test_a_wait_inside_a_step_is_time_of_the_lock() -> None:
    play = Play()(ev.ProgramStarted, run_id="r", directory="/d")(
        ev.StepStarted, step="a4", title="in"
    )
    play(ev.Waiting, 0.0, step="a4", lock="/l", holder="apt (pid 1)", seconds=9.0)
    play(ev.Waiting, 2.0, step="a4", lock="/l", holder="apt (pid 1)", seconds=11.0)
    play(ev.StepProgress, 1.0, step="a4", percent=5.0)
    play(ev.StepFinished, 1.0, step="a4", title="in", outcome=Outcome.CHANGED, seconds=4.0)
    one = story(play.events)
    (wait,) = one.spans[-1].waits
    assert (wait.holder, round(wait.seconds, 1)) == ("apt (pid 1)", 3.0)
    times = bars.spent(one)
    assert round(times[Kind.LOCK], 1) == 3.0
    assert round(times[Kind.STEP], 1) == 1.0


def test_what_breaks_off_is_where_it_broke_off() -> None:
    refused = Play()(ev.Failed, 10.0, exit=Exit.UNREACHABLE, brief="no connection").events
    (one,) = story(refused).spans
    assert (one.kind, one.outcome, one.seconds) == (Kind.CONNECT, Outcome.FAILED, 10.0)
    assert pieces(samples.untrusted())[-1][:2] == ("trust", "trust")
    lost = samples.install()[:13]
    assert isinstance(lost[-1], ev.StepProgress | ev.StepFinished | ev.Waiting)
    play = Play().reached()(ev.ProgramStarted, run_id="r", directory="/d")
    play(ev.StepStarted, step="a4", title="in")(ev.Failed, 3.0, exit=Exit.UNREACHABLE, brief="lost")
    last = story(play.events).spans[-1]
    assert (last.title, last.outcome, round(last.seconds, 1)) == ("in", Outcome.FAILED, 3.0)


def test_a_log_that_was_cut_has_an_open_end() -> None:
    play = Play().reached()(ev.ProgramStarted, run_id="r", directory="/d")
    play(ev.StepStarted, step="a4", title="in")(ev.StepProgress, 2.0, step="a4", percent=1.0)
    one = story(play.events)
    assert (one.spans[-1].outcome, round(one.spans[-1].seconds, 1)) == (None, 2.0)
    assert (one.word, one.fine, one.code) == ("cut short", False, Exit.FAILED)


def test_a_run_that_ended_before_it_was_looked_at_keeps_its_times() -> None:
    """attach: all records come at once, and each tells how long its step took."""
    play = Play(command="attach", playbook="")(ev.ProgramStarted, run_id="r", directory="/d")
    for name in ("a", "b"):
        play(ev.StepFinished, 0.0, step=name, title=name, outcome=Outcome.CHANGED, seconds=30.0)
    assert [s.seconds for s in story(play.events).spans[1:]] == [30.0, 30.0]
    assert story(play.events).seconds > 60


def test_bars_stay_within_their_width() -> None:
    for events in (samples.hostile(), samples.install(), runs.Fleet(1).events()):
        one = story(events)
        for bit in (*bars.bits(one, one.seconds or 1.0), *bars.bits(one, 0.01)):
            assert 0 <= bit.x < bars.WIDTH
            assert 0 < bit.width <= bars.WIDTH - bit.x


def test_one_slow_host_does_not_make_dots_of_all_other_bars() -> None:
    stories = Fleet.of(runs.Fleet(16).events()).stories
    usual = bars.scale(stories)
    stories[0].tally = stories[0].tally.__class__("slow", began=0.0, ended=6000.0)
    assert bars.scale(stories) <= usual


def test_stages_name_the_slowest_host() -> None:
    fleet = Fleet.of(runs.Fleet(16).events())
    stages = {stage.name: stage for stage in bars.stages(fleet.stories)}
    assert list(stages) == [kind.value for kind in bars.LEGEND]
    slowest = max(fleet.stories, key=lambda one: bars.spent(one).get(Kind.DOWNLOAD, 0.0))
    assert stages["download"].slowest == slowest.host
    assert abs(sum(stage.share for stage in stages.values()) - bars.WIDTH) <= len(stages)


# --- the fleet ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "No host was worked on"),
        (samples.install(), "web1 is a Docker host"),
        (samples.converged(), "web1 is a Docker host"),
        (samples.plan_only(), "web1 would change"),
        (samples.untrusted(), "web1: trust"),
        (samples.install()[:-1], "web1: cut short"),
        (samples.fleet(), "2 of 4 hosts are Docker hosts"),
        (samples.interleaved(samples.install("a"), samples.install("b")), "All 2 hosts are Docker hosts"),
        (runs.Fleet(16, "plan").events(), "12 of 16 hosts would change"),
        (Play(command="verify", playbook="verify").end().events, "web1 is well"),
        (Play(command="facts", playbook="").end().events, "web1 answered"),
        (Play(command="plan").end().events, "web1 needs no change"),
        (Play(playbook="site").end().events, "web1 is done"),
    ],
)  # fmt: skip
def test_the_verdict(events: list[Event], said: str) -> None:
    assert Fleet.of(events).verdict == said


def test_figures_and_words() -> None:
    fleet = Fleet.of(samples.fleet())
    assert fleet.words == {"ok": 2, "failed": 1, "trust": 1}
    assert dict(fleet.facts)["hosts ok"] == "2 of 4 (50 %)"
    assert fleet.code is Exit.FAILED


def test_a_percentage_does_not_hide_the_one_that_failed() -> None:
    many = [Play(f"h{n}").end().events for n in range(999)]
    fleet = Fleet.of(samples.interleaved(*many, samples.untrusted()))
    assert dict(fleet.facts)["hosts ok"] == "999 of 1000 (99 %)"


def test_hosts_with_the_same_plan_share_it() -> None:
    fleet = Fleet.of(samples.fleet())
    shared = sorted(group.hosts for group in fleet.plans.values())
    assert shared == [["web1", "web2"], ["web3"]]


def test_nothing_is_to_be_applied_after_a_run() -> None:
    assert Fleet.of(samples.install()).applies == ""
    planned = samples.plan_only()
    planned[0] = planned[0].model_copy(update={"again": "dockwright install web1"})
    assert Fleet.of(planned).applies == "dockwright install web1"


# --- troubles -------------------------------------------------------------------------------------


def test_the_same_trouble_is_told_once_with_all_its_hosts() -> None:
    found = knots(Fleet.of(runs.Fleet(16).events()))
    told = [(knot.word, len(knot.hosts), knot.trouble.brief) for knot in found]
    assert told == [
        ("failed", 1, "apt-get ended with 100"),
        ("destructive", 1, "containers would stop: legacy-app, metrics"),
        ("verify", 1, "hello-world could not be pulled"),
        ("unreachable", 2, "no connection to HOST:22 within 10 s"),
    ]


def failed(
    next_step: str, host: str = "ops@web1", again: str = "", command: str = "install"
) -> list[Event]:
    play = Play(host, command)
    play.events[0] = play.events[0].model_copy(update={"again": again})
    return play(ev.Failed, exit=Exit.REFUSED, brief="no", next_step=next_step).events


@pytest.mark.parametrize(
    ("next_step", "commands"),
    [
        ("make room, then: apt-get clean", ("apt-get clean",)),
        ("dpkg --configure -a && apt-get -f install, then the same command again",
         ("dpkg --configure -a && apt-get -f install", "dockwright install ops@web1")),
        ("dockwright attach ops@web1 follows it; the same command again when it has ended",
         ("dockwright attach ops@web1", "dockwright install ops@web1")),
        ("when they may stop: the same command with --allow-restart",
         ("dockwright install ops@web1 --allow-restart",)),
        ("dockwright install, or plan to see what it would do", ("dockwright install",)),
        ("upgrade the host to one of these releases", ()),
        ("sudo true\nsudo false", ("sudo true", "sudo false")),
    ],
)  # fmt: skip
def test_the_command_in_an_advice(next_step: str, commands: tuple[str, ...]) -> None:
    (knot,) = knots(Fleet.of(failed(next_step, again="dockwright install ops@web1")))
    assert knot.commands == commands


def test_a_plan_that_failed_is_not_applied_by_what_comes_next() -> None:
    events = failed("run the same command again", again="dockwright install x", command="plan")
    (knot,) = knots(Fleet.of(events))
    assert knot.commands == ()


def test_a_command_for_several_hosts_names_them_all() -> None:
    events = [e for host in ("web1", "web2") for e in failed(f"dockwright verify {host}", host)]
    (knot,) = knots(Fleet.of(events))
    assert knot.commands == ("dockwright verify web1 web2",)
    events = [e for host in ("a b", "c;d") for e in failed(f"dockwright verify {host}", host)]
    (knot,) = knots(Fleet.of(events))
    assert knot.commands == ("dockwright verify 'a b' 'c;d'",)


def test_a_run_that_was_cut_says_how_to_look_on() -> None:
    (knot,) = knots(Fleet.of(samples.install()[:-3]))
    assert knot.commands == ("dockwright attach web1",)


# --- trust ----------------------------------------------------------------------------------------


def test_overridden_pins_come_first_and_ages_are_one() -> None:
    line = "docker's key 9DC8 matches the pin; index signed by it, {} min old"
    pin = "docker_fingerprint is not the shipped one: it is set by --set docker_fingerprint"
    events = []
    for n, host in enumerate(("a", "b")):
        trust = (line.format(30 + n), pin) if n else (line.format(30),)
        plan = samples.PLAN.model_copy(update={"trust": trust})
        events += Play(host)(ev.Planned, plan=plan).events
    views = trust_views(Fleet.of(events))
    assert [(view.overridden, view.hosts) for view in views] == [(True, 1), (False, 2)]
    assert views[1].text == "docker's key 9DC8 matches the pin; index signed by it"
