from __future__ import annotations

import gzip
import lzma
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysequoia import SignatureMode, Tsk, sign

from dockwright.errors import DockwrightError, RefusedError, TrustError
from dockwright.trust import (
    Release,
    VendorKey,
    grouped,
    judge_index,
    judge_key,
    judge_packages,
    primary_fingerprints,
)
from dockwright.trust import listing as listing_module
from tests.unit.trust.making import (
    DAY,
    LISTING,
    NOW,
    NVIDIA_LIKE,
    data,
    judged,
    pin,
    release,
    signed,
    stanza,
    told,
)

URL = "https://vendor.test/dists/noble/InRelease"


def judge(came: bytes, key: VendorKey, **wish: Any) -> Release:
    asked: dict[str, Any] = {
        "suite": "noble",
        "components": ("stable",),
        "architecture": "amd64",
        "now": NOW,
        "what": URL,
        **wish,
    }
    return judge_index(came, key, **asked)


def refusal(
    came: bytes, key: VendorKey, kind: type[DockwrightError] = TrustError, **wish: Any
) -> str:
    with pytest.raises(kind) as caught:
        judge(came, key, **wish)
    assert caught.value.details[0] == ("what", URL)
    return told(caught.value)


# --- signature ----------------------------------------------------------------------------------


def test_a_good_index(vendor: Tsk) -> None:
    text = release(Valid_Until=formatdate(NOW + DAY), Acquire_By_Hash="yes")
    found = judge(signed(vendor, text), judged(vendor))
    assert (found.suite, found.codename, found.by_hash) == ("noble", "noble", True)
    assert found.architectures == ("amd64", "arm64")
    assert found.components == ("stable", "test")
    assert (found.date, found.valid_until) == (NOW - 3600, NOW + DAY)
    assert found.signer in judged(vendor).signers
    assert set(found.hashes) == {"stable/binary-amd64/Packages"}
    assert "hashes" not in repr(found)


def nvidia_like() -> VendorKey:
    return judge_key(data("nvidia-like.asc"), NVIDIA_LIKE, now=NOW)


@pytest.mark.parametrize("name", ["nvidia-like", "two"])
def test_gpg_signed_it(name: str) -> None:
    """By the primary; lines escaped; with a stranger's signature beside the vendor's."""
    found = judge(data(f"{name}.inrelease"), nvidia_like())
    assert found.signer == NVIDIA_LIKE
    assert list(found.hashes.values()) == [
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0)
    ]


def test_windows_line_endings(vendor: Tsk) -> None:
    came = signed(vendor, release()).replace(b"\n", b"\r\n")
    assert judge(came, judged(vendor)).codename == "noble"


def test_only_what_was_signed_counts(vendor: Tsk) -> None:
    came = signed(vendor, release())
    assert judge(came + b"Codename: jammy\n", judged(vendor)).codename == "noble"
    assert "text before" in refusal(b"Codename: jammy\n" + came, judged(vendor))


def test_t11_signed_by_another(vendor: Tsk, stranger: Tsk) -> None:
    message = refusal(signed(stranger, release()), judged(vendor))
    assert f"expected: {grouped(pin(vendor))}" in message
    assert grouped(judged(stranger).signers[0]) in message


def test_t13_tampered(vendor: Tsk) -> None:
    came = signed(vendor, release())
    for old, new in ((b"amd64", b"arm64"), (b"Codename: noble", b"Codename: jammy")):
        assert "not signed by the vendor" in refusal(came.replace(old, new), judged(vendor))


def test_signed_while_the_subkey_was_in_force() -> None:
    """apt on Debian 13 would take it (the signature is older than the expiry)."""
    message = refusal(data("expired-subkey.inrelease"), nvidia_like())
    assert "may not sign any more" in message


def test_a_weak_digest() -> None:
    (name,) = primary_fingerprints(data("rsa2048.asc"))
    key = judge_key(data("rsa2048.asc"), name, now=NOW)
    assert "not signed by the vendor" in refusal(data("sha1.inrelease"), key)


