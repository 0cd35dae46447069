from __future__ import annotations

import re
import zlib
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysequoia import CipherSuite, Tsk
from pysequoia.packet import PacketPile, Tag

from dockwright.errors import InputError, TrustError
from dockwright.trust import grouped, judge_key, primary_fingerprints
from dockwright.trust.key import KEY_LIMIT
from dockwright.trust.packets import read, tags
from tests.unit.trust.making import (
    DAY,
    NOW,
    NVIDIA_LIKE,
    STRANGER,
    data,
    judged,
    key_file,
    pin,
    told,
)

FINGERPRINTS = {
    name: primary_fingerprints(data(f"{name}.asc"))[0]
    for name in ("revoked", "certify-only", "rsa1024", "dsa2048", "rsa2048")
}


def refusal(came: bytes, wanted: str, now: int = NOW) -> str:
    with pytest.raises(TrustError) as caught:
        judge_key(came, wanted, now=now, what="https://vendor.test/gpg")
    labels = [label for label, _ in caught.value.details]
    assert labels == ["what", "expected", "got"]
    assert caught.value.details[1][1] == grouped(wanted)
    return told(caught.value)


def packets(tsk: Tsk) -> list[bytes]:
    return [bytes(packet) for packet in PacketPile.from_bytes(key_file(tsk))]


# --- what is taken ------------------------------------------------------------------------------


def test_a_good_key(vendor: Tsk) -> None:
    key = judge_key(key_file(vendor), grouped(pin(vendor)), now=NOW)
    subkey = next(p for p in PacketPile.from_bytes(key_file(vendor)) if p.tag == Tag.PublicSubkey)
    assert key.fingerprint == pin(vendor)
    assert key.user_ids == ("Docker Release (CE deb) <docker@vendor.test>",)
    assert key.notes == ()
    assert key.signers == ((subkey.fingerprint or "").upper(),)
    assert key.armoured.encode() == key_file(vendor)


def test_nothing_outside_the_armour_stays(vendor: Tsk) -> None:
    noisy = b"\xef\xbb\xbfhello\n" + key_file(vendor).replace(b"\n", b" \r\n") + b"tail \x00\xff\n"
    assert judge_key(noisy, pin(vendor), now=NOW).armoured.encode() == key_file(vendor)


def test_a_binary_key_is_armoured(vendor: Tsk) -> None:
    binary = b"".join(packets(vendor))
    key = judge_key(binary, pin(vendor), now=NOW)
    assert key.armoured.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    assert key.armoured.endswith("-----END PGP PUBLIC KEY BLOCK-----\n")
    assert judge_key(key.armoured.encode(), pin(vendor), now=NOW).signers == key.signers


def test_t05_an_expired_subkey_is_a_note() -> None:
    key = judge_key(data("nvidia-like.asc"), NVIDIA_LIKE, now=NOW)
    assert key.signers == (NVIDIA_LIKE,)
    assert key.armoured.encode() == data("nvidia-like.asc")
    (note,) = key.notes
    assert "expired on 2021-01-01" in note
    # Before that day it was good.
    assert len(judge_key(data("nvidia-like.asc"), NVIDIA_LIKE, now=1600000000).signers) == 2


def test_t07_an_expiry_that_is_near_is_a_note() -> None:
    tsk = Tsk.generate("Soon", validity_seconds=200 * DAY)
    assert judged(tsk).notes == ()
    (note,) = judge_key(key_file(tsk), pin(tsk), now=NOW + 150 * DAY).notes
    assert re.fullmatch(r"the key expires on 20\d\d-\d\d-\d\d, in (49|50) days", note)


def test_rsa_of_2048_bits_is_just_enough() -> None:
    key = judge_key(data("rsa2048.asc"), FINGERPRINTS["rsa2048"], now=NOW)
    assert key.notes == ("the key is RSA with 2048 bits; 3072 or more is today's advice",)


def test_user_ids_are_fit_to_print() -> None:
    tsk = Tsk.generate(user_ids=["evil \x1b[2J\u202e id", *(f"id {n}" for n in range(20))])
    ids = judged(tsk).user_ids
    assert len(ids) == 8
    assert "evil \ufffd[2J\ufffd id" in ids


# --- what is refused ----------------------------------------------------------------------------


def test_t01_another_key(vendor: Tsk, stranger: Tsk) -> None:
    message = refusal(key_file(stranger), pin(vendor))
    assert "not the key that was pinned" in message
    assert grouped(pin(stranger)) in message


def test_t02_an_extra_key() -> None:
    message = refusal(data("two.asc"), NVIDIA_LIKE)
    assert "2 certificates" in message
    assert grouped(STRANGER) in message


