"""Hosts that boot in the middle of what was asked for: wait for the new boot, then plan anew."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping

from dockwright import events
from dockwright.app import back
from dockwright.app.asking import converse
from dockwright.app.run import Connect, Prepared, Request
from dockwright.errors import Exit, UnreachableError
from dockwright.events import Event
from dockwright.models import Host

ROUNDS = 4  # plans that only make a host fit to be planned for, in a row
LONGEST = 1200.0  # seconds for a boot: servers with much memory test it
_RESUME = "dockwright-resume"  # the unit that runtime/driver.sh leaves
_PAUSE = 1.0  # seconds between two attempts


def prepare_after(
    boots: Mapping[str, str],
) -> Callable[[Prepared, Request, Connect], Iterator[Event]]:
    """A stage as ``prepare`` is. ``boots`` has by host the id of the boot that ends, or nothing."""

    def stage(prepared: Prepared, request: Request, connect: Connect) -> Iterator[Event]:
        name = prepared.host.name
        ending = boots.get(name, "")
        if ending and prepared.host.local:
            prepared.finished = True
            goes_on = bool(request.resume)
            yield events.Failed(
                host=name, at=time.time(), exit=Exit.FAILED, changed_host=True,
                brief="this machine reboots now; the run is not at its end",
                details=(("then", f"{_RESUME} goes on with the same command"),) if goes_on else (),
                next_step=f"dockwright attach {name} shows how it ended, and journalctl -u {_RESUME}"
                if goes_on
                else "after the reboot: the same command",
            )  # fmt: skip
            return
        if ending:
            begun = time.monotonic()
            text = f"waiting until it has booted again, for {LONGEST / 60:.0f} minutes at most"
            yield events.Note(host=name, at=time.time(), text=text)
            if not _booted(prepared.host, ending, connect):
                prepared.finished = True
                yield events.Failed(
                    host=name, at=time.time(), exit=Exit.FAILED, changed_host=True,
                    brief=f"the host did not come back within {LONGEST / 60:.0f} minutes of its reboot",
                    next_step="look at its console; the same command goes on from what is there",
                )  # fmt: skip
                return
            yield events.PhaseFinished(
                host=name, at=time.time(), phase="reboot", text="the host has booted again",
                seconds=time.monotonic() - begun,
            )  # fmt: skip
        yield from back.prepare(prepared, request, connect)

    return stage


def _booted(host: Host, ending: str, connect: Connect) -> bool:
    """Whether it answers from another boot than the one that ends. While it goes down it still answers."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        try:
            if _boot_of(host, connect) not in ("", ending):
                return True
        except UnreachableError:
            pass
        time.sleep(_PAUSE)
    return False


def _boot_of(host: Host, connect: Connect) -> str:
    """The id of its boot; whether it is asked as root does not matter."""
    nonce = secrets.token_hex(8)
    transport = connect(host)
    try:
        script = f'read -r id </proc/sys/kernel/random/boot_id; echo "dw1 {nonce} $id."\n'
        said = converse(transport.shell, script, lambda text: _told(text, nonce).endswith("."))
    finally:
        transport.close()
    return _told(said, nonce).rstrip(".")


def _told(text: str, nonce: str) -> str:
    return text.partition(f"dw1 {nonce} ")[2].partition("\n")[0].strip()
