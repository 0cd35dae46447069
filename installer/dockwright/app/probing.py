"""What apt on a host is asked before anything changes: what it would do, and which drivers it has."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from dockwright import judge, renderer, runner
from dockwright.app.asking import converse
from dockwright.channel import Transport
from dockwright.errors import BY_EXIT, DockwrightError, Exit, FailedError, UnreachableError
from dockwright.models import Facts
from dockwright.plan import HostPlan
from dockwright.proxies import Proxy
from dockwright.renderer.shell import compile_templates
from dockwright.steps import ARCHIVE, Offer
from dockwright.steps.versions import major

_NEXT = {
    Exit.REFUSED: "settle on the host what apt says, then run the same command again",
    Exit.TRUST: "look who answers the host at that address, at its clock and its CAs",
    Exit.UNREACHABLE: "check the host's way to the repository, then run the same command again",
}


def probe(
    transport: Transport,
    plan: HostPlan,
    known: Facts,
    proxy: Proxy | None = None,
    *,
    kept: str = "",
    ahead: bool = False,
) -> HostPlan:
    """Ask apt on the host what it would do, and judge it. Raises where that is not the plan.

    What apt fetched is left for the plan's program under the id ``kept``, if that is given; the
    download of the packages begins ``ahead``.
    """
    run_id = kept or secrets.token_hex(8)
    login = proxy.machine if proxy else ""
    script = renderer.render_probe(
        plan,
        run_id=run_id,
        login=login,
        kept=bool(kept),
        ahead=ahead,
        lacking=_lacking(plan, known),
    ).text
    told = _told(transport, script, run_id, meanwhile=partial(_make_ready, plan))
    simulation = judge.read_simulation(
        told.get("simulated", ""), told.get("uris", ""), told.get("unkept", "")
    )
    try:
        return judge.judge(plan, simulation, known)
    except DockwrightError:
        drop(transport, kept)
        raise


def _lacking(plan: HostPlan, known: Facts) -> str:
    """What Docker depends on and only the distribution has, where it is not installed.

    Source: Depends of docker-ce, deb/common/control of github.com/docker/docker-ce-packaging; nftables since
    29 (commit 1a73c6b19c).
    """
    needs: tuple[str, ...] = ()
    for change in plan.transaction.installs:
        if change.name == "docker-ce":
            number = major(change.new or "")
            older = number.isdigit() and int(number) < 29
            needs = ("iptables",) if older else ("iptables", "nftables")
    there = {package.name for package in known.packages if package.installed}
    return " ".join(name for name in needs if name not in there)


def drop(transport: Transport | None, kept: str) -> None:
    """Take away at once what a probe left under the id ``kept``, as its program does not come.

    Where the host is not reached any more, it goes with the root shell.
    """
    if kept and transport is not None:
        with suppress(UnreachableError):
            script = renderer.render_drop(run_id=kept)
            converse(transport.root_shell, script, lambda text: f"dw1 {kept} end" in text)


def archive(transport: Transport, plan: HostPlan, proxy: Proxy | None = None) -> Offer:
    """What the host's own sources offer of NVIDIA's driver, with lists of today."""
    run_id = secrets.token_hex(8)
    login = proxy.machine if proxy else ""
    text = renderer.render_archive(plan, run_id=run_id, login=login).text
    told = _told(transport, text, run_id)
    versions: dict[str, list[str]] = {}
    for line in told.get("offered", "").splitlines():
        name, _, version = line.partition(" ")
        versions.setdefault(name, []).append(version)
    offered = {name: tuple(dict.fromkeys(every)) for name, every in versions.items()}
    return Offer(id=ARCHIVE, key="", fingerprint="", versions=offered)


def _make_ready(plan: HostPlan) -> None:
    compile_templates({action.kind for action in plan.steps})


def _told(
    transport: Transport, script: str, run_id: str, meanwhile: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """The records of a read-only program, by type. Raises what it stopped with."""
    channel = transport.root_shell(script)
    told: dict[str, str] = {}
    ended = None
    try:
        meanwhile()
        for record in runner.read_records(channel, run_id, timeout=300):
            if record.type == "end":
                ended = record.text
            told[record.type] = record.decoded
    finally:
        channel.close()
    if "stop" in told:
        code, _, brief = (*told["stop"].split(" ", 2), "", "")[:3]
        kind = {str(int(number)): kind for number, kind in BY_EXIT.items()}.get(code, FailedError)
        details = [(k, told[k].strip()) for k in ("cause", "output") if told.get(k, "").strip()]
        raise kind(brief, details=tuple(details), step="preflight", next_step=_NEXT.get(kind.exit))
    if ended != "0":
        raise UnreachableError(
            "the host broke off while it was asked what apt would do",
            details=(("printed", channel.errors()[-500:] or "nothing"),),
            next_step="run the same command again",
        )
    return told
