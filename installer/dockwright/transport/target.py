"""A target as people type it: ``local``, ``user@host:port``, an alias of ssh_config.

``openssh://`` before it is the system's ssh.
"""

from __future__ import annotations

import re
from pathlib import Path

from dockwright.errors import InputError
from dockwright.models import HOST_NAME, LOGIN, Host, is_ipv6

LOCAL = frozenset({"local", "localhost"})
OPENSSH = "openssh://"

USER = re.compile(LOGIN)
NAME = re.compile(HOST_NAME)
_TARGET = re.compile(
    r"(?:(?P<user>[^@]*)@)?(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^@:\[\]]+)|(?P<bare>[0-9A-Fa-f.:]+(?:%\w+)?))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_KEY_HEAD = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File")
_FORM = "a host is local, an alias of ssh_config, or [user@]host[:port]; IPv6 as [address]:port"


def parse_target(text: str) -> Host:
    """The host that ``text`` names. Raises InputError; a private key in it is never echoed."""
    refuse_private_key(text)
    if text in LOCAL:
        return Host(name=text)
    rest = text.removeprefix(OPENSSH)
    match = _TARGET.fullmatch(rest)
    if match is None:
        raise _refused(text, "that is not a host")
    user, port = match["user"], match["port"]
    if user is not None and not USER.fullmatch(user):
        raise _refused(text, "the user name has characters that no user name has")
    if port is not None and not 1 <= int(port) <= 65535:
        raise _refused(text, "a port is a number from 1 to 65535")
    six = match["v6"] or match["bare"]
    if six is not None and not is_ipv6(six):
        raise _refused(text, "that is not an IPv6 address")
    if six is None and not NAME.fullmatch(match["name"] or ""):
        raise _refused(text, "the host name has characters that no host name has")
    return Host(
        name=text,
        address=six or match["name"],
        user=user,
        port=int(port) if port else None,
        transport="openssh" if rest != text else None,
    )


def require_safe(host: Host) -> None:
    """Raise InputError unless address and user, wherever they come from, are safe in commands."""
    if host.user is not None and not USER.fullmatch(host.user):
        raise _refused(host.user, "the user name has characters that no user name has")
    if host.address is not None and not (NAME.fullmatch(host.address) or is_ipv6(host.address)):
        raise _refused(host.address, "the host name has characters that no host name has")


def refuse_private_key(text: str) -> None:
    """Raise InputError if ``text`` is a private key, or the path of one; its text is not shown."""
    if _KEY_HEAD.search(text) or _KEY_HEAD.search(_head(text)):
        raise InputError(
            "a private key was given where a host or an inventory belongs",
            next_step="keys are given by --identity FILE (ssh's -i is --identity here)",
        )


def _head(path: str) -> str:
    try:
        with Path(path).expanduser().open("rb") as file:
            return file.read(256).decode(errors="replace")
    except (OSError, ValueError, RuntimeError):
        return ""


def _refused(text: str, why: str) -> InputError:
    # repr: control characters of a pasted text must not reach the terminal
    return InputError(f"{text[:80]!r}: {why}", next_step=_FORM)
