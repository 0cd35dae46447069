"""Images and registries on a host: by name, digest and tar; a private registry, and a mirror; D19."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dockwright.events import Note, StepFinished, StepProgress
from dockwright.plan import Verb
from tests.hosts.support import (
    DAEMON,
    SOURCE,
    STATE,
    Layers,
    Run,
    at,
    dockwright,
    leftovers,
    receipt,
    runs,
    until,
)
from tests.hosts.test_access import watched
from tests.hosts.test_secrets import nowhere
from tests.lab.host import Host
from tests.lab.images import Storage
from tests.lab.images import _tar as tar_of
from tests.lab.lab import Lab
from tests.lab.private import HUB_MIRROR, PACKAGES, REGISTRY, USER

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

CONFIG = "/root/.docker/config.json"


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    """A Docker host that all tests of this module share; each takes back what it brought."""
    made = layers.host("docker")
    yield made
    made.remove()


@pytest.fixture(autouse=True)
def as_before(host: Host) -> Iterator[None]:
    """Whatever a test leaves, the next one finds a host without images and logins."""
    yield
    host.exec(
        "docker ps -aq | xargs -r docker rm -f; docker image ls -q | xargs -r docker image rm -f"
    )
    host.exec("rm -rf /root/.docker /etc/docker/certs.d")
    if host.exec(f"rm {DAEMON}", check=False).returncode == 0:
        host.exec("systemctl restart docker")


def book(folder: Path, **keys: Any) -> Path:
    """A playbook of one's own: Docker with these images and registries."""
    file = folder / "site.yaml"
    components = ["docker-engine", "docker-registries", "docker-images", "docker-verify"]
    file.write_text(
        json.dumps({"playbook": "site", "summary": "ours", "components": components, **keys})
    )
    return file


def apply(lab: Lab, host: Host, file: Path, *args: str | Path) -> Run:
    return dockwright(lab, "apply", file, at(host, "ops"), "--yes", "--detailed-exitcode", *args)


def undo(lab: Lab, host: Host) -> Run:
    done = dockwright(lab, "undo", at(host, "ops"), "--yes", "--allow-restart")
    assert done.code == 0, done
    return done


def names(host: Host) -> set[str]:
    shown = host.exec("docker image ls --format '{{.Repository}}:{{.Tag}}'").stdout
    return set(shown.split())


def healthy(host: Host) -> None:
    assert host.exec("docker version").returncode == 0
    assert leftovers(host) == []


def converged(lab: Lab, host: Host, file: Path, *args: str | Path) -> Run:
    """A second run changes nothing, and starts no program."""
    before = runs(host)
    host.mark()
    again = apply(lab, host, file, *args)
    assert again.code == 0, again
    assert again.all(StepFinished) == []
    assert runs(host) == before
    assert host.changed() == []
    return again


# --- images ---------------------------------------------------------------------------------------


def test_images_come_and_go(lab: Lab, host: Host, tmp_path: Path) -> None:
    """Pulled by name and by digest, named, absent; run again, nothing; undone, gone, but for theirs."""
    host.exec("docker pull -q ubuntu && docker tag ubuntu theirs:1 && docker tag ubuntu old:1")
    pinned = f"hello-world:pinned@{lab.hello_digest}"
    file = book(
        tmp_path,
        images=[
            {"name": pinned, "tags": ["ours/hello:1"]},
            {"name": "ubuntu", "tags": ["theirs:2"]},
            {"name": "old:1", "state": "absent"},
        ],
    )
    run = apply(lab, host, file)
    assert run.code == 20, run
    assert {"hello-world:pinned", "ours/hello:1", "theirs:2", "ubuntu:latest"} <= names(host)
    assert "old:1" not in names(host)
    told = [event.text for event in run.all(StepProgress)]
    assert any("layer 1 of 1" in text for text in told), told
    converged(lab, host, file)
    undo(lab, host)
    assert names(host) == {"ubuntu:latest", "theirs:1"}
    host.exec("docker image rm ubuntu theirs:1")
    healthy(host)


