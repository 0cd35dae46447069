"""From a host's answer to what is wrong there; nothing is planned and nothing is changed."""

from __future__ import annotations

import time
from functools import cache

from dockwright import doctor, events
from dockwright.app.run import Prepared, Request
from dockwright.events import Finding
from dockwright.load import load_playbook

# Where the vendors' repositories lie, and the variable of playbook "gpu" that pins their key.
_PINNED = {
    "download.docker.com/linux/": "docker_fingerprint",
    "nvidia.github.io/libnvidia-container/": "nvidia_fingerprint",
}


@cache
def shipped_pins() -> dict[str, str]:
    """The fingerprints that the shipped playbook pins, by where the repository lies."""
    declared = load_playbook("gpu").declared
    return {place: str(declared[name].default).replace(" ", "") for place, name in _PINNED.items()}


def diagnosed(
    prepared: Prepared, request: Request, seen: doctor.Seen, owners: dict[str, tuple[str, ...]]
) -> events.Diagnosed:
    """What is wrong on a host whose facts are there."""
    assert prepared.facts is not None  # gather has just put them there
    case = doctor.Case(
        facts=prepared.facts,
        seen=seen,
        now=int(time.time()),
        name=prepared.host.name,
        owners=owners,
        pins=shipped_pins(),
    )
    found: tuple[Finding, ...] = doctor.diagnose(case, request.asked)
    prepared.findings = found
    return events.Diagnosed(
        host=prepared.host.name,
        at=time.time(),
        findings=found,
        unseen=doctor.unseen(seen),
        explained=doctor.explained(request.asked, found),
    )
