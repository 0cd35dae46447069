"""The records of a run as they come, on real shells: to the end, and where the program dies."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.shell import SHELLS, Bench

START = "dw1 r1 start - 1.0 1 boot docker cGF0\n"
END = "dw1 r1 end - 2.0 0\n"


def started_of(pid: int) -> str:
    """proc(5): the 22nd field of stat; the name before may have blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]


@contextmanager
def program() -> Iterator[subprocess.Popen[bytes]]:
    """What is followed: it lives until it is killed."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def following(
    bench: Bench, shell: str, pid: int, started: str, first: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """The script that follows; it ends when its input does."""
    body = f"pid={pid} started='{started}'; follow {first}"
    argv = [shutil.which(shell) or shell, "-c", bench.script(body, "live", "follow")]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
            assert process.communicate(timeout=60) == ("", "")  # nobody holds its output any more
            assert process.returncode == 0
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.mark.parametrize("shell", SHELLS)
def test_records_come_until_the_program_is_killed(bench: Bench, shell: str) -> None:
    events = bench.top / "run/ev"
    events.write_text(START)
    with program() as run, following(bench, shell, run.pid, started_of(run.pid)) as process:
        assert line(process) == START
        with events.open("a") as file:
            file.write("dw1 r1 commit - 1.5 \n")
        assert line(process) == "dw1 r1 commit - 1.5 \n"
        run.kill()
        run.wait()
        assert line(process) == "dw1 r1 gone - - rebooted\n"  # "boot" is another boot than this


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_that_has_ended(bench: Bench, shell: str) -> None:
    (bench.top / "run/ev").write_text(START + END)
    with (
        program() as other,
        following(bench, shell, other.pid, "1", first=len(START) + 1) as process,
    ):
        assert line(process) == END


def test_a_program_that_was_killed_long_ago(bench: Bench) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    begun = START.replace(" boot ", f" {boot} ")
    (bench.top / "run/ev").write_text(begun)
    with program() as other, following(bench, "sh", other.pid, "1") as process:
        assert line(process) == begun
        assert line(process) == "dw1 r1 gone - - killed\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_who_leaves_leaves_nothing_behind(bench: Bench, shell: str) -> None:
    (bench.top / "run/ev").write_text(START)
    with program() as run, following(bench, shell, run.pid, started_of(run.pid)) as process:
        assert line(process) == START