def test_an_image_from_atar_of(lab: Lab, host: Host, tmp_path: Path) -> None:
    """On the host already, or sent; pinned by its sha256; another one in it is ours, too."""
    host.exec("docker pull -q hello-world && docker tag hello-world other:1")
    host.exec(
        "docker save -o /srv/two.tar hello-world other:1 && docker image rm hello-world other:1"
    )
    sha256 = host.exec("sha256sum /srv/two.tar").stdout.split()[0]
    wish = {"name": "hello-world", "archive": "/srv/two.tar", "sha256": sha256}
    run = apply(lab, host, book(tmp_path, images=[wish]))
    assert run.code == 20, run
    assert names(host) == {"hello-world:latest", "other:1"}
    converged(lab, host, book(tmp_path, images=[wish]))
    undo(lab, host)
    assert names(host) == set()
    sent = tmp_path / "two.tar"
    sent.write_bytes(Path(f"{host.upper}/srv/two.tar").read_bytes())
    mine = {"name": "hello-world", "send": str(sent), "sha256": sha256}
    run = apply(lab, host, book(tmp_path, images=[mine]))
    assert run.code == 20, run
    assert names(host) == {"hello-world:latest", "other:1"}
    assert host.exec(f"ls -d {STATE}/sent.*", check=False).stdout == ""
    converged(lab, host, book(tmp_path, images=[mine]))
    undo(lab, host)
    sent.unlink()
    assert apply(lab, host, book(tmp_path, images=[mine])).code == 3
    for change, code, word in (
        ({"sha256": "0" * 64}, 8, "not the pinned digest"),
        ({"name": "nobody:1"}, 6, "it holds hello-world:latest"),
        ({"archive": "/srv/none.tar", "sha256": ""}, 6, "no such file"),
    ):
        failed = apply(lab, host, book(tmp_path, images=[{**wish, **change}]))
        assert failed.code == code, failed
        assert word in failed.told
        healthy(host)
        if names(host):
            undo(lab, host)
        assert names(host) == set()


# --- registries -----------------------------------------------------------------------------------


def login_file(folder: Path, password: str) -> Path:
    file = folder / "logins"
    file.write_text(f"# ours\nhttps://{USER}:{quote(password, safe='')}@{REGISTRY}\n")
    file.chmod(0o600)
    return file


def forms(password: str) -> tuple[str, ...]:
    """The canary as it could be written."""
    return (
        password,
        quote(password, safe=""),
        b64encode(f"{USER}:{password}".encode()).decode(),
        b64encode(password.encode()).decode(),
        password.encode().hex(),
    )


def test_a_private_registry(lab: Lab, host: Host, tmp_path: Path) -> None:
    """TLS by a CA of its own, a login, an image from there; and the password in docker's file alone."""
    canary = lab.registry_password
    wanted = {
        "registries": [{"host": REGISTRY, "ca": lab.authority(), "login": True}],
        "images": [{"name": f"{REGISTRY}/library/hello-world", "tags": ["hello:ours"]}],
    }
    file, log = book(tmp_path, **wanted), tmp_path / "log"
    logins = login_file(tmp_path, canary)
    assert apply(lab, host, file).code == 3  # no login is given
    with watched(canary) as plain, watched(forms(canary)[2]) as encoded:
        run = apply(lab, host, file, "--registry-logins", logins, "--log", log)
        again = converged(lab, host, file, "--registry-logins", logins)
        planned = dockwright(lab, "plan", file, at(host, "ops"), "--registry-logins", logins)
    assert run.code == 20, run
    assert (plain, encoded) == (set(), set())
    assert {f"{REGISTRY}/library/hello-world:latest", "hello:ours"} <= names(host)
    assert host.exec(f"stat -c '%a %U' {CONFIG}").stdout.split() == ["600", "root"]
    assert [words[1] for words in receipt(host, run) if words[0] == "login"] == [REGISTRY]
    assert converged(lab, host, file).code == 0  # none to compare with
    told = [text for one in (run, again, planned) for text in (one.out, one.err)]
    undo(lab, host)
    assert host.exec(f"test -e {CONFIG}", check=False).returncode == 1
    assert host.exec("ls /etc/docker/certs.d", check=False).returncode != 0
    assert names(host) == set()
    seen_nowhere(lab, host, canary, *told, log.read_text())
    healthy(host)


def seen_nowhere(lab: Lab, host: Host, canary: str, *texts: str) -> None:
    """No form of it is in what was said, on the host, in its journal, or at home."""
    nowhere(lab, host, *texts, seen=forms(canary))


def test_a_wrong_password(lab: Lab, host: Host, tmp_path: Path) -> None:
    """6, the login is the cause; the right one mends it; uninstall logs out before docker goes."""
    file = book(tmp_path, registries=[{"host": REGISTRY, "ca": lab.authority(), "login": True}])
    failed = apply(lab, host, file, "--registry-logins", login_file(tmp_path, "wr0ng-c4n4ry"))
    assert failed.code == 6, failed
    assert "login refused" in failed.told
    assert "daemon is healthy" in failed.failed.brief
    assert host.exec(f'grep -c auth\\" {CONFIG}', check=False).stdout.strip() in ("", "0")
    seen_nowhere(lab, host, "wr0ng-c4n4ry", failed.out, failed.err)
    healthy(host)
    mended = apply(
        lab, host, file, "--registry-logins", login_file(tmp_path, lab.registry_password)
    )
    assert mended.code == 20, mended
    undo(lab, host)


