"""known_hosts, read with OpenSSH's verdicts.

Paramiko's reader raises on ``@revoked`` and ``@cert-authority``, knows neither wildcards nor
negation, and takes 1.2 s for 3,600 lines, so this one looks only at the lines of one host: 3,600
plain lines take 4 ms, hashed ones 18 ms.

Facts: sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT" and hostfile.c of OpenSSH: a line that cannot be
parsed is skipped; among the lines of the host an equal key is ``known``, else any other key of
whatever type is ``changed``; a ``@revoked`` line with the key wins over both; a name with a port
is looked up as ``[name]:port``, and a *matching* key of the bare name will do. Host certificates
are not supported here: a host that has only a ``@cert-authority`` line is unknown.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Protocol

import paramiko

from dockwright.errors import UnreachableError
from dockwright.transport.refusal import unknown_key

# Each with the names that the key exchange knows it by, in OpenSSH's order of preference.
_ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
    "sk-ssh-ed25519@openssh.com": (),
    "sk-ecdsa-sha2-nistp256@openssh.com": (),
}


def fingerprint(blob: bytes) -> str:
    """The SHA256 fingerprint as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def name_of(host: str, port: int) -> str:
    """The name of a server in known_hosts."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


@dataclass(frozen=True)
class Key:
    """A host key: its type (``ssh-ed25519``) and its public blob (RFC 4253, 6.6)."""

    kind: str
    blob: bytes

    @property
    def text(self) -> str:
        """``ssh-ed25519 AAAA…`` as it stands in known_hosts."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True)
class Entry:
    """A line of a known_hosts file that is about the host."""

    marker: str
    key: Key
    where: str


class Verdict(Enum):
    """What known_hosts says about a key."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


class KnownHosts:
    """The known_hosts files of a connection, in the order of their weight."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)

    def entries(self, name: str) -> list[Entry]:
        """The lines about ``name``, which is ``host`` or ``[host]:port``."""
        return [entry for file in self.files for entry in _scan(file, name)]

    def verdict(self, name: str, key: Key) -> tuple[Verdict, Entry | None]:
        """What the files say about ``key`` of ``name``, and the line that says so."""
        entries = self.entries(name)
        verdict, line = _judge(entries, key)
        bare = re.fullmatch(r"\[(.+)\]:\d+", name)
        if verdict is Verdict.UNKNOWN and bare:
            again = _judge(self.entries(bare[1]), key)
            if again[0] in {Verdict.KNOWN, Verdict.REVOKED}:
                return again
        return verdict, line

    def algorithms(self, name: str) -> list[str]:
        """Host key algorithms to prefer: those whose key of ``name`` is known.

        Else a server that offers ECDSA first would seem to have changed its known ED25519 key.
        """
        bare = re.fullmatch(r"\[(.+)\]:\d+", name)
        entries = self.entries(name) or (self.entries(bare[1]) if bare else [])
        kinds = {entry.key.kind for entry in entries if not entry.marker}
        return [name for kind, names in _ALGORITHMS.items() if kind in kinds for name in names]

    def add(self, name: str, key: Key) -> None:
        """Append ``key`` of ``name`` to the first file, unless it is there by now.

        Raises UnreachableError where the file cannot be written, or where another run has
        meanwhile stored another key.
        """
        file = self.files[0]
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                verdict, _ = self.verdict(name, key)
                if verdict is Verdict.UNKNOWN:
                    stream.write(f"{_line_break(stream.fileno())}{name} {key.text}\n".encode())
        except OSError as error:
            raise UnreachableError(
                f"{name}: the host key cannot be stored in {file}: {error.strerror}"
            ) from error
        if verdict not in {Verdict.UNKNOWN, Verdict.KNOWN}:
            raise UnreachableError(f"{name}: another host key was stored in {file} meanwhile")


class AskHostKey(Protocol):
    """``Asker.host_key``."""

    def __call__(self, host: str, fingerprint: str, kind: str) -> bool:
        """Whether the key may be trusted."""
        ...


