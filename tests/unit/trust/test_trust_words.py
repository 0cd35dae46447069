from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwright.trust import grouped, mask
from dockwright.trust.words import clean, day, what_came


def test_a_fingerprint_is_grouped_as_gpg_does() -> None:
    assert (
        grouped("9dc858229fc7dd38854ae2d88d81803c0ebfcd88")
        == "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"
    )


@given(st.text("0123456789ABCDEF", min_size=1, max_size=64))
def test_grouping_loses_nothing(digits: str) -> None:
    assert re.sub(" ", "", grouped(digits)) == digits
    assert grouped(grouped(digits)) == grouped(digits)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://vendor.test/gpg", "https://vendor.test/gpg"),
        ("https://me:sesame@vendor.test/gpg", "https://***@vendor.test/gpg"),
        ("http://token@proxy:3128", "http://***@proxy:3128"),
        ("http://me:a@b@proxy:3128/", "http://***@proxy:3128/"),
        ("get https://a:b@c/d?sig=sesame now", "get https://***@c/d?*** now"),
        ("https://vendor.test/a@b", "https://vendor.test/a@b"),
        ("is it so? yes", "is it so? yes"),
    ],
)
def test_mask(text: str, shown: str) -> None:
    assert mask(text) == shown


@given(st.text(string.ascii_letters + ":@+%", min_size=1))
def test_no_password_passes(password: str) -> None:
    masked = mask(f"https://user:SESAME{password}@vendor.test/gpg")
    assert masked == "https://***@vendor.test/gpg"


def test_clean_text_is_one_line_without_tricks() -> None:
    evil = "a\x1b[31mb\n\u202ec\x00 " + "x" * 500
    assert clean(evil, 12) == "a\ufffd[31mb \ufffdc\ufffd\N{HORIZONTAL ELLIPSIS}"


@given(st.text(), st.integers(1, 200))
def test_clean_is_short_and_printable(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert all(sign.isprintable() or sign == "\N{IDEOGRAPHIC SPACE}" for sign in shown)


def test_day() -> None:
    assert day(1791619200) == "2026-10-10"


@pytest.mark.parametrize(
    ("came", "said"),
    [
        (b"", "nothing"),
        (b" \n\r\n", "nothing"),
        (b"<!DOCTYPE html><p>", "a web page"),
        (b"\xef\xbb\xbf<html><title>Log\x07in</title>", 'a web page, "Log\ufffdin"'),
        (b'{"error": "no"}', 'text, "{"error": "no"}"'),
        (b"-----BEGIN PGP MESSAGE-----\n", "an OpenPGP message"),
        (b"\x1f\x8b\x08", "a compressed file"),
        (b"\x00\x01", "binary data"),
        (b"\xff\xfe\xfd", "binary data"),
    ],
)
def test_what_came(came: bytes, said: str) -> None:
    assert what_came(came) == said
