"""What is intended for a host: actions, each with its reason. *Keep* is an action, too.

A plan is data: it prints, diffs, saves to JSON and renders to the host program without asking
anybody anything again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import Field

from dockwright.models import Frozen


class Verb(str, Enum):
    """What an action does to its target."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    RESTART = "restart"
    CHECK = "check"
    KEEP = "keep"

    @property
    def sign(self) -> str:
        """The sign that stands before the action in a printed plan."""
        return {
            "add": "+",
            "change": "~",
            "remove": "-",
            "restart": "!",
            "check": "?",
            "keep": "=",
        }[self.value]


class Action(Frozen):
    """One line of a plan, and one step of the program unless the verb is *keep*.

    ``id`` is unique in the plan and is what events name. ``step`` is the playbook's name of the
    step it comes from, ``component`` the component's. ``kind`` names the template that renders it
    and ``params`` is what that template is given: JSON values only. ``target`` is what a reader
    looks for, such as a path or package names; ``before`` and ``after`` are file contents, for
    diffs. ``stops`` lists the containers that it would stop.
    """

    id: str
    component: str
    step: str
    kind: str
    verb: Verb
    target: str
    reason: str
    params: dict[str, Any] = Field(default_factory=dict)
    before: str | None = None
    after: str | None = None
    stops: tuple[str, ...] = ()


# A version that the host's own sources decide; the simulation fills it in.
ANY_VERSION = "any"


class PackageChange(Frozen):
    """One package in the apt transaction.

    ``new`` is the exact version, ``None`` for a removal; ``old`` is the installed one. ``origin``
    is the id of the repository it must come from, ``None`` where the host's own sources give it.
    ``planned`` is False for a dependency that apt's simulation added.
    """

    name: str
    old: str | None = None
    new: str | None = None
    origin: str | None = None
    planned: bool = True


class Repository(Frozen):
    """An apt repository with its key, resolved for one host.

    ``key`` is the armoured certificate that was judged, ``fingerprint`` its primary's; ``source``
    is the deb822 text for the host, ``key_path`` and ``source_path`` where both go.
    """

    id: str
    url: str
    suite: str
    components: tuple[str, ...]
    key: str
    fingerprint: str
    key_path: str
    source_path: str
    source: str


class Transaction(Frozen):
    """The one apt transaction of a plan: removals and installs together, or nothing.

    ``way_back`` says that what is removed is kept, and returns where the rest cannot be installed.
    """

    changes: tuple[PackageChange, ...] = ()
    repositories: tuple[Repository, ...] = ()
    held: tuple[str, ...] = ()
    allow_downgrades: bool = False
    way_back: bool = True
    download_bytes: int | None = None

    @property
    def installs(self) -> tuple[PackageChange, ...]:
        """Packages that will be there at ``new``."""
        return tuple(change for change in self.changes if change.new is not None)

    @property
    def removals(self) -> tuple[PackageChange, ...]:
        """Packages that will be gone."""
        return tuple(change for change in self.changes if change.new is None)


class Assumptions(Frozen):
    """What the program checks first: it exits 3 where the host is no longer what was planned for; 4 for a key.

    ``init`` says how the program is started. ``files`` maps the path of each file that the plan merges or replaces to its sha256, or to
    ``absent``.
    """

    os_id: str
    codename: str
    architecture: str
    machine_id: str = ""
    init: str = "systemd"
    files: dict[str, str] = Field(default_factory=dict)


class HostPlan(Frozen):
    """All that is intended for one host.

    ``unresolved`` names the repositories whose key and index are still to be fetched before the
    plan is whole. A ``preliminary`` plan makes the host fit to be planned for: after it the same
    command plans anew. ``fetched`` says who got key and index: ``controller``, ``host``, or nobody. ``proxy`` is the
    address of the proxy that apt goes through, and ``proxy_login`` says that it wants a login, which is no part of the plan. ``undoes`` is the run that the plan takes back, empty for all other plans. ``notes`` are things worth knowing that change nothing.
    """

    host: str
    playbook: str
    summary: str
    assumes: Assumptions
    actions: tuple[Action, ...] = ()
    transaction: Transaction = Field(default_factory=Transaction)
    unresolved: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()
    fetched: str = ""
    proxy: str = ""
    proxy_login: bool = False
    notes: tuple[str, ...] = ()
    preliminary: bool = False
    undoes: str = ""

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that change something on the host."""
        return tuple(a for a in self.actions if a.verb not in (Verb.KEEP, Verb.CHECK))

    @property
    def checks(self) -> tuple[Action, ...]:
        """The verifications at the end."""
        return tuple(a for a in self.actions if a.verb is Verb.CHECK)

    @property
    def steps(self) -> tuple[Action, ...]:
        """The actions that the program runs.

        A service that runs now is looked at again where packages change under it, unless others start it.
        """
        again = ("service",) if self.transaction.changes else ()
        return tuple(
            a for a in self.actions if a.verb is not Verb.KEEP or (a.kind in again and a.params)
        )

    @property
    def stops(self) -> tuple[str, ...]:
        """Containers that would stop, each once."""
        return tuple(dict.fromkeys(name for action in self.actions for name in action.stops))

    @property
    def logins(self) -> tuple[str, ...]:
        """The registries that it logs in to; the logins themselves are no part of it."""
        if self.undoes:
            return ()
        into = [action.target for action in self.changes if action.kind == "registry_login"]
        tried = [action.params["login"] for action in self.checks if action.params.get("login")]
        return tuple(dict.fromkeys((*into, *tried)))

    @property
    def deletes(self) -> bool:
        """Whether data goes: a yes is not enough for that."""
        return any(action.kind in ("data_gone", "prune") for action in self.changes)

    @property
    def destructive(self) -> bool:
        """Whether anything is removed, restarted or stopped: then a question is asked."""
        return bool(self.stops) or any(
            action.verb in (Verb.REMOVE, Verb.RESTART) for action in self.actions
        )


def list_prefix(url: str, suite: str) -> str:
    """How apt names the list files of a repository: URI to file name, ``/`` as ``_``."""
    plain = url.split("://", 1)[1].rstrip("/")
    end = "" if suite == "/" else f"/dists/{suite}"
    return f"{plain}{end}".replace("/", "_")


@dataclass(frozen=True)
class Level:
    """How much a purge deletes; ``named`` are data roots that are meant although nobody expects them.

    ``export`` is a folder on the host where volumes are saved before they go, empty for none.
    """

    images: bool = False
    volumes: bool = False
    everything: bool = False
    named: tuple[str, ...] = ()
    export: str = ""
