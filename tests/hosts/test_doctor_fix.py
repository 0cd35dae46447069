"""``doctor --fix`` on real hosts: the plan that it saves, applied, leaves a host without a finding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwright.events import Note, Planned
from tests.hosts.doctoring import PARTS, URL, findings, mended, well
from tests.hosts.support import (
    KEY,
    SOURCE,
    Layers,
    Make,
    at,
    clean,
    containers,
    dockwright,
    install,
    until,
)
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.snap import install_snap

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    """A Docker host of ours."""
    made = layers.host("docker")
    yield made
    made.remove()


CONFLICT = f"deb [signed-by=/usr/share/keyrings/docker.gpg] {URL} trixie stable"
BREAKS = {
    "signed-by-conflict": f"echo '{CONFLICT}' >{PARTS}/a.list",
    "no-pubkey": f"rm {KEY}",
    "daemon-down": "systemctl stop docker.socket docker.service",
    "dpkg-interrupted": "dpkg-query -s containerd.io >/var/lib/dpkg/updates/0001",
    "no-release": f"sed -i 's/trixie/noble/' {SOURCE}; apt-get -qq update || :",
}


@pytest.mark.sampled("entry", 3)
@pytest.mark.parametrize("entry", BREAKS)
def test_a_plan_mends_it(lab: Lab, host: Host, tmp_path: Path, entry: str) -> None:
    host.exec(BREAKS[entry])
    mended(lab, host, tmp_path / "plan.json", entry)
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")


def test_a_package_that_has_to_be_reinstalled(lab: Lab, host: Host, tmp_path: Path) -> None:
    """One that a run of ours brought: the repair takes it out, and an install brings it anew."""
    name = "docker-compose-plugin"
    edit = f"/^Package: {name}$/,/^$/ s/^Status: .*/Status: install reinstreq half-installed/"
    host.exec(["sed", "-i", edit, "/var/lib/dpkg/status"])
    run = mended(lab, host, tmp_path / "plan.json", "half-installed")
    assert run.plan.preliminary
    assert "dockwright install" in run.all(Note)[-1].text
    install(lab, at(host))
    clean(host)
    well(lab, host)


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
    run = mended(lab, host, tmp_path / "plan.json", "two-dockers")
    assert "beside docker-ce" in findings(run)[0].evidence
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
