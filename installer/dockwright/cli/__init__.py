"""The command line: words to stages, and the one place where an exit code is set."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec

import typer

from dockwright import __version__
from dockwright.app import Request
from dockwright.cli import options as opt
from dockwright.cli.options import Color, Reach, Show
from dockwright.cli.session import Session, operator
from dockwright.errors import DockwrightError, Exit, InputError
from dockwright.load import Flag, Overrides, load_playbook
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
_P = ParamSpec("_P")


def _command(panel: str) -> Callable[[Callable[_P, Exit]], Callable[_P, None]]:
    """Register a command; its Exit, or the exit of its error, becomes the exit status."""

    def register(function: Callable[_P, Exit]) -> Callable[_P, None]:
        @wraps(function)
        def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
            try:
                code = function(*args, **kwargs)
            except DockwrightError as error:
                from dockwright.report.errors import render_error
                from dockwright.report.page import open_console

                color: Any = kwargs.get("color", Color.AUTO)
                render_error(error, open_console(sys.stderr, Color(color).value))
                code = error.exit
            except KeyboardInterrupt:
                sys.stderr.write("interrupted; nothing was changed\n")
                code = Exit.INTERRUPTED
            raise typer.Exit(int(code))

        return typer_app.command(rich_help_panel=panel, epilog=_EXITS)(run)

    return register


def main() -> NoReturn:
    """The ``dockwright`` command."""
    typer_app()
    raise SystemExit(Exit.BUG)  # typer_app does not return


def _version(value: bool) -> None:  # noqa: FBT001  # typer's callback form
    if value:
        sys.stdout.write(f"dockwright {__version__}\n")
        raise typer.Exit(0)


@typer_app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


@_command(_EVERYDAY)
def install(
    hosts: opt.Hosts = None,
    docker_version: opt.DockerVersion = None,
    channel: opt.Channel = None,
    add_user: opt.AddUser = None,
    upgrade: opt.Upgrade = False,
    sets: opt.Sets = None,
    variables: opt.Vars = None,
    proxy: opt.Proxy = None,
    yes: opt.Yes = False,
    allow_restart: opt.AllowRestart = False,
    dry_run: opt.DryRun = False,
    user: opt.User = None,
    jump: opt.Jump = None,
    identity: opt.Identity = None,
    known_hosts: opt.KnownHosts = None,
    host_keys: opt.HostKeyPolicy = None,
    ask_sudo_password: opt.AskSudoPassword = False,
    sudo_password_file: opt.SudoPasswordFile = None,
    connect_timeout: opt.ConnectTimeout = 10.0,
    lock_timeout: opt.LockTimeout = 600,
    forks: opt.Forks = 32,
    no_input: opt.NoInput = False,
    as_json: opt.Json = False,
    log: opt.Log = None,
    detailed: opt.Detailed = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    color: opt.ColorWhen = Color.AUTO,
) -> Exit:
    """Make each HOST a verified Docker host; short for: apply docker."""
    flags = (
        *([Flag("--docker-version", "docker_version", docker_version)] if docker_version else []),
        *([Flag("--channel", "docker_channel", channel)] if channel else []),
        *([Flag("--add-user", "docker_users", list(add_user))] if add_user else []),
    )
    reach = Reach(user, jump, tuple(identity or ()), known_hosts, host_keys, ask_sudo_password,
                  sudo_password_file, connect_timeout, no_input, forks)  # fmt: skip
    show = Show(as_json, log, detailed, quiet, verbose, color)
    overrides = Overrides(files=tuple(variables or ()), sets=tuple(sets or ()), flags=flags)
    request = Request(
        command="install", playbook=load_playbook("docker", overrides=overrides), upgrade=upgrade,
        allow_restart=allow_restart, lock_timeout=lock_timeout, operator=operator(), proxy=proxy,
    )  # fmt: skip
    return _change(hosts or [], request, reach, show, yes=yes, dry_run=dry_run)


@_command(_EVERYDAY)
def plan(
    playbook: Annotated[str, typer.Argument(help="A shipped playbook's name, or a path.")],
    hosts: opt.Hosts = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Save the plans here, for apply.")
    ] = None,
    docker_version: opt.DockerVersion = None,
    upgrade: opt.Upgrade = False,
    sets: opt.Sets = None,
    variables: opt.Vars = None,
    proxy: opt.Proxy = None,
    user: opt.User = None,
    jump: opt.Jump = None,
    identity: opt.Identity = None,
    known_hosts: opt.KnownHosts = None,
    host_keys: opt.HostKeyPolicy = None,
    ask_sudo_password: opt.AskSudoPassword = False,
    sudo_password_file: opt.SudoPasswordFile = None,
    connect_timeout: opt.ConnectTimeout = 10.0,
    forks: opt.Forks = 32,
    no_input: opt.NoInput = False,
    as_json: opt.Json = False,
    log: opt.Log = None,
    detailed: opt.Detailed = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    color: opt.ColorWhen = Color.AUTO,
) -> Exit:
    """Show what would change on each HOST, why, and with which diffs."""
    flags = (Flag("--docker-version", "docker_version", docker_version),) if docker_version else ()
    reach = Reach(user, jump, tuple(identity or ()), known_hosts, host_keys, ask_sudo_password,
                  sudo_password_file, connect_timeout, no_input, forks)  # fmt: skip
    show = Show(as_json, log, detailed, quiet, verbose, color)
    overrides = Overrides(files=tuple(variables or ()), sets=tuple(sets or ()), flags=flags)
    request = Request(
        command="plan", playbook=load_playbook(playbook, overrides=overrides), upgrade=upgrade,
        operator=operator(), proxy=proxy,
    )  # fmt: skip
    with Session(hosts or [], reach, show) as session:
        prepared = session.prepare(request)
        session.finish()
        plans = [one.plan for one in prepared if one.plan is not None]
    if out is not None and plans:
        out.write_text(json.dumps([json.loads(one.model_dump_json()) for one in plans], indent=1))
    return session.exit()


@_command(_EVERYDAY)
def verify(
    hosts: opt.Hosts = None,
    sets: opt.Sets = None,
    user: opt.User = None,
    jump: opt.Jump = None,
    identity: opt.Identity = None,
    known_hosts: opt.KnownHosts = None,
    host_keys: opt.HostKeyPolicy = None,
    ask_sudo_password: opt.AskSudoPassword = False,
    sudo_password_file: opt.SudoPasswordFile = None,
    connect_timeout: opt.ConnectTimeout = 10.0,
    forks: opt.Forks = 32,
    no_input: opt.NoInput = False,
    as_json: opt.Json = False,
    log: opt.Log = None,
    detailed: opt.Detailed = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    color: opt.ColorWhen = Color.AUTO,
) -> Exit:
    """Prove that each HOST runs containers: client, daemon, pull, run."""
    reach = Reach(user, jump, tuple(identity or ()), known_hosts, host_keys, ask_sudo_password,
                  sudo_password_file, connect_timeout, no_input, forks)  # fmt: skip
    show = Show(as_json, log, detailed, quiet, verbose, color)
    book = load_playbook("verify", overrides=Overrides(sets=tuple(sets or ())))
    request = Request(command="verify", playbook=book, operator=operator())
    with Session(hosts or [], reach, show) as session:
        session.prepare(request)
        session.carry_out(request)
    return session.exit()


@_command(_PLANS)
def apply(
    playbook: Annotated[str, typer.Argument(help="A playbook's name or path.")],
    hosts: opt.Hosts = None,
    upgrade: opt.Upgrade = False,
    sets: opt.Sets = None,
    variables: opt.Vars = None,
    proxy: opt.Proxy = None,
    yes: opt.Yes = False,
    allow_restart: opt.AllowRestart = False,
    dry_run: opt.DryRun = False,
    user: opt.User = None,
    jump: opt.Jump = None,
    identity: opt.Identity = None,
    known_hosts: opt.KnownHosts = None,
    host_keys: opt.HostKeyPolicy = None,
    ask_sudo_password: opt.AskSudoPassword = False,
    sudo_password_file: opt.SudoPasswordFile = None,
    connect_timeout: opt.ConnectTimeout = 10.0,
    lock_timeout: opt.LockTimeout = 600,
    forks: opt.Forks = 32,
    no_input: opt.NoInput = False,
    as_json: opt.Json = False,
    log: opt.Log = None,
    detailed: opt.Detailed = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    color: opt.ColorWhen = Color.AUTO,
) -> Exit:
    """Apply a playbook to each HOST."""
    reach = Reach(user, jump, tuple(identity or ()), known_hosts, host_keys, ask_sudo_password,
                  sudo_password_file, connect_timeout, no_input, forks)  # fmt: skip
    show = Show(as_json, log, detailed, quiet, verbose, color)
    overrides = Overrides(files=tuple(variables or ()), sets=tuple(sets or ()))
    request = Request(
        command="apply", playbook=load_playbook(playbook, overrides=overrides), upgrade=upgrade,
        allow_restart=allow_restart, lock_timeout=lock_timeout, operator=operator(), proxy=proxy,
    )  # fmt: skip
    return _change(hosts or [], request, reach, show, yes=yes, dry_run=dry_run)


@_command(_PLANS)
def render(
    playbook: Annotated[str, typer.Argument(help="A playbook's name or path.")],
    host: Annotated[str, typer.Option("--for", help="The HOST whose program is wanted.")],
    sets: opt.Sets = None,
    variables: opt.Vars = None,
    user: opt.User = None,
    jump: opt.Jump = None,
    identity: opt.Identity = None,
    known_hosts: opt.KnownHosts = None,
    host_keys: opt.HostKeyPolicy = None,
    ask_sudo_password: opt.AskSudoPassword = False,
    sudo_password_file: opt.SudoPasswordFile = None,
    color: opt.ColorWhen = Color.AUTO,
) -> Exit:
    """Print the program that would run on a host: exactly that, and nothing is changed."""
    from dockwright.renderer import render_program

    reach = Reach(user, jump, tuple(identity or ()), known_hosts, host_keys, ask_sudo_password,
                  sudo_password_file)  # fmt: skip
    overrides = Overrides(files=tuple(variables or ()), sets=tuple(sets or ()))
    request = Request(
        command="plan", playbook=load_playbook(playbook, overrides=overrides), operator=operator()
    )
    with Session([host], reach, Show(quiet=True, color=color)) as session:
        (prepared,) = session.prepare(request)
        made: HostPlan | None = prepared.plan
        if made is not None:
            sys.stdout.write(render_program(made, operator=request.operator).text)
        session.finish()
    return session.exit()


@_command(_LOOK)
def facts(
    hosts: opt.Hosts = None,
    user: opt.User = None,
    jump: opt.Jump = None,
    identity: opt.Identity = None,
    known_hosts: opt.KnownHosts = None,
    host_keys: opt.HostKeyPolicy = None,
    ask_sudo_password: opt.AskSudoPassword = False,
    sudo_password_file: opt.SudoPasswordFile = None,
    connect_timeout: opt.ConnectTimeout = 10.0,
    forks: opt.Forks = 32,
    no_input: opt.NoInput = False,
    as_json: opt.Json = False,
    verbose: opt.Verbose = False,
    color: opt.ColorWhen = Color.AUTO,
) -> Exit:
    """Tell what each HOST is; read-only, one round trip."""
    reach = Reach(user, jump, tuple(identity or ()), known_hosts, host_keys, ask_sudo_password,
                  sudo_password_file, connect_timeout, no_input, forks)  # fmt: skip
    with Session(hosts or [], reach, Show(json=as_json, quiet=True, color=color)) as session:
        prepared = session.gather(Request(command="facts", operator=operator()))
        if not as_json:
            from dockwright.report.facts_view import render_facts
            from dockwright.report.page import open_console

            console = open_console(sys.stdout, color.value)
            for one in prepared:
                if one.facts is not None and one.transport is not None:
                    render_facts(one.facts, console, host=one.host.name,
                                 how=one.transport.description, verbose=verbose)  # fmt: skip
        session.finish()
    return session.exit()


def _change(
    targets: list[str], request: Request, reach: Reach, show: Show, *, yes: bool, dry_run: bool
) -> Exit:
    """Plan all hosts, ask once where it is due, then change them."""
    with Session(targets, reach, show) as session:
        if not dry_run and not yes and session.terminal is None:
            raise InputError(
                "there is no terminal to ask on",
                details=(("hosts", "none was contacted"),),
                next_step="add --yes, or --dry-run to see the plan",
            )
        prepared = session.prepare(request)
        going = [one.plan for one in prepared if one.plan is not None and one.plan.changes]
        due = any(one.destructive for one in going) or (session.implied and bool(going))
        if dry_run or (due and not yes and session.terminal is not None and not _agreed(session, going)):
            session.finish()
        else:
            session.carry_out(request)
    return session.exit()


def _agreed(session: Session, plans: list[HostPlan]) -> bool:
    names = plans[0].host if len(plans) == 1 else f"{len(plans)} hosts"
    return session.terminal is not None and session.terminal.confirm(f"Apply this to {names}?")
