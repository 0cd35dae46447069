"""GPU hosts that were set up by NVIDIA's earlier recipes end as a fresh install would.

The old packages are stand-ins with the real conffile, relations and maintainer scripts
(``tests/lab/past.py``); dpkg, apt, dockerd and its volume plugins are real.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockwright import events
from tests.hosts.support import DAEMON, at, containers, leftovers, printed, unseen, until, versions
from tests.hosts.test_gpu import LISTED, ROUTES, TOOLKIT, by, install, run
from tests.lab import past
from tests.lab.host import Host, Layer
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

SOURCES = "/etc/apt/sources.list.d"
OLD_LIST = f"{SOURCES}/nvidia-docker.list"
APT_KEYS = "/etc/apt/trusted.gpg"
THEIRS = """\
{
    "log-opts": {"max-size": "10m"},
    "runtimes": {
        "nvidia": {
            "path": "nvidia-container-runtime",
            "runtimeArgs": []
        }
    },
    "labels": ["site=lab"]
}
"""


@pytest.fixture(scope="module")
def layer(lab: Lab) -> Layer:
    """A host with GPUs and Docker alone, as it was before any recipe for GPUs."""
    host = lab.host("pastlayer", "ubuntu-24.04", gpu=True, python=True)
    cdi = ("--set", "docker_daemon={features: {cdi: true}}")
    done = run(lab, "apply gpu", host, "--yes", "--set", "gpu=none", *cdi)
    assert done.code == 20, done
    host.exec(f"rm {DAEMON}")  # CDI would be off again, but for the Engine of the lab
    return host.freeze()


@pytest.fixture
def used(lab: Lab, layer: Layer) -> Iterator[Callable[[], Host]]:
    """Boots hosts on which somebody is about to follow a recipe."""
    made: list[Host] = []

    def make() -> Host:
        host = lab.host(f"past{len(made)}", base=layer)
        made.append(host)
        until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")
        return host

    yield make
    for host in made:
        host.remove()


def dpkg(host: Host, *debs: Path) -> None:
    """Install archives as somebody did in their days."""
    for deb in debs:
        host.exec(f"cat >/tmp/{deb.name}.b64", input=base64.b64encode(deb.read_bytes()).decode())
        host.exec(f"base64 -d /tmp/{deb.name}.b64 >/tmp/{deb.name} && rm /tmp/{deb.name}.b64")
    host.exec(f"dpkg -i {' '.join(f'/tmp/{deb.name}' for deb in debs)} && rm /tmp/*.deb")


def apt_key_add(lab: Lab, host: Host) -> None:
    """What ``apt-key add`` left: the binary key in the file that is trusted for every source."""
    armoured = (lab.parts["nvidia"] / "key.asc").read_bytes()
    binary = subprocess.run(["gpg", "--dearmor"], input=armoured, capture_output=True, check=True)
    text = base64.b64encode(binary.stdout).decode()
    host.exec(f"base64 -d >{APT_KEYS}", input=text)


def as_fresh(host: Host) -> None:
    """All of NVIDIA's on the host is what a fresh install has, and works."""
    form = "${Package} ${db:Status-Status}\\n"
    names = host.exec(["dpkg-query", "-W", "-f", form, "*nvidia*"]).stdout.splitlines()
    installed = {line.split()[0] for line in names if line.endswith(" installed")}
    assert installed == set(TOOLKIT)
    assert versions(host, *TOOLKIT) == dict.fromkeys(TOOLKIT, "1.20.1-1")
    there = host.exec(f"ls {SOURCES} | grep -i nvidia").stdout.split()
    assert there == ["nvidia-container-toolkit.sources"]
    updated = host.exec("apt-get -q -o APT::Update::Error-Mode=any update", check=False)
    assert updated.returncode == 0, updated.stdout + updated.stderr
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    host.exec("docker image rm -f ubuntu hello-world", check=False)
    assert leftovers(host) == []


def again(lab: Lab, host: Host) -> None:
    """A second run changes nothing."""
    host.mark()
    done = install(lab, host)
    assert done.code == 0, str(done)
    assert host.changed() == []


