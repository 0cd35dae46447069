"""A summary in Markdown, for the page that a CI server shows of a job: short, and bounded.

Everything that came from elsewhere is in a code span or escaped, so that it is never markup.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from dockwright.errors import Exit
from dockwright.events import Outcome
from dockwright.plan import Verb
from dockwright.report.plan_groups import plan_views
from dockwright.report.text import clean, clean_lines, duration, plural
from dockwright.report.troubles import Knot, knots
from dockwright.report.trust_lines import trust_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockwright.report.fleet import Fleet
    from dockwright.report.story import HostStory

_ROWS = 20  # hosts in the table
_KNOTS = 10
_NAMES = 8  # hosts named beside a trouble
_STEPS = 60
_PLANS = 5
_SIGNS = {Verb.ADD: "+", Verb.REMOVE: "-", Verb.CHANGE: "!", Verb.RESTART: "!"}
_OUTPUT = 30
# What is markup by itself; then addresses, which become links, and :emoji:.
_SPECIAL = re.compile(r"([\\`*_\[\]#|~@$]|:(?=//|\w+:)|(?<=www)\.)")


def render_markdown(fleet: Fleet) -> str:
    """The run as Markdown."""
    code = fleet.code
    sign = "✅" if code is Exit.OK else "❌"
    parts = [f"## {sign} {_text(fleet.verdict)}", ""]
    if code is not Exit.OK:
        parts += [f"**exit {code.value} ({code.word})**", ""]
    figures = " · ".join(f"{label} **{_text(value)}**" for label, value in fleet.facts)
    by_word = ", ".join(f"{count} {word}" for word, count in fleet.words.items())
    parts += [figures if len(fleet.hosts) > 1 else figures.partition(" · ")[2], ""]
    if len(fleet.words) > 1:
        parts += [f"{plural(len(fleet.hosts), 'host')}: {by_word}.", ""]
    found = knots(fleet)
    for knot in found[:_KNOTS]:
        parts += _trouble(knot)
    if len(found) > _KNOTS:
        parts += [f"… and {plural(len(found) - _KNOTS, 'other trouble')}.", ""]
    parts += _table(fleet)
    parts += _plans(fleet) if fleet.looked else []
    parts += _notable(fleet)
    if len(fleet.hosts) == 1:
        parts += _steps(fleet.stories[0])
    if fleet.applies:
        parts += ["Nothing was changed. Apply it with:", "", *_fence([fleet.applies])]
    version = fleet.told("version")
    parts += [f"<sub>dockwright {_text(version)}</sub>" if version else "", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip() + "\n"


def _trouble(knot: Knot) -> list[str]:
    trouble = knot.trouble
    names = ", ".join(_code(name) for name in knot.hosts[:_NAMES])
    more = f" and {len(knot.hosts) - _NAMES} more" if len(knot.hosts) > _NAMES else ""
    parts = [
        f"### {_text(trouble.brief, 300)}",
        "",
        f"{names}{more} — exit {trouble.exit.value} ({knot.word})"
        + (f", {_text(trouble.step)}" if trouble.step else "")
        + (f"; {trouble.fate}" if trouble.fate else ""),
        "",
    ]
    for label, lines in knot.details:
        if len(lines) == 1:
            parts.append(f"- {_text(label)}: {_text(lines[0])}")
        else:
            title = f"{label}, {plural(len(lines), 'line')}"
            parts += ["", *_folded(title, _fence(lines[-_OUTPUT:])), ""]
    parts += ["", *(f"**Next:** {_text(line, 2_000)}  " for line in knot.advice)]
    if knot.commands:
        parts += ["", *_fence(knot.commands)]
    return [*parts, ""]


def _table(fleet: Fleet) -> list[str]:
    """Hosts that need eyes first, then the slowest; the rest as a count."""
    order = sorted(fleet.stories, key=lambda story: (story.fine, -story.seconds))
    shown = order[:_ROWS]
    parts = [
        "| | host | outcome | changed | already so | time |",
        "|---|---|---|---:|---:|---:|",
    ]
    for story in shown:
        sign = "✅" if story.fine else "❌"
        would = story.tally.would if story.tally.unapplied and story.fine else 0
        changed = f"{would} planned" if would else str(story.tally.changed)
        parts.append(
            f"| {sign} | {_code(story.host, table=True)} | {story.word} | {changed} "
            f"| {story.tally.same} | {duration(story.seconds)} |"
        )
    rest = order[_ROWS:]
    if rest:
        bad = sum(not story.fine for story in rest)
        told = f"{bad} of them not ok" if bad else "all of them ok"
        parts += ["", f"… and {plural(len(rest), 'more host', 'more hosts')}, {told}."]
    return [*parts, ""]


def _notable(fleet: Fleet) -> list[str]:
    """What trust rests on, overridden pins in bold, and notes; each once."""
    notes = list({note: None for story in fleet.stories for note in story.notes})
    shown = [
        f"- **overridden pin:** {_text(view.text)}" if view.overridden else f"- {_text(view.text)}"
        for view in trust_views(fleet)
    ]
    shown += [f"- {_text(note)}" for note in notes]
    if len(shown) > _ROWS:
        shown[_ROWS:] = [f"- … and {len(shown) - _ROWS} more"]
    return _folded("Trust and notes", shown) if shown else []


def _plans(fleet: Fleet) -> list[str]:
    """What would be done, in the colours that a server gives to a diff."""
    parts: list[str] = []
    views = list(plan_views(fleet).values())
    for view in views[:_PLANS]:
        lines = []
        for line in view.lines:
            sign = _SIGNS.get(line.verb, " ")
            reason = f"   # {line.reason}" if line.reason else ""
            lines.append(f"{sign} {line.kind} {', '.join(line.cells)}{reason}")
            lines += [f"! {name} stops" for name in line.stops]
            lines += [f"    {sign} {text}" for sign, text in line.diff[:_OUTPUT] if not line.new]
        if len(lines) > _STEPS:
            lines[_STEPS:] = [f"  … and {len(lines) - _STEPS} more lines"]
        system = f" ({view.system})" if view.system and len(views) > 1 else ""
        title = f"Plan for {view.title}{system}: {view.counts}"
        parts += _folded(title, _fence(lines, "diff", most=1)) if lines else [_text(title), ""]
    if len(views) > _PLANS:
        parts += [f"… and {len(views) - _PLANS} more plans.", ""]
    return parts


def _steps(story: HostStory) -> list[str]:
    rows = [
        f"| {'❌' if span.outcome is Outcome.FAILED else ''} | {_text(span.title)} "
        f"| {_text(span.text, 200)} | {duration(span.seconds)} |"
        for span in story.spans[:_STEPS]
    ]
    table = ["| | step | seen | time |", "|---|---|---|---:|", *rows, ""]
    return _folded("Where the time went", table) if rows else []


def _folded(title: str, lines: list[str]) -> list[str]:
    # In HTML Markdown's own escapes would be seen.
    summary = html.escape(clean(title))
    return [f"<details><summary>{summary}</summary>", "", *lines, "", "</details>", ""]


def _text(text: str, limit: int = 300) -> str:
    """Text that Markdown takes for text: no link, no image, no tag."""
    escaped = html.escape(clean(text, limit), quote=False)
    return _SPECIAL.sub(r"\\\1", escaped)


def _code(text: str, *, table: bool = False) -> str:
    """A code span that no backtick in the text can end."""
    text = clean(text, 120) or " "
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if "`" in text else ""
    span = f"{ticks}{pad}{text}{pad}{ticks}"
    return span.replace("|", "\\|") if table else span


def _fence(lines: Sequence[str], language: str = "text", most: int = _OUTPUT) -> list[str]:
    """A block of code that no line in it can end; each text is at most ``most`` lines."""
    body = [line for text in lines for line in clean_lines(text, most)]
    longest = max((len(run) for line in body for run in re.findall(r"`+", line)), default=0)
    ticks = "`" * max(3, longest + 1)
    return [f"{ticks}{language}", *body, ticks, ""]
