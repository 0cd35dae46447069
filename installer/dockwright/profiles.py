"""Plans for hosts that nobody has seen yet: a fresh host of a named release."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from dockwright import distros
from dockwright.app import Request, consult, planner_for, proxy_for
from dockwright.errors import InputError
from dockwright.load import HostValues, Playbook
from dockwright.models import Facts, Nvidia
from dockwright.proxies import Proxy
from dockwright.renderer.onefile import Profile
from dockwright.steps import DockerImage, DockerRegistry, Gpu, NvidiaDriver, NvidiaPast
from dockwright.steps.base import StepBase
from dockwright.steps.uniting import united

ALL = tuple(
    f"{release.distro}:{release.version}:{architecture}"
    for release in distros.SUPPORTED
    for architecture in ("amd64", "arm64")
)

# A host with a GPU that works, before the toolkit is there: the file looks for the real ones.
GPU = {"gpus": ("0000:01:00.0",), "nvidia": Nvidia(bound=("nvidia",), module="any", library="any")}


def named(name: str) -> bool:
    """Whether that is a profile's name, ``ubuntu:24.04:amd64``, rather than a host's."""
    distro, _, rest = name.partition(":")
    return distro in distros.DOCKER_ARCHITECTURES and rest.count(":") == 1


def profiles(
    playbook: Playbook, names: Iterable[str], *, proxy: Proxy | None = None
) -> list[Profile]:
    """The playbook for fresh hosts, with the vendors' key and index judged now.

    Raises InputError for an unknown release, and what trust raises.
    """
    # Who runs the file has the login on the host: a file may be read by anybody.
    bare_proxy = Proxy(proxy.url) if proxy else None
    request = Request(command="render", playbook=playbook, proxy=bare_proxy)
    made = []
    for name in names:
        bare = _bare(name)
        mode = _gpu_mode(playbook, bare)
        alone = steps_of(playbook, bare) if mode == "auto" else ()
        if mode:
            bare = bare.model_copy(update=GPU)
        _refuse_what_is_not_in_it(playbook, bare)
        make = planner_for(name, playbook, bare, request)
        first, wishes = make(offers={})
        way = proxy_for(first.proxy, proxy)
        asked = consult(wishes, bare.architecture, proxy=way)
        plan, _ = make(offers=asked.offers)
        made.append(Profile(plan, steps_of(playbook, bare), mode, alone))
    return made


def steps_of(playbook: Playbook, bare: Facts) -> tuple[StepBase, ...]:
    """The playbook's steps for that release, with one merge of daemon.json, as the planner has them."""
    parts: list[tuple[str, Sequence[StepBase]]] = [
        (part.name, part.steps) for part in playbook.steps_for(HostValues.of(bare))
    ]
    return tuple(step for _, steps in united(parts, bare) for step in steps)


def _gpu_mode(playbook: Playbook, bare: Facts) -> str:
    """Whether the file has to look for GPUs: ``required`` or ``auto``, else empty."""
    steps = (step for part in playbook.steps_for(HostValues.of(bare)) for step in part.steps)
    modes = {step.mode for step in steps if isinstance(step, Gpu)}
    return next((mode for mode in ("required", "auto") if mode in modes), "")


def _refuse_what_is_not_in_it(playbook: Playbook, bare: Facts) -> None:
    """Nobody hands over logins and files beside the one file, or merges lists on the host.

    Whether NVIDIA's repository still has the empty nvidia-docker2 only a controller asks.
    """
    for part in playbook.steps_for(HostValues.of(bare)):
        for step in part.steps:
            if (isinstance(step, DockerRegistry) and step.registries) or (
                isinstance(step, DockerImage) and any(one.send for one in step.images)
            ):
                raise InputError(
                    f"playbook {playbook.name} has logins, mirrors or files that a controller brings:"
                    " there is no file of it",
                    next_step=f"dockwright apply {playbook.name} HOST; or leave 'registries' and"
                    " 'send' out",
                )
            if isinstance(step, NvidiaPast) and step.meta:
                raise InputError(
                    f"playbook {playbook.name} wants the empty package nvidia-docker2:"
                    " there is no file of it",
                    next_step="dockwright render gpu; or --set nvidia_docker2_package=false",
                )
            if isinstance(step, NvidiaDriver) and (step.branch or step.keep):
                raise InputError(
                    f"playbook {playbook.name} wants a driver, which is chosen by what a host's archive"
                    " offers: there is no file of it",
                    next_step=f"dockwright apply {playbook.name} HOST; or leave the driver out",
                )


def _bare(name: str) -> Facts:
    distro, version, architecture = name.split(":")
    release = next(
        (r for r in distros.RELEASES if r.distro == distro and version in (r.version, r.codename)),
        None,
    )
    if release is None or architecture not in distros.DOCKER_ARCHITECTURES[distro]:
        raise InputError(
            f"{name!r} is no profile",
            details=(("known", ", ".join(ALL)),),
            next_step="write distribution:version:architecture, such as ubuntu:24.04:amd64, or 'all'",
        )
    return Facts(
        hostname=name,
        distro=distro,
        os_id=distro,
        version_id=release.version,
        codename=release.codename,
        pretty_name=str(release),
        architecture=architecture,
        init="systemd",
        clock=int(time.time()),
        boot_id="",
        ca_certificates=False,
    )
