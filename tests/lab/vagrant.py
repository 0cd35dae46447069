"""Vagrant in a lab: libvirt's daemons in its namespaces, and a machine with a kernel of its own.

All of it lives below the lab's folder and inside its namespaces, so that it ends with the lab: the
daemons' folders are bound over the system's in a mount namespace of their own, and the network that
libvirt makes is one of the lab's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.lab.lab import Lab
from tests.lab.machine import ROOT, LabError, say, sh

# Command -> package, as for the lab itself.
TOOLS = {
    "vagrant": "vagrant",
    "libvirtd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "dnsmasq": "dnsmasq-base",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "iptables": "iptables",
    "ssh": "openssh-client",
}
PLUGIN = "vagrant-libvirt"

DAEMONS = """\
set -eu
top=$1
for dir in lib log cache; do
    mkdir -p "$top/$dir" "/var/$dir/libvirt"
    mount --bind "$top/$dir" "/var/$dir/libvirt"
done
cp -a /etc/libvirt "$top/etc"
rm -rf "$top/etc/qemu/networks/autostart"
mount --bind "$top/etc" /etc/libvirt
cat >/etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
END
cat >/etc/libvirt/libvirtd.conf <<'END'
auth_unix_rw = "none"
END
mkdir -p /run/libvirt /run/lock
virtlogd --daemon
exec libvirtd
"""


def install_tools() -> None:
    """Install what is missing, without letting its services start."""
    missing = sorted({package for command, package in TOOLS.items() if not shutil.which(command)})
    if not any(Path("/usr/share/rubygems-integration").glob("*/gems/vagrant-libvirt-*")):
        missing.append(PLUGIN)
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    # invoke-rc.d(8): a policy of ours for this run; systemctl is kept off by RUNLEVEL.
    env = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    sh([*apt, "update"], env=env)
    sh([*apt, "-y", "--no-install-recommends", "install", *missing], env=env)


@lru_cache
def driver(kernel: Path) -> str:
    """``kvm`` where a kernel really comes up with it, else ``qemu``: some only pretend to have it."""
    if not Path("/dev/kvm").exists():
        return "qemu"
    # With no root file system the kernel panics, and -no-reboot then ends the machine.
    line = "qemu-system-x86_64 -accel kvm -cpu host -m 256 -nodefaults -display none -no-reboot"
    argv = [*line.split(), "-kernel", str(kernel), "-append", "panic=-1"]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "qemu"
    return "qemu" if done.returncode else "kvm"


class Vagrant:
    """Vagrant with its own home and a project folder that holds the project's Vagrantfile."""

    def __init__(self, lab: Lab, box: Path, way: str) -> None:
        """``box`` is the box's file, ``way`` libvirt's driver."""
        self.lab = lab
        self.dir = lab.dir / "vagrant"
        self.project = self.dir / "project"
        self.project.mkdir(parents=True)
        shutil.copy(ROOT / "Vagrantfile", self.project)
        self.env = {
            "VAGRANT_HOME": str(self.dir / "home"),
            "VAGRANT_DEFAULT_PROVIDER": "libvirt",
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_DISABLE_STRICT_DEPENDENCY_ENFORCEMENT": "1",
            "DOCKWRIGHT_BOX": "dockwright-lab",
            "DOCKWRIGHT_VM_DRIVER": way,
        }
        (self.dir / "libvirt").mkdir()
        argv = ["unshare", "--mount", "sh", "-c", DAEMONS, "daemons", self.dir / "libvirt"]
        with (self.dir / "daemons.log").open("wb") as log:
            self._daemons = subprocess.Popen(
                [*lab.enter(), *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_daemon()
        self("box", "add", "--name", "dockwright-lab", box)

    def _await_daemon(self) -> None:
        end = time.monotonic() + 60
        virsh = ["virsh", "--connect", "qemu:///system", "version"]
        while self.lab.run(virsh).returncode:
            if time.monotonic() > end or self._daemons.poll() is not None:
                raise LabError(f"libvirtd: {(self.dir / 'daemons.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def __call__(self, *args: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ``vagrant`` in the project; it has to succeed."""
        options = {"timeout": 900.0, "check": True, "cwd": self.project, **options}
        return self.lab.run(["vagrant", *args], env=self.env, **options)

    def stop(self) -> None:
        """End the daemons; dnsmasq, which they leave alone, ends with the lab."""
        self._daemons.kill()
        self._daemons.wait()

    def virsh(self, *args: str) -> str:
        """Run ``virsh``; it has to succeed."""
        return self.lab.run(["virsh", "--connect", "qemu:///system", *args], check=True).stdout

    def dockwright(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Dockwright in the project, so that ``-i vagrant`` finds the machine."""
        env: Mapping[str, str] = self.env
        return self.lab.dockwright(*args, env=env, cwd=self.project, **options)


def usable() -> str:
    """Why no machine can be had here; empty where one can."""
    if os.uname().machine != "x86_64":
        return "the recipe for the machine is for amd64"
    return ""
