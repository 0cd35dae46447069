"""The trail of runs on a host: what each changed, and what became of that since. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from pydantic import Field

from dockwright.errors import UnreachableError
from dockwright.events import Merged, PastRun
from dockwright.models import Facts, Frozen
from dockwright.receipts.receipt import read_receipt
from dockwright.resources import directory


class Trail(Frozen):
    """All runs, oldest first, and how the things that they changed are now.

    ``packages`` has the installed versions of what receipts name, ``held`` and ``automatic`` (as
    apt-mark(8) means it) those among them; ``needs`` maps each to the installed packages that
    depend on it. ``files`` maps paths to their sha256, or to ``None`` where there is none;
    ``inside`` directories that a run made to the names in them; ``members`` are (group, user) that
    still hold. ``data`` maps Docker's data to KiB, ``None`` where it was too much to be counted;
    ``rootless`` is that of users who have a Docker of their own.
    """

    runs: tuple[PastRun, ...] = ()
    packages: dict[str, str] = Field(default_factory=dict)
    held: frozenset[str] = frozenset()
    automatic: frozenset[str] = frozenset()
    needs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    files: dict[str, str | None] = Field(default_factory=dict)
    inside: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    members: tuple[tuple[str, str], ...] = ()
    data: dict[str, int | None] = Field(default_factory=dict)
    rootless: tuple[str, ...] = ()

    def run(self, run_id: str) -> PastRun | None:
        """The run of that id."""
        return next((run for run in self.runs if run.run_id == run_id), None)

    @property
    def last(self) -> PastRun | None:
        """The newest run that changed something, whichever way it ended, and was not taken back.

        An undo that was cut is none: the run that it was taking back still is.
        """
        undoable = (run for run in self.runs if run.receipt and not run.undone)
        return next((run for run in reversed([*undoable]) if run.playbook != "undo"), None)


def question(nonce: str, *, more: str = "") -> str:
    """What is asked behind the facts, in the same round trip: their nonce frames the answer.

    ``more`` is ``data`` for the data of users, and ``sizes`` for how much there is of Docker's own, too.
    """
    body = (directory("templates") / "runs.sh").read_text(encoding="utf-8")
    return f"set -- {nonce}{' ' if more else ''}{more}\n{body}"


def answered(output: str, nonce: str) -> bool:
    """Whether the answer is whole."""
    return f"\ndw1 {nonce} told" in output


def read(output: str, nonce: str, facts: Facts) -> Trail:
    """Turn an answer into a trail. Raises UnreachableError where it is not framed as asked."""
    lines = output.splitlines()
    begin, end = f"dw1 {nonce} runs", f"dw1 {nonce} told"
    first = lines.index(begin) + 1 if begin in lines else len(lines)
    if end not in lines[first:]:
        raise UnreachableError(
            f"{facts.hostname} broke off while it told of its runs",
            next_step="run the same command again",
        )
    told: dict[str, list[list[str]]] = {}
    for line in lines[first : lines.index(end, first)]:
        key, *words = line.split(" ")
        told.setdefault(key, []).append(words)

    def rows(key: str, count: int) -> Iterator[list[str]]:
        return (words for words in told.get(key, []) if len(words) == count)

    have = {name: (status, want, version) for name, status, want, version in rows("have", 4)}
    installed = {name: found for name, found in have.items() if found[0] == "installed"}
    needs: dict[str, tuple[str, ...]] = {}
    for name, by in rows("needs", 2):
        needs[name] = (*needs.get(name, ()), by)
    return Trail(
        runs=tuple(sorted(_runs(told, facts), key=lambda run: (run.began, run.run_id))),
        packages={name: version for name, (_, _, version) in installed.items()},
        held=frozenset(name for name, (_, want, _) in installed.items() if want == "hold"),
        automatic=frozenset(name for (name,) in rows("auto", 1)),
        needs=needs,
        files={path: None if sha == "absent" else sha for path, sha in rows("path", 2)},
        inside={
            words[0]: tuple(word for word in words[1:] if word)
            for words in told.get("inside", [])
            if words
        },
        members=tuple((group, user) for group, user in rows("member", 2)),
        rootless=tuple(_text(path) for (path,) in rows("rootless", 1)),
        data={
            _text(path): int(size) if size.isdecimal() else None for size, path in rows("data", 2)
        },
    )


def _runs(told: dict[str, list[list[str]]], facts: Facts) -> Iterator[PastRun]:
    receipts = {words[0]: words[1] for words in told.get("receipt", []) if len(words) == 2}
    undone = {words[0]: words[1] for words in told.get("receipt.undone", []) if len(words) == 2}
    merged: dict[str, list[Merged]] = {}
    for words in told.get("merged", []):
        if len(words) == 4:
            run_id, path, before, after = words
            found = Merged(path=path, before=_maybe(before), after=_maybe(after))
            merged.setdefault(run_id, []).append(found)
    for words in told.get("run", []):
        if len(words) != 5:
            continue
        run_id, began, code, playbook, who = words
        receipt = _text(receipts.get(run_id) or undone.get(run_id) or "")
        yield PastRun(
            run_id=run_id,
            began=int(began) if began.isdecimal() else 0,
            who=_printable(_text(who)),
            playbook="" if playbook == "-" else playbook,
            exit=int(code) if code.isdecimal() else None,
            undone=run_id in undone,
            live=facts.live is not None and facts.live.run_id == run_id,
            changed=read_receipt(receipt).summary,
            receipt=receipt,
            merged=tuple(merged.get(run_id, ())),
        )


def _maybe(encoded: str) -> str | None:
    return None if encoded == "absent" else _text(encoded)


def _text(encoded: str) -> str:
    """What base64 says; ``=`` stands for an empty file, ``-`` for nothing."""
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()
