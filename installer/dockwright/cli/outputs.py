"""The files that a run writes: its log and its reports."""

from __future__ import annotations

import os
from pathlib import Path

from dockwright.cli.options import Show
from dockwright.errors import InputError
from dockwright.report import FILES, Reporter, to_file


def open_files(show: Show, source: Path | None = None) -> list[Reporter]:
    """The log and the reports that are asked for, each tried at once.

    Raises InputError where one cannot be written, or where two are one file, ``source`` included.
    """
    # The log last: what stands in it, the reports have taken too, whenever a signal comes.
    named = {**{name: getattr(show, name) for name in FILES}, "log": show.log}
    paths = {name: path for name, path in named.items() if path is not None}
    kept = [path for path in (source, *paths.values()) if path is not None and _is_kept(path)]
    if len({os.path.realpath(path) for path in kept}) < len(kept):
        raise InputError(
            f"named twice as a file: {', '.join(map(str, kept))}",
            next_step="name each its own file",
        )
    return [_log(path) if name == "log" else to_file(name, path) for name, path in paths.items()]


def _log(path: Path) -> Reporter:
    from dockwright.report.jsonl import JsonlReporter  # with all events: not before it is asked for

    return JsonlReporter.to_file(path)


def _is_kept(path: Path) -> bool:
    """Whether what is written there stays: /dev/null and pipes may be named again."""
    try:
        return path.is_file() or not path.exists()
    except OSError:  # told by whoever opens it
        return True
