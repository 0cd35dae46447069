"""Facts, offers and plans for tests, from the recorded answers of real hosts in ``tests/facts``."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dockwright import app
from dockwright import facts as facts_module
from dockwright.app import Request
from dockwright.load import Flag, Overrides, Playbook, load_playbook
from dockwright.models import Facts
from dockwright.plan import HostPlan
from dockwright.proxies import Proxy
from dockwright.registries import Logins
from dockwright.steps import Offer, RepositoryWish

NONCE = "0123456789abcdef"  # frames the recorded answers
RECORDED = Path(__file__).parent.parent / "facts"
NAMES = sorted(path.stem for path in RECORDED.glob("*.txt") if ".probe" not in path.name)
NVIDIA = ("1.20.1-1", "1.17.8-1", "1.17.7-1")  # NVIDIA's repository, all four packages
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nbm90IGEga2V5\n-----END PGP PUBLIC KEY BLOCK-----\n"
# What the vendor of the lab offers: engine, containerd, buildx, compose.
NUMBERS = {
    "docker-ce": ("5:29.7.2", "5:29.7.1", "5:28.5.2"),
    "docker-ce-cli": ("5:29.7.2", "5:29.7.1", "5:28.5.2"),
    "docker-ce-rootless-extras": ("5:29.7.2", "5:29.7.1", "5:28.5.2"),
    "containerd.io": ("2.2.1", "2.1.5"),
    "docker-buildx-plugin": ("0.30.1", "0.29.1"),
    "docker-compose-plugin": ("5.0.1", "2.40.3"),
}


def answer_of(name: str) -> str:
    """A recorded answer, as the host printed it."""
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


@cache
def recorded(name: str) -> Facts:
    return facts_module.read(answer_of(name), NONCE, host="web1")


@cache
def pin() -> str:
    """The primary fingerprint of the key that the recorded hosts have."""
    return app.key_owners(recorded("ubuntu-24.04-installed"))["/etc/apt/keyrings/docker.asc"][0]


@cache
def nvidia_pin() -> str:
    """The primary fingerprint of NVIDIA's key on the recorded hosts."""
    path = "/etc/apt/keyrings/nvidia-container-toolkit.asc"
    return app.key_owners(recorded("ubuntu-24.04-gpu"))[path][0]


_BY = {"packages": "name", "units": "name", "files": "path", "sources": "path", "keys": "path"}


def changed(facts: Facts, changes: Mapping[str, Any]) -> Facts:
    """Facts with other values: packages, units and files by their name, all else as a whole.

    A value of ``None`` in those takes the entry out.
    """
    values = facts.model_dump(mode="json")
    for field, new in changes.items():
        if field not in _BY or not isinstance(new, dict):
            values[field] = new
            continue
        entries = {entry[_BY[field]]: entry for entry in values[field]}
        for key, entry in new.items():
            if entry is None:
                entries.pop(key, None)
            else:
                entries[key] = _entry(field, key, entry, entries.get(key, {}))
        values[field] = list(entries.values())
    return Facts.model_validate_json(json.dumps(values))


def _entry(field: str, key: str, new: Any, old: Mapping[str, Any]) -> dict[str, Any]:
    if field == "packages":
        plain = {"version": new, "status": "installed"} if isinstance(new, str) else new
    elif field == "units":
        enabled, active = new.split()
        plain = {"enabled": enabled, "active": active}
    else:
        plain = {"content": new} if isinstance(new, str) else new
        content = plain.get("content") or ""
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        plain = {"mode": "0644", "owner": "root:root", "sha256": sha256} | plain
    return {_BY[field]: key, **old, **plain}


def offer(
    facts: Facts, changes: Mapping[str, Sequence[str] | None] | None = None, key: str = KEY
) -> Offer:
    """What the vendor offers for a host; ``changes`` maps packages to other versions, or none."""
    tail = f"-1~{facts.distro}.{facts.version_id}~{facts.codename}"
    numbers = {**NUMBERS, **(changes or {})}
    versions = {
        name: tuple(number + tail for number in some) for name, some in numbers.items() if some
    }
    return Offer(id="docker", key=key, fingerprint=pin(), versions=versions)


def nvidia_offer(versions: Sequence[str] = NVIDIA, meta: Sequence[str] | None = None) -> Offer:
    """What NVIDIA offers, for every release; ``meta`` are its versions of nvidia-docker2."""
    names = (
        "nvidia-container-toolkit",
        "nvidia-container-toolkit-base",
        "libnvidia-container-tools",
        "libnvidia-container1",
    )
    offered = dict.fromkeys(names, tuple(versions))
    if meta:
        offered["nvidia-docker2"] = tuple(meta)
    return Offer(id="nvidia", key=KEY, fingerprint="C" * 40, versions=offered)


