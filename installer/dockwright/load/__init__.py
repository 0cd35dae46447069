"""From YAML files and options to a validated playbook; no host is contacted.

``load_playbook`` finds every error that is in the files and options, for all supported releases
at once, and raises them as one InputError.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from dockwright.distros import SUPPORTED
from dockwright.load.overrides import Flag, Known, Overrides, collect
from dockwright.load.playbook import ComponentSteps, Playbook
from dockwright.load.problems import Problems, did_you_mean
from dockwright.load.sources import Component, Source, read_source, shipped_names
from dockwright.load.values import (
    HOST_NAMES,
    Declaration,
    Given,
    HostValues,
    check_circles,
    check_references,
)
from dockwright.models import Origin
from dockwright.steps import AptRepository, Packages

__all__ = [
    "SAMPLES",
    "ComponentSteps",
    "Flag",
    "HostValues",
    "Overrides",
    "Playbook",
    "load_playbook",
    "shipped_names",
]

SAMPLES: tuple[HostValues, ...] = tuple(
    HostValues(
        distro=release.distro,
        codename=release.codename,
        architecture=architecture,
        version_id=release.version,
        hostname="sample",
    )
    for release in SUPPORTED
    for architecture in ("amd64", "arm64")
)


def load_playbook(name_or_path: str, *, overrides: Overrides | None = None) -> Playbook:
    """A shipped playbook by its name, or one of the user's by its path.

    Raises InputError with all errors at once, and RefusedError for a file that, as root, is not to
    be trusted.
    """
    overrides = overrides or Overrides()
    problems = Problems()
    source = read_source(name_or_path, problems)
    defaults, declared = _declared(source.components, problems)
    broken = frozenset(name for component in source.components for name in component.broken)
    known = Known(source.name, declared, broken, whole=source.whole)
    given = {**defaults, **collect(source, overrides, known, problems)}
    usable = _checked(source, given, known, problems)
    playbook = Playbook(
        name=source.name,
        summary=source.summary,
        where=source.shown_as,
        digest=_digest(source, overrides),
        overrides=_overridden(given, defaults, declared),
        parts=tuple(source.components),
        declared=declared,
        given=usable,
        defaults=defaults,
    )
    for host in SAMPLES:
        playbook.values(host, problems)
        playbook.resolve(host, problems)
    _check_repositories(playbook, problems)
    problems.stop_here(source.shown_as)
    return playbook


def _declared(
    components: list[Component], problems: Problems
) -> tuple[dict[str, Given], dict[str, Declaration]]:
    """Defaults and declarations of all components; two that differ on a variable are noted."""
    defaults: dict[str, Given] = {}
    declared: dict[str, Declaration] = {}
    for component in components:
        for name, declaration in component.declared.items():
            spot = component.document.key(("variables", name))
            if name in declared and declared[name] != declaration:
                first = defaults[name].document.key(("variables", name))
                problems.add(spot, f"{name!r} is declared otherwise at {first}")
            elif name not in declared:
                declared[name] = declaration
                path = ("variables", name, "default")
                defaults[name] = Given(declaration.default, component.document, path)
    return defaults, declared


def _checked(
    source: Source, given: Mapping[str, Given], known: Known, problems: Problems
) -> dict[str, Given]:
    """The values that can be rendered; leaves and names are checked without any host."""
    names = set(known.declared) | set(HOST_NAMES)
    # Where a component could not be read, nobody knows what it would have declared.
    unsure = set(known.broken) if known.whole else None
    uses = {name: check_references(value, names, unsure, problems) for name, value in given.items()}
    for component in source.components:
        for index, step in component.steps.items():
            at = Given(step, component.document, ("steps", index))
            check_references(at, names, unsure, problems)
    circular = check_circles(given, uses, problems)
    return {name: value for name, value in given.items() if name not in circular}


def _overridden(
    given: Mapping[str, Given], defaults: Mapping[str, Given], declared: Mapping[str, Declaration]
) -> dict[str, Origin]:
    return {
        name: value.spot.origin
        for name, value in given.items()
        if declared[name].trusted and value.value != defaults[name].value
    }


def _check_repositories(playbook: Playbook, problems: Problems) -> None:
    """Note package steps that ask for a repository that no step of the playbook brings."""
    if problems.lines:
        return
    steps = [
        (part, index, step)
        for part, resolved in zip(playbook.parts, playbook.steps_for(SAMPLES[0]), strict=True)
        for index, step in zip(part.steps, resolved.steps, strict=True)
    ]
    ids = {step.id for _, _, step in steps if isinstance(step, AptRepository)}
    for part, index, step in steps:
        if isinstance(step, Packages) and step.repository and step.repository not in ids:
            problems.add(
                part.document.at(("steps", index, "repository")),
                f"no apt_repository step has the id {step.repository!r}"
                f"{did_you_mean(step.repository, ids)}",
            )


def _digest(source: Source, overrides: Overrides) -> str:
    """One hash over all that went in."""
    options = [list(overrides.sets), [[flag.name, flag.value] for flag in overrides.flags]]
    everything = [list(source.texts.values()), options]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()
