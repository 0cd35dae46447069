"""What a daemon's settings can break, and what stands beside it: D04 to D17 of the list of faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.doctoring import files, restart
from tests.hosts.support import (
    DAEMON,
    KEY,
    SOURCE,
    Layers,
    Make,
    Run,
    at,
    containers,
    dockwright,
    install,
    leftovers,
    unseen,
    until,
    versions,
)
from tests.lab import deb
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

DROP_IN = "/etc/systemd/system/docker.service.d/sockets.conf"


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    """A Docker host for all the runs that change nothing."""
    made = layers.host("docker")
    yield made
    made.remove()


def want(lab: Lab, host: Host, keys: str, *args: str) -> Run:
    host.mark()
    return install(lab, at(host, "ops"), "--set", f"docker_daemon={keys}", *args)


def refused(run: Run, host: Host, code: int, *words: str) -> None:
    assert run.code == code, run
    for word in words:
        assert word in run.told, run.told
    assert run.failed.next_step
    assert [path for path in host.changed() if not path.startswith("/var/lib/dockwright")] == []
    assert leftovers(host) == []


def test_d04_hosts_in_the_file_and_in_the_unit(lab: Lab, host: Host) -> None:
    """By the unit's real command line: with a drop-in that takes the option off, it is none."""
    keys = "{hosts: [unix:///run/docker.sock]}"
    refused(want(lab, host, keys), host, 3, "-H fd://", "hosts", "systemctl edit docker")
    bare = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --debug\n"
    with files(host, {DROP_IN: bare}):
        host.exec("systemctl daemon-reload")
        run = dockwright(lab, "plan", "docker", at(host), "--set", f"docker_daemon={keys}")
        assert run.code == 0, run
        refused(want(lab, host, "{debug: true}"), host, 3, "--debug", "debug")
    host.exec("systemctl daemon-reload")


@pytest.mark.sampled("keys", 1)
@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ("{default-runtime: kata}", "kata"),
        ("{data-root: srv/docker}", "srv/docker"),
        ("{runtimes: {kata: {path: /opt/kata/bin/shim}}}", "/opt/kata/bin/shim"),
    ],
)
def test_d05_what_dockerd_would_only_say_later(lab: Lab, host: Host, keys: str, word: str) -> None:
    """It passes each of them when it validates."""
    refused(want(lab, host, keys), host, 3, word)


def test_d07_live_restore_in_a_swarm(lab: Lab, host: Host) -> None:
    host.exec("docker swarm init --advertise-addr 127.0.0.1")
    try:
        run = want(lab, host, "{live-restore: true}")
        refused(run, host, 3, "live-restore", "Swarm")
    finally:
        host.exec("docker swarm leave --force")


def neither(lab: Lab, prepared: Make) -> None:
    """Somebody else's edit would not have started either: 7, with the commands."""
    host = prepared("docker")
    theirs = '{"data-root": "/proc/nowhere"}\n'
    host.put(DAEMON, theirs)
    run = want(lab, host, "{log-driver: local}")
    assert run.code == 7, run
    assert host.exec(["cat", DAEMON]).stdout == theirs
    assert f"mend {DAEMON}, then: systemctl restart docker" in run.told, run.told
    host.exec(f"rm {DAEMON}")
    restart(host)


def stopped(lab: Lab, prepared: Make) -> None:
    """Its upgrade takes the daemon down, as older ones did: after the run it is up, with its containers."""
    stops = "#!/bin/sh\nsystemctl stop docker.service docker.socket\nsystemctl restart containerd\n"

    def newer(root: Path) -> None:
        control = root / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^Version: ", "Version: 9.", control.read_text()))
        (root / "DEBIAN/postinst").write_text(stops)

    source = lab.vendor.deb("debian", "trixie", "containerd.io")
    made = deb.repack(source, lab.dir / "containerd-stops.deb", newer)
    top = lab.vendor.copy("containerd-stops")
    lab.vendor.add(top, "debian", "trixie", [made])
    lab.vendor.serve(lab.vendor.sign(top))
    host = prepared("docker")
    host.exec("docker run -d --restart=always --stop-timeout=1 --name app ubuntu sleep 1000")
    run = install(lab, at(host, "ops"), "--upgrade", "--allow-restart")
    assert run.code == 20, run
    assert versions(host, "containerd.io")["containerd.io"].startswith("9.")
    assert host.exec("systemctl is-active docker").stdout == "active\n"
    until(lambda: list(containers(host)) == ["app"], "its container runs again")


@pytest.mark.sampled("what", 1)
@pytest.mark.parametrize("what", [pytest.param(neither, id="D08"), pytest.param(stopped, id="D09")])
def test_a_daemon_that_goes_down(
    lab: Lab, prepared: Make, what: Callable[[Lab, Make], None]
) -> None:
    what(lab, prepared)


LISTENS = """\
use IO::Socket::UNIX;
my $at = IO::Socket::UNIX->new(Local => "/run/user/4242/docker.sock", Listen => 1) or die;
sleep 1000;
"""