def test_not_a_signed_index(vendor: Tsk) -> None:
    key, text = judged(vendor), release().encode()
    came = signed(vendor, release())
    inline = sign(vendor.signer(), text, mode=SignatureMode.INLINE)
    detached = sign(vendor.signer(), text, mode=SignatureMode.DETACHED)
    for bad, said in (
        (b"", "got: nothing"),
        (b"<html><title>Log in</title>", 'got: a web page, "Log in"'),
        (text, 'got: text, "Origin: Docker'),
        (inline, "got: an OpenPGP message"),
        (detached, "got: an OpenPGP signature"),
        (came + came, "got: an OpenPGP signed message"),
        (came[: len(came) // 2], "not a signed index"),
        (came[:-60], "cut off or damaged"),
    ):
        assert said in refusal(bad, key)


KEY = Tsk.generate("Fuzzed")
INDEX = signed(KEY, release())


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, len(INDEX)), st.integers(0, 30), st.binary(max_size=6)).map(
            lambda edit: INDEX[: edit[0]] + edit[2] + INDEX[edit[0] + edit[1] :]
        ),
    )
)
def test_garbage_is_refused_or_the_index(came: bytes) -> None:
    try:
        found = judge(came, judged(KEY))
    except TrustError:
        return
    assert found == judge(INDEX, judged(KEY))


# --- content ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "fields"),
    [
        ({"suite": "noble"}, {"Suite": "stable"}),
        ({"suite": "stable"}, {"Suite": "stable"}),
        ({"suite": "/", "components": ()}, {"Suite": None, "Codename": None, "Components": None}),
        ({}, {"Date": None}),
        ({}, {"Date": formatdate(NOW + 240)}),
        ({}, {"Architectures": None, "Components": None}),
    ],
)
def test_good_content(vendor: Tsk, wish: dict[str, Any], fields: dict[str, Any]) -> None:
    judge(signed(vendor, release(**fields)), judged(vendor), **wish)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Suite": "jammy", "Codename": "jammy"}, "got: jammy"),
        ({"Suite": None, "Codename": None}, "got: no name"),
        ({"Date": formatdate(NOW + 400)}, "dated in the future"),
        ({"Valid_Until": formatdate(NOW - 1)}, "has run out"),
        ({"Date": "yesterday"}, "Date of the signed index is no time"),
        ({"Date": "Thu, 99 Jan 2026 08:00:00 UTC"}, "Date of the signed index is no time"),
        ({"Valid_Until": "Thu, 01 Jan 99999999999 08:00:00 UTC"}, "is no time"),
        ({"Valid_Until": ""}, "Valid-Until of the signed index is no time"),
    ],
)
def test_t15_content_that_does_not_hold(vendor: Tsk, fields: dict[str, Any], said: str) -> None:
    assert said in refusal(signed(vendor, release(**fields)), judged(vendor))


def test_t14_an_old_index_is_dated(vendor: Tsk) -> None:
    """A replay can't be told from a vendor at rest: the date is given on, a floor decides."""
    old = release(Date="Fri, 26 Oct 2018 17:18:56 +0200")
    assert judge(signed(vendor, old), judged(vendor)).date == 1540567136
    no_zone = release(Date="Fri, 26 Oct 2018 17:18:56")
    assert judge(signed(vendor, no_zone), judged(vendor)).date == 1540574336


def test_no_sums(vendor: Tsk) -> None:
    text = "Suite: noble\nSHA256:\n abc 1 Packages\n " + "a" * 64 + " x Packages\n"
    assert "without SHA256" in refusal(signed(vendor, text), judged(vendor))


def test_nothing_for_it(vendor: Tsk) -> None:
    came, key = signed(vendor, release()), judged(vendor)
    message = refusal(came, key, RefusedError, architecture="armhf")
    assert "no architecture armhf" in message
    assert "got: amd64, arm64" in message
    message = refusal(came, key, RefusedError, components=("stable", "nightly"))
    assert "no component nightly" in message


