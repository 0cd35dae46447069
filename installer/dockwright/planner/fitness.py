"""Whether a host may be changed at all, and what is worth knowing of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timezone

from dockwright import distros
from dockwright.errors import DestructiveError, RefusedError, TrustError
from dockwright.models import Facts
from dockwright.plan import HostPlan
from dockwright.steps.versions import compare

# Where apt itself could be deceived: codename -> the version that can not, and the CVE.
_FIXED_APT = {"bookworm": ("2.6.2", "CVE-2026-109518")}
# What a kernel of 64 bits could run, in dpkg's words, and userlands that have only 32 of them.
_WIDER = {"x86_64": "amd64", "aarch64": "arm64"}
_NARROW = ("i386", "armel", "armhf")
_CLOCK_TOLERANCE = 300  # seconds; above it signatures and certificates are judged wrongly


def notes(facts: Facts, kinds: Collection[str], now: int | None) -> Iterable[str]:
    """What is worth knowing of a host for steps of those ``kinds``, and stands in no way."""
    release = distros.find(facts.distro, facts.codename)
    if release is not None and now is not None:
        warning = release.warning(datetime.fromtimestamp(now, tz=timezone.utc).date())
        if warning:
            yield warning
    if facts.os_id != facts.distro:
        yield f"{facts.pretty_name} is served as {facts.distro} {facts.codename}, which it derives from"
    apt = facts.package("apt")
    fixed = _FIXED_APT.get(facts.codename)
    if apt is not None and apt.version and fixed and compare(apt.version, fixed[0]) < 0:
        yield f"apt {apt.version} is older than {fixed[0]} ({fixed[1]}): upgrade apt first"
    for line in facts.apt_lax:
        if not _is_setting(line):
            place = ":".join(line.split(":")[:2])
            yield f"{place} trusts its source without a signature: packages from it are not verified"
    if "service" in kinds and facts.ground.firewalls:
        yield (
            f"{' and '.join(facts.ground.firewalls)} is on: a port that a container publishes"
            " (-p) is open past its rules; -p 127.0.0.1:PORT:PORT keeps it in"
        )
    if "service" in kinds:
        for path in facts.ground.rootless:
            yield f"a user's own daemon answers at {path}; it stays beside this one"
    if facts.gpus and not {"gpu", "gpu_check"} & set(kinds):
        yield f"{len(facts.gpus)} NVIDIA GPU seen on the PCI bus: install --gpu makes use of it"


def require_supported(facts: Facts) -> None:
    """Refuse a host that Docker builds nothing for, in words that say so."""
    architectures = distros.DOCKER_ARCHITECTURES.get(facts.distro)
    # A codename that the table does not know yet may well be there: the vendor's index is asked.
    if architectures is None or not facts.codename:
        raise _unsupported(facts)
    if facts.architecture not in architectures:
        wider = _WIDER.get(facts.machine)
        split = (
            (
                (
                    "why",
                    f"a 32-bit userland on a 64-bit kernel ({facts.machine}): dpkg's word counts",
                ),
            )
            if wider and wider != facts.architecture and facts.architecture in _NARROW
            else ()
        )
        raise RefusedError(
            f"Docker builds no {facts.distro} packages for {facts.architecture}",
            details=(*split, ("builds", f"{', '.join(architectures)} ({distros.PLATFORMS})")),
            next_step=f"install the {wider} release on this machine"
            if split
            else "use a machine of one of these architectures",
        )


def fit_to_change(plan: HostPlan, facts: Facts, now: int | None) -> None:
    """Refuse a host that must not be changed; the order is from the host's nature to its state."""
    require_supported(facts)
    if now is not None and abs(facts.clock - now) > _CLOCK_TOLERANCE:
        raise RefusedError(
            f"the clock of {facts.hostname} differs from this machine's by {abs(facts.clock - now)} s",
            details=(("why", "signatures and certificates would be judged by a wrong date"),),
            next_step="timedatectl set-ntp true",
        )
    if facts.ground.read_only:
        raise RefusedError(
            f"{facts.ground.read_only[0]} cannot be written: its file system is read-only",
            details=(
                ("read-only", ", ".join(facts.ground.read_only)),
                ("why", "dpkg would stop in the middle"),
            ),
            next_step=f"mount -o remount,rw {facts.ground.read_only[0]}; where the system is an"
            " image (ostree, a live medium), Docker belongs into the image",
        )
    _verifies(plan, facts)
    snap = facts.snap("docker")
    gives_way = any(action.kind == "snap_disable" for action in plan.actions)
    if snap is not None and snap.enabled and plan.transaction.changes and not gives_way:
        raise RefusedError(
            "the snap 'docker' is installed: two daemons would fight for one socket",
            details=(("data", f"{snap.data} in /var/snap/docker would not move over"),),
            next_step="--remove-snap takes it out once the new daemon answers;"
            " by hand, with its data: snap remove docker",
        )
    touched = {change.name for change in plan.transaction.changes}
    if facts.kubernetes and touched & {"containerd", "containerd.io", "runc"}:
        raise DestructiveError(
            f"{facts.hostname} is a Kubernetes node ({facts.kubernetes[0]}); its containerd stays",
            details=(
                ("asked", ", ".join(sorted(touched & {"containerd", "containerd.io", "runc"}))),
            ),
            next_step="use a host without Kubernetes, or drain and clean this one first",
        )


def _verifies(plan: HostPlan, facts: Facts) -> None:
    """Refuse a host whose apt would take packages that nobody signed."""
    urls = [
        repository.url.partition("://")[2].rstrip("/").lower()
        for repository in plan.transaction.repositories
    ]
    for line in facts.apt_lax:
        ours = any(url in line.lower() for url in urls)
        if not (_is_setting(line) or ours) or not (plan.transaction.changes or urls):
            continue
        path, number, text = (*line.split(":", 2), "", "")[:3]
        raise TrustError(
            f"{path}:{number} tells apt not to verify",
            details=(("there", text.strip()),),
            next_step=f"take that line out of {path}",
        )


def _is_setting(line: str) -> bool:
    """Whether it is from apt's configuration, and not of one source."""
    return line.startswith("/etc/apt/apt.conf")


def _unsupported(facts: Facts) -> RefusedError:
    name = f"{facts.pretty_name} ({facts.codename or 'no codename'})"
    why = (("why", "its os-release names no codename, and none is guessed"),)
    return RefusedError(
        f"{name} is not a release that Docker builds for",
        details=(
            *(() if facts.codename else why),
            ("known", f"{distros.known()} ({distros.SUITES})"),
        ),
        next_step="upgrade the host to one of these releases",
    )
