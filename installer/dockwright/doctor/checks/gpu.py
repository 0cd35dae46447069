"""NVIDIA's GPUs: driver, toolkit, and the CDI specification. Silent on hosts that have neither."""

from __future__ import annotations

from collections.abc import Iterator

from dockwright.doctor.case import Case, Found
from dockwright.events import Severity
from dockwright.steps.versions import compare

# CVE-2025-23266 (NVIDIAScape) is fixed in it; NVIDIA's bulletin of July 2025.
_FLOOR = "1.17.8"


def driver(case: Case) -> Iterator[Found]:
    """Whether the driver is loaded, and is one. A GPU that nobody wanted for containers may idle."""
    nvidia = case.facts.nvidia
    if not case.facts.gpus or nvidia.platform:
        return
    if not nvidia.module:
        if not (_toolkit(case) or nvidia.library):
            return
        if "nouveau" in nvidia.bound:
            yield Found("nouveau", f"the kernel driver of {case.facts.gpus[0]} is nouveau")
        elif {"vfio-pci", "pci-stub"} & set(nvidia.bound):
            return  # kept for virtual machines on purpose
        elif not nvidia.library:
            yield Found("no-driver", "neither the module nor libnvidia-ml is there")
        elif nvidia.secure_boot:
            yield Found("secure-boot", f"driver {nvidia.library} is not loaded; Secure Boot is on")
        else:
            yield Found("driver-not-loaded", f"driver {nvidia.library} is installed, not loaded")
    elif nvidia.library and nvidia.library != nvidia.module:
        yield Found("driver-mismatch", f"module {nvidia.module}, library {nvidia.library}")


def containers(case: Case) -> Iterator[Found]:
    """What containers get of a driver that works."""
    nvidia, version = case.facts.nvidia, _toolkit(case)
    if version and compare(version, _FLOOR) < 0:
        yield Found(
            "toolkit-insecure", f"nvidia-container-toolkit {version}", severity=Severity.WARNING
        )
    if not nvidia.module or nvidia.library not in ("", nvidia.module):
        return
    if version and "nvidia-uvm" not in nvidia.nodes:
        yield Found("uvm-missing", "/dev/nvidia-uvm is not there", severity=Severity.WARNING)
    for spec in nvidia.specs:
        if spec.driver and spec.driver != nvidia.module:
            text = f"{spec.path} is of driver {spec.driver}, and {nvidia.module} is loaded"
            yield Found("cdi-stale", text)
    if nvidia.hook == "unseen" and case.facts.daemon is not None:
        yield Found(
            "no-device-driver",
            "the toolkit was installed after dockerd started, which looks for it only then: --gpus"
            " fails",
            ("systemctl restart docker",),
            Severity.WARNING,
        )


def _toolkit(case: Case) -> str:
    names = ("nvidia-container-toolkit-base", "nvidia-container-toolkit")
    found = (case.facts.package(name) for name in names)
    return next((one.version or "" for one in found if one is not None and one.installed), "")
