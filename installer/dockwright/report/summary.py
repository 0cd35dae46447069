"""The last lines of a run: what the host is now, or how the fleet fared."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.text import Text

from dockwright.errors import Exit
from dockwright.events import Outcome
from dockwright.report.errors import exit_line
from dockwright.report.fleet import BECOMES
from dockwright.report.page import styled
from dockwright.report.tally import HostTally, exit_code
from dockwright.report.text import apply_command, duration, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockwright.report.page import Page

_LOOKS = ("facts", "history", "doctor", "render")  # what they print is what was asked for
_SHOWN = 20


def ending(page: Page, tallies: Sequence[HostTally], *, quiet: bool = False) -> list[Text]:
    """All of it: one host's line or the fleet's, and the exit code where it is not 0."""
    if not tallies:
        return []
    lines = _host(page, tallies[0], quiet=quiet) if len(tallies) == 1 else _fleet(page, tallies)
    code = exit_code(tallies)
    # Whoever stops before the end of the run knows better with what code.
    if code is not Exit.OK and all(tally.finished for tally in tallies):
        lines.append(exit_line(code))
    # What ends an error or a plan belongs to it.
    belongs = len(tallies) == 1 and (tallies[0].failure is not None or tallies[0].unapplied)
    return lines if quiet or belongs or not lines else [Text(), *lines]


def _host(page: Page, tally: HostTally, *, quiet: bool) -> list[Text]:
    if tally.code is not Exit.OK or tally.finish is None or tally.command in _LOOKS:
        return []
    name = page.text(tally.host, "bold")
    spent = duration(tally.finish.seconds)
    if tally.unapplied:
        known = tally.again or apply_command(tally.playbook, [tally.host])
        command = page.text(known, "bold")
        count = plural(tally.would, "change")
        lead = (
            f"{page.say(tally.host)}: {count} planned. " if quiet else ""
        )  # else the plan is there
        return page.hang(Text(), styled(f"{lead}Nothing was changed. Apply it with: ") + command)
    if tally.command == "verify" or (not tally.changed and tally.count(Outcome.VERIFIED)):
        checks = plural(tally.count(Outcome.VERIFIED), "check")
        return page.hang(Text(), name + styled(f" is well: {checks} passed, {spent}."))
    becomes, _ = BECOMES.get(tally.playbook, ("", ""))
    if not tally.changed:
        state = f" {becomes}, already so" if becomes else " already so"
        return page.hang(Text(), name + styled(f"{state}: nothing to do ({spent})"))
    body = name + styled(f" {becomes or 'is done'}. ")
    body.append(f"{tally.changed} changed, {tally.same} already so, {spent}.")
    if tally.fetched == "host":
        body.append(" Key and index came through the host.")
    if tally.finish.receipt:
        body.append(" Receipt: ").append_text(page.text(tally.finish.receipt))
    return page.hang(Text(), body)


def _fleet(page: Page, tallies: Sequence[HostTally]) -> list[Text]:
    words = Counter("cut short" if not one.finished else one.code.word for one in tallies)
    counts = [f"{words.pop('ok', 0)} ok", *(f"{n} {word}" for word, n in words.most_common())]
    waiting = [one for one in tallies if one.unapplied and one.code is Exit.OK]
    changed, same = sum(one.changed for one in tallies), sum(one.same for one in tallies)
    spent = max(one.ended for one in tallies) - min(one.began for one in tallies)
    body = styled(f"{len(tallies)} hosts: {', '.join(counts)}. ", "bold")
    if waiting and not any(one.program for one in tallies):
        body.append(f"{plural(len(waiting), 'host')} would change; nothing was changed.", "default")
    else:
        body.append(f"{changed} changed, {same} already so, {duration(spent)}.", "default")
    lines = page.hang(Text(), body)
    failed = [one for one in tallies if one.finished and one.code is not Exit.OK]
    width = min(24, max((len(page.say(one.host)) for one in failed), default=0))
    for one in failed[:_SHOWN]:
        lead = styled("  ") + page.pad(one.host, width)
        lead.append(f"  {f'exit {one.code.value} ({one.code.word})':<20}  ", "red")
        brief = page.text(one.failure.brief) if one.failure else Text()
        lines.append(page.cut(lead + brief))
    if len(failed) > _SHOWN:
        lines.append(styled(f"  and {len(failed) - _SHOWN} more", "dim"))
    return lines
