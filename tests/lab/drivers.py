"""GPU hosts without a driver, and the distributions' packages that bring one: stand-ins that say so.

A host made with ``gpu=True, driver=False`` has the GPUs on its PCI bus and nothing else. Packages of the
names that Ubuntu (restricted) and Debian (contrib, non-free) have put a library, an nvidia-smi and
a file in the place of a kernel module on it; the host's ``modprobe`` is a stand-in, too, and makes of such a
file what a loaded module shows. Hosts share the machine's kernel, so its release is in the names.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import keys, repo
from tests.lab.deb import Body
from tests.lab.dress import DRESSES, FIELDS, Dress
from tests.lab.host import Host
from tests.lab.keys import KEYS
from tests.lab.machine import arch
from tests.lab.nvidia import DRIVER, GPUS, HERE, NVIDIA, library, triplet
from tests.lab.parts import Part, Paths

KERNEL = os.uname().release
NAMEABLE = re.fullmatch(r"[a-z0-9.+-]+", KERNEL) is not None  # in a package's name
DEVICE = "0x2330"  # an H100; a host may have another one in /usr/lib/lab-gpu/device
OLDER, DEBIANS = "535.183.01", "550.163.01"
# Ubuntu builds modules of the first for the running kernel; of the other only DKMS would.
BRANCHES = {"570": DRIVER, "535": OLDER}
UNIT = """\
[Unit]
Description=The GPUs of this lab host, without a driver
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/lab-gpu/up
"""
BLACKLIST = {"usr/lib/modprobe.d/nvidia-graphics-drivers.conf": "blacklist nouveau\n"}


@dataclass(frozen=True)
class Stand:
    """One package: component, relations, files and scripts."""

    name: str
    version: str
    component: str
    relations: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    smi: bool = False

    def control(self) -> str:
        """Its control file."""
        more = "".join(f"{key}: {value}\n" for key, value in self.relations.items())
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: {arch()}\n"
            "Maintainer: Dockwright's lab <lab@lab.test>\nInstalled-Size: 16\n"
            f"{more}Section: {self.component}/kernel\nPriority: optional\n"
            f"Description: stand-in for {self.name}\n"
            " Made for Dockwright's lab; nothing of NVIDIA's is in it.\n"
        )


def _libraries(version: str) -> dict[str, str]:
    return {f"usr/lib/{triplet()}/libnvidia-ml.so.{version}": library(version)}


def _link(version: str) -> dict[str, str]:
    """The link that ldconfig would make, at installation."""
    place = f"/usr/lib/{triplet()}/libnvidia-ml.so.1"
    made = (
        f'#!/bin/sh\nset -e\n[ "$1" != configure ] || ln -sfn libnvidia-ml.so.{version} {place}\n'
    )
    gone = f'#!/bin/sh\nset -e\n[ "$1" != remove ] || rm -f {place}\n'
    return {"postinst": made, "postrm": gone}


def ubuntu() -> Iterator[Stand]:
    """As Ubuntu's source packages nvidia-graphics-drivers-BRANCH and linux-restricted-modules have them."""
    for branch, number in BRANCHES.items():
        version = f"{number}-0ubuntu0.24.04.1"
        for track in (branch, f"{branch}-server"):
            common, compute = f"nvidia-kernel-common-{track}", f"libnvidia-compute-{track}"
            yield Stand(common, version, "restricted", files=BLACKLIST)
            yield Stand(
                compute, version, "restricted", files=_libraries(number), scripts=_link(number)
            )
            yield Stand(
                f"nvidia-utils-{track}", version, "restricted",
                {"Depends": compute, "Provides": "nvidia-utils", "Conflicts": "nvidia-utils"},
                smi=True,
            )  # fmt: skip
            for part in (track, f"{track}-open"):
                signed = f"linux-modules-nvidia-{part}-{KERNEL}"
                dkms = {"Depends": f"{common}, linux-headers-{KERNEL}"}
                needs = {"Depends": f"{common}, {compute}"}
                if branch == "570":
                    path = f"usr/lib/modules/{KERNEL}/kernel/nvidia-{part}/nvidia.ko"
                    yield Stand(signed, version, "restricted", {"Depends": common}, {path: number})
                yield Stand(
                    f"nvidia-dkms-{part}", version, "restricted", dkms,
                    scripts=_dkms(number, "nvidia"),
                )  # fmt: skip
                yield Stand(f"nvidia-headless-no-dkms-{part}", version, "restricted", needs)
                both = {"Depends": f"{common}, {compute}, nvidia-dkms-{part}"}
                yield Stand(f"nvidia-headless-{part}", version, "restricted", both)
    yield Stand(f"linux-headers-{KERNEL}", "1", "main")