def require_known(known: KnownHosts, name: str, mode: str, ask: AskHostKey, key: Key) -> None:
    """Return if ``key`` of ``name`` may be trusted under ``mode``: ask, strict or accept-new.

    A key that is new and trusted is stored. Raises UnreachableError for a key that is unknown,
    changed or revoked.
    """
    verdict, line = known.verdict(name, key)
    if verdict is Verdict.KNOWN:
        return
    here = (f"{name} offers", f"{key.kind} {fingerprint(key.blob)}")
    if verdict is Verdict.UNKNOWN:
        if mode == "accept-new" or (mode == "ask" and ask(name, fingerprint(key.blob), key.kind)):
            known.add(name, key)
            return
        raise unknown_key(
            name,
            here,
            line=f"{name} {key.text}",
            file=known.files[0],
            public=f"/etc/ssh/ssh_host_{_file_word(key.kind)}_key.pub",
        )
    if line is None:  # pragma: no cover
        raise AssertionError(verdict)
    if verdict is Verdict.REVOKED:
        raise UnreachableError(
            f"{name}: the host key is REVOKED; nothing was sent",
            details=(here, ("revoked in", line.where)),
            next_step="ask who revoked it before you do anything with this host",
        )
    raise UnreachableError(
        f"{name}: the host key has CHANGED; nothing was sent",
        details=(
            here,
            ("known is", f"{line.key.kind} {fingerprint(line.key.blob)}"),
            ("in", line.where),
        ),
        next_step="somebody may be listening in. If the host was installed anew, compare the"
        f" fingerprint there, then: ssh-keygen -R '{name}' -f {line.where.rpartition(':')[0]}",
    )


class Policy(paramiko.MissingHostKeyPolicy):
    """Judges every host key, since the client that it is set on has no keys of its own.

    The arguments are those of ``require_known``: the host's name in the files, not Paramiko's.
    """

    def __init__(self, known: KnownHosts, name: str, mode: str, ask: AskHostKey) -> None:
        self._judge = partial(require_known, known, name, mode, ask)

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002
        hostname: str,  # noqa: ARG002
        key: paramiko.PKey,
    ) -> None:
        """Called by Paramiko before any of the login is sent."""
        self._judge(Key(key.get_name(), key.asbytes()))


def files(config: Mapping[str, str], named: Path | None) -> list[Path]:
    """The known_hosts files by ssh_config(5); ``named`` stands in for the user's."""
    users = config.get("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2").split()
    system = config.get(
        "globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
    ).split()
    return [Path(path).expanduser() for path in ([named] if named else users) + system]


def _file_word(kind: str) -> str:
    return kind.split("-")[0 if kind.startswith("ecdsa") else 1]


def _judge(entries: list[Entry], key: Key) -> tuple[Verdict, Entry | None]:
    verdict: tuple[Verdict, Entry | None] = (Verdict.UNKNOWN, None)
    for entry in entries:
        if entry.marker == "@revoked" and entry.key.blob == key.blob:
            return Verdict.REVOKED, entry
        if entry.marker or verdict[0] is Verdict.KNOWN:
            continue
        if entry.key.blob == key.blob:
            verdict = (Verdict.KNOWN, entry)
        elif verdict[0] is Verdict.UNKNOWN:
            verdict = (Verdict.CHANGED, entry)
    return verdict


def _scan(file: Path, name: str) -> Iterator[Entry]:
    try:
        content = file.read_bytes()
    except OSError:
        return
    wanted = name.encode()
    for number, line in enumerate(content.split(b"\n"), 1):
        fields = line.split(None, 4)
        marker = b""
        if fields and fields[0].startswith(b"@"):
            marker = fields.pop(0)
            if marker not in {b"@revoked", b"@cert-authority"}:
                continue
        # The name first: it settles nearly every line.
        if len(fields) < 3 or not _names_match(fields[0], wanted):
            continue
        if (key := _key(fields[1], fields[2])) is not None:
            yield Entry(marker.decode(), key, f"{file}:{number}")


def _names_match(names: bytes, wanted: bytes) -> bool:
    if names.startswith(b"|1|"):
        try:
            salt, digest = (binascii.a2b_base64(part) for part in names[3:].split(b"|"))
        except ValueError:
            return False
        return hmac.digest(salt, wanted, "sha1") == digest
    if names.startswith(b"#"):
        return False
    if not any(character in names for character in b"*?!"):
        return wanted in names.lower().split(b",")
    matched = False
    for pattern in names.lower().split(b","):
        negated = pattern.startswith(b"!")
        if _wildcard(pattern[negated:]).fullmatch(wanted):
            if negated:
                return False
            matched = True
    return matched


def _wildcard(pattern: bytes) -> re.Pattern[bytes]:
    # Only * and ? are special, unlike fnmatch: [host]:22 has its brackets.
    text = re.escape(pattern).replace(rb"\*", b".*").replace(rb"\?", b".")
    return re.compile(text, re.DOTALL)


def _key(kind: bytes, text: bytes) -> Key | None:
    try:
        blob = binascii.a2b_base64(text)
    except ValueError:
        return None
    length = int.from_bytes(blob[:4], "big")
    if kind.decode(errors="replace") not in _ALGORITHMS or blob[4 : 4 + length] != kind:
        return None
    return Key(kind.decode(), blob)


def _line_break(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return "\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else ""
