"""What a scenario asks of a machine: Dockwright on it, a root shell, and its switch."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dockwright.events import HostReached
from dockwright.models import Facts
from tests.field.run import Run

Process = subprocess.Popen[str]

# random(4), and since when process 1 runs (proc(5)): a container has the boot id of its kernel.
THIS_BOOT = "echo $(cat /proc/sys/kernel/random/boot_id) $(cut -d' ' -f22 /proc/1/stat)"


class Broken(Exception):  # noqa: N818 (what it says)
    """What was tried did not hold, in words."""


class Skipped(Exception):  # noqa: N818 (what it says)
    """It can't be tried here, in words."""


@dataclass
class Ran:
    """A command of Dockwright that ended: its words, without those that say which host."""

    command: str
    code: int
    seconds: float
    run: Run = field(repr=False)


class Machine(ABC):
    """One machine. ``patience`` stretches each bound; ``ran`` collects the commands that ended."""

    patience = 1.0

    def __init__(self, words: Sequence[str], sets: Sequence[str] = ()) -> None:
        """``words`` name the machine on Dockwright's command line, ``sets`` are NAME=VALUE."""
        self.words = list(words)
        self.sets = list(sets)
        self.ran: list[Ran] = []

    # --- Dockwright -------------------------------------------------------------------------------

    def command(self, verb: str, *args: str) -> list[str]:
        """The words of a command for this machine, with events as its output."""
        return [verb, *args, *self.words, "--json", *self._variables(verb)]

    def _variables(self, verb: str) -> list[str]:
        """Values for the commands that take them; verify knows those of its checks alone."""
        if verb in ("facts", "doctor", "history", "undo", "attach"):
            return []
        known = [one for one in self.sets if verb != "verify" or re.match(r"gpu|hello_", one)]
        return [word for one in known for word in ("--set", one)]

    def dockwright(self, verb: str, *args: str) -> Run:
        """Run a command to its end."""
        with self.under_way(verb, *args) as process:
            return self.ended(process, verb, *args)

    def ended(self, process: Process, verb: str, *args: str) -> Run:
        """Wait for a command that is under way. Raises Broken where it takes too long."""
        begun = time.monotonic()
        try:
            out, err = process.communicate(timeout=300 * self.patience)
        except subprocess.TimeoutExpired:
            raise Broken(f"{verb} did not end within {300 * self.patience:.0f} s") from None
        run = Run(process.returncode, out, err)
        words = " ".join([verb, *args])
        self.ran.append(Ran(words, run.code, time.monotonic() - begun, run))
        return run

    @contextmanager
    def under_way(self, verb: str, *args: str) -> Iterator[Process]:
        """A command that goes on while something happens to the machine."""
        argv = [sys.executable, "-m", "dockwright", *self.command(verb, *args)]
        with self._start(argv) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    self._stop(process)

    def _stop(self, process: Process) -> None:
        process.kill()

    @abstractmethod
    def _start(self, argv: list[str]) -> Process:
        """Start a command of the controller's."""

    def look(self) -> Facts:
        """What the host is now. Raises Broken where that is not told."""
        run = self.dockwright("facts")
        reached = run.all(HostReached)
        if run.code or not reached:
            raise Broken(why(run))
        return reached[0].facts

    # --- the machine itself -----------------------------------------------------------------------

    @abstractmethod
    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root, without Dockwright."""

    def reboot(self, *, force: bool = False) -> None:
        """Reboot from inside, and wait until it takes logins again.

        With ``force`` nothing is stopped in good order before (systemctl(1), ``reboot --force``).
        """
        before = self.boot_id
        self.shell(f"systemctl reboot {'--force' if force else ''}", check=False)
        self._await_boot(before)
        if self.boot_id == before:
            raise Broken("it did not boot anew")

    @abstractmethod
    def _await_boot(self, before: str) -> None:
        """Wait until another boot than ``before`` takes logins."""

    def cut_power(self) -> None:
        """Cut the power, switch it on again, and wait until it takes logins."""
        raise Skipped("this machine has no switch")

    @property
    def boot_id(self) -> str:
        """Which boot this is."""
        return self.shell(THIS_BOOT).stdout.strip()

    @property
    def hello_image(self) -> str:
        """The image that says hello here."""
        given = [one.partition("=")[2] for one in self.sets if one.startswith("hello_image=")]
        return given[-1] if given else "hello-world"


def started(argv: Sequence[str]) -> Process:
    """A command of this machine's that is under way, with pipes for its output."""
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for who runs the scenarios
    )


def why(run: Run) -> str:
    """What a run failed with, in one text."""
    told = []
    for failed in (one for one in run.events if one.event == "failed"):
        details = "".join(f"; {label}: {text}" for label, text in failed.details)
        after = f"; next: {failed.next_step}" if failed.next_step else ""
        told.append(f"{failed.brief}{details}{after} (exit {int(failed.exit)})")
    return " / ".join(told) or f"exit {run.code}: {run.err.strip()[-500:] or 'nothing was said'}"
