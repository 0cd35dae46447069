"""The process that outlives nobody: it holds a lab's namespaces and clears up when anything ends.

    starter ──pipe──► keeper ──► unshare ──► init (pid 1 of the lab) ──► nginx, registry, hosts

The keeper stays outside the namespaces. When its pipe closes (the starter stopped the lab, died or
was killed), when it is told to stop, or when init is gone, it makes sure that init is dead, with
which the kernel ends every process, mount and network device inside, and removes cgroups and files.
When the keeper itself is killed, init sees its own pipe close and ends; only files remain, and the
next start removes them because nobody holds their lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from tests.lab.machine import LabError, cgroup_root, children, drop_cgroups
from tests.lab.parts import in_use_lock

UNSHARE = [
    "unshare",
    "--fork",
    "--pid",
    "--mount",
    "--mount-proc",
    "--net",
    "--uts",
    "--ipc",
    "--propagation",
    "private",
    "--kill-child",
]


def work_dir() -> Path:
    """Where running labs have their files: $DOCKWRIGHT_LAB_WORK, not on an overlay."""
    return Path(os.environ.get("DOCKWRIGHT_LAB_WORK") or "/var/lib/dockwright-lab")


def take(name: str) -> IO[str] | None:
    """Take the lock of a lab's name; None where a keeper holds it."""
    path = work_dir() / f"{name}.lock"
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    while True:
        handle = path.open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return None
        # Whoever held it before may have removed the file after we opened it.
        if path.exists() and path.stat().st_ino == os.fstat(handle.fileno()).st_ino:
            return handle
        handle.close()


def discard(name: str, lock: IO[str]) -> None:
    """Remove what a lab that ended has left, its lock file last."""
    for _ in range(100):
        drop_cgroups(cgroup_root() / name)
        if not (cgroup_root() / name).exists():
            break
        time.sleep(0.02)
    shutil.rmtree(work_dir() / name, ignore_errors=True)
    (work_dir() / f"{name}.lock").unlink(missing_ok=True)
    lock.close()
    drop_cgroups(cgroup_root())


def sweep() -> None:
    """Remove the remains of labs whose keeper is gone."""
    for path in sorted(work_dir().glob("*.lock")):
        lock = take(path.stem)
        if lock is not None:
            discard(path.stem, lock)


def _start_init(name: str, spec: dict[str, Any]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the namespaces; returns once services run inside, with the pid of init as seen here."""
    top = work_dir() / name
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir(mode=0o755)
    with (top / "init.log").open("wb") as log:
        outer = subprocess.Popen(
            [*UNSHARE, sys.executable, "-m", "tests.lab.init", str(top), json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert outer.stdout is not None
    if outer.stdout.readline() != b"ready\n":
        raise LabError(f"the lab did not start:\n{(top / 'init.log').read_text()[-3000:]}")
    return outer, children(outer.pid)[0]


def _wait(outer: subprocess.Popen[bytes], wakeup: int, *, detached: bool) -> None:
    """Wait until the starter's pipe closes, a signal comes or init ends."""
    assert outer.stdout is not None
    watched: list[Any] = [outer.stdout, wakeup, *([] if detached else [sys.stdin])]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if ready != [sys.stdin] or not os.read(sys.stdin.fileno(), 4096):
            return


def main(name: str, spec_text: str, *, detached: bool) -> int:
    """Run one lab from start to end; prints ``ready`` or why not, once."""
    wakeup_read, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    signal.set_wakeup_fd(wakeup_write)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    sweep()
    lock = take(name)
    if lock is None:
        print(f"a lab named {name} runs already", flush=True)
        return 1
    with in_use_lock().open("a") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_SH)
        try:
            outer, init = _start_init(name, json.loads(spec_text))
        except LabError as error:
            print(error, flush=True)
            discard(name, lock)
            return 1
        facts = {"name": name, "init": init, "keeper": os.getpid(), **json.loads(spec_text)}
        state = work_dir() / name / "lab.json"
        state.with_suffix(".new").write_text(json.dumps(facts, indent=1))
        state.with_suffix(".new").rename(state)
        print("ready", flush=True)
        try:
            _wait(outer, wakeup_read, detached=detached)
        finally:
            outer.kill()  # --kill-child takes init along, and init everything inside
            outer.wait()
            discard(name, lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], detached="--detached" in sys.argv[3:]))
