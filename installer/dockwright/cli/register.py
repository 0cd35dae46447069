"""How commands are registered: one place turns an error into an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

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

EVERYDAY, PLANS, LOOK = "Everyday", "Plans", "Look"

# By their names, each with the panel that it stands in.
COMMANDS: dict[str, tuple[Callable[..., Exit], str]] = {}


def command(panel: str) -> Callable[[Callable[..., Exit]], Callable[..., Exit]]:
    """Register a command; its Exit, or the exit of its error, becomes the exit status."""

    def register(function: Callable[..., Exit]) -> Callable[..., Exit]:
        COMMANDS[function.__name__] = function, panel
        return function

    return register


def app(words: Sequence[str] = ()) -> typer.Typer:
    """The command line for what was typed.

    A command that comes first is the only one in it: to look at the options of all others takes as
    long as loading typer.
    """
    made = typer.Typer(
        name="dockwright",
        help="Turn bare Ubuntu and Debian machines into verified Docker hosts, over SSH or on the spot.",
        epilog=EXITS,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_top)
    for name in [word for word in words[:1] if word in COMMANDS] or COMMANDS:
        function, panel = COMMANDS[name]
        made.command(cls=_Command, rich_help_panel=panel, epilog=EXITS)(_ending(function))
    return made


def _ending(function: Callable[..., Exit]) -> Callable[..., None]:
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

    return run


class _Command(TyperCommand):
    """Converts what was typed, and no defaults: typer makes a validator for each option it converts."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for parameter in self.params:
            if not parameter.required:
                converts = partial(_typed, parameter, parameter.process_value)
                parameter.process_value = converts  # type: ignore[method-assign]


def _typed(parameter: Any, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    if value is None:
        return () if getattr(parameter, "multiple", False) or parameter.nargs == -1 else None
    return value if isinstance(value, (bool, int, float)) else convert(context, value)


def complain(error: DockwrightError, color: Color) -> None:
    """Tell an error that no event tells, on standard error."""
    from dockwright.report.errors import render_error
    from dockwright.report.page import open_console

    render_error(error, open_console(sys.stderr, color.value))


def _version(wanted: bool) -> None:  # noqa: FBT001  # typer's callback form
    if wanted:
        sys.stdout.write(f"dockwright {__version__}\n")
        raise typer.Exit(0)


def _top(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass
