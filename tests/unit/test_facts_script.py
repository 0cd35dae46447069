"""facts.sh as a host runs it, with files and programs of the tests' own in the place of the host's."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dockwright import facts
from dockwright.models import Daemon, Facts, FileFact, Unit

AWKS = {
    name: argv
    for name, argv in (("mawk", "mawk"), ("gawk", "gawk"), ("busybox", "busybox awk"))
    if shutil.which(name)
}
INFO: dict[str, Any] = {
    "ID": "1",
    "Containers": 0,
    "Images": 0,
    "Driver": "overlayfs",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "LoggingDriver": "json-file",
    "DockerRootDir": "/srv/docker data",
    "Labels": ['a="Driver":"zfs"', '{"Containers":7,"Images":7}'],
    "ServerVersion": "29.7.2",
    "Runtimes": {
        "nvidia": {"path": "nvidia-container-runtime", "options": {"a": {"fake": {}}}},
        "runc": {"path": "runc", "status": {"features": '{"}":"{\\""}'}},
    },
    "Swarm": {"LocalNodeState": "inactive", "Cluster": {"ID": "x"}},
    "LiveRestoreEnabled": True,
}
HEAD = "HTTP/1.0 200 OK\r\nServer: Docker/29.7.2 (linux)\r\n\r\n"
# What the client tells, where it is asked.
CLIENT = """
case "$*" in
  *info*) echo 'daemon 1.2.3 false inactive overlay2 /var/lib/docker'
    case "$*" in *Runtimes*) echo 'runtimes runc ' ;; esac ;;
  *image*) echo 'image sha256:1 redis 7 sha256:2' ;;
  *ps*) echo 'container c1 web redis:7' ;;
