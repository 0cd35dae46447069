"""What is trusted, row by row: T01 to T27, on hosts that saw the good repository and hosts that did not.

Most rows are judged on the controller; what is asserted is the host, which must not have changed,
and the exit code. Rows as design.md, section 8, has them, and these:

* T08, a slow drip: a deadline of 60 s; shown with a short one in ``test_fetch.py``.
* T10: a key that is exchanged after the commit point fails the run (6).
* T15, a clock that is off: the hosts share this machine's clock, so ``date`` is one that is off.
* T22 is in test_known_hosts.py.
* T23: the hosts' OpenSSH cannot be without strict key exchange; a server that is, in
  ``unit/transport/test_ssh.py``: told, and not refused.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import pytest

from dockwright.events import Failed
from tests.hosts.support import (
    KEY,
    SOURCE,
    STATE,
    Layers,
    Make,
    Run,
    at,
    dockwright,
    install,
    leftovers,
    unseen,
    untouched,
    versions,
)
from tests.lab import deb, keys, repo
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import arch

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("vendor_is_good"),
    pytest.mark.sampled("host", 2),  # a cold one and a warm one, of two dresses
    pytest.mark.sampled("dress", 1),
]

DRESSES = ("debian-12", "debian-13", "ubuntu-24.04")
SUITES = {"debian-12": "bookworm", "debian-13": "trixie", "ubuntu-24.04": "noble"}
VENDOR = "Docker Release (CE deb) <docker@lab.test>"


def url_of(host: Host, scheme: str = "https", name: str = "download.docker.com") -> str:
    return f"{scheme}://{name}/linux/{host.dress.split('-')[0]}"


def source_of(lab: Lab, host: Host, key: str = KEY) -> str:
    return (
        f"Types: deb\nURIs: {url_of(host)}\nSuites: {SUITES[host.dress]}\nComponents: stable\n"
        f"Architectures: {arch()}\nSigned-By: {key} {lab.fingerprint}\n"
    )


# --- keys and repositories that are not what they should be ---------------------------------------


class Keys:
    """OpenPGP keys of every make, in one place that tests.lab.keys can sign from."""

    def __init__(self, home: Path) -> None:
        self.dir = home
        (home / "gnupg").mkdir(mode=0o700)

    def gpg(self, *args: str, at: str = "", stdin: str | None = None) -> str:
        argv = ["gpg", "--homedir", str(self.dir / "gnupg"), "--batch", "--quiet", "--yes"]
        argv += ["--pinentry-mode", "loopback", "--passphrase", ""]
        argv += ["--faked-system-time", at] if at else []
        done = subprocess.run(
            [*argv, *args], input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, name: str, owner: str, *, expires: str = "never", at: str = "") -> str:
        """A key whose primary certifies and signs; returns its fingerprint."""
        before = set(self.listed())
        self.gpg("--quick-generate-key", owner, "rsa3072", "cert,sign", expires, at=at)
        (primary,) = set(self.listed()) - before
        return self.publish(name, primary)

    def publish(self, name: str, primary: str) -> str:
        (self.dir / f"{name}.asc").write_text(self.gpg("--armor", "--export", primary))
        (self.dir / f"{name}.subkey").write_text(primary)
        return primary

    def listed(self) -> list[str]:
        lines = self.gpg("--with-colons", "-k").splitlines()
        return [
            line.split(":")[9]
            for before, line in itertools.pairwise(lines)
            if before.startswith("pub:") and line.startswith("fpr:")
        ]

    def revoke(self, name: str, primary: str) -> None:
        file = self.dir / f"gnupg/openpgp-revocs.d/{primary}.rev"
        self.gpg("--import", stdin=file.read_text().replace(":-----BEGIN", "-----BEGIN"))
        self.publish(name, primary)


@dataclass
class Sites:
    """Repositories with a fault, each made when a row first asks for it."""

    lab: Lab
    keys: Keys
    made: dict[str, tuple[Path | str, tuple[str, ...]]] = field(default_factory=dict)

    def serve(self, name: str) -> tuple[str, ...]:
        """Serve it; returns the options that the row needs beside it."""
        if name in self.lab.vendor.states:
            self.lab.vendor.serve(name)
            return ()
        if name not in self.made:
            self.made[name] = getattr(self, name)()
        place, options = self.made[name]
        self.lab.vendor.serve(place)
        return options

    def _copy(self) -> Path:
        return self.lab.vendor.copy(f"matrix-{len(self.made)}-{time.monotonic_ns()}")

    def _with_key(self, text: str | bytes) -> tuple[Path, tuple[str, ...]]:
        top = self._copy()
        data = text.encode() if isinstance(text, str) else text
        for file in top.glob("linux/*/gpg"):
            file.write_bytes(data)
        return top, ()

    def _by(self, name: str, pin: str) -> tuple[Path, tuple[str, ...]]:
        """Key and signatures of one of our keys, which is what was pinned."""
        top, _ = self._with_key((self.keys.dir / f"{name}.asc").read_text())
        for release in top.glob("linux/*/dists/*/Release"):
            keys.sign(self.keys.dir, name, release)
        return top, ("--set", f"docker_fingerprint={pin}")

    def good_by(self, name: str) -> str:
        return (self.lab.parts["keys"] / name).read_text()

    def extra_block(self) -> tuple[Path, tuple[str, ...]]:
        return self._with_key(self.good_by("vendor.asc") + self.good_by("wrong.asc"))

    def extra_certificate(self) -> tuple[Path, tuple[str, ...]]:
        return self._with_key(
            b"".join(
                (self.lab.parts["keys"] / f"{n}.gpg").read_bytes() for n in ("vendor", "wrong")
            )
        )

    def user_id(self) -> tuple[Path, tuple[str, ...]]:
        self.keys.make("spoof", f"fpr:::::::::{self.lab.fingerprint}: <docker@lab.test>")
        top, _ = self._by("spoof", "")
        return top, ()

    def subkey(self) -> tuple[str, tuple[str, ...]]:
        return "good", ("--set", f"docker_fingerprint={self.good_by('vendor.subkey').strip()}")

    def expired_subkey(self) -> tuple[Path, tuple[str, ...]]:
        pin = self.keys.make("sub", f"Sub {VENDOR}", at="20200101T000000!")
        self.keys.gpg("--quick-add-key", pin, "rsa3072", "sign", "1y", at="20200101T000000!")
        self.keys.publish("sub", pin)
        return self._by("sub", pin)

    def expired_key(self) -> tuple[Path, tuple[str, ...]]:
        pin = self.keys.make("old", f"Old {VENDOR}", expires="1y", at="20200101T000000!")
        return self._with_key(self.keys.gpg("--armor", "--export", pin))[0], (
            "--set",
            f"docker_fingerprint={pin}",
        )

    def revoked_key(self) -> tuple[Path, tuple[str, ...]]:
        pin = self.keys.make("gone", f"Gone {VENDOR}")
        self.keys.revoke("gone", pin)
        return self._with_key((self.keys.dir / "gone.asc").read_text())[0], (
            "--set",
            f"docker_fingerprint={pin}",
        )

    def soon(self) -> tuple[Path, tuple[str, ...]]:
        return self._by("soon", self.keys.make("soon", f"Soon {VENDOR}", expires="30d"))

    def page(self) -> tuple[Path, tuple[str, ...]]:
        return self._with_key("<!DOCTYPE html><title>Please log in</title>\n")

    def nothing(self) -> tuple[Path, tuple[str, ...]]:
        return self._with_key("")

    def truncated(self) -> tuple[Path, tuple[str, ...]]:
        return self._with_key(self.good_by("vendor.asc")[:900])

    def huge(self) -> tuple[Path, tuple[str, ...]]:
        top, options = self._with_key("x")
        for file in top.glob("linux/*/gpg"):
            with file.open("r+b") as handle:
                handle.truncate(10 << 30)  # sparse
        return top, options

    def secret(self) -> tuple[Path, tuple[str, ...]]:
        pin = self.keys.make("secret", f"Secret {VENDOR}")
        return self._with_key(self.keys.gpg("--armor", "--export-secret-keys", pin))[0], (
            "--set",
            f"docker_fingerprint={pin}",
        )

    def replayed(self) -> tuple[Path, tuple[str, ...]]:
        """An index of before the newest version, with the good signature that it has."""
        top = self._copy()
        for index in sorted(top.glob("linux/*/dists/*/*/binary-*")):
            stanzas = (index / "Packages").read_text().split("\n\n")
            older = [one.replace("5:29.7.2", "5:29.7.0").rstrip("\n") + "\n" for one in stanzas]
            shutil.rmtree(index)
            repo.write_index(index, older, by_hash=True)
        return self.lab.vendor.sign(top), ()

    def future(self) -> tuple[Path, tuple[str, ...]]:
        top = self._copy()
        for release in top.glob("linux/*/dists/*/Release"):
            day = formatdate(time.time() + 3 * 86400, usegmt=True).replace("GMT", "UTC")
            lines = [
                f"Date: {day}" if line.startswith("Date: ") else line
                for line in release.read_text().splitlines()
            ]
            release.write_text("\n".join(lines) + "\n")
            keys.sign(self.lab.parts["keys"], "vendor", release)
        return top, ()

    def bad_debs(self) -> tuple[Path, tuple[str, ...]]:
        """A good index whose packages are other ones, of the same size."""
        top = self._copy()
        for pool in top.glob("linux/*/dists/*/pool"):
            real = pool.resolve()
            pool.unlink()
            shutil.copytree(real, pool, copy_function=_flipped)
        return top, ()


def _flipped(source: str, target: str) -> str:
    """A copy with one byte changed, for the package that is smallest; a link for the rest."""
    if "rootless" not in source:
        Path(target).symlink_to(source)
        return target
    data = Path(source).read_bytes()
    Path(target).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    return target


@pytest.fixture(scope="module")
def sites(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    made = Keys(tmp_path_factory.mktemp("keys"))
    yield Sites(lab, made)
    keys.stop_agent(made.dir / "gnupg")


# --- the hosts ------------------------------------------------------------------------------------


@pytest.fixture(
    scope="module", params=[f"{dress}-{kind}" for dress in DRESSES for kind in ("cold", "warm")]
)
def host(lab: Lab, layers: Layers, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A bare host that never saw the repository, or one that has its key, source and lists."""
    dress, _, kind = request.param.rpartition("-")
    made = layers.host("fresh", dress)
    if kind == "warm":
        lab.vendor.serve("good")
        made.put(KEY, (lab.parts["keys"] / "vendor.asc").read_text())
        made.put(SOURCE, source_of(lab, made))
        made.exec("apt-get -qq update")
        made.mark()
    yield made
    made.remove()


