"""What a check is given, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dockwright.doctor.probe import Seen
from dockwright.doctor.sources import Verdict, predict
from dockwright.events import Severity
from dockwright.models import Facts


@dataclass(frozen=True)
class Case:
    """A host as it was seen. ``owners`` are the primary fingerprints in the keyrings of the facts.

    ``pins`` has the vendors' fingerprints by where their repositories lie. ``name`` is how the host
    was named, ``now`` this machine's clock in seconds since the epoch.
    """

    facts: Facts
    seen: Seen
    now: int
    name: str = "HOST"
    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def apt(self) -> Verdict:
        """What apt makes of the host's sources."""
        return predict(self.seen.sources, self.facts.architecture, self.facts.apt_version)

    @property
    def user(self) -> str:
        """Who logged in, empty where that was root."""
        return self.seen.user or self.facts.sudo_user

    @property
    def runs(self) -> bool:
        """Whether dockerd runs, as far as can be told: who may not ask it goes by its unit."""
        unit = self.facts.unit("docker.service")
        unasked = self.seen.is_closed("daemon") and unit is not None and unit.active == "active"
        return self.facts.daemon is not None or unasked

    @property
    def engine(self) -> str:
        """The package that brings dockerd, empty where there is none."""
        names = ("docker-ce", "docker.io", "moby-engine")
        found = (self.facts.package(name) for name in names)
        return next((one.name for one in found if one is not None and one.installed), "")


@dataclass(frozen=True)
class Found:
    """A finding by its entry of the catalogue; ``action`` is for this host, else the entry's counts."""

    id: str
    evidence: str
    action: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