esac
"""


@dataclass
class Machine:
    """A folder with programs that go before the machine's own, and paths that stand for others."""

    top: Path
    swaps: dict[str, str] = field(default_factory=dict)

    def fake(self, name: str, body: str) -> None:
        path = self.top / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.top}/calls\n{body}\n')
        path.chmod(0o755)

    def put(self, path: str, text: str | bytes, at: str) -> Path:
        """A file of the host: ``path`` in the folder that stands for ``at``."""
        root = self.top / "root"
        self.swaps[at] = f"{root}{at}"
        place = Path(f"{root}{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
        return place

    def calls(self) -> list[str]:
        path = self.top / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def answer(self) -> Facts:
        script, nonce = facts.question()
        for old, new in self.swaps.items():
            assert old in script, old
            script = script.replace(old, new)
        script = script.replace(" PATH=/usr/local/sbin", f" PATH={self.top}/bin:/usr/local/sbin")
        env = {"HOME": str(self.top), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(
            ["dash"], input=script, env=env, capture_output=True, text=True, check=True, timeout=60
        )
        return facts.read(done.stdout, nonce, host="here")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    made = Machine(tmp_path)
    made.fake("docker", "exit 1")
    return made


# --- the daemon -----------------------------------------------------------------------------------


@contextmanager
def dockerd(machine: Machine, answer: str | None) -> Iterator[None]:
    """A daemon at a socket with one answer; ``None`` is one that says nothing."""
    path = machine.top / "docker.sock"
    machine.swaps |= {
        "/var/run/docker.sock": str(path),
        "= /usr/bin/docker ]": f"= {machine.top}/bin/docker ]",
        "alarm 3": "alarm 1",
    }
    machine.fake("docker", CLIENT)
    ended = threading.Event()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as question:
                assert question.readline() == b"GET /info HTTP/1.0\r\n"
                if answer is None:
                    ended.wait()
                else:
                    connection.sendall(answer.encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            with socket.socket(socket.AF_UNIX) as last:  # where nobody asked
                last.connect(str(path))
                last.sendall(b"GET /info HTTP/1.0\r\n")
                thread.join(timeout=60)


def info(**changes: object) -> str:
    return HEAD + json.dumps({**INFO, **changes}, separators=(",", ":"))


def asked(machine: Machine) -> set[str]:
    """What docker's client was asked for."""
    return {word for call in machine.calls() for word in ("info", "image", "ps") if word in call}


TOLD = Daemon(
    version="29.7.2", live_restore=True, swarm="inactive", driver="overlayfs",
    data_root="/srv/docker data",
)  # fmt: skip


def test_the_daemon_is_asked_at_its_socket(machine: Machine) -> None:
    with dockerd(machine, info()):
        known = machine.answer()
    assert (known.daemon, known.daemon_error) == (TOLD, "")
    assert (known.images, known.containers, known.nvidia.runtimes) == ((), (), ())
    assert asked(machine) == set()


@pytest.mark.parametrize("count", [(0, 3), (2, 0), (2, 3)])
def test_the_client_is_asked_for_rows_that_there_are(
    machine: Machine, count: tuple[int, int]
) -> None:
    with dockerd(machine, info(Containers=count[0], Images=count[1])):
        known = machine.answer()
    assert known.daemon == TOLD
    assert [row.name for row in known.containers] == ["web"] * bool(count[0])
    assert [row.repository for row in known.images] == ["redis"] * bool(count[1])
    assert "info" not in asked(machine)


def test_runtimes_are_told_where_there_is_a_driver(machine: Machine) -> None:
    machine.put("/proc/driver/nvidia/version", "NVRM version: x 570.1\n", "/proc/driver/nvidia")
    with dockerd(machine, info()):
        known = machine.answer()
    assert known.nvidia.runtimes == ("nvidia", "runc")
    assert known.nvidia.module == "570.1"
    assert asked(machine) == set()


STRANGE = {
    "podman": info().replace("Docker/", "Libpod/"),
    "refused": info().replace("200 OK", "403 Forbidden"),
    "a key twice": info(More={"Driver": "zfs"}),
    "a key missing": info().replace("LiveRestoreEnabled", "LiveRestore"),
    "an escape": info(DockerRootDir='/srv/"'),
    "no version": info(ServerVersion=""),
    "cut off": info()[:-200],
    "nothing": "",
    "silence": None,
}


@pytest.mark.parametrize("name", STRANGE)
def test_where_the_socket_tells_other_than_expected_the_client_is_asked(
    machine: Machine, name: str
) -> None:
    with dockerd(machine, STRANGE[name]):
        known = machine.answer()
    assert known.daemon is not None
    assert (known.daemon.version, known.daemon.driver) == ("1.2.3", "overlay2")
    assert (len(known.images), len(known.containers)) == (1, 1)
    assert asked(machine) == {"info", "image", "ps"}


def test_where_root_has_another_context_the_client_is_asked(machine: Machine) -> None:
    (machine.top / ".docker").mkdir()
    (machine.top / ".docker/config.json").write_text('{"currentContext": "far"}')
    machine.put("/proc/driver/nvidia/version", "NVRM version: x 570.1\n", "/proc/driver/nvidia")
    with dockerd(machine, info()):
        known = machine.answer()
    assert known.daemon is not None
    assert known.daemon.version == "1.2.3"
    assert known.nvidia.runtimes == ("runc",)


def test_a_daemon_that_is_down_is_told_in_the_client_s_words(machine: Machine) -> None:
    down = "case $1 in info) echo 'daemon  false   '; echo 'Cannot connect to it.' >&2 ;; esac"
    machine.fake("docker", down)
    known = machine.answer()
    assert (known.daemon, known.daemon_error) == (None, "Cannot connect to it.")


# --- what programs tell ---------------------------------------------------------------------------

ROWS = [
    ("ii ", "apt", "installed", "install", "2.7.14"),
    ("iF ", "docker-ce", "half-configured", "install", "5:29.7.2-1"),
    ("hn ", "docker.io", "not-installed", "hold", ""),
    ("un ", "podman-docker", "not-installed", "unknown", ""),
    ("ii ", "dpkg", "installed", "install", "1.22"),
    ("ii ", "dockerish", "installed", "install", "1"),
    ("iiR", "broken", "installed", "install", "1"),
    ("unR", "odd", "not-installed", "unknown", ""),
    ("rc ", "runc", "config-files", "deinstall", "1.1"),
    ("it ", "man-db", "triggers-pending", "install", "1"),
    ("ii ", "linux-image-generic", "installed", "install", "6.8"),
    ("rc ", "linux-image-6.8.0-1-generic", "config-files", "deinstall", "6.8"),
    ("un ", "nvidia-driver-570", "not-installed", "unknown", ""),
    ("ii ", "nvidia-kernel-common", "installed", "hold", "570"),
    ("ii ", "nvidia-docker-old", "installed", "install", "1"),
    ("ii ", "libcuda1", "installed", "install", "570"),
]
SHOW = """\
ExecStart={ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// --label=a=b ; ignore_errors=no ; x }
Id=docker.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=ssh.service
LoadState=masked
ActiveState=inactive
UnitFileState=

Id=ssh.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=gone.service
LoadState=not-found
ActiveState=inactive
"""
BROKEN = "dpkg-query: error: parsing file '/var/lib/dpkg/status' near line 3:\n missing name\n"
USERS = (
    "root:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:\nops:x:1000:1000::/:\n+::::::\nnobody:x:65534:1::/:\n"
)


def dpkg(machine: Machine, rows: str, status: int = 0) -> None:
    (machine.top / "rows").write_text(rows)
    machine.fake("dpkg-query", f"cat {machine.top}/rows; exit {status}")


def as_rows(*rows: tuple[str, ...]) -> str:
    return "".join("+" + "\t".join(row) + "\n" for row in rows)


@pytest.mark.parametrize("awk", AWKS)
def test_what_programs_tell_is_read_by_any_awk(machine: Machine, awk: str) -> None:
    machine.fake("awk", f'exec {AWKS[awk]} "$@"')
    dpkg(machine, as_rows(*ROWS))
    machine.fake("dpkg", "echo riscv64")
    machine.put("/run/systemd/system/docker.service", "", "/run/systemd")
    (machine.top / "show").write_text(SHOW)
    machine.fake("systemctl", f"cat {machine.top}/show")
    (machine.top / "users").write_text(USERS)
    machine.fake(
        "getent", f"case $1 in group) echo docker:x:9:ops,pat ;; *) cat {machine.top}/users ;; esac"
    )
    known = machine.answer()
    assert [(one.name, one.status, one.version, one.held) for one in known.packages] == [
        ("apt", "installed", "2.7.14", False),
        ("docker-ce", "half-configured", "5:29.7.2-1", False),
        ("docker.io", "not-installed", None, True),
        ("runc", "config-files", "1.1", False),
    ]
    assert (known.architecture, known.apt_version) == ("riscv64", "2.7.14")
    assert known.dpkg_audit == "iF  docker-ce\niiR broken\nit  man-db"
    assert known.units == (
        Unit(name="docker.service", enabled="enabled", active="active"),
        Unit(name="ssh.service", enabled="-", active="inactive"),
    )
    assert known.ground.exec_start == "/usr/bin/dockerd -H fd:// --label=a=b"
    assert known.docker_group == ("ops", "pat")
    assert known.users == ("root", "ops")


def test_systemd_is_asked_for_units_that_it_may_know(machine: Machine) -> None:
    unit = machine.put("/lib/systemd/system/ssh.service", "", "/lib/systemd/system")
    alias = machine.put("/etc/systemd/system/x", "", "/etc/systemd/system").with_name
    alias("sshd.service").symlink_to(unit)
    alias("ssh.socket").symlink_to("/nowhere")
    machine.put("/run/systemd/system/x", "", "/run/systemd")
    machine.put("/run/systemd/generator.late/docker.socket", "", "/run/systemd")
    machine.put("/sys/fs/cgroup/system.slice/docker.service/x", "", "/sys/fs/cgroup/")
    machine.fake("systemctl", "")
    machine.answer()
    (shown,) = (call.split() for call in machine.calls() if call.startswith("systemctl"))
    assert shown[4:] == ["docker.service", "docker.socket", "ssh.service", "ssh.socket"]


def test_systemd_is_not_asked_where_it_knows_none(machine: Machine) -> None:
    for path in ("/etc/systemd/system", "/lib/systemd/system", "/sys/fs/cgroup/"):
        machine.put(f"{path}/x", "", path)
    machine.put("/run/systemd/system/x", "", "/run/systemd")
    machine.fake("systemctl", "echo Id=ssh.service; echo LoadState=loaded")
    assert machine.answer().units == ()
    assert not [call for call in machine.calls() if call.startswith("systemctl")]


def test_where_a_driver_may_be_wanted_its_packages_are_told(machine: Machine) -> None:
    for name, text in {"vendor": "0x10de", "class": "0x030200", "device": "0x2330"}.items():
        machine.put(
            f"/sys/bus/pci/devices/0000:01:00.0/{name}", f"{text}\n", "/sys/bus/pci/devices"
        )
    machine.put("/proc/driver/none", "", "/proc/driver/nvidia")
    dpkg(machine, as_rows(*ROWS))
    known = machine.answer()
    assert known.gpus == ("0000:01:00.0",)
    assert known.nvidia.kernels == ("linux-image-generic",)
    names = [one.name for one in known.packages]
    assert names[-2:] == ["nvidia-kernel-common", "libcuda1"]
    assert "nvidia-docker-old" not in names


@pytest.mark.parametrize(
    ("rows", "status", "audit"),
    [
        ("dpkg-query: no packages found matching *\n", 1, ""),
        (
            BROKEN,
            2,
            f"{BROKEN}database unreadable",
        ),
        (as_rows(*[("iHR", f"x{n:04}", "half-installed", "install", "1") for n in range(999)]),
         0, "".join(f"iHR x{n:04}\n" for n in range(999))[:2000].strip()),
    ],
    ids=["empty", "broken", "long"],
)  # fmt: skip
def test_what_dpkg_cannot_tell_is_in_the_audit(
    machine: Machine, rows: str, status: int, audit: str
) -> None:
    dpkg(machine, rows, status)
    known = machine.answer()
    assert known.dpkg_audit == audit
    assert known.packages == ()


# --- what the shell reads itself ------------------------------------------------------------------


def test_files_come_with_mode_owner_and_content(machine: Machine) -> None:
    keys, put = "/etc/apt/keyrings", machine.put
    big = put(f"{keys}/a-big.gpg", bytes(70_000), "/etc/apt")
    small = put(f"{keys}/b-docker.asc", "key\n", "/etc/apt")
    small.chmod(0o4640)
    put(f"{keys}/c-empty.gpg", "", "/etc/apt")
    put(f"{keys}/d-odd\nname", "odd", "/etc/apt")
    small.with_name("e-dangling").symlink_to("/nowhere/at all")
    small.with_name("f-link").symlink_to(small)
    small.with_name("g-folder").mkdir()
    put(f"{keys}/h-last.gpg", b"\x99\x00\xff", "/etc/apt")
    put("/etc/apt/sources.list", "deb http://deb.example x main\n", "/etc/apt")
    put("/etc/apt/sources.list.d/docker.list", "# Docker\n", "/etc/apt")
    put("/etc/apt/sources.list.d/nvidia.sources", "404\n", "/etc/apt")
    put("/etc/apt/sources.list.d/other.list", "deb http://x.example y\n", "/etc/apt")
    known = machine.answer()
    top = f"{machine.top}/root"
    owner = f"{small.owner()}:{small.group()}"

    def told(files: tuple[FileFact, ...]) -> dict[str, tuple[str, str | None, str | None]]:
        return {one.path.removeprefix(top): (one.mode, one.content, one.target) for one in files}

    mode = f"{big.stat().st_mode & 0o7777:04o}"
    assert told(known.keys) == {
        f"{keys}/a-big.gpg": (mode, None, None),
        f"{keys}/b-docker.asc": ("4640", "key\n", None),
        f"{keys}/c-empty.gpg": (mode, "", None),
        f"{keys}/d-odd name": (mode, "odd", None),
        f"{keys}/e-dangling": ("0000", None, "/nowhere/at all"),
        f"{keys}/f-link": ("4640", "key\n", str(small)),
        f"{keys}/h-last.gpg": (mode, "\x99\x00\xff", None),
    }
    assert {one.owner for one in known.keys} == {owner, "?:?"}
    sums = {one.path.removeprefix(f"{top}{keys}/"): one.sha256 for one in known.keys}
    assert sums["a-big.gpg"] == hashlib.sha256(bytes(70_000)).hexdigest()
    assert sums["e-dangling"] == "unreadable"
    assert told(known.sources) == {
        "/etc/apt/sources.list.d/docker.list": (mode, "# Docker\n", None),
        "/etc/apt/sources.list.d/nvidia.sources": (mode, "404\n", None),
    }


SOCKETS = "  sl  local_address rem_address   st tx_queue\n"
OTHER = "   1: 0100007F:0277 00000000:0000 0A 00000000\n"
SSH = "   0: 00000000:0016 00000000:0000 0A 00000000\n"
SSH6 = SSH.replace("00000000:0016", f"{'0' * 32}:0016")
LOGIN = "   2: 0A00000A:0016 0A00000B:CAFE 01 00000000\n"


@pytest.mark.parametrize(
    ("tcp", "tcp6", "listening"),
    [
        (SSH, "", True),
        (OTHER + SSH + LOGIN, "", True),
        (OTHER * 60 + SSH, "", True),
        (OTHER + LOGIN + SSH, "", True),
        (OTHER + LOGIN, OTHER + SSH6, True),
        ("", SSH6, True),
        (OTHER + LOGIN, LOGIN, False),
        ("", "", False),
    ],
)
def test_sshd_listens_wherever_it_stands_in_the_table(
    machine: Machine,
    tcp: str,
    tcp6: str,
    listening: bool,  # noqa: FBT001
) -> None:
    machine.put("/proc/net/tcp6", SOCKETS + tcp6, "/proc/net/tcp")
    machine.put("/proc/net/tcp", SOCKETS + tcp, "/proc/net/tcp")
    assert machine.answer().ssh_listening is listening


@pytest.mark.parametrize(
    ("files", "kernel", "virtualisation"),
    [
        ({"/run/systemd/container": "lxc"}, "6.8", "lxc"),
        ({"/run/systemd/container": "lxc", "/run/host/container-manager": "podman"}, "6.8", "podman"),
        ({"/run/systemd/container": "lxc"}, "5.15-microsoft-standard-WSL2", "asked"),
        ({"/run/systemd/container": "lxc"}, "4.4.0-19041-Microsoft", "asked"),
        ({"/run/systemd/container": "oci"}, "6.8", "asked"),
        ({}, "6.8", "asked"),
    ],
)  # fmt: skip
def test_a_container_is_known_by_what_its_manager_wrote(
    machine: Machine, files: Mapping[str, str], kernel: str, virtualisation: str
) -> None:
    machine.fake("systemd-detect-virt", "echo asked")
    machine.put("/run/host/none", "", "/run/host")
    machine.put("/run/systemd/none", "", "/run/systemd")
    machine.put("/proc/sys/kernel/osrelease", kernel + "\n", "/proc/sys/kernel/osrelease")
    for path, text in files.items():
        machine.put(path, text + "\n", path.rpartition("/")[0])
    assert machine.answer().virtualisation == virtualisation
