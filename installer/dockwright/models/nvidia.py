"""What a host tells of NVIDIA's GPUs: part of its facts."""

from __future__ import annotations

from dockwright.models.fields import Frozen


class CdiSpec(Frozen):
    """A CDI specification for NVIDIA's GPUs: the driver whose files it names, and its devices."""

    path: str
    driver: str = ""
    devices: tuple[str, ...] = ()


class OldContainer(Frozen):
    """A container with a volume of nvidia-docker 1.0."""

    id: str
    name: str
    state: str = ""


class Nvidia(Frozen):
    """What NVIDIA's driver shows, and what dockerd makes of it; empty where there is none.

    ``bound`` has the kernel driver of each GPU (``-`` for none); ``module`` and ``library`` are
    the versions of the loaded module and of libnvidia-ml, ``listing`` is what ``nvidia-smi -L``
    prints, ``devices`` are their PCI device ids, ``mig`` are the indices of GPUs in MIG mode. ``platform`` is ``wsl`` or ``jetson``, where GPUs are no PCI devices. ``hook`` is
    ``seen`` where NVIDIA's hook was there when dockerd started, else ``unseen``; ``loose`` is a package of the driver that
    unattended-upgrades may change. ``old_volumes`` are those of nvidia-docker 1.0 while its plugin
    is there, ``old_containers`` who has them, running or not. Only where no module is loaded: ``built`` says that one
    is there for the running kernel, ``kernels`` are the installed packages that bring new kernels,
    ``desktop`` that a display manager starts.
    """

    bound: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    module: str = ""
    library: str = ""
    listing: tuple[str, ...] = ()
    error: str = ""
    mig: tuple[int, ...] = ()
    nodes: tuple[str, ...] = ()
    secure_boot: bool = False
    platform: str = ""
    specs: tuple[CdiSpec, ...] = ()
    runtimes: tuple[str, ...] = ()
    hook: str = ""
    loose: str = ""
    built: bool = False
    kernels: tuple[str, ...] = ()
    desktop: bool = False
    old_volumes: tuple[str, ...] = ()
    old_containers: tuple[OldContainer, ...] = ()
