"""Read what people wrote: regular files of bounded size, and as root only those nobody else can write."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dockwright.errors import InputError, RefusedError

SIZE_CAP = 256 * 1024


def read_text(path: Path, shown_as: str, *, guarded: bool = True, cap: int = SIZE_CAP) -> str:
    """The text of a file of at most ``cap`` bytes.

    ``guarded`` refuses, as root, a file that another user owns or can write: that user would
    decide what root does. What is judged is the open file, so it cannot be swapped in between.
    """
    if not shown_as.isprintable():
        raise InputError("a file's name holds a control character; no host was contacted")
    try:
        # A FIFO would make open() wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{shown_as} is not a regular file; no host was contacted")
            if guarded:
                refuse_foreign(status, shown_as, uid=os.geteuid(), environment=os.environ)
            content = file.read(cap + 1)
    except FileNotFoundError:
        raise InputError(f"{shown_as} does not exist; no host was contacted") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{shown_as} cannot be read: {reason}; no host was contacted") from None
    return decoded(content, shown_as, cap=cap)


def refuse_foreign(
    status: os.stat_result, shown_as: str, *, uid: int, environment: Mapping[str, str]
) -> None:
    """Refuse a file that decides what root does and that someone else owns or can write."""
    if uid != 0:
        return
    # Whoever came through sudo has root already, and runs files of their own.
    sudo_uid = environment.get("SUDO_UID", "")
    owners = {0} | ({int(sudo_uid)} if sudo_uid.isascii() and sudo_uid.isdigit() else set())
    if status.st_uid not in owners:
        raise RefusedError(
            f"{shown_as} belongs to another user (uid {status.st_uid}), and this is root",
            details=(("why", "its owner would decide what root does; nothing was contacted"),),
            next_step=f"read it, then: chown root {shown_as}",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        who = "everybody" if status.st_mode & stat.S_IWOTH else "its group"
        raise RefusedError(
            f"{shown_as} can be written by {who}, and this is root",
            details=(("why", "they would decide what root does; nothing was contacted"),),
            next_step=f"read it, then: chmod go-w {shown_as}",
        )


def decoded(content: bytes, shown_as: str, *, cap: int = SIZE_CAP) -> str:
    """Bytes as the UTF-8 text that they have to be; at most ``cap`` of them, and no private key."""
    if len(content) > cap:
        raise InputError(f"{shown_as} is larger than {cap // 1024} KiB; no host was contacted")
    if b"PRIVATE KEY-----" in content or content.startswith(b"PuTTY-User-Key-File"):
        raise InputError(
            f"{shown_as} holds a private key; nothing of it is shown, and no host was contacted",
            next_step="keys are given by --identity FILE (ssh's -i is --identity here)",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"1 error in {shown_as}; no host was contacted",
            details=(("error", f"{shown_as}:{line}:1: not UTF-8 text"),),
        ) from None
