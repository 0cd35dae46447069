"""What of a merged daemon.json would keep dockerd from starting, though ``dockerd --validate`` lets it pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dockwright.models import Facts

# Docker's own unit (moby, contrib/init/systemd/docker.service), for hosts that have none yet.
_UNIT = ("/usr/bin/dockerd", "-H", "fd://", "--containerd=/run/containerd/containerd.sock")
# dockerd(8): flags that have another name in the file.
_KEYS = {
    "H": "hosts", "host": "hosts", "D": "debug", "l": "log-level", "g": "data-root",
    "graph": "data-root", "G": "group", "b": "bridge", "s": "storage-driver", "label": "labels",
    "dns-opt": "dns-opts", "insecure-registry": "insecure-registries",
    "registry-mirror": "registry-mirrors", "exec-opt": "exec-opts", "storage-opt": "storage-opts",
    "log-opt": "log-opts", "default-ulimit": "default-ulimits", "feature": "features",
    "authorization-plugin": "authorization-plugins", "cdi-spec-dir": "cdi-spec-dirs",
    "default-address-pool": "default-address-pools",
    "node-generic-resource": "node-generic-resources",
}  # fmt: skip
_BUILT_IN = ("runc", "io.containerd.runc.v2")


def unfit(
    merged: Mapping[str, Any], changed: Collection[str], facts: Facts
) -> Iterator[tuple[str, str, str]]:
    """Brief, why and next step of each trouble that a file with these ``changed`` keys would have.

    A key that stands in the file and on dockerd's command line, with drop-ins, stops it (moby,
    daemon/config: findConfigurationConflicts); of runtimes alone it takes both.
    """
    told = {key: flag for flag, key in _flags(_command(facts))}
    for key in sorted(_flat(merged) & set(told) - {"runtimes"}):
        yield (
            f"{key} stands in daemon.json and on dockerd's command line, which it does not start with",
            f"docker.service has {told[key]}",
            "keep it in one of the two: systemctl cat docker.service shows where the flag is",
        )
    daemon = facts.daemon
    if merged.get("live-restore") and daemon is not None and daemon.swarm == "active":
        yield (
            "live-restore and Swarm do not go together",
            f"{facts.hostname} is a Swarm node",
            "take live-restore out of docker_daemon, or let the node leave: docker swarm leave",
        )
    root = merged.get("data-root")
    if "data-root" in changed and not str(root).startswith("/"):
        yield (
            f"data-root is {root!r}, and no absolute path",
            "dockerd would not start",
            "write it whole",
        )
    default, runtimes = merged.get("default-runtime"), merged.get("runtimes")
    known = {*_BUILT_IN, *facts.nvidia.runtimes, *(runtimes if isinstance(runtimes, dict) else ())}
    own = "add-runtime" in told or str(default).startswith("io.containerd.")
    if "default-runtime" in changed and default not in known and not own:
        yield (
            f"default-runtime is {default}, which is no runtime here",
            f"runtimes are {', '.join(sorted(known))}",
            "name one of these, or register it in runtimes",
        )


def _command(facts: Facts) -> tuple[str, ...]:
    """Dockerd's command line; of a unit that is still to come, as a drop-in that waits for it has it."""
    command = facts.dockerd_flags
    for file in facts.files:
        if not facts.dockerd_flags and "/docker.service.d/" in file.path:
            for line in (file.content or "").splitlines():
                if line.startswith("ExecStart="):
                    command = tuple(line.partition("=")[2].split()) or command
    return command or _UNIT


def _flags(words: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each flag as it is written, with its key."""
    for word in words:
        if word.startswith("--"):
            name = word[2:].partition("=")[0]
        elif word.startswith("-"):
            name = word[1:2]
        else:
            continue
        yield word, _KEYS.get(name, name)


def _flat(merged: Mapping[str, Any]) -> set[str]:
    """Keys as dockerd compares them: those of proxies count by themselves."""
    proxies = merged.get("proxies")
    return {*merged, *(proxies if isinstance(proxies, dict) else ())}
