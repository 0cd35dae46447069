"""Plans: apply, undo, history, render."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from dockwright.cli.options import (
    Choice,
    Consent,
    Fetch,
    Gateway,
    Hosts,
    NamedHosts,
    PlaybookName,
    Reach,
    Renewal,
    Show,
    Values,
)
from dockwright.cli.register import PLANS, command
from dockwright.cli.rolling import Rolling, Spreading
from dockwright.errors import DestructiveError, Exit, InputError


class RenderFormat(str, Enum):
    """What a program is wrapped in."""

    SH = "sh"
    CLOUD_INIT = "cloud-init"


@command(PLANS)
def apply(
    *,
    playbook: PlaybookName,
    hosts: Hosts = None,
    confirm: Annotated[
        str,
        typer.Option(
            "--confirm",
            metavar="DIGITS",
            help="For saved plans that delete data: the first eight digits of the file's sha256.",
            show_default=False,
        ),
    ] = "",
    choice: Choice,
    values: Values,
    renewal: Renewal,
    consent: Consent,
    rolling: Spreading,
    reach: Reach,
    show: Show,
) -> Exit:
    """Apply a playbook to each HOST, or plans that were saved by plan -o or purge -o."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.proxy import flag_of, given_proxy
    from dockwright.cli.registry import given_logins
    from dockwright.cli.shared import change, playbooks_of, request_for

    if playbook.endswith(".json"):
        if rolling.engine is not None:
            raise InputError(
                "--engine plans anew on its workers: saved plans are applied from here",
                details=(("hosts", "none was contacted"),),
                next_step="leave out --engine, or name the playbook",
            )
        return _apply_saved(
            Path(playbook), hosts or [], confirm, renewal, consent, rolling, reach, show
        )
    if confirm:
        raise InputError("--confirm is for saved plans that delete data", next_step="leave it out")
    proxy = given_proxy(renewal, reach)
    fleet = Fleet(hosts, reach, show)
    books = playbooks_of(playbook, values, choice, fleet, flag_of(proxy, renewal))
    request = request_for(
        "apply",
        books,
        renewal,
        consent,
        proxy,
        given_logins(renewal.registry_logins, reach, renewal.proxy_file),
    )
    return change(request, fleet, consent, rolling, reach, show)


@command(PLANS)
def undo(
    *,
    hosts: NamedHosts,
    run: Annotated[
        str, typer.Option("--run", metavar="ID", help="A run that history lists; else the last.")
    ] = "",
    gateway: Gateway,
    consent: Consent,
    rolling: Rolling,
    reach: Reach,
    show: Show,
) -> Exit:
    """Take each HOST back to the state before the last run, or a run; data stays."""
    from dataclasses import replace

    from dockwright.cli.fleet import Fleet
    from dockwright.cli.proxy import given_proxy
    from dockwright.cli.shared import change, request_for

    proxy = given_proxy(gateway, reach)
    fleet = Fleet(hosts, reach, show)
    request = replace(request_for("undo", consent=consent, proxy=proxy), undoes=run)
    return change(request, fleet, consent, rolling, reach, show)


