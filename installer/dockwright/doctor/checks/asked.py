"""What a host shows of a message that somebody got on it: looked for only when it is asked for.

Each of these is no fault by itself: a user outside the group docker, a host without Docker.
"""

from __future__ import annotations

from collections.abc import Iterator

from dockwright.doctor.case import Case, Found
from dockwright.doctor.checks.docker import DAEMON_JSON, settings


def socket(case: Case) -> Iterator[Found]:
    """Who may talk to the daemon."""
    members = case.facts.docker_group
    if not case.engine or members is None:
        return
    user = case.user
    in_group = user in members or "docker" in case.seen.groups
    names = ", ".join(members) or "none"
    where = f"docker.sock is {case.seen.socket}; " if case.seen.socket else ""
    if user and in_group:
        text = f"{where}{user} is in group docker: a login from before that has to be renewed"
        yield Found("socket-denied", text, ("log in anew, or: newgrp docker",))
    elif user:
        mend = (f"usermod -aG docker {user} (the same as root there), and a new login",)
        yield Found("socket-denied", f"{where}{user} is not in group docker ({names})", mend)
    else:
        yield Found("socket-denied", f"{where}members of group docker: {names}")


def absent(case: Case) -> Iterator[Found]:
    """No Docker at all."""
    if not case.engine and case.facts.snap("docker") is None:
        yield Found("not-installed", "no package of Docker's is installed")


def unlocatable(case: Case) -> Iterator[Found]:
    """No source of Docker's."""
    if not case.seen.is_closed("source") and not any(
        "download.docker.com" in entry.index for entry in case.apt.entries
    ):
        yield Found("not-locatable", "no source of the host names download.docker.com")


def runtime(case: Case) -> Iterator[Found]:
    """No toolkit, or a daemon.json without the runtime."""
    if case.seen.is_closed("daemon.json"):
        return
    file = case.facts.file(DAEMON_JSON)
    keys, _ = settings((file.content or "") if file else "")
    if "nvidia" not in (keys.get("runtimes") or {}):
        yield Found(
            "unknown-runtime", f"{DAEMON_JSON} registers no runtime nvidia; {_toolkit(case)}"
        )


def device_driver(case: Case) -> Iterator[Found]:
    """No toolkit."""
    text = _toolkit(case)
    if text.endswith("not installed"):
        yield Found("no-device-driver", text)


def lost(case: Case) -> Iterator[Found]:
    """Containers that lose their GPUs at the next reload of systemd, or have lost them."""
    names = case.seen.gpu_containers
    if names:
        yield Found(
            "nvml-unknown",
            f"{', '.join(names)} got GPUs by --gpus or --runtime=nvidia, which last until the next"
            " systemctl daemon-reload",
        )


def _toolkit(case: Case) -> str:
    package = case.facts.package("nvidia-container-toolkit-base")
    if package is not None and package.installed:
        return f"nvidia-container-toolkit {package.version} is installed"
    return "nvidia-container-toolkit is not installed"


ASKED = {
    "socket-denied": (socket,),
    "not-installed": (absent,),
    "daemon-down": (absent,),
    "start-limit": (absent,),
    "not-locatable": (unlocatable,),
    "unknown-runtime": (runtime,),
    "no-device-driver": (device_driver,),
    "nvml-unknown": (lost,),
}
