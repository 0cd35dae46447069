"""NVIDIA's side of the lab: a driver that hosts can wear, and the vendor's package repository.

Neither holds anything of NVIDIA's. The driver is device nodes with the real numbers and an
``nvidia-smi`` that tries to open them; the packages have the vendor's names, versions and relations
and small programs in the place of the toolkit's. What happens between them is real: dockerd's own
CDI injects the nodes, and the kernel's device policies decide who may open them.

The key has the shape of NVIDIA's: the primary key signs by itself, and a signing subkey ran out
years ago.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.lab import repo
from tests.lab.deb import Body
from tests.lab.keys import stop_agent
from tests.lab.machine import arch, sh
from tests.lab.parts import Part, Paths

HERE = Path(__file__).parent / "gpu"
NAME = "nvidia.github.io"
# The floor below which Dockwright installs nothing lies between the first two.
ARCHITECTURES = ("amd64", "arm64")
VERSIONS = ("1.17.7-1", "1.17.8-1", "1.20.1-1")
DRIVER = "570.86.15"
GPUS = (
    ("GPU-5a0f7c3e-0001-4d0c-8a3b-1ab000000001", "NVIDIA Stand-in 80GB"),
    ("GPU-5a0f7c3e-0002-4d0c-8a3b-1ab000000002", "NVIDIA Stand-in 80GB"),
)

# From 1.18 on the toolkit makes the CDI specification by units of its own.
UNITS = {
    "nvidia-cdi-refresh.service": "[Unit]\nDescription=Refresh the CDI specification (stand-in)\n"
    "[Service]\nType=oneshot\nExecStart=/usr/bin/nvidia-ctk cdi generate\n"
    "[Install]\nWantedBy=multi-user.target\n",
    "nvidia-cdi-refresh.path": "[Unit]\nDescription=Watch for a change of the driver (stand-in)\n"
    "[Path]\nPathChanged=/usr/bin/nvidia-ctk\nPathChanged=/usr/bin/nvidia-smi\n"
    "[Install]\nWantedBy=multi-user.target\n",
}
ENABLE = "#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then\n  systemctl daemon-reload\n"
SCRIPTS = {
    "postinst": f"{ENABLE}  systemctl enable -q --now {' '.join(UNITS)} || :\nfi\n",
    "prerm": f"{ENABLE}  systemctl disable -q --now {' '.join(UNITS)} || :\nfi\n",
}
UNIT = """\
[Unit]
Description=The GPUs of this lab host
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/lab-gpu/up
"""


def triplet() -> str:
    """The folder of the machine's libraries, as Debian names it."""
    return {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[arch()]


def _program(source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    library = f'-DLIBRARY="/usr/lib/{triplet()}/libnvidia-ml.so.1"'
    sh(["gcc", "-static", "-Os", "-s", "-Wall", library, "-o", target, HERE / source])


def _script(name: str, target: Path, version: str = "") -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    text = (HERE / name).read_text().replace("@VERSION@", version)
    target.write_text(text.replace("@TRIPLET@", triplet()))
    target.chmod(0o755)


def library(version: str = DRIVER) -> str:
    """The text of the stand-in for libnvidia-ml: a list that its nvidia-smi reads."""
    listed = "".join(f"gpu {n} {uuid} {name}\n" for n, (uuid, name) in enumerate(GPUS))
    return f"Not NVIDIA's library: a list for the nvidia-smi of a lab.\nversion {version}\n{listed}"


def _driver(root: Path) -> None:
    """The layer that hosts with ``gpu=True`` have on top of their tree."""
    _program("nvidia-smi.c", root / "usr/bin/nvidia-smi")
    _program("allow-devices.c", root / "usr/lib/lab-gpu/allow-devices")
    _script("gpu-up", root / "usr/lib/lab-gpu/up")
    libraries = root / "usr/lib" / triplet()
    libraries.mkdir()
    (libraries / f"libnvidia-ml.so.{DRIVER}").write_text(library())
    (libraries / "libnvidia-ml.so.1").symlink_to(f"libnvidia-ml.so.{DRIVER}")
    # The lab's trees leave out all documentation; real ones keep at least this.
    excludes = root / "etc/dpkg/dpkg.cfg.d"
    excludes.mkdir(parents=True)
    (excludes / "zz-copyright").write_text("path-include=/usr/share/doc/*/copyright\n")
    units = root / "etc/systemd/system"
    (units / "sysinit.target.wants").mkdir(parents=True)
    (units / "lab-gpu.service").write_text(UNIT)
    (units / "sysinit.target.wants/lab-gpu.service").symlink_to("../lab-gpu.service")


def _packages(version: str) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Names with their dependencies and programs: all of one version, as NVIDIA's are."""
    return {
        "libnvidia-container1": ("libc6 (>= 2.27)", ()),
        "libnvidia-container-tools": (f"libnvidia-container1 (>= {version})", ()),
        "nvidia-container-toolkit-base": (
            "libc6 (>= 2.27)",
            ("nvidia-ctk", "nvidia-container-runtime", "nvidia-cdi-hook"),
        ),
        "nvidia-container-toolkit": (
            f"libnvidia-container-tools (= {version}), nvidia-container-toolkit-base (= {version})",
            ("nvidia-container-runtime-hook",),
        ),
    }


def _control(name: str, version: str, depends: str) -> str:
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: {arch()}\n"
        "Maintainer: Dockwright's lab <lab@lab.test>\nInstalled-Size: 16\n"
        f"Depends: {depends}\nSection: utils\nPriority: optional\n"
        f"Description: stand-in for NVIDIA's {name}\n"
        " Made for Dockwright's lab; none of NVIDIA's programs is in it.\n"
    )


def _pool(flat: Path, work: Path) -> list[str]:
    """Write the .debs of all versions; returns their Packages stanzas."""
    stanzas = []
    for version in VERSIONS:
        for name, (depends, programs) in _packages(version).items():
            root = work / f"{name}-{version}"
            (root / "usr/bin").mkdir(parents=True)
            (root / f"usr/share/doc/{name}").mkdir(parents=True)
            (root / f"usr/share/doc/{name}/copyright").write_text("A stand-in for tests.\n")
            for program in programs:
                if program == "nvidia-cdi-hook":
                    # dockerd only asks whether it is there.
                    (root / "usr/bin/nvidia-cdi-hook").write_text("#!/bin/sh\nexit 0\n")
                    (root / "usr/bin/nvidia-cdi-hook").chmod(0o755)
                else:
                    _script(program, root / "usr/bin" / program, version)
            scripts: dict[str, str] = {}
            if name.endswith("-base") and not version.startswith("1.17."):
                units = root / "usr/lib/systemd/system"
                units.mkdir(parents=True)
                for unit, text in UNITS.items():
                    (units / unit).write_text(text)
                scripts = SCRIPTS
            control = _control(name, version, depends)
            deb = f"{name}_{version}_{arch()}.deb"
            facts = Body.pack(name, root, scripts).write(flat / deb, control)
            stanzas.append(repo.stanza(control, f"./{deb}", *facts))
    # Empty, and the last that there is of it: nvidia-docker's tag v2.14.0, debian/control.
    root = work / "nvidia-docker2"
    (root / "usr/share/doc/nvidia-docker2").mkdir(parents=True)
    (root / "usr/share/doc/nvidia-docker2/copyright").write_text("A stand-in for tests.\n")
    control = _control("nvidia-docker2", "2.14.0-1", "nvidia-container-toolkit (>= 1.14.0-1)")
    control = control.replace(f"Architecture: {arch()}", "Architecture: all")
    deb = "nvidia-docker2_2.14.0-1_all.deb"
    facts = Body.pack("nvidia-docker2", root, {}).write(flat / deb, control)
    return [*stanzas, repo.stanza(control, f"./{deb}", *facts)]


def _key(out: Path) -> str:
    """Make the vendor's key in ``out/gnupg`` and export it; returns the primary fingerprint."""
    home = out / "gnupg"
    home.mkdir(mode=0o700)
    owner = "NVIDIA CORPORATION (Open Source Projects, lab) <nvidia@lab.test>"
    gpg: list[object] = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", ""]
    then = [*gpg, "--faked-system-time", "20170928T000000"]
    sh([*then, "--quick-generate-key", owner, "rsa3072", "cert,sign", "never"])
    listing = sh([*gpg, "--with-colons", "-k"])
    fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line[:4] == "fpr:")
    sh([*then, "--quick-add-key", fingerprint, "rsa3072", "sign", "4y"])
    (out / "fingerprint").write_text(fingerprint + "\n")
    (out / "key.asc").write_text(sh([*gpg, "--armor", "--export", fingerprint]))
    return fingerprint