def test_t02_an_extra_block(vendor: Tsk, stranger: Tsk) -> None:
    message = refusal(key_file(vendor) + key_file(stranger), pin(vendor))
    assert "2 key blocks" in message
    assert grouped(pin(stranger)) in message


def test_t02_an_extra_binary_key(vendor: Tsk, stranger: Tsk) -> None:
    both = b"".join(packets(vendor) + packets(stranger))
    assert grouped(pin(stranger)) in refusal(both, pin(vendor))


@pytest.mark.parametrize("shape", [str, grouped])
def test_t03_the_pin_in_a_user_id(vendor: Tsk, shape: type[str]) -> None:
    evil = Tsk.generate(f"{shape(pin(vendor))} fpr:::::::::{pin(vendor)}:")
    assert "not the key that was pinned" in refusal(key_file(evil), pin(vendor))


def test_t04_the_pin_is_only_a_subkey(vendor: Tsk) -> None:
    assert "only a subkey's" in refusal(key_file(vendor), judged(vendor).signers[0])


def test_t06_expired() -> None:
    tsk = Tsk.generate("Old", validity_seconds=10 * DAY)
    assert "a key that expired on 2" in refusal(key_file(tsk), pin(tsk), now=NOW + 11 * DAY)


def test_t06_expired_long_ago() -> None:
    tsk = Tsk.generate("Old")
    past = datetime.now(timezone.utc) + timedelta(seconds=1)
    cert = tsk.extract_certificate().set_expiration(past, tsk.certifier())
    assert "has expired" in refusal(str(cert).encode(), pin(tsk), now=NOW + DAY)


def test_t06_revoked() -> None:
    assert "revoked" in refusal(data("revoked.asc"), FINGERPRINTS["revoked"])


def test_no_key_may_sign() -> None:
    assert "may sign" in refusal(data("certify-only.asc"), FINGERPRINTS["certify-only"])


@pytest.mark.parametrize(
    ("name", "why"), [("rsa1024", "RSA with 1024 bits"), ("dsa2048", "a key for DSA")]
)
def test_weak(name: str, why: str) -> None:
    assert why in refusal(data(f"{name}.asc"), FINGERPRINTS[name])


