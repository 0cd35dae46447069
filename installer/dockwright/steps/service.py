"""Step kind ``service``: a systemd unit that is enabled and runs."""

from __future__ import annotations

from typing import Literal, TypeAlias

from dockwright.errors import RefusedError
from dockwright.models import Unit, UnitName
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action

Manager: TypeAlias = Literal["systemd", "none"]  # who starts the daemon


class Service(StepBase):
    """``unit`` is enabled and running, as systemctl(1) has the words; never stopped by this.

    ``also`` are units that it needs: enabled with it where this run or one that was cut brings them.
    One that is disabled or masked on a host at rest is somebody's choice, respected and noted.
    ``by`` none leaves the start to others, as on hosts without systemd. In Windows' Subsystem for
    Linux (WSL) nothing is started, unless ``wsl``.
    """

    kind: Literal["service"]
    unit: UnitName
    enabled: bool = True
    running: bool = True
    also: tuple[UnitName, ...] = ()
    by: Manager = "systemd"
    wsl: bool = False

    def decide(self, view: View) -> Decision:
        """Kept where systemd says enabled and active; refused where there is no systemd."""
        unit = view.facts.unit(self.unit)
        if view.facts.wsl and not self.wsl and (unit is None or unit.active != "active"):
            raise RefusedError(
                f"{view.facts.hostname} is Windows' Subsystem for Linux ({view.facts.kernel})",
                details=(("why", "there Docker Desktop brings the daemon, and two would clash"),),
                step=self.name,
                next_step="turn on Docker Desktop's WSL integration; or, for a daemon in WSL"
                " itself: --set docker_wsl=true",
            )
        if self.by == "none":
            return self._left(view)
        if view.facts.init != "systemd":
            raise RefusedError(
                f"{view.facts.hostname} is not run by systemd but by {view.facts.init}",
                details=(("why", f"{self.unit} can be installed here, but not started"),),
                step=self.name,
                next_step="use a host that is booted with systemd; or, to install alone and start"
                " dockerd yourself: --set docker_service=none",
            )
        lacks, chosen = [], self._chosen(view)
        also = [name for name in self.also if name not in {one.name for one in chosen}]
        # "static" and "alias" units cannot be enabled and need not be; systemctl(1), is-enabled.
        if self.enabled and (unit is None or unit.enabled in ("disabled", "-", "masked")):
            lacks.append("enabled")
        elif self.enabled:
            others = [view.facts.unit(name) for name in also]
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
        masked = next((one for one in chosen if one.enabled == "masked"), None)
        if masked is not None and "running" in lacks:
            raise RefusedError(
                f"{masked.name} is masked, and {self.unit} cannot start without it",
                step=self.name,
                next_step=f"if that is no longer wanted: systemctl unmask {masked.name}",
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
                        **({"also": also} if also else {}),
                    },
                ),
            ),
            notes=tuple(
                f"{one.name} is {one.enabled} and stays so; if that is not meant: "
                f"systemctl {'unmask' if one.enabled == 'masked' else 'enable'} {one.name}"
                for one in chosen
            ),
        )

    def _left(self, view: View) -> Decision:
        """Not ours to start: how somebody does is told where nobody has."""
        name = self.unit.removesuffix(".service")
        start = f"systemctl start {name}" if view.facts.init == "systemd" else "dockerd &"
        waits = view.facts.daemon is None
        kept = action(
            self, view, kind="service", verb=Verb.KEEP, target=self.unit,
            reason="its start is left to others (docker_service=none)",
        )  # fmt: skip
        note = f"nobody starts {name} here; when it may: {start}"
        return Decision(actions=(kept,), notes=(note,) if waits else ())

    def _chosen(self, view: View) -> list[Unit]:
        """The units of ``also`` that somebody disabled or masked."""
        known = [view.facts.unit(name) for name in self.also]
        return [
            unit
            for unit in known
            if unit is not None
            and (unit.enabled == "masked" or (unit.enabled == "disabled" and not view.resuming))
        ]
