"""What is done while the rest of the program is loaded: calling the host, and leaving out what nobody needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dockwright import app
from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Silent, lean, remote
from dockwright.transport.ssh import SshConnection


class _AgainError(Exception):
    """What the second call would meet."""


def test_what_goes_wrong_ahead_is_raised_by_the_first_shell_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    transport = remote.SshTransport(
        Host(name="web1", address="192.0.2.1"),
        ConnectOptions(known_hosts=tmp_path / "kh"),
        Silent(),
    )
    calls: list[str] = []

    def refuse(*_: object) -> None:
        calls.append("open")
        raise UnreachableError("web1: no connection")

    def again(*_: object) -> None:
        raise _AgainError

    monkeypatch.setattr(SshConnection, "open", refuse)
    monkeypatch.setattr(SshConnection, "session", again)
    transport.begin()
    with pytest.raises(UnreachableError, match="no connection"):
        transport.root_shell("true")
    assert calls == ["open"]
    with pytest.raises(_AgainError):  # from here on it connects by itself, as ever
        transport.root_shell("true")
    transport.close()


def test_ssh_comes_without_the_tools_for_tests() -> None:
    script = "import sys, dockwright.transport.remote as r; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert {"invoke", "paramiko", "fabric"} <= loaded
    assert loaded & {"unittest.mock", "asyncio", "ssl"} == set()


def test_a_mock_that_is_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ModuleType("unittest.mock")
    monkeypatch.setitem(sys.modules, "unittest.mock", there)
    lean.load_invoke()
    assert sys.modules["unittest.mock"] is there
    monkeypatch.delitem(sys.modules, "unittest.mock")
    lean.load_invoke()
    assert "unittest.mock" not in sys.modules


def test_the_stages_are_found_by_their_names() -> None:
    assert all(getattr(app, name, None) for name in app.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nobody'"):
        _ = app.nobody
