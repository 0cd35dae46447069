"""Hosts and controllers whose only way out is a proxy: E12, and X04 for its login."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from dockwright.plan import Verb
from dockwright.steps.apt_proxy import CONFIGURATION, LOGIN
from tests.hosts.support import (
    DAEMON,
    Layers,
    Run,
    at,
    cut_off,
    cut_off_host,
    dockwright,
    from_afar,
    install,
    leftovers,
    under_way,
    unseen,
    until,
    versions,
)
from tests.hosts.test_access import watched
from tests.lab.host import Host
from tests.lab.lab import Lab, Proxy
from tests.lab.machine import arch

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("real_processes", "vendor_is_good"),
    pytest.mark.sampled("behind", 1),
]

DRESSES = ("debian-12", "debian-13", "ubuntu-24.04")  # apt 2.6 and 3.0
USER, CANARY = "robot", "c4n4ry:p@ss/w%rd"
SEEN = (
    CANARY,
    quote(CANARY, safe=""),
    b64encode(f"{USER}:{CANARY}".encode()).decode(),
    CANARY.encode().hex(),
)
REGISTRY = "registry-1.docker.io"


@pytest.fixture(params=DRESSES)
def behind(layers: Layers, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A fresh host that finds nobody but by a proxy."""
    made = layers.host("fresh", request.param)
    cut_off_host(made)
    yield made
    made.remove()


@pytest.fixture
def one(layers: Layers) -> Iterator[Host]:
    """A fresh host that finds the registry, and all else by a proxy only."""
    made = layers.host("fresh", "ubuntu-24.04")
    cut_off_host(made, but=REGISTRY)
    yield made
    made.remove()


@pytest.fixture
def plain(lab: Lab) -> Iterator[Proxy]:
    with lab.proxy() as proxy:
        yield proxy


@pytest.fixture
def guarded(lab: Lab) -> Iterator[Proxy]:
    with lab.proxy(f"{USER}:{CANARY}") as proxy:
        yield proxy


def login_file(folder: Path, proxy: Proxy, password: str = CANARY) -> Path:
    file = folder / "proxy"
    scheme, _, place = proxy.url.partition("://")
    file.write_text(f"{scheme}://{USER}:{quote(password, safe='')}@{place}\n")
    file.chmod(0o600)
    return file


def holders(lab: Lab, host: Host) -> set[str]:
    """The files of the host, memory and journal and the controller's home included, with the canary."""
    found: set[str] = set()
    for form in SEEN:
        assert form not in host.exec("journalctl -q -b -o export --no-pager", timeout=60).stdout
        for folder in (host.upper, lab.dir / "home"):
            argv = ["grep", "-rlaF", "-e", form, str(folder)]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            found |= {f"/{Path(line).relative_to(folder)}" for line in done.stdout.splitlines()}
        for place in ("/run", "/tmp", "/var/tmp"):
            found |= set(
                host.exec(
                    ["grep", "-rlaF", "-f", "-", place], input=form, check=False
                ).stdout.split()
            )
    return found


def undone(lab: Lab, target: str) -> None:
    done = lab.dockwright("undo", target, "--yes", "--allow-restart")
    assert done.returncode == 0, done


def verb_of(run: Run, target: str) -> Verb | None:
    return next((action.verb for action in run.plan.actions if action.target == target), None)


# --- the only way out -----------------------------------------------------------------------------


def test_for_good(lab: Lab, behind: Host, plain: Proxy) -> None:
    """Controller, probe, program and dockerd go through it; run again, nothing; undone, gone."""
    away, host = cut_off(lab), behind
    words = [at(host, "ops"), "--proxy", plain.url, "--set", "keep_proxy=true"]
    assert from_afar(lab, away, "install", at(host, "ops"), "--yes").code == 5
    unseen(host)
    run = from_afar(lab, away, "install", *words, "--yes", "--detailed-exitcode")
    assert run.code == 20, run
    assert (run.plan.fetched, run.plan.proxy) == ("controller", plain.url)
    asked = {line.split()[2] for line in plain.requests}
    assert {"download.docker.com:443", f"{REGISTRY}:443"} <= asked
    text = host.exec(["cat", CONFIGURATION]).stdout
    assert f'Acquire::https::Proxy "{plain.url}";' in text
    assert f'"https-proxy": "{plain.url}"' in host.exec(["cat", DAEMON]).stdout
    # Left to itself, the host gets on.
    host.exec("apt-get -qq update && docker pull -q hello-world && docker image rm hello-world")
    assert leftovers(host) == []
    host.mark()
    again = from_afar(lab, away, "install", *words, "--yes", "--detailed-exitcode")
    assert again.code == 0, again
    assert host.changed() == []
    undone(lab, at(host, "ops"))
    assert host.exec(["ls", CONFIGURATION, DAEMON], check=False).stdout == ""
    assert versions(host, "docker-ce") == {}


