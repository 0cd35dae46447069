"""Ask a host what it is: the script, and the reading of its answer. Pure: runs nothing itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator

from dockwright.errors import UnreachableError
from dockwright.models import (
    CdiSpec,
    Container,
    Daemon,
    Disk,
    Facts,
    FileFact,
    LiveRun,
    Nvidia,
    OldContainer,
    Package,
    Snap,
    Unit,
)
from dockwright.resources import directory

_KEEP = 200_000  # characters of an answer that are looked at; a host may be hostile


def question() -> tuple[str, str]:
    """The facts script and the nonce that frames its answer."""
    nonce = secrets.token_hex(8)
    body = (directory("templates") / "facts.sh").read_text(encoding="utf-8")
    return f"set -- {nonce}\n{body}", nonce


def answered(output: str, nonce: str) -> bool:
    """Whether the answer is whole."""
    return f"\ndw1 {nonce} end" in output


def read(output: str, nonce: str, *, host: str) -> Facts:
    """Turn an answer into facts.

    Raises UnreachableError where the answer is not framed as asked: the host printed something
    else, or was cut off.
    """
    begin, end = f"dw1 {nonce} begin", f"dw1 {nonce} end"
    lines = output[: _KEEP * 10].splitlines()
    first = lines.index(begin) + 1 if begin in lines else len(lines)
    if end not in lines[first:]:
        raise UnreachableError(
            f"{host} did not answer the facts script",
            details=(("printed", _printable(output[-300:]) or "nothing"),),
            next_step=f"try: ssh {host} true",
        )
    told: dict[str, list[str]] = {}
    for line in lines[first : lines.index(end, first)]:
        key, _, rest = line.partition(" ")
        told.setdefault(key, []).append(rest)
    return _facts(told)


def judge_login(known: Facts, nonce: str, machine: str) -> Facts:
    """The facts with a word for what the host told of its proxy's login.

    ``machine`` is the line of the login that was given, empty for none. The host's sum is over
    the nonce as well and is not kept, so that nobody can try passwords on it later.
    """
    if not known.proxy_login:
        return known
    given = hashlib.sha256(f"{nonce}\n{machine}\n".encode()).hexdigest()
    same = bool(machine) and hmac.compare_digest(given, known.proxy_login)
    return known.model_copy(update={"proxy_login": "same" if same else "other"})


def _facts(told: dict[str, list[str]]) -> Facts:
    release = _os_release(_text(_one(told, "os_release")))
    os_id = release.get("ID", "")
    # A derivative names the Ubuntu release that it is made from; os-release(5), and Docker's manual.
    codename = release.get("UBUNTU_CODENAME") or release.get("VERSION_CODENAME", "")
    like = release.get("ID_LIKE", "").split()
    distro = os_id
    if os_id not in ("ubuntu", "debian"):
        distro = "ubuntu" if release.get("UBUNTU_CODENAME") else os_id
        if distro == os_id and "debian" in like and "ubuntu" not in like:
            distro = "debian"
    uid, _, sudo_user = _one(told, "uid").partition(" ")
    group = told.get("docker_group")
    daemon = _daemon(_one(told, "daemon"))
    offered: dict[str, list[str]] = {}
    for name, version in _words(told, "offered", 2):
        offered.setdefault(name, []).append(version)
    return Facts(
        hostname=_printable(_one(told, "hostname")),
        distro=distro,
        os_id=os_id,
        version_id=release.get("VERSION_ID", ""),
        codename=codename,
        pretty_name=_printable(release.get("PRETTY_NAME", os_id)),
        architecture=_one(told, "architecture"),
        kernel=_printable(_one(told, "kernel")),
        init=_printable(_one(told, "init")),
        virtualisation=_printable(_one(told, "virtualisation", "none")) or "none",
        clock=_int(_one(told, "clock")),
        boot_id=_printable(_one(told, "boot_id")),
        machine_id=_printable(_one(told, "machine_id")),
        uid=_int(uid),
        sudo_user="" if sudo_user == "-" else _printable(sudo_user),
        disks=tuple(
            Disk(
                path=path,
                free_kib=_int(free),
                total_kib=_int(total),
                free_inodes=_int(inodes) if inodes.isdigit() else None,
            )
            for path, free, total, inodes in _words(told, "disk", 4)
        ),
        packages=tuple(
            Package(name=name, status=status, version=version or None, held=want == "hold")
            for name, status, want, version in _words(told, "package", 4)
            if status != "not-installed"
        ),
        apt_lists=_one(told, "apt_lists") == "1",
        apt_lax=tuple(_printable(_text(_one(told, "apt_lax")), keep="\n").splitlines()),
        lists=tuple(_printable(name) for name in told.get("list", ())),
        offered={name: tuple(dict.fromkeys(versions)) for name, versions in offered.items()},
        sources=_files(told, "source"),
        keys=_files(told, "key"),
        files=_files(told, "file"),
        units=tuple(
            Unit(name=name, enabled=enabled, active=active)
            for name, enabled, active in _words(told, "unit", 3)
        ),
        daemon=daemon,
        daemon_error=_printable(_text(_one(told, "daemon_error"))) if daemon is None else "",
        containers=tuple(
            Container(id=identity, name=name, image=image)
            for identity, name, image in _words(told, "container", 3)
            if identity
        ),
        snaps=tuple(
            Snap(
                name=name,
                version=version,
                enabled=state != "disabled",
                data_kib=_int(kib) if kib.isdigit() else None,
            )
            for name, version, state, kib in _words(told, "snap", 4)
        ),
        docker_group=None
        if group is None
        else tuple(name for name in group[0].strip().split(",") if name),
        users=tuple(_one(told, "users").split()),
        dpkg_audit=_audit(told),
        gpus=tuple(address for address, _ in _words(told, "gpu", 2)),
        nvidia=_nvidia(told),
        kubernetes=tuple(_printable(path) for path in told.get("kubernetes", ())),
        apparmor_parser_missing="apparmor_parser_missing" in told,
        ca_certificates=any(
            name == "ca-certificates" and status == "installed"
            for name, status, _, _ in _words(told, "package", 4)
        ),
        proxy_login=_printable(_one(told, "proxy_login")),
        ssh_listening="ssh_listening" in told,
        last_run=_printable(_one(told, "last_run")),
        cut=_printable(_one(told, "cut")),
        unverified=_printable(_one(told, "unverified")),
        last_receipt=_printable(_text(_one(told, "last_receipt")), keep="\n"),
        live=next(
            (
                LiveRun(run_id=run, wish=wish, since=_int(since), who=_printable(_text(who)))
                for run, wish, since, who in _words(told, "live", 4)
            ),
            None,
        ),
    )


def _nvidia(told: dict[str, list[str]]) -> Nvidia:
    status, _, answer = _one(told, "nvidia_smi").partition(" ")
    said = _printable(_text(answer), keep="\n").splitlines()
    hook = _one(told, "nvidia_hook")
    return Nvidia(
        bound=tuple(driver for _, _, driver in _words(told, "gpu", 3)),
        module=_printable(_one(told, "nvidia_module")),
        library=_printable(_one(told, "nvidia_library")),
        listing=tuple(line.rstrip() for line in said) if status == "0" else (),
        error="" if status in ("", "0") else " ".join(said)[:300],
        nodes=tuple(_printable(name) for name in told.get("nvidia_node", ())),
        secure_boot="secure_boot" in told,
        platform=_printable(_one(told, "gpu_platform")),
        specs=tuple(
            CdiSpec(
                path=path,
                driver="" if driver == "-" else driver,
                devices=tuple(name for name in names.split(",") if name),
            )
            for path, driver, names in _words(told, "cdi_spec", 3)
        ),
        runtimes=tuple(_printable(_one(told, "runtimes")).split()),
        loose=_printable(_one(told, "nvidia_loose")),
        hook="seen" if hook == "seen" else "unseen" if hook else "",
        old_volumes=tuple(name for name, _ in _words(told, "old_volume", 2)),
        old_containers=tuple(
            dict.fromkeys(
                OldContainer(id=identity, name=name, state=state)
                for identity, name, state in _words(told, "old_container", 3)
            )
        ),
    )


def _one(told: dict[str, list[str]], key: str, default: str = "") -> str:
    values = told.get(key)
    return values[0].strip() if values else default


def _audit(told: dict[str, list[str]]) -> str:
    lines = _printable(_text(_one(told, "dpkg_audit")), keep="\n").splitlines()
    if "dpkg_interrupted" in told:
        lines.append("dpkg was interrupted")
    return "\n".join(lines)


def _words(told: dict[str, list[str]], key: str, count: int) -> Iterator[tuple[str, ...]]:
    for rest in told.get(key, ()):
        words = _printable(rest).split(" ")
        yield tuple([*words, *[""] * count][:count])


def _bytes(encoded: str) -> bytes:
    """What base64 says; nothing where it is none (``=`` stands for an empty file)."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _text(encoded: str) -> str:
    return _bytes(encoded).decode("utf-8", "replace")


