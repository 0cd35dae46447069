"""The distribution's Docker in use: left alone unless told, then replaced with all its data."""

from __future__ import annotations

import pytest

from dockwright.plan import Verb
from tests.hosts.support import (
    DRESSES,
    STATE,
    Make,
    at,
    clean,
    containers,
    install,
    printed,
    receipt,
    unseen,
    versions,
)
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

OLD = ("docker.io", "docker-cli", "containerd", "runc", "docker-buildx", "docker-compose")


@pytest.mark.sampled("dress", 1)
@pytest.mark.parametrize("dress", DRESSES)
def test_replace(lab: Lab, prepared: Make, dress: str) -> None:
    host = prepared("distribution", dress)
    before, running = versions(host, *OLD), containers(host)
    image = host.exec("docker image inspect -f '{{.Id}}' ubuntu").stdout
    assert list(running) == ["app"]

    refused = install(lab, at(host, "ops"))
    assert refused.code == 9, refused
    assert "app" in refused.told
    assert "--allow-restart" in refused.told
    assert containers(host) == running
    unseen(host)

    run = install(lab, at(host, "ops"), "--allow-restart")
    assert run.code == 20, run
    removed = {c.name for c in run.plan.transaction.removals}
    assert set(before) & {"docker.io", "containerd", "runc"} <= removed
    assert Verb.REMOVE in {action.verb for action in run.plan.actions}
    assert versions(host, *removed) == {}
    # Removed and not purged: purging docker.io deletes all images, volumes and containers.
    form = "${db:Status-Status}"
    state = host.exec(["dpkg-query", "-W", "-f", form, "docker.io"]).stdout
    assert state == "config-files"
    assert host.exec("docker image inspect -f '{{.Id}}' ubuntu").stdout == image
    kept = printed(host, "docker run --rm -v data:/d ubuntu cat /d/file")
    assert kept == "precious\n"
    assert containers(host)["app"].split()[0] == running["app"].split()[0]

    debs = host.exec(f"ls {STATE}/debs").stdout.split()
    rows = receipt(host, run)
    after = versions(host)
    for name in removed:
        assert ["package", name, before[name], "absent"] in rows, rows
        assert [deb for deb in debs if deb.startswith(f"{name}_")], debs
    for name, version in after.items():
        assert ["package", name, "absent", version] in rows
    clean(host)

    again = install(lab, at(host, "ops"))
    assert again.code == 0, again
