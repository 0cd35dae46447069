"""The vendor's package repository: Debian's own Docker under the vendor's names, versions and
signatures.

The packages hold real programs and real units, so an installed ``docker-ce`` is a Docker that runs;
only its ``docker version`` tells what it was made from. Dependencies and conflicts are the
vendor's. The same repository is there in several states (see ``VARIANTS``), so that a test can
serve a broken one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import keys, repo
from tests.lab.deb import Body
from tests.lab.keys import KEYS
from tests.lab.machine import arch, sh
from tests.lab.packages import PACKAGES, VERSIONS, Package
from tests.lab.parts import Part, Paths
from tests.lab.tree import tree


@dataclass(frozen=True)
class Codename:
    """A release that the vendor builds for, and how its package versions end."""

    distro: str
    name: str
    tail: str
    older: bool = False  # its C library is too old for the newer runc; and the newest versions only


CODENAMES = (
    Codename("ubuntu", "noble", "ubuntu.24.04~noble"),
    Codename("ubuntu", "resolute", "ubuntu.26.04~resolute"),
    Codename("ubuntu", "jammy", "ubuntu.22.04~jammy", older=True),
    Codename("debian", "trixie", "debian.13~trixie"),
    Codename("debian", "bookworm", "debian.12~bookworm", older=True),
    Codename(
        "debian", "bullseye", "debian.11~bullseye", older=True
    ),  # for releases' files; no host
)

# Those that a release of Dockwright is made for. Only this machine's has packages, not just an index.
ARCHITECTURES = ("amd64", "arm64")

FIELDS = {
    "Origin": "Docker",
    "Label": "Docker CE",
    "Components": "stable test",
    "Acquire-By-Hash": "yes",
}


def _unpack(debs: Path, names: tuple[str, ...], into: Path) -> None:
    """Lay the distribution's packages over each other; what a release lacks is left out."""
    for name in names:
        for deb in sorted(debs.glob(f"{name}_*.deb")):
            sh(["dpkg-deb", "-x", deb, into])


def _pick(source: Path, package: Package, into: Path) -> None:
    """Copy the package's files from the unpacked distribution to where the vendor has them."""
    into.mkdir()
    for target, patterns in package.files.items():
        found = [path for pattern in patterns.split() for path in source.glob(pattern)]
        for path in found[:1] if not target.endswith("/") else found:
            if path.is_symlink():
                continue
            place = into / target / path.name if target.endswith("/") else into / target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    for name, text in package.texts.items():
        place = into / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if "/bin/" in name or "cli-plugins" in name else 0o644)
    for unit in into.glob("usr/lib/systemd/system/*"):
        unit.write_text(re.sub(r"/usr/sbin/dockerd", "/usr/bin/dockerd", unit.read_text()))


def _scripts(package: Package) -> dict[str, str]:
    """Maintainer scripts that do what the vendor's do: group, enabling, starting, stopping."""
    extra = {}
    if package.conffiles:
        extra["conffiles"] = "".join(f"{path}\n" for path in package.conffiles)
    if package.units:
        units = " ".join(package.units)
        group = "getent group docker >/dev/null || groupadd --system docker\n"
        extra["postinst"] = (
            '#!/bin/sh\nset -e\n[ "$1" = configure ] || exit 0\n'
            + (group if package.name == "docker-ce" else "")
            + f"for unit in {units}; do\n"
            "  deb-systemd-helper unmask $unit >/dev/null || true\n"
            "  if deb-systemd-helper --quiet was-enabled $unit; then\n"
            "    deb-systemd-helper enable $unit >/dev/null || true\n"
            "  else deb-systemd-helper update-state $unit >/dev/null || true; fi\ndone\n"
            "if [ -d /run/systemd/system ]; then\n"
            "  systemctl --system daemon-reload >/dev/null || true\n"
            '  if [ -n "$2" ]; then action=restart; else action=start; fi\n'
            f"  deb-systemd-invoke $action {units} >/dev/null || true\nfi\n"
        )
        extra["prerm"] = (
            '#!/bin/sh\nset -e\nif [ "$1" = remove ] && [ -d /run/systemd/system ]; then\n'
            f"  deb-systemd-invoke stop {units} >/dev/null || true\nfi\n"
        )
        extra["postrm"] = (
            "#!/bin/sh\nset -e\n"
            "[ -d /run/systemd/system ] && systemctl --system daemon-reload >/dev/null || true\n"
            'if [ "$1" = purge ] && [ -x /usr/bin/deb-systemd-helper ]; then\n'
            f"  deb-systemd-helper purge {units} >/dev/null || true\nfi\n"
        )
    return extra