def playbook(name: str = "docker", variables: Mapping[str, Any] | None = None) -> Playbook:
    return _playbook(name, json.dumps(variables or {}))


@cache
def _playbook(name: str, variables: str) -> Playbook:
    flags = (Flag("--set", key, value) for key, value in json.loads(variables).items())
    return load_playbook(name, overrides=Overrides(flags=tuple(flags)))


def plan_for(
    facts: Facts,
    name: str = "docker",
    variables: Mapping[str, Any] | None = None,
    offers: Mapping[str, Offer] | None = None,
    *,
    upgrade: bool = False,
    verify: bool = False,
    now: int | None = None,
    proxy: Proxy | None = None,
    logins: Logins | None = None,
) -> tuple[HostPlan, tuple[RepositoryWish, ...]]:
    """One pass of the planner, as the app calls it."""
    request = Request(
        command="verify" if verify else "install",
        upgrade=upgrade,
        proxy=proxy,
        logins=logins or Logins(),
    )
    make = app.planner_for("web1", playbook(name, variables), facts, request)
    return make(offers=offers or {}, now=facts.clock if now is None else now)


def whole_plan(
    facts: Facts,
    name: str = "docker",
    variables: Mapping[str, Any] | None = None,
    **options: Any,
) -> HostPlan:
    """The plan after the vendor was consulted, where it must be."""
    plan, wishes = plan_for(facts, name, variables, **options)
    if wishes:
        offers = {"docker": offer(facts), "nvidia": nvidia_offer()}
        plan, _ = plan_for(facts, name, variables, offers, **options)
    return plan


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def retold(answer: str, **lines: str | None) -> str:
    """An answer with other first lines of a key: ``os_release="..."``; ``None`` takes it out."""
    for key, value in lines.items():
        new = "" if value is None else f"{key} {value}\n"
        answer = re.sub(rf"(?m)^{key} .*\n", lambda _, new=new: new, answer, count=1)  # type: ignore[misc]
    return answer


def told_runs(*lines: str, nonce: str = NONCE) -> str:
    """What templates/runs.sh prints: the lines in its frame."""
    return "".join(f"{line}\n" for line in (f"dw1 {nonce} runs", *lines, f"dw1 {nonce} told"))


def run_lines(
    run_id: str, receipt: str, *, playbook: str = "docker", code: str = "0", began: int = 1795522000
) -> tuple[str, str]:
    """A run with its receipt, as the host tells it."""
    who = b64("pat@here")
    return f"run {run_id} {began} {code} {playbook} {who}", f"receipt {run_id} {b64(receipt)}"


# What an install leaves on the recorded host, as its receipt has it, and how things are now.
CAME = {
    "docker-ce": "5:29.7.2-1~ubuntu.24.04~noble",
    "docker-ce-cli": "5:29.7.2-1~ubuntu.24.04~noble",
    "containerd.io": "2.2.1-1~ubuntu.24.04~noble",
    "docker-buildx-plugin": "0.30.1-1~ubuntu.24.04~noble",
    "docker-compose-plugin": "5.0.1-1~ubuntu.24.04~noble",
    "docker-ce-rootless-extras": "5:29.7.2-1~ubuntu.24.04~noble",
    "nftables": "1.1.3-1",
    "libnftables1": "1.1.3-1",
}
INSTALL_RUN = "2026-11-24-a7d0e8"


def installed_trail(*more: str, packages: Mapping[str, str] | None = None) -> str:
    """The trail of the recorded host ``ubuntu-24.04-installed``."""
    facts = recorded("ubuntu-24.04-installed")
    now = CAME if packages is None else packages
    written = (*facts.keys, *facts.sources)
    lines = [f"package {name} absent {version}" for name, version in CAME.items()]
    lines += ["asked " + " ".join(f"{n}={v}" for n, v in list(CAME.items())[:6])]
    for file in written:
        lines += [f"file {file.path} absent -", f"wrote {file.path} {file.sha256}"]
    receipt = "\n".join([*lines, "directory /etc/apt/keyrings", ""])
    return told_runs(
        *run_lines(INSTALL_RUN, receipt),
        *(f"have {name} installed install {version}" for name, version in now.items()),
        *(f"auto {name}" for name in ("nftables", "libnftables1")),
        "needs nftables docker-ce",
        "needs libnftables1 nftables",
        *(f"path {file.path} {file.sha256}" for file in written),
        "inside /etc/apt/keyrings docker.asc ",
        f"data 2048 {b64('/var/lib/docker')}",
        *more,
    )
