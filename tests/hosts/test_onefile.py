"""The one file: by sh alone, without Python and without a controller, the controller's end state."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockwright.profiles import ALL
from tests.hosts.support import (
    DAEMON,
    DRESSES,
    KEY,
    PACKAGES,
    Layers,
    Make,
    at,
    clean,
    containers,
    engine,
    install,
    leftovers,
    printed,
    unseen,
    untouched,
    versions,
)
from tests.lab import deb
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT, arch

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

FILE = "/opt/dockwright-docker.sh"
PROFILES = ("ubuntu:24.04:amd64", "debian:13:amd64", "debian:12:amd64")
OLD = ("docker.io", "docker-cli", "containerd", "runc", "docker-buildx", "docker-compose")
URLS = {
    "debian-13": ("https://download.docker.com/linux/debian", "trixie"),
    "ubuntu-24.04": ("https://download.docker.com/linux/ubuntu", "noble"),
}
Done = subprocess.CompletedProcess[str]
Render = Callable[..., str]


def rendered(lab: Lab, *args: str | Path, profiles: tuple[str, ...] = PROFILES) -> str:
    """What ``dockwright render docker`` prints for profiles of this machine's architecture."""
    wanted = [word for name in profiles for word in ("--for", name.replace("amd64", arch()))]
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    done = lab.dockwright("render", "docker", *wanted, *pin, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def text(lab: Lab) -> str:
    """The file as it is made when all is well."""
    lab.vendor.serve("good")
    return rendered(lab)


def hand(host: Host, text: str) -> Host:
    """Bring the file to a host, and take note of what that is now."""
    host.put(FILE, text)
    host.mark()
    return host


def run(host: Host, *words: str, user: str | None = None) -> Done:
    return host.exec(["sh", FILE, *words], check=False, user=user, timeout=300)


def ends(done: Done, code: int, *said: str) -> None:
    """It ended with that code, said so, and had nothing to say but for people."""
    told = done.stdout + done.stderr
    assert done.returncode == code, told
    for word in said:
        assert word in told, told


def silent(host: Host) -> None:
    """``apt-get update`` has nothing to complain of."""
    done = host.exec("apt-get -q update")
    assert done.stderr == "", done.stderr
    assert "W:" not in done.stdout
    assert "E:" not in done.stdout


def state(host: Host) -> dict[str, str]:
    """What an install leaves: packages, key and source, units, group; as text to compare."""
    host_state = {
        "packages": "dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\\n'",
        "apt": "cd /etc/apt && find . -type f ! -path './apt.conf.d/*' -exec stat -c '%n %a %U:%G' {} +"
        " | sort && cat keyrings/* sources.list.d/*",
        "units": "systemctl is-enabled docker.service docker.socket containerd.service;"
        " systemctl is-active docker.service docker.socket containerd.service",
        "group": "getent group docker",
        "config": "find /etc/docker -type f 2>/dev/null; apt-mark showhold",
        "manual": "apt-mark showmanual",
    }
    return {name: host.exec(each, check=False).stdout for name, each in host_state.items()}


# --- the words ------------------------------------------------------------------------------------


def test_it_is_a_file_for_people(lab: Lab, prepared: Make, text: str) -> None:
    host = hand(prepared("fresh"), text)
    assert host.exec("command -v python3 perl6", check=False).stdout == ""
    for words in ((), ("install",), ("apply", "--force"), ("--upgrade",)):
        done = run(host, *words)
        ends(done, 2, "sh dockwright-docker.sh plan", "Exit codes: 0 done, 2 usage")
        assert done.stdout == ""
    for word in ("plan", "apply", "undo", "status"):
        ends(run(host, word, user="plain"), 5, "root")
    ends(run(host, "undo"), 3, "there is no run to undo")
    ends(run(host, "status"), 0, "last run   none", "docker-ce absent", "does not answer")
    untouched(host)


@pytest.mark.sampled("dress", 1)
@pytest.mark.parametrize("dress", [*DRESSES, "debian-12"])
def test_apply(lab: Lab, prepared: Make, text: str, dress: str) -> None:
    """The same end as the controller's install, and the way back to the bare host."""
    host = prepared("fresh", dress)
    bare = state(host)
    hand(host, text)
    plan = run(host, "plan")
    ends(plan, 0, "+ package  docker-ce 5:29.7.2", "Nothing was changed")
    unseen(host)

    done = run(host, "apply")
    ends(done, 0, "hello-world ran", "exit 0")
    assert done.stderr == ""
    assert state(host) == state(prepared("docker", dress))
    clean(host)
    silent(host)

    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    ends(run(host, "plan"), 0, "already")
    ends(run(host, "status"), 0, "ended with 0", "docker-ce 5:29.7.2")
    unseen(host)
    ends_as = install(lab, at(host))
    assert ends_as.code == 0, ends_as  # for the controller there is nothing to do either
    unseen(host)

    ends(run(host, "undo"), 0, "is undone")
    after = state(host)
    assert after["apt"] == bare["apt"]
    assert set(PACKAGES) & set(versions(host)) == set()
    assert host.exec("dpkg --audit").stdout == ""
    silent(host)
    ends(run(host, "undo"), 3, "there is no run to undo")
    assert leftovers(host) == []


def test_it_comes_through_a_pipe(prepared: Make, text: str) -> None:
    """``curl ... | sh -s -- plan``: the usage is there as well, and a cut file runs nothing."""
    host = prepared("fresh")
    host.mark()
    for words, code, word in (("", 2, "plan"), ("plan", 0, "+ package  docker-ce 5:29.7.2")):
        done = host.exec(f"sh -s -- {words}", input=text, check=False)
        ends(done, code, word)
        assert "can't read" not in done.stderr
    for part in (0.3, 0.9, 0.999):
        host.exec("sh -s -- apply", input=text[: int(len(text) * part)], check=False)
    unseen(host)


# --- the old runtime ------------------------------------------------------------------------------


@pytest.fixture
def used(lab: Lab, host_factory: Make) -> Make:
    """Hosts that somebody uses: docker.io with an image, a volume and a container."""

    def make(dress: str) -> Host:
        host = host_factory(dress=dress)
        host.exec("apt-get -qq update && apt-get -qq -y install docker.io docker-cli")
        host.exec("docker pull -q ubuntu && docker volume create data")
        host.exec("docker run --rm -v data:/d ubuntu sh -c 'echo precious > /d/file'")
        always = "docker run -d --restart=always --stop-signal=KILL --name=app -v data:/d"
        host.exec(f"{always} ubuntu sleep 100000")
        return host

    return make


@pytest.mark.deep
def test_distribution(used: Make, text: str) -> None:
    host = used("debian-13")
    before, running, bare = versions(host, *OLD), containers(host), state(host)
    hand(host, text)
    image = host.exec("docker image inspect -f '{{.Id}}' ubuntu").stdout
    ends(run(host, "plan"), 0, "- package  docker.io", "+ package  docker-ce 5:29.7.2")
    unseen(host)
    ends(run(host, "apply"), 9, "app", "--allow-restart")
    untouched(host)
    assert containers(host) == running

    def data() -> None:
        assert host.exec("docker image inspect -f '{{.Id}}' ubuntu").stdout == image
        kept = printed(host, "docker run --rm -v data:/d ubuntu cat /d/file")
        assert kept == "precious\n"
        assert containers(host)["app"].split()[0] == running["app"].split()[0]

    done = run(host, "apply", "--allow-restart")
    ends(done, 0, "exit 0")
    assert {"docker.io", "containerd", "runc"} & set(versions(host, *OLD)) == set()
    data()
    clean(host)
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)

    ends(run(host, "undo"), 9, "app")
    untouched(host)
    ends(run(host, "undo", "--allow-restart"), 0, "is undone")
    assert versions(host, *OLD) == before
    assert versions(host) == {}
    after = state(host)
    assert {name: after[name] for name in ("apt", "units")} == {
        name: bare[name] for name in ("apt", "units")
    }
    data()
    ends(run(host, "undo", "--allow-restart"), 3, "no run to undo")


