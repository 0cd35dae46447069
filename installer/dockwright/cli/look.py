"""Look: facts."""

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
from dockwright.errors import Exit


@command(LOOK)
def facts(*, hosts: Hosts = None, reach: Reach, show: Show) -> Exit:
    """Tell what each HOST is; read-only, one round trip."""
    with Session(hosts or [], reach, show) as session:
        prepared = session.gather(Request(command="facts", operator=operator()))
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
