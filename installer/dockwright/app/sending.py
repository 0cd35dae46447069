"""Files of this machine that a plan needs on the host: sent beside the program, before it starts."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

from dockwright import events, renderer
from dockwright.channel import Transport
from dockwright.errors import RefusedError, UnreachableError
from dockwright.events import Event
from dockwright.plan import HostPlan

PIECE = 3 * 1024 * 1024  # bytes; a script is held in memory, here and by the host's shell
_LIMIT = 600.0  # seconds for a piece


def files(plan: HostPlan) -> dict[str, Path]:
    """What the plan sends, by the id of its step. Raises RefusedError where one is not there."""
    found = {
        action.id: Path(action.params["send"]).expanduser()
        for action in plan.changes
        if action.params.get("send")
    }
    for path in found.values():
        if not path.is_file():
            raise RefusedError(
                f"{path} is not a file of this machine",
                details=(("host", "nothing was changed"),),
                next_step="docker save -o FILE IMAGE makes one",
            )
    return found


def send(transport: Transport, plan: HostPlan, run_id: str) -> Iterator[Event]:
    """Put the files where the program of that run looks for them.

    Nothing but the host's state directory is written. Raises RefusedError where there is no room,
    and UnreachableError where the host does not answer.
    """
    for name, path in files(plan).items():
        begun, sent = time.monotonic(), 0
        with path.open("rb") as stream:
            while (piece := stream.read(PIECE)) or not sent:
                script = renderer.render_send(
                    run_id=run_id,
                    name=name,
                    first=sent == 0,
                    piece=base64.b64encode(piece).decode(),
                )
                sent += len(piece)
                _taken(transport, script, run_id, sent, path)
                if not piece:
                    break
        yield events.PhaseFinished(
            host=plan.host, at=time.time(), phase="send",
            text=f"{path.name}, {sent / 1024**2:.1f} MB", seconds=time.monotonic() - begun,
        )  # fmt: skip


def _taken(transport: Transport, script: str, run_id: str, size: int, path: Path) -> None:
    channel = transport.root_shell(script)
    said = b""
    try:
        while data := channel.read(_LIMIT):
            said += data[:4096]
    except TimeoutError:
        raise UnreachableError(
            f"the host did not take {path.name}", next_step="run the same command again"
        ) from None
    finally:
        channel.close()
    words = said.decode("utf-8", "replace").split()
    if ["dw1", run_id, "have", str(size)] == words[-4:]:
        return
    raise RefusedError(
        f"the host has no room for {path.name}",
        details=(("printed", channel.errors()[-300:] or "nothing"),),
        next_step="make room below /var/lib/dockwright, then run the same command again",
    )
