"""Text made safe and short for people: pure functions, free of rich.

Whatever a host, a playbook or a vendor wrote may hold escape sequences, a megabyte without a line
break, or credentials in a URL. All that is printed goes through :func:`clean`.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 600  # characters of one field on the console
_WINDOW = 16_384  # what is looked at of a longer text
_LINES = 500

# A sequence that never ends takes the rest of its line with it: it is the writer's own text.
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS
    r"|\x1b[ -/]*[0-~]?"
)
_TOKEN = re.compile(r'(?:[^\s"\\]+|\\.)+')  # JSON in JSON has \" where a quote is part of it
_SCHEME = re.compile(r":(?:\\?/){2}")
_PORT = re.compile(r":[0-9]{1,5}\Z")


class Cleaned(str):
    """A line that is clean already, and whose indentation stays."""

    __slots__ = ()


def masked(text: str) -> str:
    """The text with the credentials of its URLs as ``***``.

    Where it is not sure what is password and what is path, more is hidden rather than less.
    """
    if "@" not in text:
        return text
    return _TOKEN.sub(lambda token: _mask(token[0]), text)


def _mask(token: str) -> str:
    scheme = _SCHEME.search(token)
    last = token.rfind("@")
    if scheme is None or last < scheme.end():
        return token
    authority = re.split(r"[/?#]", token[scheme.end() :], maxsplit=1)[0]
    # https://host:443/path@version has nothing to hide; in user:pa/ss@host the password was cut
    # at a slash that nobody percent-encoded.
    if "@" not in authority and (":" not in authority or _PORT.search(authority)):
        return token
    return f"{token[: scheme.end()]}***{token[last:]}"


def clean(text: str, limit: int = LIMIT) -> str:
    """One line without escape sequences, control and invisible characters or credentials."""
    if len(text) > _WINDOW:
        text = text[:_WINDOW]
        scheme = text.rfind("://")
        # A URL that was cut may have lost the @ that tells its credentials from its path.
        if scheme >= 0 and not re.search(r"\s", text[scheme:]):
            text = text[:scheme]
        text += "…"
    text = _ESCAPE.sub("", text) if not text.isprintable() else text
    if not text.isprintable():
        text = "".join(
            char if char.isprintable() else " " if char.isspace() else "" for char in text
        )
    text = masked(text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_lines(
    text: str, most: int = _LINES, *, tail: bool = False, limit: int = LIMIT
) -> list[Cleaned]:
    """The lines of a text, each one clean, at most ``most`` of them: the first, or the last."""
    size = most * limit
    text = text[-size:] if tail else text[:size]
    lines = re.split(r"\r\n|\n|\r", text.strip("\r\n"))
    lines = lines[-most:] if tail else lines[:most]
    return [Cleaned(_indent(line) + clean(line, limit)) for line in lines]


def _indent(line: str) -> str:
    expanded = line[:LIMIT].expandtabs(4)
    return " " * min(len(expanded) - len(expanded.lstrip(" ")), 40)


def duration(seconds: float) -> str:
    """``0.1 s``, ``1 min 12 s``, ``2 h 05 min``."""
    if not 0 <= seconds < 10_000_000:  # not a number either
        seconds = 0.0
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def size(count: float) -> str:
    """Bytes as apt counts them, by thousands: ``146 MB``."""
    units = ["B", "kB", "MB", "GB"]
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        del units[0]
    exact = count < 10 and units[0] != "B"
    return f"{count:.{1 if exact else 0}f} {units[0]}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


# What distributions and vendors add behind the version that people know: -1~ubuntu.24.04~noble,
# +dfsg1, ~ds1. ~rc1 is no such thing and stays.
_RELEASE = re.compile(r"-[^-]*~(?:ubuntu|debian|raspbian)\b.*\Z")
_ADDED = re.compile(r"[~+](?:dfsg|ds|ubuntu|debian|deb)[^-]*\Z")


def short_version(version: str, other: str | None = None) -> str:
    """``5:29.7.2-1~ubuntu.24.04~noble`` as ``5:29.7.2``; whole where ``other`` looks the same."""

    def short(full: str) -> str:
        rest = _RELEASE.sub("", full)
        return _ADDED.sub("", rest if rest != full else rest.rpartition("-")[0] or rest)

    if other is not None and other != version and short(other) == short(version):
        return version
    return short(version)


def apply_command(playbook: str, hosts: Iterable[str]) -> str:
    """The command that applies a playbook to hosts, ready to be pasted."""
    verbs = {"docker": ["install"], "undo": ["undo"]}
    verb = verbs.get(playbook, ["apply", playbook])
    return clean(shlex.join(["dockwright", *verb, *hosts]))
