"""The pictures of the console of script/screenshots: sample runs in the middle, as SVG."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from dockwright.report.console import ConsoleReporter
from tests.unit.report import runs


@dataclass(frozen=True)
class Picture:
    """A run of ``hosts`` when that share of its time is over, on a terminal of that height."""

    name: str
    hosts: int
    share: float
    height: int
    width: int = 100


_PICTURES = (
    Picture("console-1", 1, 1.0, 20),
    Picture("console-16", 16, 0.45, 32),
    Picture("console-500", 500, 0.4, 32),
)


def draw(images: Path) -> None:
    """Write them all."""
    for picture in _PICTURES:
        path = images / f"{picture.name}.svg"
        path.write_text(_svg(picture), encoding="utf-8")
        print(f"{path.name}: {picture.width} x {picture.height} characters")


def _svg(picture: Picture) -> str:
    events = sorted(runs.Fleet(picture.hosts).events(), key=lambda event: event.at)
    first, last = events[0].at, events[-1].at
    end = first + (last - first) * picture.share
    now = [first]
    console = Console(
        file=io.StringIO(), width=picture.width, height=picture.height, force_terminal=True,
        force_interactive=True, color_system="truecolor", markup=False, highlight=False,
        emoji=False, legacy_windows=False,
    )  # fmt: skip
    names = sorted({event.host for event in events})
    reporter = ConsoleReporter(console, hosts=names, clock=lambda: now[0])
    screen = reporter._screen  # noqa: SLF001  # what is drawn ten times a second is drawn once here
    screen._wanted = False  # noqa: SLF001
    for event in events:
        now[0] = event.at
        if event.at <= end:
            reporter(event)
    now[0] = end
    if picture.share < 1:
        console.print(screen._frame)  # noqa: SLF001
    else:
        reporter.close()
    output = console.file
    assert isinstance(output, io.StringIO)
    shown = output.getvalue().rstrip("\n").split("\n")[-picture.height :]
    page = Console(record=True, file=io.StringIO(), width=picture.width, color_system="truecolor")
    page.print(Text.from_ansi("\n".join(shown)))
    title = f"{len(names)} hosts" if len(names) > 1 else names[0]
    # Fonts of the reader's, and nothing that is fetched from elsewhere.
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return page.export_svg(title=title, code_format=form)
