"""Vendors made up for tests: keys by pysequoia, indexes signed with them, files by gpg in data/."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

from pysequoia import SignatureMode, Tsk, sign

from dockwright.errors import DockwrightError
from dockwright.trust import NotFoundError, VendorKey, judge_key

NOW = int(time.time())
DAY = 86400
NVIDIA_LIKE = "03DDEA3989F6DB1956D59798E3EB0A6E266EB397"
STRANGER = "13968FAC96E103A384EC28755412E8936089F416"


def data(name: str) -> bytes:
    """A file that gpg made."""
    return (Path(__file__).parent / "data" / name).read_bytes()


def key_file(tsk: Tsk) -> bytes:
    return str(tsk.extract_certificate()).encode()


def pin(tsk: Tsk) -> str:
    return tsk.extract_certificate().fingerprint.upper()


def judged(tsk: Tsk) -> VendorKey:
    return judge_key(key_file(tsk), pin(tsk), now=NOW)


def signed(tsk: Tsk, text: str) -> bytes:
    return sign(tsk.signer(), text.encode(), mode=SignatureMode.CLEAR)


def told(error: DockwrightError) -> str:
    """All that a user is told."""
    parts = [error.brief, error.next_step or "", str(error), repr(error)]
    return "\n".join([*parts, *(f"{label}: {text}" for label, text in error.details)])


def release(files: Mapping[str, bytes] | None = None, **fields: str | None) -> str:
    """A Release file; a field of None is left out, and ``_`` stands for ``-``."""
    values: dict[str, str | None] = {
        "Origin": "Docker",
        "Suite": "noble",
        "Codename": "noble",
        "Date": formatdate(NOW - 3600, usegmt=True),
        "Architectures": "amd64 arm64",
        "Components": "stable test",
    }
    values.update({name.replace("_", "-"): value for name, value in fields.items()})
    lines = [f"{name}: {value}" for name, value in values.items() if value is not None]
    lines.append("SHA256:")
    for path, content in (files or {"stable/binary-amd64/Packages": b""}).items():
        lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content):>8} {path}")
    return "\n".join(lines) + "\n"


def stanza(name: str, version: str, architecture: str = "amd64", **fields: str) -> str:
    values = {
        "Package": name,
        "Architecture": architecture,
        "Version": version,
        "Filename": f"pool/{name}_{architecture}.deb",
        "Size": "1234",
        "SHA256": "ab" * 32,
        "Description": f"{name}\n of a vendor\n .\n made up",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    return "".join(f"{key}: {value}\n" for key, value in values.items())


@dataclass(frozen=True)
class Wish:
    """What is asked of a repository."""

    fingerprint: str
    id: str = "docker"
    url: str = "https://vendor.test/linux/ubuntu"
    key_url: str = "https://vendor.test/linux/ubuntu/gpg"
    suite: str = "noble"
    components: tuple[str, ...] = ("stable",)


@dataclass
class Site:
    """A vendor's web site in a dict; ``asked`` are the URLs in the order of asking."""

    files: dict[str, bytes | Exception]
    asked: list[str] = field(default_factory=list)

    def fetch(self, url: str, *, limit: int, deadline: float, proxy: str | None = None) -> bytes:
        self.asked.append(url)
        found = self.files.get(url, NotFoundError(f"{url}: there is nothing (404)"))
        if isinstance(found, Exception):
            raise found
        assert len(found) <= limit
        assert deadline > 0
        return found


LISTING = "\n".join(
    [
        stanza("docker-ce", "5:29.7.2-1~ubuntu.24.04~noble", Depends="containerd.io"),
        stanza("docker-ce", "5:29.7.10-1~ubuntu.24.04~noble", Pre_Depends="init", Depends="a, b"),
        stanza("docker-ce", "5:20.10.24~3-0~ubuntu-noble"),
        stanza("docker-ce", "5:30.0.0-1~ubuntu.24.04~noble", architecture="arm64"),
        stanza("docs", "1.0", architecture="all"),
    ]
).encode()


def docker_site(tsk: Tsk, *, listing: bytes = LISTING, **fields: Any) -> Site:
    """A repository with the layout of Docker's."""
    base = "https://vendor.test/linux/ubuntu"
    folder = "stable/binary-amd64"
    packed = {".gz": gzip.compress(listing), ".xz": lzma.compress(listing), "": listing}
    files = {f"{folder}/Packages{end}": content for end, content in packed.items()}
    served: dict[str, bytes | Exception] = {
        f"{base}/dists/noble/{path}": content for path, content in files.items()
    }
    return Site(
        {
            f"{base}/gpg": key_file(tsk),
            f"{base}/dists/noble/InRelease": signed(tsk, release(files, **fields)),
            **served,
        }
    )
