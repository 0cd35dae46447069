"""What people write and what hosts tell: frozen, strict, unknown keys refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from dockwright.models.docker import Container, Daemon, Snap
from dockwright.models.fields import (
    HOST_NAME,
    LOGIN,
    PROXY_URL,
    AbsolutePath,
    Address,
    AptUri,
    Architecture,
    FileMode,
    Fingerprint,
    Floor,
    Frozen,
    GroupName,
    ImageName,
    ImageTag,
    JumpHosts,
    KeyFile,
    Line,
    LoginName,
    PackageName,
    ProxyUrl,
    RegistryHost,
    Sha256,
    Suite,
    UnitName,
    Url,
    UserName,
    VersionWish,
    Word,
    is_ipv6,
)
from dockwright.models.ground import Ground, Route
from dockwright.models.images import ImageFact, ImageWish, RegistryWish
from dockwright.models.nvidia import CdiSpec, Nvidia, OldContainer

__all__ = [
    "HOST_NAME",
    "LOGIN",
    "PROXY_URL",
    "AbsolutePath",
    "Address",
    "AptUri",
    "Architecture",
    "CdiSpec",
    "Container",
    "Daemon",
    "Disk",
    "Facts",
    "FileFact",
    "FileMode",
    "Fingerprint",
    "Floor",
    "Frozen",
    "Ground",
    "GroupName",
    "Host",
    "ImageFact",
    "ImageName",
    "ImageTag",
    "ImageWish",
    "JumpHosts",
    "KeyFile",
    "Line",
    "LiveRun",
    "LoginName",
    "Nvidia",
    "OldContainer",
    "Origin",
    "Package",
    "PackageName",
    "ProxyUrl",
    "RegistryHost",
    "RegistryWish",
    "Route",
    "Sha256",
    "Snap",
    "Suite",
    "Unit",
    "UnitName",
    "Url",
    "UserName",
    "Variables",
    "VersionWish",
    "Word",
    "is_ipv6",
]


# --- hosts ------------------------------------------------------------------------------------


class Host(Frozen):
    """A machine as the user named it; an SSH target is resolved by the transport.

    ``address`` is ``None`` for this machine. ``user`` and ``port`` of ``None`` are left to
    ssh_config and its defaults. ``identity`` are private key files, ``jump`` is in the form of
    ``ssh -J``; both come from an inventory, and the command line's go before them. ``transport`` of
    ``openssh`` is the system's ssh.
    """

    name: Line
    address: Line | None = None
    user: Line | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    identity: tuple[Line, ...] = ()
    jump: Line | None = None
    transport: Literal["ssh", "openssh"] | None = None

    @property
    def local(self) -> bool:
        """Whether this is the machine that Dockwright runs on."""
        return self.address is None


# --- what a host tells ------------------------------------------------------------------------


class Disk(Frozen):
    """Free and total room of the file system below ``path``: kibibytes, and free inodes."""

    path: str
    free_kib: int
    total_kib: int
    free_inodes: int | None = None


class Package(Frozen):
    """One package of the Docker family as dpkg knows it.

    ``status`` is dpkg's ``db:Status-Status``: only ``installed`` means installed; a package that
    was removed but not purged is ``config-files``.
    """

    name: str
    status: str
    version: str | None = None
    held: bool = False

    @property
    def installed(self) -> bool:
        """Whether dpkg says ``installed``."""
        return self.status == "installed"


class FileFact(Frozen):
    """A file that a plan may touch; ``content`` for small files, ``target`` for symlinks.

    The content of key files is latin-1, a character a byte; that of all others is UTF-8.
    """

    path: str
    sha256: str
    mode: str
    owner: str
    content: str | None = None
    target: str | None = None


class Unit(Frozen):
    """A systemd unit: the words of ``is-enabled`` and ``is-active``."""

    name: str
    enabled: str
    active: str


class LiveRun(Frozen):
    """A run that is under way; ``wish`` is a digest of what was asked for, ``since`` in epoch seconds."""

    run_id: str
    wish: str
    since: int
    who: str


class Facts(Frozen):
    """What one read-only round trip tells about a host. Data only: nothing of it is executed.

    ``codename`` is the codename of the Ubuntu or Debian release that the host is, or derives
    from (UBUNTU_CODENAME before VERSION_CODENAME, os-release(5)); ``distro`` is ``ubuntu``,
    ``debian``, or the host's own ID where it derives from neither. ``machine`` is the kernel's
    word for the processor (uname(2)), ``architecture`` dpkg's. ``clock`` is in seconds since the epoch. ``lists`` names the release files among apt's lists. ``offered`` maps vendors' packages to the versions in the host's own apt lists.
    ``apt_lax`` has FILE:LINE:TEXT of each place where apt was told not to verify.
    ``dpkg_audit`` has a line for each package that is half installed, empty where all is well.
    ``live`` is a run that is under way, ``cut`` the id of one that died before its end,
    ``unverified`` of one that changed the host and did not get through its checks.
    ``proxy_login`` is ``same`` where the login that we wrote for apt's proxy is the one that was given,
    ``other`` where it is not, and empty where there is none; ``logins`` has the same of root's for registries,
    and ``kept`` where a credential helper has one.
    ``docker_group`` is ``None`` where there is no such group. ``machine_id`` is machine-id(5)'s, ``boot_id`` random(4)'s.
    """

    hostname: str
    distro: str
    os_id: str
    version_id: str
    codename: str
    pretty_name: str
    architecture: str
    kernel: str = ""
    machine: str = ""
    init: str
    virtualisation: str = "none"
    clock: int
    boot_id: str
    machine_id: str = ""
    uid: int = 0
    sudo_user: str = ""
    disks: tuple[Disk, ...] = ()
    packages: tuple[Package, ...] = ()
    apt_version: str = ""
    apt_lists: bool = True
    apt_lax: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    offered: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    sources: tuple[FileFact, ...] = ()
    keys: tuple[FileFact, ...] = ()
    files: tuple[FileFact, ...] = ()
    units: tuple[Unit, ...] = ()
    daemon: Daemon | None = None
    daemon_error: str = ""
    containers: tuple[Container, ...] = ()
    images: tuple[ImageFact, ...] = ()
    logins: dict[str, str] = Field(default_factory=dict)
    snaps: tuple[Snap, ...] = ()
    docker_group: tuple[str, ...] | None = None
    users: tuple[str, ...] = ()
    dpkg_audit: str = ""
    gpus: tuple[str, ...] = ()
    nvidia: Nvidia = Field(default_factory=Nvidia)
    ground: Ground = Field(default_factory=Ground)
    kubernetes: tuple[str, ...] = ()
    apparmor_parser_missing: bool = False
    proxy_login: str = ""
    ca_certificates: bool = True
    ssh_listening: bool = False
    last_run: str = ""
    last_receipt: str = ""
    live: LiveRun | None = None
    cut: str = ""
    unverified: str = ""

    @property
    def wsl(self) -> bool:
        """Whether it is Windows' Subsystem for Linux."""
        return self.virtualisation == "wsl" or "microsoft" in self.kernel.lower()

    def package(self, name: str) -> Package | None:
        """The package of that name, if dpkg or apt knows it."""
        return next((package for package in self.packages if package.name == name), None)

    def unit(self, name: str) -> Unit | None:
        """The systemd unit of that name, if it exists."""
        return next((unit for unit in self.units if unit.name == name), None)

    def snap(self, name: str) -> Snap | None:
        """The snap of that name, if it is installed."""
        return next((snap for snap in self.snaps if snap.name == name), None)

    def file(self, path: str) -> FileFact | None:
        """The file at that path, if it exists and is one that facts look at."""
        every = (*self.files, *self.keys, *self.sources)
        return next((file for file in every if file.path == path), None)


Variables: TypeAlias = dict[str, Any]


class Origin(Frozen):
    """Where a value was written, for messages and for pins that are overridden."""

    where: Line
    line: int | None = None

    def __str__(self) -> str:
        """``site.yaml:14``, or the option's name."""
        return f"{self.where}:{self.line}" if self.line else self.where
