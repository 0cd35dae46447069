"""A lab ends without remains, however it ends, and two of them do not meet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.keeper import work_dir
from tests.lab.lab import Lab
from tests.lab.machine import ROOT, cgroup_root, ns_pids

pytestmark = pytest.mark.lab


def inside(pid: int) -> list[int]:
    """All processes in the network of a lab, as seen here."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return sorted(one for one in pids if _in_lab(one, pid))


def _in_lab(pid: int, init: int) -> bool:
    try:
        ours = Path(f"/proc/{init}/ns/net").readlink()
        return len(ns_pids(pid)) > 1 and Path(f"/proc/{pid}/ns/net").readlink() == ours
    except OSError:
        return False


def gone(lab_dir: Path, cgroup: Path, pids: list[int]) -> bool:
    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    return not (lab_dir.exists() or cgroup.exists() or any(alive(pid) for pid in pids))


def wait_for_end(lab: Lab, pids: list[int]) -> None:
    end = time.monotonic() + 60
    while not gone(lab.dir, cgroup_root() / lab.name, pids):
        assert time.monotonic() < end, "something of the lab is left"
        time.sleep(0.02)
    assert str(lab.dir) not in Path("/proc/self/mounts").read_text()
    assert not Path("/sys/class/net/lab0").exists()


def test_two_labs_side_by_side(lab: Lab) -> None:
    with Lab.start() as other:
        first, second = lab.host("same"), other.host("same")
        assert lab.password != other.password
        first.put("/root/who", "first")
        second.put("/root/who", "second")
        assert lab.ssh("root@same", "cat who", check=True).stdout == "first"
        assert other.ssh("root@same", "cat who", check=True).stdout == "second"
        pids = inside(other.init)
        assert len(pids) > 3
    wait_for_end(other, pids)
    assert lab.ssh("root@same", "cat who", check=True).stdout == "first"
    first.remove()


@pytest.mark.parametrize("victim", ["init", "keeper"])
def test_killed(victim: str) -> None:
    lab = Lab.start()
    host = lab.host("web1")
    pids = [*inside(lab.init), host.leader() or 0]
    os.kill(lab.spec[victim], signal.SIGKILL)
    if victim == "keeper":  # its files wait for the next start
        Lab.start().stop()
    lab.stop()
    wait_for_end(lab, pids)


def test_starter_killed() -> None:
    name = f"t{os.getpid()}"
    script = (
        f"import time; from tests.lab.lab import Lab; lab = Lab.start({name!r});"
        "lab.host('web1'); print('up', flush=True); time.sleep(100)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "up\n"
        lab = Lab.attach(name)
        pids = inside(lab.init)
        starter.kill()
    wait_for_end(lab, pids)


def test_command_line() -> None:
    name = f"cli{os.getpid()}"

    def script(*args: str) -> str:
        argv = [str(ROOT / "script/lab"), "--name", name, *args]
        env = {**os.environ, "PYTHON": sys.executable}
        done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    script("up", "--detach")
    lab = Lab.attach(name)
    try:
        assert "10.99.0.11" in script("host", "web1", "--dress", "ubuntu-24.04")
        assert "ubuntu-24.04" in script("status")
        assert script("run", "ssh", "ops@web1", "id -un") == "ops\n"
        pids = inside(lab.init)
    finally:
        script("down")
    wait_for_end(lab, pids)
    assert not (work_dir() / f"{name}.lock").exists()
