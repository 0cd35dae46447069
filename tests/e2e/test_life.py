"""From bare to a Docker host, through a reboot and a power cut in the middle, and back to bare.

The tests of this file are the life of one machine, in order; when one fails, the next ones have no
ground to stand on and are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dockwright.events import Diagnosed
from tests.e2e.machines import LabMachine, VagrantMachine
from tests.field import scenarios
from tests.field.machine import Machine
from tests.hosts.support import PACKAGES
from tests.lab.box import box
from tests.lab.dress import DRESSES
from tests.lab.kernel import kernel
from tests.lab.lab import Lab
from tests.lab.parts import ensure
from tests.lab.vagrant import Vagrant, driver, install_tools, usable

DRESS = "ubuntu-24.04"

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
        # The machine ends with the lab: vagrant destroy takes half a minute for it.
        yield VagrantMachine(vagrant)
    finally:
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


def test_it_is_installed_over_ssh(machine: Machine) -> None:
    assert scenarios.install(machine).endswith("installed, and a container ran")
    assert set(PACKAGES) <= scenarios.installed(machine)


def test_it_is_back_after_a_reboot(machine: Machine) -> None:
    scenarios.reboot(machine)


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    scenarios.again(machine)


def test_where_there_is_no_gpu_docker_alone_is_enough(machine: Machine) -> None:
    assert scenarios.gpu(machine) == "no NVIDIA GPU: Docker alone"
    assert [ran.code for ran in machine.ran if "--gpu" in ran.command] == [0]


def test_uninstall_leaves_the_data(machine: Machine) -> None:
    machine.shell("docker volume create kept")
    scenarios.uninstall(machine)
    machine.shell("test -d /var/lib/docker/volumes/kept")


def test_a_reboot_in_the_middle_of_an_install(machine: Machine) -> None:
    # From here on what an engine needs is enough: an emulated machine unpacks slowly.
    machine.sets.append(f"docker_packages={json.dumps(sorted(scenarios.CORE))}")
    scenarios.cut(machine)
    assert machine.shell("docker volume ls -q").stdout.split() == ["kept"]


def test_purge_takes_the_data(machine: Machine) -> None:
    scenarios.purge(machine, machine.shell("hostname").stdout.strip())


def test_a_power_cut_in_the_middle_of_unpack(machine: Machine) -> None:
    scenarios.cut(machine, machine.cut_power)


def test_doctor_finds_nothing_broken_afterwards(machine: Machine) -> None:
    found = machine.dockwright("doctor").one(Diagnosed).findings
    # A kernel of its own has AppArmor on, and the box none of its programs.
    assert [one.id for one in found if one.id != "apparmor-parser"] == []
    scenarios.verify(machine)
