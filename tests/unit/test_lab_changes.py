"""What the lab says has changed on a host: files come and go while it looks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.lab import changes


@pytest.mark.parametrize("instead", [None, "a file"])
def test_a_folder_may_go_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instead: str | None
) -> None:
    host, away = tmp_path / "host", tmp_path / "away"
    for name in ("kept", "going/deep"):
        (host / name).mkdir(parents=True)
    looked = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "going":
            Path(path).rename(away)
            if instead is not None:
                Path(path).write_text(instead)
        return looked(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert set(changes.snapshot(host)) - {"/going"} == {"/kept"}
