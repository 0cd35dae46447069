"""Which of the distribution's packages make a host's NVIDIA driver. Pure.

Ubuntu builds and signs modules for each of its kernels: those go before DKMS, which builds on the
host and signs with a key that the firmware does not know. Their metapackage stands for the one of
DKMS (``Provides: nvidia-dkms-BRANCH``), so it has to be named together with the driver. Debian has DKMS alone, in
contrib and non-free.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from dockwright.errors import RefusedError
from dockwright.models import Facts
from dockwright.steps.gpu_generation import NEWEST, Generation, generation

_OPEN_FIRST = 560  # since then NVIDIA recommends the open modules where both kinds serve
_WISH = re.compile(r"([0-9]{3})(-server)?(-open)?")
Offered = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Choice:
    """A driver: its branch, what is installed for it, and how its modules come, in words."""

    branch: str
    packages: tuple[str, ...]
    modules: str


@dataclass(frozen=True)
class Need:
    """What the GPUs of one host ask of a driver."""

    first: int
    last: int
    kinds: tuple[str, ...]  # "-open" and "" (closed), whichever serve
    names: str

    @classmethod
    def of(cls, devices: Collection[str]) -> Need:
        """Raises RefusedError where no one driver serves all of them."""
        found: list[Generation] = list(dict.fromkeys(map(generation, devices)))
        names = " and ".join(one.name for one in found)
        kinds = tuple(
            kind
            for kind, served in (
                ("-open", all(one.open for one in found)),
                ("", all(one.closed for one in found)),
            )
            if served
        )
        first, last = max(one.first for one in found), min(one.last for one in found)
        if not kinds or first > last:
            raise RefusedError(
                "no one driver serves all of these GPUs",
                details=(("there", names),),
                next_step="take the older GPUs out, or keep them for virtual machines (vfio-pci)",
            )
        return cls(first, last, kinds, names)

    def ordered(self, branch: int) -> tuple[str, ...]:
        """The kinds of modules that serve, the better one first."""
        return self.kinds if branch >= _OPEN_FIRST else tuple(reversed(self.kinds))


def choose(facts: Facts, offered: Offered, wish: str) -> Choice:
    """The driver for a host, from what its distribution's archive offers.

    ``wish`` is ``auto``, or a branch such as ``570``, ``570-server`` or ``570-open``. Raises
    RefusedError where there is none that the GPUs, the kernel and Secure Boot allow.
    """
    need = Need.of(facts.nvidia.devices)
    if not any("nvidia" in name for name in offered):
        raise _no_component(facts)
    made = _ubuntu if facts.distro == "ubuntu" else _debian
    every = list(made(facts, offered, need))
    named = [one for one in every if wish == "auto" or _fits(one.branch, wish)]
    # Of a branch that is there in part, the variant that is there.
    tools = {p.name for p in facts.packages if p.installed and p.name.startswith("nvidia-utils-")}
    named = [one for one in named if tools & set(one.packages)] or named
    within = [one for one in named if need.first <= _number(one.branch) <= need.last]
    signed = [one for one in within if one.modules.startswith("signed")]
    if signed:
        return signed[0]
    if not within:
        raise _none(facts, offered, need, wish)
    if facts.nvidia.secure_boot:
        raise _secure_boot(facts, within[0])
    return within[0]


def _number(branch: str) -> int:
    return int(branch[:3])


def _fits(branch: str, wish: str) -> bool:
    """``570`` stands for each of its variants, ``570-server`` for the open and the closed one."""
    match, there = _WISH.fullmatch(wish), _WISH.fullmatch(branch)
    if match is None or there is None:
        return False
    return all(
        not asked or asked == is_so
        for asked, is_so in zip(match.groups(), there.groups(), strict=False)
    )


# --- Ubuntu ---------------------------------------------------------------------------------------


def _ubuntu(facts: Facts, offered: Offered, need: Need) -> Iterator[Choice]:
    """Signed ones for the running kernel first; servers' branches first where there is no desktop."""
    desktop, kernel = facts.nvidia.desktop, facts.kernel
    numbers = sorted(
        {
            int(match[1])
            for name in offered
            if (match := re.fullmatch(r"nvidia-utils-([0-9]{3})(-server)?", name))
        },
        reverse=True,
    )
    tracks = ("", "-server") if desktop else ("-server", "")
    parts = [
        (f"{number}{track}", f"{number}{track}{kind}")
        for track in tracks
        for number in numbers
        for kind in need.ordered(number)
    ]
    for tools, part in parts:
        modules = f"linux-modules-nvidia-{part}-{kernel}"
        if modules not in offered:
            continue
        metas = [name for name in _metas(facts, part) if name in offered]
        # Without the metapackage the desktop's would bring DKMS.
        whole = desktop and metas
        user = f"nvidia-driver-{part}" if whole else f"nvidia-headless-no-dkms-{part}"
        if user in offered:
            extra = _offered(offered, f"nvidia-utils-{tools}", "nvidia-modprobe")
            yield Choice(part, (modules, *metas, user, *extra), f"signed modules for {kernel}")
    for tools, part in parts:
        user = f"nvidia-driver-{part}" if desktop else f"nvidia-headless-{part}"
        if {user, f"nvidia-dkms-{part}", f"linux-headers-{kernel}"} <= set(offered):
            extra = _offered(offered, f"nvidia-utils-{tools}", "nvidia-modprobe")
            packages = (f"linux-headers-{kernel}", f"nvidia-dkms-{part}", user, *extra)
            yield Choice(part, packages, "modules built on the host by DKMS")