# --- what is not trusted, not there, not for this host --------------------------------------------


@pytest.fixture(scope="module")
def shared(layers: Layers, text: str) -> Iterator[Host]:
    """One host for all that is refused: nothing may have changed after each."""
    host = hand(layers.host("fresh", "ubuntu-24.04"), text)
    yield host
    host.remove()


def refused(lab: Lab, host: Host, code: int, *said: str, controller: int | None = None) -> None:
    """Both words of the file, and the controller, refuse with that code; nothing has changed."""
    for word in ("plan", "apply"):
        ends(run(host, word), code, *said)
        untouched(host)
    host.exec("rm -rf /var/lib/dockwright")
    wish = code if controller is None else controller
    done = install(lab, at(host))
    assert done.code == wish, done
    untouched(host)
    host.exec("rm -rf /var/lib/dockwright")


@pytest.mark.parametrize(
    ("served", "code"),
    [
        ("wrong-key", 4),
        ("wrong-signer", 4),
        ("unsigned", 4),
        ("tampered", 4),
        ("expired", 4),
        ("bad-index", 4),
        ("gone", 3),
        ("empty", 3),
    ],
)
def test_refused(lab: Lab, shared: Host, served: str, code: int) -> None:
    lab.vendor.serve(served)
    refused(lab, shared, code)


