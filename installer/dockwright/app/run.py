"""What a run is asked to do, and what is known of each of its hosts."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from dockwright import __version__
from dockwright.app.market import Market
from dockwright.channel import Transport
from dockwright.load import Playbook
from dockwright.models import Facts, Host, LiveRun
from dockwright.plan import HostPlan, Level
from dockwright.proxies import Proxy
from dockwright.registries import Logins

if TYPE_CHECKING:  # what is loaded later, or not at all
    from dockwright.doctor.catalogue import Entry
    from dockwright.events import Finding
    from dockwright.receipts import Data, Trail

Connect = Callable[[Host], Transport]
# The playbook that mends a host: by the host's name, the playbook's, and whether Docker's snap goes.
Mends = Callable[[str, str, bool], Playbook]


class Machines:
    """Which machine was reached under which name: one machine is worked on under one name only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[tuple[str, str], str] = {}

    def first(self, facts: Facts, name: str) -> str:
        """The name under which that machine was reached first; ``name`` itself where it is new.

        The id of a boot is looked at beside machine-id(5): clones of one image often share that.
        """
        if not facts.machine_id:
            return name
        with self._lock:
            return self._names.setdefault((facts.machine_id, facts.boot_id), name)


class Way(str, Enum):
    """Who gets a vendor's key and index; this machine judges them either way."""

    CONTROLLER = "controller"
    HOST = "host"
    AUTO = "auto"

    @property
    def words(self) -> str:
        """How a plan says it."""
        return "by this machine" if self is Way.CONTROLLER else "through the host"


@dataclass(frozen=True)
class Request:
    """What the user asked for, the same for all hosts of a run but for ``playbook``.

    ``playbooks`` has it by host, where an inventory says different things of hosts.
    ``lock_timeout`` is in seconds; ``operator`` is named in the host's journal; ``again`` is
    the command line that would apply what is planned, ``resume`` lines for sh that run it again after
    this machine's own reboot. ``undoes`` is the run to take back, empty for
    the last. An uninstall knows Docker by the repository and packages of ``playbook``;
    ``level`` is how much a purge deletes; ``asked`` what messages that doctor was given mean,
    ``mends`` where its playbooks come from, if it is to plan. ``dry`` says that nothing is changed,
    ``ahead`` that the download of what a plan adds may begin while it is judged.
    """

    command: str
    again: str = ""
    resume: str = ""
    playbook: Playbook | None = None
    upgrade: bool = False
    allow_restart: bool = False
    lock_timeout: int = 600
    operator: str = ""
    proxy: Proxy | None = None
    logins: Logins = field(default_factory=Logins)
    fetch: Way = Way.AUTO
    playbooks: Mapping[str, Playbook] = field(default_factory=dict, repr=False)
    machines: Machines = field(default_factory=Machines, compare=False, repr=False)
    market: Market = field(default_factory=Market, compare=False, repr=False)
    undoes: str = ""
    asked: tuple[Entry, ...] = ()
    mends: Mends | None = field(default=None, compare=False, repr=False)
    level: Level = field(default_factory=Level)
    dry: bool = False
    ahead: bool = False

    @property
    def looks(self) -> bool:
        """Whether nothing follows what is looked at."""
        return self.dry or self.command in ("facts", "plan", "history", "doctor", "render")

    @property
    def back(self) -> bool:
        """Whether it asks for what earlier runs did: the host tells of them with its facts."""
        return self.command in ("history", "undo", "uninstall", "purge")

    def on(self, host: str) -> Request:
        """What is asked for on one host."""
        return replace(self, playbook=self.playbooks.get(host, self.playbook))

    @property
    def wish(self) -> str:
        """A digest of what is asked for: a run of the same wish is joined and not repeated.

        Not of the program: its text depends on the host's state, which a run changes.
        """
        if self.playbook is None:
            return ""
        words = f"{__version__} {self.playbook.digest} {self.upgrade}"
        if self.back:
            words += f" {self.command} {self.level}"
        return hashlib.sha256(words.encode()).hexdigest()


def proxy_for(url: str, given: Proxy | None) -> Proxy | None:
    """The proxy at the address of a plan, with the login where one was given for it."""
    if given is not None and given.url == url:
        return given
    return Proxy(url) if url else None


@dataclass
class Prepared:
    """What is known of a host when its plan is made; ``plan`` stays None where it failed.

    ``probed`` is the id under which its probe left what it fetched on the host. ``joins`` is a run
    that is under way there for the same wish; ``again`` says that the run only made the host fit to
    be planned for, and ``boot`` is the boot that it ended, if the host reboots. ``how`` is the way it was
    reached, ``findings`` are doctor's. ``parked`` says that the
    connection was ended for now, as too many were open.
    """

    host: Host
    began: float = field(default_factory=time.monotonic)
    transport: Transport | None = None
    facts: Facts | None = None
    trail: Trail | None = None
    data: Data | None = None
    how: str = ""
    findings: tuple[Finding, ...] = ()
    plan: HostPlan | None = None
    probed: str = ""
    joins: LiveRun | None = None
    again: bool = False
    boot: str = ""
    finished: bool = False
    parked: bool = False

    @property
    def due(self) -> bool:
        """Whether there is something to do there."""
        plan = self.plan
        return self.joins is not None or (plan is not None and bool(plan.changes or plan.checks))

    def close(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.close()
            self.transport = None
