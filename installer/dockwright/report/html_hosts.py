"""Hosts as they stand on the page, the ones that need eyes first, and as much as there is room for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockwright.events import Outcome
from dockwright.report import bars
from dockwright.report.text import Cleaned, clean, clean_lines, duration

if TYPE_CHECKING:
    from dockwright.report.bars import Bit
    from dockwright.report.fleet import Fleet
    from dockwright.report.plan_groups import PlanView
    from dockwright.report.story import HostStory, Span

_ROOM = 1_800_000  # characters of what is said of the steps of hosts
_ROWS = 2_000
_STEPS = 120  # of one host
_OUTPUT = 40
_FEW = 100  # hosts; of more than these the steps have no bars of their own


@dataclass(frozen=True)
class Row:
    """One piece of a host's run."""

    state: str
    title: str
    text: str
    spent: str
    bits: list[Bit]
    cause: str = ""
    output: list[Cleaned] = field(default_factory=list)
    waited: str = ""


@dataclass(frozen=True)
class HostView:
    """A host: what is seen of it in the list, and below."""

    id: str
    story: HostStory
    state: str
    says: str
    brief: str
    bits: list[Bit]
    own_scale: bool
    rows: list[Row]
    plans: list[PlanView]
    detailed: bool

    @property
    def sort(self) -> str:
        """The seconds of the run, as the script sorts by them."""
        return f"{self.story.seconds:.3f}"


def state(story: HostStory) -> str:
    """How it ended, with *ok* told apart by whether anything was, or would be, changed."""
    if not story.fine:
        return story.word
    if story.tally.unapplied:
        return "would change"
    if story.tally.changed:
        return "changed"
    return "ok" if story.tally.command in ("verify", "facts", "attach") else "already so"


def outcomes(fleet: Fleet) -> list[tuple[str, bool, int]]:
    """How many hosts ended how: (state, whether it is fine, count), the good ones first."""
    counted: dict[tuple[str, bool], int] = {}
    for story in fleet.stories:
        key = (state(story), story.fine)
        counted[key] = counted.get(key, 0) + 1
    order = sorted(counted.items(), key=lambda item: (not item[0][1], -item[1]))
    return [(word, fine, count) for (word, fine), count in order]


def host_views(fleet: Fleet, plans: dict[str, PlanView]) -> tuple[list[HostView], int]:
    """The hosts in the order of the page, and how many there was no room for."""
    stories = sorted(fleet.stories, key=lambda story: story.fine)  # else as they came
    whole = bars.scale(stories)
    few = len(stories) <= _FEW
    room = _ROOM
    made = []
    for number, story in enumerate(stories[:_ROWS], start=1):
        rows = _rows(story, with_bars=few or not story.fine) if room > 0 else []
        room -= sum(
            70 + 60 * len(r.bits) + len(r.title) + len(r.text) + sum(map(len, r.output))
            for r in rows
        )
        own = story.seconds > whole
        made.append(
            HostView(
                id=f"h{number}",
                story=story,
                state=state(story),
                says=bars.said(story),
                brief=_brief(story),
                bits=bars.bits(story, story.seconds if own else whole),
                own_scale=own,
                rows=rows,
                plans=[plans[key] for key in story.plans if key in plans],
                detailed=bool(rows) or not story.spans,
            )
        )
    return made, max(0, len(stories) - _ROWS)


def _brief(story: HostStory) -> str:
    tally = story.tally
    if tally.failure is not None and not story.fine:
        return tally.failure.brief
    if not story.fine:
        return "what was recorded ends before the run does" if not tally.finish else story.word
    if tally.unapplied:
        return f"{tally.would} would change"
    return f"{tally.changed} changed, {tally.same} already so"


def _rows(story: HostStory, *, with_bars: bool) -> list[Row]:
    return [_row(span, story, with_bars=with_bars) for span in story.spans[:_STEPS]]


def _row(span: Span, story: HostStory, *, with_bars: bool) -> Row:
    failed = span.outcome is Outcome.FAILED
    waits = [f"{duration(wait.seconds)} for {clean(wait.holder, 80)}" for wait in span.waits[:5]]
    return Row(
        state=_value(span),
        title=span.title,
        text=span.text or {"same": "already so", "skipped": "skipped"}.get(_value(span), ""),
        spent=duration(span.seconds),
        bits=bars.own_bits(span, story) if with_bars else [],
        cause=span.cause if failed else "",
        output=clean_lines(span.output, _OUTPUT, tail=True) if failed else [],
        waited=f"waited {', '.join(waits)}" if waits else "",
    )


def _value(span: Span) -> str:
    return span.outcome.value if span.outcome else "cut"
