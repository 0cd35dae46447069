"""Files that go to a host beside the program: in pieces, whole, or not at all."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dockwright.app import sending
from dockwright.channel import Channel
from dockwright.errors import RefusedError
from dockwright.plan import HostPlan
from tests.unit.making import pin, recorded, whole_plan

RUN_ID = "r1"


class Shell:
    """A host whose /var/lib/dockwright is a folder here."""

    description = "a folder"

    def __init__(self, top: Path, *, full: bool = False) -> None:
        self.top, self.full, self.scripts = top, full, 0

    def root_shell(self, script: str) -> Channel:
        self.scripts += 1
        script = script.replace("/var/lib/dockwright", str(self.top))
        if self.full:
            script = script.replace("base64 -d", "false")
        done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False)
        return Answer(done.stdout.encode())

    def shell(self, script: str) -> Channel:
        return self.root_shell(script)

    def close(self) -> None:
        pass


class Answer:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, timeout: float) -> bytes:
        data, self._data = self._data, b""
        return data

    def write(self, data: bytes) -> None:
        raise AssertionError

    def status(self) -> int:
        return 0

    def errors(self) -> str:
        return ""

    def close(self) -> None:
        pass


def plan(path: Path) -> HostPlan:
    images = [{"name": "mine:1", "send": str(path)}]
    asked = {"docker_fingerprint": pin(), "images": images}
    return whole_plan(recorded("ubuntu-24.04-installed"), variables=asked)


@pytest.mark.parametrize("size", [0, 5, 8, 20])
def test_a_file_arrives_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(sending, "PIECE", 8)
    tar, host = tmp_path / "it's.tar", Shell(tmp_path / "host")
    tar.write_bytes(bytes(range(size)))
    made = plan(tar)
    (told,) = sending.send(host, made, RUN_ID)
    assert re.match(r"it's\.tar, 0\.0 MB", getattr(told, "text", ""))
    (name,) = sending.files(made)
    assert (tmp_path / f"host/sent.{RUN_ID}/{name}").read_bytes() == tar.read_bytes()
    assert (tmp_path / f"host/sent.{RUN_ID}").stat().st_mode & 0o777 == 0o700


def test_a_host_without_room_keeps_no_part_of_it(tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    tar.write_bytes(b"abc")
    with pytest.raises(RefusedError, match="no room"):
        list(sending.send(Shell(tmp_path / "host", full=True), plan(tar), RUN_ID))
    assert not (tmp_path / f"host/sent.{RUN_ID}").exists()


def test_a_file_that_is_not_there_is_told_before_anything_changes(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not a file of this machine"):
        sending.files(plan(tmp_path / "none.tar"))