def _versions(package: Package, codename: Codename) -> Iterator[str]:
    numbers = VERSIONS[package.line]
    for number in numbers[-1:] if codename.older else numbers:
        yield f"{number}-1~{codename.tail}"


def _pool(out: Path, debs: Path, older: Path) -> dict[str, list[str]]:
    """Write all .debs; returns the Packages stanzas of each codename.

    ``older`` has the .debs of the older releases, whose runc they get.
    """
    source = out / "unpacked"
    _unpack(older, ("runc",), out / "older")
    _unpack(debs, ("tini", "docker.io", "docker-cli", "containerd", "runc"), source)
    _unpack(debs, ("docker-buildx", "docker-compose", "docker-compose-v2"), source)
    stanzas: dict[str, list[str]] = {codename.name: [] for codename in CODENAMES}
    for package in PACKAGES:
        root = out / package.name
        _pick(source, package, root)
        bodies = [Body.pack(package.name, root, _scripts(package))] * 2
        if package.name == "containerd.io":
            shutil.rmtree(root / "DEBIAN")
            found = [p for p in (out / "older").glob("usr/*bin/runc") if not p.is_symlink()]
            shutil.copy(found[0], root / "usr/bin/runc")
            bodies[1] = Body.pack(package.name, root, _scripts(package))
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
        for codename in CODENAMES:
            where = f"dists/{codename.name}/pool/stable/{arch()}"
            folder = out / "pool" / codename.distro / where
            folder.mkdir(parents=True, exist_ok=True)
            for version in _versions(package, codename):
                control = package.control(version, arch(), size)
                file = f"{package.name}_{version.split(':')[-1]}_{arch()}.deb"
                facts = bodies[codename.older].write(folder / file, control)
                stanzas[codename.name].append(repo.stanza(control, f"{where}/{file}", *facts))
        shutil.rmtree(root)
        root.with_suffix(".deb").unlink()
    shutil.rmtree(source)
    shutil.rmtree(out / "older")
    return stanzas


def _good(top: Path, pool: Path, stanzas: dict[str, list[str]], signer: Path, key: str) -> None:
    for codename in CODENAMES:
        base = top / "linux" / codename.distro
        dist = base / "dists" / codename.name
        for component in ("stable", "test"):
            for name in ARCHITECTURES:
                listed = [one.replace(arch(), name) for one in stanzas[codename.name]]
                repo.write_index(dist / component / f"binary-{name}", listed, by_hash=True)
        fields = {**FIELDS, "Suite": codename.name, "Codename": codename.name}
        release = repo.write_release(dist, {**fields, "Architectures": " ".join(ARCHITECTURES)})
        keys.sign(signer, key, release)
        (dist / "pool").symlink_to(pool / codename.distro / "dists" / codename.name / "pool")
        shutil.copy(signer / f"{key}.asc", base / "gpg")


def _each(top: Path, name: str) -> list[Path]:
    """Also a link to what is not there yet, which glob would pass over."""
    found = (dist / name for dist in sorted(top.glob("linux/*/dists/*")))
    return [path for path in found if os.path.lexists(path)]