def test_a_login_of_somebody_else(lab: Lab, host: Host, tmp_path: Path) -> None:
    """Left alone where none is given, and where the one that is given is wrong, also by an undo."""
    host.exec(f"mkdir -p /etc/docker/certs.d/{REGISTRY}")
    host.put(f"/etc/docker/certs.d/{REGISTRY}/ca.crt", lab.authority(), 0o644)
    theirs = f"docker login -u {USER} --password-stdin {REGISTRY}"
    host.exec(theirs, input=lab.registry_password)
    was = host.exec(["cat", CONFIG]).stdout
    file = book(tmp_path, registries=[{"host": REGISTRY, "ca": lab.authority(), "login": True}])
    assert apply(lab, host, file).code == 0
    assert apply(lab, host, file, "--registry-logins", login_file(tmp_path, "wr0ng")).code == 6
    undo(lab, host)
    assert host.exec(["cat", CONFIG]).stdout == was


def test_all_of_it_on_a_bare_host(lab: Lab, layers: Layers, tmp_path: Path) -> None:
    """In one run, from a mirror of the packages on; run again, nothing; an uninstall logs out first."""
    host = layers.host("fresh", "ubuntu-24.04")
    logins = login_file(tmp_path, lab.registry_password)
    file = book(
        tmp_path,
        registries=[
            {"host": REGISTRY, "ca": lab.authority(), "login": True},
            {"host": HUB_MIRROR, "ca": lab.authority(), "mirror": True},
        ],
        images=[{"name": f"{REGISTRY}/library/ubuntu"}, {"name": "hello-world"}],
    )
    words: list[str | Path] = ["--mirror", PACKAGES, "--registry-logins", logins]
    run = apply(lab, host, file, *words)
    assert run.code == 20, str(run)
    assert names(host) == {f"{REGISTRY}/library/ubuntu:latest", "hello-world:latest"}
    again = apply(lab, host, file, *words)
    assert (again.code, again.all(StepFinished)) == (0, [])
    assert undo(lab, host).code == 0
    assert host.exec("ls /etc/docker /root/.docker", check=False).stdout == ""
    assert apply(lab, host, file, *words).code == 20
    gone = dockwright(lab, "uninstall", at(host, "ops"), "--yes")
    assert gone.code == 0, str(gone)
    assert gone.step(f"log out of {REGISTRY}").outcome == "changed"
    left = host.exec(f"cat {CONFIG}; ls /etc/docker", check=False).stdout
    assert left == ""
    seen_nowhere(lab, host, lab.registry_password, run.out, again.out, gone.out)
    host.remove()


def test_a_mirror_of_the_hub(lab: Lab, host: Host, tmp_path: Path) -> None:
    """Merged behind those of others, by a reload; what is pulled comes from it; undone, theirs stay."""
    theirs = {"registry-mirrors": ["https://theirs.lab.test"], "debug": False}
    host.put(DAEMON, json.dumps(theirs), 0o644)
    host.exec("systemctl reload docker")
    began = host.exec("systemctl show -P ExecMainStartTimestamp docker").stdout
    mirror = {"host": HUB_MIRROR, "ca": lab.authority(), "mirror": True}
    wanted = {"registries": [mirror], "images": [{"name": "ubuntu"}]}
    run = apply(lab, host, book(tmp_path, **wanted))
    assert run.code == 20, run
    now = json.loads(host.exec(["cat", DAEMON]).stdout)
    mirrors = ["https://theirs.lab.test", f"https://{HUB_MIRROR}"]
    assert now == {**theirs, "registry-mirrors": mirrors}
    assert host.exec("systemctl show -P ExecMainStartTimestamp docker").stdout == began
    reload = next(action for action in run.plan.actions if action.kind == "reload")
    assert reload.verb is Verb.CHANGE
    asked = [line for line in lab.requests() if HUB_MIRROR.partition(":")[0] in line]
    assert any("/v2/library/ubuntu/" in line for line in asked)
    converged(lab, host, book(tmp_path, **wanted))
    undo(lab, host)
    assert json.loads(host.exec(["cat", DAEMON]).stdout) == theirs
    host.exec(["rm", DAEMON])
    host.exec("systemctl restart docker")
    healthy(host)


