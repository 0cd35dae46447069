"""Step kind ``gpu``: a GPU of NVIDIA's with a driver that is loaded; nothing is installed by this."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from dockwright.errors import RefusedError
from dockwright.models import Facts, Nvidia
from dockwright.plan import Verb
from dockwright.steps.base import Decision, GpuMode, StepBase, View, action, left_out

ARCHITECTURES = ("amd64", "arm64")  # what NVIDIA builds the toolkit for, since 1.18
_ALONE = "Docker alone: --set gpu=none"


class Gpu(StepBase):
    """``mode`` says what a host without a GPU means: ``required`` refuses it, ``auto`` does not.

    A GPU that is there and cannot be used is refused in both, with what would mend it: a driver comes
    by the step ``nvidia_driver``, where somebody asked for one.
    """

    kind: Literal["gpu"]
    mode: GpuMode = "required"

    def decide(self, view: View) -> Decision:
        """What is there, or why it cannot be used."""
        facts = view.facts
        reason = left_out(self.mode, facts)
        if reason is not None:
            kept = action(self, view, kind=self.kind, verb=Verb.KEEP, target="GPUs", reason=reason)
            platform = facts.nvidia.platform
            where = f" ({_PLATFORMS[platform]})" if platform in _PLATFORMS else ""
            note = f"{reason}{where}: Docker alone" if self.mode == "auto" else ""
            return Decision(actions=(kept,), notes=(note,) if note else ())
        for problem in _problems(facts, f"dockwright install --gpu --driver auto {view.host}"):
            brief, why, next_step = problem
            raise RefusedError(brief, details=(("why", why),), step=self.name, next_step=next_step)
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind=self.kind,
                    verb=Verb.KEEP,
                    target=_names(facts),
                    reason=f"driver {facts.nvidia.module}",
                ),
            ),
            notes=tuple(_notes(facts)),
        )


_BLACKLIST = "echo 'blacklist nouveau' >/etc/modprobe.d/nouveau.conf; update-initramfs -u"
_PLATFORMS = {
    "wsl": "WSL: its GPU belongs to Windows",
    "jetson": "Jetson: its GPU is no PCI device and comes with a system of its own",
}


def _problems(facts: Facts, driver: str) -> Iterator[tuple[str, str, str]]:
    """Brief, why and next step of what stands in the way, from the machine's nature to its state.

    ``driver`` is the command that installs one.
    """
    host, nvidia = facts.hostname, facts.nvidia
    if nvidia.platform in _PLATFORMS:
        yield (
            f"GPUs of {host} are not supported",
            _PLATFORMS[nvidia.platform],
            f"use NVIDIA's own instructions for it; {_ALONE}",
        )
    if not facts.gpus:
        yield (
            f"{host} has no NVIDIA GPU",
            "no display or 3D controller of NVIDIA (vendor 10de) on the PCI bus",
            "Docker where there is no GPU: --set gpu=auto",
        )
    if facts.architecture not in ARCHITECTURES:
        yield (
            f"NVIDIA builds no container toolkit for {facts.architecture}",
            f"it builds for {' and '.join(ARCHITECTURES)}",
            _ALONE,
        )
    if nvidia.module:
        return
    if "nouveau" in nvidia.bound:
        yield (
            f"nouveau drives the GPU of {host}",
            "NVIDIA's driver cannot be loaded beside it",
            f"{driver} --reboot; or by hand: {_BLACKLIST}; install NVIDIA's driver; reboot",
        )
    if {"vfio-pci", "pci-stub"} & set(nvidia.bound):
        yield (
            f"the GPU of {host} is kept for virtual machines",
            f"the kernel driver bound to it is {', '.join(sorted(set(nvidia.bound)))}",
            _ALONE,
        )
    if not nvidia.library:
        yield (
            f"{host} has an NVIDIA GPU and no driver for it",
            "neither the kernel module nor libnvidia-ml is there; no driver is installed unasked",
            f"{driver}; with --reboot it may reboot the host, where that is needed",
        )
    if nvidia.secure_boot:
        yield (
            f"NVIDIA's driver {nvidia.library} is installed on {host}, but not loaded",
            "Secure Boot is on: a module that is not signed by an enrolled key is refused",
            "modprobe nvidia tells; use Ubuntu's signed modules, or enrol the key: mokutil --import",
        )
    yield (
        f"NVIDIA's driver {nvidia.library} is installed on {host}, but not loaded",
        "the kernel has no module nvidia",
        (
            "modprobe nvidia; dkms status tells whether it was built for this kernel; or reboot;"
            f" or: {driver}"
        ),
    )


def _names(facts: Facts) -> str:
    """``2 GPUs: NVIDIA H100``: how many, and their names where nvidia-smi told them."""
    found = (re.fullmatch(r"GPU \d+: (.+) \(UUID: \S+\)", line) for line in facts.nvidia.listing)
    names = dict.fromkeys(match[1].replace(",", " ") for match in found if match)
    count = f"{len(facts.gpus)} NVIDIA GPU{'' if len(facts.gpus) == 1 else 's'}"
    return f"{count}: {' and '.join(names)}" if names else count


def _idle_mig(nvidia: Nvidia) -> Iterator[int]:
    """GPUs in MIG mode, of which ``nvidia-smi -L`` lists no part."""
    split, last = set(), -1
    for line in nvidia.listing:
        if found := re.match(r"GPU (\d+):", line):
            last = int(found[1])
        elif line.lstrip().startswith("MIG "):
            split.add(last)
    yield from (index for index in nvidia.mig if index not in split)


def _notes(facts: Facts) -> Iterator[str]:
    nvidia = facts.nvidia
    if nvidia.library and nvidia.library != nvidia.module:
        yield (
            f"the loaded driver is {nvidia.module} and its library {nvidia.library}: "
            "until a reboot no program can use the GPU"
        )
    elif nvidia.error:
        yield f"nvidia-smi fails on the host: {nvidia.error}"
    for index in _idle_mig(nvidia):
        yield (
            f"GPU {index} is in MIG mode and has no instance, so that no program can use it: "
            f"nvidia-smi mig -i {index} -lgip"
        )
    if nvidia.loose:
        yield (
            "unattended-upgrades may change the driver, and no program can use the GPU then until "
            f"a reboot: apt-mark hold {nvidia.loose}"
        )
