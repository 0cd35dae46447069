"""The cache of what the lab builds: parts that depend on each other, each built once and renamed
into place.

A part's folder name carries a hash of the sources that decide its content and of the parts that it
was made from, so a changed source makes a new folder and never a half-changed old one. Everything
in a part is read-only from then on: labs share it side by side.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.machine import arch, os_release, say

Paths = Mapping[str, Path]
UNUSED_AFTER = 3 * 24 * 3600.0  # seconds after which an unused part of older sources is dropped


@dataclass(frozen=True)
class Part:
    """One thing in the cache: what it is called, what decides it, what it is made from, how."""

    name: str
    sources: tuple[str, ...]
    build: Callable[[Path, Paths], None]
    needs: tuple[Part, ...] = ()
    salt: str = ""

    @property
    def key(self) -> str:
        """A hash that changes with everything that decides the content."""
        digest = hashlib.sha256()
        machine = os_release()
        facts = (self.name, self.salt, arch(), machine.get("ID", ""))
        for fact in (*facts, *(need.key for need in self.needs)):
            digest.update(fact.encode() + b"\0")
        for source in sorted(self.sources):
            digest.update((Path(__file__).parent / source).read_bytes())
        return digest.hexdigest()[:12]


def cache_dir() -> Path:
    """Where built parts live: $DOCKWRIGHT_LAB_CACHE, else below /var/cache."""
    return Path(os.environ.get("DOCKWRIGHT_LAB_CACHE") or "/var/cache/dockwright-lab")


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """Hold a lock file for a block; yields False where it is taken and waiting was not wanted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            yield False
            return
        yield True


def in_use_lock() -> Path:
    """The lock that each running lab shares, so that nothing below it is removed."""
    return cache_dir() / ".in-use"


def place(part: Part) -> Path:
    """Where the part lies, built or not."""
    return cache_dir() / f"{part.name}-{part.key}"


def ensure(*parts: Part) -> dict[str, Path]:
    """Build what is missing, one builder at a time, and say where each part lies."""
    order: dict[str, Part] = {}

    def visit(part: Part) -> None:
        for need in part.needs:
            visit(need)
        order.setdefault(part.name, part)

    for part in parts:
        visit(part)
    where = {name: place(part) for name, part in order.items()}
    if not all(path.is_dir() for path in where.values()):
        with locked(cache_dir() / ".build"):
            _sweep()
            for name, part in order.items():
                if not where[name].is_dir():
                    _build(part, where)
    for path in where.values():
        os.utime(path)
    return where


def _build(part: Part, where: dict[str, Path]) -> None:
    say(f"building {part.name}")
    start = time.monotonic()
    target = where[part.name]
    temporary = cache_dir() / f".tmp-{target.name}"
    temporary.mkdir(mode=0o755)
    part.build(temporary, where)
    temporary.rename(target)
    say(f"building {part.name}: {time.monotonic() - start:.1f} s")


def _sweep() -> None:
    """Remove what an interrupted build left, and old parts that no running lab can hold."""
    for path in cache_dir().glob(".tmp-*"):
        shutil.rmtree(path)
    with locked(in_use_lock(), wait=False) as alone:
        for path in cache_dir().glob("[a-z]*-*") if alone else ():
            if path.is_dir() and time.time() - path.stat().st_mtime > UNUSED_AFTER:
                shutil.rmtree(path)


def clean() -> bool:
    """Drop the whole cache; False where a running lab still uses it."""
    with locked(cache_dir() / ".build"), locked(in_use_lock(), wait=False) as alone:
        if alone:
            for path in cache_dir().iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
        return alone
