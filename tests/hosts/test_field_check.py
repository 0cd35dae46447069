"""``script/field-check``: what a user runs against a real host, here on lab hosts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.field.scenarios import SCENARIOS
from tests.hosts.support import at, unseen
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = pytest.mark.lab

MARK = "/var/lib/dockwright/field-check"
Check = Callable[..., tuple[int, str, dict[str, Any]]]


@pytest.fixture
def check(lab: Lab, tmp_path: Path) -> Check:
    """Runs the script from a folder of its own: its exit code, what it printed, and the document."""

    def run(host: Host, *words: str) -> tuple[int, str, dict[str, Any]]:
        pin = f"docker_fingerprint={lab.fingerprint}"
        script = ROOT / "script/field-check"
        env = {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT / "installer")}
        argv: list[str | Path] = [script, at(host, "ops"), *words, "--set", pin]
        done = lab.run(argv, env=env, cwd=tmp_path, timeout=1200)
        if host.leader() is None:  # it was rebooted
            host.await_reboot(timeout=120)
        told = tmp_path / "field-check.json"
        made = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
        told.unlink(missing_ok=True)
        return done.returncode, done.stdout + done.stderr, made

    return run


def outcomes(made: dict[str, Any]) -> dict[str, str]:
    (host,) = made["hosts"]
    return {one["scenario"]: one["outcome"] for one in host["scenarios"]}


def test_the_life_of_a_host(
    host_factory: HostFactory, check: Check, pytestconfig: pytest.Config
) -> None:
    """By itself it looks; what changes the host is asked for; the host is bare again at the end.

    The scenarios themselves are tried one by one in tests/e2e; by ``--whole`` all of them here, too.
    """
    whole = pytestconfig.getoption("--whole")
    words = ("--all", "--scenario", "cut") if whole else ("--scenario", "install,reboot,again")
    host = host_factory(dress="ubuntu-24.04")
    code, said, made = check(host)
    assert code == 0, said
    assert outcomes(made) == {"facts": "ok", "plan": "ok", "doctor": "ok", "verify": "skipped"}
    assert "Docker is not installed" in said
    unseen(host)

    code, said, made = check(host, *words, "--scenario", "purge", "--confirm", host.name)
    assert code == 0, said
    found = outcomes(made)
    assert found.pop("gpu-rows", "skipped") == "skipped"
    named = {"facts", "install", "reboot", "again", "purge"}
    wanted = {*SCENARIOS} - {"gpu-rows"} if whole else named
    assert found == dict.fromkeys(wanted, "ok"), said
    text = json.dumps(made)
    for name in (host.name, host.address):
        assert name not in text
    (told,) = made["hosts"]
    assert told["system"]["codename"] == "noble"
    assert made["variables"] == ["docker_fingerprint"]
    reboot = next(one for one in told["scenarios"] if one["scenario"] == "reboot")
    assert (reboot["seen"], reboot["commands"]) == ("another boot, and a container ran", [])
    assert host.exec(f"test -e {MARK}", check=False).returncode == 1


def test_a_host_in_use_is_not_changed(lab: Lab, prepared: Any, check: Check) -> None:
    """Docker that it did not bring: refused before anything; looked at all the same."""
    host = prepared("docker", "ubuntu-24.04")
    host.exec("docker volume create precious")
    host.mark()
    code, said, made = check(host, "--all", "--show-names")
    assert code == 9, said
    assert outcomes(made)["uninstall"] == "refused"
    assert "volume precious" in said
    assert "package docker-ce" in said
    assert made["hosts"][0]["host"] == at(host, "ops")
    assert not [path for path in host.changed() if not path.startswith("/var/lib/dockwright")]
    # What it brought itself it may change, but for what came since.
    host.exec(f"touch {MARK}")
    code, said, _ = check(host, "--scenario", "again")
    assert code == 9, said
    assert "package docker-ce" not in said
    host.exec("docker volume rm precious")
    code, said, _ = check(host, "--scenario", "again")
    assert code == 0, said
    host.exec(f"rm {MARK}")
    code, said, _ = check(host, "--scenario", "again", "--on-used-host")
    assert code == 0, said


def test_what_does_not_hold_is_told(host_factory: HostFactory, check: Check, lab: Lab) -> None:
    """A failure stops what changes the host, has its text in the document, and ends with 8."""
    host = host_factory(dress="ubuntu-24.04")
    lab.vendor.serve("wrong-key")
    code, said, made = check(host, "--scenario", "install,reboot")
    assert code == 8, said
    assert outcomes(made) == {"facts": "ok", "install": "failed", "reboot": "skipped"}
    failed = made["hosts"][0]["scenarios"][1]
    assert "not the key that was pinned" in failed["error"]
    assert failed["commands"][0]["exit"] == 4
    host.link(down=True)
    code, said, made = check(host, "--connect-timeout", "1")
    assert code == 5, said
    assert outcomes(made) == {"facts": "failed"}
