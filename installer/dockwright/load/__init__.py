"""From YAML files and options to a validated playbook; no host is contacted.

``load_playbook`` finds every error that is in the files and options, for all supported releases
at once, and raises them as one InputError.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from dockwright.distros import SUPPORTED
from dockwright.load.inventory import Inventory, read_inventories
from dockwright.load.inventory.choose import choose
from dockwright.load.inventory.names import check_names
from dockwright.load.overrides import (
    Flag,
    Known,
    Overrides,
    of_command_line,
    of_inventory,
    of_playbook,
)
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
from dockwright.steps import AptRepository, Packages, Step

__all__ = [
    "SAMPLES",
    "ComponentSteps",
    "Flag",
    "HostValues",
    "Inventory",
    "Overrides",
    "Playbook",
    "choose",
    "load_playbook",
    "load_playbooks",
    "read_inventories",
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
    problems = Problems()
    maker = _Maker(name_or_path, overrides or Overrides(), problems)
    playbook = maker.make({})
    problems.stop_here(maker.source.shown_as)
    return playbook


def load_playbooks(
    name_or_path: str,
    inventory: Inventory,
    hosts: Iterable[str],
    *,
    overrides: Overrides | None = None,
) -> dict[str, Playbook]:
    """The same for each of some hosts, with what the inventory says of it; by the host's name.

    The command line is over the inventory, the inventory over the playbook. Raises with what is
    wrong with the inventory, too.
    """
    problems = inventory.problems
    maker = _Maker(name_or_path, overrides or Overrides(), problems)
    check_names(inventory, maker.known)
    playbooks = {host: maker.make(maker.layer(inventory, host)) for host in hosts}
    problems.stop_here(f"{maker.source.shown_as} with {inventory.what}")
    return playbooks


class _Maker:
    """One playbook, read once, for hosts whose variables differ."""

    def __init__(self, name_or_path: str, overrides: Overrides, problems: Problems) -> None:
        self.source = read_source(name_or_path, problems)
        self._overrides, self._problems = overrides, problems
        components = self.source.components
        self._defaults, declared = _declared(components, problems)
        broken = frozenset(name for component in components for name in component.broken)
        self.known = Known(self.source.name, declared, broken, whole=self.source.whole)
        self._below = {**self._defaults, **of_playbook(self.source, self.known, problems)}
        self._above = of_command_line(self.source, overrides, self.known, problems)
        self._made: dict[str, Playbook] = {}
        self._validated: dict[tuple[str, int, str], Step] = {}

    def layer(self, inventory: Inventory, host: str) -> dict[str, Given]:
        """What the inventory says of a host's variables, where the command line does not."""
        said = inventory.variables(host, self.known.declared.keys() - self._above.keys())
        if inventory.environment:
            for name, given in said.items():
                if self.known.declared[name].trusted:
                    self._problems.add(
                        given.spot,
                        f"{name!r} decides what is trusted, and the environment named this"
                        " inventory: name it by -i",
                    )
        return of_inventory(said, self.known, self._problems)

    def make(self, layer: Mapping[str, Given]) -> Playbook:
        """The playbook with a host's variables; hosts of the same share it."""
        key = json.dumps([[name, str(one.spot), one.value] for name, one in sorted(layer.items())])
        if key not in self._made:
            self._made[key] = self._make(layer)
        return self._made[key]

    def _make(self, layer: Mapping[str, Given]) -> Playbook:
        source, problems, declared = self.source, self._problems, self.known.declared
        given = {**self._below, **layer, **self._above}
        usable = _checked(source, given, self.known, problems)
        playbook = Playbook(
            name=source.name,
            summary=source.summary,
            where=source.shown_as,
            digest=_digest(source, self._overrides, layer),
            overrides=_overridden(given, self._defaults, declared),
            parts=tuple(source.components),
            declared=declared,
            given=usable,
            defaults=self._defaults,
            _validated=self._validated,
        )
        for host in SAMPLES:
            playbook.values(host, problems)
            playbook.resolve(host, problems)
        _check_repositories(playbook, problems)
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


def _digest(source: Source, overrides: Overrides, layer: Mapping[str, Given]) -> str:
    """One hash over all that went in; not over what an inventory says of other hosts."""
    options = [list(overrides.sets), [[flag.name, flag.value] for flag in overrides.flags]]
    everything = [list(source.texts.values()), options]
    if layer:
        everything.append([[name, layer[name].value] for name in sorted(layer)])
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()
