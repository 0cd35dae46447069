"""--fetch: key and index by this machine or through the host, judged here either way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwright.events import PhaseFinished
from tests.hosts.support import (
    Layers,
    Make,
    Run,
    arguments,
    at,
    clean,
    cut_off,
    cut_off_host,
    from_afar,
    install,
    journal,
    locally,
    sessions,
    talkative,
    unseen,
    until,
)
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("vendor_is_good"),
    pytest.mark.sampled("host", 1),
]

DRESSES = ("debian-12", "debian-13", "ubuntu-24.04")  # apt 2.6 and 3.0


@pytest.fixture(scope="module", params=DRESSES)
def host(layers: Layers, request: pytest.FixtureRequest) -> Iterator[Host]:
    made = layers.host("fresh", request.param)
    yield made
    made.remove()


def asked(lab: Lab, since: int) -> set[tuple[str, str]]:
    """Who asked for the vendor's key and index: address, and the head of the user agent."""
    lines = [line for line in lab.requests()[since:] if "/gpg " in line or "InRelease" in line]
    return {(line.split()[1], line.split('"')[3].split("/")[0]) for line in lines}


def plan(lab: Lab, host: Host, *args: str | Path, away: bool = False) -> Run:
    return from_afar(lab, cut_off(lab) if away else [], "plan", "docker", at(host, "ops"), *args)


def trust(run: Run) -> str:
    (phase,) = [event for event in run.all(PhaseFinished) if event.phase == "trust"]
    return phase.text


def test_by_the_controller(lab: Lab, host: Host) -> None:
    before = len(lab.requests())
    run = plan(lab, host, "--fetch", "controller")
    assert run.code == 0, run
    assert (run.plan.fetched, trust(run)) == (
        "controller",
        "key and index verified, fetched by this machine",
    )
    # The host's own judgement comes after, in the probe, with the key that was sent.
    keys = [line for line in lab.requests()[before:] if "/gpg " in line]
    assert [line.split('"')[3] for line in keys] == ["dockwright"]
    unseen(host)


def test_through_the_host(lab: Lab, host: Host) -> None:
    """Although this machine could: nothing of the vendor's is asked for from here."""
    before = len(lab.requests())
    run = plan(lab, host, "--fetch", "host")
    assert run.code == 0, run
    assert (run.plan.fetched, trust(run)) == (
        "host",
        "key and index verified, fetched through the host",
    )
    assert "fetched through the host" in run.plan.trust[0]
    assert {address for address, _ in asked(lab, before)} == {host.address}
    assert not {agent for _, agent in asked(lab, before) if agent == "dockwright"}
    unseen(host)


def test_auto_goes_through_the_host_where_this_machine_cannot(lab: Lab, host: Host) -> None:
    run = plan(lab, host, away=True)
    assert run.code == 0, run
    assert run.plan.fetched == "host"
    assert [line for line in run.plan.trust if "this machine does not reach" in line]
    unseen(host)
    refused = plan(lab, host, "--fetch", "controller", away=True)
    assert refused.code == 5, refused
    assert "download.docker.com" in refused.told
    unseen(host)


# State of the vendor's site, exit code, and a word that names the cause.
SERVED = [
    ("wrong-key", 4, "pinned"),
    ("wrong-signer", 4, "sign"),
    ("tampered", 4, "sign"),
    ("bad-index", 4, "Packages"),
    ("unsigned", 4, "not signed"),
    ("gone", 3, "404"),
]


@pytest.mark.parametrize(("state", "code", "word"), SERVED, ids=[state for state, *_ in SERVED])
def test_judged_here_all_the_same(lab: Lab, host: Host, state: str, code: int, word: str) -> None:
    lab.vendor.serve(state)
    run = install(lab, at(host, "ops"), "--fetch", "host")
    assert (run.code, run.failed.changed_host) == (code, False), run
    assert word in run.told, run.told
    assert run.failed.next_step
    unseen(host)
    assert journal(host) == []


def test_a_key_without_end(lab: Lab, host: Host) -> None:
    """10 GB: apt's method ends at the cap; nothing fills the host's memory or this one's."""
    top = lab.vendor.copy(f"huge-{host.name}")
    for file in top.glob("linux/*/gpg"):
        with file.open("r+b") as handle:
            handle.truncate(10 << 30)  # sparse
    lab.vendor.serve(top)
    run = install(lab, at(host, "ops"), "--fetch", "host")
    assert run.code == 4, run
    assert "larger than" in run.told
    unseen(host)