def _metas(facts: Facts, part: str) -> Iterator[str]:
    """What brings modules with each new kernel: ``linux-image-generic-hwe-24.04`` names its own."""
    running = re.fullmatch(r"[0-9.]+-[0-9]+-(.+)", facts.kernel)
    for name in facts.nvidia.kernels:
        flavour = name.removeprefix("linux-image-")
        if running and (flavour == running[1] or flavour.startswith(f"{running[1]}-")):
            yield f"linux-modules-nvidia-{part}-{flavour}"


# --- Debian ---------------------------------------------------------------------------------------


def _debian(facts: Facts, offered: Offered, need: Need) -> Iterator[Choice]:
    """The release's own driver first, then those that are kept for older GPUs."""
    kernel = facts.kernel
    for line in ("", *sorted({m[1] for n in offered if (m := _TESLA.fullmatch(n))}, reverse=True)):
        stem = f"nvidia-{line}" if line else "nvidia"
        versions = offered.get(f"{stem}-kernel-dkms", ())
        if not versions or f"linux-headers-{kernel}" not in offered:
            continue
        number = max(int(match[0]) for v in versions if (match := re.match(r"[0-9]{3}", v)))
        for kind in need.ordered(number):
            dkms = f"{stem}{kind}-kernel-dkms"
            if dkms not in offered:
                continue
            cuda = f"libnvidia-{line}-cuda1" if line else "libcuda1"
            user = (f"{stem}-driver",) if facts.nvidia.desktop else (f"{stem}-smi", cuda)
            firmware = _offered(offered, "firmware-nvidia-gsp") if number >= 525 else ()
            headers = [f"linux-headers-{kernel}", *_header_metas(facts, offered)]
            yield Choice(
                f"{number}{kind}",
                (*headers, dkms, *user, *firmware, *_offered(offered, "nvidia-modprobe")),
                "modules built on the host by DKMS",
            )


_TESLA = re.compile(r"nvidia-(tesla-[0-9]{3})-kernel-dkms")


def _header_metas(facts: Facts, offered: Offered) -> Iterator[str]:
    """With a new kernel come its headers, so that DKMS builds for it."""
    for name in facts.nvidia.kernels:
        meta = name.replace("linux-image-", "linux-headers-")
        if meta in offered and facts.kernel.endswith(meta.removeprefix("linux-headers")):
            yield meta


def _offered(offered: Offered, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in offered)


# --- refusals -------------------------------------------------------------------------------------

_ENABLE = {
    "ubuntu": ("restricted", "add-apt-repository -y restricted && apt-get update"),
    "debian": (
        "non-free",
        (
            "add 'contrib non-free non-free-firmware' to Components in"
            " /etc/apt/sources.list.d/debian.sources (or to the lines of /etc/apt/sources.list)"
        ),
    ),
}


def _no_component(facts: Facts) -> RefusedError:
    component, how = _ENABLE[facts.distro]
    return RefusedError(
        f"the apt sources of {facts.hostname} offer no NVIDIA driver",
        details=(("why", f"it is in {facts.distro.capitalize()}'s component {component}, which is not enabled"),),
        next_step=f"{how}, then the same command",
    )  # fmt: skip


def _none(facts: Facts, offered: Offered, need: Need, wish: str) -> RefusedError:
    made = _ubuntu if facts.distro == "ubuntu" else _debian
    there = list(dict.fromkeys(one.branch for one in made(facts, offered, need)))
    kinds = {("-open",): "the open modules", ("",): "the closed modules"}
    wants = [kinds[need.kinds]] if need.kinds in kinds else []
    wants += [f"branch {need.last} or older"] if need.last < NEWEST else []
    wants += [f"branch {need.first} or newer"] if need.first else []
    asked = "" if wish == "auto" else f" {wish}"
    return RefusedError(
        f"{facts.distro.capitalize()} has no driver{asked} for these GPUs and kernel {facts.kernel}",
        details=(
            ("GPUs", f"{need.names}: need {', '.join(wants)}" if wants else need.names),
            ("there", ", ".join(there) or "no modules for this kernel, and no headers of it"),
        ),
        next_step="name one of those that are there"
        if wish != "auto" and there
        else "boot the distribution's own newest kernel, or install NVIDIA's driver by hand",
    )


def _secure_boot(facts: Facts, choice: Choice) -> RefusedError:
    key = (
        "update-secureboot-policy --enroll-key"
        if facts.distro == "ubuntu"
        else "mokutil --import /var/lib/dkms/mok.pub"
    )
    return RefusedError(
        f"Secure Boot is on, and no signed modules of NVIDIA's are there for kernel {facts.kernel}",
        details=(
            ("why", "a module that DKMS builds is signed by a key that the firmware does not know"),
            ("by hand", (f"apt-get install {' '.join(choice.packages)}; {key}; reboot, and enrol the"
             " key at the blue screen (MOK management)")),
        ),
        next_step="enrol the key as above, or switch Secure Boot off; then the same command",
    )  # fmt: skip
