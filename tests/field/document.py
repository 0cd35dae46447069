"""The document to attach to a report: what was tried where, how it ended, and no secret.

Addresses and the names of hosts and users are masked unless they are asked for. Values of variables
are never in it, as a value may be a secret: their names are.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from dockwright.errors import Exit, worst
from dockwright.models import Facts

SCHEMA = 1

# Names that say nothing of whose machine it is, and stand in many a sentence.
COMMON = {"root", "local", "localhost", "docker", "ubuntu", "debian", "admin", "vagrant", "gpu"}


@dataclass
class Outcome:
    """How a scenario ended: ``ok``, ``failed``, ``skipped`` or ``refused``; ``seen`` or ``error`` say more."""

    scenario: str
    outcome: str
    seconds: float = 0.0
    seen: str = ""
    error: str = ""
    commands: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Told:
    """What is told of one host."""

    host: str
    names: set[str] = field(default_factory=set)  # what is masked
    system: dict[str, Any] = field(default_factory=dict)
    scenarios: list[Outcome] = field(default_factory=list)
    unreached: bool = False

    @property
    def exit(self) -> Exit:
        """The exit code of this host."""
        kinds = {one.outcome for one in self.scenarios}
        if self.unreached:
            return Exit.UNREACHABLE
        if "failed" in kinds:
            return Exit.VERIFY
        return Exit.DESTRUCTIVE if "refused" in kinds else Exit.OK

    @property
    def counts(self) -> dict[str, int]:
        """Scenarios by how they ended."""
        return dict(Counter(one.outcome for one in self.scenarios))


def system(facts: Facts) -> dict[str, Any]:
    """Versions and distribution of a host; nothing that tells which host it is."""
    return {
        "pretty_name": facts.pretty_name,
        "os_id": facts.os_id,
        "version_id": facts.version_id,
        "codename": facts.codename,
        "architecture": facts.architecture,
        "kernel": facts.kernel,
        "init": facts.init,
        "virtualisation": facts.virtualisation,
        "apt": facts.apt_version,
        "daemon": facts.daemon.version if facts.daemon else None,
        "packages": {one.name: one.version for one in facts.packages if one.installed},
        "disks": [asdict_of(disk) for disk in facts.disks],
        "gpus": list(facts.gpus),
        "nvidia": {"module": facts.nvidia.module, "library": facts.nvidia.library},
    }


def asdict_of(model: Any) -> dict[str, Any]:
    """A model's fields."""
    return dict(model.model_dump(mode="json"))


def document(about: dict[str, Any], told: Iterable[Told], *, masked: bool = True) -> dict[str, Any]:
    """The whole document; ``about`` is what is known of this machine and of the call."""
    hosts = list(told)
    mask = Mask(hosts) if masked else str
    body = [
        {
            "host": f"host{number}" if masked else one.host,
            "exit": int(one.exit),
            "system": one.system,
            "counts": one.counts,
            "scenarios": [asdict(each) for each in one.scenarios],
        }
        for number, one in enumerate(hosts, 1)
    ]
    code = worst([one.exit for one in hosts])
    return {
        "document": "dockwright-field-check",
        "schema": SCHEMA,
        "masked": masked,
        **about,
        "exit": int(code),
        "word": code.word,
        "hosts": _texts(body, mask),
    }


def _texts(value: Any, mask: Any) -> Any:
    """A JSON value with each text of it masked; what stands in ``system`` is no text of people's."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [_texts(one, mask) for one in value]
    if isinstance(value, dict):
        return {k: v if k == "system" else _texts(v, mask) for k, v in value.items()}
    return value


class Mask:
    """Takes names, addresses and logins out of a text."""

    _address = re.compile(
        r"(?<![\w.~+:-])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)(?![\w~+-])"
    )
    _others = (
        (re.compile(r"(//)[^/\s@]*@"), r"\1***@"),
        (re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}-[0-9a-f-]{20,}"), r"\1-***"),
        (re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", re.IGNORECASE), "[mac]"),
        (re.compile(r"\b[0-9a-f]{32}\b"), "[id]"),
    )  # fmt: skip

    def __init__(self, hosts: Iterable[Told]) -> None:
        """Names of ``hosts`` become host1, host2, ..."""
        named = {
            name: f"host{number}"
            for number, one in enumerate(hosts, 1)
            for name in (one.host, *one.names)
            if name and name.lower() not in COMMON
        }
        # The longest first: web1.example.com before web1.
        self._names = [
            (re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])"), named[name])
            for name in sorted(named, key=len, reverse=True)
        ]

    def __call__(self, text: str) -> str:
        """The text, masked."""
        for pattern, new in (*self._others, *self._names):
            text = pattern.sub(new, text)
        return self._address.sub(lambda found: _masked_address(found[0]), text)


def _masked_address(text: str) -> str:
    core = text.rstrip(".:")
    try:
        known = ipaddress.ip_address(core)
    except ValueError:
        return text
    return text if known.is_loopback or known.is_unspecified else f"[address]{text[len(core) :]}"


def dump(made: dict[str, Any]) -> str:
    """The document's text."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"
