"""``doctor --error``: a message to its meaning, with a host or without one."""

from __future__ import annotations

import json
import sys

from dockwright.cli.options import Reach, Show
from dockwright.doctor.catalogue import Entry, explain
from dockwright.errors import Exit, InputError
from dockwright.report.text import clean


def asked_for(text: str | None, reach: Reach) -> tuple[Entry, ...]:
    """The entries of a message. Raises InputError where the catalogue has none for it."""
    if text is None:
        return ()
    if text == "-":
        if "-" in (reach.inventory or ()) or reach.sudo_password_file == "-":  # noqa: S105
            raise InputError("standard input cannot be both the message and something else")
        text = sys.stdin.read()
    found = explain(text)
    if not found:
        raise InputError(
            "the catalogue has no entry for that message",
            details=(("message", clean(text, 200)),),
            next_step="dockwright doctor HOST looks at the host itself",
        )
    return found


def explain_only(asked: tuple[Entry, ...], show: Show) -> Exit:
    """Print what a message means; no host is contacted."""
    from dockwright import doctor
    from dockwright.report.doctor_view import explanation_lines
    from dockwright.report.page import Page, open_console

    explained = doctor.explained(asked)
    if show.as_json:
        told = [one.model_dump(mode="json", exclude_none=True) for one in explained]
        sys.stdout.write(json.dumps({"explained": told}) + "\n")
    else:
        page = Page(open_console(sys.stdout, show.color.value))
        page.put(explanation_lines(page, explained))
    return Exit.OK
