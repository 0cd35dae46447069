"""What is not trusted, not there or not possible is refused before anything changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.support import Layers, Run, at, containers, install, journal, unseen
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

# State of the vendor's site, exit code, and a word that names the cause.
SERVED = [
    ("wrong-key", 4, "pinned"),
    ("wrong-key-file", 4, "pinned"),
    ("wrong-signer", 4, "sign"),
    ("unsigned", 4, "sign"),
    ("tampered", 4, "sign"),
    ("expired", 4, "2025"),
    ("bad-index", 4, "Packages"),
    ("empty", 3, "docker-ce"),
    ("gone", 3, "404"),
]
WISHES = [
    (["--set", "docker_fingerprint=" + "0123456789" * 4], 4, "pinned"),
    (["--docker-version", "29.99"], 3, "29.7.2"),
    (["--docker-version", "27"], 3, "29.7.2"),
    (["--set", "docker_packages=[docker-ce, docker-nope]"], 3, "docker-nope"),
]


@pytest.fixture(scope="module", params=["fresh", "in-use"])
def host(layers: Layers, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A fresh host, and one where an old docker.io runs a container."""
    fresh = request.param == "fresh"
    made = layers.host("fresh", "ubuntu-24.04") if fresh else layers.host("distribution")
    yield made
    made.remove()


@pytest.fixture
def running(host: Host) -> Iterator[None]:
    """The containers of a host are the same before and after."""
    used = not host.name.startswith("fresh")
    before = containers(host) if used else {}
    yield
    assert (containers(host) if used else {}) == before
    assert list(before) == (["app"] if used else [])


def refused(run: Run, host: Host, code: int, word: str) -> None:
    assert run.code == code, run
    failed = run.failed
    assert failed.exit == code
    assert not failed.changed_host
    assert word in run.told, run.told
    assert failed.next_step
    kinds = [event.event for event in run.events]
    assert not {"program_started", "commit_point"} & set(kinds)
    unseen(host)
    assert journal(host) == []


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(("state", "code", "word"), SERVED, ids=str)
def test_served(lab: Lab, host: Host, state: str, code: int, word: str) -> None:
    lab.vendor.serve(state)
    before = len(lab.requests())
    refused(install(lab, at(host, "ops"), "--allow-restart"), host, code, word)
    assert [line for line in lab.requests()[before:] if ".deb" in line] == []


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(("wish", "code", "word"), WISHES, ids=["pin", "version", "major", "name"])
def test_wished(lab: Lab, host: Host, wish: list[str], code: int, word: str) -> None:
    """B14."""
    refused(install(lab, at(host, "ops"), "--allow-restart", *wish), host, code, word)


@pytest.mark.usefixtures("running")
def test_unknown_codename(lab: Lab, host: Host) -> None:
    """A release that the vendor has no suite for: 3, and the suites that there are."""
    was = host.exec("cat /usr/lib/os-release").stdout
    other = was.replace("trixie", "zyzzyva").replace("noble", "zyzzyva")
    host.exec("cat > /usr/lib/os-release", input=other)
    host.mark()
    try:
        refused(install(lab, at(host, "ops"), "--allow-restart"), host, 3, "zyzzyva")
    finally:
        host.exec("cat > /usr/lib/os-release", input=was)
        host.mark()


@pytest.mark.usefixtures("running")
def test_packages_are_gone(lab: Lab, host: Host) -> None:
    """The index is good, its packages are 404: seen before the commit point."""
    top = lab.vendor.copy(host.name)
    for pool in top.glob("linux/*/dists/*/pool"):
        pool.unlink()
    lab.vendor.serve(top)
    run = install(lab, at(host, "ops"), "--allow-restart")
    assert run.code in (3, 5), run
    assert "commit_point" not in [event.event for event in run.events]
    assert not run.failed.changed_host
    outside = [path for path in host.changed() if not path.startswith("/var/lib/dockwright")]
    assert outside == []
    host.exec("rm -rf /var/lib/dockwright")
    host.exec("journalctl -q --rotate --vacuum-time=1s")
