"""The one file for GPU hosts: by sh alone what the controller does, with and without python3 there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.support import DAEMON, containers, leftovers, unseen, until, untouched, versions
from tests.hosts.test_gpu import LISTED, ROUTES, SPEC, TOOLKIT, by, started, unload
from tests.hosts.test_gpu import run as controller
from tests.hosts.test_gpu_past import OLD_LIST, SOURCES, THEIRS, dpkg
from tests.hosts.test_onefile import Done, ends
from tests.lab import past
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host, Layer
from tests.lab.lab import Lab
from tests.lab.machine import arch
from tests.lab.nvidia import DRIVER, triplet

pytestmark = pytest.mark.lab

Used = Callable[..., Host]


@dataclass(frozen=True)
class Given:
    """What a case is made from: bare hosts, hosts that somebody uses, the file, a folder."""

    lab: Lab
    bare: HostFactory
    used: Used
    text: str
    work: Path


Case = Callable[[Given], None]
FILE = "/opt/dockwright-gpu.sh"
PROFILES = ("ubuntu:24.04:amd64", "debian:13:amd64")


def rendered(lab: Lab, *args: str) -> str:
    wanted = [word for name in PROFILES for word in ("--for", name.replace("amd64", arch()))]
    pins = [f"docker_fingerprint={lab.fingerprint}", f"nvidia_fingerprint={lab.nvidia_fingerprint}"]
    sets = [word for pin in pins for word in ("--set", pin)]
    done = lab.dockwright("render", "gpu", *wanted, *sets, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def text(lab: Lab) -> str:
    lab.vendor.serve("good")
    return rendered(lab)


def hand(host: Host, text: str) -> Host:
    host.put(FILE, text)
    host.mark()
    return host


def run(host: Host, *words: str) -> Done:
    return host.exec(["sh", FILE, *words], check=False, timeout=300)


def refused(host: Host, code: int, *said: str, words: tuple[str, ...] = ("plan", "apply")) -> None:
    for word in words:
        ends(run(host, word), code, *said)
        untouched(host)
    host.exec("rm -rf /var/lib/dockwright")


def every_route(host: Host) -> None:
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    host.exec("docker image rm -f ubuntu hello-world", check=False)


@pytest.mark.sampled("dress", 1)
@pytest.mark.parametrize("dress", ["ubuntu-24.04", "debian-13"])
def test_from_bare_to_every_route_and_back(
    lab: Lab, host_factory: HostFactory, text: str, dress: str
) -> None:
    """T05, the key whose subkey ran out: apt on the host takes what the primary key signed.

    The controller finds nothing to do after it.
    """
    host = hand(host_factory(dress=dress, gpu=True), text)
    assert host.exec("command -v python3", check=False).returncode != 0
    ends(
        run(host, "plan"), 0, f"2 of NVIDIA's, driver {DRIVER}",
        "+ package  nvidia-container-toolkit 1.20.1-1", "~ change   let docker run --gpus find them",
    )  # fmt: skip
    unseen(host)
    ends(run(host, "apply"), 0, "2 GPUs by --device, --gpus and --runtime=nvidia", "exit 0")
    assert versions(host, *TOOLKIT) == dict.fromkeys(TOOLKIT, "1.20.1-1")
    daemon = json.loads(host.exec(["cat", DAEMON]).stdout)
    assert daemon["runtimes"] == {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}
    every_route(host)
    assert host.exec("apt-get -q -o APT::Update::Error-Mode=any update").returncode == 0
    assert leftovers(host) == []

    since = started(host)
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)
    assert started(host) == since
    ends(run(host, "status"), 0, "package    nvidia-container-toolkit 1.20.1-1")
    done = controller(lab, "install --gpu", host, "--yes")
    assert done.code == 0, done
    assert host.changed() == []

    ends(run(host, "undo"), 0, "is undone")
    assert versions(host, *TOOLKIT, "docker-ce") == {}
    for path in (DAEMON, SPEC, f"{SOURCES}/nvidia-container-toolkit.sources"):
        assert host.exec(["test", "-e", path], check=False).returncode == 1, path


def without_gpus(given: Given) -> None:
    """Refused; a file of auto makes Docker alone of it, and says so."""
    host = hand(given.bare(dress="ubuntu-24.04"), given.text)
    refused(host, 3, "has no NVIDIA GPU")
    hand(host, rendered(given.lab, "--set", "gpu=auto"))
    ends(run(host, "apply"), 0, "no NVIDIA GPU on the PCI bus: Docker alone", "hello-world ran")
    assert versions(host, *TOOLKIT) == {}
    assert host.exec(f"test -e {DAEMON} || ls {SOURCES} | grep nvidia", check=False).returncode == 1
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)


def without_a_driver(given: Given) -> None:
    host = hand(given.bare(dress="ubuntu-24.04", gpu=True), given.text)
    unload(host)
    host.mark()
    refused(host, 3, f"driver {DRIVER} is installed, but not loaded", "modprobe nvidia")
    host.exec("for d in /sys/bus/pci/devices/*; do ln -sfn ../nouveau $d/driver; done")
    refused(host, 3, "nouveau drives the GPU", "blacklist")
    host.exec(
        "for d in /sys/bus/pci/devices/*; do rm $d/driver; done;"
        f" rm /usr/bin/nvidia-smi /usr/lib/{triplet()}/libnvidia-ml*"
    )
    host.mark()
    refused(host, 3, "no driver for it", "ubuntu-drivers install --gpgpu")
    host.exec("mknod /dev/dxg c 10 125")
    refused(host, 3, "WSL")


# --- hosts that somebody uses ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def layers(lab: Lab) -> Callable[..., Layer]:
    """Hosts with GPUs and Docker alone, with python3 and without."""
    made: dict[bool, Layer] = {}

    def layer(*, python: bool) -> Layer:
        if python not in made:
            host = lab.host(f"onegpu{python}", "ubuntu-24.04", gpu=True, python=python)
            done = controller(lab, "apply gpu", host, "--yes", "--set", "gpu=none")
            assert done.code == 20, done
            host.exec("rm -rf /var/lib/dockwright")
            made[python] = host.freeze()
        return made[python]

    return layer


@pytest.fixture
def used(lab: Lab, layers: Callable[..., Layer]) -> Iterator[Used]:
    made: list[Host] = []

    def make(*, python: bool) -> Host:
        host = lab.host(f"oneused{len(made)}", base=layers(python=python))
        made.append(host)
        until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")
        return host

    yield make
    for host in made:
        host.remove()


def old_recipe(host: Host, work: Path) -> None:
    """nvidia-docker2 2.13 with its daemon.json, the frozen list, and a page saved as one."""
    dpkg(host, *past.toolkit(work), past.nvidia_docker2(work), past.runtime(work))
    host.put(DAEMON, THEIRS)
    host.put(OLD_LIST, past.LIST)
    host.put(f"{SOURCES}/nvidia-container-toolkit.list", past.PAGE)
    host.exec("systemctl restart docker")


def old_recipe_with_python(given: Given) -> None:
    """As the controller: the old packages go and are kept for undo, the administrator's keys stay."""
    host = given.used(python=True)
    old_recipe(host, given.work)
    before = versions(host, *TOOLKIT, "nvidia-docker2", "nvidia-container-runtime")
    hand(host, given.text)
    ends(run(host, "plan"), 0, "- package  nvidia-docker2", OLD_LIST)
    unseen(host)
    ends(run(host, "apply"), 0, "2 GPUs by")
    daemon = json.loads(host.exec(["cat", DAEMON]).stdout)
    assert daemon == json.loads(THEIRS) | {"features": {"cdi": True}}
    status = host.exec("dpkg-query -W -f='${db:Status-Status}' nvidia-docker2").stdout
    assert status == "config-files"
    assert versions(host, *before) == dict.fromkeys(TOOLKIT, "1.20.1-1")
    assert host.exec(f"ls {SOURCES} | grep -i nvidia").stdout.split() == [
        "nvidia-container-toolkit.sources"
    ]
    every_route(host)
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)
    ends(run(host, "undo"), 0, "is undone")
    assert versions(host, *before) == before
    assert host.exec(["cat", DAEMON]).stdout == THEIRS
    assert host.exec(["cat", OLD_LIST]).stdout == past.LIST


