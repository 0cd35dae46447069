"""Logins of registries that the options give; read once, before any contact."""

from __future__ import annotations

import sys
from pathlib import Path

from dockwright.cli.options import Reach
from dockwright.errors import InputError
from dockwright.load import Flag
from dockwright.plan import HostPlan
from dockwright.registries import Logins


def given_logins(name: str | None, reach: Reach, *others: str | None) -> Logins:
    """The logins of ``--registry-logins``; empty where it is not given.

    ``others`` are files that other options read. Raises InputError, with the line's number and never the line.
    """
    if name is None:
        return Logins()
    if name == "-" and "-" in (*others, reach.sudo_password_file):
        raise InputError("--registry-logins: only one option can read -")
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"--registry-logins {name}: {reason}") from None
    return Logins.parse(text, f"--registry-logins {name}")


def check_logins(name: str, plans: list[HostPlan], given: Logins) -> None:
    """Refuse to apply saved plans without the logins that they want: they do not hold them."""
    for plan in plans:
        missing = [host for host in plan.logins if host not in given.hosts]
        if missing:
            raise InputError(
                f"{name}: {plan.host} wants a login at {', '.join(missing)},"
                " which a saved plan does not hold",
                details=(("hosts", "none was contacted"),),
                next_step="add the --registry-logins that it was planned with",
            )


def operation_flags(*, operations: bool, registry: str | None) -> tuple[Flag, ...]:
    """What the options of verify say of its variables. Raises InputError for half of them."""
    if registry is not None and not operations:
        raise InputError("--registry goes with --operations", next_step="add --operations")
    flags = (Flag("--operations", "operations", value=True),) if operations else ()
    return (*flags, *((Flag("--registry", "operations_registry", registry),) if registry else ()))
