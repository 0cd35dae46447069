"""The one file on ground that does not carry: pins, WSL, read-only file systems, a Swarm node.

What a controller sees of it in the facts, the file looks for itself; here with the tools of Ubuntu 26.04.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.hosts.support import DAEMON, STATE, at, engine, install
from tests.hosts.test_onefile import ends, hand, rendered, run
from tests.hosts.test_onefile_branches import refused
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

PINS = "/etc/apt/preferences.d/"


def pinned(host: Host, name: str, *stanza: str) -> str:
    host.put(f"{PINS}{name}", "# by somebody\n\n" + "\n".join(stanza) + "\n")
    host.mark()
    return f"{PINS}{name}:3"


def test_what_a_host_stands_on(lab: Lab, host_factory: HostFactory) -> None:
    """E21 pins, E10, E06, D04, D05, D07: refused with 3 by both words, and nothing has changed."""
    lab.vendor.serve("good")
    made = partial(rendered, lab, profiles=("ubuntu:26.04:amd64",))
    keeping = made("--set", 'docker_daemon={"live-restore": true}')
    host = host_factory(dress="ubuntu-26.04", python=True)  # python3 merges daemon.json
    assert install(lab, at(host), "--docker-version", "29.7.1").code == 20
    host.exec(["rm", "-rf", STATE])
    hand(host, made())
    upgrade = ("--upgrade",)

    # E21. What apt does not read, and what allows the very version, stands in no way.
    pinned(host, "docker.bak", "Package: docker-ce", "Pin: version 1*", "Pin-Priority: 1001")
    pinned(host, "new", "Package: docker-ce*", "Pin: version *29.7.2*", "Pin-Priority: 1001")
    ends(run(host, "plan", *upgrade), 0, "+ package  docker-ce 5:29.7.2")
    spot = pinned(host, "old", "Package: docker-ce", "Pin: version 5:29.7.1*", "Pin-Priority: 900")
    refused(host, 3, f"docker-ce is pinned by {spot}", "29.7.2", words=upgrade)
    host.exec(f"rm {PINS}old")
    spot = pinned(
        host, "never.pref", "Package: *", "Pin: origin download.docker.com", "Pin-Priority: -1"
    )
    refused(host, 3, f"is pinned by {spot}", "priority -1", words=upgrade)
    host.exec(f"rm {PINS}never.pref")
    spot = pinned(host, "re", "Package: foo /^docker-ce$/", "Pin: release a=*", "Pin-Priority: -5")
    refused(host, 3, f"docker-ce is pinned by {spot}", words=upgrade)
    host.exec(f"rm {PINS}*")
    host.mark()

    # E10
    host.exec("mount --bind /usr /usr && mount -o remount,bind,ro /usr")
    try:
        refused(host, 3, "/usr cannot be written", "remount,rw", words=upgrade)
    finally:
        host.exec("umount -l /usr")

    refuses_what_dockerd_would_not_start_with(host, made)

    # D07
    host.exec("docker swarm init --advertise-addr 127.0.0.1")
    hand(host, keeping)
    refused(host, 3, "live-restore does not go with Swarm", "docker swarm leave")
    host.exec("docker swarm leave --force")

    # E06
    host.exec("systemctl stop docker.socket docker.service")
    host.put("/usr/local/bin/systemd-detect-virt", "#!/bin/sh\necho wsl\n", 0o755)
    hand(host, made())
    refused(host, 3, "Windows' Subsystem for Linux", "docker_wsl=true", words=upgrade)
    hand(host, made("--set", "docker_wsl=true"))
    ends(run(host, "plan", *upgrade), 0, "docker-ce 5:29.7.2")
    assert engine(host) == "29.7.1"
    assert host.exec(f"ls {STATE}/runs 2>/dev/null", check=False).stdout == ""


def refuses_what_dockerd_would_not_start_with(host: Host, made: Callable[..., str]) -> None:
    """D04 and D05: what dockerd --validate lets pass; the daemon goes on with what it has."""
    unit = "/etc/systemd/system/docker.service.d/by-hand.conf"
    command = "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock -l warn"
    host.put(unit, f"[Service]\nExecStart=\nExecStart={command}\n")
    host.exec("systemctl daemon-reload")
    hand(host, made("--set", 'docker_daemon={"log-level": "info"}'))
    refused(host, 3, "log-level is on dockerd's command line")
    host.exec(f"rm {unit} && systemctl daemon-reload")
    for there, said in {
        '{"hosts": ["fd://"]}': "hosts is on dockerd's command line as well (-H)",
        '{"default-runtime": "kata"}': "default-runtime is kata",
        '{"data-root": "srv"}': "data-root is no absolute path",
    }.items():
        host.put(DAEMON, there)
        hand(host, made("--set", 'docker_daemon={"live-restore": true}'))
        refused(host, 3, said)
    host.exec(f"rm {DAEMON}")
