"""The step kinds. To add one: write its module, and name its class in ``STEPS``.

Each kind is a frozen model of what people write, with ``decide(view)``: a pure function from facts
to a Decision. How it is done on the host is in ``templates/steps/<action kind>.sh.j2``.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from dockwright.steps.apt_proxy import AptProxy
from dockwright.steps.apt_repository import AptRepository
from dockwright.steps.base import ARCHIVE, Decision, Offer, RepositoryWish, StepBase, View, When
from dockwright.steps.cdi_spec import CdiSpecStep
from dockwright.steps.container_check import ContainerCheck
from dockwright.steps.daemon_json import DaemonJson
from dockwright.steps.docker_image import DockerImage
from dockwright.steps.docker_operations import DockerOperations
from dockwright.steps.docker_registry import DockerRegistry
from dockwright.steps.gpu import Gpu
from dockwright.steps.gpu_check import GpuCheck
from dockwright.steps.group_member import GroupMember
from dockwright.steps.nvidia_driver import NvidiaDriver
from dockwright.steps.nvidia_hook import NvidiaHook
from dockwright.steps.nvidia_past import NvidiaPast
from dockwright.steps.nvidia_runtime import NvidiaRuntime
from dockwright.steps.nvidia_shim import NvidiaShim
from dockwright.steps.packages import Packages
from dockwright.steps.service import Service
from dockwright.steps.snap import Snap

Step: TypeAlias = (
    AptProxy
    | AptRepository
    | CdiSpecStep
    | ContainerCheck
    | DaemonJson
    | DockerImage
    | DockerOperations
    | DockerRegistry
    | Gpu
    | GpuCheck
    | GroupMember
    | NvidiaDriver
    | NvidiaHook
    | NvidiaPast
    | NvidiaRuntime
    | NvidiaShim
    | Packages
    | Service
    | Snap
)


class StepKind(Protocol):
    """What the planner asks of a step."""

    def decide(self, view: View) -> Decision:
        """What this step intends on the host that the view shows."""
        ...


STEPS: dict[str, type[Step]] = {
    "apt_proxy": AptProxy,
    "apt_repository": AptRepository,
    "cdi_spec": CdiSpecStep,
    "container_check": ContainerCheck,
    "daemon_json": DaemonJson,
    "docker_image": DockerImage,
    "docker_operations": DockerOperations,
    "docker_registry": DockerRegistry,
    "gpu": Gpu,
    "gpu_check": GpuCheck,
    "group_member": GroupMember,
    "nvidia_driver": NvidiaDriver,
    "nvidia_hook": NvidiaHook,
    "nvidia_past": NvidiaPast,
    "nvidia_runtime": NvidiaRuntime,
    "nvidia_shim": NvidiaShim,
    "packages": Packages,
    "service": Service,
    "snap": Snap,
}

__all__ = [
    "ARCHIVE",
    "STEPS",
    "AptProxy",
    "AptRepository",
    "CdiSpecStep",
    "ContainerCheck",
    "DaemonJson",
    "Decision",
    "DockerImage",
    "DockerOperations",
    "DockerRegistry",
    "Gpu",
    "GpuCheck",
    "GroupMember",
    "NvidiaDriver",
    "NvidiaHook",
    "NvidiaPast",
    "NvidiaRuntime",
    "NvidiaShim",
    "Offer",
    "Packages",
    "RepositoryWish",
    "Service",
    "Snap",
    "Step",
    "StepBase",
    "StepKind",
    "View",
    "When",
]
