"""The pictures of script/screenshots."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from consoles import draw

from dockwright.report.fleet import Fleet
from dockwright.report.html import render_html
from tests.browser import Browser, browser, why_not
from tests.unit.report import runs

_IMAGES = Path(__file__).parent.parent / "docs" / "images"
_LARGEST = 300_000  # bytes: a README is read over slow lines, too


@dataclass(frozen=True)
class Picture:
    """What is to be seen: a run of ``hosts``, from the part of the page with that id on."""

    name: str
    hosts: int
    width: int
    height: int
    dark: bool = False
    part: str = ""
    opened: str = ""


_PICTURES = (
    Picture("report-16", 16, 1280, 1010),
    Picture("report-16-hosts", 16, 1280, 1060, part="t-hosts", opened="h2"),
    Picture("report-16-plan", 16, 1280, 860, dark=True, part="t-plans", opened="p3"),
    Picture("report-1000", 1000, 1280, 1010, dark=True),
    Picture("report-phone", 16, 390, 844, dark=True),
)


def main() -> None:
    images = Path(sys.argv[1]) if len(sys.argv) > 1 else _IMAGES
    images.mkdir(parents=True, exist_ok=True)
    draw(images)
    if why_not():
        sys.exit(f"screenshots: {why_not()}")
    with tempfile.TemporaryDirectory() as temporary, browser() as tab:
        pages = images if len(sys.argv) > 1 else Path(temporary)
        for hosts in {picture.hosts for picture in _PICTURES}:
            text = render_html(Fleet.of(runs.Fleet(hosts).events()))
            (pages / f"report-{hosts}.html").write_text(text, encoding="utf-8")
        for picture in _PICTURES:
            path = images / f"{picture.name}.png"
            _take(tab, picture, pages / f"report-{picture.hosts}.html", path)
            size = path.stat().st_size
            print(f"{path.name}: {picture.width} x {picture.height}, {size // 1000} kB")
            if size > _LARGEST:
                sys.exit(f"screenshots: {path.name} is larger than {_LARGEST // 1000} kB")


def _take(tab: Browser, picture: Picture, page: Path, path: Path) -> None:
    tab.window(picture.width, picture.height, dark=picture.dark)
    tab.open(page)
    if picture.opened:
        one = f"document.getElementById('{picture.opened}')"
        tab.look(f"({one}.querySelector(':scope > details') ?? {one}).open = true")
    if picture.part:
        place = (
            f"document.getElementById('{picture.part}').getBoundingClientRect().top + scrollY - 20"
        )
        tab.look(f"scrollTo({{top: {place}, behavior: 'instant'}})")
    tab.look("new Promise(done => setTimeout(done, 300))")
    tab.shot(path)


if __name__ == "__main__":
    main()