def test_d11_a_user_s_own_daemon(lab: Lab, host: Host) -> None:
    """It is seen, told, and stays. The daemon is a stand-in that only listens.

    Nobody has that number: a user's own folder goes when the last login of a user ends.
    """
    host.exec("mkdir -p /run/user/4242")
    host.put("/run/listens", LISTENS)
    host.exec("systemd-run -q --collect --unit=rootless perl /run/listens")
    there = "test -S /run/user/4242/docker.sock"
    until(lambda: host.exec(there, check=False).returncode == 0, "it listens")
    try:
        run = dockwright(lab, "plan", "docker", at(host))
    finally:
        host.exec("systemctl stop rootless; rm -f /run/user/4242/docker.sock")
    assert run.code == 0, run
    (note,) = run.plan.notes
    assert "/run/user/4242/docker.sock" in note


@pytest.mark.sampled("kind", 1)
@pytest.mark.parametrize("kind", ["fresh", "distribution"])
def test_d12_a_kubernetes_node(lab: Lab, prepared: Make, kind: str) -> None:
    """Its containerd stays, whoever agrees to whatever."""
    host = prepared(kind)
    host.put("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n")
    host.mark()
    run = install(lab, at(host, "ops"), "--allow-restart")
    refused(run, host, 9, "Kubernetes", "containerd")
    unseen(host)


def test_d13_a_port_without_tls(lab: Lab, host: Host) -> None:
    """Nobody is contacted; where it is meant, the plan says what it is."""
    keys = "{hosts: [tcp://0.0.0.0:2375]}"
    done = lab.dockwright("install", at(host), "--yes", "--set", f"docker_daemon={keys}")
    assert done.returncode == 2, done
    assert "No host was contacted" in done.stdout + done.stderr
    assert "docker_insecure_tcp=true" in done.stdout + done.stderr
    bare = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n"
    with files(host, {DROP_IN: bare}):
        host.exec("systemctl daemon-reload")
        run = dockwright(
            lab, "plan", "docker", at(host),
            "--set", f"docker_daemon={keys}", "--set", "docker_insecure_tcp=true",
        )  # fmt: skip
    host.exec("systemctl daemon-reload")
    assert run.code == 0, run
    assert any("without TLS" in note for note in run.plan.notes), run.plan.notes


def test_d15_modes_of_what_is_there_after_an_install(lab: Lab, host: Host) -> None:
    """CIS Docker Benchmark 3: nothing that only root may write is open to others. D14: no member of docker."""
    modes = host.exec(
        "stat -c '%a %U:%G %n' /etc/docker /etc/apt/keyrings"
        f" {KEY} {SOURCE} /run/docker.sock $(systemctl show -P FragmentPath docker.service)"
        " $(systemctl show -P FragmentPath docker.socket)",
        check=False,
    ).stdout.splitlines()
    seen = {line.split()[2]: line.split()[:2] for line in modes}
    for path, (mode, owner) in seen.items():
        if path == "/run/docker.sock":
            assert (mode, owner) == ("660", "root:docker")
        else:
            assert owner == "root:root", (path, owner)
            assert int(mode, 8) & 0o022 == 0, (path, mode)
    assert {KEY, SOURCE, "/run/docker.sock"} <= set(seen)
    assert [seen[path][0] for path in (KEY, SOURCE)] == ["644", "644"]
    assert host.exec("getent group docker").stdout.strip().endswith(":")
    run = want(lab, host, "{labels: [site=lab]}")
    assert run.code == 20, run
    assert host.exec(["stat", "-c", "%a %U:%G", DAEMON]).stdout == "644 root:root\n"
    assert host.exec("stat -c '%a %U:%G' /etc/docker").stdout == "755 root:root\n"
    host.exec(f"rm {DAEMON}; systemctl reload docker")


def test_d16_no_firewall_tools(lab: Lab, host: Host) -> None:
    """The daemon is down, and verify says for want of what: 8."""
    away = (
        'for tool in iptables nft; do path=$(command -v $tool) && mv "$path" "$path.away"; done; :'
    )
    back = 'for path in /usr/sbin/*.away; do mv "$path" "${path%.away}"; done'
    host.exec(away)
    try:
        host.exec("systemctl restart docker.service", check=False)
        run = dockwright(lab, "verify", at(host, "ops"), "--detailed-exitcode")
    finally:
        host.exec(back)
        restart(host)
    assert run.code == 8, run
    assert dict(run.failed.details)["cause"].startswith("daemon down: firewall tools")


def test_d16_ufw_and_d17_a_network_across_docker_s(lab: Lab, host: Host) -> None:
    """Both are told with the plan, and stand in no way."""
    network = "172.17.200.0/24"
    way = host.exec("ip -4 route show default").stdout.split()
    host.exec(["ip", "route", "add", network, *way[1:3]])
    try:
        with files(host, {"/etc/ufw/ufw.conf": "ENABLED=yes\n"}):
            run = install(lab, at(host))
    finally:
        host.exec(["ip", "route", "del", network])
    assert run.code == 0, run
    ufw, clash = run.plan.notes
    assert "ufw is on" in ufw
    assert f"overlaps {network}" in clash
    assert "host0" in clash
