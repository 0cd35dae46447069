"""Whether a directory may be emptied: each guard says why it may not. Pure.

What is refused here is refused on the host again, right before the deletion, by the part of it that
a moment can change: the inode, links on the way, mounts (templates/runtime/purge.sh).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from dockwright.receipts.data import Mount, Place

DEFAULTS = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}

# What dockerd makes in its root, over its versions; moby, daemon and its graph drivers.
_DOCKER = frozenset(
    [
        "buildkit",
        "builder",
        "containers",
        "containerd",
        "content",
        "engine-id",
        "image",
        "network",
        "overlay2",
        "overlay",
        "fuse-overlayfs",
        "vfs",
        "btrfs",
        "zfs",
        "devicemapper",
        "aufs",
        "plugins",
        "runtimes",
        "swarm",
        "tmp",
        "tmp-old",
        "trust",
        "volumes",
        "rootfs",
        "nuke-graph-directory.sh",
        "key.json",
        "linkgraph.db",
        "repositories-aufs",
    ]
)
_REMAPPED = re.compile(r"[0-9]+\.[0-9]+")  # a whole root inside, of a daemon with userns-remap
_SHAPE = frozenset(
    ["engine-id", "image", "containers", "volumes", "network", "buildkit", "plugins", "swarm"]
)
# Debian's containerd has its opt there, for what ctr(8) installs; the vendor's is /opt/containerd.
_CONTAINERD = re.compile(r"io\.containerd\.[a-z0-9.-]+|tmpmounts|opt")
# Docker's own mounts below its root, which end with its containers; rootfs is of the containerd image
# store, the default of Engine 29.
_OWN = re.compile(
    r"(/[0-9]+\.[0-9]+)?(/overlay2/[A-Za-z0-9-]+/merged|/rootfs/[a-z-]+/[0-9a-f]{64}"
    r"|/containers/[0-9a-f]{64}/mounts/(shm|secrets))"
)
_PLAIN = re.compile(r"(/[A-Za-z0-9@._+-]+)+")
# Directories of the system or of a person: never a data root, whatever lies in them.
_NEVER = re.compile(
    r"/(?![^/]*docker)[^/]*|/(home|usr|var|etc|run|proc|sys|dev|boot)/[^/]+|/var/lib/(dpkg|apt)"
)


def plain(path: str) -> bool:
    """Whether a path is absolute, and of characters that every tool writes as they are."""
    return bool(_PLAIN.fullmatch(path)) and posixpath.normpath(path) == path


def own(place: Place, mount: Mount) -> bool:
    """Whether a mount is Docker's own: one that its containers bring and take along."""
    below = mount.point[len(place.path) :]
    return mount.kind in ("overlay", "tmpfs", "fuse.fuse-overlayfs") and bool(_OWN.fullmatch(below))


def refusals(place: Place, *, begun: bool) -> Iterator[str]:
    """Why a place must not be emptied. ``begun``: a run of ours that was cut was emptying it."""
    path = place.path
    if not plain(path):
        yield "its path holds characters that nobody's data root needs"
        return
    if place.type == "symlink":
        yield f"it is a symlink to {place.real}; name that with --data-root, if it is meant"
        return
    if place.type != "directory":
        yield "it is no directory"
        return
    if place.real != path:
        yield f"a directory on the way is a symlink; it really is {place.real}"
    if _NEVER.fullmatch(path):
        yield "that is no directory of Docker alone"
        return
    if any(name == ".git" for _, name in place.names):
        yield "it is a git tree"
    for mount in place.mounts:
        if mount.point != path and not own(place, mount):
            yield f"{mount.point!r} is mounted below it ({mount.kind})"
    names = {name for _, name in place.names}
    foreign = sorted(name for name in names if not _known(place, name))
    if foreign:
        some = ", ".join(repr(name) for name in foreign[:5])
        yield f"it holds what is not {place.kind}'s: {some}" + (
            f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
        )
    links = sorted(name for kind, name in place.names if kind == "l")
    if links:
        yield f"{links[0]!r} in it is a symlink"
    if not (begun or not names - {"lost+found"} or _shaped(place, names)):
        yield f"it does not look like {place.kind}'s"


def _known(place: Place, name: str) -> bool:
    if name == "lost+found":  # a disk of its own has one
        return any(mount.point == place.path for mount in place.mounts)
    if place.kind == "containerd":
        return bool(_CONTAINERD.fullmatch(name))
    return name in _DOCKER or bool(_REMAPPED.fullmatch(name))


def _shaped(place: Place, names: set[str]) -> bool:
    if place.kind == "containerd":
        return any(name.startswith("io.containerd.") for name in names)
    remapped = any(_REMAPPED.fullmatch(name) for name in names)
    return len(names & _SHAPE) >= 3 or (remapped and bool(names & _SHAPE))
