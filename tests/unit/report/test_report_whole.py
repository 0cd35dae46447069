"""Report files: whole or not there, for their owner only, and known to be writable beforehand."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dockwright.errors import FailedError, InputError
from dockwright.report import FILES, REPORTERS, Output, to_file
from dockwright.report.whole import WholeFile
from tests.unit.report import samples
from tests.unit.report.show import Stream

ROOT = os.geteuid() == 0


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", FILES)
def test_a_report_is_there_when_its_reporter_is_closed(name: str, tmp_path: Path) -> None:
    path = tmp_path / "report"
    reporter = to_file(name, path)
    assert list(tmp_path.iterdir()) == []
    for event in samples.install():
        reporter(event)
    assert list(tmp_path.iterdir()) == []
    reporter.close()
    reporter.close()
    assert list(tmp_path.iterdir()) == [path]
    stream = Stream()
    other = REPORTERS[name](Output(stream))
    for event in samples.install():
        other(event)
    other.close()
    assert path.read_text(encoding="utf-8") == stream.getvalue()
    assert "web1" in stream.getvalue()


def test_a_new_report_is_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write(tmp_path / "new")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o600


def test_a_file_that_is_there_keeps_its_mode_and_a_link_stays(tmp_path: Path) -> None:
    path, link = tmp_path / "report", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o644)
    link.symlink_to(path)
    write(link)
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert mode(path) == 0o644


def write(path: Path, text: str = "new") -> None:
    file = WholeFile(path, "report")
    file.write(text)
    file.flush()


def test_of_no_event_there_is_no_report(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text("that of the run before")
    to_file("html", path).close()
    assert path.read_text() == "that of the run before"


@pytest.mark.parametrize("name", ["no/report.html", "directory", "loop", "file/below"])
def test_what_cannot_be_written_is_known_at_once(name: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="the HTML report cannot be written: ") as caught:
        to_file("html", tmp_path / name)
    assert caught.value.next_step
    assert name in caught.value.details[0][1]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_directory_of_others_is_known_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        to_file("html", tmp_path / "report")


def test_what_fails_at_the_end_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text("old")
    file = WholeFile(path, "HTML report")
    file.write("new")
    path.unlink()
    path.mkdir()  # now nothing can take its place
    with pytest.raises(FailedError, match="the HTML report could not be written") as caught:
        file.flush()
    assert "dockwright report" in (caught.value.next_step or "")
    assert list(tmp_path.iterdir()) == [path]


def test_devices_and_pipes_are_written_to_as_they_are(tmp_path: Path) -> None:
    before = Path(os.devnull).stat().st_mode
    write(Path(os.devnull))
    assert Path(os.devnull).stat().st_mode == before
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe)
    assert os.read(reader, 100) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_stream_of_ours_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("what another step said\n")
    with path.open("a") as stream:
        write(Path(f"/proc/self/fd/{stream.fileno()}"))
    assert path.read_text() == "what another step said\nnew"


def test_a_reader_that_went_away_ends_nothing() -> None:
    class Broken(Stream):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    reporter = REPORTERS["summary"](Output(Broken()))
    reporter(samples.install()[0])
    reporter.close()
