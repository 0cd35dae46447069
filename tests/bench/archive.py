"""An archive as long as those out there, and servers at the end of a line with a bound.

The lab's archive offers a few hundred packages, and a real one sixty thousand: to fetch and to read its
index takes seconds, and who does it without need, or twice, pays for it. The index of the bench
names all that this machine's own archive has, beside the lab's packages. Nothing of that is ever
installed: no package of the lab's asks for it.
"""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

from tests.lab import keys, repo
from tests.lab.dress import DRESSES
from tests.lab.lab import Lab
from tests.lab.machine import LabError, arch, say, sh


def lengthen(lab: Lab, dress: str) -> int:
    """Serve the dress's archive with a long index from now on; returns how many packages it names."""
    link = lab.dir / "www/archive.lab.test" / dress
    short, long = link.resolve(), lab.dir / "sites/long"
    folder = f"dists/{DRESSES[dress].codename}"
    index = f"{folder}/main/binary-{arch()}"
    ours = stanzas((short / index / "Packages").read_text())
    more = {name: text for name, text in _others().items() if name not in ours}
    say(f"adding {len(more)} packages of this machine's own archive to the index")
    text = "\n".join(f"{stanza}\n" for stanza in (*ours.values(), *more.values()))

    shutil.copytree(short / folder, long / folder, ignore=shutil.ignore_patterns("Packages*"))
    (long / "pool").symlink_to(short / "pool")
    (long / index / "Packages").write_text(text)
    # As archives have it, and as apt takes it where it may choose; the preset is for our patience.
    (long / index / "Packages.xz").write_bytes(lzma.compress(text.encode(), preset=1))
    lines = (short / folder / "Release").read_text().split("\nDate: ", 1)[0].splitlines()
    fields = dict(line.split(": ", 1) for line in lines)
    keys.sign(lab.parts["keys"], "archive", repo.write_release(long / folder, fields))
    link.unlink()
    link.symlink_to(long)
    return len(ours) + len(more)


def _others() -> dict[str, str]:
    """The stanzas of this machine's own lists."""
    wanted = ["--format", "$(FILENAME)", "Created-By: Packages"]
    files = [Path(name) for name in sh(["apt-get", "indextargets", *wanted]).split()]
    texts = [sh(["/usr/lib/apt/apt-helper", "cat-file", file]) for file in files if file.exists()]
    found = {name: text for each in texts for name, text in stanzas(each).items()}
    if not found:
        raise LabError("this machine has no lists of an archive: apt-get update, or --small")
    return found


def stanzas(index: str) -> dict[str, str]:
    """Packages of an index by name; of several versions the last."""
    found = {}
    for stanza in index.split("\n\n"):
        text = stanza.strip("\n")
        head = text.split("\n", 1)[0]
        if head.startswith("Package: "):
            found[head.removeprefix("Package: ")] = text
    return found


def bound(lab: Lab, megabytes: int) -> None:
    """Have the lab's servers send so many megabytes a second to each connection, as far ones do."""
    conf = lab.dir / "nginx.conf"
    text = conf.read_text()
    place = next(line for line in text.splitlines() if line.endswith(":443 ssl default_server;"))
    conf.write_text(text.replace(place, f"{place}\n        limit_rate {megabytes}m;"))
    log = lab.dir / "log/nginx.error"
    lab.run(["nginx", "-e", log, "-p", lab.dir, "-c", conf, "-s", "reload"])
