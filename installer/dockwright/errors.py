"""What can go wrong, as exit codes and one exception with its few children.

::

    DockwrightError            what, where, why, next command; carries its exit code
    ├── InputError        2    usage, playbook, inventory: nothing was contacted
    ├── RefusedError      3    preflight refused, nothing was changed
    ├── TrustError        4    key, signature or index is not what was pinned
    ├── UnreachableError  5    connection, authentication, sudo
    ├── FailedError       6    failed, resumable by the same command
    ├── RepairError       7    the host needs repair; the message carries the commands
    ├── VerifyError       8    installed, but verification failed
    ├── DestructiveError  9    a destructive action was refused
    └── BusyError        10    another run, or another program, holds the host

Only the command line turns an error into an exit status.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes; the table is in ``--help`` and in the README."""

    OK = 0
    BUG = 1
    INPUT = 2
    REFUSED = 3
    TRUST = 4
    UNREACHABLE = 5
    FAILED = 6
    REPAIR = 7
    VERIFY = 8
    DESTRUCTIVE = 9
    BUSY = 10
    CHANGED = 20
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def word(self) -> str:
        """The one word that is printed beside the number: ``exit 4 (trust)``."""
        return _WORDS[self]


_WORDS = {
    Exit.OK: "ok",
    Exit.BUG: "bug",
    Exit.INPUT: "input",
    Exit.REFUSED: "refused",
    Exit.TRUST: "trust",
    Exit.UNREACHABLE: "unreachable",
    Exit.FAILED: "failed",
    Exit.REPAIR: "repair",
    Exit.VERIFY: "verify",
    Exit.DESTRUCTIVE: "destructive",
    Exit.BUSY: "busy",
    Exit.CHANGED: "changed",
    Exit.INTERRUPTED: "interrupted",
    Exit.TERMINATED: "terminated",
}

# A fleet exits with its worst host.
_SEVERITY = (7, 6, 4, 9, 8, 10, 3, 5, 20, 0)


def worst(codes: list[Exit]) -> Exit:
    """The exit code of a fleet: the worst of its hosts' codes, ``OK`` for none."""
    known = [code for code in codes if code in _SEVERITY]
    other = [code for code in codes if code not in _SEVERITY]
    if other:
        return max(other)
    return min(known, key=_SEVERITY.index, default=Exit.OK)


class DockwrightError(Exception):
    """Something that a user can act on.

    ``brief`` is one sentence; ``details`` are (label, text) pairs shown below it, such as
    ``("expected", "9DC8 …")``; ``step`` names the step of the plan; ``next_step`` is the
    command or the advice that comes next.
    """

    exit: ClassVar[Exit] = Exit.BUG

    def __init__(
        self,
        brief: str,
        *,
        details: tuple[tuple[str, str], ...] = (),
        step: str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(brief)
        self.brief = brief
        self.details = details
        self.step = step
        self.next_step = next_step

    def __copy__(self) -> DockwrightError:
        """One of its own: libraries that send errors about change what ``copy`` makes of them."""
        other = type(self).__new__(type(self), *self.args)
        other.__dict__.update(self.__dict__)
        return other


class InputError(DockwrightError):
    """Usage, playbook or inventory is wrong; nothing was contacted."""

    exit = Exit.INPUT


class RefusedError(DockwrightError):
    """Preflight refused; nothing was changed."""

    exit = Exit.REFUSED


class TrustError(DockwrightError):
    """Key, signature or index is not what was pinned; nothing was changed."""

    exit = Exit.TRUST


class UnreachableError(DockwrightError):
    """Host or vendor unreachable, authentication or sudo refused."""

    exit = Exit.UNREACHABLE


class FailedError(DockwrightError):
    """A step failed; the same command resumes."""

    exit = Exit.FAILED


class RepairError(DockwrightError):
    """The host needs repair; the message carries the commands."""

    exit = Exit.REPAIR


class VerifyError(DockwrightError):
    """Installed, but verification failed."""

    exit = Exit.VERIFY


class DestructiveError(DockwrightError):
    """A destructive action was refused; nothing was changed."""

    exit = Exit.DESTRUCTIVE


class BusyError(DockwrightError):
    """Another run holds the host, or another program holds its package manager."""

    exit = Exit.BUSY


BY_EXIT: dict[Exit, type[DockwrightError]] = {
    kind.exit: kind
    for kind in (
        InputError,
        RefusedError,
        TrustError,
        UnreachableError,
        FailedError,
        RepairError,
        VerifyError,
        DestructiveError,
        BusyError,
    )
}
