"""Plans: apply, render."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dockwright import profiles
from dockwright.cli.fleet import Fleet
from dockwright.cli.options import (
    Choice,
    Consent,
    Hosts,
    PlaybookName,
    Reach,
    Renewal,
    Show,
    Values,
)
from dockwright.cli.register import PLANS, command
from dockwright.cli.session import Session
from dockwright.cli.shared import change, playbook_of, playbooks_of, request_for, save
from dockwright.errors import Exit, InputError
from dockwright.load.saved import read_plans


@command(PLANS)
def apply(
    *,
    playbook: PlaybookName,
    hosts: Hosts = None,
    choice: Choice,
    values: Values,
    renewal: Renewal,
    consent: Consent,
    reach: Reach,
    show: Show,
) -> Exit:
    """Apply a playbook to each HOST, or plans that were saved by plan -o."""
    if playbook.endswith(".json"):
        return _apply_saved(Path(playbook), hosts or [], consent, reach, show)
    fleet = Fleet(hosts, reach, show)
    books = playbooks_of(playbook, values, choice, fleet)
    return change(request_for("apply", books, renewal, consent), fleet, consent, reach, show)


@command(PLANS)
def undo(
    *,
    hosts: Annotated[list[str], typer.Argument(metavar="HOST...", help="Named, 'local' too.")],
    consent: Consent,
    reach: Reach,
    show: Show,
) -> Exit:
    """Take each HOST back to the state before the last run; data stays."""
    fleet = Fleet(hosts, reach, show)
    return change(request_for("undo", consent=consent), fleet, consent, reach, show)


@command(PLANS)
def render(
    *,
    playbook: PlaybookName,
    target: Annotated[
        list[str],
        typer.Option(
            "--for",
            metavar="HOST|PROFILE",
            help="A HOST: its very program. ubuntu:24.04:amd64 (may be repeated) or 'all': one "
            "file that needs no controller.",
        ),
    ],
    lock: Annotated[
        bool, typer.Option("--lock", help="Pin today's versions instead of a floor.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write to this file.", show_default=False)
    ] = None,
    choice: Choice,
    values: Values,
    renewal: Renewal,
    reach: Reach,
) -> Exit:
    """Print the program that would run on a host, or one that runs there by itself."""
    names = list(profiles.ALL) if target == ["all"] else target
    if all(profiles.named(name) for name in names):
        from dockwright.renderer.onefile import render_file

        book = playbook_of(playbook, values, choice)
        made = profiles.profiles(book, names, proxy=renewal.proxy)
        name = out.name if out else f"dockwright-{book.name}.sh"
        _print(render_file(made, name=name, exact=lock).text, out)
        return Exit.OK
    if len(names) > 1:
        raise InputError("--for takes one host, or profiles such as ubuntu:24.04:amd64")
    from dockwright.renderer import render_program

    fleet = Fleet(names, reach)
    if len(fleet.hosts) > 1:
        raise InputError(f"--for takes one host, and {names[0]} is {len(fleet.hosts)}")
    request = request_for("render", playbooks_of(playbook, values, choice, fleet), renewal)
    with Session(fleet, reach, Show(quiet=True), stream=sys.stderr) as session:
        (prepared,) = session.prepare(request)
        session.finish()
        if prepared.plan is not None:
            _print(render_program(prepared.plan, operator=request.operator).text, out)
    return session.exit()


def _apply_saved(
    path: Path, targets: list[str], consent: Consent, reach: Reach, show: Show
) -> Exit:
    """Apply saved plans as they are: what was asked then is not asked again."""
    plans = {plan.host: plan for plan in read_plans(path)}
    if not plans:
        raise InputError(f"{path} has no plan for any host")
    fleet = Fleet(targets or list(plans), reach, show)
    unknown = [host.name for host in fleet.hosts if host.name not in plans]
    if unknown:
        raise InputError(
            f"{path} has no plan for {', '.join(unknown)}", details=(("has", ", ".join(plans)),)
        )
    request = request_for("apply", consent=consent)
    with Session(fleet, reach, show) as session:
        session.take_up(plans, request)
        if consent.dry_run:
            session.finish()
        else:
            session.carry_out(request)
    return session.exit()


def _print(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
    else:
        save(out, text)
