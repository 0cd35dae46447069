"""``doctor --fix`` on real hosts: the plan that it saves, applied, leaves a host without a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockwright.events import Note, Planned
from dockwright.load.saved import read_plans
from tests.hosts.doctoring import PARTS, URL, findings, first, well
from tests.hosts.support import (
    KEY,
    SOURCE,
    Layers,
    Make,
    Run,
    at,
    containers,
    dockwright,
    unseen,
    until,
)
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.nvidia import DRIVER
from tests.lab.snap import install_snap

pytestmark = pytest.mark.lab

Mend = Callable[..., Run]


def mended(lab: Lab, host: Host, out: Path, entry: str, *args: str) -> Run:
    """Find it, plan it, see that nothing was done, apply what was saved, and find nothing any more."""
    finding = first(lab, host)
    assert finding.id == entry
    assert finding.plan
    host.mark()
    pins = ("--set", f"docker_fingerprint={lab.fingerprint}")
    run = dockwright(lab, "doctor", at(host), "--fix", "-o", out, *pins, *args)
    assert run.code == 8, run
    assert run.plan.changes
    unseen(host)
    (plan,), _ = read_plans(out)
    assert plan == run.plan
    applied = dockwright(lab, "apply", out, "--detailed-exitcode")
    assert applied.code == 20, applied
    well(lab, host)
    return run


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    """A Docker host of ours."""
    made = layers.host("docker")
    yield made
    made.remove()


CONFLICT = f"deb [signed-by=/usr/share/keyrings/docker.gpg] {URL} trixie stable"
TOOLKIT = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
BREAKS = {
    "signed-by-conflict": f"echo '{CONFLICT}' >{PARTS}/a.list",
    "no-pubkey": f"rm {KEY}",
    "daemon-down": "systemctl stop docker.socket docker.service",
    "dpkg-interrupted": "dpkg-query -s containerd.io >/var/lib/dpkg/updates/0001",
    "no-release": f"sed -i 's/trixie/noble/' {SOURCE}; apt-get -qq update || :",
}


@pytest.mark.parametrize("entry", BREAKS)
def test_a_plan_mends_it(lab: Lab, host: Host, tmp_path: Path, entry: str) -> None:
    host.exec(BREAKS[entry])
    mended(lab, host, tmp_path / "plan.json", entry)
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")


def test_a_host_that_nobody_set_up(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """A stranger's key, and no Docker yet: the plan brings both."""
    host = prepared("fresh")
    host.put(KEY, (lab.parts["keys"] / "wrong.asc").read_text())
    host.put(f"{PARTS}/docker.list", f"deb [signed-by={KEY}] {URL} trixie stable\n")
    host.exec("apt-get -qq update", check=False)
    run = mended(lab, host, tmp_path / "plan.json", "no-pubkey")
    assert "docker-ce" in {change.name for change in run.plan.transaction.changes}


def test_the_snap_gives_way(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    host = prepared("docker")
    host.exec("systemctl disable -q --now docker.socket docker.service")
    install_snap(host)
    host.exec("systemctl stop snap.docker.dockerd; systemctl start docker.socket docker.service")
    mended(lab, host, tmp_path / "plan.json", "two-dockers")
    assert host.exec("snap list docker", check=False).returncode != 0


def test_what_is_done_by_hand(lab: Lab, host: Host, tmp_path: Path) -> None:
    """A route that clashes is no matter of a plan; beside it one is made for the rest."""
    out = tmp_path / "plan.json"
    way = host.exec("ip -4 route show default | grep -o 'via [^ ]*'").stdout.split()
    host.exec(["ip", "route", "add", "172.17.200.0/24", *way])
    try:
        run = dockwright(lab, "doctor", at(host), "--fix", "-o", out)
        (note, none) = [one.text for one in run.all(Note)]
        assert (run.code, run.all(Planned), out.exists()) == (8, [], False)
        assert note.startswith("by hand: Docker's addresses overlap")
        assert none == "no plan mends any of it"
        host.exec("systemctl stop docker.socket docker.service")
        pin = f"docker_fingerprint={lab.fingerprint}"
        run = dockwright(lab, "doctor", at(host), "--fix", "--set", pin)
        assert [one.target for one in run.plan.changes] == ["docker.service"]
    finally:
        host.exec("ip route del 172.17.200.0/24; systemctl start docker.socket docker.service")


def test_a_plan_is_refused_where_the_host_has_changed_since(
    lab: Lab, host: Host, tmp_path: Path
) -> None:
    """By the usual rules of ``apply FILE``."""
    out, pin = tmp_path / "plan.json", f"docker_fingerprint={lab.fingerprint}"
    with_source = host.exec(["cat", SOURCE]).stdout
    host.exec(f"echo '{CONFLICT}' >{PARTS}/a.list")
    try:
        run = dockwright(lab, "doctor", at(host), "--fix", "-o", out, "--set", pin)
        assert run.code == 8, run
        host.exec(f"echo '# mine' >>{PARTS}/a.list")
        assert dockwright(lab, "apply", out).code == 3
    finally:
        host.exec(f"rm {PARTS}/a.list")
        host.put(SOURCE, with_source)
    well(lab, host)


def test_the_distribution_s_docker_is_not_replaced(
    lab: Lab, prepared: Make, tmp_path: Path
) -> None:
    host = prepared("distribution")
    host.exec("systemctl stop docker.socket docker.service")
    run = dockwright(lab, "doctor", at(host), "--fix", "-o", tmp_path / "plan.json")
    assert (run.code, run.all(Planned)) == (8, [])
    assert findings(run)[0].action == ("systemctl start docker",)
    host.exec(" ; ".join(findings(run)[0].action))
    until(lambda: "app" in containers(host), "the container runs again")
    well(lab, host)


def test_gpu_hosts_of_stand_ins(lab: Lab, host_factory: HostFactory, tmp_path: Path) -> None:
    host = host_factory(dress="ubuntu-24.04", gpu=True)
    nvidia = ("--set", f"nvidia_fingerprint={lab.nvidia_fingerprint}")
    docker = ("--set", f"docker_fingerprint={lab.fingerprint}")
    run = dockwright(lab, "install", "--gpu", at(host), "--yes", *docker, *nvidia)
    assert run.code == 0, run
    host.exec(f"sed -i 's/{DRIVER}/1.2.3/' /var/run/cdi/nvidia.yaml")
    mended(lab, host, tmp_path / "plan.json", "cdi-stale", *nvidia)
    old = " ".join(f"{name}=1.17.7-1" for name in TOOLKIT)
    host.exec(f"apt-get -qq update && apt-get -qq -y --allow-downgrades install {old}")
    mended(lab, host, tmp_path / "plan.json", "toolkit-insecure", *nvidia)
    host.put(f"{PARTS}/nvidia-docker.list", "<!doctype html>\n<html>404</html>\n")
    mended(lab, host, tmp_path / "plan.json", "page-as-list", *nvidia)
