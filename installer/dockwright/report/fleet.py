"""What happened on all hosts of a run: the one thing that HTML, JUnit and summary are made of.

Events are folded in as they come, so that a run of a thousand hosts is not kept event by event.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockwright.errors import Exit
from dockwright.events import Planned
from dockwright.report.story import HostStory, sane
from dockwright.report.tally import exit_code
from dockwright.report.text import clean, duration, plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockwright.events import Event
    from dockwright.plan import HostPlan

# What a host is once a playbook that we ship was applied; no other playbook promises anything.
BECOMES = {
    "docker": ("is a Docker host", "are Docker hosts"),
    # With GPUs, if there are any: the last check tells.
    "gpu": ("is a Docker host", "are Docker hosts"),
    "nvidia-docker2": ("is a Docker host with GPUs", "are Docker hosts with GPUs"),
    "uninstall": ("has none of Docker's own packages", "have none of Docker's own packages"),
    "purge": ("has nothing of Docker, nor its data", "have nothing of Docker, nor its data"),
    "undo": ("is as it was before that run", "are as they were before that run"),
}
_PLAN_ONLY = ("plan", "facts", "history", "doctor", "render")


@dataclass
class PlanGroup:
    """One plan, and the hosts whose plan it is: it says the same for each of them."""

    plan: HostPlan
    hosts: list[str] = field(default_factory=list)


class Fleet:
    """The hosts of a run, in the order in which they first appear."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostStory] = {}
        self.plans: dict[str, PlanGroup] = {}
        self.events = 0

    @classmethod
    def of(cls, events: Iterable[Event]) -> Fleet:
        """The fleet that these events tell of."""
        fleet = cls()
        for event in events:
            fleet.take(event)
        return fleet

    def take(self, event: Event) -> None:
        """One more event."""
        self.events += 1
        story = self.hosts.get(event.host)
        if story is None:
            story = self.hosts[event.host] = HostStory.of(event)
        story.take(event)
        if isinstance(event, Planned):
            key = _key(event.plan)
            group = self.plans.setdefault(key, PlanGroup(event.plan))
            if key not in story.plans:
                story.plans.append(key)
                group.hosts.append(event.host)

    # --- all of it ----------------------------------------------------------------------------

    @property
    def stories(self) -> list[HostStory]:
        """All hosts."""
        return list(self.hosts.values())

    @property
    def code(self) -> Exit:
        """The exit code of the run."""
        return exit_code(story.tally for story in self.stories)

    @property
    def words(self) -> dict[str, int]:
        """How many hosts ended how, ``ok`` first, then the most."""
        counted = Counter(story.word for story in self.stories)
        ok = {"ok": counted.pop("ok")} if "ok" in counted else {}
        return {**ok, **dict(counted.most_common())}

    @property
    def begin(self) -> float:
        """When the first host began, in seconds since the epoch."""
        return min((story.begin for story in self.stories), default=0.0)

    @property
    def seconds(self) -> float:
        """From the first event to the last."""
        ends = [story.begin + story.seconds for story in self.stories]
        return sane(max(ends, default=0.0) - self.begin)

    def told(self, name: str) -> str:
        """What the first host that tells it says of the run: ``command``, ``version``, ..."""
        starts = (story.start for story in self.stories if story.start is not None)
        return next((clean(getattr(s, name), 2_000) for s in starts if getattr(s, name)), "")

    @property
    def playbook(self) -> str:
        """The playbook that was applied, or would be."""
        names = (story.tally.playbook for story in self.stories if story.tally.playbook)
        return next((clean(name) for name in names), "")

    @property
    def looked(self) -> bool:
        """Whether nothing was to be changed: a plan, facts, or a run that never came to its program."""
        return not any(story.tally.program for story in self.stories)

    @property
    def fine(self) -> list[HostStory]:
        """The hosts that nobody has to look at."""
        return [story for story in self.stories if story.fine]

    @property
    def applies(self) -> str:
        """The command that applies what was only planned; empty where nothing is left to be applied."""
        due = self.looked and any(story.tally.unapplied for story in self.fine)
        return self.told("again") if due else ""

    @property
    def verdict(self) -> str:
        """One sentence that says how the run ended."""
        total, good = len(self.stories), self.fine
        if not total:
            return "No host was worked on"
        waiting = sum(story.tally.unapplied for story in good)
        if self.told("command") in _PLAN_ONLY or (self.looked and waiting):
            one, many = ("would change", "would change")
            if self.told("command") == "facts":
                waiting, one, many = len(good), "answered", "answered"
            elif not waiting and good:
                waiting, one, many = len(good), "needs no change", "need no change"
        elif self.told("command") == "verify" or self.playbook == "verify":
            waiting, one, many = len(good), "is well", "are well"
        else:
            waiting = len(good)
            one, many = BECOMES.get(self.playbook, ("is done", "are done"))
        if total == 1:
            only = self.stories[0]
            return f"{clean(only.host)} {one}" if waiting else f"{clean(only.host)}: {only.word}"
        if waiting == total:
            return f"All {total} hosts {many}"
        return f"{waiting} of {plural(total, 'host')} {one if waiting == 1 else many}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The figures of the run, as (label, value)."""
        changed = sum(story.tally.changed for story in self.stories)
        same = sum(story.tally.same for story in self.stories)
        would = sum(story.tally.would for story in self.fine if story.tally.unapplied)
        percent = _percent(len(self.fine), len(self.stories))
        figures = [("hosts ok", f"{len(self.fine)} of {len(self.stories)} ({percent})")]
        if would:
            figures.append(("would change", str(would)))
        if self.told("command") not in ("facts", "verify") or changed:
            figures += [] if would and not changed else [("changed", str(changed))]
            figures.append(("already so", str(same)))
        return [*figures, ("total time", duration(self.seconds))]


def _percent(part: int, whole: int) -> str:
    """Never 100 % while one is missing, never 0 % while there is one."""
    if not whole or part in (0, whole):
        return "100 %" if part else "0 %"
    return f"{min(99, max(1, round(100 * part / whole)))} %"


def _key(plan: HostPlan) -> str:
    """The same for two plans that read the same: whose they are, and how they are carried out, is left out."""
    text = plan.model_dump_json(
        exclude={
            "host": True,
            "assumes": True,
            "trust": True,  # it tells the age of the index
            "actions": {"__all__": {"params"}},
            "transaction": {"repositories"},
        }
    )
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