def offer(lab: Lab, name: str, edit: Callable[[str], str]) -> None:
    """Serve the good repository with edited lists of packages, signed by the vendor's key."""
    top = lab.vendor.copy(name)
    for index in sorted(top.glob("linux/*/dists/*/*/binary-*")):
        text = edit((index / "Packages").read_text())
        for path in sorted(index.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        index.rmdir()
        from tests.lab import repo

        repo.write_index(
            index, [one.rstrip("\n") + "\n" for one in text.split("\n\n")], by_hash=True
        )
    lab.vendor.serve(lab.vendor.sign(top))


def without_newest(text: str) -> str:
    return "\n\n".join(one for one in text.split("\n\n") if "Version: 5:29.7.2" not in one)


def test_old_index(lab: Lab, shared: Host) -> None:
    """An index from before the file was made is a replayed one."""
    offer(lab, "old", without_newest)
    for word in ("plan", "apply"):
        ends(run(shared, word), 4, "29.7.1", "older than", "replayed")
        untouched(shared)
    shared.exec("rm -rf /var/lib/dockwright")


def test_other_release(lab: Lab, shared: Host) -> None:
    other = rendered(lab, profiles=PROFILES[1:])
    shared.put("/root/other.sh", other)
    shared.mark()
    for word in ("plan", "apply"):
        ends(shared.exec(["sh", "/root/other.sh", word], check=False), 3, "not for ubuntu noble")
        untouched(shared)
    shared.exec("rm -rf /var/lib/dockwright")


# --- sources of others ----------------------------------------------------------------------------


def one_line(dress: str, key: str = KEY) -> str:
    url, suite = URLS[dress]
    return f"deb [arch={arch()} signed-by={key}] {url} {suite} stable\n"


@pytest.mark.sampled("dress", 1)
@pytest.mark.parametrize("dress", DRESSES)
def test_docker_list_is_adopted(lab: Lab, prepared: Make, text: str, dress: str) -> None:
    """get.docker.com's source, with the same key path: replaced, a backup kept, apt silent."""
    host = prepared("fresh", dress)
    key = (lab.parts["keys"] / "vendor.asc").read_text()
    listed = "/etc/apt/sources.list.d/docker.list"
    host.put(KEY, key)
    host.put(listed, one_line(dress))
    host.exec("apt-get -q update")
    bare = state(host)
    hand(host, text)
    ends(run(host, "plan"), 0, "docker.list (same origin)")
    unseen(host)
    ends(run(host, "apply"), 0)
    assert not (host.upper / listed.lstrip("/")).is_file()
    assert host.exec("cat /var/lib/dockwright/runs/*/backup/*docker.list").stdout == one_line(dress)
    silent(host)
    clean(host)
    ends(run(host, "undo"), 0)
    assert state(host)["apt"] == bare["apt"]
    silent(host)


def test_an_entry_of_both_is_refused(lab: Lab, shared: Host) -> None:
    url, suite = URLS["ubuntu-24.04"]
    path = "/etc/apt/sources.list.d/mine.sources"
    shared.put(path, f"Types: deb\nURIs: {url} http://x.invalid/\nSuites: {suite}\nComponents: x\n")
    shared.mark()
    try:
        refused(lab, shared, 3, path, "beside others")
    finally:
        shared.exec(["rm", path])
        shared.mark()


@pytest.mark.sampled("dress", 1)
@pytest.mark.parametrize("dress", DRESSES)
def test_an_entry_among_others_is_commented_out(prepared: Make, text: str, dress: str) -> None:
    """The vendor's line in /etc/apt/sources.list, its stanza in somebody's file: those alone."""
    host = prepared("fresh", dress)
    url, suite = URLS[dress]
    line = one_line(dress, "/usr/share/keyrings/other.gpg")
    stanza = f"Types: deb\nURIs: {url}\nSuites: {suite}\nComponents: stable\nSigned-By: /x.gpg\n"
    other = "Types: deb\nEnabled: no\nURIs: http://x.invalid/\nSuites: y\nComponents: z\n"
    commented = "".join(f"# {one}\n" for one in stanza.splitlines())
    files = {
        "/etc/apt/sources.list": (f"#{line}# theirs\n{line}", f"#{line}# theirs\n# {line}"),
        "/etc/apt/sources.list.d/all.sources": (f"{other}\n{stanza}", f"{other}\n{commented}"),
    }
    for path, (before, _) in files.items():
        host.put(path, before)
    hand(host, text)
    ends(run(host, "plan"), 0, *files, "commented out", f"> # {line.strip()}", "> # Types: deb")
    unseen(host)
    done = run(host, "apply")
    ends(done, 0, "hello-world ran")
    for path, (_, after) in files.items():
        assert host.exec(["cat", path]).stdout == after
    silent(host)
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)
    ends(run(host, "undo"), 0, "is undone")
    for path, (before, _) in files.items():
        assert host.exec(["cat", path]).stdout == before


