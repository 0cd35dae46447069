"""One booted host: a stack of layers with systemd as its first process.

A host is an overlay over read-only layers, started by systemd-nspawn inside the lab's namespaces.
Commands given to :meth:`Host.exec` enter the host directly, so what a test looks at does not depend
on the SSH, sudo or network that is being tested.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import changes, local
from tests.lab.changes import VOLATILE, Changes
from tests.lab.init import BRIDGE
from tests.lab.machine import LabError, cgroup_root, children, drop_cgroups, ns_pids, sh

if TYPE_CHECKING:
    from tests.lab.lab import Lab

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DATA = ("docker", "containerd")  # folders of /var/lib that Docker's overlays need on a plain disk

NSPAWN = [
    *"env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_LOG_LEVEL=warning systemd-nspawn --quiet"
    f" --network-bridge={BRIDGE} --register=no --keep-unit --settings=no --link-journal=no"
    " --resolv-conf=off --timezone=off --capability=all".split(),
    "--system-call-filter=@keyring bpf @mount @raw-io",
]

# Process 1 of a host without systemd, as in a container: an address, sshd, and the reaping of orphans.
BARE_INIT = """\
#!/bin/sh
. /etc/lab-address
ip link set lo up
ip addr replace "$ADDRESS/24" dev host0
ip link set host0 up
ip route replace default via "$GATEWAY"
mkdir -p /run/sshd
/usr/sbin/sshd -D &
while :; do wait; sleep 1; done
"""

# nspawn ends with 133 when the host reboots; whoever started it has to start it again.
RUN = """\
while (echo 0 > "$0/cgroup.procs" && exec "$@"); status=$?; [ $status = 133 ]; do :; done
exit $status
"""


@dataclass(frozen=True)
class Layer:
    """A frozen host that further hosts can be stacked on."""

    dress: str
    lower: tuple[Path, ...]  # topmost first
    data: Path  # copies of the folders in DATA


class Host:
    """A test host; made by :meth:`tests.lab.lab.Lab.host`."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab = lab
        self.name = name
        self.dir = lab.dir / "hosts" / name
        facts = json.loads((self.dir / "host.json").read_text())
        self.address: str = facts["address"]
        self.dress: str = facts["dress"]
        self.lower = tuple(Path(path) for path in facts["lower"])
        self.binds: dict[str, str] = facts["binds"]
        self.systemd: bool = facts.get("systemd", True)
        self.upper = self.dir / "upper"
        self.root = self.dir / "root"
        self.data = self.dir / "data"
        self._mark: changes.State = {}

    # -- power -----------------------------------------------------------------------------------

    def boot(self, timeout: float = 120.0) -> Host:
        """Switch the host on and wait until it takes logins."""
        if self.leader() is not None:
            raise LabError(f"{self.name} is on already")
        cgroup = cgroup_root() / self.lab.name / self.name
        cgroup.mkdir(parents=True, exist_ok=True)
        argv = [*NSPAWN, "-D", str(self.root), f"--machine={self.name}", f"--hostname={self.name}"]
        argv += [f"--bind={self.data / name}:/var/lib/{name}" for name in DATA]
        argv += [f"--bind-ro={source}:{target}" for target, source in self.binds.items()]
        argv += ["--boot"] if self.systemd else ["/sbin/lab-init"]
        with (self.dir / "console").open("ab") as console:
            process = subprocess.Popen(
                [*self.lab.enter(), "sh", "-c", RUN, str(cgroup), *argv],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self.lab.started[self.name] = process
        (self.dir / "outer").write_text(f"{process.pid}\n")
        self._await(timeout)
        self.mark()
        return self

    def await_reboot(self, timeout: float = 120.0) -> None:
        """Wait until the host is up again after a reboot from inside; the mark stays."""
        end = time.monotonic() + timeout
        while self.leader() is not None and time.monotonic() < end:
            time.sleep(0.01)
        (self.dir / "pids").unlink(missing_ok=True)
        self._await(timeout)

    def _await(self, timeout: float) -> None:
        outer = int((self.dir / "outer").read_text())
        deadline = time.monotonic() + timeout
        while not self._answers(outer):
            if time.monotonic() > deadline or not _start(outer):
                raise LabError(f"{self.name} did not boot\n{self.console()[-2000:]}")
            time.sleep(0.02)

    def _answers(self, outer: int) -> bool:
        """True once sshd listens and users may log in; records the pids on the way."""
        pids = self.dir / "pids"
        if not pids.exists():
            own = len(ns_pids(self.lab.init))
            todo = children(outer)
            while todo:
                pid = todo.pop()
                seen = ns_pids(pid)
                # While a host reboots, its last first process may not have been reaped yet.
                if len(seen) == own + 1 and seen[-1] == 1 and _start(pid):
                    nspawn = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
                    facts = {"leader": [pid, _start(pid)], "nspawn": [nspawn, _start(nspawn)]}
                    pids.with_suffix(".new").write_text(json.dumps(facts))
                    pids.with_suffix(".new").rename(pids)
                    break
                todo += children(pid)
            else:
                return False
        leader = self.leader()
        if leader is None:
            # It was the one of the boot before, which was just ending: look again.
            pids.unlink(missing_ok=True)
            return False
        try:
            run = Path(f"/proc/{leader}/root/run")
            if (run / "nologin").exists():
                return False
            if self.systemd and not (run / "systemd/units").exists():
                return False
            # The kernel walks its whole table for it, so it is asked last.
            sockets = Path(f"/proc/{leader}/net/tcp").read_text()
        except OSError:
            return False
        return ":0016 00000000:0000 0A" in sockets

    def leader(self) -> int | None:
        """The pid, as seen here, of the host's first process; None while the host is off."""
        return self._pid("leader")

    def _pid(self, which: str) -> int | None:
        """A recorded pid while the very process that was recorded lives."""
        try:
            pid, start = json.loads((self.dir / "pids").read_text())[which]
        except FileNotFoundError:
            return None
        return int(pid) if start and _start(pid) == start else None

    def stop(self, timeout: float = 20.0) -> None:
        """Shut the host down in good order; after the timeout, by :meth:`kill`."""
        leader = self.leader()
        if leader is None or not self.systemd:
            self.kill()
            return
        os.kill(leader, signal.SIGRTMIN + 4)  # systemd: power off
        deadline = time.monotonic() + timeout
        while self.leader() is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """Cut the power: every process of the host dies at once. :meth:`boot` starts it again."""
        leader, cgroup = self.leader(), cgroup_root() / self.lab.name / self.name
        if leader is not None:
            # Frozen before it dies, no process sees another one's death and tells of it.
            with _frozen(cgroup):
                os.kill(leader, signal.SIGKILL)
                while self.leader() is not None:
                    time.sleep(0.005)
        while self._pid("nspawn") is not None:
            time.sleep(0.01)  # it ends by itself once its child is gone
        if self.name in self.lab.started:
            self.lab.started.pop(self.name).wait()
        (self.dir / "pids").unlink(missing_ok=True)
        drop_cgroups(cgroup)

    def remove(self) -> None:
        """Cut the power and forget the host with all its files."""
        self.kill()
        sh([*self.lab.enter(), "umount", self.root])
        self.lab.forget(self.name)
        shutil.rmtree(self.dir)

    def link(self, *, down: bool) -> None:
        """Pull the network cable, or plug it in again."""
        state = "down" if down else "up"
        sh([*self.lab.enter(), "ip", "link", "set", f"vb-{self.name}", state])

    def freeze(self) -> Layer:
        """Shut the host down and make what it has become a layer; the host itself is gone."""
        self.stop()
        sh([*self.lab.enter(), "umount", self.root])
        self.lab.forget(self.name)
        place = self.lab.dir / "layers" / f"{self.name}-{time.monotonic_ns()}"
        self.dir.rename(place)
        return Layer(self.dress, (place / "upper", *self.lower), place / "data")

    # -- inside ----------------------------------------------------------------------------------

    def exec(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        input: str | None = None,  # noqa: A002 - the name that subprocess has
        user: str | None = None,
        timeout: float | None = 120.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host, as root or as a user, without SSH; text is given to sh."""
        leader = self.leader()
        if leader is None:
            raise LabError(f"{self.name} is off")
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        home = "/root" if user in (None, "root") else f"/home/{user}"
        clean = ["env", "-i", f"PATH={PATH}", f"HOME={home}", "LC_ALL=C.UTF-8"]
        clean += ["DEBIAN_FRONTEND=noninteractive"]
        become = [] if user in (None, "root") else ["runuser", "-u", str(user), "--"]
        done = subprocess.run(
            ["nsenter", "-t", str(leader), "-a", "--", *clean, *become, *argv],
            input=input,
            stdin=None if input is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            shown = command if isinstance(command, str) else shlex.join(command)
            raise LabError(
                f"{self.name}: {shown}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def dockwright(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Dockwright in the host itself (made with ``python=True``); any exit is returned."""
        return self.exec(local.command(*args), **{"check": False, "timeout": 600.0, **options})

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the host, with its folders."""
        quoted = shlex.quote(path)
        script = f'mkdir -p "$(dirname {quoted})" && cat > {quoted} && chmod {mode:o} {quoted}'
        self.exec(script, input=text)

    # -- what happened to it ---------------------------------------------------------------------

    def mark(self) -> None:
        """Remember the host's files as they are now; a boot does so by itself."""
        self._mark = changes.snapshot(self.upper)

    def changes(self, ignore: Sequence[str] = VOLATILE) -> Changes:
        """What was added, modified and deleted since the mark, but for volatile paths."""
        return changes.compare(self.upper, self.lower, self._mark, ignore)

    def changed(self, ignore: Sequence[str] = VOLATILE) -> list[str]:
        """The paths of :meth:`changes`, sorted."""
        return self.changes(ignore).paths

    def console(self) -> str:
        """What the host wrote to its console, all boots."""
        return (self.dir / "console").read_text(errors="replace")


@contextmanager
def _frozen(cgroup: Path) -> Iterator[None]:
    """Stop the processes of a cgroup; SIGKILL still ends them (kernel's cgroup-v2.rst, cgroup.freeze)."""
    switch = cgroup / "cgroup.freeze"
    switch.write_text("1")
    end = time.monotonic() + 1  # as long as one sleeps in the kernel, it is not called frozen
    while "frozen 1" not in (cgroup / "cgroup.events").read_text() and time.monotonic() < end:
        time.sleep(0.001)
    try:
        yield
    finally:
        switch.write_text("0")


def _start(pid: int) -> str:
    """When a live process started, in clock ticks: with the pid it names a process for good."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