def test_g07_nvidia_docker2_whose_conffile_is_daemon_json(
    lab: Lab, used: Callable[[], Host], tmp_path: Path
) -> None:
    """Row 11 and 12 of the old recipe: the frozen list, apt-key's key, nvidia-docker2 2.13."""
    host = used()
    dpkg(host, *past.toolkit(tmp_path), past.nvidia_docker2(tmp_path), past.runtime(tmp_path))
    assert "daemon.json" in host.exec("dpkg-query -W -f='${Conffiles}' nvidia-docker2").stdout
    host.put(DAEMON, THEIRS)
    host.put(OLD_LIST, past.LIST)
    host.put(f"{SOURCES}/libnvidia-container.list", past.LIST.splitlines()[1][1:] + "\n")
    apt_key_add(lab, host)
    key = host.exec(f"sha256sum {APT_KEYS}").stdout
    host.exec("systemctl restart docker")
    before = versions(host, *TOOLKIT, "nvidia-docker2", "nvidia-container-runtime")
    assert before["nvidia-docker2"] == "2.13.0-1"
    host.mark()
    shown = run(lab, "plan gpu", host)
    assert shown.code == 20, shown
    assert any("would delete the file" in note for note in shown.plan.notes)
    assert any("the command nvidia-docker goes" in note for note in shown.plan.notes)
    unseen(host)

    done = install(lab, host)
    assert done.code == 20, done
    as_fresh(host)
    daemon = json.loads(host.exec(["cat", DAEMON]).stdout)
    assert daemon == json.loads(THEIRS) | {"features": {"cdi": True}}
    assert list(daemon) == ["log-opts", "runtimes", "labels", "features"]
    # Removed and not purged: a purge would have taken daemon.json with it.
    status = host.exec("dpkg-query -W -f='${db:Status-Status}' nvidia-docker2").stdout
    assert status == "config-files"
    assert host.exec(f"test -e {APT_KEYS} || test -e {OLD_LIST}", check=False).returncode == 1
    again(lab, host)

    back = lab.dockwright("undo", at(host), "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert versions(host, *before) == before
    assert host.exec(["cat", DAEMON]).stdout == THEIRS
    assert host.exec(["cat", OLD_LIST]).stdout == past.LIST
    assert host.exec(f"sha256sum {APT_KEYS}").stdout == key
    assert "a wrapper" in host.exec("nvidia-docker --version").stderr
    assert host.exec("dpkg --audit").stdout == ""


def test_g08_nvidia_docker2_by_its_name(lab: Lab, used: Callable[[], Host], tmp_path: Path) -> None:
    """The playbook of that name makes of 2.13 the empty 2.14, and keeps the command alive."""
    host = used()
    dpkg(host, *past.toolkit(tmp_path), past.nvidia_docker2(tmp_path))
    host.put(DAEMON, THEIRS)
    wanted = ("--yes", "--set", "nvidia_docker_shim=true")
    done = run(lab, "apply nvidia-docker2", host, *wanted)
    assert done.code == 20, done
    there = versions(host, *TOOLKIT, "nvidia-docker2")
    assert there == dict.fromkeys(TOOLKIT, "1.20.1-1") | {"nvidia-docker2": "2.14.0-1"}
    daemon = json.loads(host.exec(["cat", DAEMON]).stdout)
    assert daemon == json.loads(THEIRS) | {"features": {"cdi": True}}
    host.exec("docker pull -q ubuntu")
    asked = "nvidia-docker run --rm --network none ubuntu nvidia-smi -L"
    assert printed(host, asked).splitlines() == LISTED
    assert printed(host, f"NV_GPU=1 {asked}").splitlines()[-1] == LISTED[1]
    host.mark()
    second = run(lab, "apply nvidia-docker2", host, *wanted)
    assert second.code == 0, str(second)
    assert host.changed() == []

    back = lab.dockwright("undo", at(host), "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert versions(host, "nvidia-docker2") == {"nvidia-docker2": "2.13.0-1"}
    assert host.exec(["cat", DAEMON]).stdout == THEIRS
    assert host.exec("command -v nvidia-docker").stdout == "/usr/bin/nvidia-docker\n"


def test_pages_that_were_saved_as_lists(lab: Lab, used: Callable[[], Host]) -> None:
    """nvidia-container-toolkit#565: apt is dead for the whole host, and a toolkit never came."""
    host = used()
    host.put(f"{SOURCES}/nvidia-container-toolkit.list", past.PAGE)
    host.put(OLD_LIST, past.UNSUPPORTED)
    dead = host.exec("apt-get -q update", check=False)
    assert dead.returncode == 100
    assert "'<!doctype' is not known" in dead.stderr
    done = install(lab, host)
    assert done.code == 20, done
    as_fresh(host)
    again(lab, host)
    back = lab.dockwright("undo", at(host), "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert host.exec(f"cat {SOURCES}/nvidia-container-toolkit.list").stdout == past.PAGE
    assert host.exec(["cat", OLD_LIST]).stdout == past.UNSUPPORTED


def test_g06_nvidia_docker_1_with_its_containers(
    lab: Lab, used: Callable[[], Host], tmp_path: Path
) -> None:
    """Row 10 of the old recipe: listed first, confirmed, removed; other containers go on."""
    host = used()
    dpkg(host, past.nvidia_docker1(tmp_path))
    host.exec("docker pull -q ubuntu")
    volume = "--volume-driver=nvidia-docker -v nvidia_driver_375.66:/usr/local/nvidia:ro"
    host.exec(f"docker create --name trained {volume} ubuntu true")
    host.exec(f"docker run -d --stop-timeout=1 --name serving {volume} ubuntu sleep 1000")
    host.exec("docker volume create -d nvidia-docker nvidia_driver_367.57")
    host.exec("docker create -v precious:/data --name shop ubuntu true")
    everything = set(host.exec("docker ps -a --format '{{.Names}}'").stdout.split())
    assert everything == {"trained", "serving", "shop"}
    host.mark()
    refused = install(lab, host, "--allow-restart")
    assert refused.code == 9, refused
    for word in ("trained (created)", "serving (running)", "nvidia_driver_375.66",
                 "nvidia_driver_367.57", "--remove-nvidia-docker"):  # fmt: skip
        assert word in refused.told, refused.told
    assert "shop" not in refused.told
    unseen(host)
    stops = install(lab, host, "--remove-nvidia-docker")
    assert stops.code == 9, stops
    assert "serving" in stops.told
    assert set(containers(host)) == {"serving"}
    unseen(host)

    done = install(lab, host, "--remove-nvidia-docker", "--allow-restart")
    assert done.code == 20, done
    assert host.exec("docker ps -a --format '{{.Names}}'").stdout.split() == ["shop"]
    assert host.exec("docker volume ls -q").stdout.split() == ["precious"]
    assert host.exec("test -e /usr/bin/nvidia-docker-plugin", check=False).returncode == 1
    removed = [
        e for e in done.all(events.StepFinished) if e.title == "remove what nvidia-docker left"
    ]
    assert removed
    host.exec("docker rm shop")
    as_fresh(host)
    again(lab, host)
