"""Bad input is caught before any contact; secrets are in the controller's memory and nowhere else.

Which test shows which row of the list of faults is held by tests/unit/test_rows.py.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.hosts.support import Layers, at, install, until
from tests.hosts.test_access import watched
from tests.lab.host import Host
from tests.lab.lab import Lab, Proxy
from tests.lab.machine import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("real_processes", "vendor_is_good")]

NOBODY = "ops@192.0.2.7"  # were it asked, the answer would be 5


def offline(
    lab: Lab, *args: str | Path, env: dict[str, str] | None = None, stdin: str | None = None
) -> tuple[int, str]:
    """A run where no network is, and no terminal: the exit code and all that was said."""
    argv = ["unshare", "--net", sys.executable, "-m", "dockwright", *map(str, args)]
    done = lab.run(argv, env={"PYTHONPATH": str(ROOT / "installer"), **(env or {})}, input=stdin)
    return done.returncode, done.stdout + done.stderr


BOOK = "playbook: mine\nsummary: mine\ncomponents: [docker-engine]\n"
PLAYBOOKS = [
    ("B01", BOOK + "variables: {a: [\n", ["mine.yaml:"]),
    ("B02", BOOK + "variables:\n  dockr_version: '29'\nsumary: x\n", ["docker_version", "summary"]),
    ("B03", BOOK + "variables:\n  hold: true\n  hold: false\n", ["5", "6", "hold"]),
    ("B04", BOOK + "variables:\n  docker_version: 29.10\n", ["docker_version", "5"]),
    ("B05", BOOK + "variables:\n  docker_users: !!python/object/apply:os.system [touch canary]\n", ["5"]),
    ("B06", BOOK + "variables:\n  docker_users: ['$(touch canary)']\n", ["docker_users"]),
    ("B07", BOOK + 'variables:\n  docker_url: "https://a.example/\\nTrusted: yes"\n', ["docker_url"]),
    ("B08", BOOK + "variables:\n  docker_packages: [docker-ce-, --allow-unauthenticated]\n", ["docker-ce-"]),
    ("B09", BOOK + "variables:\n  docker_url: 'https://{{ nowhere }}/'\n", ["nowhere"]),
    ("B10", BOOK + "variables:\n  docker_url: \"{{ ''.__class__.__mro__ }}\"\n", ["5:", "attributes"]),
    ("B13", BOOK + "variables:\n  docker_fingerprint: 0EBFCD88\n", ["40"]),
    ("B15", BOOK + "variables:\n  docker_url: \"{{ 'a' * 10000000000 }}\"\n", ["5:", "products"]),
]  # fmt: skip


@pytest.mark.parametrize(("row", "text", "words"), PLAYBOOKS, ids=[row for row, *_ in PLAYBOOKS])
def test_playbooks(lab: Lab, tmp_path: Path, row: str, text: str, words: list[str]) -> None:
    """2, with file, line and key; all errors at once; nothing is run and nobody asked."""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    file.chmod(0o600)
    for command, more in (("apply", ["--yes"]), ("plan", [])):
        code, told = offline(lab, command, file, NOBODY, *more)
        assert code == 2, told
        assert "Traceback" not in told
        for word in ["mine.yaml", *words]:
            assert word in told, told
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
    assert not Path("canary").exists()


@pytest.mark.parametrize(
    ("row", "args", "code", "words"),
    [
        ("B02", ["install", NOBODY, "--yes", "--set", "docker_versoin=29"], 2, ["docker_version"]),
        ("B06", ["install", NOBODY, "--yes", "--docker-version", "29;reboot"], 2, ["29;reboot"]),
        ("B06", ["install", "ops@host;reboot", "--yes"], 2, []),
        ("B06", ["install", "-oProxyCommand=touch canary", "--yes"], 2, []),
        ("B08", ["install", NOBODY, "--yes", "--set", "docker_packages=docker-ce^"], 2, ["docker-ce^"]),
        ("B13", ["install", NOBODY, "--yes", "--set", "docker_fingerprint=8D81803C0EBFCD88"], 2, ["40"]),
        ("B16", ["install", NOBODY], 2, ["--yes"]),
        ("B17", ["install", NOBODY, "--yes", "--nope"], 2, ["--nope"]),
        ("B20", ["undo", "--yes"], 2, ["HOST"]),
    ],
)  # fmt: skip
def test_command_lines(lab: Lab, row: str, args: list[str], code: int, words: list[str]) -> None:
    got, told = offline(lab, *args)
    assert got == code, told
    assert "Traceback" not in told
    for word in words:
        assert word in told, told
    assert not Path("canary").exists()


KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"
THOUSAND = "".join(f"  h{n}: {{address: 192.0.2.{n % 250}, port: {n + 1}}}\n" for n in range(1000))
INVENTORIES = [
    ("B11", "hosts:\n  a:\n  a:\n", ["inv:3", "line 2", "twice"]),
    ("B11", "[web]\na\nb\na\n", ["inv:2", "inv:4", "twice"]),
    ("B11", "hosts:\n  a: {address: x}\n  b: {address: x}\n", ["inv:2", "inv:3", "same machine"]),
    ("B11", "hosts: {}\n", ["no host"]),
    ("B11", f"hosts:\n{THOUSAND}".replace("port: 618}", "prot: 618}"), ["inv:619", "'port'"]),
    ("B12", ("hosts: {a: }\ngroups:\n  x: {hosts: [a], variables: {hold: true}}\n"
            "  y: {hosts: [a], variables: {hold: false}}\n"), ["inv:3", "inv:4", "'hold'"]),
    ("B19", KEY, ["--identity"]),
    ("X01", "a ansible_become_password=c2VjcmV0\n", ["inv:1", "--sudo-password-file"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "text", "words"), INVENTORIES, ids=[row for row, *_ in INVENTORIES]
)
def test_inventories(lab: Lab, tmp_path: Path, row: str, text: str, words: list[str]) -> None:
    """2 with the places of all that is wrong, from a file and on standard input; nobody is asked."""
    file = tmp_path / "inv"
    file.write_text(text)
    file.chmod(0o600)
    for source, name in ((file, "inv"), ("-", "<stdin>")):
        code, told = offline(lab, "install", "-i", source, "--yes", stdin=text)
        assert code == 2, told
        assert "Traceback" not in told
        assert "c2VjcmV0" not in told
        for word in words:
            assert word.replace("inv:", f"{name}:") in told.replace("\n", " "), told


def test_b18_what_others_may_write(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(BOOK)
    file.chmod(0o666)
    code, told = offline(lab, "apply", file, NOBODY, "--yes")
    assert code in (2, 3), told
    assert "mine.yaml" in told


def test_b21_nothing_trusted_comes_from_the_environment(lab: Lab, tmp_path: Path) -> None:
    for name in (
        "DOCKWRIGHT_DOCKER_FINGERPRINT",
        "DOCKWRIGHT_DOCKER_KEY_URL",
        "DOCKWRIGHT_DOCKER_FLOOR",
    ):
        code, told = offline(lab, "install", NOBODY, "--yes", env={name: "0" * 40})
        assert code == 2, told
        assert name in told
    file = tmp_path / "inv.yaml"
    file.write_text(f"hosts: {{a: {{variables: {{docker_fingerprint: {'A' * 40}}}}}}}\n")
    code, told = offline(lab, "install", "a", "--yes", env={"DOCKWRIGHT_INVENTORY": str(file)})
    assert code == 2, told
    assert "docker_fingerprint" in told


# --- credentials of a proxy -----------------------------------------------------------------------

CANARY = "c4n4ry:p@ss/w%rd"
USER = "robot"
SEEN = (
    CANARY,
    quote(CANARY, safe=""),
    quote(CANARY, safe="").lower(),
    b64encode(f"{USER}:{CANARY}".encode()).decode(),
    b64encode(CANARY.encode()).decode()[:-2],
    CANARY.encode().hex(),
)

LOGIN = f"{USER}:{quote(CANARY, safe='')}"


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Proxy]:
    """A proxy that wants credentials."""
    with lab.proxy(f"{USER}:{CANARY}") as served:
        yield served


def in_file(folder: Path, login: str, place: str) -> Path:
    """A proxy's URL with its login, where no other user can read it."""
    file = folder / "proxy"
    file.write_text(f"http://{login}@{place}\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def host(layers: Layers) -> Iterator[Host]:
    made = layers.host("fresh", "ubuntu-24.04")
    yield made
    made.remove()


def nowhere(lab: Lab, host: Host, *texts: str, seen: tuple[str, ...] = SEEN) -> None:
    """No form of the canary is in what was said, on the host, in its journal, or at home."""
    for form in seen:
        for text in texts:
            assert form not in text
        for folder in (host.upper, lab.dir / "home"):
            argv = ["grep", "-rlaF", "-e", form, str(folder)]
            found = subprocess.run(argv, capture_output=True, text=True, check=False)
            assert found.stdout == ""
        for place in ("/run", "/tmp", "/var/tmp"):
            inside = host.exec(["grep", "-rlaF", "-f", "-", place], input=form, check=False)
            assert inside.stdout == ""
    whole = host.exec("journalctl -q -b -o export --no-pager", timeout=60).stdout
    assert [form for form in seen if form in whole] == []


def test_x04_a_proxy_with_credentials(lab: Lab, host: Host, tmp_path: Path, proxy: Proxy) -> None:
    """Used by this machine and by the host, and in each thing that is written or sent it is not."""
    told = tmp_path / "log"
    file = in_file(tmp_path, LOGIN, proxy.url.partition("://")[2])
    with (
        watched(b64encode(f"{USER}:{CANARY}".encode()).decode()) as encoded,
        watched(CANARY) as plain,
    ):
        run = install(lab, at(host, "ops"), "--proxy-file", file, "--log", told)
    assert run.code == 20, run
    assert (encoded, plain) == (set(), set())
    assert {line.split()[0] for line in proxy.requests} == {"ok"}
    nowhere(lab, host, run.out, run.err, told.read_text(), *proxy.requests)
    human = lab.dockwright("plan", "docker", at(host, "ops"), "--proxy-file", file, "-v")
    nowhere(lab, host, human.stdout, human.stderr)


@pytest.mark.parametrize(
    ("login", "port", "word"),
    [
        (f"{USER}:{quote('wrong' + CANARY, safe='')}", "", "407"),
        (LOGIN, "1", "refused"),
        (LOGIN, "none", "no URL"),
    ],
    ids=["refused", "dead", "no-url"],
)
def test_x04_a_proxy_that_fails(
    lab: Lab, host: Host, tmp_path: Path, proxy: Proxy, login: str, port: str, word: str
) -> None:
    """The proxy is named as the cause, without its credentials; the vendor is not blamed."""
    name, _, real = proxy.url.partition("://")[2].partition(":")
    file = in_file(tmp_path, login, f"{name}:{port or real}")
    told = tmp_path / "log"
    run = install(lab, at(host, "ops"), "--proxy-file", file, "--log", told)
    assert run.code == (2 if port == "none" else 5), run
    text = run.out + run.err
    assert word in text
    assert "proxy" in text
    nowhere(lab, host, run.out, run.err, told.read_text() if told.exists() else "")
    assert host.changed() == []


# --- passwords ------------------------------------------------------------------------------------


def test_x03_a_password_that_is_not_needed(lab: Lab, host: Host, tmp_path: Path) -> None:
    """sudo asks for none: then none is sent, and the program's input does not have it."""
    file = tmp_path / "password"
    file.write_text(f"{CANARY}\n")
    file.chmod(0o600)
    told = tmp_path / "log"
    with watched(CANARY) as found:
        run = install(
            lab,
            at(host, "ops"),
            "--sudo-password-file",
            file,
            "--log",
            told,
            "--docker-version",
            "29",
        )
    assert run.code == 20, run
    assert found == set()
    nowhere(lab, host, run.out, run.err, told.read_text())


def test_x05_x06_who_may_read(lab: Lab, host: Host, tmp_path: Path) -> None:
    """Reports are the user's alone, whatever the umask; nothing of ours lies open on the host."""
    told = tmp_path / "log"
    run = install(lab, at(host, "ops"), "--log", told)
    assert run.code == 20, run
    assert stat.S_IMODE(told.stat().st_mode) == 0o600
    walk = "find /var/lib/dockwright -mindepth 1 -maxdepth 1 -type d -perm /077; ls -d /tmp/*dockwright*"
    assert host.exec(walk, check=False).stdout == ""
    for path in ("runs", "runs/*", "last"):
        seen = host.exec(f"ls /var/lib/dockwright/{path}/ 2>&1", user="plain", check=False)
        assert seen.returncode != 0
    until(lambda: host.exec("ls -d /run/dockwright*", check=False).stdout == "", "no files in /run")


# --- hostile hosts, and bugs of our own -----------------------------------------------------------


def test_x08_what_a_host_says_is_data(lab: Lab, host: Host) -> None:
    """os-release is never sourced, here or there, and its words are in no template."""
    text = host.exec("cat /etc/os-release").stdout
    host.exec("rm /etc/os-release")
    wicked = text.replace(
        'PRETTY_NAME="', 'PRETTY_NAME="$(touch /srv/canary) {{ 7 * 7 }} `touch /srv/canary`'
    )
    host.put(
        "/etc/os-release", f"{wicked}EXTRA=$(touch /srv/canary)\nPATH=/srv; touch /srv/canary\n"
    )
    host.mark()
    planned = install(lab, at(host, "ops"), "--dry-run")
    assert planned.code == 20, planned
    shown = lab.dockwright("facts", at(host, "ops"))
    assert "{{ 7 * 7 }}" in " ".join(shown.stdout.split())
    assert host.changed() == []
    host.put(
        "/etc/os-release",
        text.replace("VERSION_CODENAME=", "VERSION_CODENAME=$(touch /srv/canary)"),
    )
    host.exec("sed -i '/^UBUNTU_CODENAME=/d' /etc/os-release")
    host.mark()
    refused = install(lab, at(host, "ops"))
    assert refused.code in (3, 4), refused
    assert not Path("/srv/canary").exists()
    assert host.exec("test -e /srv/canary", check=False).returncode == 1
    assert host.changed() == []


def test_x09_a_bug_tells_no_password(lab: Lab, host: Host, tmp_path: Path) -> None:
    """A traceback, in a Dockwright that has the password in its hands and then breaks: 1, without it."""
    copy = tmp_path / "copy"
    for part in ("installer", "templates", "playbooks"):
        shutil.copytree(ROOT / part, copy / part)
    place = copy / "installer/dockwright/planner/__init__.py"
    text = place.read_text()
    first = "    if facts.dpkg_audit and not verify:"
    place.write_text(text.replace(first, f'    raise RuntimeError("a bug")\n{first}', 1))
    assert place.read_text() != text
    file = tmp_path / "password"
    file.write_text(f"{lab.password}\n")
    file.chmod(0o600)
    env = {"PYTHONPATH": str(copy / "installer"), "PYTHONDONTWRITEBYTECODE": "1"}
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    argv = [sys.executable, "-m", "dockwright", "install", at(host, "pat"), "--yes", *pin]
    done = lab.run([*argv, "--sudo-password-file", str(file)], env=env, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a bug" in done.stdout + done.stderr
    assert lab.password not in done.stdout + done.stderr
    assert [path.name for path in tmp_path.glob("core*")] == []