def sign(part: Path, release: Path) -> None:
    """Write InRelease beside a Release file, signed by the primary key itself."""
    fingerprint = (part / "fingerprint").read_text().strip()
    gpg = ["gpg", "--homedir", part / "gnupg", "--batch", "--yes", "--quiet", "--digest-algo"]
    sh([*gpg, "SHA512", "-u", f"{fingerprint}!", "-o", release.with_name("InRelease"),
        "--clearsign", release])  # fmt: skip


def _index(out: Path, flat: Path, pool: list[str]) -> None:
    """Write Packages and a signed InRelease of a flat repository."""
    flat.mkdir(exist_ok=True)
    index = out / "index"
    repo.write_index(index, pool, by_hash=False)
    for path in index.iterdir():
        path.rename(flat / path.name)
    index.rmdir()
    release = repo.write_release(flat, {"Origin": NAME, "Label": "stand-in", "Suite": ""})
    # Without an end, and with a date that says nothing: as the vendor has it.
    text = re.sub(r"(?m)^Suite: \n", "", release.read_text())
    release.write_text(re.sub(r"(?m)^Date: .*", "Date: Tue, 13 Mar 2018 00:00:00 UTC", text))
    sign(out, release)


def _build(out: Path, _: Paths) -> None:
    _driver(out / "driver")
    _key(out)
    top = out / "good/libnvidia-container"
    flat = top / "stable/deb" / arch()
    flat.mkdir(parents=True)
    pool = _pool(flat, out / "work")
    shutil.rmtree(out / "work")
    for name in ARCHITECTURES:  # a file is rendered for both; only the machine's own are installed
        named = [
            text.replace(f"Architecture: {arch()}\n", f"Architecture: {name}\n") for text in pool
        ]
        _index(out, flat.with_name(name), named)
    stop_agent(out / "gnupg")
    shutil.copy(out / "key.asc", top / "gpgkey")


SOURCES = (
    "allow-devices.c", "gpu-up", "nvidia-container-runtime", "nvidia-container-runtime-hook",
    "nvidia-ctk", "nvidia-smi.c",
)  # fmt: skip
NVIDIA = Part(
    "nvidia", ("nvidia.py", "deb.py", "repo.py", *(f"gpu/{name}" for name in SOURCES)), _build
)
