"""The console: finished lines that scroll, and below them, on a terminal, what runs now.

On a pipe, in CI and on a dumb terminal it is one plain line an event.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.text import Text

from dockwright import events
from dockwright.events import Outcome
from dockwright.report import errors, summary
from dockwright.report.crowd import CROWD, Progress, Repeats
from dockwright.report.doctor_view import diagnosis_lines
from dockwright.report.live import Frame, Running
from dockwright.report.page import Page, styled
from dockwright.report.plan_view import count_line, plan_lines
from dockwright.report.rows import Rows
from dockwright.report.screen import Screen
from dockwright.report.step_view import loaded, lock_of, step_lines, true_percent
from dockwright.report.tally import HostTally, fold
from dockwright.report.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from dockwright.events import Event
    from dockwright.plan import HostPlan

_REMIND = 10.0  # seconds between two lines about one step, where there is no live region


class ConsoleReporter:
    """Events as people read them, for one host or many."""

    def __init__(
        self,
        console: Console,
        *,
        hosts: Sequence[str] = (),
        quiet: bool = False,
        verbose: bool = False,
        plans: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._page = Page(console)
        self._rows = Rows(self._page, hosts)
        self._expected = len(hosts)
        self._quiet = quiet
        self._verbose = verbose and not quiet
        self._plans = plans and not quiet
        self._clock = clock
        self._tallies: dict[str, HostTally] = {}
        self._reached: dict[str, events.HostReached] = {}
        self._plan: dict[str, HostPlan] = {}
        self._titles: dict[str, dict[str, str]] = {}
        self._repeats, self._progress = Repeats(), Progress(len(hosts))
        self._told: dict[str, tuple[float, str]] = {}
        self._running: dict[str, Running] = {}
        self._closed = False
        # A kind of event that is not here would go unseen: a test holds the table complete.
        self._handlers: dict[type, Callable[[Any], None]] = {
            events.RunStarted: self._run_started,
            events.HostReached: self._host_reached,
            events.HistoryTold: lambda _: None,  # the command prints it as a table
            events.Diagnosed: lambda event: self._screen.put(diagnosis_lines(self._page, event)),
            events.PhaseFinished: self._phase_finished,
            events.Planned: self._planned,
            events.ProgramStarted: self._program_started,
            events.StepStarted: self._step_started,
            events.StepProgress: self._step_progress,
            events.StepFinished: self._step_finished,
            events.Waiting: self._waiting,
            events.Note: self._noted,
            events.CommitPoint: self._commit_point,
            events.Failed: self._failed,
            events.RunFinished: self._run_finished,
        }
        frame = Frame(self._rows, self._running, clock, self._fleet_line)
        live = console.is_interactive and not quiet
        self._screen = Screen(self._page, frame, live=live)
        self._lock = self._screen.lock

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if event.host not in self._tallies:
                self._rows.know(event.host)
            tally = self._tallies[event.host] = fold(self._tallies.get(event.host), event)
            self._progress.take(tally, self._clock())
            self._handlers[type(event)](event)
            self._screen.draw()

    def close(self) -> None:
        """End the live region and say how the run ended."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._running.clear()
            self._screen.end()
            tallies = list(self._tallies.values())
            self._screen.put(summary.ending(self._page, tallies, quiet=self._quiet))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While something is asked on the terminal: no live region, and lines are kept back."""
        with self._lock:
            self._screen.hold()
        try:
            yield
        finally:
            with self._lock:
                self._screen.release()

    # --- lines --------------------------------------------------------------------------------

    def _run(self, host: str, step: str = "", text: str = "", **more: Any) -> None:
        since = more.pop("since", self._clock())
        self._running[host] = Running(host, step, text, since=since, **more)

    def _fleet_line(self) -> str:
        return self._progress.line(self._running, self._clock()) if self._is_fleet else ""

    @property
    def _is_fleet(self) -> bool:
        return max(self._expected, len(self._tallies)) > 1

    @property
    def _crowd(self) -> bool:
        """Whether hosts that are well are only counted, so that the others are seen."""
        return self._expected > CROWD and self._page.console.is_interactive and not self._verbose

    @property
    def _detailed(self) -> bool:
        """Whether each step has its line: not on a terminal that shows a whole fleet."""
        fleet_on_terminal = self._is_fleet and self._page.console.is_interactive
        return not self._quiet and (self._verbose or not fleet_on_terminal)

    def _note(self, host: str, step: str, text: str, *, style: str = "") -> None:
        sign = styled(self._page.signs.note, "cyan")
        self._screen.put(self._rows.block(host, sign, step, self._page.text(text, style)))

    def _title(self, event: events.StepStarted | events.StepFinished) -> str:
        titles = self._titles.setdefault(event.host, {})
        titles[event.step] = event.title or titles.get(event.step) or event.step
        return titles[event.step]

    def _remind(self, event: Event, topic: str) -> bool:
        """Whether it is time for a line about something that lasts, where nothing is live."""
        at, last = self._told.get(event.host, (-math.inf, ""))
        if not self._detailed or self._page.console.is_interactive:
            return False
        if topic == last and event.at - at < _REMIND:
            return False
        self._told[event.host] = (event.at, topic)
        return True

    # --- one method for each kind of event ----------------------------------------------------

    def _run_started(self, event: events.RunStarted) -> None:
        self._run(event.host, "connect")
        if self._verbose:
            by = f", by {event.operator}" if event.operator else ""
            text = f"{event.command} {event.playbook}, dockwright {event.version}{by}"
            self._note(event.host, "run", text, style="dim")

    def _host_reached(self, event: events.HostReached) -> None:
        self._reached[event.host] = event
        self._run(event.host, "plan")
        if self._verbose:
            text = f"{event.facts.pretty_name}, {event.how}"
            body, spent = self._page.text(text), duration(event.seconds)
            self._screen.put(
                [self._rows.row(event.host, self._page.ok, "reach", body, right=spent)]
            )

    def _phase_finished(self, event: events.PhaseFinished) -> None:
        self._run(event.host)
        # A plan tells it with the plan.
        if self._detailed and (self._verbose or self._tallies[event.host].command != "plan"):
            body, spent = self._page.text(event.text), duration(event.seconds)
            row = self._rows.row(event.host, self._page.ok, event.phase, body, right=spent)
            self._screen.put([row])

    def _planned(self, event: events.Planned) -> None:
        plan, host = event.plan, event.host
        self._plan[host] = plan
        steps = [(action.id, action.step) for action in (*plan.changes, *plan.checks)]
        self._titles.setdefault(host, {}).update(steps)
        if not self._is_fleet:
            self._rows.expect(step for _, step in steps)
        self._running.pop(host, None)  # nothing runs until the plan is agreed upon
        reached = self._reached.pop(host, None)
        if not self._plans:
            return
        planning = self._tallies[host].command in ("plan", "doctor")
        if self._is_fleet and not (self._verbose or planning):
            if not self._crowd or plan.destructive:
                self._note(host, "plan", count_line(plan))
        elif plan.changes or self._verbose or planning:
            facts, how = (reached.facts, reached.how) if reached else (None, None)
            lines = plan_lines(self._page, plan, facts, how, verbose=self._verbose)
            self._screen.put(lines)

    def _program_started(self, event: events.ProgramStarted) -> None:
        self._run(event.host)
        if self._plans and not self._is_fleet:
            self._screen.put([Text()])
        if event.joined and not self._quiet:
            self._note(event.host, "join", f"joined the run that is under way ({event.run_id})")
        elif self._verbose:
            self._note(event.host, "start", f"run {event.run_id} in {event.directory}", style="dim")

    def _step_started(self, event: events.StepStarted) -> None:
        self._told[event.host] = (event.at, event.step)
        self._run(event.host, self._title(event))

    def _step_progress(self, event: events.StepProgress) -> None:
        before = self._running.get(event.host)
        title = self._titles.get(event.host, {}).get(event.step, event.step)
        percent = true_percent(event)
        text = loaded(event, title, self._plan.get(event.host))
        since = before.since if before and before.step == title else self._clock()
        self._run(event.host, title, text, percent=percent, since=since)
        if self._remind(event, event.step):
            body = self._page.text(f"{percent:.0f} %  {text}")
            sign = styled(self._page.signs.dot, "dim")
            self._screen.put([self._rows.row(event.host, sign, title, body)])

    def _step_finished(self, event: events.StepFinished) -> None:
        self._run(event.host)
        title = self._title(event)
        told = self._verbose or event.outcome not in (Outcome.SAME, Outcome.SKIPPED)
        failed = event.outcome is Outcome.FAILED
        shown = failed and not (self._crowd and self._repeats.enough_of_step(event, title))
        if shown or (told and self._detailed):
            self._screen.put(step_lines(self._rows, event, title, verbose=self._verbose))

    def _waiting(self, event: events.Waiting) -> None:
        lock, seconds, text = lock_of(event), event.seconds, f"waiting for {event.holder}"
        self._run(event.host, lock, text, waiting=True, since=self._clock() - seconds)
        if self._remind(event, text):
            sign, body = styled(self._page.signs.wait, "yellow"), self._page.text(text)
            row = self._rows.row(event.host, sign, lock, body, right=duration(seconds))
            self._screen.put([row])

    def _noted(self, event: events.Note) -> None:
        if not self._quiet:
            self._note(event.host, "note", event.text)

    def _commit_point(self, event: events.CommitPoint) -> None:
        if self._verbose:
            self._note(event.host, "commit", "from here on the host changes", style="dim")

    def _failed(self, event: events.Failed) -> None:
        self._running.pop(event.host, None)
        if not event.begun:  # many, for one reason, which the last lines tell
            return
        step = self._titles.get(event.host, {}).get(event.step or "")
        trouble = errors.Trouble.of_event(event, step)
        if self._tallies[event.host].count(Outcome.FAILED):  # the step has shown what it printed
            trouble = replace(trouble, details=tuple(d for d in event.details if d[0] != "output"))
        if self._is_fleet and self._repeats.enough(trouble):
            # What befalls a whole fleet is told thrice; the last lines have the count.
            brief = self._page.text(trouble.brief)
            row = self._rows.row(event.host, self._page.bad, trouble.exit.word, brief)
            self._screen.put([] if self._page.console.is_interactive else [row])
            return
        lines = errors.block(trouble, self._rows)
        # What a step printed ends here; what other hosts do goes on below.
        above = [Text()] if self._tallies[event.host].count(Outcome.FAILED) else []
        below = [Text()] if self._is_fleet else []
        self._screen.put(lines if self._quiet else [*above, *lines, *below])

    def _run_finished(self, event: events.RunFinished) -> None:
        host = event.host
        self._running.pop(host, None)
        self._plan.pop(host, None)
        self._told.pop(host, None)
        self._titles.pop(host, None)
        tally = self._tallies[host]
        if not self._is_fleet or self._quiet or tally.failure is not None:
            return
        if event.exit:
            sign = self._page.bad
            body = styled(f"exit {event.exit.value} ({event.exit.word})")
        elif tally.unapplied or self._crowd:
            return
        else:
            sign, body = self._page.ok, styled(f"{event.changed} changed, {event.same} already so")
        self._screen.put([self._rows.row(host, sign, "done", body, right=duration(event.seconds))])