def test_for_the_run_alone(lab: Lab, behind: Host, plain: Proxy) -> None:
    """Nothing of it stays; dockerd has no way then, and verification says why."""
    run = install(lab, at(behind), "--proxy", plain.url)
    assert run.code == 8, run
    assert "keep_proxy" in "".join(
        event.cause for event in run.events if event.event == "step_finished"
    )
    assert versions(behind, "docker-ce")
    found = behind.exec(["grep", "-rl", plain.url, "/etc", "/usr/lib/systemd"], check=False)
    assert found.stdout == ""
    assert leftovers(behind) == []


def test_through_the_host_and_its_own_proxy(lab: Lab, behind: Host, plain: Proxy) -> None:
    """The host's apt knows its proxy; this machine reaches neither, and is told of none."""
    behind.put("/etc/apt/apt.conf.d/80proxy", f'Acquire::http::Proxy "{plain.url}";\n')
    behind.mark()
    run = from_afar(lab, cut_off(lab), "plan", "docker", at(behind, "ops"))
    assert run.code == 0, run
    assert (run.plan.fetched, run.plan.proxy) == ("host", "")
    assert plain.requests
    unseen(behind)


def test_only_this_machine_is_behind_it(lab: Lab, layers: Layers, plain: Proxy) -> None:
    """The reverse: no way to the vendor but the proxy here, and a host that could do without."""
    host = layers.host("fresh")
    try:
        run = from_afar(lab, cut_off(lab), "plan", "docker", at(host), "--proxy", plain.url)
        assert run.code == 0, run
        assert run.plan.fetched == "controller"
        assert "ok CONNECT download.docker.com:443" in plain.requests
    finally:
        host.remove()


# --- its login ------------------------------------------------------------------------------------


def test_a_login_is_in_one_file(lab: Lab, behind: Host, guarded: Proxy, tmp_path: Path) -> None:
    """E12: Handed to apt in both its generations; searched for wherever it could be; kept, undone."""
    host = behind
    text = host.exec(["cat", "/etc/hosts"]).stdout
    host.exec(
        ["tee", "/etc/hosts"], input=text.replace(f"127.0.0.1 {REGISTRY}", f"10.99.0.1 {REGISTRY}")
    )
    host.mark()
    file, told = login_file(tmp_path, guarded), tmp_path / "log"
    words: list[str | Path] = ["--proxy-file", file, "--set", "keep_proxy=true"]
    with ExitStack() as watching:
        seen = [watching.enter_context(watched(form)) for form in SEEN[:3]]
        run = install(lab, at(host, "ops"), *words, "--log", told)
    assert run.code == 20, run
    assert [found for found in seen if found] == []
    assert {line.split()[0] for line in guarded.requests} == {"ok"}
    for form in SEEN:
        assert form not in run.out + run.err + told.read_text()
    assert holders(lab, host) == {LOGIN}
    assert host.exec(["stat", "-c", "%a %U:%G", LOGIN]).stdout == "600 root:root\n"
    assert [note for note in run.plan.notes if "no place for its login" in note]
    host.exec("apt-get -qq update")
    assert leftovers(host) == []
    host.mark()
    again = install(lab, at(host, "ops"), *words)
    assert again.code == 0, again
    assert host.changed() == []
    assert not set(SEEN) & set(again.out.split())
    undone(lab, at(host, "ops"))
    assert holders(lab, host) == set()


@pytest.mark.deep
def test_another_login_takes_its_place(lab: Lab, one: Host, guarded: Proxy, tmp_path: Path) -> None:
    stale = f"# old\nmachine {guarded.url} login {USER} password stale\n"
    one.put(LOGIN, stale, 0o600)
    one.mark()
    file = login_file(tmp_path, guarded)
    run = install(lab, at(one), "--proxy-file", file, "--set", "keep_proxy=true")
    assert run.code == 20, run
    assert verb_of(run, LOGIN) is Verb.CHANGE
    assert "stale" not in run.out
    assert one.exec(["cat", LOGIN]).stdout.splitlines()[1:] == [
        f"machine {guarded.url} login {USER} password {CANARY}"
    ]
    undone(lab, at(one))
    assert one.exec(["cat", LOGIN]).stdout == stale
    assert holders(lab, one) == set()
    assert one.exec("grep -rl 'password stale' /var/lib/dockwright", check=False).stdout == ""


