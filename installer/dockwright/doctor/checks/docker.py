"""Docker on the host: which, its settings, its daemon, and the ground under its containers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dockwright.doctor.case import Case, Found
from dockwright.doctor.catalogue import explain
from dockwright.events import Severity
from dockwright.steps.dockerd import OWN_RUNTIMES, flags, said_twice
from dockwright.steps.versions import compare

DAEMON_JSON = "/etc/docker/daemon.json"


def which(case: Case) -> Iterator[Found]:
    """Two Dockers, or another program under its name."""
    podman = case.facts.package("podman-docker")
    if podman is not None and podman.installed:
        yield Found(
            "podman-in-the-way",
            f"podman-docker {podman.version} is installed",
            severity=Severity.ERROR if case.engine else Severity.WARNING,
        )
    snap = case.facts.snap("docker")
    if snap is not None and snap.enabled and case.engine:
        yield Found("two-dockers", f"the snap docker {snap.version} beside {case.engine}")


def daemon(case: Case) -> Iterator[Found]:
    """Why dockerd does not answer, or will not at its next start; the bare fact where nothing is known."""
    if not case.engine:
        return
    causes = [*_settings(case), *_unit(case)]
    yield from causes
    if case.runs or any(one.severity is Severity.ERROR for one in causes):
        return
    unit = case.facts.unit("docker.service")
    if case.seen.is_closed("daemon") and _may_answer(case):
        return
    # As Docker's manual has it for rootless: the daemon of root is disabled and stopped.
    if (
        case.facts.ground.rootless
        and unit
        and (unit.enabled, unit.active) == ("disabled", "inactive")
    ):
        return
    log = case.seen.docker_log
    known = explain(log)[:1] if log else ()
    if not {"iptables", "nft"} & set(case.seen.tools):
        yield Found("firewall-tools", "neither iptables nor nft is on the host")
    elif known and known[0].id not in ("start-limit", "daemon-down"):
        yield Found(known[0].id, log)
    else:
        state = f"docker.service is {unit.active}" if unit else "there is no docker.service"
        if unit is None and case.seen.is_closed("units"):
            state = "nobody answers at docker.sock"
        yield Found("daemon-down", f"{state}; {log or case.facts.daemon_error or 'no answer'}")


def _may_answer(case: Case) -> bool:
    """Whether a daemon that may not be asked could be well, by its units: a socket that waits starts it."""
    unit, waiting = case.facts.unit("docker.service"), case.facts.unit("docker.socket")
    if unit is None or unit.active not in ("inactive", "failed"):
        return True
    return unit.active == "inactive" and waiting is not None and waiting.active == "active"


def settings(text: str) -> tuple[dict[str, Any], str]:
    """The keys of a daemon.json, and what is wrong with it: dockerd takes an empty file as none."""
    if not text:
        return {}, ""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return {}, f"line {error.lineno}, column {error.colno}: {error.msg}"
    return (value, "") if isinstance(value, dict) else ({}, "it is not an object")


def _settings(case: Case) -> Iterator[Found]:
    file = case.facts.file(DAEMON_JSON)
    if file is None or file.content is None or "--config-file" in case.facts.ground.exec_start:
        return
    # A daemon that runs has read another text than this: it breaks at the next start.
    severity = Severity.WARNING if case.runs else Severity.ERROR
    keys, wrong = settings(file.content)
    if wrong:
        yield Found("daemon-json-invalid", f"{DAEMON_JSON} {wrong}", severity=severity)
        return
    both = said_twice(case.facts.ground.exec_start, keys)
    if both:
        key = both[0]
        yield Found(
            "flag-and-file",
            f"{', '.join(both)}: in {DAEMON_JSON}, and in {case.facts.ground.exec_start}",
            (f'take "{key}" out of {DAEMON_JSON}', "systemctl restart docker"),
            severity,
        )
    runtimes = keys.get("runtimes")
    runtimes = runtimes if isinstance(runtimes, dict) else {}
    default = keys.get("default-runtime", "runc")
    known = default in runtimes or str(default).startswith(OWN_RUNTIMES)
    if not known and "runtimes" not in flags(case.facts.ground.exec_start):
        yield Found(
            "default-runtime-unknown",
            f"default-runtime {default} in {DAEMON_JSON}",
            severity=severity,
        )
    nvidia = runtimes.get("nvidia")
    path = nvidia.get("path", "") if isinstance(nvidia, dict) else ""
    if (
        path.endswith("nvidia-container-runtime")
        and "nvidia-container-runtime" not in case.seen.tools
    ):
        yield Found(
            "runtime-file-missing",
            f"{DAEMON_JSON} registers {path}, which is not installed",
            severity=Severity.WARNING,
        )
    told = case.facts.nvidia.runtimes
    if nvidia and case.facts.daemon and told and "nvidia" not in told:
        yield Found(
            "unknown-runtime",
            f"{DAEMON_JSON} registers it, and dockerd did not read that: it knows {', '.join(told)}",
            ("systemctl reload docker",),
        )


def _unit(case: Case) -> Iterator[Found]:
    unit = case.facts.unit("docker.service")
    if unit is not None and unit.enabled.startswith("masked"):
        yield Found("unit-masked", f"docker.service is {unit.enabled}, {unit.active}")


def access(case: Case) -> Iterator[Found]:
    """A login that is older than its user's membership in the group of docker.sock."""
    group = case.seen.socket.rpartition(":")[2]
    if group and case.seen.is_closed("daemon") and group in case.seen.groups:
        text = (
            f"docker.sock is {case.seen.socket}; {case.user} is in group {group},"
            " and this login is older than that"
        )
        yield Found("socket-denied", text, (f"log in anew, or: newgrp {group}",))


def ground(case: Case) -> Iterator[Found]:
    """What containers need of the host, where there is a daemon to run them."""
    if not case.engine:
        return
    if case.seen.cgroup_read_only:
        yield Found(
            "cgroups-read-only", f"/sys/fs/cgroup is mounted ro ({case.facts.virtualisation})"
        )
    if case.facts.apparmor_parser_missing:
        # Since 23.0 dockerd asks for the parser before it counts on AppArmor (moby 42276).
        daemon = case.facts.daemon
        without = daemon is not None and compare(daemon.version, "23") >= 0
        yield Found(
            "apparmor-parser",
            "the kernel has AppArmor on, and there is no apparmor_parser"
            + ("; dockerd does without: containers are not confined by it" if without else ""),
            severity=Severity.WARNING if without else Severity.ERROR,
        )
    bridge = next(
        (one.network for one in case.facts.ground.routes if one.interface == "docker0"), None
    )
    for route in case.facts.ground.routes if bridge else ():
        if not route.of_docker and bridge is not None and route.network.overlaps(bridge):
            yield Found(
                "subnet-clash",
                f"docker0 has {bridge}, and {route.network} is reached by {route.interface}",
                severity=Severity.WARNING,
            )
