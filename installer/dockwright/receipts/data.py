"""Docker's data on a host, as templates/data.sh tells of it. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from pydantic import Field

from dockwright.errors import UnreachableError
from dockwright.models import Facts, Frozen
from dockwright.resources import directory


class Mount(Frozen):
    """A mount at a place or below it; ``point`` is decoded from proc(5)'s form."""

    kind: str
    point: str


class Place(Frozen):
    """A directory that may hold Docker's data, and how it is known.

    ``how`` is ``daemon`` (it said so), ``settings``, ``options``, ``default`` or ``named`` (by the
    user). ``type`` is ``directory``, ``symlink``, ``other`` or ``absent``; ``real`` where the path
    leads; ``identity`` device and inode. ``names`` are (find(1)'s type letter, name) of what is
    directly inside. ``kib`` is ``None`` where it was too much to be counted.
    """

    kind: str
    how: str
    path: str
    type: str
    real: str
    identity: str
    kib: int | None = None
    names: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()


class Volume(Frozen):
    """A volume; ``idle`` where no container uses it, running or not."""

    name: str
    idle: bool
    kib: int | None = None


class Data(Frozen):
    """All of it, and who else lives on it.

    ``spaces`` are containerd's namespaces; ``swarm`` is what the daemon says of one; ``usage`` maps
    the daemon's words (Images, LocalVolumes, BuildCache) to how many there are, and how many of
    them a container uses, ``sizes`` to how large all are, and those that none uses, in its own words;
    ``processes`` are (name, pid) of daemons and shims.
    """

    places: tuple[Place, ...] = ()
    spaces: tuple[str, ...] = ()
    swarm: str = ""
    usage: dict[str, tuple[int, int]] = Field(default_factory=dict)
    sizes: dict[str, tuple[str, str]] = Field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()
    processes: tuple[tuple[str, str], ...] = ()

    def idle(self, *kinds: str) -> int:
        """How many of these no container uses."""
        return sum(every - active for kind, (every, active) in self.usage.items() if kind in kinds)


def question(nonce: str, named: Sequence[str] = ()) -> str:
    """What is asked behind the runs, in the same round trip; ``named`` are data roots."""
    body = (directory("templates") / "data.sh").read_text(encoding="utf-8")
    words = " ".join(base64.b64encode(path.encode()).decode() for path in named)
    return f"set -- {nonce} sizes {words}\n{body}"


def answered(output: str, nonce: str) -> bool:
    """Whether the answer is whole."""
    return f"\ndw1 {nonce} measured" in output


def read(output: str, nonce: str, facts: Facts) -> Data:
    """Turn an answer into data. Raises UnreachableError where it is not framed as asked."""
    lines = output.splitlines()
    begin, end = f"dw1 {nonce} data", f"dw1 {nonce} measured"
    first = lines.index(begin) + 1 if begin in lines else len(lines)
    if end not in lines[first:]:
        raise UnreachableError(
            f"{facts.hostname} broke off while it told of its data",
            next_step="run the same command again",
        )
    told: dict[str, list[list[str]]] = {}
    for line in lines[first : lines.index(end, first)]:
        key, *words = line.split(" ")
        told.setdefault(key, []).append(words)
    return Data(
        places=tuple(_places(told)),
        spaces=tuple(dict.fromkeys(_text(words[0]) for words in told.get("space", []) if words)),
        swarm=" ".join(told["swarm"][0]) if told.get("swarm") else "",
        usage={
            w[0]: (int(w[1]), int(w[2]))
            for w in told.get("usage", [])
            if len(w) >= 3 and w[1].isdecimal() and w[2].isdecimal()
        },
        sizes={
            w[0]: (w[3], w[4].partition("(")[0])
            for w in told.get("usage", [])
            if len(w) == 5
            and all(re.fullmatch(r"[0-9.]+[kMGTP]?B(\([0-9]+%\))?", x) for x in w[3:])
        },
        volumes=tuple(
            Volume(name=_text(w[0]), idle=w[1] == "idle", kib=_number(w[2]))
            for w in told.get("volume", [])
            if len(w) == 3
        ),
        processes=tuple((w[0], w[1]) for w in told.get("process", []) if len(w) == 2),
    )


def _places(told: dict[str, list[list[str]]]) -> Iterator[Place]:
    names = {words[0]: words[1] for words in told.get("names", []) if len(words) == 2}
    mounts: dict[str, dict[str, Mount]] = {}
    for words in told.get("mount", []):
        if len(words) == 3:
            name, kind, point = words
            mounts.setdefault(name, {})[point] = Mount(kind=kind, point=decoded(point))
    for words in told.get("place", []):
        if len(words) != 7:
            continue
        kind, how, path, found, real, identity, kib = words
        yield Place(
            kind=kind,
            how=how,
            path=_text(path),
            type=found,
            real=_text(real),
            identity=identity,
            kib=_number(kib),
            names=tuple(
                (entry[:1], entry[2:])
                for entry in _text(names.get(path, "")).split("\0")
                if entry[1:2] == "/"
            ),
            mounts=tuple(mounts.get(path, {}).values()),
        )


def decoded(point: str) -> str:
    """A mount point as it is: proc(5) writes blanks, tabs, line breaks and backslashes in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""