def refused(host: Host, port: int) -> str:
    """From now on nothing answers the host at that port."""
    rule = f"OUTPUT -p tcp --dport {port} -j REJECT --reject-with tcp-reset"
    host.exec(f"iptables -I {rule}")
    return rule


@pytest.mark.sampled("what", 2)
@pytest.mark.parametrize("what", ["registry", "mirror", "wrong CA"])
def test_d19_a_registry_that_cannot_be_used(
    lab: Lab, host: Host, tmp_path: Path, what: str
) -> None:
    """8 with the registry or the mirror as the cause; the daemon is healthy; mended, it is checked again."""
    mirror = what == "mirror"
    right = {"host": HUB_MIRROR, "ca": lab.authority(), "mirror": mirror}
    wrong = {"ca": lab.authority("stranger")} if what == "wrong CA" else {}
    rule = "" if wrong else refused(host, 5443)
    failed = apply(lab, host, book(tmp_path, registries=[{**right, **wrong}]))
    if rule:
        host.exec(f"iptables -D {rule}")
    assert failed.code == 8, failed
    assert HUB_MIRROR in failed.failed.brief
    assert "daemon is healthy" in failed.failed.brief
    cause = dict(failed.failed.details)["cause"]
    assert ("not trusted" if wrong else "unreachable") in cause
    assert cause.startswith("mirror") is mirror
    healthy(host)
    mended = apply(lab, host, book(tmp_path, registries=[right]))
    assert mended.code == (20 if wrong else 0), mended
    assert mended.step("set up registries").outcome == "verified"
    converged(lab, host, book(tmp_path, registries=[right]))
    undo(lab, host)


@pytest.mark.sampled("what", 1)
@pytest.mark.parametrize("what", ["down", "missing", "no such digest"])
def test_an_image_that_does_not_come(lab: Lab, host: Host, tmp_path: Path, what: str) -> None:
    """6 with its own cause, and the same command resumes; nothing of it stays."""
    wish = {"down": "hello-world", "missing": "nobody/nothing:1"}.get(
        what, f"hello-world@sha256:{'0' * 64}"
    )
    rule = refused(host, 443) if what == "down" else ""
    failed = apply(lab, host, book(tmp_path, images=[{"name": wish}]))
    if rule:
        host.exec(f"iptables -D {rule}")
    assert failed.code == 6, failed
    assert "daemon is healthy" in failed.failed.brief
    cause = dict(failed.failed.details)["cause"]
    assert cause.startswith("registry unreachable" if what == "down" else "no such image")
    assert names(host) == set()
    healthy(host)


@pytest.mark.parametrize("what", ["digest mismatch", "disk full"])
def test_a_pull_that_breaks_in_the_middle(lab: Lab, host: Host, tmp_path: Path, what: str) -> None:
    """Not what was pinned: 8; no room: 6, and with room the same command goes on. Nothing half stays."""
    layer = random.Random(5).randbytes(24 * 1024 * 1024)
    storage = Storage(lab.dir / "registry")
    digest = storage.image("ours/large", tar_of({"large": layer}, {}), ["/none"])
    name = "ours/large" + (f"@{digest}" if what == "digest mismatch" else "")
    blob = storage.top / f"blobs/sha256/{digest[7:9]}/{digest[7:]}/data"
    right = blob.read_bytes()
    file = book(tmp_path, images=[{"name": name}])
    if what == "digest mismatch":
        blob.write_bytes(right.replace(b'"schemaVersion": 2', b'"schemaVersion":  2'))
        assert blob.read_bytes() != right
    else:
        # The pull unpacks into a file system that has room for a part of it.
        host.exec(
            "systemctl stop docker.socket docker && mount -t tmpfs -o size=12m none /var/lib/docker"
        )
        host.exec("systemctl start docker")
    try:
        failed = apply(lab, host, file)
        assert host.exec("docker version").returncode == 0
        assert names(host) == set()
    finally:
        blob.write_bytes(right)
        if what == "disk full":
            host.exec("systemctl stop docker.socket docker && umount /var/lib/docker")
            host.exec("systemctl start docker")
    assert failed.code == (8 if what == "digest mismatch" else 6), str(failed)
    assert "daemon is healthy" in failed.failed.brief
    cause = dict(failed.failed.details)["cause"]
    assert cause.startswith("not the pinned digest" if what == "digest mismatch" else "disk full")
    mended = apply(lab, host, file)
    assert mended.code == 20, str(mended)
    converged(lab, host, file)
    undo(lab, host)
    assert names(host) == set()
    healthy(host)


