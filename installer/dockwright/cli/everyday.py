"""Everyday: install, plan, verify, doctor, uninstall."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dockwright.cli.options import (
    WHAT,
    Choice,
    Consent,
    Hosts,
    NamedHosts,
    PlaybookName,
    Reach,
    RegistryLogins,
    Renewal,
    Show,
    Values,
)
from dockwright.cli.register import EVERYDAY, command
from dockwright.cli.rolling import Spreading
from dockwright.errors import Exit


@command(EVERYDAY)
def install(
    *,
    hosts: Hosts = None,
    gpu: Annotated[
        bool,
        typer.Option(
            "--gpu", help="With NVIDIA's Container Toolkit: apply gpu.", rich_help_panel=WHAT
        ),
    ] = False,
    choice: Choice,
    values: Values,
    renewal: Renewal,
    consent: Consent,
    rolling: Spreading,
    reach: Reach,
    show: Show,
) -> Exit:
    """Make each HOST a verified Docker host; short for: apply docker."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.proxy import flag_of, given_proxy
    from dockwright.cli.registry import given_logins
    from dockwright.cli.shared import change, playbooks_of, request_for

    proxy = given_proxy(renewal, reach)
    fleet = Fleet(hosts, reach, show)
    books = playbooks_of("gpu" if gpu else "docker", values, choice, fleet, flag_of(proxy, renewal))
    request = request_for(
        "install",
        books,
        renewal,
        consent,
        proxy,
        given_logins(renewal.registry_logins, reach, renewal.proxy_file),
    )
    return change(request, fleet, consent, rolling, reach, show)


@command(EVERYDAY)
def plan(
    *,
    playbook: PlaybookName,
    hosts: Hosts = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Save the plans here.", show_default=False)
    ] = None,
    choice: Choice,
    values: Values,
    renewal: Renewal,
    reach: Reach,
    show: Show,
) -> Exit:
    """Show what would change on each HOST, why, and with which diffs."""
    from dockwright import __version__
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.proxy import flag_of, given_proxy
    from dockwright.cli.registry import given_logins
    from dockwright.cli.session import Session
    from dockwright.cli.shared import playbooks_of, request_for, save

    proxy = given_proxy(renewal, reach)
    fleet = Fleet(hosts, reach, show)
    books = playbooks_of(playbook, values, choice, fleet, flag_of(proxy, renewal))
    request = request_for(
        "plan",
        books,
        renewal,
        None,
        proxy,
        given_logins(renewal.registry_logins, reach, renewal.proxy_file),
    )
    with Session(fleet, reach, show) as session:
        prepared = session.prepare(request)
        session.finish()
    if out is not None:
        from dockwright.load.saved import dump_plans

        made = [one.plan for one in prepared if one.plan is not None]
        save(out, dump_plans(made, __version__))
    return session.exit()


@command(EVERYDAY)
def verify(
    *,
    hosts: Hosts = None,
    operations: Annotated[
        bool,
        typer.Option(
            "--operations",
            help="Walk the manual's list as well: search, pull, tag, push, save, load, build, ...",
        ),
    ] = False,
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry",
            metavar="HOST[/NAME]",
            help="With --operations: the registry that is pushed to.",
            show_default=False,
        ),
    ] = None,
    registry_logins: RegistryLogins = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="A program of CUDA's has to compute in a container, too."),
    ] = False,
    values: Values,
    reach: Reach,
    show: Show,
) -> Exit:
    """Prove that each HOST runs containers: client, daemon, pull, run, and its GPUs in them."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.registry import given_logins, operation_flags
    from dockwright.cli.session import Session
    from dockwright.cli.shared import playbooks_of, request_for
    from dockwright.load import Flag

    logins = given_logins(registry_logins, reach)
    fleet = Fleet(hosts, reach, show)
    flags = operation_flags(operations=operations, registry=registry)
    if deep:  # then a host without GPUs is none that was asked for
        flags += (Flag("--deep", "gpu_deep", value=True), Flag("--deep", "gpu", "required"))
    request = request_for(
        "verify", playbooks_of("verify", values, None, fleet, flags), logins=logins
    )
    with Session(fleet, reach, show) as session:
        session.prepare(request)
        session.carry_out(request)
    return session.exit()


@command(EVERYDAY)
def doctor(
    *,
    hosts: Hosts = None,
    error: Annotated[
        str | None,
        typer.Option(
            "--error",
            metavar="TEXT",
            help="A message of apt, docker or nvidia-smi, or - for stdin: what it means, and what "
            "each HOST shows of it. Without a HOST none is contacted.",
            show_default=False,
        ),
    ] = None,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Plan what mends it, and show the plan; nothing is changed."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Save the plan of --fix here, for: apply FILE.", show_default=False
        ),
    ] = None,
    values: Values,
    reach: Reach,
    show: Show,
) -> Exit:
    """Tell what is wrong on each HOST, and what mends it; read-only, with and without root."""
    from dataclasses import replace

    from dockwright.cli.explaining import asked_for, explain_only
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.mending import check_fix, mends_of, save_mends
    from dockwright.cli.session import Session
    from dockwright.cli.shared import request_for

    asked = asked_for(error, reach)
    check_fix(out, values, fix=fix)
    if error is not None and not fix and not hosts and not reach.inventory:
        return explain_only(asked, show)
    fleet = Fleet(hosts, reach, show)
    request = replace(request_for("doctor"), asked=asked)
    if fix:
        request = replace(request, mends=mends_of(values, fleet))
    with Session(fleet, reach, show) as session:
        prepared = session.gather(request)
        session.finish()
    if out is not None:
        save_mends(out, prepared)
    return session.exit()


@command(EVERYDAY)
def uninstall(
    *,
    hosts: NamedHosts,
    values: Values,
    consent: Consent,
    rolling: Spreading,
    reach: Reach,
    show: Show,
) -> Exit:
    """Take Docker off each HOST: packages, sources, keys, settings that are ours; data stays."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.shared import change, playbooks_of, request_for

    fleet = Fleet(hosts, reach, show)
    books = playbooks_of("docker", values, None, fleet)
    request = request_for("uninstall", books, consent=consent)
    return change(request, fleet, consent, rolling, reach, show)
