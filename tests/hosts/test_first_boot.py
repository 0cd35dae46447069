"""User data: a machine that makes itself a Docker host at its first boot, without a controller."""

from __future__ import annotations

import base64
import gzip
import shlex

import pytest
import yaml

from tests.hosts.support import Make, clean, engine
from tests.lab.lab import Lab
from tests.lab.machine import arch

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

# What cloud-init's last stage does, and what it leaves below /run meanwhile.
FINAL = """\
[Service]
Type=oneshot
StandardOutput=append:/var/log/cloud-init-output.log
StandardError=inherit
ExecStart=/bin/sh -c 'mkdir -p /run/cloud-init; echo {} >/run/cloud-init/status.json; \\
%s; code=$?; echo {} >/run/cloud-init/result.json; exit $code'
"""


def test_c05_a_first_boot_does_not_wait_for_itself(lab: Lab, prepared: Make) -> None:
    """The file runs in the service that a first boot is waited for by (C05)."""
    host = prepared("fresh", "ubuntu-24.04")
    done = lab.dockwright(
        "render", "docker", "--for", f"ubuntu:24.04:{arch()}", "--format", "cloud-init",
        "--set", f"docker_fingerprint={lab.fingerprint}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(done.stdout)
    (file,), (command,) = config["write_files"], config["runcmd"]
    text = gzip.decompress(base64.b64decode(file["content"])).decode()
    host.put(file["path"], text, int(file["permissions"], 8))
    host.put("/etc/systemd/system/cloud-final.service", FINAL % shlex.join(command))
    host.exec("systemctl daemon-reload")
    said = host.exec("systemctl start cloud-final; cat /var/log/cloud-init-output.log").stdout
    assert "cloud-init, on the first boot" not in said
    assert host.exec("systemctl show -P ExecMainStatus cloud-final").stdout == "0\n", said
    assert engine(host).startswith("29.")
    clean(host)
    again = host.exec(f"sh {file['path']} status")
    assert again.returncode == 0
