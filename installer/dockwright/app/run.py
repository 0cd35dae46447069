"""What a run is asked to do, and what is known of each of its hosts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dockwright import __version__
from dockwright.channel import Transport
from dockwright.load import Playbook
from dockwright.models import Facts, Host, LiveRun
from dockwright.plan import HostPlan
from dockwright.receipts import Trail

Connect = Callable[[Host], Transport]


@dataclass(frozen=True)
class Request:
    """What the user asked for, the same for all hosts of a run.

    ``lock_timeout`` is in seconds; ``operator`` is named in the host's journal; ``again`` is
    the command line that would apply what is planned. ``proof`` asks for
    the checks although the plan itself changes nothing. ``vendor`` is the playbook whose repository
    and packages an uninstall knows Docker by; ``undoes`` the run to take back, empty for the last.
    """

    command: str
    again: str = ""
    playbook: Playbook | None = None
    upgrade: bool = False
    allow_restart: bool = False
    lock_timeout: int = 600
    operator: str = ""
    proxy: str | None = None
    proof: bool = False
    vendor: Playbook | None = None
    undoes: str = ""

    @property
    def back(self) -> bool:
        """Whether it asks for what earlier runs did: the host tells of them with its facts."""
        return self.command in ("history", "undo", "uninstall")

    @property
    def wish(self) -> str:
        """A digest of what is asked for: a run of the same wish is joined and not repeated.

        Not of the program: its text depends on the host's state, which a run changes.
        """
        book = self.playbook or self.vendor
        if book is None:
            return ""
        words = f"{__version__} {book.digest} {self.upgrade}"
        if self.vendor is not None:
            words += f" {self.command}"
        return hashlib.sha256(words.encode()).hexdigest()


@dataclass
class Prepared:
    """What is known of a host when its plan is made; ``plan`` stays None where it failed.

    ``joins`` is a run that is under way there for the same wish; ``again`` says that the run only
    made the host fit to be planned for.
    """

    host: Host
    began: float = field(default_factory=time.monotonic)
    transport: Transport | None = None
    facts: Facts | None = None
    trail: Trail | None = None
    plan: HostPlan | None = None
    joins: LiveRun | None = None
    again: bool = False
    finished: bool = False

    def close(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.close()
            self.transport = None
