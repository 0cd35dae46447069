"""What doctor asks a host beside its facts, and the reading of the answer. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from pydantic import Field

from dockwright.errors import UnreachableError
from dockwright.models import Frozen
from dockwright.resources import directory


class Keyring(Frozen):
    """A keyring that a source names: whether the user _apt can read it, and what is in it.

    ``state`` is open, closed or missing; ``kind`` armoured, binary, empty or other.
    """

    path: str
    state: str
    kind: str

    @property
    def fits(self) -> bool:
        """Whether its name says what is in it, as apt before 2.9 has it (``apt-key``): later ones look."""
        wanted = {"asc": "armoured", "gpg": "binary"}.get(self.path.rpartition(".")[2], self.kind)
        return self.kind == wanted


class Lock(Frozen):
    """Who holds a lock of apt's: pid 0 where it cannot be seen."""

    path: str
    pid: int
    seconds: int
    command: str


class Closed(Frozen):
    """What only root sees: source, lock, units, journal, daemon or daemon.json, and a path for some."""

    what: str
    path: str = ""


class Seen(Frozen):
    """The answer. ``sources`` maps every source file to its text; ``unread`` are those without one.

    ``inodes`` has mount point, free and all; ``socket`` mode and owner of docker.sock; ``groups`` are
    those that the user who logged in would have in a new login. ``gpu_containers`` run with GPUs that
    they did not get by CDI. ``user`` is set where that user
    looked without root: ``login`` are the groups of the login at hand, and ``closed`` is what was
    not to be seen.
    """

    sources: dict[str, str] = Field(default_factory=dict)
    unread: tuple[str, ...] = ()
    keyrings: tuple[Keyring, ...] = ()
    lock: Lock | None = None
    reinstall: tuple[str, ...] = ()
    inodes: tuple[tuple[str, int, int], ...] = ()
    docker_log: str = ""
    cgroup_read_only: bool = False
    tools: tuple[str, ...] = ()
    socket: str = ""
    groups: tuple[str, ...] = ()
    gpu_containers: tuple[str, ...] = ()
    user: str = ""
    login: tuple[str, ...] = ()
    closed: tuple[Closed, ...] = ()

    def is_closed(self, what: str) -> bool:
        """Whether that was not to be seen, as root did not look."""
        return any(one.what == what for one in self.closed)


def question(nonce: str) -> str:
    """What is asked behind the facts, in the same round trip: their nonce frames the answer."""
    top = directory("templates")
    parts = [top / "runtime" / "locks.sh", top / "doctor.sh"]
    body = "".join(part.read_text(encoding="utf-8") for part in parts)
    return f"set -- {nonce}\n{body}"


def answered(output: str, nonce: str) -> bool:
    """Whether the answer is whole."""
    return f"\ndw1 {nonce} diagnosed" in output


def read(output: str, nonce: str) -> Seen:
    """Turn an answer into what was seen. Raises UnreachableError where it is not framed as asked."""
    lines = output.splitlines()
    begin, end = f"dw1 {nonce} doctor", f"dw1 {nonce} diagnosed"
    first = lines.index(begin) + 1 if begin in lines else len(lines)
    if end not in lines[first:]:
        raise UnreachableError(
            "the host broke off while it was looked at", next_step="run the same command again"
        )
    told: dict[str, list[list[str]]] = {}
    for line in lines[first : lines.index(end, first)]:
        key, *words = line.split(" ")
        told.setdefault(key, []).append(words)
    sources = [(_text(words[0]), words[1]) for words in _rows(told, "source", 2)]
    return Seen(
        sources={path: _text(body) for path, body in sources if body != "-"},
        unread=tuple(path for path, body in sources if body == "-"),
        keyrings=tuple(
            Keyring(path=path, state=state, kind=kind)
            for path, state, kind in _rows(told, "keyring", 3)
        ),
        lock=_lock(_text(_one(told, "lock"))),
        reinstall=tuple(words[0] for words in _rows(told, "reinstall", 1)),
        inodes=tuple(
            (path, _int(free), _int(all_)) for path, free, all_ in _rows(told, "inodes", 3)
        ),
        docker_log=" ".join(_text(_one(told, "docker_log")).split()),
        cgroup_read_only="cgroup_read_only" in told,
        tools=tuple(words[0] for words in _rows(told, "tool", 1)),
        socket=" ".join(told.get("socket", [[]])[0]),
        groups=tuple(told.get("groups", [[]])[0]),
        gpu_containers=tuple(
            words[0].lstrip("/") for words in told.get("gpu_container", []) if words
        ),
        user=next(iter(told.get("login", [[]])[0]), ""),
        login=tuple(told.get("login", [[]])[0][1:]),
        closed=tuple(
            Closed(what=what, path=_text(path)) for what, path in _rows(told, "closed", 2)
        ),
    )


def _rows(told: dict[str, list[list[str]]], key: str, count: int) -> Iterator[list[str]]:
    return (words for words in told.get(key, []) if len(words) == count)


def _one(told: dict[str, list[list[str]]], key: str) -> str:
    return next((words[0] for words in _rows(told, key, 1)), "")


def _int(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 19 else 0


def _text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):  # "=" stands for nothing
        return ""


def _lock(told: str) -> Lock | None:
    """``LOCK PID SECONDS COMMAND``, as runtime/locks.sh prints it."""
    words = told.strip().split(" ", 3)
    if len(words) < 4:
        return None
    return Lock(path=words[0], pid=_int(words[1]), seconds=_int(words[2]), command=words[3].strip())
