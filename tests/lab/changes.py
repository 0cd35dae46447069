"""What has changed on a host, read from the upper directory of its overlay.

The overlay records every file that was created, written or removed, whoever did it, so "nothing was
touched" is an observation. A file that was only copied up (opened for writing and left as it was)
is no change: content, type, mode and owner are compared with what the layers below show.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Paths that a running system changes by itself: each may be a folder (with all below it) or a file.
VOLATILE = (
    "/run",
    "/tmp",
    "/var/tmp",
    "/var/log/journal",  # the journal of each boot
    "/var/log/wtmp",  # logins, written by sshd, sudo and PAM
    "/var/log/wtmp.db",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/sudo.log",
    "/var/lib/lastlog",
    "/var/lib/wtmpdb",
    "/var/lib/sudo",  # lectures and time stamps
    "/var/lib/systemd",  # random seed, timer stamps, linger
    "/var/lib/private",
    "/var/lib/dbus",
    "/etc/.updated",  # stamps of systemd-update-done
    "/var/.updated",
    "/etc/.pwd.lock",
    # Its daemon writes there of its own accord; /var/lib/docker, for the same reason, is no part of
    # a host's overlay.
    "/var/snap/docker/common/var-lib-docker",
)

HASH_UP_TO = 1 << 20  # bytes; of larger files size, time and inode have to tell


@dataclass(frozen=True)
class Entry:
    """What identifies the state of one path."""

    kind: str  # file, dir, link, whiteout, other
    mode: int
    owner: tuple[int, int]
    size: int
    mtime_ns: int
    inode: int
    content: str  # hash of a small file, target of a link

    @classmethod
    def of(cls, path: Path) -> Entry:
        """The state of a path, without following a link."""
        info = path.lstat()
        kind, content = "other", ""
        if stat.S_ISDIR(info.st_mode):
            kind = "dir"
        elif stat.S_ISLNK(info.st_mode):
            kind, content = "link", str(path.readlink())
        elif stat.S_ISREG(info.st_mode):
            kind = "file"
            if info.st_size <= HASH_UP_TO:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
            kind = "whiteout"
        owner = (info.st_uid, info.st_gid)
        sizes = (0, 0, 0) if kind == "dir" else (info.st_size, info.st_mtime_ns, info.st_ino)
        return cls(kind, stat.S_IMODE(info.st_mode), owner, *sizes, content)

    def looks_like(self, other: Entry) -> bool:
        """True where a user of the host could not tell the two apart but by time and inode."""
        same = (self.kind, self.mode, self.owner, self.size, self.content)
        if same != (other.kind, other.mode, other.owner, other.size, other.content):
            return False
        small = self.kind != "file" or self.size <= HASH_UP_TO
        return small or self.mtime_ns == other.mtime_ns


@dataclass(frozen=True)
class Changes:
    """Paths of a host that differ from a mark, each list sorted."""

    added: tuple[str, ...]
    modified: tuple[str, ...]
    deleted: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.modified or self.deleted)

    @property
    def paths(self) -> list[str]:
        """All changed paths, sorted."""
        return sorted({*self.added, *self.modified, *self.deleted})


State = dict[str, Entry]


def _opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


def _walk(top: Path, relative: str = "") -> Iterator[str]:
    try:
        with os.scandir(top) as entries:
            names = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):  # gone while we looked: the host is running
        return
    for entry in names:
        path = f"{relative}/{entry.name}"
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), path)


def snapshot(upper: Path) -> State:
    """The state of everything that an upper directory holds."""
    found: State = {}
    for path in _walk(upper):
        with suppress(FileNotFoundError, NotADirectoryError):
            found[path] = Entry.of(upper / path[1:])
    return found


def below(path: str, lower: Sequence[Path]) -> Entry | None:
    """What the layers below the upper directory show at a path; the first layer is the topmost."""
    parts = path[1:].split("/")
    for layer in lower:
        here = layer
        for part in parts:
            here = here / part
            if not os.path.lexists(here):
                break
            entry = Entry.of(here)
            if entry.kind == "whiteout":
                return None
            if here == layer / path[1:]:
                return entry
            if entry.kind != "dir":
                return None
        else:
            continue
        if _hides(layer, parts):
            return None
    return None


def _hides(layer: Path, parts: list[str]) -> bool:
    """True where a folder on the way is opaque in this layer, so that lower layers do not count."""
    here = layer
    for part in parts[:-1]:
        here = here / part
        if not here.is_dir() or here.is_symlink():
            return False
        if _opaque(here):
            return True
    return False


def compare(upper: Path, lower: Sequence[Path], mark: State, ignore: Sequence[str]) -> Changes:
    """What differs between a mark and the upper directory as it is now."""
    added: list[str] = []
    modified: list[str] = []
    deleted: list[str] = []
    now = snapshot(upper)
    for path in sorted({*mark, *now}):
        if any(path == name or path.startswith(name + "/") for name in ignore):
            continue
        before = mark[path] if path in mark else below(path, lower)
        after = now.get(path)
        if before is not None and before.kind == "whiteout":
            before = None
        if after is not None and after.kind == "whiteout":
            after = None
        if before is None and after is not None:
            added.append(path)
        elif before is not None and after is None:
            deleted.append(path)
        elif before is not None and after is not None:
            touched = path in mark and before != after
            if touched or not before.looks_like(after):
                modified.append(path)
            if after.kind == "dir" and _opaque(upper / path[1:]) and path not in mark:
                deleted += _lost(path, lower, now)
    return Changes(tuple(added), tuple(modified), tuple(sorted(deleted)))


def _lost(path: str, lower: Sequence[Path], now: State) -> Iterator[str]:
    """Paths below a folder that was replaced as a whole that the layers had and the host lacks."""
    for layer in lower:
        folder = layer / path[1:]
        if folder.is_dir() and not folder.is_symlink():
            for name in _walk(folder):
                if path + name not in now:
                    yield path + name
            return
