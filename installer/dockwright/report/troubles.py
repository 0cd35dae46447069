"""What went wrong, once for all hosts to which the same happened, and the commands that come next."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockwright.errors import Exit
from dockwright.report.errors import Trouble
from dockwright.report.text import Cleaned, clean, clean_lines

if TYPE_CHECKING:
    from dockwright.report.fleet import Fleet
    from dockwright.report.story import HostStory

HOST = "HOST"  # what stands for the name where a trouble is that of several hosts
_NAMED = 50  # hosts in one command line
_DETAIL = 2_000  # characters of one line: commands must come whole
_LINES = 60
_PROGRAMS = (
    "sudo|dockwright|dpkg|apt|apt-get|apt-mark|systemctl|docker|dockerd|ssh|ssh-keygen|ssh-copy-id|"
    "snap|useradd|chmod|chown|timedatectl|journalctl|cp|df"
)
# Advice is a sentence that ends with a command, or begins with one: "make room, then: apt-get …".
_COMMAND = re.compile(rf"(?:^|[:;,] )((?:{_PROGRAMS}) [^\n]+)$")
_PROSE = re.compile(r"(?:; | follows it| shows (?:it|where)|, (?:then|or|and) ).*\Z")
_WITH = re.compile(r"\bsame command with (--[a-z-]+)")
_SAME = re.compile(r"\bsame command\b|\brun it again\b")


@dataclass(frozen=True)
class Knot:
    """One trouble and the hosts that have it. ``commands`` are ready to be pasted."""

    trouble: Trouble
    word: str
    hosts: tuple[str, ...]
    commands: tuple[str, ...] = ()

    @property
    def details(self) -> list[tuple[str, list[Cleaned]]]:
        """The details as (label, lines), all of them clean."""
        pairs = [(clean(label, 40), _lines(text)) for label, text in self.trouble.details]
        return [(label, lines) for label, lines in pairs if lines]

    @property
    def advice(self) -> list[Cleaned]:
        """What comes next, in the words of whoever found the trouble."""
        return _lines(self.trouble.next_step or "")


def knots(fleet: Fleet) -> list[Knot]:
    """The troubles of a run: the worst first, and of those that are as bad the most frequent."""
    found: dict[object, tuple[Trouble, str, list[HostStory]]] = {}
    for story in fleet.stories:
        if story.fine:
            continue
        trouble = _trouble(story)
        key = (replace(nameless(trouble, story.host), host=None), story.word)
        found.setdefault(key, (trouble, story.word, []))[2].append(story)
    made = [_knot(*group) for group in found.values()]
    worst = (Exit.REPAIR, Exit.FAILED, Exit.TRUST, Exit.DESTRUCTIVE, Exit.VERIFY, Exit.BUSY)
    rank = {code: number for number, code in enumerate(worst)}
    return sorted(made, key=lambda one: (rank.get(one.trouble.exit, len(rank)), -len(one.hosts)))


def knot_of(story: HostStory) -> Knot:
    """The trouble of one host, under its own name."""
    return _knot(_trouble(story), story.word, [story])


def command_of(advice: str) -> str:
    """The command that a line of advice ends or begins with; empty where there is none."""
    return _command(clean(advice, _DETAIL), [])


def _knot(trouble: Trouble, word: str, stories: list[HostStory]) -> Knot:
    names = [story.host for story in stories]
    if len(stories) > 1:
        trouble = replace(nameless(trouble, names[0]), host=HOST)
    again = next((s.start.again for s in stories if s.start is not None and s.start.again), "")
    if stories[0].tally.command == "plan":
        again = ""  # it would apply, and there is nothing yet to be applied
    next_step = trouble.next_step or ""
    commands = [_command(line, names) for line in _lines(next_step)]
    if again and (_SAME.search(next_step) or not trouble.next_step):
        option = _WITH.search(next_step)
        commands.append(clean(again, _DETAIL) + (f" {option[1]}" if option else ""))
    wanted = tuple(dict.fromkeys(command for command in commands if command))
    return Knot(trouble, word, tuple(names), wanted)


def _trouble(story: HostStory) -> Trouble:
    failure = story.tally.failure
    if failure is not None:
        titles = {span.step: span.title for span in story.spans if span.step}
        return Trouble.of_event(failure, titles.get(failure.step or ""))
    if story.tally.findings:
        return _found(story)
    if story.tally.finish is not None:
        return Trouble(story.code, f"ended with {story.code.word}", host=story.host)
    joins = "dockwright attach HOST".replace(HOST, shlex.quote(clean(story.host)))
    program = story.tally.program
    return Trouble(
        story.code,
        "what was recorded ends before the run does",
        next_step=f"see how it went on: {joins}" if program else "run the same command again",
        host=story.host,
        changed=None if program else False,
    )


def _found(story: HostStory) -> Trouble:
    """What doctor found: the first of it whole, as it is the root of the others more often than not."""
    first, *others = story.tally.findings
    details = [("seen", first.evidence), ("cause", first.cause)]
    details += [(one.rung, f"{one.finding}: {one.evidence}") for one in others]
    return Trouble(
        story.code,
        first.finding,
        details=tuple(details),
        step=first.rung,
        next_step="\n".join(first.action),
        host=story.host,
        changed=False,
    )


def nameless(trouble: Trouble, host: str) -> Trouble:
    """The trouble with ``HOST`` for the host's name, so that it is the same for other hosts."""
    address = host.rpartition("@")[2]
    names = {host, address, re.sub(r":[0-9]+\Z", "", address)} - {""}
    listed = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w.-])(?:{listed})(?![\w-]|\.\w)")

    def without(text: str | None) -> str | None:
        return text if text is None else pattern.sub(HOST, text[:100_000])

    return replace(
        trouble,
        brief=without(trouble.brief) or "",
        details=tuple((label, without(text) or "") for label, text in trouble.details),
        step=without(trouble.step),
        next_step=without(trouble.next_step),
    )


def _command(line: str, hosts: list[str]) -> str:
    """The command in a line of advice; where it is for several hosts, with all of their names."""
    found = _COMMAND.search(line)
    if found is None:
        return ""
    command = _PROSE.sub("", found[1]).rstrip(" .")
    if command.startswith("dockwright ") and len(hosts) > 1:
        named = shlex.join(clean(host) for host in hosts[:_NAMED])
        command = re.sub(rf"\b{HOST}\b", lambda _: named, command)
    return command


def _lines(text: str) -> list[Cleaned]:
    lines = clean_lines(text, _LINES, tail=True, limit=_DETAIL)
    return [line for line in lines if line.strip()]
