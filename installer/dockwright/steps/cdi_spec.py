"""Step kind ``cdi_spec``: the CDI specification of the GPUs is there, and is made anew in time."""

from __future__ import annotations

import re
from typing import Literal

from dockwright.models import CdiSpec, Facts
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action

PATH = "/var/run/cdi/nvidia.yaml"  # where the toolkit's own units write it; wins over /etc/cdi
REFRESH = "nvidia-cdi-refresh.path"  # the toolkit has it since 1.18
DROP_IN = "/etc/systemd/system/docker.service.d/50-dockwright-cdi.conf"
# For older toolkits: /var/run is empty after a boot, and docker.service starts after it.
DROP_IN_TEXT = f"""\
[Service]
ExecStartPre=-/usr/bin/nvidia-ctk cdi generate --output={PATH}
"""


class CdiSpecStep(StepBase):
    """Made by the toolkit's nvidia-cdi-refresh where that is there, else whenever docker starts.

    It is fresh where it names the files of the loaded driver and every GPU. A stale one that
    somebody made by hand in /etc/cdi stays, and is told.
    """

    kind: Literal["cdi_spec"]

    def decide(self, view: View) -> Decision:
        """Kept where it is fresh and stays so."""
        nvidia = view.facts.nvidia
        made = [spec for spec in nvidia.specs if not spec.path.startswith("/etc/cdi/")]
        current = next(iter(made or nvidia.specs), None)
        wrong = stale(current, view.facts) if current else None
        unit = view.facts.unit(REFRESH)
        drop_in = view.facts.file(DROP_IN)
        kept_up = (unit is not None and unit.active == "active") or (
            drop_in is not None and drop_in.content == DROP_IN_TEXT
        )
        right = current is not None and wrong is None and kept_up
        if current is None:
            reason = f"new: the devices of driver {nvidia.module}"
        elif wrong is not None:
            reason = f"{current.path} {wrong}"
        else:
            reason = "fresh" if kept_up else "fresh, but nothing makes it anew after a boot"
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="cdi_spec",
                    verb=Verb.KEEP if right else Verb.CHANGE if current else Verb.ADD,
                    target=PATH,
                    reason=reason,
                    params={
                        "path": PATH,
                        "new": not made,
                        "drop_in": DROP_IN,
                        "text": DROP_IN_TEXT,
                    },
                ),
            ),
            notes=tuple(
                f"{spec.path} {why}; nobody renews it, and it stays: remove it if it is not needed"
                for spec in nvidia.specs
                if spec.path.startswith("/etc/cdi/") and (why := stale(spec, view.facts))
            ),
        )


def stale(spec: CdiSpec, facts: Facts) -> str | None:
    """What is old in a specification, ``None`` where nothing is."""
    nvidia = facts.nvidia
    if spec.driver and nvidia.module and spec.driver != nvidia.module:
        return f"is of driver {spec.driver}, and {nvidia.module} is loaded"
    whole, parts = counted(nvidia.listing)
    named = sum(bool(re.fullmatch(r"[0-9]+", name)) for name in spec.devices)
    named_parts = sum(bool(re.fullmatch(r"[0-9]+:[0-9]+", name)) for name in spec.devices)
    if nvidia.listing and (named < whole or named_parts != parts):
        return f"has {named + named_parts} of {whole + parts} devices"
    return None


def counted(listing: tuple[str, ...]) -> tuple[int, int]:
    """GPUs that are not split, and MIG devices, of the lines of ``nvidia-smi -L``."""
    parts = [line for line in listing if line.lstrip().startswith("MIG ")]
    split = [
        one
        for one, after in zip(listing, (*listing[1:], ""), strict=False)
        if one.startswith("GPU ") and after.lstrip().startswith("MIG ")
    ]
    gpus = [line for line in listing if line.startswith("GPU ")]
    return len(gpus) - len(split), len(parts)
