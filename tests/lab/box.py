"""A Vagrant box made of a dressed tree: the same files as a lab host, under a kernel of its own.

The box is for vagrant-libvirt. Its disk is one file system without a boot loader; kernel and initrd lie
beside it, and the Vagrantfile in the box says so, so that the project's own needs to know nothing
of all this.
"""

from __future__ import annotations

import json
import shutil
import uuid
from functools import lru_cache
from pathlib import Path

from tests.lab.dress import Dress, layer
from tests.lab.dress import archive as offered_by
from tests.lab.init import GATEWAY
from tests.lab.kernel import kernel
from tests.lab.keys import KEYS, NAMES
from tests.lab.machine import sh
from tests.lab.parts import Part, Paths
from tests.lab.private import NAMES as PRIVATE_NAMES
from tests.lab.tree import install_layer, tree

DISK_GB = 8
NETWORK = "[Match]\nName=e*\n\n[Network]\nDHCP=yes\nLinkLocalAddressing=no\n"

# Built in a mount namespace of its own: an interrupted build leaves no mount behind.
PACK = """\
set -eu
out=$1 stack=$2 key=$3 size=$4
mount -t overlay overlay -o "$stack" "$out/merged"
chroot "$out/merged" useradd -m -s /bin/bash vagrant
install -d -m 0700 "$out/merged/home/vagrant/.ssh"
install -m 0600 "$key" "$out/merged/home/vagrant/.ssh/authorized_keys"
chroot "$out/merged" chown -R vagrant:vagrant /home/vagrant
chroot "$out/merged" ssh-keygen -q -A
truncate -s "${size}G" "$out/raw"
mkfs.ext4 -q -L root -d "$out/merged" "$out/raw"
qemu-img convert -O qcow2 "$out/raw" "$out/box.img"
rm "$out/raw"
"""

# The driver is the environment's: whether KVM works is known where the machine runs.
# A disk that ends with the machine needs no fsync: what was in the guest's own memory is lost all the same.
VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.boot_timeout = 900
  config.vm.provider "libvirt" do |machine|
    machine.driver = ENV.fetch("DOCKWRIGHT_VM_DRIVER", "kvm")
    machine.cpu_mode = machine.driver == "kvm" ? "host-passthrough" : "maximum"
    machine.kernel = File.expand_path("../vmlinuz", __FILE__)
    machine.initrd = File.expand_path("../initrd", __FILE__)
    machine.cmd_line = "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=10"
    machine.graphics_type = "none"
    machine.video_type = "none"
    machine.disk_driver :cache => "unsafe"
  end
end
"""


@lru_cache
def box(dress: Dress) -> Part:
    """``dockwright.box``, to be added to Vagrant."""
    below, clothes, core, offered = tree(dress.suite), layer(dress), kernel(), offered_by(dress)

    def build(out: Path, paths: Paths) -> None:
        lower = [paths[part.name] / "root" for part in (clothes, below)]
        # A container has its devices from outside; a machine has to find them.
        install_layer(lower, ("udev",), paths[offered.name] / "repo", out)
        _files(out / "root", paths[core.name])
        for name in ("work", "merged"):
            (out / name).mkdir()
        lowerdir = ":".join(map(str, lower))
        stack = (
            f"lowerdir={lowerdir},upperdir={out / 'root'},workdir={out / 'work'},redirect_dir=off"
        )
        own = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
        sh([*own, PACK, "pack", out, stack, _public_key(), DISK_GB])
        for name in ("root", "work", "merged"):
            shutil.rmtree(out / name)
        about = {"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GB}
        (out / "metadata.json").write_text(json.dumps(about) + "\n")
        (out / "Vagrantfile").write_text(VAGRANTFILE)
        for name in ("vmlinuz", "initrd"):
            shutil.copy(paths[core.name] / name, out / name)
        content = ("metadata.json", "Vagrantfile", "box.img", "vmlinuz", "initrd")
        sh(["tar", "-C", out, "--remove-files", "-cf", out / "dockwright.box", *content])

    needs = (KEYS, below, clothes, core, offered)
    return Part(f"box-{dress.name}", ("box.py", "init.py"), build, needs, dress.name)


def _files(root: Path, core: Path) -> None:
    """What a machine has and a lab host gets from outside: modules, an address, names, an id."""
    etc = root / "etc"
    units = etc / "systemd/system"
    wants = units / "multi-user.target.wants"
    for folder in (wants, etc / "systemd/network", etc / "sudoers.d", root / "usr/lib"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(core / "modules", root / "usr/lib/modules", symlinks=True)
    (units / "lab-network.service").symlink_to("/dev/null")
    networkd = "/usr/lib/systemd/system/systemd-networkd.service"
    (wants / "systemd-networkd.service").symlink_to(networkd)
    (etc / "systemd/network/80-dhcp.network").write_text(NETWORK)
    (etc / "fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    (etc / "sudoers.d/vagrant").write_text("vagrant ALL=(ALL) NOPASSWD: ALL\n")
    (etc / "sudoers.d/vagrant").chmod(0o440)
    (etc / "hostname").write_text("vm\n")
    # With none, the first boot would set all units as their presets say.
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    names = "".join(f"{GATEWAY} {name}\n" for name in (*NAMES, *PRIVATE_NAMES))
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 vm\n::1 localhost\n{names}")


def _public_key() -> Path:
    """The key with which Vagrant logs in the first time; it then puts one of its own there."""
    return next(Path("/usr/share/rubygems-integration/all/gems").glob("vagrant-*/keys/vagrant.pub"))
