"""Ask a host what it is: the script, and the reading of its answer. Pure: runs nothing itself."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from dockwright.errors import UnreachableError
from dockwright.facts.ground import ground
from dockwright.facts.images import images, judge_logins, logins
from dockwright.facts.telling import decoded, octets, one, printable, rows, whole
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

__all__ = ["answered", "judge_login", "judge_logins", "question", "read"]

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
            details=(("printed", printable(output[-300:]) or "nothing"),),
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
    release = _os_release(decoded(one(told, "os_release")))
    os_id = release.get("ID", "")
    # A derivative names the Ubuntu release that it is made from; os-release(5), and Docker's manual.
    codename = release.get("UBUNTU_CODENAME") or release.get("VERSION_CODENAME", "")
    like = release.get("ID_LIKE", "").split()
    distro = os_id
    if os_id not in ("ubuntu", "debian"):
        distro = "ubuntu" if release.get("UBUNTU_CODENAME") else os_id
        if distro == os_id and "debian" in like and "ubuntu" not in like:
            distro = "debian"
    uid, _, sudo_user = one(told, "uid").partition(" ")
    group = told.get("docker_group")
    daemon = _daemon(one(told, "daemon"))
    offered: dict[str, list[str]] = {}
    for name, version in rows(told, "offered", 2):
        offered.setdefault(name, []).append(version)
    return Facts(
        hostname=printable(one(told, "hostname")),
        distro=distro,
        os_id=os_id,
        version_id=release.get("VERSION_ID", ""),
        codename=codename,
        pretty_name=printable(release.get("PRETTY_NAME", os_id)),
        architecture=one(told, "architecture"),
        kernel=printable(one(told, "kernel")),
        machine=printable(one(told, "machine")),
        init=printable(one(told, "init")),
        virtualisation=printable(one(told, "virtualisation", "none")) or "none",
        clock=whole(one(told, "clock")),
        boot_id=printable(one(told, "boot_id")),
        machine_id=printable(one(told, "machine_id")),
        uid=whole(uid),
        sudo_user="" if sudo_user == "-" else printable(sudo_user),
        disks=tuple(
            Disk(
                path=path,
                free_kib=whole(free),
                total_kib=whole(total),
                free_inodes=whole(inodes) if inodes.isdigit() else None,
            )
            for path, free, total, inodes in rows(told, "disk", 4)
        ),
        packages=tuple(
            Package(name=name, status=status, version=version or None, held=want == "hold")
            for name, status, want, version in rows(told, "package", 4)
            if status != "not-installed" or want == "hold"
        ),
        apt_version=next((row[3] for row in rows(told, "package", 4) if row[0] == "apt"), ""),
        apt_lists=one(told, "apt_lists") == "1",
        apt_lax=tuple(printable(decoded(one(told, "apt_lax")), keep="\n").splitlines()),
        lists=tuple(printable(name) for name in told.get("list", ())),
        offered={name: tuple(dict.fromkeys(versions)) for name, versions in offered.items()},
        sources=_files(told, "source"),
        keys=_files(told, "key"),
        files=_files(told, "file"),
        units=tuple(
            Unit(name=name, enabled=enabled, active=active)
            for name, enabled, active in rows(told, "unit", 3)
        ),
        daemon=daemon,
        daemon_error=printable(decoded(one(told, "daemon_error"))) if daemon is None else "",
        containers=tuple(
            Container(id=identity, name=name, image=image)
            for identity, name, image in rows(told, "container", 3)
            if identity
        ),
        images=tuple(images(told)),
        logins=logins(told),
        snaps=tuple(
            Snap(
                name=name,
                version=version,
                enabled=state != "disabled",
                data_kib=whole(kib) if kib.isdigit() else None,
            )
            for name, version, state, kib in rows(told, "snap", 4)
        ),
        docker_group=None
        if group is None
        else tuple(name for name in group[0].strip().split(",") if name),
        users=tuple(one(told, "users").split()),
        dpkg_audit=_audit(told),
        gpus=tuple(address for address, _ in rows(told, "gpu", 2)),
        nvidia=_nvidia(told),
        ground=ground(told),
        kubernetes=tuple(printable(path) for path in told.get("kubernetes", ())),
        apparmor_parser_missing="apparmor_parser_missing" in told,
        ca_certificates=any(
            name == "ca-certificates" and status == "installed"
            for name, status, _, _ in rows(told, "package", 4)
        ),
        proxy_login=printable(one(told, "proxy_login")),
        ssh_listening="ssh_listening" in told,
        last_run=printable(one(told, "last_run")),
        cut=printable(one(told, "cut")),
        unverified=printable(one(told, "unverified")),
        last_receipt=printable(decoded(one(told, "last_receipt")), keep="\n"),
        live=next(
            (
                LiveRun(run_id=run, wish=wish, since=whole(since), who=printable(decoded(who)))
                for run, wish, since, who in rows(told, "live", 4)
            ),
            None,
        ),
    )


def _nvidia(told: dict[str, list[str]]) -> Nvidia:
    status, _, answer = one(told, "nvidia_smi").partition(" ")
    said = printable(decoded(answer), keep="\n").splitlines()
    hook = one(told, "nvidia_hook")
    return Nvidia(
        bound=tuple(driver for _, _, driver in rows(told, "gpu", 3)),
        devices=tuple(device for _, device, _ in rows(told, "gpu", 3)),
        module=printable(one(told, "nvidia_module")),
        library=printable(one(told, "nvidia_library")),
        listing=tuple(line.rstrip() for line in said) if status == "0" else (),
        error="" if status in ("", "0") else " ".join(said)[:300],
        mig=tuple(whole(index) for index in told.get("nvidia_mig", ())),
        nodes=tuple(printable(name) for name in told.get("nvidia_node", ())),
        secure_boot="secure_boot" in told,
        platform=printable(one(told, "gpu_platform")),
        specs=tuple(
            CdiSpec(
                path=path,
                driver="" if driver == "-" else driver,
                devices=tuple(name for name in names.split(",") if name),
            )
            for path, driver, names in rows(told, "cdi_spec", 3)
        ),
        runtimes=tuple(printable(one(told, "runtimes")).split()),
        loose=printable(one(told, "nvidia_loose")),
        built="nvidia_built" in told,
        kernels=tuple(name for (name,) in rows(told, "kernel_package", 1)),
        desktop="desktop" in told,
        hook="seen" if hook == "seen" else "unseen" if hook else "",
        old_volumes=tuple(name for name, _ in rows(told, "old_volume", 2)),
        old_containers=tuple(
            dict.fromkeys(
                OldContainer(id=identity, name=name, state=state)
                for identity, name, state in rows(told, "old_container", 3)
            )
        ),
    )


def _audit(told: dict[str, list[str]]) -> str:
    lines = printable(decoded(one(told, "dpkg_audit")), keep="\n").splitlines()
    if "dpkg_interrupted" in told:
        lines.append("dpkg was interrupted")
    return "\n".join(lines)


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
    for sha256, mode, owner, path, body, target in rows(told, key, 6):
        raw = None if body == "-" else octets(body)
        found_sum = sha256
        if raw is not None and sha256 == "-":
            found_sum = hashlib.sha256(raw).hexdigest()
        content = None if raw is None else raw.decode(encoding, "replace")
        found.append(
            FileFact(
                path=path if path.startswith("/") else printable(decoded(path)),
                sha256=found_sum,
                mode=mode,
                owner=owner,
                content=content,
                target=None if target in ("-", "") else printable(decoded(target)),
            )
        )
    return tuple(found)


def _daemon(answer: str) -> Daemon | None:
    words = printable(answer).split(" ", 4)
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
