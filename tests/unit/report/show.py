"""Reporters played into strings, and golden files beside the tests.

``DOCKWRIGHT_UPDATE_GOLDEN=1`` writes the golden files anew; read the difference before it is kept.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from dockwright.events import Event
from dockwright.report.console import ConsoleReporter

GOLDEN = Path(__file__).parent / "golden"


class Stream(io.StringIO):
    """A stream that may say that it is a terminal, in an encoding of its own."""

    def __init__(self, *, tty: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty = tty
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._tty

    def write(self, text: str) -> int:
        text.encode(self._encoding)  # raises as a real stream would
        return super().write(text)


def terminal(width: int = 100, encoding: str = "utf-8", **options: Any) -> Console:
    """A terminal of that width that shows no live region, so that its text can be compared."""
    defaults = {
        "file": Stream(tty=True, encoding=encoding), "width": width, "height": 40,
        "color_system": None, "force_terminal": True, "force_interactive": False,
        "markup": False, "emoji": False, "highlight": False,
    }  # fmt: skip
    return Console(**{**defaults, **options})


def pipe(encoding: str = "utf-8") -> Console:
    return terminal(encoding=encoding, force_terminal=False, soft_wrap=True)


def written(console: Console) -> str:
    assert isinstance(console.file, Stream)
    return console.file.getvalue()


def play(events: Iterable[Event], console: Console, **options: Any) -> str:
    events = list(events)
    hosts = tuple(dict.fromkeys(event.host for event in events))
    reporter = ConsoleReporter(console, **{"hosts": hosts, "clock": lambda: 0.0, **options})
    for event in events:
        reporter(event)
    reporter.close()
    reporter.close()
    return written(console)


def shown(draw: Callable[[Console], object], console: Console) -> str:
    draw(console)
    return written(console)


def check_golden(name: str, text: str) -> None:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("DOCKWRIGHT_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"no {file.name}: run with DOCKWRIGHT_UPDATE_GOLDEN=1 and read it"
    assert text == file.read_text(encoding="utf-8")
