from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer import main, testing

from dockwright import trust
from dockwright.cli import session
from tests.unit.playing import World
from tests.unit.shell import TOOLS, Bench


@pytest.fixture(scope="session", autouse=True)
def commands() -> Iterator[None]:
    """The tree of commands is the same in each test, and takes longer to grow than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "_get_command", cache(main.get_command))
        yield


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Made-up hosts and a made-up vendor in the place of SSH and HTTP."""
    made = World()
    monkeypatch.setattr(session, "open_transport", made.open)
    monkeypatch.setattr(trust, "consult", made.consult)
    return made


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the host program may call, and nothing else."""
    place = tmp_path_factory.mktemp("tools")
    for tool in TOOLS:
        (place / tool).symlink_to(shutil.which(tool) or "/missing")
    return place


@pytest.fixture
def bench(tmp_path: Path, tools: Path) -> Bench:
    """A folder in which parts of the host program run."""
    for name in ("bin", "run", "state", "etc"):
        (tmp_path / name).mkdir()
    made = Bench(tmp_path, tools)
    made.fake("chown", "")  # tests need no root
    return made
