"""Bad input is caught before any contact; secrets are in the controller's memory and nowhere else.

X01 and X02 are in test_access.py, X07, X08 and X09 in test_hostile.py. B12 is as far as a playbook
can contradict itself today: two groups and one value. B14 is in test_trust.py, C11 in
test_inventory.py.
"""

from __future__ import annotations

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
from tests.lab.control import Process
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

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
    for name in ("DOCKWRIGHT_DOCKER_FINGERPRINT", "DOCKWRIGHT_DOCKER_KEY_URL"):
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

PROXY = r"""
import base64, select, socket, sys, threading
right = "Basic " + base64.b64encode(sys.stdin.readline().strip().encode()).decode()
def serve(client):
    with client:
        head = b""
        while b"\r\n\r\n" not in head:
            got = client.recv(4096)
            if not got:
                return
            head += got
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split()
        given = [l.split(": ", 1)[1] for l in lines if l.lower().startswith("proxy-authorization: ")]
        if given != [right]:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        name, port = target.rsplit(":", 1)
        with socket.create_connection((name, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            while True:
                for one in select.select([client, server], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    (server if one is client else client).sendall(data)
listener = socket.create_server(("127.0.0.1", 3128))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Process]:
    """A proxy of the controller's network that wants credentials."""
    with lab.popen([sys.executable, "-c", PROXY]) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{USER}:{CANARY}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.fixture
def host(layers: Layers) -> Iterator[Host]:
    made = layers.host("fresh", "ubuntu-24.04")
    yield made
    made.remove()


def nowhere(lab: Lab, host: Host, *texts: str) -> None:
    """No form of the canary is in what was said, on the host, in its journal, or at home."""
    for form in SEEN:
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
    assert [form for form in SEEN if form in whole] == []


@pytest.mark.usefixtures("proxy")
def test_x04_a_proxy_with_credentials(lab: Lab, host: Host, tmp_path: Path) -> None:
    """Used, and masked in each thing that is written or sent; the user's own argv aside."""
    told = tmp_path / "log"
    url = f"http://{USER}:{quote(CANARY, safe='')}@127.0.0.1:3128"
    before = len(lab.requests())
    with watched(b64encode(f"{USER}:{CANARY}".encode()).decode()) as encoded:
        run = install(lab, at(host, "ops"), "--proxy", url, "--log", told)
    assert run.code == 20, run
    assert encoded == set()
    assert len(lab.requests()) > before
    nowhere(lab, host, run.out, run.err, told.read_text())
    human = lab.dockwright("plan", "docker", at(host, "ops"), "--proxy", url, "-v")
    nowhere(lab, host, human.stdout, human.stderr)


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize(
    ("login", "port", "word"),
    [
        (f"{USER}:{quote('wrong' + CANARY, safe='')}", 3128, "407"),
        (f"{USER}:{quote(CANARY, safe='')}", 3129, "refused"),
        (f"{USER}:{quote(CANARY, safe='')}", "none", "no URL"),
    ],
    ids=["refused", "dead", "no-url"],
)
def test_x04_a_proxy_that_fails(
    lab: Lab, host: Host, tmp_path: Path, login: str, port: object, word: str
) -> None:
    """The proxy is named as the cause, without its credentials; the vendor is not blamed."""
    url = f"http://{login}@127.0.0.1:{port}"
    told = tmp_path / "log"
    run = install(lab, at(host, "ops"), "--proxy", url, "--log", told)
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
