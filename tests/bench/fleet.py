"""Many hosts at once: everybody installs all of them, then runs again, while the daemons are watched.

The hosts of one contestant are there at a time, as memory is bounded; rounds go around them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dockwright.events import HostReached
from dockwright.report.jsonl import read_log
from tests.bench import figures
from tests.bench.rivals import Command, Ours, Rival
from tests.bench.runs import Bench, installed
from tests.lab.host import Host
from tests.lab.machine import LabError

TARGETS = (
    ("fresh install", "pyinfra", 0.9),
    ("fresh install", "ansible", 0.5),
    ("second run", "pyinfra", 0.6),
)


class FleetBench(Bench):
    """``pair`` is a round: each rival in turn with fresh hosts of its own."""

    def __init__(self, ours: Ours, rivals: list[Rival], again: int, log: Path) -> None:
        super().__init__(ours, rivals, again)
        self.log = log

    def pair(self, number: int) -> None:
        """Install and run again, one contestant after the other."""
        # Who begins changes: the first one after a pause finds a rested machine.
        turn = number % len(self.rivals)
        for rival in (*self.rivals[turn:], *self.rivals[:turn]):
            with self._fleet(rival) as hosts:
                before = installed(hosts[0])
                self.run(rival.first, "fresh install", rival.name, number)
                after = [installed(host) for host in hosts]
                self.added[rival.name] = {k: v for k, v in after[0].items() if before.get(k) != v}
                if any(one != after[0] for one in after):
                    raise LabError(f"{rival.name} installed different packages on its hosts")
                assert rival.again is not None
                for again in range(1, self.again + 1):
                    self.run(self._told(rival), "second run", rival.name, number, again)
                    self._all_answered(rival)
        self.same_packages()

    def _told(self, rival: Rival) -> Command:
        assert rival.again is not None
        if rival.name != figures.OURS:
            return rival.again
        return replace(rival.again, argv=[*rival.again.argv, "--log", self.log])

    def _all_answered(self, rival: Rival) -> None:
        """Our second run has asked every daemon: the log has its answers."""
        if rival.name == figures.OURS:
            facts = [event.facts for event in read_log(self.log) if isinstance(event, HostReached)]
            if len(facts) != len(rival.hosts) or any(one.daemon is None for one in facts):
                raise LabError("the second run has not heard from every daemon")

    @contextmanager
    def _fleet(self, rival: Rival) -> Iterator[list[Host]]:
        self.base = self.base or self.make_base()
        hosts: list[Host] = []
        try:
            hosts.extend(self.lab.host(name, base=self.base) for name in rival.hosts)
            for host in hosts:
                host.exec("systemctl is-system-running --wait", check=False)
            yield hosts
        finally:
            for host in hosts:
                host.remove()
