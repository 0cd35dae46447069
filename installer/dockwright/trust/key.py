"""Whether a vendor's key is the one that was pinned, and fit to sign.

Facts: RFC 9580 for packets; what gpg, gpgv and sqv make of odd keys was measured on Debian 11, 12
and 13: a ``grep`` for the fingerprint is fooled by a user id that holds it; an extra key in the
file signs as well; apt on Debian 13 takes old signatures of a key that has expired since.

pysequoia does not tell whether a *subkey's* binding holds, so ``VendorKey.signers`` is read from
the packets, unproven. It only ever narrows: an index is verified by OpenPGP's own rules first.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dockwright.errors import InputError, TrustError
from dockwright.trust import armour
from dockwright.trust.packets import RSA, Key, ask, fingerprints, keys_of, read
from dockwright.trust.words import clean, day, grouped, what_came

if TYPE_CHECKING:
    from pysequoia.packet import Packet

KEY_LIMIT = 256 * 1024  # bytes; Docker's key has 4 kB, a key with many certifications some 100 kB
SOON = 90 * 86400  # seconds: an expiry nearer than this is worth a note
WEAK_RSA, MODEST_RSA = 2048, 3072  # bits

# apt 2.9 and newer refuse DSA and ElGamal, too.
_ALGORITHMS = (*RSA, "EdDSA", "ECDSA", "Ed25519", "Ed448")
_PARTS = ("PublicKey", "PublicSubkey", "UserID", "UserAttribute", "Signature")
_NEXT = (
    "Look who answers at that address: a proxy, a captive portal or a mirror "
    "may serve something of its own."
)

_Refuse: TypeAlias = Callable[[str, str], TrustError]


@dataclass(frozen=True)
class VendorKey:
    """A certificate that was judged: it is the pinned one.

    ``armoured`` is what goes to a host, ``fingerprint`` the primary key's in upper-case hex.
    ``user_ids`` are for print only. ``notes`` are worth a line in a report. ``signers`` are the
    fingerprints of the keys in it that may sign at the time of judging.
    """

    armoured: str
    fingerprint: str
    user_ids: tuple[str, ...]
    notes: tuple[str, ...]
    signers: tuple[str, ...]


def judge_key(data: bytes, pin: str, *, now: int, what: str = "the vendor's key") -> VendorKey:
    """Judge what came in answer to a request for a key; ``now`` is in seconds since the epoch.

    ``data`` is a key file, armoured or binary; ``pin`` the primary key's fingerprint, 40 or 64
    hex digits, grouped or not; ``what`` names it in messages (its URL). Raises TrustError when it
    is anything but that one certificate, in force and able to sign, and InputError when ``pin`` is
    no fingerprint.
    """
    pin = re.sub(r"[\s:]", "", pin).upper()
    if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", pin):
        raise InputError("a fingerprint has 40 (or 64) hex digits")

    def refuse(brief: str, got: str) -> TrustError:
        details = (("what", what), ("expected", grouped(pin)), ("got", got))
        return TrustError(f"{what}: {brief}", details=details, next_step=_NEXT)

    text, binary = _one_block(data, refuse)
    packets = _packets(binary, refuse)
    found = fingerprints(packets)
    if len(found) != 1 or ask(packets[0], "tag") != "PublicKey":
        raise refuse("not one certificate", f"{len(found)} certificates: {_listed(found)}")
    if not hmac.compare_digest(found[0], pin):
        only = pin in fingerprints(packets, "PublicSubkey")
        raise refuse(
            "the pinned fingerprint is only a subkey's" if only else "not the key that was pinned",
            grouped(found[0]),
        )
    # Before OpenPGP's own rules, which refuse a weak key with fewer words.
    _strong(keys_of(packets, None)[:1], refuse)
    user_ids, expires = _certificate(binary, now, refuse)
    keys = keys_of(packets, expires)
    able = tuple(key for key in keys if key.able(now))
    _strong(able, refuse)
    if not able:
        raise refuse("no key in it may sign now", f"{len(keys)} keys, none that may sign")
    return VendorKey(
        armoured=text,
        fingerprint=found[0],
        user_ids=user_ids,
        notes=tuple(_notes(keys, able, now)),
        signers=tuple(key.fingerprint for key in able),
    )


def primary_fingerprints(data: bytes) -> tuple[str, ...]:
    """The primary fingerprints in a key file found on a host, upper-case hex, in order.

    Armoured or binary, one certificate or many; empty when it is no key file. Never raises, and
    judges nothing.
    """
    blocks = [block for block in armour.blocks(data) if block.kind == armour.PUBLIC_KEY]
    parts = [block.data or b"" for block in blocks] or [data]
    return tuple(name for part in parts for name in fingerprints(read(part)))


def _one_block(data: bytes, refuse: _Refuse) -> tuple[str, bytes]:
    """The armour and the bytes of the one key in ``data``, without what stands around it."""
    if len(data) > KEY_LIMIT:
        raise refuse("too large for a key", f"more than {KEY_LIMIT // 1024} KiB")
    blocks = armour.blocks(data)
    if any(block.kind == armour.PRIVATE_KEY for block in blocks):
        raise refuse("a secret key", "an OpenPGP private key")
    public = [block for block in blocks if block.kind == armour.PUBLIC_KEY]
    if len(public) > 1:
        got = f"{len(public)} key blocks: {_listed(primary_fingerprints(data))}"
        raise refuse("not one certificate", got)
    if public:
        text, binary = public[0].text, public[0].data
        if binary is None:
            raise refuse("cut off or damaged", f"{len(data)} bytes of a key")
        return text, binary
    if blocks or not read(data):
        # pysequoia takes the armour of any kind for packets, so blocks are asked for first.
        raise refuse("not a key", what_came(data))
    from pysequoia import ArmorKind, armor

    return armor(data, ArmorKind.PublicKey), data


def _packets(binary: bytes, refuse: _Refuse) -> list[Packet]:
    """The packets of ``binary``: those that make a certificate, and no other."""
    packets = read(binary)
    if not packets:
        raise refuse("cut off or damaged", f"{len(binary)} bytes that are no whole key")
    names = [ask(packet, "tag") or "unknown" for packet in packets]
    if any(name.startswith("Secret") for name in names):
        raise refuse("a secret key", "an OpenPGP private key")
    strange = sorted(set(names).difference(_PARTS))
    if strange:
        raise refuse("not a certificate alone", f"packets: {', '.join(strange)}")
    return packets


def _certificate(binary: bytes, now: int, refuse: _Refuse) -> tuple[tuple[str, ...], int | None]:
    """User ids, and when the primary key expires, by OpenPGP's own rules."""
    from pysequoia import Cert

    try:
        cert = Cert.from_bytes(binary)
        revoked, expiration = cert.is_revoked, cert.expiration
        user_ids = tuple(clean(str(user_id)) for user_id in cert.user_ids[:8])
    except RuntimeError as error:
        why = clean(str(error).split("\n", 1)[0])
        raise refuse("its own signatures do not hold", why) from None
    expires = None if expiration is None else int(expiration.timestamp())
    if revoked:
        raise refuse("its owner has revoked it", "a revoked key")
    if expires is not None and expires <= now:
        raise refuse("it has expired", f"a key that expired on {day(expires)}")
    return user_ids, expires


