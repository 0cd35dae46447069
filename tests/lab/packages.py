"""The vendor's packages as data: names, versions, relations, and where their files come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Each line of versions, oldest first. The engine's is that of docker-ce, its client and rootless
# extras.
VERSIONS = {
    "engine": ("5:28.5.2", "5:29.7.1", "5:29.7.2"),
    "containerd": ("2.1.5", "2.2.1"),
    "buildx": ("0.29.1", "0.30.1"),
    "compose": ("2.40.3", "5.0.1"),
    "model": ("1.0.6",),
}


UNITS = "*/systemd/system/{0}.* usr/*/systemd/system/{0}.*"
PLUGINS = "usr/libexec/docker/cli-plugins"


@dataclass(frozen=True)
class Package:
    """One package: where its files come from and what its control file says."""

    name: str
    line: str
    relations: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)  # target -> patterns in the sources
    texts: Mapping[str, str] = field(default_factory=dict)  # target -> content
    conffiles: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    def control(self, version: str, arch: str, size: int) -> str:
        """The control file of one version."""
        fields = {
            "Package": self.name,
            "Version": version,
            "Architecture": arch,
            "Maintainer": "Docker <support@docker.com>",
            "Installed-Size": str(size),
            **self.relations,
            "Section": "admin",
            "Priority": "optional",
            "Homepage": "https://www.docker.com",
            "Description": f"{self.name}, repacked for tests\n"
            " The distribution's own build under the vendor's name and version.",
        }
        return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)


# Never a file of the package tini: docker.io leaves tini installed, and unpacking would clash with
# it. The vendor ships the same program as docker-init.
PACKAGES = (
    Package(
        "docker-ce",
        "engine",
        {
            "Pre-Depends": "init-system-helpers (>= 1.54~)",
            "Depends": "containerd.io (>= 1.7.27), docker-ce-cli, iptables, nftables,"
            " libc6 (>= 2.34), libsystemd0",
            "Recommends": "apparmor, ca-certificates, docker-ce-rootless-extras, git, pigz,"
            " procps, xz-utils",
            "Suggests": "cgroupfs-mount | cgroup-lite, kmod",
            "Conflicts": "docker (<< 1.5~), docker-engine, docker.io",
            "Replaces": "docker-engine, docker-ce-cli (<< 5:28.0.0)",
        },
        {
            "usr/bin/dockerd": "usr/bin/dockerd usr/sbin/dockerd",
            "usr/bin/docker-proxy": "usr/bin/docker-proxy usr/sbin/docker-proxy",
            "usr/bin/docker-init": "usr/bin/tini-static",
            "usr/lib/systemd/system/": UNITS.format("docker"),
            "etc/default/docker": "etc/default/docker",
        },
        conffiles=("/etc/default/docker",),
        units=("docker.service", "docker.socket"),
    ),
    Package(
        "docker-ce-cli",
        "engine",
        {
            "Depends": "libc6 (>= 2.34)",
            "Recommends": "docker-buildx-plugin, docker-compose-plugin",
            "Suggests": "docker-model-plugin",
            "Conflicts": "docker (<< 1.5~), docker-engine, docker.io, docker-cli",
            "Replaces": "docker-ce (<< 5:0)",
            "Breaks": "docker-ce (<< 5:0)",
        },
        {"usr/bin/docker": "usr/bin/docker"},
    ),
    Package(
        "docker-ce-rootless-extras",
        "engine",
        {
            "Depends": "dbus-user-session",
            "Enhances": "docker-ce",
            "Conflicts": "rootlesskit",
            "Replaces": "rootlesskit",
            "Breaks": "rootlesskit",
        },
        texts={"usr/bin/dockerd-rootless.sh": "#!/bin/sh\necho 'not in the lab' >&2\nexit 1\n"},
    ),
    Package(
        "containerd.io",
        "containerd",
        {
            "Depends": "libc6 (>= 2.34), libseccomp2 (>= 2.5.0)",
            "Provides": "containerd, runc",
            "Conflicts": "containerd, runc",
            "Replaces": "containerd, runc",
        },
        {
            "usr/bin/": "usr/bin/containerd usr/bin/containerd-shim-runc-v2 usr/bin/ctr",
            "usr/bin/runc": "usr/sbin/runc usr/bin/runc",
            "usr/lib/systemd/system/": UNITS.format("containerd"),
        },
        {"etc/containerd/config.toml": 'disabled_plugins = ["cri"]\n'},
        conffiles=("/etc/containerd/config.toml",),
        units=("containerd.service",),
    ),
    Package(
        "docker-buildx-plugin",
        "buildx",
        {"Replaces": "docker-ce-cli", "Enhances": "docker-ce-cli"},
        {f"{PLUGINS}/docker-buildx": "usr/lib*/docker/cli-plugins/docker-buildx"},
    ),
    Package(
        "docker-compose-plugin",
        "compose",
        {
            "Recommends": "docker-buildx-plugin (>= 0.17.0)",
            "Enhances": "docker-ce-cli",
            "Conflicts": "docker-compose",
            "Replaces": "docker-compose",
            "Breaks": "docker-compose",
        },
        {f"{PLUGINS}/docker-compose": "usr/lib*/docker/cli-plugins/docker-compose"},
    ),
    Package(
        "docker-model-plugin",
        "model",
        {"Enhances": "docker-ce-cli"},
        texts={
            f"{PLUGINS}/docker-model": "#!/bin/sh\n"
            'echo \'{"SchemaVersion":"0.1.0","Vendor":"lab","Version":"1.0.6"}\'\n'
        },
    ),
)
