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


# Comes while the host is called, while it answers, or where there is something to do; see cli/ahead.py.
LATE = {"jinja2", "rich.console", "urllib3", "pysequoia", "debian", "dockwright.events"}
LATE |= {f"dockwright.{name}" for name in ("planner", "receipts", "renderer", "runner", "trust")}
LATE |= {"dockwright.app.looking", "dockwright.app.rollout", "dockwright.app.changing"}
LATE |= {
    "dockwright.load.expressions",
    "dockwright.load.inventory.forms",
    "dockwright.report.jsonl",
}
CALL = """
import sys
import dockwright.transport.remote as remote
def begin(self, **_):
    print(*sys.modules)
    sys.stdout.flush()
    import os
    os._exit(0)
remote.SshTransport.begin = begin
sys.argv[1:] = [*{words}, "ops@192.0.2.1", "--no-input"]
from dockwright.cli import main
main()
"""


@pytest.mark.parametrize("words", [["install", "--yes"], ["verify"]], ids=" ".join)
def test_a_host_is_called_before_more_is_loaded_than_checks_the_command(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALL.replace("{words}", repr(words))],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert {"pydantic", "yaml", "dockwright.load", "dockwright.steps"} <= loaded
    assert loaded & LATE == set()


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
