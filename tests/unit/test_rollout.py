"""Batches, the budget of failures, commands beside hosts: what begins, and what does not."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dockwright import events
from dockwright.app import Prepared, Rollout, Share, roll, sizes_of, words_of
from dockwright.app.commands import filled
from dockwright.errors import Exit, FailedError, InputError
from dockwright.events import Event, Failed
from dockwright.models import Host
from dockwright.plan import Assumptions, HostPlan
from dockwright.runner import Stop
from tests.fakes import FakeTransport

PYTHON = sys.executable
NOTHING = HostPlan(
    host="x", playbook="docker", summary="",
    assumes=Assumptions(os_id="", codename="", architecture=""),
)  # fmt: skip


class Due(HostPlan):
    """A plan that has something to do."""

    @property
    def changes(self) -> tuple[Any, ...]:
        return (None,)


def fleet(count: int, *, so_already: tuple[int, ...] = ()) -> list[Prepared]:
    due = Due(**NOTHING.model_dump())
    return [
        Prepared(
            Host(name=f"h{n}", address=f"10.0.0.{n}", user="ops", port=2222),
            plan=NOTHING if n in so_already else due,
            transport=FakeTransport([]),
        )
        for n in range(1, count + 1)
    ]


class Run:
    """A roll over made-up hosts; ``fails`` are those whose change fails."""

    def __init__(self, fails: tuple[str, ...] = ()) -> None:
        self.fails, self.stop, self.begun = fails, Stop(), list[str]()
        self.connected: list[str] = []
        self.together: list[set[str]] = []
        self._now: set[str] = set()
        self._lock = threading.Lock()
        self.during: Callable[[str], None] = lambda _: None

    def change(self, prepared: Prepared) -> Iterator[Event]:
        name = prepared.host.name
        with self._lock:
            self.begun.append(name)
            self._now.add(name)
            self.together.append(set(self._now))
        assert prepared.transport is not None
        self.during(name)
        with self._lock:
            self._now.discard(name)
        if name in self.fails:
            raise FailedError("broken")
        yield events.RunFinished(host=name, at=1.0, exit=Exit.OK, seconds=0.1)

    def connect(self, host: Host) -> FakeTransport:
        self.connected.append(host.name)
        return FakeTransport([])

    def __call__(self, hosts: list[Prepared], workers: int = 4, **how: Any) -> list[Event]:
        return list(
            roll(
                hosts, Rollout(**how), self.change,
                connect=self.connect, stop=self.stop, workers=workers,
            )
        )  # fmt: skip


def failed(told: list[Event]) -> dict[str, Failed]:
    return {event.host: event for event in told if isinstance(event, Failed)}


def not_begun(told: list[Event]) -> list[str]:
    """By name: they are told of side by side, in whatever order."""
    return sorted(event.host for event in told if isinstance(event, Failed) and not event.begun)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("1", [1] * 20),
        ("1,10%,rest", [1, 2, 17]),
        ("1, 5", [1, 5, 5, 5, 4]),
        ("1,1%", [1] * 20),
        ("50%", [10, 10]),
        ("rest", [20]),
        ("300", [20]),
    ],
)
def test_sizes_of_batches(text: str, sizes: list[int]) -> None:
    batches = Rollout(batches=sizes_of(text)).split(fleet(20))
    assert [len(batch) for batch in batches] == sizes
    assert [one.host.name for batch in batches for one in batch] == [f"h{n}" for n in range(1, 21)]


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1,", "101%", "0%", "rest,1", "1.5", "1e3"])
def test_what_is_no_batch_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        sizes_of(text)


@pytest.mark.parametrize(
    ("limit", "count", "total", "reached"),
    [("3", 2, 1000, False), ("3", 3, 1000, True), ("10%", 1, 16, False), ("10%", 2, 16, True),
     ("10%", 1, 3, True), ("100%", 15, 16, False), ("100%", 16, 16, True), ("1%", 1, 1000, False)],
)  # fmt: skip
def test_a_budget_is_spent_when_it_is_reached(
    limit: str, count: int, total: int, *, reached: bool
) -> None:
    assert Share.of_text(limit, "--max-failures").reached(count, total) is reached


def test_s02_a_batch_begins_when_the_one_before_it_has_ended() -> None:
    run = Run()
    run(fleet(9), batches=sizes_of("1,3,rest"))
    assert run.begun[0] == "h1"
    assert set(run.begun[1:4]) == {"h2", "h3", "h4"}
    for names in run.together:
        assert (
            names <= {"h1"}
            or names <= {"h2", "h3", "h4"}
            or names <= {f"h{n}" for n in range(5, 10)}
        )


def test_s02_a_canary_that_fails_is_the_last_one() -> None:
    run = Run(fails=("h1",))
    told = run(fleet(5), batches=sizes_of("1,rest"))
    assert run.begun == ["h1"]
    assert not_begun(told) == ["h2", "h3", "h4", "h5"]
    one = failed(told)["h5"]
    assert (one.exit, one.changed_host) == (Exit.REFUSED, False)
    assert one.brief == "not begun: 1 of 5 hosts failed, and no batch follows a failure"
    assert "--limit @unfinished" in (one.next_step or "")


def test_a_canary_is_a_host_that_is_changed() -> None:
    run = Run(fails=("h3",))
    told = run(fleet(4, so_already=(1, 2)), batches=sizes_of("1,rest"))
    assert sorted(run.begun) == ["h1", "h2", "h3"]
    assert not_begun(told) == ["h4"]


def test_s02_running_hosts_end_and_no_more_begin() -> None:
    both, gate = threading.Barrier(2), threading.Event()
    run = Run(fails=("h1",))

    def during(name: str) -> None:
        both.wait(10)
        assert name == "h1" or gate.wait(10)

    run.during = during
    told = []
    for event in roll(
        fleet(6), Rollout(most_failures=Share(1)), run.change,
        connect=run.connect, stop=run.stop, workers=2,
    ):  # fmt: skip
        told.append(event)
        if event.host == "h1":
            gate.set()
    assert set(run.begun) == {"h1", "h2"}
    assert [event.host for event in told if isinstance(event, events.RunFinished)] == ["h2"]
    assert not_begun(told) == ["h3", "h4", "h5", "h6"]
    assert {one.brief for one in failed(told).values() if not one.begun} == {
        "not begun: 1 of 6 hosts failed, and --max-failures is 1"
    }


def test_a_budget_lets_batches_go_on() -> None:
    run = Run(fails=("h1",))
    run(fleet(5), batches=sizes_of("1,rest"), most_failures=Share(2))
    assert sorted(run.begun) == ["h1", "h2", "h3", "h4", "h5"]


def test_hosts_that_were_not_reached_count_where_a_number_was_given() -> None:
    hosts = fleet(4)
    hosts[0].finished = hosts[1].finished = True
    run = Run()
    assert not_begun(run(hosts, most_failures=Share(50, percent=True))) == ["h3", "h4"]
    hosts = fleet(4)
    hosts[0].finished = True
    assert not_begun(run(hosts, batches=sizes_of("1"))) == []


def test_what_is_so_already_is_so_whatever_failed() -> None:
    hosts = fleet(3, so_already=(3,))
    hosts[0].finished = True
    run = Run()
    assert not_begun(run(hosts, most_failures=Share(1))) == ["h2"]
    assert run.begun == ["h3"]


@pytest.mark.parametrize("signal", ["after_step", "now"])
def test_after_ctrl_c_no_further_host_is_begun(signal: str) -> None:
    run = Run()
    run.during = lambda _: getattr(run.stop, signal).set()
    told = run(fleet(5), workers=1)
    assert run.begun == ["h1"]
    assert {one.exit for one in failed(told).values()} == {Exit.INTERRUPTED}
    assert not_begun(told) == ["h2", "h3", "h4", "h5"]


def test_a_pause_ends_with_ctrl_c() -> None:
    run = Run()
    threading.Timer(0.1, run.stop.after_step.set).start()
    began = time.monotonic()
    assert not_begun(run(fleet(2), batches=sizes_of("1"), pause=60)) == ["h2"]
    assert time.monotonic() - began < 30


def test_a_connection_that_was_parked_is_opened_again() -> None:
    hosts = fleet(2)
    hosts[1].transport, hosts[1].parked = None, True
    run = Run()
    assert failed(run(hosts)) == {}
    assert run.connected == ["h2"]


# --- commands beside hosts --------------------------------------------------------------------


def test_words_are_filled_in_and_stay_words() -> None:
    host = Host(name="web$1; rm -rf /", address="10.0.0.1", user="ops")
    words = words_of("""lb --drain {host} 'at {address}:{port} by {user}' '{"x": {no}}'""", "--x")
    assert filled(words, host) == [
        "lb", "--drain", "web$1; rm -rf /", "at 10.0.0.1:22 by ops", '{"x": {no}}',
    ]  # fmt: skip
    assert filled(["{address}"], Host(name="local")) == ["localhost"]


@pytest.mark.parametrize("text", ["", "  ", "'half"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        words_of(text, "--before-host")


def noting(tmp_path: Path, word: str, status: int = 0) -> tuple[str, ...]:
    script = (
        f"import sys; open({str(tmp_path / 'log')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')"
    )
    return (PYTHON, "-c", f"{script}; print('said'); sys.exit({status})", word, "{host}")


def test_commands_run_around_each_host_that_is_changed(tmp_path: Path) -> None:
    run = Run(fails=("h2",))
    run.during = lambda name: noted(tmp_path, f"change {name}")
    told = run(
        fleet(3, so_already=(3,)), workers=1,
        before=noting(tmp_path, "before"), after=noting(tmp_path, "after"),
    )  # fmt: skip
    assert (tmp_path / "log").read_text().splitlines() == [
        "change h3", "before h1", "change h1", "after h1", "before h2", "change h2",
    ]  # fmt: skip
    notes = [event.text for event in told if isinstance(event, events.Note)]
    assert notes == ["before: said", "after: said", "before: said"]


def noted(tmp_path: Path, text: str) -> None:
    with (tmp_path / "log").open("a") as log:
        log.write(f"{text}\n")


def test_a_host_is_left_alone_where_the_command_before_it_fails(tmp_path: Path) -> None:
    run = Run()
    told = run(fleet(1), before=noting(tmp_path, "before", status=3))
    one = failed(told)["h1"]
    assert run.begun == []
    assert (one.exit, one.step, one.changed_host) == (Exit.REFUSED, "before", False)
    assert one.brief == "the command before this host ended with status 3"
    assert dict(one.details)["output"] == "said"
    told = run(fleet(1), before=("/no/such/program",))
    assert "cannot be started: No such file" in failed(told)["h1"].brief


def test_a_command_after_a_host_that_fails_is_told_with_the_command(tmp_path: Path) -> None:
    one = failed(Run()(fleet(1), after=("false", "{host}")))["h1"]
    assert (one.exit, one.next_step) == (Exit.FAILED, "run it by hand: false h1")
    assert one.brief == "the host is done, and the command after it ended with status 1"


def test_the_second_ctrl_c_ends_a_command(tmp_path: Path) -> None:
    run = Run()
    threading.Timer(0.1, run.stop.now.set).start()
    one = failed(run(fleet(1), before=("sleep", "60")))["h1"]
    assert one.brief == "the command before this host was interrupted"


def test_endless_output_of_a_command_is_cut() -> None:
    told = Run()(fleet(1), before=("sh", "-c", "yes | head -c 9000000"))
    assert len([event for event in told if isinstance(event, events.Note)]) == 10