def test_disabled_source_stays(prepared: Make, text: str) -> None:
    """An entry that apt ignores is none."""
    host = prepared("fresh")
    url, suite = URLS["debian-13"]
    disabled = (
        f"Types: deb\nEnabled: no\nURIs: {url}\nSuites: {suite}\nComponents: stable\n"
        "Signed-By: /usr/share/keyrings/gone.gpg\n"
    )
    other = "/etc/apt/sources.list.d/off.sources"
    host.put(other, disabled)
    hand(host, text)
    ends(run(host, "apply"), 0)
    assert host.exec(["cat", other]).stdout == disabled
    silent(host)


# --- daemon.json ----------------------------------------------------------------------------------

WISH = ("--set", "docker_daemon={log-driver: local, log-opts: {max-size: 5m}}")
MERGED = {"log-driver": "local", "log-opts": {"max-size": "5m"}}


def written(host: Host) -> object:
    return json.loads(host.exec(["cat", DAEMON]).stdout)


def test_daemon_json_without_python(lab: Lab, prepared: Make) -> None:
    """Made where there is none; one that is there cannot be merged, and that is said in time."""
    wish = rendered(lab, *WISH)
    host = prepared("fresh")
    host.put(DAEMON, '{"debug": true}\n')
    hand(host, wish)
    for word in ("plan", "apply"):
        ends(run(host, word), 3, DAEMON, "python3")
        untouched(host)
    host.exec(["rm", DAEMON])
    host.mark()
    ends(run(host, "apply"), 0)
    assert written(host) == MERGED
    assert host.exec("docker info -f '{{.LoggingDriver}}'").stdout == "local\n"
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)
    ends(run(host, "undo"), 0)
    assert host.exec(["test", "-e", DAEMON], check=False).returncode == 1


