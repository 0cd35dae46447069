"""Hosts that play a whole conversation: facts, probe and program, from recorded answers."""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from dockwright.steps import RepositoryWish
from tests.fakes import Answer, Chunk, FakeChannel, FakeTransport
from tests.unit.making import KEY, NONCE, NUMBERS, RECORDED, answer_of, pin, told_runs

PIN = ("--set", f"docker_fingerprint={pin()}")
TAILS = {"noble": "-1~ubuntu.24.04~noble", "trixie": "-1~debian.13~trixie"}


def facts_of(name: str, **lines: str | None) -> Callable[[str], FakeChannel]:
    """Answers the facts script as the recorded host did, today, and as a machine of its own."""
    lines.setdefault("clock", str(int(time.time())))

    def answer(script: str) -> FakeChannel:
        (nonce,) = re.findall(r"\Aset -- ([0-9a-f]+)\n", script)
        text = answer_of(name).replace(NONCE, nonce)
        for key, value in {"machine_id": secrets.token_hex(16), **lines}.items():
            new = "" if value is None else f"{key} {value}\n"
            text = re.sub(rf"(?m)^{key} .*\n", lambda _, new=new: new, text, count=1)  # type: ignore[misc]
        return FakeChannel([text.encode()])

    return answer


def with_runs(
    name: str, told: str | None = None, **lines: str | None
) -> Callable[[str], FakeChannel]:
    """Answers the facts script that asks for the runs, too; ``told`` as making.told_runs has it."""
    facts = facts_of(name, **lines)

    def answer(script: str) -> FakeChannel:
        (nonce,) = re.findall(r"\Aset -- ([0-9a-f]+)\n", script)
        text = (told_runs() if told is None else told).replace(NONCE, nonce)
        return FakeChannel([facts(script).read(1), text.encode()])

    return answer


def run_id_of(script: str) -> str:
    """The run id that a script's records are to carry."""
    return re.findall(r"(?m)^(?:run_id=|open_scratch )(\S+)$", script)[0].strip("'")  # type: ignore[no-any-return]


def probe_of(name: str) -> Callable[[str], FakeChannel]:
    """Answers the probe as the recorded host did."""

    def answer(script: str) -> FakeChannel:
        text = (RECORDED / f"{name}.probe.txt").read_text(encoding="utf-8")
        return FakeChannel([text.replace(NONCE, run_id_of(script)).encode()])

    return answer


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def records(*lines: str | Callable[[], None], **channel: Any) -> Callable[[str], FakeChannel]:
    """Answers a program: ``TYPE STEP TEXT`` for each record, or something to do there."""

    def answer(script: str) -> FakeChannel:
        run_id = run_id_of(script)
        chunks: list[Chunk] = []
        for line in lines:
            if callable(line):
                chunks.append(line)
                continue
            kind, step, text = (*line.split(" ", 2), "", "")[:3]
            words = f"{kind} {step} - {text}" if kind == "started" else f"{kind} {step} 1.0 {text}"
            chunks.append(f"dw1 {run_id} {words}\n".encode())
        return FakeChannel(chunks, **channel)

    return answer


INSTALLED = (
    "started -", "start - 1 boot", "begin preflight simulate", "passed preflight fine",
    "begin download download", "progress download 50 x", "passed download 6 packages", "commit -",
    "begin s03 file docker.asc", "changed s03", "begin s04 file docker.sources", "changed s04",
    "begin s06 install docker-ce", "changed s06", "begin s07 start", "changed s07",
    "begin s09 verify", "verified s09 daemon 29.7.2", "end - 0",
)  # fmt: skip


def fresh(name: str = "ubuntu-24.04-bare") -> list[Answer]:
    """A bare host on which an install goes well."""
    return [facts_of(name), probe_of(name), records(*INSTALLED)]


@dataclass
class World:
    """The hosts of a test by name, and what was asked of the vendor."""

    hosts: dict[str, FakeTransport] = field(default_factory=dict)
    contacted: list[str] = field(default_factory=list)
    consulted: list[tuple[str, str]] = field(default_factory=list)
    refusal: Exception | None = None
    notes: tuple[str, ...] = ()

    def host(self, name: str, *answers: Answer) -> FakeTransport:
        self.hosts[name] = FakeTransport(list(answers), description=f"as root@{name}")
        return self.hosts[name]

    def open(self, host: Any, *_: object) -> FakeTransport:
        """In the place of ``open_transport``."""
        self.contacted.append(host.name)
        return self.hosts[host.name]

    def connect(self, host: Any) -> FakeTransport:
        return self.open(host)

    def consult(self, wish: RepositoryWish, *, architecture: str, **_: object) -> Any:
        """In the place of ``trust.consult``."""
        self.consulted.append((wish.suite, architecture))
        if self.refusal is not None:
            raise self.refusal
        tail = TAILS[wish.suite]
        return SimpleNamespace(
            key=SimpleNamespace(armoured=KEY, fingerprint=wish.fingerprint),
            available=[SimpleNamespace(name=name) for name in NUMBERS],
            versions=lambda name: [number + tail for number in NUMBERS[name]],
            release=SimpleNamespace(date=int(time.time()) - 7200),
            notes=self.notes,
        )
