"""What a host tells, for people: grouped, aligned, and nothing that it did not tell."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.text import Text

from dockwright import distros
from dockwright.report.page import Page, styled
from dockwright.report.text import plural, size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from dockwright.models import Facts, FileFact, Package, Snap

_VERSIONS = 4  # of a package that apt offers


def render_facts(
    facts: Facts, console: Console, *, host: str = "", how: str = "", verbose: bool = False
) -> None:
    """Print what is known of a host. ``verbose`` adds ids, checksums and contents."""
    page = Page(console)
    head = page.text(host or facts.hostname, "bold")
    if how:
        head.append("  ").append_text(page.text(how, "dim"))
    lines = page.hang(Text(), head)
    groups = [
        ("system", _system(facts, verbose=verbose)),
        ("docker", _docker(facts)),
        ("packages", (_package(package) for package in facts.packages)),
        ("offered by apt", ((name, _offer(found)) for name, found in facts.offered.items())),
        ("apt", _apt(facts)),
        ("sources", _files(facts.sources, verbose=verbose)),
        ("keys", _files(facts.keys, verbose=verbose)),
        ("files", _files(facts.files, verbose=verbose)),
        ("containers", ((one.name, f"{one.image}  {one.id[:12]}") for one in facts.containers)),
        ("units", ((one.name, f"{one.enabled}, {one.active}") for one in facts.units)),
        ("snaps", (_snap(one) for one in facts.snaps)),
        ("disks", _disks(facts)),
        ("people", _people(facts, verbose=verbose)),
        ("gpus", _gpus(facts)),
    ]
    for title, pairs in groups:
        lines += _group(page, title, [(label, text) for label, text in pairs if text])
    page.put(lines)


def _group(page: Page, title: str, pairs: list[tuple[str, str]]) -> list[Text]:
    if not pairs:
        return []
    lines = [Text(), styled(title, "bold cyan")]
    shown = [(page.say(label, 200), text) for label, text in pairs]
    fitting = [len(label) for label, _ in shown if len(label) <= 40]
    column = max([14, *fitting])
    for label, text in shown:
        line_lead = styled(f"  {label:<{column}}  ")
        for number, line in enumerate(text.split("\n")):
            lead = line_lead if not number else styled("      ")
            lines += page.hang(lead, page.text(line, "" if not number else "dim"))
    return lines


def _system(facts: Facts, *, verbose: bool) -> Iterator[tuple[str, str]]:
    yield "name", facts.hostname
    known = f"({facts.codename})" in facts.pretty_name
    yield "release", facts.pretty_name + ("" if known else f" ({facts.codename})")
    if facts.os_id != facts.distro:
        yield "derives from", f"{facts.distro} {facts.codename}"
    yield from _support(facts)
    yield "architecture", facts.architecture
    yield "kernel", facts.kernel
    yield "init", facts.init
    yield "virtualisation", facts.virtualisation if facts.virtualisation != "none" else ""
    yield "clock", _clock(facts.clock)
    if facts.kubernetes:
        yield "kubernetes", ", ".join(facts.kubernetes)
    if facts.apparmor_parser_missing:
        yield "apparmor", "apparmor_parser is missing"
    if not facts.ca_certificates:
        yield "certificates", "ca-certificates is missing"
    yield "ssh", "listening" if facts.ssh_listening else "not listening"
    yield "last run", facts.last_run
    if verbose:
        yield "version", facts.version_id
        yield "boot", facts.boot_id
        yield "machine", facts.machine_id


def _support(facts: Facts) -> Iterator[tuple[str, str]]:
    """What the table has of the release, by the host's own clock; nobody asked a vendor."""
    release = distros.find(facts.distro, facts.codename)
    if release is None:
        yield "support", f"not known: the release is not in {distros.DATES}"
        return
    today = datetime.fromtimestamp(min(facts.clock, 2**33), tz=timezone.utc).date()
    of = f"{release}: " if facts.os_id != facts.distro else ""
    yield "support", f"{of}{release.support(today)} ({distros.DATES})"
    built = "builds" if facts.architecture in release.architectures else "builds nothing"
    yield "vendor", f"Docker {built} for it ({distros.SUITES}; a plan asks the vendor's index)"


def _clock(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _docker(facts: Facts) -> Iterator[tuple[str, str]]:
    daemon = facts.daemon
    if daemon is not None:
        yield "daemon", daemon.version
        yield "data", daemon.data_root
        yield "storage", daemon.driver
        yield "live restore", "on" if daemon.live_restore else "off"
        yield "swarm", daemon.swarm
    yield "no answer" if daemon is None else "said", facts.daemon_error
    if facts.docker_group is not None:
        yield "group", ", ".join(facts.docker_group) or "has no members"


def _package(package: Package) -> tuple[str, str]:
    words = ["" if package.installed else package.status, package.version or ""]
    words += ["held"] if package.held else []
    return package.name, "  ".join(word for word in words if word)


def _snap(snap: Snap) -> tuple[str, str]:
    words = [snap.version, *([] if snap.enabled else ["disabled"])]
    words += [] if snap.data_kib is None else [f"{snap.data} of data"]
    return snap.name, "  ".join(words)


def _offer(versions: tuple[str, ...]) -> str:
    more = len(versions) - _VERSIONS
    return ", ".join(versions[:_VERSIONS]) + (f" and {more} more" if more > 0 else "")


def _apt(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "version", facts.apt_version
    yield "lists", "" if facts.apt_lists else "none: apt-get update never ran"
    yield "dpkg", facts.dpkg_audit


def _files(files: tuple[FileFact, ...], *, verbose: bool) -> Iterator[tuple[str, str]]:
    for file in files:
        text = f"{file.mode} {file.owner}"
        if file.target is not None:
            text += f", a link to {file.target}"
        if verbose:
            text += f"\nsha256 {file.sha256}"
            if file.content is not None and "-----BEGIN" not in file.content:
                text += "\n" + file.content.rstrip("\n")
        yield file.path, text


def _gpus(facts: Facts) -> Iterator[tuple[str, str]]:
    nvidia = facts.nvidia
    for address, driver in zip_longest(facts.gpus, nvidia.bound, fillvalue="-"):
        yield address, "bound to no driver" if driver == "-" else f"bound to {driver}"
    for line in nvidia.listing:
        name, _, rest = line.strip().partition(": ")
        yield name.lower(), rest
    yield "MIG mode", ", ".join(f"GPU {index}" for index in nvidia.mig)
    yield "driver", nvidia.module or (nvidia.library and "not loaded")
    yield "library", nvidia.library
    yield "nvidia-smi", nvidia.error
    yield "secure boot", "on" if nvidia.secure_boot else ""
    yield "platform", nvidia.platform
    for spec in nvidia.specs:
        yield spec.path, f"driver {spec.driver or 'unknown'}, {plural(len(spec.devices), 'device')}"
    yield "runtimes", ", ".join(nvidia.runtimes)
    words = {"seen": "there when dockerd started", "unseen": "newer than dockerd's start"}
    yield "hook", words.get(nvidia.hook, "")


def _disks(facts: Facts) -> Iterator[tuple[str, str]]:
    for disk in facts.disks:
        text = f"{size(disk.free_kib * 1024)} free of {size(disk.total_kib * 1024)}"
        if disk.free_inodes is not None:
            text += f", {plural(disk.free_inodes, 'free inode')}"
        yield disk.path, text


def _people(facts: Facts, *, verbose: bool) -> Iterator[tuple[str, str]]:
    yield "logged in as", facts.sudo_user or ("root" if facts.uid == 0 else str(facts.uid))
    if verbose:
        yield "users", ", ".join(facts.users)