def file_that_cannot_be_merged(given: Given) -> None:
    """Without python3 any file of others; with it, one whose runtimes are no object."""
    for python, there, why in (
        (False, THEIRS, "no python3 to merge it with"),
        (True, '{"runtimes": []}\n', "runtimes is [] already"),
    ):
        host = given.used(python=python)
        host.put(DAEMON, there)
        hand(host, given.text)
        refused(host, 3, DAEMON, why)
        assert host.exec(["cat", DAEMON]).stdout == there


def containers_that_run(given: Given) -> None:
    """The toolkit comes to a host whose containers run: agreed to, or without --gpus."""
    host = given.used(python=False)
    host.exec(
        "docker pull -q ubuntu && docker run -d --stop-timeout=1 --restart=always --name app"
        " ubuntu sleep 1000"
    )
    app, since = containers(host), started(host)
    hand(host, given.text)
    refused(host, 9, "app", "--allow-restart", words=("apply",))
    assert (containers(host), started(host)) == (app, since)
    ends(run(host, "apply", "--allow-restart"), 0, "2 GPUs by")
    assert list(containers(host)) == ["app"]
    every_route(host)


def nvidia_docker_1(given: Given) -> None:
    host = given.used(python=True)  # its plugin wants it
    dpkg(host, past.nvidia_docker1(given.work))
    host.exec("docker pull -q ubuntu")
    volume = "--volume-driver=nvidia-docker -v nvidia_driver_375.66:/usr/local/nvidia:ro"
    host.exec(f"docker create --name trained {volume} ubuntu true")
    hand(host, given.text)
    refused(host, 9, "trained", "docker rm -f trained && docker volume rm nvidia_driver_375.66")


CASES = (
    without_gpus, without_a_driver, old_recipe_with_python, file_that_cannot_be_merged,
    containers_that_run, nvidia_docker_1,
)  # fmt: skip


@pytest.mark.sampled("case", 1)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_hosts_of_all_makings(
    lab: Lab, host_factory: HostFactory, used: Used, text: str, tmp_path: Path, case: Case
) -> None:
    """G01 to G04, G06, G07, G12 and G14 by the file: the controller's ends, but that no volume goes."""
    case(Given(lab, host_factory, used, text, tmp_path))
