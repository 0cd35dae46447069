"""The machines that the scenarios run on: a lab host, and one of Vagrant's with its own kernel."""

from __future__ import annotations

import shlex
import subprocess
import time

from tests.field.machine import THIS_BOOT, Machine, Process
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT, LabError
from tests.lab.vagrant import Vagrant

SOURCE = {"PYTHONPATH": str(ROOT / "installer")}


def pin(lab: Lab) -> list[str]:
    """The lab signs its own repository."""
    return [f"docker_fingerprint={lab.fingerprint}"]


class LabMachine(Machine):
    """A lab host; it shares the kernel of the machine that the tests run on."""

    def __init__(self, host: Host) -> None:
        """``host`` runs."""
        super().__init__([f"ops@{host.name}"], pin(host.lab))
        self.host = host

    def _start(self, argv: list[str]) -> Process:
        return self.host.lab.popen(argv, env=SOURCE)

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
        # An emulated machine that unpacks takes its time to answer.
        reach = ["--host-keys", "accept-new", "--connect-timeout", "60"]
        super().__init__([self.NAME, "-i", "vagrant", *reach], pin(vagrant.lab))
        self.vagrant = vagrant
        vagrant("up")
        self._config = vagrant.dir / "ssh-config"
        self._config.write_text(vagrant("ssh-config", self.NAME).stdout)
        names = vagrant.virsh("list", "--name").split()
        (self._domain,) = names

    def _start(self, argv: list[str]) -> Process:
        # There -i vagrant finds the machine.
        env = {**self.vagrant.env, **SOURCE}
        return self.vagrant.lab.popen(argv, env=env, cwd=self.vagrant.project)

    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """See :class:`Machine`."""
        options = ("BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=20")
        words = ["ssh", "-F", str(self._config), *(word for one in options for word in ("-o", one))]
        root = f"sudo sh -c {shlex.quote(command)}"
        lab = self.vagrant.lab
        return lab.run([*words, self.NAME, root], check=check, timeout=600)

    def cut_power(self) -> None:
        """The process of the virtual machine is killed: what was not on its disk yet is lost."""
        before = self.boot_id
        self.vagrant.virsh("destroy", self._domain)
        self.vagrant.virsh("start", self._domain)
        self._await_boot(before)

    def _await_boot(self, before: str) -> None:
        end = time.monotonic() + 600
        while True:
            done = self.shell(f"{THIS_BOOT}; test ! -e /run/nologin", check=False)
            if done.returncode == 0 and done.stdout.strip() not in ("", before):
                return
            if time.monotonic() > end:
                raise LabError(f"the machine did not come back: {done.stderr[-500:]}")
            time.sleep(0.5)
