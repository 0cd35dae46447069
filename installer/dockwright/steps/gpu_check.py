"""Step kind ``gpu_check``: prove that containers get the GPUs, by every way to ask for them."""

from __future__ import annotations

from typing import Literal

from dockwright.models import ImageName
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action


class GpuCheck(StepBase):
    """Host, CDI, ``--device``, ``--gpus``, ``--runtime``, and again after a reload of systemd.

    Each rung has its own diagnosis; what a container sees must be what the host has. ``image``
    needs a shell's ``sleep`` and no CUDA: nvidia-smi comes from the host. Without ``gpus_flag``,
    ``--gpus`` is not tried. With ``deep`` the command of ``deep_image`` has to compute on the GPUs, too.
    """

    kind: Literal["gpu_check"]
    image: ImageName = "ubuntu"
    gpus_flag: bool = True
    deep: bool = False
    deep_image: ImageName = "ubuntu"

    def decide(self, view: View) -> Decision:
        """A check, which the planner drops where nothing changes, the daemon answers and GPUs work."""
        nvidia = view.facts.nvidia
        broken = bool(nvidia.error) or bool(nvidia.nodes and "nvidia-uvm" not in nvidia.nodes)
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="gpu_check",
                    verb=Verb.CHECK,
                    target=self.image,
                    reason=f"nvidia-smi by --device{', --gpus' * self.gpus_flag} and --runtime=nvidia"
                    f"{f'; {self.deep_image} computes' if self.deep else ''}",
                    params={
                        "image": self.image,
                        "gpus_flag": "1" if self.gpus_flag else "",
                        "deep": self.deep_image if self.deep else "",
                        "always": broken,
                    },
                ),
            )
        )
