"""One timed run: a whole process on the controller, from its start to its end."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.lab import Lab
from tests.lab.machine import LabError

# What developers set and users do not; empty counts as not set.
PLAIN = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONUNBUFFERED": "", "PYTHONDEVMODE": ""}

LIMIT = 600.0  # seconds after which a run has failed


@dataclass(frozen=True)
class Sample:
    """What one run took. CPU is the controller's: the command and all children it waited for.

    ``pair`` 0 is the warm-up, which counts for nothing; ``turn`` numbers the runs of one kind in a
    pair; ``load`` is the machine's load average when the run began.
    """

    what: str
    who: str
    pair: int
    turn: int
    wall: float
    user: float
    system: float
    load: float


def timed(
    lab: Lab,
    argv: Sequence[str | Path],
    *,
    what: str,
    who: str,
    pair: int,
    turn: int = 1,
    stdin: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Sample:
    """Run a command as a controller and time it. Raises LabError where it fails.

    The output goes to a file: nobody has to read it meanwhile. What earlier runs wrote is on disk
    before this one starts.
    """
    os.sync()
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile("w+") as out, Path(stdin or os.devnull).open() as fed:
        begun = time.monotonic()
        process = lab.popen(argv, stdin=fed, stdout=out, stderr=out, env={**PLAIN, **(env or {})})
        alarm = threading.Timer(LIMIT, process.kill)
        alarm.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            alarm.cancel()
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            out.seek(0)
            shown = " ".join(map(str, argv))[:200]
            raise LabError(f"{shown}: exit {process.returncode}\n{out.read()[-3000:]}")
    return Sample(
        what, who, pair, turn, round(wall, 4), used.ru_utime, used.ru_stime, round(load, 2)
    )
