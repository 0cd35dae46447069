"""Which findings a plan mends, and of which playbook. Pure.

A plan makes a host what its playbook says: that mends a finding only where the host is meant to be
that. So Docker of the distribution is never replaced to mend it, the toolkit only comes where there
are GPUs with their driver, and what is no matter of Docker's or NVIDIA's is left to people.
"""

from __future__ import annotations

from collections.abc import Callable

from dockwright.doctor.case import Case, Found
from dockwright.doctor.checks.apt import DOCKER

_NVIDIA = "nvidia.github.io/"


def playbook_for(case: Case, found: Found) -> str:
    """The playbook whose plan mends a finding: ``docker``, ``gpu``, or empty for none."""
    rule = _RULES.get(found.id)
    return rule(case, found) if rule else ""


def _repair(case: Case, _: Found) -> str:
    """What dpkg was in the middle of is finished first, whatever is asked for; a database is not mended."""
    return "" if "database unreadable" in case.facts.dpkg_audit else "docker"


def _docker(case: Case, _: Found) -> str:
    return "docker" if case.engine in ("", "docker-ce") else ""


def _gpu(case: Case, found: Found) -> str:
    usable = case.facts.gpus and case.facts.nvidia.module and not case.facts.nvidia.platform
    return "gpu" if usable and _docker(case, found) else ""


def _vendor(case: Case, found: Found) -> str:
    """By whose repository the evidence is about."""
    if DOCKER in found.evidence:
        return _docker(case, found)
    return _gpu(case, found) if _NVIDIA in found.evidence else ""


def _keyring(case: Case, found: Found) -> str:
    """By whose sources name the keyring that the evidence begins with; one of others' is theirs.

    A plan writes a key that is not the right one; one that is only closed to _apt it leaves.
    """
    if "cannot be read" in found.evidence:
        return ""
    path = found.evidence.split(" ", 1)[0]
    signed = [
        one for one in case.apt.entries if path in one.options.get("signed-by", "").split(",")
    ]
    if not signed:
        return _vendor(case, found)
    if all(one.index.startswith(DOCKER) for one in signed):
        return _docker(case, found)
    ours = all(one.index.startswith((DOCKER, _NVIDIA)) for one in signed)
    return _gpu(case, found) if ours else ""


def _page(case: Case, found: Found) -> str:
    """Those of NVIDIA's that old recipes saved, by their names."""
    return _gpu(case, found) if "nvidia" in found.evidence and ".list" in found.evidence else ""


def _start(case: Case, found: Found) -> str:
    """A daemon that is only stopped; one that failed would fail again."""
    unit = case.facts.unit("docker.service")
    stopped = case.engine == "docker-ce" and unit is not None and unit.active == "inactive"
    return _docker(case, found) if stopped else ""


def _snap(case: Case, found: Found) -> str:
    return _docker(case, found) if case.engine else ""


def _default_runtime(case: Case, found: Found) -> str:
    return _gpu(case, found) if "default-runtime nvidia " in found.evidence else ""


def _specification(case: Case, found: Found) -> str:
    """One that somebody made by hand in /etc/cdi is theirs."""
    return "" if found.evidence.startswith("/etc/cdi/") else _gpu(case, found)


_RULES: dict[str, Callable[[Case, Found], str]] = {
    "dpkg-interrupted": _repair,
    "half-installed": _repair,
    "signed-by-conflict": _vendor,
    "page-as-list": _page,
    "no-pubkey": _keyring,
    "no-release": _vendor,
    "not-locatable": _vendor,
    "not-installed": _docker,
    "podman-in-the-way": _docker,
    "two-dockers": _snap,
    "daemon-down": _start,
    "default-runtime-unknown": _default_runtime,
    "runtime-file-missing": _gpu,
    "unknown-runtime": _gpu,
    "no-device-driver": _gpu,
    "cdi-stale": _specification,
    "toolkit-insecure": _gpu,
}
