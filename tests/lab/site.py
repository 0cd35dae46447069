"""What the lab's web server serves, and what it was asked for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.lab import keys, repo
from tests.lab.machine import arch


class Vendor:
    """Docker's package repository as the lab serves it at the moment."""

    def __init__(self, lab: Path, part: Path, signer: Path) -> None:
        self._lab = lab
        self._link = lab / "www/download.docker.com"
        self._part = part
        self._signer = signer

    @property
    def states(self) -> list[str]:
        """What can be served: ``good``, ``wrong-key`` and the states of ``vendor.VARIANTS``."""
        return sorted(path.name for path in self._part.iterdir() if path.name != "pool")

    def serve(self, state: str | Path) -> None:
        """Serve another state from now on; a path serves a folder of one's own making."""
        target = state if isinstance(state, Path) else self._part / state
        if not target.is_dir():
            raise ValueError(f"{state}: one of {', '.join(self.states)}")
        new = self._link.with_name(".next")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(self._link)

    def deb(self, distro: str, codename: str, package: str) -> Path:
        """The newest .deb of a package, as something to repack."""
        pool = self._part / "pool" / distro / "dists" / codename / "pool/stable" / arch()
        return max(pool.glob(f"{package}_*.deb"))

    def copy(self, name: str) -> Path:
        """A private copy of the good repository, to change, :meth:`sign` and :meth:`serve`."""
        top = self._lab / "sites" / name
        shutil.copytree(self._part / "good", top, symlinks=True)
        return top

    def add(self, top: Path, distro: str, codename: str, debs: Sequence[Path]) -> None:
        """Offer further packages in a copy's ``stable``; what it offers already stays."""
        dist = top / "linux" / distro / "dists" / codename
        (dist / "extra").mkdir(exist_ok=True)
        index = dist / "stable" / f"binary-{arch()}"
        stanzas = [text + "\n" for text in (index / "Packages").read_text().split("\n\n")]
        for deb in debs:
            shutil.copy(deb, dist / "extra" / deb.name)
            stanzas.append(repo.stanza_of(deb, f"dists/{codename}/extra/{deb.name}"))
        shutil.rmtree(index)
        repo.write_index(index, [text.rstrip("\n") + "\n" for text in stanzas], by_hash=True)

    def sign(self, top: Path, key: str = "vendor") -> Path:
        """Write and sign the Release files of a copy anew, by the key ``vendor`` or ``wrong``."""
        for release in sorted(top.glob("linux/*/dists/*/Release")):
            lines = release.read_text().split("\nDate: ", 1)[0].splitlines()
            fields = dict(line.split(": ", 1) for line in lines)
            keys.sign(self._signer, key, repo.write_release(release.parent, fields))
        return top


def requests(lab: Path) -> list[str]:
    """The lines of the web server's log."""
    path = lab / "log/requests"
    return path.read_text().splitlines() if path.exists() else []
