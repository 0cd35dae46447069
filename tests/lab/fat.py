"""The fat host: a layer with what makes real servers slow and locked, built where a test asks for it.

All of it is the distribution's own: man-db's trigger, needrestart's hook into apt, unattended-upgrades
(apt's timers stay masked: a test starts it when it wants it), AppArmor's and ufw's programs, and
cloud-init, which finds a seed and runs at each host's first boot.
"""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path

from tests.lab import repo
from tests.lab.dress import FIELDS, Dress, layer
from tests.lab.keys import KEYS
from tests.lab.machine import archive, components, sh
from tests.lab.parts import Part, Paths
from tests.lab.tree import install_layer, tree

PACKAGES = ("man-db", "needrestart", "unattended-upgrades", "apparmor", "ufw", "cloud-init")

# Keys, names and accounts of a lab's host are the lab's.
USER_DATA = """\
#cloud-config
ssh_deletekeys: false
preserve_hostname: true
disable_root: false
users: []
"""
SEED = {"user-data": USER_DATA, "meta-data": "instance-id: lab\n"}
FILES = {
    "etc/cloud/cloud.cfg.d/99-lab.cfg": "network: {config: disabled}\n"
    "datasource_list: [NoCloud, None]\n",
    "etc/apt/apt.conf.d/20auto-upgrades": 'APT::Periodic::Update-Package-Lists "1";\n'
    'APT::Periodic::Unattended-Upgrade "1";\n',
}


def _download(out: Path, root: Path, suite: str) -> None:
    """The packages and what they need that the tree lacks, from this machine's archive, into ``debs``."""
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (out / folder).mkdir(parents=True)
    (out / "sources.list").write_text(f"deb {archive()} {suite} {components()}\n")
    options = {
        "Dir::Etc::sourcelist": out / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": out / "lists",
        "Dir::State::status": root / "var/lib/dpkg/status",
        "Dir::Cache": out / "cache",
        "Acquire::Languages": "none",
        "APT::Update::Error-Mode": "any",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", "-y", *(f"-o{key}={value}" for key, value in options.items())]
    sh([*apt, "update"])
    sh([*apt, "--no-install-recommends", "--download-only", "install", *PACKAGES])
    for deb in (out / "cache/archives").glob("*.deb"):
        deb.rename(out / "debs" / deb.name)
    for name in ("lists", "cache"):
        shutil.rmtree(out / name)


@lru_cache
def fat_layer(dress: Dress) -> Part:
    """The layer of these packages over a dress."""
    below, clothes = tree(dress.suite), layer(dress)

    def build(out: Path, paths: Paths) -> None:
        lower = [paths[clothes.name] / "root", paths[below.name] / "root"]
        _download(out, lower[-1], dress.suite)
        fields = {"Suite": dress.codename, "Version": dress.version, **FIELDS[dress.distro]}
        repo.publish(out / "repo", dress.codename, out / "debs", fields, paths["keys"])
        install_layer(lower, PACKAGES, out / "repo", out)
        seed = {f"var/lib/cloud/seed/nocloud/{name}": text for name, text in SEED.items()}
        for path, text in {**FILES, **seed}.items():
            place = out / "root" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        for name in ("debs", "repo"):
            shutil.rmtree(out / name)

    needs = (KEYS, below, clothes)
    return Part(f"fat-{dress.name}", ("fat.py", "tree.py"), build, needs, dress.name)
