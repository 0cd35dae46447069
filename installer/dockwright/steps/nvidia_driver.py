"""Step kind ``nvidia_driver``: the distribution's own driver, where there is a GPU and none is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from dockwright.errors import RefusedError
from dockwright.models import Facts
from dockwright.plan import ANY_VERSION, Action, PackageChange, Verb
from dockwright.steps.base import (
    ARCHIVE,
    Decision,
    GpuMode,
    StepBase,
    View,
    action,
    assumed,
    left_out,
)
from dockwright.steps.driver_choice import Choice, choose
from dockwright.steps.gpu import ARCHITECTURES

KEEP_PATH = "/etc/apt/apt.conf.d/52dockwright-nvidia-driver"
# Kernels as well: a new one without modules for it would boot without a driver.
KEEP_TEXT = """\
// Written by Dockwright. unattended-upgrades leaves NVIDIA's driver alone: once its library is another
// version than the loaded module no program can use the GPU until a reboot. By hand apt-get upgrade still upgrades it.
Unattended-Upgrade::Package-Blacklist {
  "nvidia-";
  "libnvidia-";
  "libcuda1";
  "linux-modules-nvidia-";
  "linux-image-";
  "linux-headers-";
  "linux-generic";
};
"""
DriverWish = Annotated[str, Field(pattern=r"^(auto|[0-9]{3}(-server)?(-open)?)?$")]


class NvidiaDriver(StepBase):
    """``branch`` is ``auto``, or one such as ``570``; empty for none. A driver that is loaded is kept.

    It comes in a plan of its own, before all else: what the toolkit needs to know of a driver, only
    one that is loaded tells. It is loaded at once where that can be; where it takes a reboot, that
    is done with ``reboot`` only. ``keep`` keeps unattended-upgrades from changing it.
    """

    kind: Literal["nvidia_driver"]
    mode: GpuMode = "required"
    branch: DriverWish = ""
    reboot: bool = False
    keep: bool = False

    def decide(self, view: View) -> Decision:
        """Nothing where a driver is loaded or nobody asked for one; else the packages and the module."""
        facts, nvidia = view.facts, view.facts.nvidia
        if not (self.branch or self.keep):
            return Decision()  # nobody asked: the step "gpu" has the words for what is there
        why = left_out(self.mode, facts) or _no_matter(facts)
        if why is None and nvidia.module:
            why = f"{nvidia.module} is loaded, and kept"
        elif why is None and not self.branch:
            why = "nobody asked for one (--driver)"
        if why is not None:
            kept = action(
                self, view, kind=self.kind, verb=Verb.KEEP, target="NVIDIA's driver", reason=why
            )
            return Decision(
                actions=(kept, *(self._keep(view) if nvidia.module else ())),
                notes=tuple(self._notes(facts)),
                assumes=self._assumes(view) if nvidia.module else {},
            )
        nouveau = "nouveau" in nvidia.bound
        if nvidia.library and nvidia.built:
            if nouveau and not self.reboot:
                raise RefusedError(
                    f"NVIDIA's driver {nvidia.library} is installed on {facts.hostname} and waits for a reboot",
                    details=(("why", "nouveau drives the GPU until then"),),
                    step=self.name,
                    next_step="reboot, then the same command; or the same command with --reboot",
                )
            return Decision(
                actions=(*self._keep(view), self._load(view)), first=True, assumes=self._assumes(view)
            )  # fmt: skip
        offer = view.offers.get(ARCHIVE)
        if offer is None:
            return Decision(consult=(ARCHIVE,), first=True)
        # Half of a driver is there: its other half has to be of the same branch.
        there = nvidia.library.split(".")[0] if self.branch == "auto" else ""
        return self._install(view, choose(facts, offer.versions, there or self.branch))

    def _install(self, view: View, choice: Choice) -> Decision:
        known = map(view.facts.package, choice.packages)
        there = {package.name for package in known if package is not None and package.installed}
        changes = tuple(
            PackageChange(name=name, new=ANY_VERSION)
            for name in choice.packages
            if name not in there
        )
        added = action(
            self, view, kind="packages", verb=Verb.ADD,
            target=", ".join(change.name for change in changes),
            reason=f"driver {choice.branch}: {choice.modules}",
            params={"packages": [change.name for change in changes]},
        )  # fmt: skip
        return Decision(
            actions=(*((added,) if changes else ()), *self._keep(view), self._load(view)),
            packages=changes,
            first=True,
            assumes=self._assumes(view),
        )

    def _load(self, view: View) -> Action:
        nouveau = "nouveau" in view.facts.nvidia.bound
        if nouveau and self.reboot:
            verb, reason = Verb.RESTART, "the host reboots: nouveau drives the GPU until then"
        elif nouveau:
            verb, reason = (
                Verb.CHANGE,
                "nouveau drives the GPU: after this it takes a reboot (--reboot)",
            )
        else:
            verb, reason = Verb.CHANGE, "loaded at once"
            if self.reboot:
                reason += "; the host reboots only where that takes one"
        return action(
            self, view, kind="driver_load", verb=verb, target="nvidia", reason=reason,
            params={"reboot": self.reboot},
            stops=tuple(one.name for one in view.facts.containers) if self.reboot else (),
        )  # fmt: skip

    def _keep(self, view: View) -> Iterator[Action]:
        if not self.keep:
            return
        found = view.facts.file(KEEP_PATH)
        right = found is not None and found.content == KEEP_TEXT and found.mode == "0644"
        yield action(
            self, view, kind="file", verb=Verb.KEEP if right else Verb.CHANGE if found else Verb.ADD,
            target=KEEP_PATH,
            reason="as planned" if right else "unattended-upgrades leaves driver and kernel alone",
            before=found.content if found and not right else None,
            after=None if right else KEEP_TEXT,
            params={"path": KEEP_PATH, "mode": "0644", "content": KEEP_TEXT, "absent": False},
        )  # fmt: skip

    def _assumes(self, view: View) -> dict[str, str]:
        return {KEEP_PATH: assumed(view.facts, KEEP_PATH)} if self.keep else {}

    def _notes(self, facts: Facts) -> Iterator[str]:
        loaded, asked = facts.nvidia.module.split(".")[0], self.branch[:3]
        if loaded and self.branch not in ("", "auto") and loaded != asked:
            yield (
                f"driver {facts.nvidia.module} is loaded and kept; for branch {self.branch} take it"
                " off first: one that works is not replaced"
            )


def _no_matter(facts: Facts) -> str | None:
    """Why no driver is a matter for this step; the step ``gpu`` has the words for it."""
    if not facts.gpus or facts.nvidia.platform:
        return "no GPU on the PCI bus that it could serve"
    if facts.architecture not in ARCHITECTURES or facts.distro not in ("ubuntu", "debian"):
        return f"none for {facts.distro} on {facts.architecture}"
    if {"vfio-pci", "pci-stub"} & set(facts.nvidia.bound):
        return "the GPU is kept for virtual machines"
    return None