# --- the manual's operations ----------------------------------------------------------------------

OPERATIONS = ("images", "tag", "save", "load", "create", "run", "commit", "build", "history",
              "inspect", "rmi", "pull", "search")  # fmt: skip


def walked(lab: Lab, host: Host, *args: str | Path) -> tuple[Run, set[str]]:
    """A run of verify --operations, and what it tried; nothing of it is left on the host."""
    shown = "docker image ls -a -q; docker ps -aq; docker volume ls -q; docker system df"
    before = host.exec(shown).stdout
    host.mark()
    run = dockwright(lab, "verify", at(host, "ops"), "--operations", *args)
    assert host.changed() == []
    assert host.exec(shown).stdout == before
    assert leftovers(host) == []
    found = [e.text for e in run.all(StepFinished) if e.title == "walk the manual's operations"]
    return run, set(", ".join(found).split(", "))


def test_the_manual_s_operations(lab: Lab, host: Host) -> None:
    """Each is tried, and what cannot be is said; nothing is left behind."""
    run, tried = walked(lab, host)
    assert run.code == 0, str(run)
    assert set(OPERATIONS) <= tried, str(run)
    notes = " ".join(note.text for note in run.all(Note))
    assert "push, login, logout: no registry was given" in notes
    assert "not tried: search" not in notes


def test_a_hub_that_has_no_search(lab: Lab, host: Host) -> None:
    """As behind a mirror: it is said, and the rest is tried."""
    names = host.exec(["cat", "/etc/hosts"]).stdout
    host.put("/etc/hosts", names.replace(" index.docker.io", " nobody.docker.io"))
    search = "timeout 60 docker search hello-world"
    try:
        until(lambda: host.exec(search, check=False).returncode, "dockerd reads its names again")
        run, tried = walked(lab, host)
    finally:
        host.put("/etc/hosts", names)
        # The next test is to find it with them: it remembers names for five seconds.
        until(lambda: not host.exec(search, check=False).returncode, "and once more")
    assert run.code == 0, str(run)
    assert set(OPERATIONS) - tried == {"search"}
    assert "not tried: search" in " ".join(note.text for note in run.all(Note))


def test_the_manual_s_operations_with_a_registry(lab: Lab, host: Host, tmp_path: Path) -> None:
    """Push, login and logout, too; the password is nowhere, and root's own login is as it was."""
    host.exec(f"mkdir -p /etc/docker/certs.d/{REGISTRY}")
    host.put(f"/etc/docker/certs.d/{REGISTRY}/ca.crt", lab.authority(), 0o644)
    canary = lab.registry_password
    logins = login_file(tmp_path, canary)
    with watched(canary) as plain, watched(forms(canary)[2]) as encoded:
        run, tried = walked(
            lab, host, "--registry", f"{REGISTRY}/ours/probe", "--registry-logins", logins
        )
    assert run.code == 0, str(run)
    assert {*OPERATIONS, "push", "login", "logout"} <= tried, str(run)
    assert (plain, encoded) == (set(), set())
    seen_nowhere(lab, host, canary, run.out, run.err)
    bad, _ = walked(
        lab, host, "--registry", REGISTRY, "--registry-logins", login_file(tmp_path, "wr0ng-c4n4ry")
    )
    assert bad.code == 8, bad
    assert "login refused" in bad.told


# --- a mirror of the packages ---------------------------------------------------------------------


def test_packages_of_a_mirror(lab: Lab, layers: Layers) -> None:
    """Docker's own key and index, from elsewhere; run again, nothing; dead, it is the cause."""
    host = layers.host("fresh")
    words = ["install", at(host, "ops"), "--yes", "--detailed-exitcode", "--mirror"]
    dead = dockwright(lab, *words, "http://mirror.lab.test:9/docker-ce")
    assert dead.code == 5, dead
    assert dict(dead.failed.details)["cause"].startswith("mirror: http://mirror.lab.test:9/")
    assert host.changed() == []
    empty = dockwright(lab, *words, "http://mirror.lab.test/elsewhere")
    assert empty.code == 3, empty
    assert "mirror: " in empty.told
    run = dockwright(lab, *words, PACKAGES)
    assert run.code == 20, run
    assert any(
        "docker_url is not the shipped one: it is set by --mirror" in line
        for line in run.plan.trust
    )
    assert f"URIs: {PACKAGES}/linux/debian" in host.exec(["cat", SOURCE]).stdout
    again = dockwright(lab, *words, PACKAGES)
    assert again.code == 0, again
    assert again.all(StepFinished) == []
    host.exec("apt-get -qq update && docker version")
    host.remove()
