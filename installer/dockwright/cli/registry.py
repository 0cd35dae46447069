"""Logins of registries that the options give; read once, before any contact."""

from __future__ import annotations

import sys
from pathlib import Path

from dockwright.cli.options import Reach, Renewal
from dockwright.errors import InputError
from dockwright.plan import HostPlan
from dockwright.registries import Logins


def given_logins(renewal: Renewal, reach: Reach) -> Logins:
    """The logins of ``--registry-logins``; empty where it is not given.

    Raises InputError, with the line's number and never the line.
    """
    name = renewal.registry_logins
    if name is None:
        return Logins()
    if name == "-" and "-" in (renewal.proxy_file, reach.sudo_password_file):
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
