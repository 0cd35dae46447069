"""Ubuntu 22.04 and 26.04 from the first install to the purge, and hosts that are no release we know.

26.04 has sudo-rs as its sudo and uutils as its coreutils (tests/lab/dress.py). A host that is no
release of the table is a lab host with another os-release: that is all an installer can see of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockwright import distros
from dockwright.events import HostReached, ProgramStarted
from dockwright.plan import Verb
from tests.hosts.doctoring import first, well
from tests.hosts.support import (
    KEY,
    PACKAGES,
    SOURCE,
    Layers,
    Run,
    at,
    clean,
    dockwright,
    install,
    locally,
    receipt,
    unseen,
    untouched,
    versions,
)
from tests.hosts.test_onefile import ends, hand, rendered, silent, state
from tests.hosts.test_onefile import run as by_hand
from tests.hosts.test_purge import inside, purge
from tests.hosts.test_uninstall import bare, uninstall
from tests.lab.dress import DRESSES
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

LATE = ("ubuntu-22.04", "ubuntu-26.04")
WAYS = [f"{dress} {user}" for dress in LATE for user in ("root", "ops", "pat")]
RELEASE = "/etc/os-release"


@pytest.fixture
def password(lab: Lab, tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text(f"{lab.password}\n")
    return path


def is_what_it_is_called(host: Host) -> None:
    """The commands of 26.04 are what they are taken for: else its tests show nothing."""
    rust = host.dress == "ubuntu-26.04"
    told = host.exec("sudo --version 2>&1").stdout
    assert ("sudo-rs" in told) == rust
    first_words = "for c in stat sync sort tail cp mv rm; do $c --version | head -n 1; done"
    for line in host.exec(first_words).stdout.splitlines():
        kept = line.split()[0] in ("cp", "mv", "rm")
        assert ("GNU coreutils" in line) == (kept or not rust), line


# --- a whole life ---------------------------------------------------------------------------------


@pytest.mark.sampled("way", 1)
@pytest.mark.parametrize("way", WAYS)
def test_a_whole_life(lab: Lab, host_factory: HostFactory, password: Path, way: str) -> None:
    """E29, E30: install, nothing to do, well, verified, undone, there again, and back to bare by every login."""
    dress, user = way.split()
    host = host_factory(dress=dress)
    is_what_it_is_called(host)
    host.mark()
    as_user = ("--sudo-password-file", str(password)) if user == "pat" else ()

    run = install(lab, at(host, user), *as_user)
    assert run.code == 20, run
    assert lab.password not in run.out + run.err
    assert set(versions(host)) == set(PACKAGES)
    assert versions(host)["docker-ce"].endswith(f"~{DRESSES[dress].codename}")
    rows = receipt(host, run)
    for path in (KEY, SOURCE):
        assert ["file", path, "absent", "-"] in rows
    for name, version in versions(host).items():
        assert ["package", name, "absent", version] in rows
    clean(host)

    host.mark()
    again = install(lab, at(host, user), *as_user)
    assert again.code == 0, again
    assert {action.verb for action in again.plan.actions} == {Verb.KEEP}
    assert again.all(ProgramStarted) == []
    unseen(host)

    verified = dockwright(lab, "verify", at(host, user), *as_user)
    assert verified.code == 0, verified
    well(lab, host)
    told = lab.dockwright("facts", at(host, user), *as_user)
    assert (told.returncode, "supported until" in told.stdout) == (0, True), told
    known = verified.one(HostReached).facts
    assert (known.distro, known.version_id) == tuple(dress.split("-"))
    assert known.sudo_user == ("" if user == "root" else user)
    assert known.last_receipt != ""
    assert known.unverified == ""

    undone = dockwright(lab, "undo", at(host, user), "--yes", *as_user)
    assert undone.code == 0, undone
    assert versions(host) == {}
    assert install(lab, at(host, user), *as_user).code == 20

    removed = uninstall(lab, host, *as_user, user=user)
    assert removed.code == 20, removed
    bare(host)
    host.mark()
    assert uninstall(lab, host, *as_user, user=user).code == 0
    untouched(host)

    assert install(lab, at(host, user), *as_user).code == 20
    host.exec("docker pull -q ubuntu && docker volume create data")
    purged = purge(lab, host, "--all")
    assert purged.code == 20, purged
    bare(host)
    assert inside(host, "/var/lib/docker") == []


@pytest.mark.sampled("kind", 1)
@pytest.mark.parametrize("kind", ["bare", "python"])
def test_the_one_file(lab: Lab, host_factory: HostFactory, kind: str) -> None:
    """E24, E29, E30: by sh alone on 26.04, also where its python3 is there to merge daemon.json."""
    dress, python = "ubuntu-26.04", kind == "python"
    text = rendered(lab, profiles=("ubuntu:22.04:amd64", "ubuntu:26.04:amd64"))
    host = host_factory(dress=dress, python=python)
    assert (host.exec("command -v python3", check=False).returncode == 0) == python
    if python:
        host.put("/etc/docker/daemon.json", '{"debug": true}\n')
        text = rendered(
            lab, "--set", "docker_daemon={log-driver: local}", profiles=("ubuntu:26.04:amd64",)
        )
    before = state(host)
    hand(host, text)
    ends(by_hand(host, "plan"), 0, "+ package  docker-ce 5:29.7.2", "Nothing was changed")
    unseen(host)
    done = host.exec(["sudo", "sh", "/opt/dockwright-docker.sh", "apply"], user="ops", check=False)
    ends(done, 0, "hello-world ran", "exit 0")
    assert done.stderr == ""
    clean(host)
    silent(host)
    if python:
        merged = host.exec(["cat", "/etc/docker/daemon.json"]).stdout
        assert '"debug": true' in merged
        assert "local" in merged
    host.mark()
    ends(by_hand(host, "apply"), 0, "nothing to do")
    ends(by_hand(host, "status"), 0, "ended with 0", "docker-ce 5:29.7.2")
    unseen(host)
    ends(by_hand(host, "undo"), 0, "is undone")
    after = state(host)
    assert (after["apt"], after["config"]) == (before["apt"], before["config"])
    assert versions(host) == {}
    if python:  # Dockwright on the host itself: sudo-rs finds a password, and no terminal
        own = ("install", "local", "--yes", "--sudo-password-file", "-")
        done_here = locally(host, "pat", *own, lab=lab, stdin=f"{lab.password}\n")
        assert done_here.code == 0, done_here
        clean(host)


# --- releases that are none of ours ---------------------------------------------------------------


def os_release(**fields: str) -> str:
    return "".join(f'{name}="{value}"\n' for name, value in fields.items())


MINT = os_release(
    NAME="Linux Mint", ID="linuxmint", ID_LIKE="ubuntu debian", VERSION_ID="22.1",
    PRETTY_NAME="Linux Mint 22.1", VERSION_CODENAME="xia", UBUNTU_CODENAME="noble",
)  # fmt: skip
POP = os_release(
    NAME="Pop!_OS", ID="pop", ID_LIKE="ubuntu debian", VERSION_ID="24.04",
    PRETTY_NAME="Pop!_OS 24.04 LTS", VERSION_CODENAME="noble", UBUNTU_CODENAME="noble",
)  # fmt: skip
FEDORA = os_release(NAME="Fedora Linux", ID="fedora", VERSION_ID="44", PRETTY_NAME="Fedora 44")
SID = os_release(NAME="Debian GNU/Linux", ID="debian", PRETTY_NAME="Debian GNU/Linux forky/sid")


def ubuntu(codename: str, version: str) -> str:
    return os_release(
        ID="ubuntu", ID_LIKE="debian", VERSION_ID=version, PRETTY_NAME=f"Ubuntu {version}",
        VERSION_CODENAME=codename, UBUNTU_CODENAME=codename,
    )  # fmt: skip


@pytest.fixture(scope="module")
def strange(layers: Layers) -> Iterator[Host]:
    """One host for all that is refused; each test puts its os-release back."""
    made = layers.host("fresh", "ubuntu-24.04")
    yield made
    made.remove()


@contextmanager
def posing(host: Host, text: str) -> Iterator[None]:
    """The host is called something else for a while."""
    host.exec(["cp", "-P", "--preserve=all", RELEASE, "/srv/os-release"])
    host.exec(["rm", RELEASE])
    host.put(RELEASE, text)
    host.mark()
    try:
        yield
    finally:
        host.exec(["mv", "-f", "/srv/os-release", RELEASE])
        host.mark()


def refused(lab: Lab, host: Host, *words: str) -> Run:
    """3 before anything changes, by install and by plan."""
    for verb in ("install", "plan"):
        more = ("--yes",) if verb == "install" else ("docker",)
        target = (at(host, "ops"),)
        order = (*target, *more) if verb == "install" else (*more, *target)
        run = dockwright(lab, verb, *order)
        assert run.code == 3, run
        for word in words:
            assert word in run.told, run.told
        assert run.failed.next_step
        assert not run.failed.changed_host
        unseen(host)
    return run


@pytest.mark.parametrize("text", [MINT, POP], ids=["mint", "pop"])
def test_e01_a_derivative_is_not_guessed(lab: Lab, strange: Host, text: str) -> None:
    """E01: by UBUNTU_CODENAME where the plan allows it, and only there."""
    with posing(strange, text):
        refused(lab, strange, "derives from Ubuntu 24.04 (noble)", "derivatives=true")
        allowed = install(lab, at(strange), "--dry-run", "--set", "derivatives=true")
        assert allowed.code == 20, allowed
        notes = [note for note in allowed.plan.notes if "derives from" in note]
        assert len(notes) == 1
        assert "noble" in notes[0]
        unseen(strange)


def test_e01_neither_ubuntu_nor_debian(lab: Lab, strange: Host) -> None:
    """E01."""
    with posing(strange, FEDORA):
        refused(lab, strange, "Fedora 44", "is not a release that Docker builds for", "noble")
        assert first(lab, strange).id == "not-built"


def test_e02_a_release_that_the_vendor_has_not(lab: Lab, strange: Host) -> None:
    """E02: 404, in the table and not: what Docker builds for is listed, the index is believed."""
    with posing(strange, ubuntu("zesty", "30.04")):
        refused(lab, strange, "the vendor has nothing for zesty", "resolute (ubuntu 26.04)")
    with posing(strange, ubuntu("plucky", "25.04")):
        refused(lab, strange, "the vendor has nothing for plucky")
        finding = first(lab, strange)
        assert finding.id == "released-no-more"
        assert "2026-01-15" in finding.evidence
    top = lab.vendor.copy("nonoble")
    (top / "linux/ubuntu/dists/noble").rename(top / "linux/ubuntu/dists/was-noble")
    lab.vendor.serve(lab.vendor.sign(top))
    told = refused(lab, strange, "the vendor has nothing for noble").told
    assert f"{distros.SUITES} has Docker build for Ubuntu 24.04 (noble)" in told
    assert "the index is believed" in told


@pytest.mark.parametrize(
    ("codename", "version", "words"),
    [
        ("zesty", "30.04", "is not in the table"),
        ("plucky", "25.04", "its index still has packages"),
    ],
)
def test_e02_the_index_has_more_than_the_table(
    lab: Lab, strange: Host, codename: str, version: str, words: str
) -> None:
    """E02: a codename that is new, one whose life is over: what the vendor signed counts, and is told."""
    top = lab.vendor.copy(codename)
    dists = top / "linux/ubuntu/dists"
    (dists / "noble").rename(dists / codename)
    release = dists / codename / "Release"
    text = release.read_text()
    release.unlink()
    release.write_text(text.replace("noble", codename))
    lab.vendor.serve(lab.vendor.sign(top))
    with posing(strange, ubuntu(codename, version)):
        run = install(lab, at(strange), "--dry-run")
        assert run.code == 20, run
        told = [note for note in run.plan.notes if "the index is believed" in note]
        assert len(told) == 1
        assert words in told[0]
        over = [note for note in run.plan.notes if "past all support" in note]
        assert bool(over) == (codename == "plucky")
        unseen(strange)


def test_e03_testing_and_sid(lab: Lab, strange: Host) -> None:
    """E03: no codename, and the next release's: neither is taken for trixie."""
    with posing(strange, SID):
        refused(lab, strange, "no codename", "none is guessed", "trixie (debian 13)")
    with posing(strange, f"{SID}VERSION_CODENAME=forky\n"):
        told = refused(lab, strange, "the vendor has nothing for forky").told
        assert "trixie (debian 13)" in told


def test_e04_a_userland_of_32_bits(lab: Lab, strange: Host) -> None:
    """E04: a kernel of 64 bits below it: dpkg's word counts, and both are named."""
    says_i386 = '#!/bin/sh\n[ "$1" != --print-architecture ] || { echo i386; exit; }\nexec /usr/bin/dpkg "$@"\n'
    strange.put("/usr/local/bin/dpkg", says_i386, 0o755)
    strange.mark()
    try:
        machine = strange.exec("uname -m").stdout.strip()
        refused(lab, strange, "for i386", f"64-bit kernel ({machine})")
        assert first(lab, strange).id == "not-built"
    finally:
        strange.exec(["rm", "/usr/local/bin/dpkg"])
        strange.mark()
