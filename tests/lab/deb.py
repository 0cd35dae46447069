"""Writing .debs quickly: one compressed data part serves every version of a package.

A .deb is an ``ar`` file of three members. Compressing Docker's binaries takes seconds, writing
another control part around the same compressed data takes none, and that is all that tells versions
apart here.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.machine import sh

MAGIC = b"!<arch>\n"


def _member(name: str, data: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
    return head + data + b"\n" * (len(data) % 2)


def members(deb: Path) -> Iterator[tuple[str, bytes]]:
    """The members of a .deb by name."""
    data = deb.read_bytes()
    at = len(MAGIC)
    while at < len(data):
        name = data[at : at + 16].decode().strip().rstrip("/")
        size = int(data[at + 48 : at + 58])
        yield name, data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


@dataclass(frozen=True)
class Body:
    """What all versions of a package share: compressed data, scripts, conffiles."""

    name: str
    data_name: str
    data: bytes
    extra: Mapping[str, str]

    @classmethod
    def pack(cls, name: str, root: Path, extra: Mapping[str, str]) -> Body:
        """Compress a folder once, fast rather than small."""
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 0\nArchitecture: all\nMaintainer: lab\nDescription: body\n"
        )
        deb = root.with_suffix(".deb")
        sh(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "-b", root, deb])
        for member, data in members(deb):
            if member.startswith("data.tar"):
                return cls(name, member, data, extra)
        raise AssertionError("dpkg-deb wrote no data part")

    def write(self, path: Path, control: str) -> tuple[int, str]:
        """Write the .deb with this control text; returns its size and SHA256."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
            for name, text in {"control": control, **self.extra}.items():
                info = tarfile.TarInfo(f"./{name}")
                info.size = len(text.encode())
                info.mode = 0o644 if name in ("control", "conffiles") else 0o755
                tar.addfile(info, io.BytesIO(text.encode()))
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as out:
            for piece in (
                MAGIC,
                _member("debian-binary", b"2.0\n"),
                _member("control.tar.gz", buffer.getvalue()),
                _member(self.data_name, self.data),
            ):
                out.write(piece)
                digest.update(piece)
                size += len(piece)
        return size, digest.hexdigest()


def repack(source: Path, target: Path, edit: Callable[[Path], None]) -> Path:
    """Make another .deb of one: ``edit`` changes the unpacked folder, with DEBIAN/ in it."""
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        root = Path(name) / "root"
        sh(["dpkg-deb", "-R", source, root])
        edit(root)
        sh(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "-b", root, target])
    return target


def small(target: Path, control: Mapping[str, str], files: Mapping[str, str] | None = None) -> Path:
    """Make a .deb from scratch; files under DEBIAN/ are its scripts, each path is relative."""
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        root = Path(name) / "root"
        fields = {"Maintainer": "lab", "Architecture": "all", "Description": "made for a test"}
        texts = {"DEBIAN/control": "".join(f"{k}: {v}\n" for k, v in {**fields, **control}.items())}
        for path, text in {**texts, **(files or {})}.items():
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            plain = path in ("DEBIAN/control", "DEBIAN/conffiles")
            script = (path.startswith("DEBIAN/") and not plain) or "bin/" in path
            place.chmod(0o755 if script else 0o644)
        sh(["dpkg-deb", "--root-owner-group", "-Znone", "-b", root, target])
    return target
