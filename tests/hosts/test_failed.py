"""A package that cannot be configured: 6 with its words, and the same command goes on once mended."""

from __future__ import annotations

import pytest

from dockwright import events
from tests.hosts.support import Make, at, clean, containers, install, leftovers, printed
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


def test_postinst_fails(lab: Lab, prepared: Make) -> None:
    """I12: docker-ce's postinst makes the group docker: where groupadd fails, so does the package."""
    host = prepared("fresh")
    host.exec("mv /usr/sbin/groupadd /usr/sbin/groupadd.off")
    host.put("/usr/sbin/groupadd", "#!/bin/sh\necho groupadd: no more groups >&2\nexit 10\n", 0o755)
    run = install(lab, at(host, "ops"))
    assert run.code == 6, run
    assert run.failed.changed_host
    assert "groupadd: no more groups" in run.told
    assert run.failed.next_step
    assert run.one(events.CommitPoint)
    assert leftovers(host) == []

    unmended = install(lab, at(host, "ops"))
    assert unmended.code in (6, 7), unmended

    host.exec("mv /usr/sbin/groupadd.off /usr/sbin/groupadd")
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)
    assert install(lab, at(host, "ops")).code == 0


def test_old_runtime_comes_back(lab: Lab, prepared: Make) -> None:
    """Where the new engine cannot be unpacked, the old one that was removed for it runs again."""
    host = prepared("distribution")
    running = containers(host)
    host.exec(
        "mkdir -p /usr/bin/docker-proxy/in-the-way; touch /usr/bin/docker-proxy/in-the-way/x",
        check=False,
    )
    host.exec(
        "rm -rf /usr/libexec/docker/cli-plugins; mkdir -p /usr/libexec/docker; touch /usr/libexec/docker/cli-plugins"
    )
    run = install(lab, at(host, "ops"), "--allow-restart")
    assert run.code == 6, run
    assert host.exec("dpkg-query -W -f '${db:Status-Status}' docker.io").stdout == "installed"
    assert host.exec("docker version").returncode == 0
    assert containers(host)["app"].split()[0] == running["app"].split()[0]
    assert printed(host, "docker run --rm -v data:/d ubuntu cat /d/file") == "precious\n"
