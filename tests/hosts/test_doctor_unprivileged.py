"""doctor for who is not root: what can be seen is told, what not is named, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dockwright.events import Diagnosed, HostReached
from tests.hosts.doctoring import (
    COMMA,
    PARTS,
    URL,
    broken_daemon,
    diagnose,
    files,
    findings,
    first,
    says,
)
from tests.hosts.support import DAEMON, SOURCE, Layers, Run, until
from tests.hosts.test_locks import held
from tests.lab import local
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

PLAIN = "plain"  # knows no way to root; pat would have to give a password
OLD_LOGIN = [
    "setpriv",
    f"--reuid={PLAIN}",
    f"--regid={PLAIN}",
    "--clear-groups",
    "env",
    f"HOME=/home/{PLAIN}",
]


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    """A Docker host of ours; each test puts back what it breaks."""
    made = layers.host("docker")
    yield made
    made.remove()


def closed(run: Run) -> list[str]:
    """What was not looked at, as the verdict names it."""
    return [one.what for one in run.one(Diagnosed).unseen]


def test_a_host_that_is_well_but_for_what_was_not_seen(lab: Lab, host: Host) -> None:
    for user in (PLAIN, "pat"):
        run = diagnose(lab, host, user=user)
        assert (run.code, findings(run)) == (0, ()), run
        assert run.one(HostReached).how.endswith("without root")
        (what,) = closed(run)
        assert "group docker" in what
    # Who may ask the daemon has seen it all.
    host.exec(["usermod", "-aG", "docker", PLAIN])
    try:
        run = diagnose(lab, host, user=PLAIN)
    finally:
        host.exec(["gpasswd", "-d", PLAIN, "docker"])
    assert (run.code, findings(run), closed(run)) == (0, (), []), run
    # And so has root, by whatever way.
    assert closed(diagnose(lab, host, user="ops")) == []


def test_what_everybody_can_see_is_found(lab: Lab, host: Host) -> None:
    line = f"deb [signed-by=/usr/share/keyrings/docker.gpg] {URL} trixie stable\n"
    with files(host, {f"{PARTS}/z.list": line}):
        finding = first(lab, host, user=PLAIN)
        assert (finding.id, SOURCE in finding.evidence) == ("signed-by-conflict", True)
    with held(host, "/var/lib/dpkg/lock-frontend"):
        pid = host.exec("systemctl show -P MainPID holder").stdout.strip()
        run = diagnose(lab, host, user=PLAIN)
        # On plain disks it is a finding; an overlay may hide which file it is.
        told = [*closed(run), *(one.evidence for one in findings(run))]
        assert [what for what in told if f"pid {pid}" in what], run
    with broken_daemon(host, '{\n  "log-driver": "local",\n}\n'):
        finding = first(lab, host, user=PLAIN)
        assert finding.id == "daemon-json-invalid"
        assert (finding.severity.value, COMMA in finding.evidence) == ("error", True)
    host.exec("systemctl stop docker.socket docker.service")
    try:
        finding = first(lab, host, user=PLAIN)
    finally:
        host.exec("systemctl start docker.socket docker.service")
    assert finding.id == "daemon-down"
    assert "docker.service is inactive" in finding.evidence
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")


def test_what_is_closed_is_named_and_nothing_is_made_of_it(lab: Lab, host: Host) -> None:
    """One of the two sources that contradict each other, a broken daemon.json, the folder of the keys."""
    line = f"deb [signed-by=/usr/share/keyrings/docker.gpg] {URL} trixie stable\n"
    with files(host, {f"{PARTS}/z.list": line, DAEMON: "{,}\n"}):
        host.exec(["chmod", "0600", f"{PARTS}/z.list", DAEMON])
        run = diagnose(lab, host, user=PLAIN)
        assert (run.code, findings(run)) == (0, ()), run
        told = closed(run)
        assert {f"{PARTS}/z.list", DAEMON} <= set(told)
        ids = [one.id for one in findings(diagnose(lab, host))]
        assert ids == ["signed-by-conflict", "daemon-json-invalid"]
    host.exec("chmod 0700 /etc/apt/keyrings")
    try:
        finding = first(lab, host, user=PLAIN)
        assert (finding.id, finding.evidence) == (first(lab, host).id, first(lab, host).evidence)
        assert "cannot be read by apt's user" in finding.evidence
    finally:
        host.exec("chmod 0755 /etc/apt/keyrings")


def test_a_group_that_counts_from_the_next_login_on(lab: Lab, host_factory: HostFactory) -> None:
    """On the host itself, in a login that is older than its user's membership."""
    host = host_factory(python=True)
    host.exec("apt-get -qq update && apt-get -qq -y install docker.io docker-cli")
    host.exec(["usermod", "-aG", "docker", PLAIN])
    said = says(host, " ".join([*OLD_LOGIN, "docker", "ps"]))
    for more in ((), ("--error", said)):
        done = host.exec(
            [*OLD_LOGIN, *local.command("doctor", "--json", "local", *more)], check=False
        )
        run = Run(done.returncode, done.stdout, done.stderr)
        assert run.code == 8, run
        finding = findings(run)[0]
        assert finding.id == "socket-denied"
        assert "this login is older than that" in finding.evidence
        assert "newgrp docker" in finding.action[0]
    # A new login has it.
    done = host.exec(local.command("doctor", "--json"), user=PLAIN, check=False)
    run = Run(done.returncode, done.stdout, done.stderr)
    assert (run.code, findings(run), closed(run)) == (0, (), []), run
