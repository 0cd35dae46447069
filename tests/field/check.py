"""The scenarios on one host, each told as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from dockwright.errors import DockwrightError
from tests.field import scenarios
from tests.field.document import Outcome, Told, system
from tests.field.machine import Broken, Skipped
from tests.field.scenarios import SCENARIOS
from tests.field.site import Site

SIGNS = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped", "refused": "REFUSED"}
BRINGS = {"install", "gpu", "cut"}  # these make a Docker host
# The last is for events that are none, or not those that have to be there.
FAILURES = (Broken, DockwrightError, AssertionError, ValueError)


class Check:
    """Tries scenarios on a host, and fills what is told of it."""

    def __init__(
        self, site: Site, told: Told, *, confirm: Sequence[str] = (), on_used_host: bool = False
    ) -> None:
        """``confirm`` is for purge; with ``on_used_host`` nobody asks whose Docker is there."""
        self.site, self.told = site, told
        self._confirm, self._used = confirm, on_used_host
        self._not: tuple[str, str] | None = None  # how what changes the host ends, and why

    def run(self, chosen: Sequence[str]) -> None:
        """All of them, in this order; the first are the facts."""
        print(f"\n{self.told.host}", flush=True)
        begun = time.monotonic()
        if self._try(chosen[0], self._facts):
            self._judge({name for name in chosen if SCENARIOS[name].changes})
            for name in chosen[1:]:
                self._try(name, partial(self._scenario, name))
        counts = ", ".join(f"{number} {what}" for what, number in self.told.counts.items())
        print(f"{self.told.host}: {counts}, {time.monotonic() - begun:.0f} s", flush=True)

    def _facts(self) -> str:
        try:
            known = self.site.look()
        except Broken:
            self.told.unreached = True
            raise
        self.told.system = system(known)
        self.told.names |= {known.hostname, known.sudo_user, known.machine_id}
        return scenarios.called(known)

    def _judge(self, changing: set[str]) -> None:
        """Whether the host may be changed: what of Docker is there has to be ours."""
        if not changing or self._used:
            return
        try:
            there = self.site.there()
            if not there and changing & BRINGS:
                self.site.mark(ours=True)
        except FAILURES as broken:
            self._not = "failed", str(broken)
            return
        if there:
            found = "; ".join(there[:5]) + (f"; {len(there) - 5} more" if there[5:] else "")
            self._not = "refused", f"in use: {found} (--on-used-host changes it all the same)"

    def _scenario(self, name: str) -> str:
        one = SCENARIOS[name]
        if not one.changes:
            return one.run(self.site)
        if self._not is not None:
            raise NotTriedError(*self._not)
        try:
            if name != "purge":
                return one.run(self.site)
            seen = scenarios.purge(self.site, *self._confirm)
            self.site.mark(ours=False)
        except FAILURES:
            self._not = "skipped", f"{name} failed before it"
            raise
        return seen

    def _try(self, name: str, run: Callable[[], str]) -> bool:
        one = Outcome(name, "failed", error="interrupted")
        self.told.scenarios.append(one)
        self.site.ran.clear()
        begun = time.monotonic()
        try:
            one.seen, one.outcome, one.error = run(), "ok", ""
        except Skipped as skipped:
            one.seen, one.outcome, one.error = str(skipped), "skipped", ""
        except NotTriedError as not_tried:
            one.outcome, one.error = not_tried.outcome, str(not_tried)
        except FAILURES as broken:
            one.error = str(broken) or type(broken).__name__
        finally:
            one.seconds = round(time.monotonic() - begun, 1)
            one.commands = [
                {"command": ran.command, "exit": ran.code, "seconds": round(ran.seconds, 1)}
                for ran in self.site.ran
            ]
            text = one.error or one.seen
            print(f"  {SIGNS[one.outcome]} {name:9} {one.seconds:6.1f} s  {text}", flush=True)
        return one.outcome == "ok"


class NotTriedError(Exception):
    """A scenario that is not tried here; ``outcome`` is how it counts."""

    def __init__(self, outcome: str, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome
