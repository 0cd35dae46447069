"""What a daemon.json must not say: ``dockerd --validate`` lets all of it pass, and the start fails.

Sources: dockerd(8); moby's ``daemon/config`` and ``cmd/dockerd``; CIS Docker Benchmark 2.7.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from dockwright.errors import RefusedError
from dockwright.models import Facts

# What docker-ce's unit has, where no unit is there yet.
PACKAGED = "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
# Flags whose key in daemon.json has another name; dockerd(8) has both.
FLAG_KEYS = {
    "H": "hosts", "host": "hosts", "D": "debug", "l": "log-level", "g": "data-root",
    "graph": "data-root", "G": "group", "b": "bridge", "s": "storage-driver", "label": "labels",
    "add-runtime": "runtimes", "dns-opt": "dns-opts", "insecure-registry": "insecure-registries",
    "registry-mirror": "registry-mirrors", "exec-opt": "exec-opts", "storage-opt": "storage-opts",
    "log-opt": "log-opts", "default-ulimit": "default-ulimits", "feature": "features",
    "authorization-plugin": "authorization-plugins", "cdi-spec-dir": "cdi-spec-dirs",
    "default-address-pool": "default-address-pools",
    "node-generic-resource": "node-generic-resources",
}  # fmt: skip
OWN_RUNTIMES = ("runc", "io.containerd.")


def flags(exec_start: str) -> dict[str, str]:
    """The keys that dockerd's command line sets, each with its flag as it is written there."""
    try:
        words = shlex.split(exec_start)[1:]
    except ValueError:
        return {}
    found = {}
    for word in words:
        # A short one may have its value behind it: -Hfd://.
        name = word[2:].partition("=")[0] if word.startswith("--") else word[1:2]
        if word.startswith("-"):
            found[FLAG_KEYS.get(name, name)] = word
    return found


def said_twice(exec_start: str, merged: Mapping[str, Any]) -> list[str]:
    """The keys that stand on the command line and in the file, as dockerd compares them.

    Proxies count one by one; of runtimes it takes both (moby, daemon/config).
    """
    proxies = merged.get("proxies")
    keys = {*merged, *(proxies if isinstance(proxies, dict) else ())} - {"runtimes"}
    return sorted(keys.intersection(flags(exec_start)))


def command(facts: Facts) -> str:
    """How dockerd will be started: as systemd has it, or as docker-ce's unit with the host's drop-ins."""
    if facts.ground.exec_start:
        return facts.ground.exec_start
    drop_ins = [file.content or "" for file in facts.files if ".service.d/" in file.path]
    lines = re.findall(r"^ExecStart=[-@:+!]*(.+)$", "\n".join(drop_ins), re.MULTILINE)
    return str(lines[-1]) if lines else PACKAGED


def unguarded(keys: Mapping[str, Any]) -> list[str]:
    """The addresses at which anybody who gets there would be root on the host."""
    hosts = keys.get("hosts")
    listed = [str(each) for each in hosts] if isinstance(hosts, (list, tuple)) else []
    return [] if keys.get("tlsverify") is True else [h for h in listed if h.startswith("tcp://")]


def refuse_what_breaks(path: str, merged: Mapping[str, Any], facts: Facts, step: str) -> None:
    """Refuse a file with which dockerd would not start, or not do what it says."""
    exec_start = command(facts)
    told, both = flags(exec_start), said_twice(exec_start, merged)
    if both:
        raise RefusedError(
            f"{', '.join(both)}: on dockerd's command line, and in {path}",
            details=(
                ("flag", told[both[0]]),
                ("command", exec_start),
                ("why", "dockerd does not start where both say it, even the same"),
            ),
            step=step,
            next_step=f"take {both[0]!r} out of {path} and docker_daemon, or out of the unit"
            " (systemctl edit docker)",
        )
    daemon = facts.daemon
    if merged.get("live-restore") is True and daemon and daemon.swarm not in ("", "inactive"):
        raise RefusedError(
            f"live-restore does not go with Swarm, and {facts.hostname} is a node of one",
            details=(
                ("why", "dockerd does not start with both"),
                ("file", f"{path} was not touched"),
            ),
            step=step,
            next_step="take live-restore out of docker_daemon, or the node out: docker swarm leave",
        )
    runtimes = merged.get("runtimes")
    default = str(merged.get("default-runtime", "runc"))
    known = runtimes if isinstance(runtimes, dict) else {}
    if default not in known and not default.startswith(OWN_RUNTIMES) and "runtimes" not in told:
        raise RefusedError(
            f"default-runtime is {default}, which {path} does not define",
            details=(("runtimes", ", ".join(["runc", *known])),),
            step=step,
            next_step="define it below 'runtimes', or name one of these",
        )
    root = merged.get("data-root", "/")
    if not (isinstance(root, str) and root.startswith("/")):
        raise RefusedError(
            f"data-root is no absolute path: {root}",
            details=(
                ("why", "dockerd takes it as one below its working directory"),
                ("file", f"{path} was not touched"),
            ),
            step=step,
            next_step="write it from the root on, such as /srv/docker",
        )


def programs(keys: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """The programs of runtimes that are new, but NVIDIA's, which may come with the plan."""
    asked, there = keys.get("runtimes"), current.get("runtimes")
    if not isinstance(asked, dict):
        return []
    known = there if isinstance(there, dict) else {}
    new = [value for name, value in asked.items() if name != "nvidia" and name not in known]
    paths = (value.get("path") for value in new if isinstance(value, dict))
    return [path for path in paths if isinstance(path, str) and path.startswith("/")]


def overlaps(merged: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    """Networks of containers that lie across one that the host reaches: it is lost to them."""
    routes = facts.ground.routes
    nets: list[tuple[str, Any]] = [
        ("docker0", one.network) for one in routes if one.interface == "docker0"
    ]
    if "bip" in merged:
        nets = [("bip", merged["bip"])]
    pools = merged.get("default-address-pools")
    for pool in pools if isinstance(pools, list) else ():
        nets.append(("a pool", pool.get("base") if isinstance(pool, dict) else None))
    for name, given in nets:
        try:
            network = IPv4Network(given, strict=False)
        except (ValueError, TypeError):
            continue  # dockerd says so when it judges the file
        for route in routes:
            if not route.of_docker and network.overlaps(route.network):
                yield (
                    f"{name} {network} overlaps {route.network}, which is reached by"
                    f" {route.interface}: containers will not get there; 'bip' and"
                    " 'default-address-pools' in docker_daemon choose others"
                )
