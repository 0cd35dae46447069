"""Step kind ``service``: a systemd unit that is enabled and runs."""

from __future__ import annotations

from typing import Literal

from dockwright.errors import RefusedError
from dockwright.models import UnitName
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action


class Service(StepBase):
    """``unit`` is enabled and running, as systemctl(1) has the words; never stopped by this.

    ``also`` are units that it needs, enabled too where they are there.
    """

    kind: Literal["service"]
    unit: UnitName
    enabled: bool = True
    running: bool = True
    also: tuple[UnitName, ...] = ()

    def decide(self, view: View) -> Decision:
        """Kept where systemd says enabled and active; refused where there is no systemd."""
        if view.facts.init != "systemd":
            raise RefusedError(
                f"{view.facts.hostname} is not run by systemd but by {view.facts.init}",
                details=(("why", f"{self.unit} can be installed here, but not started"),),
                step=self.name,
                next_step="use a host that is booted with systemd",
            )
        unit = view.facts.unit(self.unit)
        lacks = []
        # "static" and "alias" units cannot be enabled and need not be; systemctl(1), is-enabled.
        if self.enabled and (unit is None or unit.enabled in ("disabled", "-", "masked")):
            lacks.append("enabled")
        elif self.enabled:
            others = [view.facts.unit(name) for name in self.also]
            lacks += [
                f"enabled with {other.name}"
                for other in others
                if other is not None and other.enabled == "disabled"
            ]
        if self.running and (unit is None or unit.active != "active"):
            lacks.append("running")
        if unit is not None and unit.enabled == "masked":
            raise RefusedError(
                f"{self.unit} is masked: somebody forbade it to start",
                step=self.name,
                next_step=f"if that is no longer wanted: systemctl unmask {self.unit}",
            )
        reason = "enabled and running"
        if lacks:
            state = "not there yet" if unit is None else f"{unit.enabled}, {unit.active}"
            reason = f"must be {' and '.join(lacks)}; is {state}"
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="service",
                    verb=Verb.CHANGE if lacks else Verb.KEEP,
                    target=self.unit,
                    reason=reason,
                    params={
                        "unit": self.unit,
                        "enabled": self.enabled,
                        "running": self.running,
                        **({"also": list(self.also)} if self.also else {}),
                    },
                ),
            )
        )