def warm(host: Host) -> bool:
    return host.exec(["test", "-e", SOURCE], check=False).returncode == 0


def refused(run: Run, host: Host, code: int, *words: str) -> Failed:
    """That code, in the event as well; host, cause and next command are named; nothing changed."""
    assert run.code == code, run
    failed = run.failed
    assert (failed.exit, failed.changed_host) == (code, False)
    assert failed.host.endswith(host.name)
    assert failed.brief
    assert failed.next_step, run
    for word in words:
        assert word in run.told, run.told
    assert "commit_point" not in [event.event for event in run.events]
    untouched(host)
    assert versions(host, "docker-ce") == {}
    host.exec(["rm", "-rf", STATE])
    return failed


# Row, what is served, code, words of the message.
REFUSED = [
    ("T01", "wrong-key", 4, ["pinned"]),
    ("T01", "wrong-key-file", 4, ["pinned"]),
    ("T02", "extra_block", 4, ["not one certificate"]),
    ("T02", "extra_certificate", 4, ["not one certificate"]),
    ("T03", "user_id", 4, ["pinned"]),
    ("T04", "subkey", 4, ["only a subkey's"]),
    ("T06", "expired_key", 4, ["expired", "2020-12-31"]),
    ("T06", "revoked_key", 4, ["revoked"]),
    ("T08", "page", 4, ["web page", "Please log in"]),
    ("T08", "nothing", 4, ["nothing"]),
    ("T08", "truncated", 4, ["cut off"]),
    ("T08", "huge", 4, ["larger than"]),
    ("T09", "secret", 4, ["secret key"]),
    ("T11", "wrong-signer", 4, ["not signed by"]),
    ("T12", "unsigned", 4, ["not signed"]),
    ("T13", "tampered", 4, ["sign"]),
    ("T13", "bad-index", 4, ["Packages"]),
    ("T13", "bad_debs", 4, ["not what the signed index says"]),
    ("T15", "expired", 4, ["run out", "2025-02-01"]),
    ("T15", "future", 4, ["in the future"]),
]