def test_daemon_json_with_python(lab: Lab, host_factory: Make) -> None:
    wish = rendered(lab, *WISH)
    host = host_factory(dress="debian-13", python=True)
    for there, why in (
        ('{"log-driver": "journald"}\n', "log-driver"),
        ('{"debug": true, "debug": false}\n', "twice"),
        ('{"debug": true,}\n', "not valid"),
        ("[]\n", "not an object"),
    ):
        host.put(DAEMON, there)
        hand(host, wish)
        for word in ("plan", "apply"):
            ends(run(host, word), 3, DAEMON, why)
            untouched(host)
        done = install(lab, at(host), *WISH)
        assert done.code == 3, done  # as the controller
        untouched(host)
    host.put(DAEMON, '{"debug": true, "log-opts": {"max-file": "2"}}\n', mode=0o600)
    hand(host, wish)
    ends(run(host, "apply"), 0)
    assert written(host) == {
        **MERGED,
        "debug": True,
        "log-opts": {"max-file": "2", "max-size": "5m"},
    }
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)

    # Another key on a host that runs: it takes effect, and no container stops for it unasked.
    host.exec(
        "docker pull -q ubuntu && docker run -d --restart=always --stop-signal=KILL --name=app"
        " ubuntu sleep 9999"
    )
    more = "docker_daemon={log-driver: local, log-opts: {max-size: 6m}}"
    hand(host, rendered(lab, "--set", more.replace("6m", "5m").replace("}}", "}, labels: [a=b]}")))
    running = containers(host)
    ends(run(host, "apply"), 0)
    assert host.exec("docker info -f '{{.Labels}}'").stdout == "[a=b]\n"
    assert containers(host) == running
    hand(
        host, rendered(lab, "--set", "docker_daemon={max-concurrent-uploads: 3, bip: 10.88.0.1/24}")
    )
    for word in ("apply",):
        ends(run(host, word), 9, "app", "--allow-restart")
        untouched(host)
    assert containers(host) == running
    ends(run(host, "apply", "--allow-restart"), 0)
    assert "10.88.0.1" in host.exec("ip -4 addr show docker0").stdout


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.deep
def test_versions(lab: Lab, prepared: Make, text: str) -> None:
    """The newest at or above the floor; --lock: today's; --upgrade within the major version."""
    lock = rendered(lab, "--lock")
    host = hand(prepared("29.7.1"), text)
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)
    assert engine(host) == "29.7.1"
    ends(run(host, "apply", "--upgrade"), 0)
    assert engine(host) == "29.7.2"
    ends(run(host, "undo"), 0)
    assert engine(host) == "29.7.1"
    hand(host, lock)
    ends(run(host, "apply"), 0)
    assert engine(host) == "29.7.2"

    top = lab.vendor.copy("newer")
    made = []
    for name in ("docker-ce", "docker-ce-cli", "docker-ce-rootless-extras"):

        def edit(root: Path) -> None:
            control = root / "DEBIAN/control"
            control.write_text(control.read_text().replace("5:29.7.2", "5:29.8.0"))

        source = lab.vendor.deb("debian", "trixie", name)
        made.append(deb.repack(source, lab.dir / f"{name}_29.8.0-1_{arch()}.deb", edit))
    lab.vendor.add(top, "debian", "trixie", made)
    lab.vendor.serve(lab.vendor.sign(top))
    for which, wish in ((lock, "29.7.2"), (text, "29.8.0")):
        fresh = hand(prepared("fresh"), which)
        ends(run(fresh, "apply"), 0)
        assert engine(fresh) == wish


# --- a release ------------------------------------------------------------------------------------


def test_release(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """What script/release builds is whole, for all releases, and its file installs."""
    wish = ["--lock", "--set", f"docker_fingerprint={lab.fingerprint}"]
    wish += ["--set", f"nvidia_fingerprint={lab.nvidia_fingerprint}"]
    env = {
        "DIST": str(tmp_path / "dist"),
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT / "installer"),
    }
    done = lab.run([ROOT / "script/release", *wish], env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "dist/SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    text = (tmp_path / "dist/dockwright-docker.sh").read_text()
    assert len(re.findall("^# for (?:ubuntu|debian) ", text, re.MULTILINE)) == len(ALL)
    assert sorted(path.suffix for path in map(Path, sums)) == [".gz", ".sh", ".sh", ".whl"]
    assert {"dockwright-docker.sh", "dockwright-gpu.sh"} < set(sums)
    for name, digest in sums.items():
        assert hashlib.sha256((tmp_path / "dist" / name).read_bytes()).hexdigest() == digest
    host = hand(prepared("fresh"), text)
    ends(run(host, "apply"), 0)
    assert engine(host) == "29.7.2"
    for words, code in ((["--nope"], 2), (["--for"], 2), (["--for", "ubuntu:1.0:amd64"], 2)):
        refused = lab.run(
            [ROOT / "script/release", *words], env={**env, "DIST": str(tmp_path / "x")}
        )
        assert refused.returncode == code, refused.stdout + refused.stderr
