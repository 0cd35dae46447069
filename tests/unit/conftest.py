from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dockwright import trust
from dockwright.cli import session
from tests.unit.playing import World
from tests.unit.shell import TOOLS, Bench


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Made-up hosts and a made-up vendor in the place of SSH and HTTP."""
    made = World()
    monkeypatch.setattr(session, "open_transport", made.open)
    monkeypatch.setattr(trust, "consult", made.consult)
    return made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder in which parts of the host program run."""
    for name in ("bin", "run", "state", "etc"):
        (tmp_path / name).mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "/missing")
    made = Bench(tmp_path)
    made.fake("chown", "")  # tests need no root
    return made