@pytest.mark.parametrize(
    ("row", "served", "code", "words"), REFUSED, ids=[f"{row}-{name}" for row, name, *_ in REFUSED]
)
def test_refused(
    lab: Lab, host: Host, sites: Sites, row: str, served: str, code: int, words: list[str]
) -> None:
    options = sites.serve(served)
    refused(install(lab, at(host, "ops"), *options), host, code, *words)


@pytest.mark.parametrize(
    ("row", "served", "note"),
    [
        ("T05", "expired_subkey", "expired on 2020-12-31"),
        ("T07", "soon", "the key expires on"),
    ],
)
def test_noted(lab: Lab, host: Host, sites: Sites, row: str, served: str, note: str) -> None:
    """T05, T07, X10: Good, and worth a line: apt on the host takes the very key, fingerprint and index."""
    options = sites.serve(served)
    run = dockwright(lab, "plan", "docker", at(host, "ops"), *options)
    assert run.code == 0, run
    assert note in "\n".join(run.plan.trust)
    assert "docker_fingerprint is not the shipped one" in "\n".join(run.plan.trust)  # X10
    unseen(host)


def test_t12_apt_that_does_not_verify(lab: Lab, host: Host) -> None:
    """Settings that switch apt's verification off are named by file and line."""
    lax = {
        "/etc/apt/apt.conf.d/99lax": 'APT::Get::Show-Versions "1";\nAPT::Get::AllowUnauthenticated "true";\n',
        "/etc/apt/apt.conf.d/98lax": 'Acquire { AllowInsecureRepositories "yes"; };\n',
        "/etc/apt/sources.list.d/lax.list": f"# x\ndeb [trusted=yes] {url_of(host)} {SUITES[host.dress]} stable\n",
    }
    for path, text in lax.items():
        host.put(path, text)
        host.mark()
        try:
            line = 1 if "98" in path else 2
            refused(install(lab, at(host, "ops")), host, 4, f"{path}:{line}")
        finally:
            host.exec(["rm", path])
            host.mark()


