"""What several commands do alike."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dockwright import app, mirrors
from dockwright.app import Request, Way
from dockwright.cli.fleet import Fleet
from dockwright.cli.options import (
    Choice,
    Consent,
    Reach,
    Renewal,
    Show,
    Values,
)
from dockwright.cli.resuming import resume_words
from dockwright.cli.rolling import Rolling, Spreading, rollout_of
from dockwright.cli.session import Session, operator
from dockwright.errors import Exit, InputError
from dockwright.load import Flag, Overrides, Playbook, load_playbook, load_playbooks
from dockwright.plan import HostPlan
from dockwright.proxies import Proxy
from dockwright.registries import Logins

_LONG = 4096  # characters of a command line that is repeated in events


def playbook_of(
    name: str, values: Values, choice: Choice | None = None, more: tuple[Flag, ...] = ()
) -> Playbook:
    """The playbook of that name with what the options say of its variables."""
    return load_playbook(name, overrides=_overrides(values, choice or Choice(), more))


def playbooks_of(
    name: str, values: Values, choice: Choice | None, fleet: Fleet, more: tuple[Flag, ...] = ()
) -> dict[str, Playbook]:
    """The same for each host of a fleet, with what its inventory says of the host."""
    inventory, overrides = fleet.inventory, _overrides(values, choice or Choice(), more)
    if not inventory.names:
        book = load_playbook(name, overrides=overrides)
        return {host.name: book for host in fleet.hosts}
    # Where something is wrong already, nobody can tell which hosts are meant: all are looked at.
    every = inventory.hosts()
    chosen = every if inventory.problems.found else [host.name for host in fleet.hosts]
    inside = [name for name in chosen if name in inventory.tree.hosts]
    books = load_playbooks(name, inventory, inside, overrides=overrides)
    if len(inside) < len(chosen):
        return dict.fromkeys(chosen, load_playbook(name, overrides=overrides)) | books
    return books


def _overrides(values: Values, choice: Choice, more: tuple[Flag, ...]) -> Overrides:
    _refuse_trust_of_the_environment()
    given = (
        ("--docker-version", "docker_version", choice.docker_version),
        ("--channel", "docker_channel", choice.channel),
        ("--mirror", "docker_url", choice.mirror and mirrors.repository(choice.mirror)),
        ("--add-user", "docker_users", choice.add_user),
        ("--remove-snap", "docker_remove_snap", choice.remove_snap),
        ("--driver", "driver", choice.driver),
        ("--reboot", "reboot", choice.reboot),
        ("--remove-nvidia-docker", "nvidia_docker_remove", choice.remove_nvidia_docker),
    )
    return Overrides(
        files=tuple(values.variables or ()),
        sets=tuple(values.sets or ()),
        flags=tuple(Flag(option, variable, value) for option, variable, value in given if value)
        + more,
    )


def _refuse_trust_of_the_environment() -> None:
    """What is trusted is set where it can be read: in a file, or on the command line."""
    found = [
        n for n in os.environ if re.fullmatch(r"DOCKWRIGHT_\w*(URL|FINGERPRINT|FLOOR|MIRROR)", n)
    ]
    if found:
        raise InputError(
            f"{', '.join(sorted(found))}: what is trusted is not taken from the environment",
            details=(("hosts", "none was contacted"),),
            next_step="unset it; --set and --vars set variables of the playbook",
        )


def _again() -> str:
    """The command as it was typed, as one that applies what it planned; empty in a library."""
    program, *words = sys.argv
    if Path(program).name not in ("dockwright", "__main__.py") or not words:
        return ""
    if words[0] == "plan":
        words[0] = "apply"
    for option in ("-o", "--out"):
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    words = [word for word in words if word not in ("-n", "--dry-run", "--detailed-exitcode")]
    for name, flags in (("docker", []), ("gpu", ["--gpu"])):
        if words[:2] == ["apply", name]:
            words[:2] = ["install", *flags]
    typed = shlex.join(["dockwright", *words])
    return typed if len(typed) <= _LONG else ""  # each host's first event has it


def request_for(
    command: str,
    playbooks: Mapping[str, Playbook] | None = None,
    renewal: Renewal | None = None,
    consent: Consent | None = None,
    proxy: Proxy | None = None,
    logins: Logins | None = None,
) -> Request:
    """What the options ask for."""
    renewal, consent = renewal or Renewal(), consent or Consent()
    return Request(
        command=command,
        again=_again(),
        resume=resume_words() if command in ("install", "apply") else "",
        playbooks=playbooks or {},
        upgrade=renewal.upgrade,
        proxy=proxy,
        logins=logins or Logins(),
        fetch=Way(renewal.fetch.value),
        allow_restart=consent.allow_restart,
        lock_timeout=consent.lock_timeout,
        operator=operator(),
        dry=consent.dry_run,
    )


def change(
    request: Request,
    fleet: Fleet,
    consent: Consent,
    rolling: Rolling,
    reach: Reach,
    show: Show,
) -> Exit:
    """Plan all hosts, ask once where it is due, then change them; workers do it with --engine."""
    if isinstance(rolling, Spreading) and (rolling.engine is not None or rolling.sites):
        from dockwright.cli.spreading import spread

        return spread(request, fleet, consent, rolling, reach, show)
    rollout = rollout_of(rolling)
    # Where nobody is asked and no host waits for another one.
    at_once = (rollout is None or rollout.whole) and len(fleet.hosts) <= reach.forks
    request = replace(request, ahead=consent.yes and not consent.dry_run and at_once)
    with Session(fleet, reach, show) as session:
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
            session.carry_out(request, rollout)
            # A repair, a driver and its reboot: each may be followed by what was asked for.
            for _ in range(app.ROUNDS):
                prepared = session.again(request)
                if not prepared:
                    break
                going = [one.plan for one in prepared if one.plan is not None]
                asks = any(one.destructive for one in going)
                if asks and not consent.yes and not _agreed(session, going):
                    session.finish()
                    break
                session.carry_out(request, rollout)
    return session.exit()


def _agreed(session: Session, plans: list[HostPlan]) -> bool:
    names = plans[0].host if len(plans) == 1 else f"{len(plans)} hosts"
    return session.terminal is not None and session.terminal.confirm(f"Apply this to {names}?")


def save(path: Path, text: str) -> None:
    """Write a file that the user named, old or new and never half; InputError where that fails."""
    place = path.resolve()
    try:
        if place.exists() and not place.is_file():  # such as /dev/stdout
            path.write_text(text, encoding="utf-8")
            return
        half = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        try:
            with half.open("x", encoding="utf-8") as stream:
                stream.write(text)
            if place.exists():
                shutil.copymode(place, half)
            half.replace(place)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
