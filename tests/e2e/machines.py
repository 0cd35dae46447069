"""The machines that the scenarios run on: a lab host, and one of Vagrant's with its own kernel."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.hosts.support import Run
from tests.lab.control import Process
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT, LabError
from tests.lab.vagrant import Vagrant


class Machine(ABC):
    """One machine, what it is called, and its switches. ``patience`` stretches each bound."""

    patience = 1.0

    def __init__(self, lab: Lab, *words: str) -> None:
        """``words`` name the machine on Dockwright's command line."""
        self.lab = lab
        self.words = words

    # --- Dockwright -------------------------------------------------------------------------------

    def command(self, verb: str, *args: str) -> list[str]:
        """The words of a command for this machine, with events as its output."""
        unpinned = ("verify", "doctor", "history", "undo")
        pin = [] if verb in unpinned else ["--set", f"docker_fingerprint={self.lab.fingerprint}"]
        return [verb, *args, *self.words, "--json", *pin]

    def dockwright(self, verb: str, *args: str) -> Run:
        """Run a command to its end."""
        with self.under_way(verb, *args) as process:
            out, err = process.communicate(timeout=300 * self.patience)
        return Run(process.returncode, out, err)

    @contextmanager
    def under_way(self, verb: str, *args: str) -> Iterator[Process]:
        """A command that goes on while something happens to the machine."""
        argv = [sys.executable, "-m", "dockwright", *self.command(verb, *args)]
        env = {"PYTHONPATH": str(ROOT / "installer")}
        with self.lab.popen(argv, **self._place(env)) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def _place(self, env: dict[str, str]) -> dict[str, Any]:
        return {"env": env}

    # --- the machine itself -----------------------------------------------------------------------

    @abstractmethod
    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root, without Dockwright."""

    def reboot(self, *, force: bool = False) -> None:
        """Reboot from inside, and wait until it takes logins again.

        With ``force`` nothing is stopped in good order before (systemctl(1), ``reboot --force``).
        """
        before = self.boot_id
        self.shell(f"systemctl reboot {'--force' if force else ''}", check=False)
        self._await_boot(before)
        assert self.boot_id != before

    @abstractmethod
    def _await_boot(self, before: str) -> None:
        """Wait until another boot than ``before`` takes logins."""

    @abstractmethod
    def cut_power(self) -> None:
        """Cut the power, switch it on again, and wait until it takes logins."""

    @property
    def boot_id(self) -> str:
        """Which boot this is (random(4))."""
        return self.shell("cat /proc/sys/kernel/random/boot_id").stdout.strip()


class LabMachine(Machine):
    """A lab host; it shares the kernel of the machine that the tests run on."""

    def __init__(self, host: Host) -> None:
        """``host`` runs."""
        super().__init__(host.lab, f"ops@{host.name}")
        self.host = host

    @property
    def boot_id(self) -> str:
        """Its kernel's is not its own; its first process is."""
        return str(self.host.leader())

    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """See :class:`Machine`."""
        return self.host.exec(command, check=check)

    def _await_boot(self, before: str) -> None:
        self.host.await_reboot(timeout=150)

    def cut_power(self) -> None:
        """See :class:`Machine`."""
        self.host.kill()
        self.host.boot()


class VagrantMachine(Machine):
    """What ``vagrant up`` makes of the project's Vagrantfile, with the lab's box."""

    patience = 4.0  # emulated, where there is no KVM
    NAME = "ubuntu-24.04"

    def __init__(self, vagrant: Vagrant) -> None:
        """Bring the machine up; ``vagrant`` is in the lab."""
        super().__init__(vagrant.lab, self.NAME, "-i", "vagrant", "--host-keys", "accept-new")
        self.vagrant = vagrant
        vagrant("up")
        self._config = vagrant.dir / "ssh-config"
        self._config.write_text(vagrant("ssh-config", self.NAME).stdout)
        names = vagrant.virsh("list", "--name").split()
        (self._domain,) = names

    def _place(self, env: dict[str, str]) -> dict[str, Any]:
        # There -i vagrant finds the machine.
        return {"env": {**self.vagrant.env, **env}, "cwd": self.vagrant.project}

    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """See :class:`Machine`."""
        words = ["ssh", "-F", str(self._config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
        root = f"sudo sh -c {shlex.quote(command)}"
        return self.lab.run([*words, self.NAME, root], check=check, timeout=600)

    def cut_power(self) -> None:
        """The process of the virtual machine is killed: what was not on its disk yet is lost."""
        before = self.boot_id
        self.vagrant.virsh("destroy", self._domain)
        self.vagrant.virsh("start", self._domain)
        self._await_boot(before)

    def _await_boot(self, before: str) -> None:
        end = time.monotonic() + 300
        probe = "cat /proc/sys/kernel/random/boot_id; test ! -e /run/nologin"
        while True:
            done = self.shell(probe, check=False)
            if done.returncode == 0 and done.stdout.strip() not in ("", before):
                return
            if time.monotonic() > end:
                raise LabError(f"the machine did not come back: {done.stderr[-500:]}")
            time.sleep(0.5)


def unpacking(process: Process) -> None:
    """Wait until a run that is under way has begun to unpack a package.

    Raises AssertionError where it ends before that.
    """
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        event = json.loads(line)
        if event["event"] == "step_progress" and "Unpacking" in str(event.get("text")):
            return
    raise AssertionError(f"it ended before it unpacked anything\n{said[-3000:]}")
