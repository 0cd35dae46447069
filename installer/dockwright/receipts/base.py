"""What all plans that take something back have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dockwright.models import Facts
from dockwright.plan import Action, Assumptions
from dockwright.steps.base import View
from dockwright.steps.runtimes import RUNTIMES, stopped


def assumptions(facts: Facts, files: Mapping[str, str | None]) -> Assumptions:
    """What the program checks first; ``files`` maps paths to their sha256, ``None`` for no file."""
    return Assumptions(
        os_id=facts.os_id,
        codename=facts.codename,
        architecture=facts.architecture,
        machine_id=facts.machine_id,
        init=facts.init,
        files={path: sha or "absent" for path, sha in files.items()},
    )


def numbered(actions: Iterable[Action]) -> tuple[Action, ...]:
    """The actions with their ids."""
    return tuple(
        one.model_copy(update={"id": f"s{number:02d}"})
        for number, one in enumerate(actions, start=1)
    )


def stops(facts: Facts, names: Iterable[str]) -> tuple[str, ...]:
    """The containers that stop where these packages go."""
    return stopped(View(facts=facts), names, live=False)


def stopping(names: Iterable[str]) -> bool:
    """Whether containers stop where these packages change."""
    return not RUNTIMES.isdisjoint(names)


def listed(versions: Mapping[str, str | None]) -> str:
    """Packages with their versions, without what a distribution appends."""
    return ", ".join(
        f"{name} {(version or '').split('~', 1)[0]}".strip() for name, version in versions.items()
    )
