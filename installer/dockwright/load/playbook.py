"""A playbook as the planner gets it: for each host, the validated steps of each component."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from dockwright.errors import RefusedError
from dockwright.load.explain import explain
from dockwright.load.locate import Locator
from dockwright.load.problems import Problems
from dockwright.load.sources import Component
from dockwright.load.values import Declaration, Failed, Given, HostValues, Located, Scope
from dockwright.models import Origin
from dockwright.steps import STEPS, Step


@dataclass(frozen=True)
class ComponentSteps:
    """The steps of one component, resolved for one host."""

    name: str
    summary: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Playbook:
    """A playbook that was found free of errors for every supported release.

    ``overrides`` names each trusted variable, such as a pin, whose value is not its component's,
    with where the value comes from. ``digest`` is over all files and options that went in.
    """

    name: str
    summary: str
    where: str
    digest: str
    overrides: Mapping[str, Origin]
    parts: tuple[Component, ...] = field(repr=False)
    declared: Mapping[str, Declaration] = field(repr=False)
    given: Mapping[str, Given] = field(repr=False)
    defaults: Mapping[str, Given] = field(repr=False)
    # Most steps come to the same on every host, and a fleet has thousands of hosts.
    _validated: dict[tuple[str, int, str], Step] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def components(self) -> tuple[str, ...]:
        """The names of the components in their order."""
        return tuple(component.name for component in self.parts)

    def steps_for(self, host: HostValues) -> tuple[ComponentSteps, ...]:
        """The steps for one host; RefusedError where what it tells makes no valid step."""
        problems = Problems()
        resolved = self.resolve(host, problems)
        self._refuse(host, problems)
        return resolved

    def variables_for(self, host: HostValues) -> dict[str, Any]:
        """The value of each variable on one host."""
        problems = Problems()
        values = self.values(host, problems)
        self._refuse(host, problems)
        return values

    def _refuse(self, host: HostValues, problems: Problems) -> None:
        if problems.lines:
            raise RefusedError(
                f"playbook {self.name} does not fit {host.distro} {host.codename} on {host.architecture}",
                details=tuple(("error", line) for line in problems.lines),
            )

    def resolve(self, host: HostValues, problems: Problems) -> tuple[ComponentSteps, ...]:
        """The steps for one host as far as they are right; what is wrong is noted."""
        scope = self._scope(host)
        resolved = []
        for component in self.parts:
            found = [self._step(component, index, scope, problems) for index in component.steps]
            steps = tuple(step for step in found if step is not None)
            resolved.append(ComponentSteps(component.name, component.summary, steps))
        return tuple(resolved)

    def values(self, host: HostValues, problems: Problems) -> dict[str, Any]:
        """The variables on one host as far as they are right; what is wrong is noted."""
        failed: Failed = {}
        values = self._scope(host).lookup_all(failed)
        _note(failed, problems)
        return values

    def _scope(self, host: HostValues) -> Scope:
        return Scope(self.declared, self.given, host.model_dump())

    def _step(
        self, component: Component, index: int, scope: Scope, problems: Problems
    ) -> Step | None:
        raw = component.steps[index]
        at = Given(raw, component.document, ("steps", index))
        failed: Failed = {}
        value = scope.render(raw, at, failed=failed)
        _note(failed, problems)
        text = json.dumps(value)
        key = (component.name, index, text)
        if key not in self._validated or failed:
            model = STEPS[raw["kind"]]
            locate = Locator(at, self.given, self.defaults)
            try:
                step = model.model_validate_json(text)
            except ValidationError as error:
                explain(error, model, value, locate, problems, noted=failed)
                return None
            if failed:
                return None
            self._validated[key] = step
        return self._validated[key]


def _note(failed: Failed, problems: Problems) -> None:
    """Note what could not be rendered, but for what only depends on something noted elsewhere."""
    for error in failed.values():
        if isinstance(error, Located):
            problems.add(error.spot, error.message)
