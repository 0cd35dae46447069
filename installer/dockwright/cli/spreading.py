"""A change that workers of a Dask carry out: what may go to them, and what may not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from dockwright.app import Request
from dockwright.cli.fleet import Fleet
from dockwright.cli.options import Consent, HostKeys, Reach, Show
from dockwright.cli.rolling import Spreading
from dockwright.cli.session import Session
from dockwright.errors import Exit, InputError
from dockwright.events import Event
from dockwright.load import Inventory
from dockwright.models import Host
from dockwright.transport import ConnectOptions

_NONE = ("hosts", "none was contacted")
_FORM = "--engine dask=tcp://scheduler:8786, or dask=tls://"
# What a worker's request is made of. Not in it: passwords, logins, and what belongs to one process.
_WORDS = (
    "command",
    "again",
    "playbooks",
    "upgrade",
    "allow_restart",
    "lock_timeout",
    "operator",
    "fetch",
    "proxy",
)


def spread(
    request: Request, fleet: Fleet, consent: Consent, spreading: Spreading, reach: Reach, show: Show
) -> Exit:
    """Have the workers plan and change all hosts. Raises InputError for what cannot go to them."""
    if spreading.engine is None:
        raise InputError("--site goes with --engine", details=(_NONE,), next_step=_FORM)
    address = _address(spreading.engine)
    _refuse(request, consent, spreading, reach)
    sites = _sites(fleet.hosts, fleet.inventory, spreading.sites or [])
    try:
        from dockwright.engine import Engine, Shard
    except ModuleNotFoundError as error:
        raise InputError(
            f"--engine needs {error.name}, which is not installed",
            details=(_NONE,),
            next_step="pip install 'dockwright[fleet]'",
        ) from None
    options = ConnectOptions(
        user=reach.user,
        identity=tuple(reach.identity or ()),
        jump=reach.jump,
        known_hosts=reach.known_hosts,
        host_keys="accept-new" if reach.host_keys is HostKeys.ACCEPT_NEW else "strict",
        connect_timeout=reach.connect_timeout,
        transport=reach.transport.value,
    )

    words = {name: getattr(request, name) for name in _WORDS}
    whole = Shard(words=words, options=options, forks=reach.forks, looks=consent.dry_run)
    with Engine(address, reach.connect_timeout) as engine, _Session(fleet, reach, show) as session:
        session.follow(engine.run(sites, whole, session.stop))
    return session.exit()


class _Session(Session):
    """One whose hosts are changed elsewhere."""

    def follow(self, stream: Iterator[Event]) -> None:
        """Tell what happens there, with the same Ctrl-C."""
        with self._interruptible():
            self._tell(stream)


def _address(engine: str) -> str:
    kind, _, address = engine.partition("=")
    try:
        parts = urlsplit(address)
        good = kind == "dask" and parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    except ValueError:
        good = False
    if not good or parts.username is not None or parts.path:
        raise InputError("--engine: that is no engine", details=(_NONE,), next_step=_FORM)
    if parts.scheme == "tcp" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        sys.stderr.write(
            "note: tcp:// is neither encrypted nor does it ask who calls: whoever reaches the scheduler "
            "can use the workers' keys; tls:// does better\n"
        )
    return address


def _refuse(request: Request, consent: Consent, spreading: Spreading, reach: Reach) -> None:
    """What would take a secret to a worker, or needs this machine while hosts are changed."""
    secret = {
        "-K": reach.ask_sudo_password,
        "--sudo-password-file": reach.sudo_password_file is not None,
        "--registry-logins": bool(request.logins.hosts),
        "--proxy-file with a login": request.proxy is not None and request.proxy.login,
    }
    here = {
        "--batches": spreading.batches,
        "--max-failures": spreading.max_failures,
        "--before-host": spreading.before_host,
        "--after-host": spreading.after_host,
        "--pause": spreading.pause,
    }
    for option in (name for name, given in secret.items() if given):
        raise InputError(
            f"{option} does not go with --engine: no secret travels to a worker",
            details=(_NONE,),
            next_step="workers use keys or agents of their own, and sudo without a password",
        )
    for option in (name for name, given in here.items() if given):
        raise InputError(
            f"{option} does not go with --engine: shards of hosts go to workers as they are free",
            details=(_NONE,),
            next_step="leave one of them out; --limit takes a part of the hosts at a time",
        )
    if not (consent.yes or consent.dry_run):
        raise InputError(
            "--engine asks nothing",
            details=(_NONE,),
            next_step="add --yes, or --dry-run to see the plans",
        )


def _sites(
    hosts: tuple[Host, ...], inventory: Inventory, sites: list[str]
) -> dict[str, list[Host]]:
    """The hosts by site; those of none may be done by any worker."""
    tree, where = inventory.tree, dict[str, str]()
    found: dict[str, list[Host]] = {site: [] for site in ("", *sites)}
    for site in sites:
        if site not in tree.groups:
            raise InputError(
                f"--site {site}: no group of the inventory has that name", details=(_NONE,)
            )
        for name in tree.members(site):
            if where.setdefault(name, site) != site:
                raise InputError(f"{name} is in both {where[name]} and {site}", details=(_NONE,))
    for host in hosts:
        if host.local:
            raise InputError(
                "local is this machine, and workers are others", details=(_NONE,),
                next_step="name it by an address that workers reach, or leave out --engine",
            )  # fmt: skip
        found[where.get(host.name, "")].append(host)
    return {site: those for site, those in found.items() if those}
