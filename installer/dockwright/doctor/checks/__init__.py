"""All checks, from the ground up: what is first found is the likeliest root of what comes after it."""

from __future__ import annotations

from dockwright.doctor.checks import apt, docker, gpu, host
from dockwright.doctor.checks.asked import ASKED

__all__ = ["ASKED", "CHECKS"]

CHECKS = (
    host.clock,
    host.room,
    host.dpkg,
    apt.sources,
    apt.keyrings,
    apt.indexes,
    apt.lock,
    docker.which,
    docker.daemon,
    docker.access,
    docker.ground,
    gpu.driver,
    gpu.containers,
    host.release,
)