def debian() -> Iterator[Stand]:
    """As Debian's source packages nvidia-graphics-drivers and nvidia-open-gpu-kernel-modules."""
    version = f"{DEBIANS}-2"
    for name, component, module in (
        ("nvidia-kernel-dkms", "non-free", "nvidia-current"),
        ("nvidia-open-kernel-dkms", "contrib", "nvidia-current-open"),
    ):
        other = {"nvidia-kernel-dkms": "nvidia-open-kernel-dkms"}.get(name, "nvidia-kernel-dkms")
        relations = {
            "Depends": f"nvidia-kernel-support, linux-headers-{KERNEL}",
            "Conflicts": other,
        }
        yield Stand(name, version, component, relations, scripts=_dkms(DEBIANS, module))
    yield Stand("nvidia-kernel-support", version, "non-free", files=BLACKLIST)
    yield Stand(
        "libnvidia-ml1", version, "non-free", files=_libraries(DEBIANS), scripts=_link(DEBIANS)
    )
    yield Stand("libcuda1", version, "non-free", {"Depends": "libnvidia-ml1"})
    yield Stand("nvidia-smi", version, "non-free", {"Depends": "libnvidia-ml1"}, smi=True)
    yield Stand("firmware-nvidia-gsp", version, "non-free-firmware")
    yield Stand(f"linux-headers-{KERNEL}", "1", "main")


def _dkms(number: str, module: str) -> dict[str, str]:
    """What DKMS does at installation, without a compiler."""
    folder = f"/usr/lib/modules/{KERNEL}/updates/dkms"
    built = f"mkdir -p {folder}; echo {number} >{folder}/{module}.ko"
    gone = f"rm -f {folder}/{module}.ko; rmdir -p --ignore-fail-on-non-empty {folder}"
    return {
        "postinst": f'#!/bin/sh\nset -e\n[ "$1" != configure ] || {{ {built}; }}\n',
        "prerm": f'#!/bin/sh\nset -e\n[ "$1" != remove ] || {{ {gone}; }}\n',
    }


def _publish(out: Path, name: str, stands: list[Stand], signer: Path, smi: Path) -> None:
    """One pool, and a suite for each release of the distribution."""
    top, work = out / name, out / "work"
    stanzas: dict[str, list[str]] = {}
    for stand in stands:
        root = work / stand.name
        # dpkg lets a package disappear whose files are all in others.
        about = {f"usr/share/doc/{stand.name}/copyright": "A stand-in for tests.\n"}
        for path, text in {**about, **stand.files}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        if stand.smi:
            (root / "usr/bin").mkdir()
            shutil.copy(smi, root / "usr/bin/nvidia-smi")
        place = f"pool/{stand.component}/{stand.name}_{stand.version}_{arch()}.deb"
        (top / place).parent.mkdir(parents=True, exist_ok=True)
        facts = Body.pack(stand.name, root, stand.scripts).write(top / place, stand.control())
        stanzas.setdefault(stand.component, []).append(repo.stanza(stand.control(), place, *facts))
    shutil.rmtree(work)
    for dress in DRESSES.values():
        if dress.distro != name:
            continue
        dist = top / "dists" / dress.codename
        for component, texts in stanzas.items():
            repo.write_index(dist / f"{component}/binary-{arch()}", texts, by_hash=False)
        fields = {
            **FIELDS[name], "Codename": dress.codename, "Architectures": arch(),
            "Components": " ".join(stanzas),
        }  # fmt: skip
        keys.sign(signer, "archive", repo.write_release(dist, fields))


def _build(out: Path, paths: Paths) -> None:
    bare = out / "bare"
    place = bare / "usr/lib/lab-gpu"
    place.mkdir(parents=True)
    (place / "gpus").write_text("".join(f"{n} {uuid}\n" for n, (uuid, _) in enumerate(GPUS)))
    (place / "device").write_text(f"{DEVICE}\n")
    shutil.copy(HERE / "bare-up", place / "up")
    shutil.copy(paths[NVIDIA.name] / "driver/usr/lib/lab-gpu/allow-devices", place)
    (bare / "usr/local/sbin").mkdir(parents=True)
    shutil.copy(HERE / "modprobe", bare / "usr/local/sbin/modprobe")
    for script in (place / "up", bare / "usr/local/sbin/modprobe"):
        script.chmod(0o755)
    # The lab's trees leave out all documentation; real ones keep at least this.
    (bare / "etc/dpkg/dpkg.cfg.d").mkdir(parents=True)
    (bare / "etc/dpkg/dpkg.cfg.d/zz-copyright").write_text(
        "path-include=/usr/share/doc/*/copyright\n"
    )
    units = bare / "etc/systemd/system"
    (units / "sysinit.target.wants").mkdir(parents=True)
    (units / "lab-gpu.service").write_text(UNIT)
    (units / "sysinit.target.wants/lab-gpu.service").symlink_to("../lab-gpu.service")
    if NAMEABLE:
        smi = paths[NVIDIA.name] / "driver/usr/bin/nvidia-smi"
        for name, stands in (("ubuntu", ubuntu()), ("debian", debian())):
            _publish(out, name, list(stands), paths["keys"], smi)


DRIVERS = Part(
    "drivers",
    ("drivers.py", "deb.py", "repo.py", "dress.py", "gpu/bare-up", "gpu/modprobe"),
    _build,
    (KEYS, NVIDIA),
    KERNEL,
)


def offer(host: Host) -> None:
    """Enable the components with drivers, as a source of the host's distribution."""
    dress: Dress = DRESSES[host.dress]
    names = {"ubuntu": "main restricted", "debian": "main contrib non-free non-free-firmware"}
    host.put(
        "/etc/apt/sources.list.d/drivers.sources",
        f"Types: deb\nURIs: http://archive.lab.test/drivers/{dress.distro}\n"
        f"Suites: {dress.codename}\nComponents: {names[dress.distro]}\n"
        f"Signed-By: /usr/share/keyrings/{dress.distro}-archive-keyring.gpg\n",
    )