def _unsigned(top: Path, _: Path) -> None:
    for path in [*_each(top, "InRelease"), *_each(top, "Release.gpg")]:
        path.unlink()


def _wrong_signer(top: Path, signer: Path) -> None:
    for release in _each(top, "Release"):
        keys.sign(signer, "wrong", release)


def _wrong_key_file(top: Path, signer: Path) -> None:
    for path in top.glob("linux/*/gpg"):
        path.unlink()
        shutil.copy(signer / "wrong.asc", path)


def _tampered(top: Path, _: Path) -> None:
    for path in [*_each(top, "InRelease"), *_each(top, "Release")]:
        path.write_text(path.read_text().replace("Label: Docker CE", "Label: Docker EE"))


def _expired(top: Path, signer: Path) -> None:
    for release in _each(top, "Release"):
        dates = "Valid-Until: Sat, 01 Feb 2025 00:00:00 UTC\nSHA256:"
        release.write_text(release.read_text().replace("SHA256:", dates, 1))
        keys.sign(signer, "vendor", release)


def _bad_index(top: Path, _: Path) -> None:
    for path in top.rglob("Packages*"):
        path.chmod(0o644)
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for path in list(top.rglob("by-hash")):
        shutil.rmtree(path)


def _no_pool(top: Path, _: Path) -> None:
    for path in _each(top, "pool"):
        path.unlink()


def _empty(top: Path, signer: Path) -> None:
    for index in [*top.glob("linux/*/dists/*/*/binary-*")]:
        shutil.rmtree(index)
        repo.write_index(index, [], by_hash=True)
    for dist in sorted(top.glob("linux/*/dists/*")):
        name = dist.name
        fields = {**FIELDS, "Suite": name, "Codename": name, "Architectures": arch()}
        keys.sign(signer, "vendor", repo.write_release(dist, fields))


def _gone(top: Path, _: Path) -> None:
    shutil.rmtree(top / "linux")


# What can be served instead of the good repository, each made from a copy of it.
VARIANTS: dict[str, Callable[[Path, Path], None]] = {
    "wrong-signer": _wrong_signer,  # the right key file, indices signed by a stranger
    "wrong-key-file": _wrong_key_file,  # a stranger's key file, indices signed by the right key
    "unsigned": _unsigned,  # Release without a signature
    "tampered": _tampered,  # changed after it was signed
    "expired": _expired,  # Valid-Until is over
    "bad-index": _bad_index,  # Packages does not match the signed Release
    "no-pool": _no_pool,  # the index offers .debs that are 404
    "empty": _empty,  # a signed index without packages for any codename
    "gone": _gone,  # 404 for everything
}


def _build_vendor(below: Part, older: Part) -> Callable[[Path, Paths], None]:
    def build(out: Path, paths: Paths) -> None:
        signer, final = paths["keys"], paths[f"vendor-{below.salt}"]
        stanzas = _pool(out, paths[below.name] / "debs", paths[older.name] / "debs")
        # Links point to where the finished part will lie, not to where it is being built.
        _good(out / "good", final / "pool", stanzas, signer, "vendor")
        _good(out / "wrong-key", final / "pool", stanzas, signer, "wrong")
        for name, change in VARIANTS.items():
            shutil.copytree(out / "good", out / name, symlinks=True, copy_function=os.link)
            _unlink_shared(out / name)
            change(out / name, signer)

    return build


def _unlink_shared(top: Path) -> None:
    """Give a variant its own small files, so that changing one leaves the good repository alone."""
    for path in top.rglob("*"):
        if path.is_file() and path.stat().st_nlink > 1:
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)


def vendor(suite: str, older_suite: str) -> Part:
    """The part with the vendor's pool and each state of its repository in a folder of its own."""
    below, older = tree(suite), tree(older_suite)
    sources = ("vendor.py", "packages.py", "deb.py", "repo.py")
    return Part(
        f"vendor-{suite}", sources, _build_vendor(below, older), (KEYS, below, older), suite
    )
