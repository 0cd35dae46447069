"""The ladder: each rung breaks with its own cause, and a healthy daemon is called healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dockwright import events
from tests.hosts.support import Layers, Make, Run, at, dockwright, install, leftovers, until
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    made = layers.host("docker")
    yield made
    made.remove()


def verify(lab: Lab, host: Host, *args: str) -> Run:
    host.mark()
    run = dockwright(lab, "verify", at(host, "ops"), "--detailed-exitcode", *args)
    assert host.changed() == []
    assert leftovers(host) == []
    return run


def cause(run: Run) -> str:
    return dict(run.failed.details)["cause"]


def pulls(host: Host) -> bool:
    """Whether the registry can be reached again; dockerd remembers names for some seconds."""
    done = host.exec("docker pull -q hello-world && docker image rm hello-world", check=False)
    return done.returncode == 0


def test_well(lab: Lab, host: Host) -> None:
    run = verify(lab, host)
    assert run.code == 0, run
    (step,) = run.all(events.StepFinished)
    assert step.outcome == "verified"
    assert lab.hello_digest[:15] in step.text
    assert host.exec("docker image ls -q; docker ps -aq").stdout == ""


def test_an_image_that_was_there_stays(lab: Lab, host: Host) -> None:
    host.exec("docker pull -q hello-world")
    run = verify(lab, host)
    assert run.code == 0, run
    assert host.exec("docker image ls -q hello-world").stdout != ""
    host.exec("docker image rm hello-world")


def test_what_a_cut_check_left(lab: Lab, prepared: Make) -> None:
    """A container that was made and never started keeps the check's image: both go with the next run.

    So it lies there where the client is killed between the two. That of a look is somebody else's.
    """
    host = prepared("docker")
    made = "docker create --name {0} --label dockwright.check={0} hello-world && "
    host.exec(made.format("run") + made.format("look") + "docker pull -q ubuntu")
    host.exec(
        "docker create --name theirs ubuntu && printf 'hello-world\\n' >/var/lib/dockwright/pulled"
    )
    run = install(lab, at(host, "ops"), "--set", "docker_daemon={labels: [a=b]}")
    assert run.code == 20, run
    names = "docker ps -a --format '{{.Names}}'; docker image ls --format '{{.Repository}}'"
    there = host.exec(names).stdout.split()
    assert sorted(there) == ["hello-world", "look", "theirs", "ubuntu"]
    host.exec("docker rm look")
    assert install(lab, at(host, "ops"), "--set", "docker_daemon={debug: true}").code == 20
    assert host.exec(names).stdout.split() == ["theirs", "ubuntu"]
    assert host.exec("test -e /var/lib/dockwright/pulled", check=False).returncode == 1


def test_digest(lab: Lab, host: Host) -> None:
    good = verify(lab, host, "--set", f"hello_image=hello-world@{lab.hello_digest}")
    assert good.code == 0, good
    wrong = verify(lab, host, "--set", "hello_image=hello-world@sha256:" + "0" * 64)
    assert wrong.code == 8, wrong
    assert host.exec("docker image ls -q").stdout == ""


def test_registry_unreachable(lab: Lab, host: Host) -> None:
    """D18."""
    rule = "OUTPUT -p tcp --dport 443 -j REJECT --reject-with tcp-reset"
    host.exec(f"iptables -I {rule}")
    try:
        run = verify(lab, host)
    finally:
        host.exec(f"iptables -D {rule}")
    assert run.code == 8, run
    assert cause(run).startswith("registry unreachable")
    assert "daemon is healthy" in run.failed.brief


def test_daemon_down(lab: Lab, host: Host) -> None:
    """D18."""
    host.exec("systemctl stop docker.socket docker.service")
    try:
        run = verify(lab, host)
    finally:
        host.exec("systemctl start docker.socket docker.service")
    assert run.code == 8, run
    assert cause(run).startswith("daemon down")
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")


def test_cgroups_that_cannot_be_written(lab: Lab, host: Host) -> None:
    """E07, D18: as in a container without delegation, dockerd runs and runc cannot."""
    host.exec("mount --bind /sys/fs/cgroup /sys/fs/cgroup")
    host.exec("mount -o remount,bind,ro /sys/fs/cgroup")
    try:
        run = dockwright(lab, "verify", at(host, "root"), "--detailed-exitcode")
    finally:
        host.exec("umount /sys/fs/cgroup")
    assert run.code == 8, run
    assert cause(run).startswith(("cgroups read-only", "cgroups not made: they are read-only")), run
    assert "daemon and pull are healthy" in run.failed.brief


def test_not_installed(lab: Lab, prepared: Make) -> None:
    fresh = prepared("fresh")
    run = verify(lab, fresh)
    assert run.code == 8, run
    assert "docker-ce-cli is not installed" in cause(run)


def test_install_without_a_registry(lab: Lab, prepared: Make) -> None:
    """Docker is installed and well, but could not be verified: 8; with the registry back, 0."""
    host = prepared("fresh", "ubuntu-24.04")
    was = host.exec("cat /etc/hosts").stdout
    host.exec("cat > /etc/hosts", input=was.replace(" registry-1.docker.io", " elsewhere"))
    run = install(lab, at(host))
    assert run.code == 8, run
    assert cause(run).startswith("registry unreachable")
    assert run.failed.changed_host
    assert host.exec("docker version").returncode == 0
    host.exec("cat > /etc/hosts", input=was)
    until(lambda: pulls(host), "the registry is back")
    assert verify(lab, host).code == 0
    assert install(lab, at(host)).code == 0
