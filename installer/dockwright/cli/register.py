"""How commands are registered: one place turns an error into an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from dockwright import __version__
from dockwright.cli.groups import grouped
from dockwright.cli.options import Color
from dockwright.errors import DockwrightError, Exit

EXITS = (
    "Exit codes: 0 converged (20 changed, with --detailed-exitcode) · 2 input · 3 refused, nothing "
    "changed · 4 trust, nothing changed · 5 unreachable, login, sudo · 6 failed, resumable · "
    "7 host needs repair · 8 verification failed, or doctor found something · 9 destructive action "
    "refused · 10 busy · 130 interrupted. Many hosts: the worst of 7>6>4>9>8>10>3>5>0."
)

typer_app = typer.Typer(
    name="dockwright",
    help="Turn bare Ubuntu and Debian machines into verified Docker hosts, over SSH or on the spot.",
    epilog=EXITS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
EVERYDAY, PLANS, LOOK = "Everyday", "Plans", "Look"


def command(panel: str) -> Callable[[Callable[..., Exit]], Callable[..., None]]:
    """Register a command; its Exit, or the exit of its error, becomes the exit status."""

    def register(function: Callable[..., Exit]) -> Callable[..., None]:
        flat = grouped(function)

        @wraps(flat)
        def run(**values: Any) -> None:
            try:
                code = flat(**values)
            except DockwrightError as error:
                complain(error, values.get("color", Color.AUTO))
                code = error.exit
            except KeyboardInterrupt:
                sys.stderr.write("interrupted; nothing was changed\n")
                code = Exit.INTERRUPTED
            raise typer.Exit(int(code))

        return typer_app.command(rich_help_panel=panel, epilog=EXITS)(run)

    return register


def complain(error: DockwrightError, color: Color) -> None:
    """Tell an error that no event tells, on standard error."""
    from dockwright.report.errors import render_error
    from dockwright.report.page import open_console

    render_error(error, open_console(sys.stderr, color.value))


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
