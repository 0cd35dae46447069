"""Packages files: whether they are what the signed index says, and what they list.

Facts: Debian policy 5 for the fields; wiki.debian.org/DebianRepository/Format for the file.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from dockwright.errors import TrustError
from dockwright.trust.index import Release
from dockwright.trust.words import clean, what_came

if TYPE_CHECKING:
    from debian.deb822 import Deb822

UNPACKED_LIMIT = 64 * 1024 * 1024  # bytes; Docker's have less than 1 MB, CUDA's some 3 MB

# Debian policy 5.6.1, 5.6.12: a stanza that has something else there is none of a package.
_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")
_VERSION = re.compile(r"([0-9]+:)?[0-9A-Za-z][0-9A-Za-z.+~-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Available:
    """One package that a repository has; ``size`` of the .deb in bytes, ``sha256`` in hex.

    ``depends`` is Pre-Depends and Depends in Debian's syntax.
    """

    name: str
    version: str
    architecture: str
    filename: str
    size: int
    sha256: str
    depends: str


def judge_packages(
    release: Release, path: str, data: bytes, *, what: str = ""
) -> tuple[Available, ...]:
    """Judge a Packages file and read it; ``path`` is its name in ``release.hashes``.

    ``data`` is the file as it was fetched: plain, ``.gz`` or ``.xz`` as ``path`` says. Raises
    TrustError when size or sha256 are not those that were signed. Stanzas that are no packages
    are left out. python-debian's own parser reads 1 MB in 0.05 s.
    """
    what = what or path
    _same(release, path, data, what)
    text = _unpacked(path, data, what)
    plain = path.removesuffix(".gz").removesuffix(".xz")
    if plain != path and plain in release.hashes:
        _same(release, plain, text, what)
    from debian.deb822 import Deb822

    # Given as lines: python-debian takes a text without line breaks for the name of a file.
    stanzas = Deb822.iter_paragraphs(
        text.decode("utf-8", "replace").split("\n"),
        use_apt_pkg=False,
        strict={"whitespace-separates-paragraphs": False},
    )
    found = tuple(package for package in map(_available, stanzas) if package is not None)
    if text.strip() and not found:
        raise _unreadable(what, what_came(text))
    return found


def _same(release: Release, path: str, data: bytes, what: str) -> None:
    """Refuse ``data`` unless size and sha256 are what the index says of ``path``."""
    sha256, size = release.hashes.get(path, ("", -1))
    got = hashlib.sha256(data).hexdigest()
    if len(data) != size or not hmac.compare_digest(got, sha256):
        details = (
            ("what", what),
            ("expected", f"sha256 {sha256}, {size} bytes" if sha256 else "a file of the index"),
            ("got", f"sha256 {got}, {len(data)} bytes"),
        )
        raise TrustError(
            f"{what}: not what the index was signed for",
            details=details,
            next_step="Run it again in a while; where it stays so, look who answers at that address.",
        )


def _unpacked(path: str, data: bytes, what: str) -> bytes:
    """The content of a file that may be packed, as the end of its name says."""
    import gzip
    import lzma
    import zlib

    packed = BytesIO(data)
    try:
        if path.endswith(".gz"):
            with gzip.GzipFile(fileobj=packed) as file:
                content = file.read(UNPACKED_LIMIT + 1)
        elif path.endswith(".xz"):
            with lzma.LZMAFile(packed) as file:
                content = file.read(UNPACKED_LIMIT + 1)
        else:
            content = data
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _unreadable(what, clean(str(error))) from None
    if len(content) > UNPACKED_LIMIT:
        raise _unreadable(what, f"more than {UNPACKED_LIMIT >> 20} MiB unpacked")
    return content


def _unreadable(what: str, got: str) -> TrustError:
    return TrustError(
        f"{what}: signed by the vendor, but no list of packages",
        details=(("what", what), ("expected", "a Packages file"), ("got", got)),
    )


def _available(stanza: Deb822) -> Available | None:
    """A stanza as a package; None where it lacks something or holds what cannot be there."""
    name, version = stanza.get("Package", ""), stanza.get("Version", "")
    sha256, size = stanza.get("SHA256", "").lower(), stanza.get("Size", "")
    filename = stanza.get("Filename", "")
    if not (
        _NAME.fullmatch(name)
        and _VERSION.fullmatch(version)
        and _SHA256.fullmatch(sha256)
        and size.isdecimal()
        and filename
    ):
        return None
    relations = (stanza.get("Pre-Depends", ""), stanza.get("Depends", ""))
    depends = " ".join(", ".join(filter(None, relations)).split())
    architecture = stanza.get("Architecture", "")
    return Available(name, version, architecture, filename, int(size), sha256, depends)
