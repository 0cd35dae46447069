"""What every step kind has in common, and what it decides from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from dockwright.models import (
    AptUri,
    Architecture,
    Facts,
    Fingerprint,
    Frozen,
    Line,
    Suite,
    Url,
    Word,
)
from dockwright.plan import Action, PackageChange, Repository

# required: a host without a usable GPU is refused; auto: where there is one; none: never;
# installed: where the toolkit is there already.
GpuMode: TypeAlias = Literal["required", "auto", "none", "installed"]


# The id under which an offer has what the host's own sources have; see app.probing.
ARCHIVE = "archive"


def left_out(mode: GpuMode, facts: Facts) -> str | None:
    """Why GPUs are no matter on that host, ``None`` where they are."""
    toolkit = facts.package("nvidia-container-toolkit")
    if mode == "none":
        return "gpu is none"
    if mode == "installed" and not (toolkit and toolkit.installed):
        return "the NVIDIA Container Toolkit is not installed"
    if mode == "auto" and not facts.gpus:
        return "no NVIDIA GPU on the PCI bus"
    return None


class When(Frozen):
    """Limits a step to some hosts; a step that does not apply is kept with the reason."""

    distro: tuple[Word, ...] | None = None
    codename: tuple[Word, ...] | None = None
    architecture: tuple[Architecture, ...] | None = None
    gpu: GpuMode | None = None

    def mismatch(self, facts: Facts) -> str | None:
        """Why the step does not apply to that host, ``None`` where it does."""
        for name in ("distro", "codename", "architecture"):
            wanted, actual = getattr(self, name), getattr(facts, name)
            if wanted is not None and actual not in wanted:
                return f"{name} is {actual}, the step wants {' or '.join(wanted)}"
        return left_out(self.gpu, facts) if self.gpu else None


class StepBase(Frozen):
    """Fields of every step: its name in the playbook, and where it applies."""

    kind: str
    name: Line
    when: When | None = None

    @property
    def daemon_lists(self) -> dict[str, tuple[str, ...]]:
        """Lists of daemon.json by their key, with what must be in each; it goes into the one merge."""
        return {}

    def decide(self, view: View) -> Decision:
        """What this step intends on the host that the view shows."""
        raise NotImplementedError


class RepositoryWish(Frozen):
    """An apt repository as a playbook asks for it, before its key and index were judged."""

    id: Word
    url: AptUri
    key_url: Url
    fingerprint: Fingerprint
    suite: Suite
    components: tuple[Word, ...]


class Offer(Frozen):
    """What a vendor's signed index offers for one host: the judged key, and versions newest first."""

    id: str
    key: str
    fingerprint: str
    versions: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class View:
    """All that a step may look at when it decides. ``offers`` is empty until vendors were asked.

    ``key_owners`` maps each key file on the host to the primary fingerprints in it; ``upgrade``
    is what the user said, ``login`` whether a login for the proxy was given, ``logins`` the registries
    that one was given for; ``host`` is its name for messages. ``resuming`` says that a
    run before this one died, failed to install or only repaired: what is half done may be its doing,
    and not somebody's choice. ``proving`` says that proof is all that is asked for.
    """

    facts: Facts
    offers: Mapping[str, Offer] = field(default_factory=dict)
    key_owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    upgrade: bool = False
    resuming: bool = False
    proving: bool = False
    login: bool = False
    logins: frozenset[str] = frozenset()
    component: str = ""
    host: str = "HOST"


@dataclass(frozen=True)
class Decision:
    """What one step intends.

    ``first`` says that all else can be planned only after it. ``wish`` with ``consult`` asks that the vendor be consulted; until then the decision is not
    final. ``packages`` join the one transaction of the plan. ``assumes`` maps files to the sha256
    that the decision rests on.
    """

    actions: tuple[Action, ...] = ()
    packages: tuple[PackageChange, ...] = ()
    repository: Repository | None = None
    wish: RepositoryWish | None = None
    consult: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    assumes: Mapping[str, str] = field(default_factory=dict)
    allow_downgrades: bool = False
    first: bool = False


def action(step: StepBase, view: View, **fields: Any) -> Action:
    """An action of that step; the planner gives it its final id."""
    values = {"id": "", "component": view.component, "step": step.name, **fields}
    return Action(**values)


def assumed(facts: Facts, path: str) -> str:
    """The sha256 of a file as facts saw it, or ``absent``."""
    found = facts.file(path)
    return found.sha256 if found else "absent"
