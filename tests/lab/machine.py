"""What the lab needs from the machine that it runs on.

Everything that differs between machines is asked here once: tools, package archive, architecture
and the place of the unified cgroup hierarchy. No archive address is written down in the project:
the lab builds from the archive that the machine itself uses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Command that has to be there -> package that brings it, the same on Debian and Ubuntu.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nginx": "nginx-light",
    "docker-registry": "docker-registry",
    "gpg": "gnupg",
    "ip": "iproute2",
    "dpkg-deb": "dpkg",
    "ssh-keygen": "openssh-client",
    "openssl": "openssl",
    "gcc": "gcc",
    "busybox": "busybox-static",
    "nsenter": "util-linux",
}


class LabError(RuntimeError):
    """The lab cannot do what was asked; the message says why."""


def say(text: str) -> None:
    """Tell a waiting person what takes time; stdout stays free for results."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


def sh(
    argv: Sequence[object],
    *,
    input: str | None = None,  # noqa: A002 - the name that subprocess has
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command and return its stdout; a failure carries the end of its output."""
    done = subprocess.run(
        [str(a) for a in argv],
        input=input,
        stdin=None if input is not None else subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        cwd=cwd,
        text=True,
        capture_output=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = (done.stdout + done.stderr)[-3000:]
        raise LabError(f"{' '.join(map(str, argv))[:300]}: exit {done.returncode}\n{tail}")
    return done.stdout


def why_not() -> str | None:
    """Say why this machine cannot hold a lab; None where it can."""
    if not sys.platform.startswith("linux"):
        return "the lab needs Linux"
    if os.geteuid() != 0:
        return "the lab needs root (namespaces, mounts, systemd-nspawn)"
    if os_release().get("ID") not in ("debian", "ubuntu"):
        return "the lab builds from a Debian or Ubuntu archive, and this machine uses neither"
    if _cgroup_mount() is None:
        return "the lab needs a mounted unified cgroup hierarchy"
    return None


def install_tools() -> None:
    """Install the tools that are missing, without letting their services start."""
    missing = sorted({pkg for cmd, pkg in TOOLS.items() if not shutil.which(cmd)})
    if not any(Path("/usr/lib").glob("*/libc.a")):
        missing.append("libc6-dev")
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    env = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    sh(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "update"], env=env)
    install = ["apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends"]
    sh([*install, "install", *missing], env=env)


@lru_cache
def os_release() -> dict[str, str]:
    """The machine's own /etc/os-release."""
    found: dict[str, str] = {}
    path = Path("/etc/os-release")
    for line in path.read_text().splitlines() if path.exists() else []:
        key, sign, value = line.partition("=")
        if sign:
            found[key] = value.strip().strip('"')
    return found


@lru_cache
def arch() -> str:
    """The machine's Debian architecture name."""
    return sh(["dpkg", "--print-architecture"]).strip()


def _deb822(text: str) -> Iterator[dict[str, str]]:
    """Stanzas of a .sources file; comments and continuation lines as apt reads them."""
    stanza: dict[str, str] = {}
    last = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if stanza:
                yield stanza
            stanza = {}
        elif line[0] in " \t":
            stanza[last] += " " + line.strip()
        else:
            last, _, value = line.partition(":")
            last = last.strip().lower()
            stanza[last] = value.strip()


def _one_line(text: str) -> Iterator[dict[str, str]]:
    """Entries of a one-line .list file in the same shape as a deb822 stanza."""
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if len(words) < 3 or words[0] != "deb":
            continue
        if words[1].startswith("["):
            while not words[1].endswith("]"):
                words[1:3] = [words[1] + words[2]]
            del words[1]
        if len(words) > 3:
            yield {
                "types": "deb",
                "uris": words[1],
                "suites": words[2],
                "components": " ".join(words[3:]),
            }


@lru_cache
def archive() -> str:
    """The address of the archive from which the machine's own release was installed."""
    here = os_release().get("VERSION_CODENAME", "")
    etc = Path("/etc/apt")
    entries: list[dict[str, str]] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix in (".list", ".sources"):
            text = path.read_text(errors="replace")
            entries += _deb822(text) if path.suffix == ".sources" else _one_line(text)
    for entry in entries:
        wanted = {"types": "deb", "suites": here, "components": "main"}
        enabled = entry.get("enabled", "yes").lower() not in ("no", "false")
        if enabled and all(word in entry.get(key, "").split() for key, word in wanted.items()):
            return entry["uris"].split()[0]
    raise LabError(f"no apt source of this machine offers {here}/main")


def components() -> str:
    """Ubuntu keeps Docker in universe, Debian in main."""
    return "main universe" if os_release().get("ID") == "ubuntu" else "main"


def _cgroup_mount() -> Path | None:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    return None


def cgroup_root() -> Path:
    """The directory below which each lab makes its own cgroups."""
    mount = _cgroup_mount()
    if mount is None:
        raise LabError("no unified cgroup hierarchy is mounted")
    return mount / "dockwright-lab"


def drop_cgroups(top: Path) -> None:
    """Remove an emptied cgroup tree, deepest first; what is still in use stays."""
    for folder, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()


def children(pid: int) -> list[int]:
    """The direct children of a process, whatever thread started them."""
    found: list[int] = []
    for task in _glob(Path(f"/proc/{pid}/task")):
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def _glob(path: Path) -> Iterable[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []


def ns_pids(pid: int) -> list[int]:
    """The process's ids from the outermost pid namespace that is seen here to its own."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return [int(word) for word in line.split()[1:]]
    return []
