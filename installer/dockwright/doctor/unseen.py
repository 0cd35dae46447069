"""What doctor did not look at for want of root: told, so that silence is not taken for health."""

from __future__ import annotations

from dockwright.doctor.probe import Closed, Seen
from dockwright.events import Unseen

# By the words of templates/doctor.sh: the rung, and what is not known of it.
_WHAT = {
    "source": ("apt", "{path}"),
    "lock": ("apt", "whether somebody holds apt's locks{path}"),
    "units": ("daemon", "the units of systemd: this host has no system bus to ask on"),
    "journal": (
        "daemon",
        "why docker.service failed: its journal (root, or group systemd-journal)",
    ),
    "daemon": ("daemon", "whether dockerd answers, and what it runs (root, or group docker)"),
    "daemon.json": ("daemon", "/etc/docker/daemon.json"),
}


def unseen(seen: Seen) -> tuple[Unseen, ...]:
    """The rungs that were closed to the user who looked; empty for root."""
    return tuple(_told(one) for one in seen.closed)


def _told(one: Closed) -> Unseen:
    rung, what = _WHAT.get(one.what, ("host", one.what))
    path = f": {one.path.strip()} may" if one.what == "lock" and one.path else one.path
    return Unseen(rung=rung, what=what.replace("{path}", path))
