"""Pull mode with cloud-init itself: its schema takes the user data, and a first boot applies it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockwright.plan import Verb
from tests.hosts.support import at, clean, install, journal
from tests.lab.fat import USER_DATA
from tests.lab.fixtures import HostFactory
from tests.lab.lab import Lab
from tests.lab.machine import arch

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

SEED = "/var/lib/cloud/seed/nocloud"  # of datasource NoCloud


def test_a_first_boot_provisions_the_machine(
    lab: Lab, host_factory: HostFactory, tmp_path: Path
) -> None:
    rendered = lab.dockwright(
        "render", "docker", "--for", f"debian:13:{arch()}", "--format", "cloud-init",
        "--set", f"docker_fingerprint={lab.fingerprint}",
    )  # fmt: skip
    assert rendered.returncode == 0, rendered.stderr
    (tmp_path / "user-data").write_text(rendered.stdout)
    (tmp_path / "meta-data").write_text("instance-id: first\n")
    # Keys, names and accounts of a lab's host are the lab's; what a user would give is as rendered.
    (tmp_path / "vendor-data").write_text(USER_DATA)
    host = host_factory(fat=True, extra={SEED: tmp_path})

    status = host.exec("cloud-init status --wait --long", check=False, timeout=300)
    said = host.exec("cat /var/log/cloud-init-output.log").stdout
    assert "status: done" in status.stdout, status.stdout + said
    assert status.returncode == 0, status.stdout + said
    assert "DataSourceNoCloud" in status.stdout
    assert journal(host)[-1].endswith("ended with 0"), said
    clean(host)
    assert host.exec("sh /usr/local/sbin/dockwright-docker.sh status").returncode == 0

    schema = host.exec(f"cloud-init schema --config-file {SEED}/user-data", check=False)
    assert schema.returncode == 0, schema.stdout + schema.stderr
    assert "Valid schema" in schema.stdout
    host.put("/root/bad", rendered.stdout.replace("encoding: gz+b64", "encoding: rot13"))
    assert host.exec("cloud-init schema --config-file /root/bad", check=False).returncode == 1

    # A controller goes on from there.
    again = install(lab, at(host, "ops"))
    assert again.code == 0, again
    assert {action.verb for action in again.plan.actions} == {Verb.KEEP}