@pytest.mark.parametrize(
    ("came", "said"),
    [
        (b"", "got: nothing"),
        (b"<html><title>Welcome</title>", 'got: a web page, "Welcome"'),
        (b"not found", 'got: text, "not found"'),
        (b"\x99\x01binary", "got: binary data"),
        (b"\x00\x01binary", "got: binary data"),
        (b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n", "OpenPGP message"),
        (b"x" * (KEY_LIMIT + 1), "more than 256 KiB"),
        (
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n",
            "0 bytes",
        ),
    ],
)
def test_t08_something_else(vendor: Tsk, came: bytes, said: str) -> None:
    assert said in refusal(came, pin(vendor))


def damaged(armour: bytes) -> dict[str, bytes]:
    lines = armour.splitlines(keepends=True)
    return {
        "cut": armour[: len(armour) // 2],
        "cut before the end": b"".join(lines[:-1]),
        "another end": armour.replace(b"END PGP PUBLIC", b"END PGP PRIVATE"),
        "begins twice": lines[0] + armour,
        "a line lost": b"".join(lines[:6] + lines[7:]),
        "checksum": re.sub(rb"\n=....\n", b"\n=AAAA\n", armour),
        "not base64": b"".join([*lines[:6], b"****\n", *lines[6:]]),
        "no blank line": armour.replace(b"\n\n", b"\n", 1),
        "odd header": armour.replace(b"\n", b"\nno header\n", 1),
    }


@pytest.mark.parametrize("how", list(damaged(b"\n" * 20)))
def test_t08_damaged(vendor: Tsk, how: str) -> None:
    came = damaged(key_file(vendor))[how]
    assert came != key_file(vendor)
    message = refusal(came, pin(vendor))
    assert "cut off or damaged" in message or "not one certificate" in message


def test_t08_damaged_inside(vendor: Tsk) -> None:
    parts = packets(vendor)
    binary = b"".join(parts)
    assert "got: binary data" in refusal(binary[:-10], pin(vendor))
    assert "got: binary data" in refusal(binary + b"trailing", pin(vendor))
    # Packets that are whole, and no certificate: no user id's signature, a signature alone.
    assert "signatures do not hold" in refusal(parts[0], pin(vendor))
    assert "0 certificates" in refusal(parts[1], pin(vendor))
    assert "packets: unknown" in refusal(binary + b"\xfa\x01a", pin(vendor))
    # Headers that hold, around nothing that OpenPGP knows.
    assert read(b"\xc6\x01a") == []
    # A literal data packet behind the key.
    assert "packets: Literal" in refusal(binary + b"\xcb\x08b\x00\x00\x00\x00\x00hi", pin(vendor))


def test_a_packet_that_unpacks_to_much(vendor: Tsk) -> None:
    """A compressed packet is never handed to OpenPGP, which would unpack it in memory."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(bytes(10_000_000)) + packer.flush()
    bomb = b"\xc8\xff" + (len(packed) + 1).to_bytes(4, "big") + b"\x01" + packed
    key = b"".join(packets(vendor))
    for came in (bomb, key + bomb, bomb + key):
        assert read(came) == []
        assert primary_fingerprints(came) == ()
        assert "binary data" in refusal(came, pin(vendor))


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (b"", []),
        (b"\xc2\x02ab", [2]),
        (b"\xc2\xc0\x00" + bytes(192), [2]),
        (b"\xc2\xdf\xff" + bytes(8383), [2]),
        (b"\xc6\xff\x00\x00\x00\x01a", [6]),
        (b"\x88\x01a\x99\x00\x02ab\x9a\x00\x00\x00\x01a", [2, 6, 6]),
        (b"\xc2", None),
        (b"\xc2\x03ab", None),
        (b"\xc2\x01abc", None),
        (b"\xc2\xe1ab", None),
        (b"\x8bab", None),
        (b"\x8b\0\0\0\0\0\0\0\0", None),
        (b"hello", None),
    ],
)
def test_headers_of_packets(headers: bytes, found: list[int] | None) -> None:
    assert tags(headers) == found


def test_t09_a_secret_key(vendor: Tsk) -> None:
    for came in (str(vendor).encode(), bytes(vendor), key_file(vendor) + str(vendor).encode()):
        message = refusal(came, pin(vendor))
        assert "a secret key" in message
        assert "got: an OpenPGP private key" in message
    disguised = str(vendor).replace("PRIVATE", "PUBLIC").encode()
    assert "a secret key" in refusal(disguised, pin(vendor))


@pytest.mark.parametrize("wanted", ["", "0EBFCD88", "8D81803C0EBFCD88", "Z" * 40])
def test_a_short_pin_is_none(vendor: Tsk, wanted: str) -> None:
    with pytest.raises(InputError):
        judge_key(key_file(vendor), wanted, now=NOW)


# --- garbage ------------------------------------------------------------------------------------

KEY = Tsk.generate("Fuzzed", cipher_suite=CipherSuite.Cv25519)


def edits(original: bytes) -> st.SearchStrategy[bytes]:
    """``original`` with a few stretches replaced."""

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        result = original
        for start, length, new in changes:
            result = result[:start] + new + result[start + length :]
        return result

    change = st.tuples(
        st.integers(0, len(original)), st.integers(0, 40), st.binary(min_size=0, max_size=8)
    )
    return st.lists(change, min_size=1, max_size=4).map(apply)


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        edits(key_file(KEY)),
        edits(b"".join(packets(KEY))),
        st.text(max_size=80).map(
            lambda text: (
                f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}\n"
                "-----END PGP PUBLIC KEY BLOCK-----\n"
            ).encode()
        ),
    )
)
def test_garbage_is_refused_or_the_key(came: bytes) -> None:
    for name in primary_fingerprints(came):
        assert re.fullmatch("[0-9A-F]{32,64}", name)
    try:
        key = judge_key(came, pin(KEY), now=NOW)
    except TrustError:
        return
    assert primary_fingerprints(key.armoured.encode()) == (pin(KEY),)


# --- keys found on a host -----------------------------------------------------------------------


def test_fingerprints_of_a_file(vendor: Tsk, stranger: Tsk) -> None:
    both = (pin(vendor), pin(stranger))
    assert primary_fingerprints(key_file(vendor)) == both[:1]
    assert primary_fingerprints(key_file(vendor) + key_file(stranger)) == both
    assert primary_fingerprints(b"".join(packets(vendor) + packets(stranger))) == both
    assert primary_fingerprints(data("two.asc")) == (NVIDIA_LIKE, STRANGER)
    assert primary_fingerprints(key_file(vendor)[:300] + b"\n" + key_file(stranger)) == both[1:]


@pytest.mark.parametrize("came", [b"", b"<html>", b"\x99", b"# empty\n"])
def test_fingerprints_of_no_key(came: bytes) -> None:
    assert primary_fingerprints(came) == ()