def _strong(keys: tuple[Key, ...], refuse: _Refuse) -> None:
    """Refuse a primary key, or one that may sign, which can be forged today."""
    for key in keys:
        if key.algorithm not in _ALGORITHMS:
            raise refuse("its algorithm is not good enough", f"a key for {key.algorithm}")
        if key.bits is not None and key.bits < WEAK_RSA:
            raise refuse("it is too short", f"RSA with {key.bits} bits")


def _notes(keys: tuple[Key, ...], able: tuple[Key, ...], now: int) -> Iterator[str]:
    """What is worth knowing about a good key."""
    for key in keys[1:]:
        if key.expires is not None and key.over(now):
            yield (
                f"the subkey {grouped(key.fingerprint)} expired on {day(key.expires)}; "
                "another key of the same certificate signs"
            )
    ends = [key.expires for key in able if key.expires is not None]
    if len(ends) == len(able) and max(ends) <= now + SOON:
        left = (max(ends) - now) // 86400
        yield f"the key expires on {day(max(ends))}, in {left} days"
    bits = min((key.bits for key in able if key.bits is not None), default=MODEST_RSA)
    if bits < MODEST_RSA:
        yield f"the key is RSA with {bits} bits; {MODEST_RSA} or more is today's advice"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(grouped, names[:8])) or "none that can be read"
