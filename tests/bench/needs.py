"""Packages that a contestant needs on its hosts and the lab's archive lacks: from this machine's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.lab.dress import DRESSES
from tests.lab.host import Host
from tests.lab.machine import archive, components, sh


def lacking(lab_folder: Path, dress: str, names: Iterable[str]) -> list[str]:
    """Those that the lab's archive has not."""
    place = lab_folder / f"www/archive.lab.test/{dress}"
    return [name for name in names if not any(place.rglob(f"{name}_*.deb"))]


def download(folder: Path, host: Host, names: Iterable[str]) -> None:
    """These packages, and what they need that the host lacks, into ``folder``."""
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True)
    suite = DRESSES[host.dress].suite
    (folder / "sources.list").write_text(f"deb {archive()} {suite} {components()}\n")
    status = folder / "status"
    status.write_text(host.exec("cat /var/lib/dpkg/status").stdout)
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": status,
        "Dir::Cache": folder,
        "Acquire::Languages": "none",
        "APT::Update::Error-Mode": "any",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", "-y", *(f"-o{key}={value}" for key, value in options.items())]
    sh([*apt, "update"])
    sh([*apt, "--no-install-recommends", "--download-only", "install", *names])
