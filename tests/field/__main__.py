"""The command line of ``script/field-check``."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from dockwright import __version__
from dockwright.cli.fleet import Fleet
from dockwright.cli.groups import grouped
from dockwright.cli.options import Color, Gateway, NamedHosts, Reach, Values, panel
from dockwright.cli.register import complain
from dockwright.errors import DockwrightError, Exit, InputError, worst
from dockwright.load.problems import did_you_mean
from tests.field.check import Check
from tests.field.document import Told, document, dump
from tests.field.scenarios import LOOKS, SCENARIOS, Scenario
from tests.field.site import Site, words_of

_what = panel("What is tried")
EXITS = (
    "Exit codes: 0 all that was tried held · 2 input, nothing contacted · 5 a host was not reached · "
    "8 something did not hold · 9 refused: the host is in use · 130 interrupted."
)


@dataclass(frozen=True)
class Trial:
    """What is tried, and what was agreed to."""

    scenario: Annotated[
        list[str] | None,
        _what(f"Only these, may be repeated: {', '.join(SCENARIOS)}.", "--scenario"),
    ] = None
    every: Annotated[
        bool, _what("All but those that are only tried by name: cut, purge.", "--all")
    ] = False
    on_used_host: Annotated[
        bool,
        _what("Change a host also where Docker, containers or data are there.", "--on-used-host"),
    ] = False
    confirm: Annotated[
        list[str] | None,
        _what("For purge, the host's own name (hostname); one for each host.", "--confirm"),
    ] = None
    out: Annotated[Path, _what("The document to attach (field-check.json).", "-o", "--out")] = Path(
        "field-check.json"
    )
    show_names: Annotated[
        bool, _what("Names and addresses stay in the document.", "--show-names")
    ] = False

    def chosen(self) -> list[str]:
        """Names of scenarios in their order. Raises InputError for one that there is not."""
        named = [name for words in self.scenario or () for name in words.split(",") if name]
        for name in named:
            if name not in SCENARIOS:
                raise InputError(
                    f"there is no scenario {name!r}{did_you_mean(name, SCENARIOS)}",
                    details=(("known", ", ".join(SCENARIOS)),),
                )
        if "purge" in named and not self.confirm:
            raise InputError(
                "purge deletes all data of Docker, and nobody confirmed it",
                details=(("hosts", "none was contacted"),),
                next_step="--confirm HOSTNAME, the name that the host calls itself",
            )
        every = [name for name, one in SCENARIOS.items() if self.every and not one.alone]
        wanted = {"facts", *(named + every or LOOKS)}
        return [name for name in SCENARIOS if name in wanted]


@grouped
def check(
    *, hosts: NamedHosts, trial: Trial, values: Values, gateway: Gateway, reach: Reach
) -> Exit:
    """Try Dockwright on real hosts. Without --scenario or --all nothing is changed there."""
    chosen = trial.chosen()
    files = (reach.sudo_password_file, gateway.proxy_file, *(reach.inventory or ()))
    if reach.ask_sudo_password or "-" in files:
        raise InputError(
            "nothing can be typed or piped in: many commands run, one after the other",
            details=(("hosts", "none was contacted"),),
            next_step="name a file: --sudo-password-file FILE, --proxy-file FILE, -i FILE",
        )
    fleet = Fleet(hosts, reach)
    sets = list(values.sets or ())
    more = [*words_of(replace(values, sets=None)), *words_of(gateway)]
    told: list[Told] = []
    begun, clock = datetime.now(timezone.utc), time.monotonic()
    interrupted = False
    try:
        for host in fleet.hosts:
            names = {name for name in (host.address, host.user, host.jump, reach.user) if name}
            told.append(Told(host.name, names))
            site = Site(host, reach, sets, more)
            Check(site, told[-1], confirm=trial.confirm or (), on_used_host=trial.on_used_host).run(
                chosen
            )
    except KeyboardInterrupt:
        interrupted = True
    about = {
        "dockwright": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "controller": platform.platform(),
        "began": begun.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 1),
        "chosen": chosen,
        "on_used_host": trial.on_used_host,
        "variables": sorted({one.partition("=")[0] for one in sets}),
        "options": [word for word in [*words_of(reach), *more] if word.startswith("--")],
        "interrupted": interrupted,
    }
    made = document(about, told, masked=not trial.show_names)
    try:
        trial.out.write_text(dump(made), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{trial.out} cannot be written: {error.strerror}") from None
    code = Exit.INTERRUPTED if interrupted else worst([one.exit for one in told])
    hidden = (
        ""
        if trial.show_names
        else "; names and addresses are masked (look it through all the same)"
    )
    print(f"\n{trial.out}: attach it to a report{hidden}\nexit {int(code)} ({code.word})")
    return code


def commit() -> str:
    """The checkout's commit, empty where this is none."""
    argv = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(
            argv, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def listing() -> str:
    """Each scenario in a line, for the help."""

    def line(name: str, one: Scenario) -> str:
        marks = ["changes the host"] if one.changes else []
        marks += ["only by name"] if one.alone else []
        return f"{name}: {one.about}" + (f" ({', '.join(marks)})" if marks else "")

    return "\n\n".join(line(name, one) for name, one in SCENARIOS.items())


@wraps(check)
def main(**options: Any) -> None:
    """End with the exit code of the check."""
    try:
        code = check(**options)
    except DockwrightError as error:
        complain(error, Color.AUTO)
        code = error.exit
    raise typer.Exit(int(code))


def cli(words: Sequence[str] | None = None) -> None:
    """Read the command line, and do it."""
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command(name="field-check", epilog=f"{listing()}\n\n{EXITS}")(main)
    app(args=list(words) if words is not None else None, prog_name="script/field-check")


if __name__ == "__main__":
    cli()
