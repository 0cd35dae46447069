"""The last lines of a run: what the host is now, or how the fleet fared."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.text import Text

from dockwright.errors import Exit
from dockwright.events import Outcome
from dockwright.report.crowd import alike
from dockwright.report.errors import Trouble, exit_line
from dockwright.report.fleet import BECOMES
from dockwright.report.page import styled
from dockwright.report.tally import HostTally, exit_code
from dockwright.report.text import apply_command, duration, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockwright.report.page import Page

_LOOKS = ("facts", "history", "doctor", "render")  # what they print is what was asked for
_SHOWN = 20
_NAMED = 5


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
    words = Counter(one.word for one in tallies)
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
    failed = [one for one in tallies if one.finished and one.code is not Exit.OK and not one.waits]
    width = min(24, max((len(page.say(one.host)) for one in failed), default=0))
    for one in failed if len(failed) <= _SHOWN else ():
        lead = styled("  ") + page.pad(one.host, width)
        lead.append(f"  {f'exit {one.code.value} ({one.code.word})':<20}  ", "red")
        brief = page.text(one.failure.brief) if one.failure else Text()
        lines.append(page.cut(lead + brief))
    if len(failed) > _SHOWN:
        lines += _grouped(page, failed)
    waits = next((one.failure for one in tallies if one.waits), None)
    if waits is not None:
        lines += page.hang(styled("  "), page.text(waits.brief))
        lines += page.hang(styled("  next  ", "dim"), page.text(waits.next_step or "", "bold"))
    return lines


def _grouped(page: Page, failed: Sequence[HostTally]) -> list[Text]:
    """Each trouble once, with how many hosts have it and which the first ones are."""
    found: dict[object, list[HostTally]] = {}
    for one in failed:
        trouble = alike(Trouble.of_event(one.failure)) if one.failure is not None else None
        brief = (trouble.step, trouble.brief) if trouble is not None else ""
        found.setdefault((one.code, brief), []).append(one)
    groups = sorted(found.values(), key=len, reverse=True)
    lines = []
    for group in groups[:_SHOWN]:
        one = group[0]
        brief = alike(Trouble.of_event(one.failure)).brief if one.failure is not None else ""
        names = ", ".join(page.say(host.host) for host in group[:_NAMED])
        names += f", and {len(group) - _NAMED} more" if len(group) > _NAMED else ""
        lead = styled(f"  {plural(len(group), 'host'):>9}  ", "bold")
        lead.append(f"exit {one.code.value} ({one.code.word})  ", "red")
        lines.append(page.cut(lead + page.text(brief)))
        lines[-1].rstrip()
        lines.append(page.cut(styled(f"             {names}", "dim")))
    rest = sum(len(group) for group in groups[_SHOWN:])
    return [*lines, styled(f"  and {rest} more", "dim")] if rest else lines