@command(PLANS)
def history(*, hosts: Hosts = None, reach: Reach, show: Show) -> Exit:
    """List the runs that each HOST keeps: when, who, what; read-only, one round trip."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.session import Session
    from dockwright.cli.shared import request_for

    with Session(Fleet(hosts, reach, show), reach, show) as session:
        prepared = session.gather(request_for("history"))
        session.finish()
        if not show.as_json:
            from dockwright.report.history_view import render_history
            from dockwright.report.page import open_console

            console = open_console(sys.stdout, show.color.value)
            for one in prepared:
                if one.trail is not None:
                    render_history(one.trail.runs, console, host=one.host.name)
    return session.exit()


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
    form: Annotated[
        RenderFormat,
        typer.Option(
            "--format", help="sh, or cloud-init: user data that applies the file at first boot."
        ),
    ] = RenderFormat.SH,
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
    from dockwright import profiles
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.proxy import flag_of, given_proxy
    from dockwright.cli.registry import given_logins
    from dockwright.cli.session import Session
    from dockwright.cli.shared import playbook_of, playbooks_of, request_for

    proxy = given_proxy(renewal, reach)
    flags = flag_of(proxy, renewal)
    names = list(profiles.ALL) if target == ["all"] else target
    if all(profiles.named(name) for name in names):
        from dockwright.renderer.onefile import render_file

        book = playbook_of(playbook, values, choice, flags)
        if renewal.fetch is Fetch.HOST:
            raise InputError(
                "--fetch host: a profile is no host to fetch through",
                next_step="leave it out, or name a host: --for ops@web1",
            )
        made = profiles.profiles(book, names, proxy=proxy)
        usual = f"dockwright-{book.name}.sh"
        if form is RenderFormat.CLOUD_INIT:
            from dockwright.renderer.cloudinit import user_data

            program = render_file(made, name=usual, exact=lock)
            _print(user_data(program, name=book.name, file=usual), out)
            return Exit.OK
        name = out.name if out else usual
        _print(render_file(made, name=name, exact=lock).text, out)
        return Exit.OK
    if form is RenderFormat.CLOUD_INIT:
        raise InputError(
            "--format cloud-init is for profiles: a host that is at hand has booted already",
            next_step="such as --for ubuntu:24.04:amd64, or --for all",
        )
    if len(names) > 1:
        raise InputError("--for takes one host, or profiles such as ubuntu:24.04:amd64")
    from dockwright.renderer import render_program

    fleet = Fleet(names, reach)
    if len(fleet.hosts) > 1:
        raise InputError(f"--for takes one host, and {names[0]} is {len(fleet.hosts)}")
    books = playbooks_of(playbook, values, choice, fleet, flags)
    request = request_for(
        "render",
        books,
        renewal,
        None,
        proxy,
        given_logins(renewal.registry_logins, reach, renewal.proxy_file),
    )
    with Session(fleet, reach, Show(quiet=True), stream=sys.stderr) as session:
        (prepared,) = session.prepare(request)
        session.finish()
        if prepared.plan is not None:
            _print(render_program(prepared.plan, operator=request.operator).text, out)
    return session.exit()


def _apply_saved(
    path: Path,
    targets: list[str],
    confirm: str,
    renewal: Renewal,
    consent: Consent,
    rolling: Rolling,
    reach: Reach,
    show: Show,
) -> Exit:
    """Apply saved plans as they are: what was asked then is not asked again."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.proxy import check_saved, given_proxy
    from dockwright.cli.registry import check_logins, given_logins
    from dockwright.cli.rolling import rollout_of
    from dockwright.cli.session import Session
    from dockwright.cli.shared import request_for
    from dockwright.load.saved import read_plans

    rollout = rollout_of(rolling)
    proxy, logins = (
        given_proxy(renewal, reach),
        given_logins(renewal.registry_logins, reach, renewal.proxy_file),
    )
    saved, digest = read_plans(path)
    plans = {plan.host: plan for plan in saved}
    if not plans:
        raise InputError(f"{path} has no plan for any host")
    fleet = Fleet(targets or list(plans), reach, show)
    unknown = [host.name for host in fleet.hosts if host.name not in plans]
    if unknown:
        raise InputError(
            f"{path} has no plan for {', '.join(unknown)}", details=(("has", ", ".join(plans)),)
        )
    chosen = [plans[host.name] for host in fleet.hosts]
    check_saved(str(path), chosen, proxy)
    check_logins(str(path), chosen, logins)
    doomed = [host.name for host in fleet.hosts if plans[host.name].deletes]
    if doomed and not consent.dry_run and confirm.lower() != digest[:8]:
        raise DestructiveError(
            f"{path} deletes data: the first eight digits of its digest confirm it",
            details=(("on", ", ".join(doomed)), ("hosts", "none was contacted")),
            next_step=f"sha256sum {path}, and the same command with --confirm; --yes is not enough",
        )
    request = request_for("apply", consent=consent, proxy=proxy, logins=logins)
    with Session(fleet, reach, show) as session:
        session.take_up(plans, request)
        if consent.dry_run:
            session.finish()
        else:
            session.carry_out(request, rollout)
    return session.exit()


def _print(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
    else:
        from dockwright.cli.shared import save

        save(out, text)
