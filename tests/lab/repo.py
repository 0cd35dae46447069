"""Writing apt repositories: indices of .debs and the signed Release file above them.

Written by hand instead of by apt-ftparchive because the fields, file layout and faults have to be
ours to choose; the formats are small.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from pathlib import Path

from tests.lab import keys
from tests.lab.machine import arch, sh


def stanza(control: str, filename: str, size: int, sha256: str) -> str:
    """A Packages entry: the package's own control fields and where its file is."""
    return f"{control.rstrip()}\nFilename: {filename}\nSize: {size}\nSHA256: {sha256}\n"


def stanza_of(deb: Path, filename: str) -> str:
    """The Packages entry of a .deb that is there already."""
    data = deb.read_bytes()
    return stanza(
        sh(["dpkg-deb", "-f", deb]), filename, len(data), hashlib.sha256(data).hexdigest()
    )


def write_index(folder: Path, stanzas: Iterable[str], *, by_hash: bool) -> None:
    """Write Packages and Packages.gz, and their by-hash copies as the vendor has them."""
    folder.mkdir(parents=True)
    text = "\n".join(stanzas).encode()
    for name, data in (("Packages", text), ("Packages.gz", gzip.compress(text, 6, mtime=0))):
        (folder / name).write_bytes(data)
        if by_hash:
            (folder / "by-hash/SHA256").mkdir(parents=True, exist_ok=True)
            os.link(folder / name, folder / "by-hash/SHA256" / hashlib.sha256(data).hexdigest())


def write_release(dist: Path, fields: Mapping[str, str]) -> Path:
    """Write the Release file of a dists/CODENAME folder over all the indices in it."""
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines += [f"Date: {formatdate(usegmt=True)}".replace("GMT", "UTC"), "SHA256:"]
    for path in sorted(dist.rglob("Packages*")):
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        lines.append(f" {digest} {len(data):>9} {path.relative_to(dist)}")
    release = dist / "Release"
    release.write_text("\n".join(lines) + "\n")
    return release


def publish(top: Path, codename: str, debs: Path, fields: Mapping[str, str], signer: Path) -> None:
    """Make ``top`` a signed repository of the .debs in a folder, in one component ``main``."""
    pool = top / "pool/main"
    pool.mkdir(parents=True)
    stanzas = []
    for deb in sorted(debs.glob("*.deb")):
        try:
            os.link(deb, pool / deb.name)
        except OSError:  # another file system
            shutil.copy(deb, pool / deb.name)
        stanzas.append(stanza_of(deb, f"pool/main/{deb.name}"))
    dist = top / "dists" / codename
    write_index(dist / f"main/binary-{arch()}", stanzas, by_hash=False)
    base = {"Codename": codename, "Architectures": arch(), "Components": "main"}
    keys.sign(signer, "archive", write_release(dist, {**fields, **base}))
