"""The proxy that the options give; read once, before any contact."""

from __future__ import annotations

import sys
from pathlib import Path

from dockwright.cli.options import Gateway, Reach
from dockwright.errors import InputError
from dockwright.load import Flag
from dockwright.plan import HostPlan
from dockwright.proxies import Proxy


def given_proxy(gateway: Gateway, reach: Reach) -> Proxy | None:
    """The proxy of ``--proxy`` or ``--proxy-file``; None where neither is given.

    A login is taken from a file only: the arguments of a command are shown to every user of this
    machine, and are kept in the shell's history. Raises InputError, without the login.
    """
    if gateway.proxy is not None and gateway.proxy_file is not None:
        raise InputError("--proxy and --proxy-file: give one of them")
    if gateway.proxy is not None:
        proxy = Proxy.parse(gateway.proxy, "--proxy")
        if proxy.login:
            raise InputError(
                "--proxy: a login in an argument can be read by every user of this machine",
                details=(("hosts", "none was contacted"),),
                next_step="--proxy-file FILE with that URL in its first line, or - for standard input",
            )
        return proxy
    if gateway.proxy_file is None:
        return None
    if gateway.proxy_file == "-" == reach.sudo_password_file:
        raise InputError("--proxy-file and --sudo-password-file: only one of them can be -")
    return Proxy.parse(_first_line(gateway.proxy_file), f"--proxy-file {gateway.proxy_file}")


def flag_of(proxy: Proxy | None, gateway: Gateway) -> tuple[Flag, ...]:
    """What the option says of the variable ``proxy``, for the playbooks that know it."""
    if proxy is None:
        return ()
    option = "--proxy" if gateway.proxy is not None else "--proxy-file"
    return (Flag(option, "proxy", proxy.url, required=False),)


def check_saved(name: str, plans: list[HostPlan], proxy: Proxy | None) -> None:
    """Refuse to apply saved plans without the login that they want: they do not hold it."""
    for plan in plans:
        if proxy is not None and proxy.url != plan.proxy:
            raise InputError(
                f"{name}: {plan.host} was planned "
                + (f"for the proxy {plan.proxy}" if plan.proxy else "without a proxy"),
                details=(("given", proxy.url), ("hosts", "none was contacted")),
                next_step="plan it anew with that proxy",
            )
        if plan.proxy_login and (proxy is None or not proxy.login):
            raise InputError(
                f"{name}: the proxy {plan.proxy} wants its login, which a saved plan does not hold",
                details=(("hosts", "none was contacted"),),
                next_step="add the --proxy-file that it was planned with",
            )


def _first_line(file: str) -> str:
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"--proxy-file {file}: {reason}") from None
    return text.split("\n", 1)[0].strip()