# --- packages -----------------------------------------------------------------------------------

FOLDER = "stable/binary-amd64"
FILES = {
    f"{FOLDER}/Packages": LISTING,
    f"{FOLDER}/Packages.gz": gzip.compress(LISTING, mtime=0),
    f"{FOLDER}/Packages.xz": lzma.compress(LISTING),
}


def head(vendor: Tsk, files: dict[str, bytes]) -> Release:
    return judge(signed(vendor, release(files)), judged(vendor))


@pytest.mark.parametrize("path", list(FILES))
def test_a_good_listing(vendor: Tsk, path: str) -> None:
    found = judge_packages(head(vendor, FILES), path, FILES[path])
    assert [(package.name, package.architecture) for package in found] == [
        ("docker-ce", "amd64"),
        ("docker-ce", "amd64"),
        ("docker-ce", "amd64"),
        ("docker-ce", "arm64"),
        ("docs", "all"),
    ]
    assert found[1].depends == "init, a, b"
    assert (found[0].size, found[0].sha256) == (1234, "ab" * 32)
    assert found[0].filename == "pool/docker-ce_amd64.deb"


def test_t13_a_listing_that_was_not_signed(vendor: Tsk) -> None:
    signed_head = head(vendor, FILES)
    for path, came in (
        (f"{FOLDER}/Packages", LISTING + b"\n"),
        (f"{FOLDER}/Packages", LISTING.replace(b"29.7.2", b"29.7.3")),
        (f"{FOLDER}/Packages.gz", gzip.compress(LISTING + b"\n", mtime=0)),
        (f"{FOLDER}/Packages.bz2", LISTING),
    ):
        with pytest.raises(TrustError, match="not what the index was signed for"):
            judge_packages(signed_head, path, came)


def test_the_unpacked_listing_has_a_sum_too(vendor: Tsk) -> None:
    files = {**FILES, f"{FOLDER}/Packages": b"another"}
    with pytest.raises(TrustError, match="not what the index was signed for"):
        judge_packages(head(vendor, files), f"{FOLDER}/Packages.xz", FILES[f"{FOLDER}/Packages.xz"])


@pytest.mark.parametrize(
    ("path", "came", "said"),
    [
        ("Packages.gz", b"no gzip", "Not a gzipped file"),
        ("Packages.gz", gzip.compress(LISTING, mtime=0)[:-20], "end-of-stream"),
        ("Packages.xz", b"no xz", "Input format not supported"),
        ("Packages", b"<html>", "got: a web page"),
        ("Packages", b"hello: world\n", "got: text"),
        ("Packages.gz", gzip.compress(b"x" * 5000, mtime=0), "MiB unpacked"),
    ],
)
def test_signed_but_no_listing(
    vendor: Tsk, monkeypatch: pytest.MonkeyPatch, path: str, came: bytes, said: str
) -> None:
    monkeypatch.setattr(listing_module, "UNPACKED_LIMIT", 4000)
    with pytest.raises(TrustError) as caught:
        judge_packages(head(vendor, {path: came}), path, came, what="https://vendor.test/Packages")
    assert said in told(caught.value)


def test_an_empty_listing_is_one(vendor: Tsk) -> None:
    assert judge_packages(head(vendor, {"Packages": b""}), "Packages", b"") == ()


@pytest.mark.parametrize(
    "odd",
    [
        {"Package": "-rf"},
        {"Package": "a b"},
        {"Version": "1.0;reboot"},
        {"Version": "a:1"},
        {"Size": "many"},
        {"SHA256": "abc"},
        {"Filename": ""},
    ],
)
def test_odd_stanzas_are_no_packages(vendor: Tsk, odd: dict[str, str]) -> None:
    came = (stanza("good", "1.0") + "\n" + stanza("odd", "1.0", **odd)).encode()
    found = judge_packages(head(vendor, {"Packages": came}), "Packages", came)
    assert [package.name for package in found] == ["good"]
