"""``doctor --fix``: where its playbooks come from, and where its plans go."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dockwright import __version__
from dockwright.app import Mends, Prepared
from dockwright.cli.fleet import Fleet
from dockwright.cli.options import Choice, Values
from dockwright.cli.shared import playbooks_of, save
from dockwright.errors import InputError
from dockwright.load import Playbook, load_playbook
from dockwright.load.saved import dump_plans


def mends_of(values: Values, fleet: Fleet) -> Mends:
    """The playbooks that mend hosts, by what the options and the inventory say.

    Mistakes in those are told at once, before any host is contacted; raises InputError.
    """
    # Playbook gpu knows all that docker knows; which of them a host needs is known when it was seen.
    known = load_playbook("docker").declared
    shared = [one for one in values.sets or () if one.partition("=")[0].strip() in known]
    by_name = {"gpu": values, "docker": replace(values, sets=shared)}
    made = {name: playbooks_of(name, given, None, fleet) for name, given in by_name.items()}

    def book(host: str, name: str, remove_snap: bool) -> Playbook:  # noqa: FBT001
        books: Mapping[str, Playbook] = made[name]
        if remove_snap:
            books = playbooks_of(name, by_name[name], Choice(remove_snap=True), fleet)
        return books[host]

    return book


def check_fix(out: Path | None, values: Values, *, fix: bool) -> None:
    """Raises InputError for options that only say something about a plan, where none is asked for."""
    if not fix and (out is not None or values.sets or values.variables):
        raise InputError(
            "-o, --set and --vars are about the plan of --fix",
            details=(("hosts", "none was contacted"),),
            next_step="add --fix: nothing is changed by it",
        )


def save_mends(out: Path, prepared: list[Prepared]) -> None:
    """Save the plans that mend something; no file where there is none. Raises InputError."""
    plans = [one.plan for one in prepared if one.plan is not None and one.plan.changes]
    if not plans:
        sys.stderr.write(f"{out} was not written: there is no plan\n")
        return
    save(out, dump_plans(plans, __version__))
    names = ", ".join(plan.host for plan in plans)
    sys.stderr.write(f"{out}: {names}\ndockwright apply {out} carries it out\n")
