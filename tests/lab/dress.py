"""Which distributions a host can be, and the thin layer that makes one out of a tree.

A distribution is one entry of ``DRESSES``. The one whose family is the machine's own is honest; the
others are that family's tree in other clothes: another os-release, another archive, where needed
other packages and other commands before those in /usr/bin. What tells them apart for an installer
is all there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tests.lab import repo
from tests.lab.keys import KEYS
from tests.lab.machine import os_release, sh
from tests.lab.parts import Part, Paths
from tests.lab.tree import install_layer, tree


@dataclass(frozen=True, eq=False)
class Dress:
    """A distribution release as a host shows it."""

    distro: str
    version: str
    codename: str
    pretty: str
    base: Mapping[str, str]  # the machine's family -> suite of the tree below
    packages: tuple[str, ...] = ()  # installed on top of the tree
    links: Mapping[str, str] = field(default_factory=dict)  # path -> target, made last
    one_line: bool = False  # its installer writes /etc/apt/sources.list
    late: bool = False  # made when a host asks for it, and not when a lab starts

    @property
    def name(self) -> str:
        """How tests ask for it: ``ubuntu-24.04``."""
        return f"{self.distro}-{self.version}"

    @property
    def suite(self) -> str:
        """The suite of the tree that this machine can build for it."""
        return self.base[os_release()["ID"]]

    @property
    def release(self) -> str:
        """The text of /etc/os-release, field by field as the distribution has it."""
        brand = {"debian": "Debian GNU/Linux", "ubuntu": "Ubuntu"}[self.distro]
        lines = [
            f'PRETTY_NAME="{self.pretty}"',
            f'NAME="{brand}"',
            f'VERSION_ID="{self.version}"',
            f'VERSION="{self.pretty.removeprefix(brand).strip()}"',
            f"VERSION_CODENAME={self.codename}",
            f"ID={self.distro}",
        ]
        if self.distro == "ubuntu":
            lines += ["ID_LIKE=debian", f"UBUNTU_CODENAME={self.codename}"]
        return "\n".join(lines) + "\n"


TRIXIE = {"debian": "trixie", "ubuntu": "noble"}
BOOKWORM = {"debian": "bookworm", "ubuntu": "jammy"}

# Ubuntu 26.04: all of coreutils is uutils', but for cp, df, mv, rm and true; stty is in neither.
UUTILS = """\
[ arch b2sum base32 base64 basename cat chcon chgrp chmod chown cksum comm csplit cut date dd dir
dircolors dirname du echo env expand expr false fmt fold groups head hostid id install join link ln
logname ls md5sum mkdir mkfifo mknod mktemp nice nl nohup nproc numfmt od paste pathchk pinky pr
printenv printf ptx pwd readlink realpath rmdir runcon seq sha1sum sha224sum sha256sum sha384sum
sha512sum shred shuf sleep sort split stat stdbuf sum sync tac tail tee test timeout touch tr
truncate tsort tty uname unexpand uniq unlink users vdir wc who whoami yes
"""
RUST = {
    **{f"/usr/bin/{name}": f"../lib/cargo/bin/coreutils/{name}" for name in UUTILS.split()},
    "/usr/sbin/chroot": "../lib/cargo/bin/coreutils/chroot",
    **{f"/usr/bin/{name}": f"/etc/alternatives/{name}" for name in ("sudo", "visudo")},
    **{f"/etc/alternatives/{name}": f"/usr/lib/cargo/bin/{name}" for name in ("sudo", "visudo")},
}

DRESSES = {
    dress.name: dress
    for dress in (
        Dress("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", BOOKWORM),
        Dress("debian", "13", "trixie", "Debian GNU/Linux 13 (trixie)", TRIXIE),
        Dress("ubuntu", "24.04", "noble", "Ubuntu 24.04.4 LTS", TRIXIE),
        Dress("ubuntu", "22.04", "jammy", "Ubuntu 22.04.5 LTS", BOOKWORM, one_line=True, late=True),
        Dress(
            "ubuntu",
            "26.04",
            "resolute",
            "Ubuntu 26.04.1 LTS",
            TRIXIE,
            packages=("sudo-rs", "rust-coreutils"),
            links=RUST,
            late=True,
        ),
    )
}

FIELDS = {
    "debian": {"Origin": "Debian", "Label": "Debian", "Suite": "stable"},
    "ubuntu": {"Origin": "Ubuntu", "Label": "Ubuntu"},
}


@lru_cache
def archive(dress: Dress) -> Part:
    """The distribution's archive as guests see it: ``http://archive.lab.test/debian-13``."""
    from tests.lab.faults.extra import part  # the package around it has this module loaded

    below = tree(dress.suite)
    more = (part(dress.suite, dress.packages),) if dress.packages else ()

    def build(out: Path, paths: Paths) -> None:
        fields = {"Suite": dress.codename, "Version": dress.version, **FIELDS[dress.distro]}
        debs = out / "debs"
        for each in (below, *more):
            sh(["cp", "-al", f"{paths[each.name]}/debs/.", debs])
        repo.publish(out / "repo", dress.codename, debs, fields, paths["keys"])
        shutil.rmtree(debs)

    sources = ("repo.py", "dress.py")
    return Part(f"archive-{dress.name}", sources, build, (KEYS, below, *more), dress.name)


@lru_cache
def layer(dress: Dress) -> Part:
    """The layer over the tree: the release's files, sources and commands, in ``root``."""
    below, offered = tree(dress.suite), archive(dress)

    def build(out: Path, paths: Paths) -> None:
        root = out / "root"
        if dress.packages:
            lower = [paths[below.name] / "root"]
            install_layer(lower, dress.packages, paths[offered.name] / "repo", out)
        keyring = f"usr/share/keyrings/{dress.distro}-archive-keyring.gpg"
        for folder in (
            "usr/lib",
            "usr/share/keyrings",
            "etc/apt/sources.list.d",
            "etc/dpkg/origins",
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "usr/lib/os-release").write_text(dress.release)
        (root / "etc/issue").write_text(f"{dress.pretty} \\n \\l\n")
        shutil.copy(paths["keys"] / "archive.gpg", root / keyring)
        url = f"http://archive.lab.test/{dress.name}"
        if dress.one_line:
            line = f"deb [signed-by=/{keyring}] {url} {dress.codename} main\n"
            (root / "etc/apt/sources.list").write_text(line)
        else:
            (root / f"etc/apt/sources.list.d/{dress.distro}.sources").write_text(
                f"Types: deb\nURIs: {url}\n"
                f"Suites: {dress.codename}\nComponents: main\nSigned-By: /{keyring}\n"
            )
        brand = dress.distro.capitalize()
        (root / f"etc/dpkg/origins/{dress.distro}").write_text(f"Vendor: {brand}\n")
        (root / "etc/dpkg/origins/default").symlink_to(dress.distro)
        for path, target in dress.links.items():
            link = root / path.lstrip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    needs = (KEYS, below, offered)
    return Part(f"dress-{dress.name}", ("dress.py", "tree.py"), build, needs, dress.name)


@lru_cache
def python_layer(dress: Dress) -> Part:
    """Python 3 as the distribution packages it, for hosts on which Dockwright itself runs."""
    below, offered, clothes = tree(dress.suite), archive(dress), layer(dress)

    def build(out: Path, paths: Paths) -> None:
        lower = [paths[clothes.name] / "root", paths[below.name] / "root"]
        install_layer(lower, ("python3",), paths[offered.name] / "repo", out)

    needs = (below, offered, clothes)
    return Part(f"python-{dress.name}", ("tree.py",), build, needs, dress.name)