def _printable(text: str, keep: str = "") -> str:
    allowed: Callable[[str], bool] = lambda c: c.isprintable() or c in keep  # noqa: E731
    return "".join(c if allowed(c) else " " for c in text).strip()


def _int(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def _os_release(text: str) -> dict[str, str]:
    """os-release(5) as data: never sourced, so ``ID="$(reboot)"`` stays text."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([A-Z0-9_]+)=(\"(.*)\"|'(.*)'|(.*))", line.strip())
        if match:
            fields[match[1]] = next((g for g in match.groups()[2:] if g is not None), "")
    return fields


def _files(told: dict[str, list[str]], key: str) -> tuple[FileFact, ...]:
    found: list[FileFact] = []
    # Keys may be binary: latin-1 keeps each byte, and whoever reads them encodes it back.
    encoding = "latin-1" if key == "key" else "utf-8"
    for sha256, mode, owner, path, body, target in _words(told, key, 6):
        raw = None if body == "-" else _bytes(body)
        found_sum = sha256
        if raw is not None and sha256 == "-":
            found_sum = hashlib.sha256(raw).hexdigest()
        content = None if raw is None else raw.decode(encoding, "replace")
        found.append(
            FileFact(
                path=path if path.startswith("/") else _printable(_text(path)),
                sha256=found_sum,
                mode=mode,
                owner=owner,
                content=content,
                target=None if target in ("-", "") else _printable(_text(target)),
            )
        )
    return tuple(found)


def _daemon(answer: str) -> Daemon | None:
    words = _printable(answer).split(" ", 4)
    if not words[0]:
        return None
    version, restore, swarm, driver, root = [*words, "", "", "", "", ""][:5]
    return Daemon(
        version=version,
        live_restore=restore == "true",
        swarm=swarm or "inactive",
        driver=driver,
        data_root=root,
    )
