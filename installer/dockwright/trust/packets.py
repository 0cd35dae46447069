"""What the packets of an OpenPGP certificate say (RFC 9580), read by pysequoia.

Nothing here is proven: a packet may say anything. ``key.py`` says what is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pysequoia.packet import Packet

RSA = ("RSAEncryptSign", "RSASign")
SIGNATURE, COMPRESSED = 2, 8  # tags

_SELF_SIGNATURES = (
    "DirectKey",
    "GenericCertification",
    "PersonaCertification",
    "CasualCertification",
    "PositiveCertification",
)


@dataclass(frozen=True)
class Key:
    """A primary key or subkey, as its own packet and the signatures after it tell.

    ``fingerprint`` is upper-case hex, ``bits`` the length of an RSA modulus. ``expires`` is in
    seconds since the epoch; None: never.
    """

    fingerprint: str
    algorithm: str
    bits: int | None
    signs: bool
    expires: int | None
    revoked: bool

    def over(self, now: int) -> bool:
        """Whether it has expired at ``now``, in seconds since the epoch."""
        return self.expires is not None and self.expires <= now

    def able(self, now: int) -> bool:
        """Whether it may sign at ``now``."""
        return self.signs and not self.revoked and not self.over(now)


def read(data: bytes) -> list[Packet]:
    """The packets in binary ``data``; none where any part of it is no packet. Never raises.

    A compressed packet is none either: pysequoia unpacks it, and 0.3 MB of it took 1.5 GB.
    """
    from pysequoia.packet import PacketPile

    found = tags(data)
    if found is None or COMPRESSED in found:
        return []
    try:
        return list(PacketPile.from_bytes(data))
    except RuntimeError:
        return []


def tags(data: bytes) -> list[int] | None:
    """The numbers of the packets' kinds by their headers alone (RFC 9580, 4.2).

    None where the last packet does not end with ``data``, and for lengths that are told piece by
    piece, which no packet of a key or signature has.
    """
    found, place = [], 0
    while place < len(data):
        head, first = data[place], data[place + 1 : place + 2]
        if head < 0x80 or not first:
            return None
        if head & 0x40:
            tag, width = head & 0x3F, 1 if first[0] < 192 else 2 if first[0] < 224 else 5
            if len(data) < place + 1 + width:
                return None
            length = int.from_bytes(data[place + 1 : place + 1 + width][-4:], "big")
            length -= 0xC000 - 192 if width == 2 else 0
        else:
            tag, width = head >> 2 & 0xF, 1 << (head & 3)
            length = int.from_bytes(data[place + 1 : place + 1 + width], "big")
        if (224 <= first[0] < 255 and head & 0x40) or width == 8:
            return None
        found.append(tag)
        place += 1 + width + length
    return found if place == len(data) else None


def ask(packet: Packet, name: str) -> str | None:
    """A property of a packet: text, or the name of a constant such as ``PublicKey``.

    None where the packet has no such property, and where pysequoia does not know the number.
    """
    try:
        value = getattr(packet, name)
    except RuntimeError:
        return None
    return value if value is None or isinstance(value, str) else str(value).rpartition(".")[2]


def fingerprints(packets: list[Packet], tag: str = "PublicKey") -> tuple[str, ...]:
    """The fingerprints, upper-case hex, of the keys of one kind: ``PublicKey`` means primary."""
    found = (ask(packet, "fingerprint") for packet in packets if ask(packet, "tag") == tag)
    return tuple(fingerprint.upper() for fingerprint in found if fingerprint)


def keys_of(packets: list[Packet], expires: int | None) -> tuple[Key, ...]:
    """The primary key, which comes first and expires at ``expires``, and the subkeys."""
    groups: list[list[Packet]] = []
    for packet in packets:
        if ask(packet, "tag") in ("PublicKey", "PublicSubkey"):
            groups.append([])
        groups[-1].append(packet)
    primary = ask(packets[0], "fingerprint") or ""
    return tuple(_key(group[0], group[1:], primary, expires) for group in groups)


def _key(key: Packet, rest: list[Packet], primary: str, expires: int | None) -> Key:
    """One key; ``rest`` are the packets up to the next key.

    The newest of its self-signatures counts, as for gpg and Sequoia.
    """
    fingerprint = ask(key, "fingerprint") or ""
    kinds = _SELF_SIGNATURES if fingerprint == primary else ("SubkeyBinding",)
    own = [packet for packet in rest if _made_by(packet, primary)]
    bindings = [packet for packet in own if ask(packet, "signature_type") in kinds]
    newest = max((_created(packet) for packet in bindings), default=0)
    bindings = [packet for packet in bindings if _created(packet) == newest]
    flags = [packet.key_flags for packet in bindings if packet.key_flags is not None]
    if fingerprint != primary and key.key_created:
        ends = [
            int((key.key_created + packet.key_validity_period).timestamp())
            for packet in bindings
            if packet.key_validity_period
        ]
        # A subkey cannot outlive its primary.
        expires = min([*ends, *([] if expires is None else [expires])], default=None)
    return Key(
        fingerprint=fingerprint.upper(),
        algorithm=ask(key, "key_algorithm") or "unknown",
        bits=_bits(key),
        # Before there were flags, a primary key was for everything.
        signs=any(flag.signing for flag in flags) if flags else fingerprint == primary,
        expires=expires,
        revoked=any(ask(packet, "signature_type") == "SubkeyRevocation" for packet in own),
    )


def _made_by(packet: Packet, primary: str) -> bool:
    """Whether this is a signature that names the primary key as its maker."""
    issuer = ask(packet, "issuer_fingerprint")
    key_id = ask(packet, "issuer_key_id")
    # A key id is the end of a fingerprint of version 4, and the beginning of one of version 6.
    return issuer == primary if issuer else key_id in (primary[-16:], primary[:16])


def _created(packet: Packet) -> int:
    moment = packet.signature_created
    return int(moment.timestamp()) if moment else 0


def _bits(key: Packet) -> int | None:
    """The length of an RSA modulus: the number before it, after version, time and algorithm."""
    if ask(key, "key_algorithm") not in RSA:
        return None
    start = 10 if key.body[0] == 6 else 6  # version 6 adds the length of the key material
    return int.from_bytes(key.body[start : start + 2], "big")
