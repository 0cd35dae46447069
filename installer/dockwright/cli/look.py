"""Look: facts, attach, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dockwright.cli.options import Hosts, Reach, Show
from dockwright.cli.register import LOOK, command
from dockwright.errors import Exit


@command(LOOK)
def facts(*, hosts: Hosts = None, reach: Reach, show: Show) -> Exit:
    """Tell what each HOST is; read-only, one round trip."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.session import Session
    from dockwright.cli.shared import request_for

    with Session(Fleet(hosts, reach, show), reach, show) as session:
        prepared = session.gather(request_for("facts"))
        session.finish()
        if not show.as_json:
            from dockwright.report.facts_view import render_facts
            from dockwright.report.page import open_console

            console = open_console(sys.stdout, show.color.value)
            for one in prepared:
                if one.facts is not None:
                    render_facts(
                        one.facts, console, host=one.host.name, how=one.how, verbose=show.verbose
                    )
    return session.exit()


@command(LOOK)
def attach(*, hosts: Hosts = None, reach: Reach, show: Show) -> Exit:
    """Follow the run that is under way on each HOST, or show how the last one ended."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.session import Session
    from dockwright.cli.shared import request_for

    with Session(Fleet(hosts, reach, show), reach, show) as session:
        session.attach(request_for("attach"))
    return session.exit()


@command(LOOK)
def report(
    *,
    run: Annotated[
        Path, typer.Argument(metavar="RUN.JSONL", help="Events of a run: --log or --json.")
    ],
    show: Show,
) -> Exit:
    """Tell a run again from its events, with the same exit code, or make its reports."""
    from dockwright.cli.outputs import open_files
    from dockwright.report import REPORTERS, Output
    from dockwright.report.jsonl import read_log
    from dockwright.report.tally import exit_code, tally

    told = read_log(run)
    files = open_files(show, source=run)
    output = Output(
        stream=sys.stdout,
        hosts=tuple(dict.fromkeys(event.host for event in told)),
        color=show.color.value,
        quiet=show.quiet,
        verbose=show.verbose,
    )
    # The console ends first: what cannot be written is told below it.
    for reporter in (REPORTERS["jsonl" if show.as_json else "console"](output), *files):
        for event in told:
            reporter(event)
        reporter.close()
    return exit_code(tally(told).values(), detailed=show.detailed)
