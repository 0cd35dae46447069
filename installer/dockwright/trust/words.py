"""Words for messages about what came from a vendor: safe to print, whatever it was."""

from __future__ import annotations

import re
import time
import unicodedata

_WEB_PAGE = re.compile(r"\s*(<!doctype html|<html|<head|<\?xml|<!--)", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
# Greedy to the last @ before a slash: a password may hold an @ of its own.
_USER_INFO = re.compile(r"(?<=://)[^/\s?#]*@")
_QUERY = re.compile(r"(?<=[^\s?#])\?[^\s#]+")


def grouped(fingerprint: str) -> str:
    """A fingerprint the way gpg prints it: groups of four, two spaces in the middle.

    Takes hex digits, grouped or not; gives ``9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88``.
    """
    digits = re.sub(r"\s", "", fingerprint).upper()
    groups = [digits[start : start + 4] for start in range(0, len(digits), 4)]
    middle = len(groups) // 2
    return f"{' '.join(groups[:middle])}  {' '.join(groups[middle:])}".strip()


def clean(text: str, limit: int = 120) -> str:
    """``text`` on one line and at most ``limit`` characters long, safe for a terminal.

    Control characters, and those that turn the direction of writing, become U+FFFD: a user id or
    a page's title is chosen by whoever serves it.
    """
    shown = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign)[0] == "C" else sign
        for sign in " ".join(text[: 10 * limit].split())
    )
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def mask(text: str) -> str:
    """``text`` with the credentials and the queries of all URLs in it replaced by ``***``."""
    return _QUERY.sub("?***", _USER_INFO.sub("***@", text))


def day(seconds: int) -> str:
    """The day, in UTC, of a time in seconds since the epoch: ``2021-11-05``."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def what_came(data: bytes) -> str:
    """What ``data`` seems to be, for the ``got`` of a message about a key or an index."""
    if not data.strip():
        return "nothing"
    text = data[:4096].decode("utf-8", "replace").lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    if _WEB_PAGE.match(text):
        title = _TITLE.search(text)
        return f'a web page, "{clean(title[1], 60)}"' if title else "a web page"
    armour = re.search(r"^-----BEGIN PGP ([A-Z ]{1,40})-----", text, re.MULTILINE)
    if armour:
        return f"an OpenPGP {armour[1].lower()}"
    if data.startswith((b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")):
        return "a compressed file"
    if "\N{REPLACEMENT CHARACTER}" in text or "\0" in text:
        return "binary data"
    return f'text, "{clean(text, 60)}"'
