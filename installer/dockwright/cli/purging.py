"""purge: data is deleted, so the host's own name is typed, or given, before anything is."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockwright.cli.options import Consent, NamedHosts, Reach, Show, Values
from dockwright.cli.register import EVERYDAY, command
from dockwright.cli.rolling import Rolling, rollout_of
from dockwright.errors import DestructiveError, Exit, InputError

if TYPE_CHECKING:
    from dockwright.app import Prepared
    from dockwright.cli.session import Session


def _flag(text: str, *names: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        *names, help=text, rich_help_panel="What is deleted", show_default=False
    )
    return option


@command(EVERYDAY)
def purge(
    *,
    hosts: NamedHosts,
    images: Annotated[bool, _flag("Images and build cache in no use.", "--images")] = False,
    volumes: Annotated[bool, _flag("Volumes in no use.", "--volumes")] = False,
    everything: Annotated[
        bool, _flag("Docker itself, as uninstall does, and all its data.", "--all")
    ] = False,
    data_root: Annotated[
        list[str] | None, _flag("A data root that is not the usual one.", "--data-root")
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(
            "--export",
            help="Save each volume that goes as DIR/NAME.tar on the host first.",
            metavar="DIR",
            rich_help_panel="What is deleted",
            show_default=False,
        ),
    ] = None,
    confirm: Annotated[
        list[str] | None,
        _flag("The host's own name, for scripts; one for each host.", "--confirm"),
    ] = None,
    stop_containers: Annotated[
        bool, _flag("Running containers may be stopped.", "--stop-containers")
    ] = False,
    forget: Annotated[
        bool, _flag("At the very end /var/lib/dockwright, too: receipts, backups.", "--forget")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Delete nothing, and save the plans here, for: apply FILE --confirm DIGITS.",
            show_default=False,
        ),
    ] = None,
    values: Values,
    consent: Consent,
    rolling: Rolling,
    reach: Reach,
    show: Show,
) -> Exit:
    """Delete Docker's data on each HOST, too: guarded, and confirmed by the host's name."""
    from dockwright.cli.fleet import Fleet
    from dockwright.cli.session import Session
    from dockwright.cli.shared import playbooks_of, request_for
    from dockwright.plan import Level

    if out is not None and forget:
        raise InputError(
            "--forget is no part of a saved plan",
            details=(("hosts", "none was contacted"),),
            next_step="after the plans were applied: dockwright purge HOST --all --forget",
        )
    if export is not None and not (volumes or everything):
        raise InputError(
            "--export saves volumes before they go, and none go",
            details=(("hosts", "none was contacted"),),
            next_step="add --volumes or --all",
        )
    level = Level(
        images=images,
        volumes=volumes,
        everything=everything,
        named=tuple(_path("--data-root", path) for path in data_root or ()),
        export=_path("--export", export) if export is not None else "",
    )
    rollout = rollout_of(rolling)
    fleet = Fleet(hosts, reach, show)
    books = playbooks_of("docker", values, None, fleet)
    may = replace(consent, allow_restart=stop_containers)
    request = replace(request_for("purge", books, consent=may), level=level)
    with Session(fleet, reach, show) as session:
        planned = _planned(session.prepare(request), forget=forget)
        looks = consent.dry_run or out is not None
        for going in [] if looks else planned:
            question = partial(_confirmed, session, going, confirm or [], forget=forget)
            session.judge(going, question)
        if looks:
            session.finish()
        else:
            session.carry_out(request, rollout)
            if session.again(request):
                session.carry_out(request, rollout)
            if forget:
                session.forget(request)
    if out is not None:
        _save(out, planned)
    return session.exit()


def _save(out: Path, planned: list[Prepared]) -> None:
    """Write the plans that delete data; a host that has to be mended first has none yet."""
    from dockwright import __version__
    from dockwright.cli.shared import save
    from dockwright.load.saved import digest, dump_plans

    plans = [one.plan for one in planned if one.plan is not None and one.plan.deletes]
    text = dump_plans(plans, __version__)
    save(out, text)
    names = ", ".join(plan.host for plan in plans) or "no host"
    sys.stderr.write(
        f"{out}: {names}\ndockwright apply {out} --confirm {digest(text)[:8]} deletes what it lists\n"
    )


def _path(option: str, text: str) -> str:
    from dockwright.receipts import plain

    if plain(text):
        return text
    raise InputError(
        f"{option} {text!r} is no plain absolute path",
        details=(("hosts", "none was contacted"),),
        next_step="name it from the root on"
        + (", as docker info does: Docker Root Dir" if option == "--data-root" else ""),
    )


def _planned(prepared: list[Prepared], *, forget: bool) -> list[Prepared]:
    """The hosts where something is deleted; with ``forget`` that may be what is known of runs alone."""
    return [
        one
        for one in prepared
        if one.plan is not None
        and (one.plan.changes or (forget and one.trail is not None and one.trail.runs))
    ]


def _confirmed(session: Session, prepared: Prepared, given: list[str], *, forget: bool) -> None:
    """Raises DestructiveError unless the host's own name was typed, or given with --confirm."""
    name = prepared.facts.hostname if prepared.facts is not None else ""
    if name and name in given:
        return
    if not given and session.terminal is not None:
        plan = prepared.plan
        gone = [a.target for a in plan.changes if a.component == "purge"] if plan else []
        what = ", ".join([*gone, *(["/var/lib/dockwright"] if forget else [])])
        question = f"This deletes {what or 'Docker'} on {prepared.host.name}. Type the host's name ({name}): "
        if session.terminal.typed(question) == name:
            return
        raise DestructiveError("not confirmed: what was typed is not the host's name")
    raise DestructiveError(
        f"data is deleted only where the host's own name confirms it: it is {name}",
        details=(("given", ", ".join(given)),) if given else (),
        next_step=f"the same command with --confirm {name}; --yes alone is not enough for data",
    )
