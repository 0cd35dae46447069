"""The times as a picture: one bar for each kind of run and who made it, as a small SVG."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tests.bench.figures import OURS, Line

SHOWN = ("fresh install", "second run", "verify", "plan, nothing to do", "--help")
_LEFT, _RIGHT, _ROW, _GAP, _WIDE = 190, 90, 22, 16, 420
_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f } .head { font-weight: 600 }
.ours { fill: #0969da } .theirs { fill: #afb8c1 } line { stroke: #57606a }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .theirs { fill: #57606a } line { stroke: #8b949e } }
"""


def draw(lines: Iterable[Line]) -> str:
    """The picture. Each kind of run has a scale of its own; the thin line goes from the shortest to the longest."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        if line.what in SHOWN or line.what.startswith("program"):
            groups.setdefault(line.what, []).append(line)
    parts: list[str] = []
    at = _GAP
    for what, group in groups.items():
        at += _ROW
        parts.append(f'<text class="head" x="8" y="{at - 6}">{escape(what)}</text>')
        scale = _WIDE / max(line.high for line in group)
        for line in group:
            kind = "ours" if line.who == OURS else "theirs"
            wide, low, high = (
                round(value * scale, 1) for value in (line.wall, line.low, line.high)
            )
            middle = at + _ROW / 2 - 1
            parts += [
                f'<text x="{_LEFT - 8}" y="{at + 15}" text-anchor="end">{escape(line.who)}</text>',
                f'<rect class="{kind}" x="{_LEFT}" y="{at + 2}" width="{wide}" height="{_ROW - 6}"/>',
                f'<line x1="{_LEFT + low}" x2="{_LEFT + high}" y1="{middle}" y2="{middle}"/>',
                f'<text x="{_LEFT + max(wide, high) + 6}" y="{at + 15}">{line.wall:.2f} s</text>',
            ]
            at += _ROW
        at += _GAP
    size = f"{_LEFT + _WIDE + _RIGHT} {at}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img">\n'
        f"<title>Times of Dockwright and its rivals, in seconds</title>\n<style>\n{_STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )
