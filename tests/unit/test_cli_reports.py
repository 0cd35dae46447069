"""--html, --junit and --summary: of every verb, of a log, and however the run ended."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dockwright.errors import Exit, UnreachableError
from dockwright.report import FILES
from tests.fakes import SILENCE, FakeChannel
from tests.unit.making import b64
from tests.unit.playing import INSTALLED, PIN, World, facts_of, fresh, records
from tests.unit.test_cli import Keys, dockwright


@pytest.fixture
def presses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    made = Keys()
    monkeypatch.setattr("dockwright.runner.Stop", made.remembered)
    yield made
    made.over.set()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {name: tmp_path / f"run.{name}" for name in FILES}


def options(files: dict[str, Path]) -> list[str]:
    return [word for name, path in files.items() for word in (f"--{name}", str(path))]


def texts(files: dict[str, Path]) -> dict[str, str]:
    return {name: path.read_text(encoding="utf-8") for name, path in files.items()}


def suite_of(files: dict[str, Path]) -> ET.Element:
    (suite,) = ET.fromstring(files["junit"].read_text(encoding="utf-8"))
    return suite


@pytest.mark.parametrize(
    "words",
    [
        ("install", "web1", "--yes", *PIN),
        ("apply", "docker", "web1", "--yes", *PIN),
        ("install", "web1", "--dry-run", *PIN),
        ("plan", "docker", "web1", *PIN),
        ("verify", "web1"),
        ("facts", "web1"),
    ],
)
def test_every_verb_writes_reports(
    world: World, files: dict[str, Path], words: tuple[str, ...]
) -> None:
    world.host("web1", *(fresh() if words[0] != "facts" else fresh()[:1]))
    done = dockwright(*words, *options(files))
    assert "cannot be written" not in done.output
    for name, path in files.items():
        assert "web1" in path.read_text(encoding="utf-8"), name
        assert path.stat().st_mode & 0o777 == 0o600
    assert f"{done.exit_code} (" in texts(files)["html"]


def test_a_log_makes_the_same_reports_later(
    world: World, files: dict[str, Path], tmp_path: Path
) -> None:
    log = tmp_path / "run.jsonl"
    world.host("web1", *fresh())
    live = dockwright("install", "web1", "--yes", "--log", str(log), *PIN, *options(files))
    first = texts(files)
    for path in files.values():
        path.unlink()
    again = dockwright("report", str(log), *options(files))
    assert (again.exit_code, again.stdout) == (live.exit_code, live.stdout)
    assert texts(files) == first
    assert "overridden pin" in first["html"]  # the tests' own key is no shipped one
    assert "overridden pin" in first["summary"]


def test_a_log_whose_last_line_was_cut_is_told_as_far_as_it_goes(
    world: World, files: dict[str, Path], tmp_path: Path
) -> None:
    log = tmp_path / "run.jsonl"
    world.host("web1", *fresh())
    dockwright("install", "web1", "--yes", "--log", str(log), *PIN)
    log.write_text(log.read_text()[:-40])
    done = dockwright("report", str(log), *options(files))
    assert done.exit_code == Exit.FAILED
    assert "cut short" in texts(files)["html"]
    log.write_text(log.read_text() + "\n")  # a whole line that is no event is another thing
    assert dockwright("report", str(log)).exit_code == Exit.INPUT


def test_hosts_that_failed_are_in_the_reports(world: World, files: dict[str, Path]) -> None:
    said = ("started -", "commit -", "begin s03 x", f"stop s03 {b64('6 1 it broke')}",
            f"cause s03 {b64('disk full')}", "end - 6")  # fmt: skip
    world.host("web1", *fresh()[:2], records(*said))
    world.host("web2", UnreachableError("no route", next_step="look at the cable"))
    done = dockwright("install", "web1", "web2", "--yes", *PIN, *options(files))
    assert done.exit_code == Exit.FAILED
    for name, text in texts(files).items():
        for part in ("it broke", "disk full", "no route", "look at the cable"):
            assert part in text, (name, part)


@pytest.mark.parametrize("name", ["log", *FILES])
@pytest.mark.parametrize(
    "verb", [("install", "--yes"), ("plan", "docker"), ("verify",), ("facts",)]
)
def test_a_report_that_cannot_be_written_is_2_before_any_contact(
    world: World, name: str, verb: tuple[str, ...]
) -> None:
    done = dockwright(verb[0], *verb[1:], *(["web1"]), f"--{name}", "/nonexistent/run")
    assert done.exit_code == Exit.INPUT
    assert "cannot be written: No such file or directory" in done.output
    assert world.contacted == []


def test_no_two_reports_are_one_file(world: World, tmp_path: Path) -> None:
    path, log = str(tmp_path / "run"), tmp_path / "run.jsonl"
    for one, two in itertools.combinations(("--log", *(f"--{name}" for name in FILES)), 2):
        done = dockwright("facts", "web1", one, path, two, f"{tmp_path}/./run")
        assert done.exit_code == Exit.INPUT
        assert "named twice as a file" in done.output
    log.write_text("")
    done = dockwright("report", str(log), "--html", str(log))
    assert done.exit_code == Exit.INPUT
    assert log.read_text() == ""
    assert world.contacted == []
    world.host("web1", facts_of("ubuntu-24.04-bare"))
    null = dockwright("facts", "web1", "--html", os.devnull, "--junit", os.devnull)
    assert null.exit_code == Exit.OK


def test_a_report_that_fails_at_the_end_is_6_and_the_others_are_written(
    world: World, files: dict[str, Path]
) -> None:
    def later(script: str) -> FakeChannel:
        files["html"].mkdir()  # while the run goes on, something takes its place
        return records(*INSTALLED)(script)

    world.host("web1", *fresh()[:2], later)
    done = dockwright("install", "web1", "--yes", *PIN, *options(files))
    assert done.exit_code == Exit.FAILED
    assert "the HTML report could not be written" in done.output
    assert suite_of(files).get("failures") == "0"
    assert [path.name for path in files["html"].parent.iterdir()].count("run.html") == 1


# --- however it ended -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)]
)
def test_a_signal_while_planning_leaves_whole_reports(
    world: World, presses: Keys, files: dict[str, Path], number: signal.Signals, code: Exit
) -> None:
    log = files["html"].parent / "run.jsonl"

    def sent() -> None:
        deadline = time.monotonic() + 5
        while not log.read_text() and time.monotonic() < deadline:  # until the run is begun
            time.sleep(0.01)
        presses._send(number, None)

    before = signal.getsignal(signal.SIGTERM)
    world.host("web1", FakeChannel([sent, SILENCE]))
    done = dockwright("install", "web1", "--yes", *PIN, "--log", str(log), *options(files))
    assert done.exit_code == code
    assert "cut short" in texts(files)["html"]
    assert suite_of(files).get("failures") == "1"
    assert signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_while_the_program_runs_leaves_whole_reports(
    world: World, presses: Keys, files: dict[str, Path]
) -> None:
    stopped = f"stop s03 {b64('130 1 stopped after a step, as asked')}"
    program = records(
        "started -", "commit -", "begin s03 x", presses.once, "changed s03", stopped, "end - 130"
    )
    world.host("web1", *fresh()[:2], program, FakeChannel([]))
    done = dockwright("install", "web1", "--yes", *PIN, *options(files))
    assert done.exit_code == Exit.INTERRUPTED
    for text in texts(files).values():
        assert "stopped after a step, as asked" in text


def test_a_bug_leaves_whole_reports(world: World, files: dict[str, Path]) -> None:
    world.host("web1", ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        dockwright("install", "web1", "--yes", *PIN, *options(files))
    assert "cut short" in texts(files)["html"]


def test_wrong_words_leave_the_report_of_the_run_before(
    world: World, files: dict[str, Path]
) -> None:
    files["html"].write_text("the run before")
    assert dockwright("install", "web1", *options(files)).exit_code == Exit.INPUT
    assert files["html"].read_text() == "the run before"
    assert world.contacted == []