def test_t14_replayed(lab: Lab, host: Host, sites: Sites) -> None:
    """Neither a host that saw a newer index takes an older one, nor one that never saw any."""
    sites.serve("replayed")
    known = "this host knows 29.7.2" if warm(host) else "29.7.2 has been out since 2026-08-05"
    for wish in ([], ["--docker-version", "29.7.1"]):
        run = install(lab, at(host, "ops"), *wish)
        refused(run, host, 4, "offers docker-ce 29.7.", known, "replayed")


def test_t14_a_floor_of_ones_own(lab: Lab, host: Host, sites: Sites) -> None:
    """A mirror that is behind on purpose: the floor can be set, and the plan says that it was."""
    sites.serve("replayed")
    run = dockwright(lab, "plan", "docker", at(host, "ops"), "--set", "docker_floor=29.7.0")
    if warm(host):
        assert run.code == 4, run
        assert "this host knows" in run.told
    else:
        assert run.code == 0, run
        assert "docker_floor is not the shipped one" in "\n".join(run.plan.trust)
    unseen(host)


def test_t15_the_clock(lab: Lab, host: Host) -> None:
    """The host's clock is off: that is said, and not that the vendor cannot be trusted."""
    fake = '#!/bin/sh\ncase $1 in *%s*) set -- -d "20 minutes" "$1" ;; esac\nexec /bin/date "$@"\n'
    host.put("/usr/local/sbin/date", fake, 0o755)
    host.mark()
    try:
        refused(install(lab, at(host, "ops")), host, 3, "clock", "timedatectl")
    finally:
        host.exec(["rm", "/usr/local/sbin/date"])
        host.mark()


