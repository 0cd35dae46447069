"""Why there is no root shell, in words: a host key that nobody knows, what sudo or the login shell said."""

from __future__ import annotations

import re
from pathlib import Path

from dockwright.errors import UnreachableError


def printable(text: str, limit: int = 1000) -> str:
    """The end of ``text`` without control characters: a host may not drive a terminal."""
    clean = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text.replace("\r", ""))
    clean = "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in clean
    )
    return clean.strip()[-limit:]


def unknown_key(
    name: str, offered: tuple[str, str], *, line: str, file: Path, public: str
) -> UnreachableError:
    """``line`` is what known_hosts would say, ``public`` the path of the key on the host.

    ``file`` is where it would stand; ssh_config(5) may name one that keeps nothing.
    """
    keeps = file.is_file() or not file.exists()
    place = str(file) if keeps else f"a file of yours: {file} keeps nothing"
    then = "add the line (or: --host-keys accept-new)"
    if not keeps:
        then = "put the line into a file and name that: --known-hosts FILE"
    return UnreachableError(
        f"{name}: the host key is unknown; nothing was sent",
        details=(offered, ("to trust it, add", line), ("to", place)),
        next_step=f"compare the fingerprint on the host: ssh-keygen -lf {public}; then {then}",
    )


class PasswordRefusedError(UnreachableError):
    """The password was wrong; other refusals say nothing about it."""

    @classmethod
    def of(cls, who: str, said: str = "") -> PasswordRefusedError:
        """``who`` gave it; ``said`` is what sudo said."""
        return cls(
            f"sudo: the password was refused for {who}",
            details=_details(said),
            next_step="run the same command again with the right password; it was tried once",
        )


def _details(text: str) -> tuple[tuple[str, str], ...]:
    return (("the host says", text),) if text else ()


# What sudo and sudo-rs say under LC_ALL=C, read only to word the message; nothing hangs on it.
_SAYINGS = (
    (
        r"not in the sudoers|may not run sudo|afraid I can't do that",
        "sudo: {who} is not allowed to use sudo",
        "log in as root or as a user with sudo, or add the user to the group sudo",
    ),
    (
        r"not allowed to (execute|run)",
        "sudo: {who} may use sudo, but not to run sh as root",
        "the sudoers rule has to allow /bin/sh (or ALL)",
    ),
    (
        r"must have a tty|no tty present|requiretty",
        "sudo: {who} may use sudo on a terminal only (requiretty)",
        "take requiretty off for this user in sudoers: Defaults:USER !requiretty",
    ),
    (
        r"expired|change your password|account.*(locked|validation)|locked",
        "sudo: the account of {who} is expired or locked",
        "log in by hand and renew the password, or unlock the account (faillock --reset)",
    ),
)


def sudo_refused(said: str, who: str, *, ended: bool) -> UnreachableError:
    """Sudo ended, or gave no verdict in time (``ended`` is false), after it had the password."""
    said = re.sub(r"(execute|run) '?/.*(?= as )", r"\1 sh", said, flags=re.DOTALL)  # it is long
    for pattern, brief, advice in _SAYINGS:
        if re.search(pattern, said, re.IGNORECASE):
            return UnreachableError(brief.format(who=who), details=_details(said), next_step=advice)
    if not ended:
        return UnreachableError(
            f"sudo: no verdict on the password for {who} within a minute",
            details=_details(said),
            next_step="see whether sudo works by hand on the host: ssh, then sudo -v",
        )
    return PasswordRefusedError.of(who, said)


def no_shell(who: str, said: str, status: int | None, limit: float | None) -> UnreachableError:
    """The login shell of ``who`` did not start ours: it ended with ``status`` or was too slow.

    ``limit`` is the time it had, in seconds; ``None`` says that it printed without end.
    """
    if limit is None:
        brief = f"{who}: the host printed without end and started no shell"
    elif status is None:
        brief = f"{who}: no shell within {limit:.0f} s"
    elif "account is currently not available" in said or (status == 1 and not said):
        brief = f"{who}: the account has no login shell (nologin or false)"
    else:
        brief = f"{who}: the login shell ended with status {status} and ran nothing of ours"
    return UnreachableError(
        brief,
        details=_details(said),
        next_step=f"see what a command over SSH does there: ssh {who} true",
    )
