"""The kernel of machines that have one of their own, with a small initrd and all its modules."""

from __future__ import annotations

import shlex
from functools import lru_cache
from pathlib import Path

from tests.lab.machine import arch, archive, components, os_release, say, sh
from tests.lab.parts import Part, Paths

KERNELS = {"debian": "linux-image-cloud-{arch}", "ubuntu": "linux-image-virtual"}

# The initrd of all modules is twenty times as large, and takes an emulated machine seconds.
INITRD = """\
set -eu
root=$1 out=$2
printf 'MODULES=list\\nCOMPRESS=gzip\\n' >"$root/etc/initramfs-tools/conf.d/lab"
printf '%s\\n' virtio_pci virtio_blk ext4 >>"$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u >/dev/null
cp -L "$root"/boot/vmlinuz-* "$out/vmlinuz"
cp -L "$root"/boot/initrd.img-* "$out/initrd"
cp -a "$root/usr/lib/modules" "$out/modules"
"""


@lru_cache
def kernel() -> Part:
    """``vmlinuz``, a small ``initrd`` and ``modules`` of this machine's distribution."""
    suite, name = os_release()["VERSION_CODENAME"], KERNELS[os_release()["ID"]]

    def build(out: Path, _paths: Paths) -> None:
        say(f"the kernel of {suite} is installed from this machine's archive")
        hook = out / "hook"
        hook.write_text("#!/bin/sh\n" + INITRD)
        hook.chmod(0o755)
        sh(
            [
                *["unshare", "--mount", "--propagation", "private", "mmdebstrap", "--quiet"],
                "--variant=minbase",
                f"--include=initramfs-tools,{name.format(arch=arch())}",
                f"--components={components().replace(' ', ',')}",
                "--dpkgopt=force-unsafe-io",
                f'--customize-hook={shlex.quote(str(hook))} "$1" {shlex.quote(str(out))}',
                suite,
                "/dev/null",  # what is wanted of it, the hook has taken
                f"deb {archive()} {suite} {components()}",
            ]
        )
        hook.unlink()

    return Part("kernel", ("kernel.py",), build, salt=suite)