def test_t16_tls(lab: Lab, host: Host) -> None:
    """Somebody else answers: to the controller, which asks by an address, or to the host."""
    run = install(
        lab,
        at(host, "ops"),
        "--set",
        f"docker_url={url_of(host, name='10.99.0.1')}",
    )
    refused(run, host, 4, "certificate")
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    host.exec(f"cp -a {bundle} /run/bundle; : >{bundle}; mv /etc/ssl/certs /etc/ssl/away")
    host.mark()
    try:
        refused(install(lab, at(host, "ops")), host, 4, "ertificate")
    finally:
        host.exec(f"mv /etc/ssl/away /etc/ssl/certs; cp -a /run/bundle {bundle}")
        host.mark()


def test_t17_http(lab: Lab, host: Host) -> None:
    """Without TLS all rests on pin and signature, and both still hold."""
    wish = ("--set", f"docker_url={url_of(host, 'http')}")
    run = dockwright(lab, "plan", "docker", at(host, "ops"), *wish)
    assert run.code == 0, run
    assert "docker_url is not the shipped one" in "\n".join(run.plan.trust)
    unseen(host)
    lab.vendor.serve("wrong-signer")
    refused(install(lab, at(host, "ops"), *wish), host, 4, "not signed by")


@pytest.fixture(scope="module")
def rogue(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A repository of somebody else's with a docker-ce of the same version; its URL."""
    place = tmp_path_factory.mktemp("rogue")
    for codename in SUITES.values():
        distro = "ubuntu" if codename == "noble" else "debian"
        tail = lab.vendor.deb(distro, codename, "docker-ce").name.split("_")[1]
        control = {"Package": "docker-ce", "Version": f"5:{tail}", "Architecture": arch()}
        (place / codename).mkdir()
        deb.small(place / codename / f"docker-ce_{tail}.deb", control)
        fields = {"Origin": "Rogue", "Label": "Rogue", "Suite": codename}
        top = lab.dir / "www/get.docker.com" / codename
        top.mkdir(parents=True, exist_ok=True)
        repo.publish(top, codename, place / codename, fields, lab.parts["keys"])
    return "http://get.docker.com"


def test_t18_another_source(lab: Lab, host: Host, rogue: str) -> None:
    """Another source has the same package, and apt would rather take that one."""
    suite = SUITES[host.dress]
    keyring = f"/usr/share/keyrings/{host.dress.split('-')[0]}-archive-keyring.gpg"
    files = {
        "/etc/apt/sources.list.d/a.list": f"deb [signed-by={keyring}] {rogue}/{suite} {suite} main\n",
        "/etc/apt/preferences.d/a": "Package: *\nPin: release o=Rogue\nPin-Priority: 1001\n",
    }
    for path, text in files.items():
        host.put(path, text)
    host.exec("apt-get -qq update")
    host.mark()
    try:
        refused(install(lab, at(host, "ops")), host, 4, "another source")
    finally:
        host.exec(["rm", *files])
        host.exec("rm -f /var/lib/apt/lists/get.docker.com*")
        host.mark()


def test_t19_other_keys(lab: Lab, host: Host) -> None:
    """The same repository under another key path: taken over; in one stanza with others: left alone."""
    url, suite = url_of(host), SUITES[host.dress]
    listed = "/etc/apt/sources.list.d/docker.list"
    stanza = "/etc/apt/sources.list.d/both.sources"
    line = f"deb [arch={arch()} signed-by=/usr/share/keyrings/docker-archive-keyring.gpg] {url} {suite} stable\n"
    host.put("/usr/share/keyrings/docker-archive-keyring.gpg", "none of ours\n")
    host.put(listed, line)
    host.mark()
    try:
        run = dockwright(lab, "plan", "docker", at(host, "ops"))
        assert run.code == 0, run
        assert listed in [action.target for action in run.plan.actions]
        unseen(host)
        both = f"Types: deb\nURIs: {url} http://example.invalid/\nSuites: {suite}\nComponents: stable\n"
        host.exec(["rm", listed])
        host.put(stanza, both)
        host.mark()
        refused(install(lab, at(host, "ops")), host, 3, stanza, "beside others", f"take {url} out")
    finally:
        host.exec(["rm", "-f", listed, stanza, "/usr/share/keyrings/docker-archive-keyring.gpg"])
        host.mark()


@pytest.mark.parametrize("dress", DRESSES)
def test_t19_beside_others(lab: Lab, host_factory: Make, dress: str) -> None:
    """The vendor's entry in files of others: that entry alone is commented out, and comes back."""
    host = host_factory(dress=dress)
    url, suite = url_of(host), SUITES[dress]
    distro = dress.split("-", maxsplit=1)[0]
    keyring = f"/usr/share/keyrings/{distro}-archive-keyring.gpg"
    archive = f"deb [signed-by={keyring}] http://archive.lab.test/{dress} {suite} main\n"
    line = f"deb [arch={arch()} signed-by=/usr/share/keyrings/old.gpg] {url} {suite} stable"
    stanza = f"Types: deb\nURIs: {url}/\nSuites: {suite}\nComponents: stable\nSigned-By: /x.gpg\n"
    other = "Types: deb\nEnabled: no\nURIs: http://x.invalid/\nSuites: y\nComponents: z\n"
    commented = "".join(f"# {one}\n" for one in stanza.splitlines())
    head = f"# the archive\n{archive}#{line}\n"
    files = {
        "/etc/apt/sources.list": (f"{head}{line}\n# end", f"{head}# {line}\n# end"),
        "/etc/apt/sources.list.d/all.sources": (
            f"# all of ours\n{other}\n{stanza}\n{other}",
            f"# all of ours\n{other}\n{commented}\n{other}",
        ),
    }
    host.exec(["rm", f"/etc/apt/sources.list.d/{distro}.sources"])
    for path, (before, _) in files.items():
        host.put(path, before, 0o640 if path.endswith("list") else 0o644)
    host.mark()
    assert host.exec("apt-get -q update", check=False).returncode == 100  # "Conflicting values"
    run = dockwright(lab, "plan", "docker", at(host, "ops"))
    assert run.code == 0, run
    plan = {action.target: action for action in run.plan.actions}
    for path, (before, after) in files.items():
        assert (plan[path].before, plan[path].after) == (before, after)
        assert "commented out" in plan[path].reason
    unseen(host)
    run = install(lab, at(host, "ops"))
    assert run.code == 20, run
    for path, (_, after) in files.items():
        assert host.exec(["cat", path]).stdout == after
    assert host.exec(["stat", "-c", "%a", "/etc/apt/sources.list"]).stdout == "640\n"
    said = host.exec("apt-get -q update")
    assert "Conflicting" not in said.stdout + said.stderr
    host.mark()
    assert install(lab, at(host, "ops")).code == 0
    unseen(host)
    undone = lab.dockwright("undo", at(host, "ops"), "--yes")
    assert undone.returncode == 0, undone
    for path, (before, _) in files.items():
        assert host.exec(["cat", path]).stdout == before


@pytest.mark.sampled("host", 6)  # one dress has that apt
def test_t27_apt_that_can_be_deceived(lab: Lab, host: Host) -> None:
    run = dockwright(lab, "plan", "docker", at(host, "ops"))
    assert run.code == 0, run
    assert ("CVE-2026-109518" in "\n".join(run.plan.notes)) == (host.dress == "debian-12")


# --- rows of one host each ------------------------------------------------------------------------


@pytest.mark.parametrize("dress", DRESSES)
def test_t10_a_key_exchanged(lab: Lab, host_factory: Make, dress: str) -> None:
    """Between the plan and the program somebody writes a key there: planned again, not overwritten."""
    host = host_factory(dress=dress)
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    text = lab.dockwright("render", "docker", "--for", at(host), *pin).stdout
    host.put(KEY, (lab.parts["keys"] / "wrong.asc").read_text())
    host.put("/root/docker.sh", text)
    host.mark()
    done = host.exec("sh /root/docker.sh", check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"{KEY} changed since the plan" in done.stdout
    untouched(host)


@pytest.mark.parametrize("dress", DRESSES)
def test_t20_t21_host_keys(lab: Lab, host_factory: Make, dress: str) -> None:
    """Unknown and changed: no login is tried, so no password can be sent."""
    host = host_factory(dress=dress, known=False)
    print_of = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
    shown = host.exec(print_of).stdout.split()[1]
    run = install(lab, at(host, "pat"))
    assert run.code == 5, run
    assert shown in run.told, run.told
    assert run.failed.next_step
    known = lab.dir / "home/.ssh/known_hosts"
    key = lab.dir / f"other-{host.name}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    kind, blob, *_ = key.with_suffix(".pub").read_text().split()
    file = lab.dir / f"known-{host.name}"
    file.write_text(f"# one\n{host.name},{host.address} {kind} {blob}\n")
    assert known.exists()
    run = install(lab, at(host, "pat"), "--known-hosts", file)
    assert run.code == 5, run
    assert "CHANGED" in run.told.upper(), run.told
    assert f"{file}:2" in run.told, run.told
    assert shown in run.told
    assert "Accepted" not in host.exec("journalctl -u ssh --no-pager").stdout
    unseen(host)


def test_t23_t24_t25_ssh(lab: Lab, host_factory: Make, tmp_path: Path) -> None:
    """Weak host keys only; an agent that ssh_config would forward; a jump host of unknown key."""
    host, jump = host_factory(), host_factory(known=False)
    run = dockwright(lab, "plan", "docker", at(host, "ops"), "-J", f"ops@{jump.name}")
    assert run.code == 5, run
    assert jump.name in run.told

    sock = tmp_path / "agent"
    agent = lab.popen(["ssh-agent", "-D", "-a", sock])
    try:
        while not sock.exists():
            time.sleep(0.02)
        config = lab.dir / "home/.ssh/config"
        before = config.read_text() if config.exists() else None
        config.write_text(f"{before or ''}\nHost *\n  ForwardAgent yes\n")
        host.put("/etc/ssh/sshd_config.d/loud.conf", "LogLevel DEBUG2\n")
        host.exec("systemctl reload ssh")
        run = dockwright(lab, "plan", "docker", at(host, "ops"), env={"SSH_AUTH_SOCK": str(sock)})
        assert run.code == 0, run
        log = host.exec("journalctl -u ssh --no-pager").stdout
        assert " exec" in log
        assert "auth-agent-req" not in log
    finally:
        agent.kill()
        agent.communicate()
        if before is None:
            config.unlink()
        else:
            config.write_text(before)

    host.put(
        "/etc/ssh/sshd_config.d/weak.conf", "HostKeyAlgorithms ssh-rsa\nHostKey /etc/ssh/rsa\n"
    )
    host.exec("ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/rsa && systemctl restart ssh")
    run = dockwright(lab, "plan", "docker", at(host, "ops"), "--host-keys", "accept-new")
    assert run.code == 5, run


@pytest.mark.parametrize("dress", DRESSES)
def test_t26_another_image(lab: Lab, prepared: Make, dress: str) -> None:
    """hello-world that is not the named one: installed, and not verified."""
    host = prepared("docker", dress)
    good = f"hello_image=hello-world@{lab.hello_digest}"
    assert dockwright(lab, "verify", at(host, "ops"), "--set", good).code == 0
    bad = f"hello_image=hello-world@sha256:{'0' * 64}"
    run = dockwright(lab, "verify", at(host, "ops"), "--set", bad)
    assert run.code == 8, run
    assert run.failed.next_step
    assert leftovers(host) == []
