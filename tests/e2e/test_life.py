"""From bare to a Docker host, through a reboot and a power cut in the middle, and back to bare.

The tests of this file are the life of one machine, in order; when one fails, the next ones have no
ground to stand on and are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dockwright.events import Diagnosed, Note, Planned, ProgramStarted
from tests.e2e.machines import LabMachine, Machine, VagrantMachine, unpacking
from tests.hosts.support import PACKAGES
from tests.lab.box import box
from tests.lab.dress import DRESSES
from tests.lab.kernel import kernel
from tests.lab.lab import Lab
from tests.lab.parts import ensure
from tests.lab.vagrant import Vagrant, driver, install_tools, usable

DRESS = "ubuntu-24.04"
INSTALL = ("install", "--yes", "--detailed-exitcode")

_failed: set[str] = set()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("lab", marks=pytest.mark.lab),
        pytest.param("vagrant", marks=pytest.mark.vagrant),
    ],
)
def machine(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Machine]:
    """The machine whose life this is."""
    if request.param == "lab":
        host = lab.host("life", DRESS)
        yield LabMachine(host)
        host.remove()
        return
    if usable():
        pytest.skip(usable())
    install_tools()
    built = ensure(box(DRESSES[DRESS]))
    file = built[box(DRESSES[DRESS]).name] / "dockwright.box"
    vagrant = Vagrant(lab, file, driver(built[kernel().name] / "vmlinuz"))
    try:
        yield VagrantMachine(vagrant)
    finally:
        vagrant("destroy", "-f", check=False)
        vagrant.stop()


@pytest.fixture(autouse=True)
def in_order(request: pytest.FixtureRequest, machine: Machine) -> Iterator[None]:
    """Skip where an earlier part of this machine's life went wrong."""
    kind = type(machine).__name__
    if kind in _failed:
        pytest.skip("an earlier part of this machine's life went wrong")
    before = request.session.testsfailed
    yield
    if request.session.testsfailed > before:
        _failed.add(kind)


def installed(machine: Machine) -> set[str]:
    form = "${db:Status-Status} ${Package}\\n"
    out = machine.shell(f"dpkg-query -W -f '{form}'").stdout
    return {name for state, name in map(str.split, out.splitlines()) if state == "installed"}


def is_docker_host(machine: Machine) -> None:
    assert set(PACKAGES) <= installed(machine)
    assert machine.shell("dpkg --audit").stdout == ""
    assert machine.shell("apt-get -q check", check=False).returncode == 0
    said = machine.shell("docker run --rm hello-world; docker image rm hello-world >/dev/null")
    assert "Hello from Docker!" in said.stdout


def is_bare(machine: Machine) -> None:
    assert not set(PACKAGES) & installed(machine)
    assert (
        machine.shell(
            "ls /etc/apt/sources.list.d/docker* /etc/apt/keyrings/docker*", check=False
        ).stdout
        == ""
    )
    assert machine.shell("pgrep -x dockerd; pgrep -x containerd", check=False).stdout == ""


def test_it_is_installed_over_ssh(machine: Machine) -> None:
    run = machine.dockwright(*INSTALL)
    assert run.code == 20, run
    assert "hello-world ran" in run.step("verify with hello-world").text
    is_docker_host(machine)


def test_it_is_back_after_a_reboot(machine: Machine) -> None:
    machine.reboot()
    is_docker_host(machine)


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    run = machine.dockwright(*INSTALL)
    assert run.code == 0, run
    assert run.all(ProgramStarted) == []


def test_where_there_is_no_gpu_docker_alone_is_enough(machine: Machine) -> None:
    run = machine.dockwright(
        "install", "--gpu", "--yes", "--set", "gpu=auto", "--detailed-exitcode"
    )
    assert run.code == 0, run
    told = " ".join([*(note.text for note in run.all(Note)), str(run.one(Planned).plan)])
    assert "no NVIDIA GPU" in told
    assert not {name for name in installed(machine) if "nvidia" in name}


def test_uninstall_leaves_the_data(machine: Machine) -> None:
    machine.shell("docker volume create kept")
    run = machine.dockwright("uninstall", "--yes")
    assert run.code == 0, run
    is_bare(machine)
    machine.shell("test -d /var/lib/docker/volumes/kept")


def test_a_reboot_in_the_middle_of_an_install(machine: Machine) -> None:
    with machine.under_way(*INSTALL) as process:
        unpacking(process)
        machine.reboot(force=True)
        process.communicate(timeout=120 * machine.patience)
    assert process.returncode not in (0, 1, 20)
    again = machine.dockwright(*INSTALL)
    assert again.code == 20, again
    is_docker_host(machine)
    assert machine.shell("docker volume ls -q").stdout.split() == ["kept"]


def test_purge_takes_the_data(machine: Machine) -> None:
    name = machine.shell("hostname").stdout.strip()
    run = machine.dockwright("purge", "--all", "--yes", "--confirm", name)
    assert run.code == 0, run
    is_bare(machine)
    assert machine.shell("ls -d /var/lib/docker/* /var/lib/containerd/*", check=False).stdout == ""


def test_a_power_cut_in_the_middle_of_unpack(machine: Machine) -> None:
    with machine.under_way(*INSTALL) as process:
        unpacking(process)
        machine.cut_power()
        process.communicate(timeout=120 * machine.patience)
    assert process.returncode not in (0, 1, 20)
    again = machine.dockwright(*INSTALL)
    assert again.code == 20, again
    is_docker_host(machine)


def test_doctor_finds_nothing_broken_afterwards(machine: Machine) -> None:
    found = machine.dockwright("doctor").one(Diagnosed).findings
    # A kernel of its own has AppArmor on, and the box none of its programs.
    assert [one.id for one in found if one.id != "apparmor-parser"] == []
    assert machine.dockwright("verify").code == 0
