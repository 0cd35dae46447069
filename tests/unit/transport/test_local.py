"""Local shells: what only they can run into. The rest is in test_contract.py."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Silent, local
from dockwright.transport.local import LocalTransport, LocalWire

pytestmark = pytest.mark.slow  # real sockets, shells and programs


def test_who_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def described() -> str:
        return LocalTransport(Host(name="local"), ConnectOptions(), Silent()).description

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert described() == "as root on this machine"
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.setattr(local.getpass, "getuser", lambda: "me")  # type: ignore[attr-defined]
    assert described() == "as me on this machine"

    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr(local.getpass, "getuser", nameless)  # type: ignore[attr-defined]
    assert described() == "as uid 4242 on this machine"


def test_a_machine_without_a_shell() -> None:
    with pytest.raises(UnreachableError, match="no shell on this machine"):
        LocalWire(["/no/such/sh"])


def test_a_shell_that_does_not_read() -> None:
    wire = LocalWire(["sh", "-c", "exec <&-; exit 0"])
    with pytest.raises(UnreachableError, match="before it had read its script"):
        wire.write(b"x" * 10_000_000)
    wire.close()


def test_output_during_a_write_is_kept() -> None:
    wire = LocalWire(["sh", "-c", "cat; echo err >&2"])
    wire.write(b"y" * 1_000_000)
    got = 0
    while got < 1_000_000:
        got += len(wire.read(5))
    wire.close()


def test_a_script_that_goes_on_is_left_alone_and_waited_for(tmp_path: Path) -> None:
    wire = LocalWire(["sh", "-c", f"exec >/dev/null 2>&1; sleep 0.3; : > {tmp_path}/done"])
    pid = wire._process.pid
    wire.close()
    until = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert (tmp_path / "done").exists()


def test_signals_of_the_terminal_do_not_reach_it() -> None:
    wire = LocalWire(["sh", "-c", "cut -d' ' -f6 /proc/$$/stat"])  # proc_pid_stat(5): its session
    assert int(wire.read(5)) == wire._process.pid != os.getsid(0)
    assert wire.status() == 0
    wire.close()


@pytest.mark.parametrize("brief", ["sudo: u is not allowed", "u is not root"])
def test_a_refusal_of_sudo_names_the_groups(brief: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(wire: LocalWire, *_: object) -> None:
        wire.close()
        raise UnreachableError(brief)

    monkeypatch.setattr(local, "become_root", refuse)
    transport = LocalTransport(Host(name="local"), ConnectOptions(), Silent())
    groups = subprocess.run(["id", "-nG"], capture_output=True, text=True, check=True).stdout
    with pytest.raises(UnreachableError) as caught:
        transport.root_shell("")
    named = (("groups of the user", groups.strip()),)
    assert caught.value.details == (named if brief.startswith("sudo") else ())
