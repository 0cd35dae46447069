"""The bare system trees that hosts are stacked on, and layers of packages on top of them.

A tree is what a fresh server has after its installer: systemd, sshd, sudo, apt, nothing of Docker
and no Python. One tree serves every distribution that is dressed from it (see ``dress.py``), so it
carries no apt source of its own. The .debs of Docker and of all that it needs are kept beside the
tree: they become the distribution's archive as guests see it.
"""

from __future__ import annotations

import shlex
import shutil
from functools import lru_cache
from pathlib import Path

from tests.lab.keys import KEYS
from tests.lab.machine import archive, components, say, sh
from tests.lab.parts import Part, Paths

INSTALLED = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "ca-certificates",
    "procps",
    "iproute2",
    "kmod",
]

# What guests may install from the distribution's archive; names that a release lacks are left out.
OFFERED = [
    "docker.io",
    "docker-cli",
    "docker-buildx",
    "docker-compose",
    "docker-compose-v2",
    "containerd",
    "runc",
    "tini",
    "iptables",
    "nftables",
    "pigz",
    "xz-utils",
    "dbus-user-session",
    "uidmap",
    "ca-certificates",
    "curl",
    "gnupg",
    "lsb-release",
    "python3",
    "udev",  # of machines with a kernel of their own: box.py
]

# Timers and consoles that would change a host behind a test's back.
MASKED = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "motd-news.timer",
    "console-getty.service",
]

NETWORK_UNIT = """\
[Unit]
Description=Address of this lab host
DefaultDependencies=no
After=systemd-sysctl.service
Before=network.target ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/etc/lab-address
ExecStart=/bin/sh -c 'ip addr replace "$ADDRESS/24" dev host0 && ip link set host0 up && \
ip route replace default via "$GATEWAY"'

[Install]
WantedBy=multi-user.target
"""

# Keys and passwords are the lab's, not the tree's: hosts get them when they are made.
SSHD = "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/lab_authorized_keys\n"
SUDOERS = "ops ALL=(ALL:ALL) NOPASSWD: ALL\n"

DOWNLOAD = """\
set -eu
root=$1
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
set --
for name in {names}; do
    if apt-cache show "$name" >/dev/null 2>&1; then set -- "$@" "$name"; fi
done
apt-get -qq -y --no-install-recommends --download-only install "$@"
cp "$root"/var/cache/apt/archives/*.deb {debs}/
"""


def _bootstrap(suite: str, out: Path) -> None:
    (out / "debs").mkdir()
    hook = out / "download"
    hook.write_text(
        "#!/bin/sh\n"
        + DOWNLOAD.format(names=" ".join(OFFERED), debs=shlex.quote(str(out / "debs")))
    )
    hook.chmod(0o755)
    # In a mount namespace of its own, so that an interrupted build leaves no mount behind.
    sh(
        [
            *[
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
            ],
            f"--include={','.join(INSTALLED)}",
            f"--components={components().replace(' ', ',')}",
            '--aptopt=Acquire::Languages "none"',
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            f'--customize-hook={shlex.quote(str(hook))} "$1"',
            suite,
            out / "root",
            f"deb {archive()} {suite} {components()}",
        ]
    )
    hook.unlink()


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _finish(root: Path, keys: Path) -> None:
    """Give the tree its users, trust and network, and take out what belongs to the machine."""
    etc = root / "etc"
    for user, groups in (("ops", ""), ("pat", "sudo"), ("plain", "")):
        groups_of = ["-G", groups] if groups else []
        sh(["chroot", root, "useradd", "-m", "-s", "/bin/bash", *groups_of, user])
    _write(etc / "sudoers.d/lab", SUDOERS, 0o440)
    _write(etc / "ssh/sshd_config.d/lab.conf", SSHD)
    _write(etc / "systemd/system/lab-network.service", NETWORK_UNIT)
    wants = etc / "systemd/system/multi-user.target.wants"
    (wants / "lab-network.service").symlink_to("/etc/systemd/system/lab-network.service")
    for unit in MASKED:
        link = etc / "systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    shutil.copy(keys / "ca.crt", root / "usr/local/share/ca-certificates/dockwright-lab.crt")
    sh(["chroot", root, "update-ca-certificates"])
    for kind in ("rsa", "ecdsa", "ed25519"):
        for suffix in ("", ".pub"):
            (etc / f"ssh/ssh_host_{kind}_key{suffix}").unlink(missing_ok=True)
    for name in ("hostname", "resolv.conf", "machine-id", "apt/sources.list"):
        (etc / name).unlink(missing_ok=True)
    (root / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    shutil.rmtree(etc / "apt/sources.list.d")
    (etc / "apt/sources.list.d").mkdir(mode=0o755)
    # Nothing answers there, so each look-up of a name outside /etc/hosts fails at once.
    _write(etc / "resolv.conf", "nameserver 10.99.0.1\noptions attempts:1 timeout:1\n")
    _write(etc / "apt/apt.conf.d/99mmdebstrap", 'Acquire::Languages "none";\n')
    for name in ("etc/.updated", "var/.updated"):  # no first-boot rebuild of caches
        _write(root / name, "")


@lru_cache
def tree(suite: str) -> Part:
    """The part with ``root``, a suite's bare tree, and ``debs``, what its archive offers."""

    def build(out: Path, paths: Paths) -> None:
        say(f"{suite} is installed from this machine's archive")
        _bootstrap(suite, out)
        _finish(out / "root", paths["keys"])

    return Part(f"tree-{suite}", ("tree.py",), build, (KEYS,), suite)


INSTALL = """\
set -eu
root=$1 archive=$2 suite=$3
shift 3
mount --bind "$archive" "$root/mnt"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
echo "deb [trusted=yes] file:/mnt $suite main" > "$root/tmp/lab.list"
apt() {
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq -y --no-install-recommends \\
        -o Dir::Etc::sourcelist=/tmp/lab.list -o Dir::Etc::sourceparts=/nonexistent \\
        -o Dir::State::lists=/tmp/lists -o Dir::Cache=/tmp/cache -o Dir::Log=/tmp "$@"
}
mkdir -p "$root/tmp/lists/partial" "$root/tmp/cache/archives/partial"
apt update
apt install "$@"
"""


def install_layer(lower: list[Path], packages: tuple[str, ...], offered: Path, out: Path) -> None:
    """Install packages over a stack of layers; ``out/root`` is the layer that results."""
    upper, work, merged = (out / name for name in ("root", "work", "merged"))
    for path in (upper, work, merged):
        path.mkdir()
    stack = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={work}"
    script = 'mount -t overlay overlay -o "$0" "$1"\n' + INSTALL
    suite = next((offered / "dists").iterdir()).name
    own = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    sh([*own, script, f"{stack},redirect_dir=off", merged, offered, suite, *packages])
    shutil.rmtree(work)
    merged.rmdir()
