"""How the command ends: with its exit code, whatever a thread that was left behind is doing."""

from __future__ import annotations

import subprocess
import sys

import pytest

BUSY = """
import ssl, threading, time
from dockwright.cli import leave
def trust():
    while True:
        ssl.create_default_context()
threading.Thread(target=trust, daemon=True).start()
time.sleep(0.03)
leave(4)
"""
ORDERLY = """
import atexit, sys
from dockwright.cli import leave
atexit.register(lambda: print("cleared up"))
print("told", end="; ")
leave({code})
"""


def command(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_a_thread_in_the_middle_of_openssl_costs_no_exit_code() -> None:
    """By exit(3), every second or third of these died of SIGSEGV."""
    begun = [
        subprocess.Popen(command(BUSY), env={"PYTHONPATH": ":".join(sys.path)}) for _ in "123456"
    ]
    assert [process.wait(timeout=60) for process in begun] == [4] * 6


@pytest.mark.parametrize(("code", "status"), [("None", 0), ("0", 0), ("20", 20), ("'a word'", 1)])
def test_what_was_printed_comes_out_and_what_was_registered_is_done(code: str, status: int) -> None:
    done = subprocess.run(
        command(ORDERLY.format(code=code)),
        capture_output=True, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    said = "a word\n" if status == 1 else ""
    assert (done.returncode, done.stdout, done.stderr) == (status, "told; cleared up\n", said)


@pytest.mark.parametrize("closed", ["1", "2", "1 2"])
def test_a_stream_that_was_closed_before_costs_no_exit_code(closed: str) -> None:
    """``dockwright ... 2>&-``: Python has no stream there at all."""
    ends = " ".join(f"{number}>&-" for number in closed.split())
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {ends}', "sh", *command("from dockwright.cli import leave; leave(20)")],
        check=False, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 20


def test_a_bug_is_told_and_ends_with_1() -> None:
    script = """
import sys
from dockwright import cli
from dockwright.cli import commands
def app(words):
    raise RuntimeError("forced")
commands.app = app
cli.main()
"""
    done = subprocess.run(
        command(script), capture_output=True, text=True, check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("RuntimeError: forced\n")


def test_what_could_not_be_printed_is_a_failure() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123  # a device
        done = subprocess.run(
            command(ORDERLY.format(code=0)),
            stdout=full, check=False, env={"PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
    assert done.returncode == 6
