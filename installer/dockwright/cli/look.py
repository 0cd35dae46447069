"""Look: facts, attach."""

from __future__ import annotations

import sys

from dockwright.app import Request
from dockwright.cli.options import (
    Hosts,
    Reach,
    Show,
)
from dockwright.cli.register import LOOK, command
from dockwright.cli.session import Session, operator
from dockwright.cli.shared import request_for
from dockwright.errors import Exit


@command(LOOK)
def facts(*, hosts: Hosts = None, reach: Reach, show: Show) -> Exit:
    """Tell what each HOST is; read-only, one round trip."""
    with Session(hosts or [], reach, show) as session:
        prepared = session.gather(request_for("facts"))
        session.finish()
        if not show.as_json:
            from dockwright.report.facts_view import render_facts
            from dockwright.report.page import open_console

            console = open_console(sys.stdout, show.color.value)
            for one in prepared:
                if one.facts is not None and one.transport is not None:
                    how = one.transport.description
                    render_facts(
                        one.facts, console, host=one.host.name, how=how, verbose=show.verbose
                    )
    return session.exit()


@command(LOOK)
def attach(*, hosts: Hosts = None, reach: Reach, show: Show) -> Exit:
    """Follow the run that is under way on each HOST, or show how the last one ended."""
    with Session(hosts or [], reach, show) as session:
        session.attach(Request(command="attach", operator=operator()))
    return session.exit()