def test_a_saved_plan_does_not_hold_it(lab: Lab, one: Host, guarded: Proxy, tmp_path: Path) -> None:
    file, saved = login_file(tmp_path, guarded), tmp_path / "plan.json"
    wish: list[str | Path] = ["--proxy-file", file]
    assert dockwright(lab, "plan", "docker", at(one), *wish, "-o", saved).code == 0
    whole = saved.read_text()
    assert [form for form in SEEN if form in whole] == []
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    text = lab.dockwright("render", "docker", "--for", at(one), *pin, *wish).stdout
    assert guarded.url in text
    assert [form for form in SEEN if form in text] == []
    refused = lab.dockwright("apply", saved, "--yes")
    assert refused.returncode == 2, refused
    assert "--proxy-file" in refused.stderr
    unseen(one)
    done = lab.dockwright("apply", saved, "--yes", *wish)
    assert done.returncode == 0, done
    assert holders(lab, one) == set()


def test_power_is_cut_while_it_is_there(
    lab: Lab, one: Host, guarded: Proxy, tmp_path: Path
) -> None:
    """It is in memory alone: gone with the power, and gone when a killed program is followed by another."""
    file = login_file(tmp_path, guarded)
    one.put(
        "/etc/apt/apt.conf.d/99slow",
        'APT::Update::Pre-Invoke { "sleep 4"; };\n',
    )
    one.mark()
    argv = ["install", at(one), "--yes", "--proxy-file", str(file), "--fetch", "controller"]
    with under_way(lab, *argv) as process:
        until(lambda: "/run/dockwright-auth" in "".join(holders(lab, one)), "the login is there")
        assert {path for path in holders(lab, one) if not path.startswith("/run/")} == set()
        process.kill()  # it would look for the host for a minute
        one.kill()
    one.boot()
    assert holders(lab, one) == set()


# --- what goes wrong ------------------------------------------------------------------------------


def test_the_proxy_is_blamed_and_not_the_vendor(
    lab: Lab, one: Host, guarded: Proxy, tmp_path: Path
) -> None:
    """E12: Dead, or of another login: 5, "proxy"; by this machine, through the host, and in the probe."""
    dead = guarded.url.rpartition(":")[0] + ":1"
    wrong = login_file(tmp_path, guarded, "stale")
    cases: list[tuple[list[str | Path], str]] = [
        (["--proxy", dead], "onnect"),
        (["--proxy", guarded.url], "407"),
        (["--proxy-file", wrong], "407"),
    ]
    for way in ("controller", "host"):
        for wish, word in cases:
            run = install(lab, at(one), "--fetch", way, *wish)
            assert run.code == 5, run
            assert "the proxy http://10.99.0.1:" in run.told, run.told
            assert word in run.told, run.told
            unseen(one)
    one.put("/etc/apt/apt.conf.d/80proxy", f'Acquire::http::Proxy "http://who:ever@{dead[7:]}";\n')
    one.mark()
    run = install(lab, at(one), "--fetch", "controller")
    assert run.code == 5, run
    assert f"the proxy {dead} does not let" in run.told, run.told
    assert "who" not in run.failed.brief
    unseen(one)


# --- the one file ---------------------------------------------------------------------------------


def one_file(lab: Lab, host: Host, *args: str) -> None:
    distro, version = host.dress.split("-")
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    words = ["render", "docker", "--for", f"{distro}:{version}:{arch()}", *pin, *args]
    host.put("/root/docker.sh", lab.dockwright(*words, check=True).stdout)
    host.mark()


def test_the_one_file_through_a_proxy(lab: Lab, behind: Host, plain: Proxy) -> None:
    """Its own for good, in the trial before it is written, too; run again, nothing."""
    one_file(lab, behind, "--proxy", plain.url, "--set", "keep_proxy=true")
    done = behind.exec("sh /root/docker.sh apply", check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert plain.url in behind.exec(["cat", CONFIGURATION]).stdout
    assert f"ok CONNECT {REGISTRY}:443" in plain.requests
    behind.mark()
    again = behind.exec("sh /root/docker.sh apply")
    assert "nothing to do" in again.stdout
    assert behind.changed() == []
    behind.exec("sh /root/docker.sh undo --allow-restart")
    assert behind.exec(["ls", CONFIGURATION], check=False).returncode != 0


def test_the_one_file_takes_apts_own_proxy(lab: Lab, one: Host, guarded: Proxy) -> None:
    """And its login, from where apt has it; a dead one is told by name."""
    conf = "/etc/apt/apt.conf.d/80proxy"
    one.put(conf, f'Acquire::http::Proxy "{guarded.url}";\n')
    one.put(
        "/etc/apt/auth.conf.d/own.conf",
        f"machine {guarded.url} login {USER} password {CANARY}\n",
        0o600,
    )
    one_file(lab, one)
    done = one.exec("sh /root/docker.sh plan", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert guarded.requests
    dead = guarded.url.rpartition(":")[0] + ":1"
    one.put(conf, f'Acquire::http::Proxy "{dead}";\n')
    done = one.exec("sh /root/docker.sh apply", check=False)
    assert done.returncode == 5, done.stdout + done.stderr
    assert f"the proxy {dead} does not let" in done.stdout