def test_a_release_that_the_vendor_does_not_build_for(lab: Lab, host: Host) -> None:
    was = host.exec("cat /usr/lib/os-release").stdout
    other = was
    for codename in ("bookworm", "trixie", "noble"):
        other = other.replace(codename, "zyzzyva")
    host.exec("cat > /usr/lib/os-release", input=other)
    host.mark()
    try:
        run = install(lab, at(host, "ops"), "--fetch", "host")
        assert run.code == 3, run
        assert "zyzzyva" in run.told
    finally:
        host.exec("cat > /usr/lib/os-release", input=was)
        host.mark()


def test_a_certificate_that_the_host_does_not_trust(lab: Lab, host: Host) -> None:
    """The host's CAs decide, and its certificate is told from its network."""
    host.exec("mv /etc/ssl/certs /etc/ssl/aside")
    host.mark()
    try:
        run = install(lab, at(host, "ops"), "--fetch", "host")
        assert run.code == 4, run
        assert "certificate is not trusted by the host" in run.told
        unseen(host)
    finally:
        host.exec("mv /etc/ssl/aside /etc/ssl/certs")
        host.mark()


def test_nobody_reaches_the_vendor(lab: Lab, host_factory: Make) -> None:
    """5 from either, and auto tells both."""
    host = host_factory(dress="ubuntu-24.04")
    cut_off_host(host)
    run = install(lab, at(host, "ops"), "--fetch", "host")
    assert run.code == 5, run
    assert "the host does not get it" in run.told
    both = from_afar(lab, cut_off(lab), "install", at(host, "ops"), "--yes")
    assert both.code == 5, both
    assert "through the host" in both.told
    unseen(host)


@pytest.mark.parametrize("fetch", ["host", "auto"])
def test_a_host_that_floods(lab: Lab, host_factory: Make, fetch: str) -> None:
    """Text without end where records should be: the host is given up, and soon."""
    host = host_factory()
    host.put("/usr/lib/apt/apt-helper", "#!/bin/sh\nexec yes dw1 >&3\n", 0o755)
    host.mark()
    run = from_afar(lab, cut_off(lab), "plan", "docker", at(host), "--fetch", fetch, timeout=60)
    assert run.code == 5, run
    assert "the host sends more" in run.told, run.told
    until(lambda: host.exec("pgrep -x yes", check=False).returncode == 1, "it has ended")


DRIP = (
    "import dockwright.trust.vendor as vendor; vendor.DEADLINE = 2.0;"
    " from dockwright.cli import main; main()"
)


@pytest.mark.parametrize("fetch", ["controller", "host"])
def test_t08_a_slow_drip(lab: Lab, host: Host, fetch: str) -> None:
    """20 bytes a second would take minutes: given up at the deadline, which is 2 s here."""
    url = f"http://download.docker.com:8080/linux/{host.dress.split('-')[0]}/gpg"
    args = ["install", at(host, "ops"), "--yes", "--fetch", fetch, "--set", f"docker_key_url={url}"]
    argv = [sys.executable, "-c", DRIP, *arguments(lab, *args)]
    done = lab.run(argv, env={"PYTHONPATH": str(ROOT / "installer")}, timeout=30)
    run = Run(done.returncode, done.stdout, done.stderr)
    assert run.code == 5, run
    assert "not done" in run.told, run.told
    assert ":8080" in run.told
    unseen(host)


def test_a_whole_install_with_a_sudo_password(lab: Lab, host_factory: Make, tmp_path: Path) -> None:
    """Far from the vendor, as a user whose sudo asks: facts, two fetches, probe, program: one root shell."""
    host = host_factory(dress="debian-12")
    talkative(host)
    host.mark()
    file = tmp_path / "password"
    file.write_text(f"{lab.password}\n")
    file.chmod(0o600)
    before = sessions(host)
    away = cut_off(lab)
    words: list[str | Path] = ["install", at(host, "pat"), "--yes", "--sudo-password-file", file]
    run = from_afar(lab, away, *words)
    assert run.code == 0, run
    assert sessions(host) - before == 1
    clean(host)
    before = len(lab.requests())
    again = from_afar(lab, away, *words)
    assert again.code == 0, again
    assert "phase_finished" not in [event.event for event in again.events]
    assert lab.requests()[before:] == []


def test_on_the_machine_itself(lab: Lab, layers: Layers) -> None:
    """``local``, as root: the host is the controller, and --fetch host is its apt."""
    host = lab.host("fetchlocal", "debian-13", python=True)
    try:
        run = locally(host, None, "plan", "docker", "local", "--fetch", "host", lab=lab)
        assert run.code == 0, run
        assert run.plan.fetched == "host"
    finally:
        host.remove()


def test_a_profile_is_no_host(lab: Lab) -> None:
    done = lab.dockwright("render", "docker", "--for", "debian:13:amd64", "--fetch", "host")
    assert done.returncode == 2
    assert "--fetch host" in done.stderr
