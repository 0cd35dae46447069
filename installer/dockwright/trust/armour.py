"""ASCII armour of OpenPGP (RFC 9580, section 6.2): the blocks in a text.

pysequoia reads the first block of a text and silently leaves the rest, a second key for example;
gpg reads them all. So the blocks are found, counted and decoded here, and OpenPGP is given bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

PUBLIC_KEY = "PUBLIC KEY BLOCK"
PRIVATE_KEY = "PRIVATE KEY BLOCK"
SIGNED_MESSAGE = "SIGNED MESSAGE"
SIGNATURE = "SIGNATURE"

_BORDER = re.compile(r"-----(BEGIN|END) PGP ([A-Z0-9 ,/]{1,40})-----")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*: [^\x00-\x1f\x7f\ufffd]*")
_CHECKSUM = re.compile(r"=[A-Za-z0-9+/]{4}")


class Block(NamedTuple):
    """One block of armour, from border to border.

    ``kind`` is the words after ``PGP``. ``text`` has the lines as they were, without blanks at
    their ends (apt's own dearmouring in awk wants truly empty lines). ``data`` is what it holds,
    None where the block is cut off or damaged.
    """

    kind: str
    text: str
    data: bytes | None


def blocks(data: bytes) -> tuple[Block, ...]:
    """All blocks of armour in ``data``, in order; text around them is left out. Never raises."""
    text = data.decode("utf-8", "replace").lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    found: list[Block] = []
    kind = ""
    lines: list[str] = []
    for line in (line.rstrip() for line in text.split("\n")):
        border = _BORDER.fullmatch(line)
        if border is None:
            lines.append(line)
            continue
        if border[1] == "BEGIN":
            if kind:
                found.append(_block(kind, lines, whole=False))
            kind, lines = border[2], []
        elif kind:
            found.append(_block(kind, lines, whole=border[2] == kind))
            kind, lines = "", []
    if kind:
        found.append(_block(kind, lines, whole=False))
    return tuple(found)


def _block(kind: str, lines: list[str], *, whole: bool) -> Block:
    text = "\n".join((f"-----BEGIN PGP {kind}-----", *lines, f"-----END PGP {kind}-----", ""))
    return Block(kind, text, _decoded(lines) if whole else None)


def _decoded(lines: list[str]) -> bytes | None:
    """What the lines between two borders hold, None where they are not armour."""
    start = next((number for number, line in enumerate(lines) if not line), None)
    if start is None or not all(_HEADER.fullmatch(line) for line in lines[:start]):
        return None
    body = [line for line in lines[start:] if line]
    checksum = body.pop() if body and _CHECKSUM.fullmatch(body[-1]) else None
    try:
        data = base64.b64decode("".join(body), validate=True)
    except (binascii.Error, ValueError):
        return None
    if checksum is not None and base64.b64decode(checksum[1:]) != _crc24(data):
        return None  # OpenPGP leaves the checksum aside today; gpg on the host refuses
    return data


def _crc24(data: bytes) -> bytes:
    """The checksum of RFC 9580, 6.1.1; a key of 4 kB takes 3 ms."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc.to_bytes(3, "big")
