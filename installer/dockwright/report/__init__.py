"""Reporters: each is given the events of a run, of one host or of many, and says them its way.

The console, the log and the reports are reporters; exit codes come from :mod:`dockwright.report.tally`. A
reporter is imported only when it is asked for, so a run with ``--json`` never loads rich.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TextIO

if TYPE_CHECKING:
    from pathlib import Path

    from dockwright.events import Event

Color = Literal["auto", "always", "never"]


class Reporter(Protocol):
    """Takes events from one thread, in order; events of several hosts come interleaved."""

    def __call__(self, event: Event) -> None:
        """Take one event."""
        ...

    def close(self) -> None:
        """Say what is said at the end and let go of the output; a second call does nothing."""
        ...


@dataclass(frozen=True)
class Output:
    """Where a reporter writes, and what the options on the command line ask of it.

    ``hosts`` are the names of all hosts of the run, where they are known: they set the width of
    the column, and more than one makes it the run of a fleet. ``plans`` tells the console to show
    plans as they come; without it the caller does, with ``plan_view.render_plan``.
    """

    stream: TextIO
    hosts: tuple[str, ...] = ()
    color: Color = "auto"
    quiet: bool = False
    verbose: bool = False
    plans: bool = True


def _console(output: Output) -> Reporter:
    # rich takes time to load, and a run with --json does without
    from dockwright.report.console import ConsoleReporter
    from dockwright.report.page import open_console

    return ConsoleReporter(
        open_console(output.stream, output.color),
        hosts=output.hosts,
        quiet=output.quiet,
        verbose=output.verbose,
        plans=output.plans,
    )


def _jsonl(output: Output) -> Reporter:
    from dockwright.report.jsonl import JsonlReporter

    return JsonlReporter(output.stream)


def _html(output: Output) -> Reporter:
    from dockwright.report.html import render_html
    from dockwright.report.whole import WholeReporter

    return WholeReporter(render_html, output.stream)


def _junit(output: Output) -> Reporter:
    from dockwright.report.junit import render_junit
    from dockwright.report.whole import WholeReporter

    return WholeReporter(render_junit, output.stream)


def _summary(output: Output) -> Reporter:
    from dockwright.report.markdown import render_markdown
    from dockwright.report.whole import WholeReporter

    return WholeReporter(render_markdown, output.stream)


def _verdict(output: Output) -> Reporter:
    from dockwright.report.verdict import render_verdict
    from dockwright.report.whole import WholeReporter

    return WholeReporter(render_verdict, output.stream)


# To add a reporter: its module, and its line here.
REPORTERS: dict[str, Callable[[Output], Reporter]] = {
    "console": _console,
    "jsonl": _jsonl,
    "html": _html,
    "junit": _junit,
    "summary": _summary,
    "verdict": _verdict,
}
# Those that are written whole at the end, to a file: each is an option of the same name.
FILES = {"html": "HTML report", "junit": "JUnit report", "summary": "summary", "verdict": "verdict"}


def to_file(name: str, path: Path) -> Reporter:
    """A reporter of ``FILES`` whose file is there, whole, when it is closed.

    Raises InputError at once where that file cannot be written.
    """
    from dockwright.report.whole import WholeFile

    return REPORTERS[name](Output(WholeFile(path, FILES[name])))
