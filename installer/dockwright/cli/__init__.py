"""The command line: words to stages, and the one place where an exit code is set."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from dockwright import __version__, profiles
from dockwright.app import Request
from dockwright.cli.options import (
    Choice,
    Color,
    Consent,
    Hosts,
    PlaybookName,
    Reach,
    Renewal,
    Show,
    Values,
    grouped,
)
from dockwright.cli.session import Session, operator
from dockwright.errors import DockwrightError, Exit, InputError
from dockwright.load import Flag, Overrides, Playbook, load_playbook
from dockwright.plan import HostPlan

_EXITS = (
    "Exit codes: 0 converged (20 changed, with --detailed-exitcode) · 2 input · 3 refused, nothing "
    "changed · 4 trust, nothing changed · 5 unreachable, login, sudo · 6 failed, resumable · "
    "7 host needs repair · 8 verification failed · 9 destructive action refused · 10 busy · 130 "
    "interrupted. Many hosts: the worst of 7>6>4>9>8>10>3>5>0."
)

typer_app = typer.Typer(
    name="dockwright",
    help="Turn bare Ubuntu and Debian machines into verified Docker hosts, over SSH or on the spot.",
    epilog=_EXITS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_EVERYDAY, _PLANS, _LOOK = "Everyday", "Plans", "Look"


def _command(panel: str) -> Callable[[Callable[..., Exit]], Callable[..., None]]:
    """Register a command; its Exit, or the exit of its error, becomes the exit status."""

    def register(function: Callable[..., Exit]) -> Callable[..., None]:
        flat = grouped(function)

        @wraps(flat)
        def run(**values: Any) -> None:
            try:
                code = flat(**values)
            except DockwrightError as error:
                _complain(error, values.get("color", Color.AUTO))
                code = error.exit
            except KeyboardInterrupt:
                sys.stderr.write("interrupted; nothing was changed\n")
                code = Exit.INTERRUPTED
            raise typer.Exit(int(code))

        return typer_app.command(rich_help_panel=panel, epilog=_EXITS)(run)

    return register


def _complain(error: DockwrightError, color: Color) -> None:
    from dockwright.report.errors import render_error
    from dockwright.report.page import open_console

    render_error(error, open_console(sys.stderr, color.value))


def main() -> NoReturn:
    """The ``dockwright`` command."""
    typer_app()
    raise SystemExit(Exit.BUG)  # typer_app does not return


def _version(wanted: bool) -> None:  # noqa: FBT001  # typer's callback form
    if wanted:
        sys.stdout.write(f"dockwright {__version__}\n")
        raise typer.Exit(0)


@typer_app.callback()
def _top(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


# --- everyday -------------------------------------------------------------------------------------


@_command(_EVERYDAY)
def install(
    *,
    hosts: Hosts = None,
    choice: Choice,
    values: Values,
    renewal: Renewal,
    consent: Consent,
    reach: Reach,
    show: Show,
) -> Exit:
    """Make each HOST a verified Docker host; short for: apply docker."""
    book = _playbook("docker", values, choice)
    return _change("install", hosts or [], book, renewal, consent, reach, show)


@_command(_EVERYDAY)
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
    request = Request(
        command="plan",
        playbook=_playbook(playbook, values, choice),
        upgrade=renewal.upgrade,
        proxy=renewal.proxy,
        operator=operator(),
    )
    with Session(hosts or [], reach, show) as session:
        prepared = session.prepare(request)
        session.finish()
    if out is not None:
        plans = [one.plan.model_dump(mode="json") for one in prepared if one.plan is not None]
        _save(out, json.dumps({"dockwright": __version__, "plans": plans}, indent=1) + "\n")
    return session.exit()


@_command(_EVERYDAY)
def verify(*, hosts: Hosts = None, values: Values, reach: Reach, show: Show) -> Exit:
    """Prove that each HOST runs containers: client, daemon, pull, run."""
    book = _playbook("verify", values)
    request = Request(command="verify", playbook=book, operator=operator())
    with Session(hosts or [], reach, show) as session:
        session.prepare(request)
        session.carry_out(request)
    return session.exit()


# --- plans ----------------------------------------------------------------------------------------


@_command(_PLANS)
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
    """Apply a playbook to each HOST."""
    book = _playbook(playbook, values, choice)
    return _change("apply", hosts or [], book, renewal, consent, reach, show)


@_command(_PLANS)
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
    book = _playbook(playbook, values, choice)
    names = list(profiles.ALL) if target == ["all"] else target
    if all(profiles.named(name) for name in names):
        from dockwright.renderer.onefile import render_file

        made = profiles.profiles(book, names, proxy=renewal.proxy)
        name = out.name if out else f"dockwright-{book.name}.sh"
        _print(render_file(made, name=name, exact=lock).text, out)
        return Exit.OK
    if len(names) > 1:
        raise InputError("--for takes one host, or profiles such as ubuntu:24.04:amd64")
    from dockwright.renderer import render_program

    request = Request(
        command="render",
        playbook=book,
        upgrade=renewal.upgrade,
        proxy=renewal.proxy,
        operator=operator(),
    )
    with Session(names, reach, Show(quiet=True), stream=sys.stderr) as session:
        (prepared,) = session.prepare(request)
        if prepared.plan is not None:
            _print(render_program(prepared.plan, operator=request.operator).text, out)
    return session.exit()


# --- look -----------------------------------------------------------------------------------------


@_command(_LOOK)
def facts(*, hosts: Hosts = None, reach: Reach, show: Show) -> Exit:
    """Tell what each HOST is; read-only, one round trip."""
    with Session(hosts or [], reach, show) as session:
        prepared = session.gather(Request(command="facts", operator=operator()))
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


# --- shared ---------------------------------------------------------------------------------------


def _playbook(name: str, values: Values, choice: Choice | None = None) -> Playbook:
    choice = choice or Choice()
    given = (
        ("--docker-version", "docker_version", choice.docker_version),
        ("--channel", "docker_channel", choice.channel),
        ("--add-user", "docker_users", choice.add_user),
    )
    return load_playbook(
        name,
        overrides=Overrides(
            files=tuple(values.variables or ()),
            sets=tuple(values.sets or ()),
            flags=tuple(
                Flag(option, variable, value) for option, variable, value in given if value
            ),
        ),
    )


def _change(
    command: str,
    targets: list[str],
    playbook: Playbook,
    renewal: Renewal,
    consent: Consent,
    reach: Reach,
    show: Show,
) -> Exit:
    """Plan all hosts, ask once where it is due, then change them."""
    request = Request(
        command=command,
        playbook=playbook,
        upgrade=renewal.upgrade,
        proxy=renewal.proxy,
        allow_restart=consent.allow_restart,
        lock_timeout=consent.lock_timeout,
        operator=operator(),
    )
    with Session(targets, reach, show) as session:
        if not (consent.dry_run or consent.yes or session.terminal):
            raise InputError(
                "there is no terminal to ask on",
                details=(("hosts", "none was contacted"),),
                next_step="add --yes, or --dry-run to see the plan",
            )
        prepared = session.prepare(request)
        going = [one.plan for one in prepared if one.plan is not None and one.plan.changes]
        asks = any(one.destructive for one in going) or (session.implied and bool(going))
        if consent.dry_run or (asks and not consent.yes and not _agreed(session, going)):
            session.finish()
        else:
            session.carry_out(request)
            if session.again(request):
                session.carry_out(request)
    return session.exit()


def _agreed(session: Session, plans: list[HostPlan]) -> bool:
    names = plans[0].host if len(plans) == 1 else f"{len(plans)} hosts"
    return session.terminal is not None and session.terminal.confirm(f"Apply this to {names}?")


def _print(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
    else:
        _save(out, text)


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
