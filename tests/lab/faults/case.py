"""One case: a fault at a point of a run, the heal, the same command once more, and the verdict."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.control import Process
from tests.lab.faults.faults import FAULTS, STATE, Fault, Scene
from tests.lab.faults.journal import Watch, journal
from tests.lab.faults.scenario import Bench
from tests.lab.faults.state import answers, difference, state
from tests.lab.host import Host

BOUND = 150.0  # seconds that a disturbed run may take; an undisturbed one takes a few
_NOTHING = "there is no run to undo"
_REFUSED = ("cannot come back", "changed nothing that could be undone")
AFTER = 120.0  # seconds for the run after it


@dataclass(frozen=True)
class Case:
    """A fault at a point; prints as the word that repeats it."""

    fault: str
    point: int

    def __str__(self) -> str:
        return f"{self.fault}:{self.point}"


@dataclass
class Outcome:
    """What a case came to; ``wrong`` is empty where all is well."""

    case: Case
    where: str
    struck: bool = False
    first: int | None = None
    after: list[int | None] = field(default_factory=list)
    runs: int = 0
    seconds: float = 0.0
    stranded: bool = False
    wrong: list[str] = field(default_factory=list)
    told: str = ""

    def __str__(self) -> str:
        verdict = "STRANDED" if self.stranded else "WRONG" if self.wrong else "ok"
        codes = f"{self.first}{'' if self.struck else ' (ended before)'}"
        codes += f" then {', '.join(map(str, self.after))}"
        line = f"{verdict:8} {self.case!s:20} exit {codes}, {self.seconds:.1f} s, at: {self.where}"
        more = [f"needs repair: {self.told}"] if 7 in self.after else []
        return "\n".join([line, *(f"         {wrong}" for wrong in [*more, *self.wrong[:30]])])


def inject(bench: Bench, fault: Fault, point: int) -> Outcome:
    """Try one case on a host of its own."""
    outcome = Outcome(Case(fault.name, point), bench.points[point])
    began = time.monotonic()
    host = bench.host()
    try:
        with tempfile.TemporaryDirectory() as folder:
            _try(bench, host, fault, outcome, Path(folder))
    finally:
        host.remove()
    outcome.seconds = time.monotonic() - began
    return outcome


def _try(bench: Bench, host: Host, fault: Fault, outcome: Outcome, folder: Path) -> None:
    fault.prepare(host)
    first = folder / "first.jsonl"
    with bench.start(host, bench.plot.disturbed, first) as process:
        outcome.struck = _strike(bench, host, process, fault, outcome.case.point, first)
        outcome.first = _end(process, BOUND)
    outcome.told = _said(first)
    if outcome.first is None:
        outcome.wrong.append(f"the disturbed run had not ended after {BOUND:.0f} s")
    elif outcome.first not in fault.first or (
        outcome.first == 8 and bench.plot.disturbed == "purge"
    ):
        outcome.wrong.append(f"the disturbed run ended with {outcome.first}: {outcome.told}")
    fault.heal(host)
    for number in range(len(bench.plot.then)):
        if not _go_on(bench, host, outcome, number, folder):
            break
    if not _quiet(host):
        outcome.wrong.append("a program still runs on the host")
    outcome.stranded = bench.answers and not answers(host)
    if outcome.wrong or outcome.stranded:
        kept = Path(tempfile.mkdtemp(prefix=f"faults-{outcome.case.fault}-{outcome.case.point}-"))
        for path in folder.iterdir():
            (kept / path.name).write_bytes(path.read_bytes())
        (kept / "journal").write_text(journal(host))
        log = host.exec(
            "cat /var/lib/dockwright/runs/*/log; journalctl -b -n 300 --no-pager", check=False
        )
        (kept / "log").write_text(log.stdout)
        outcome.wrong.append(f"see {kept}")


def _go_on(bench: Bench, host: Host, outcome: Outcome, number: int, folder: Path) -> bool:
    """The next command after the heal, and what the host is then; false where it has to be mended."""
    verb, before = bench.plot.then[number], [bench.plot.disturbed, *bench.plot.then][number]
    if verb != before:
        _quiet(host)  # the same command joins what still runs; another one is refused
    out = folder / f"{number}-{verb}.jsonl"
    if verb == "undo" and bench.plot.disturbed == "purge":
        return _not_undone(bench, host, outcome, out)
    with bench.start(host, verb, out) as process:
        code = _end(process, AFTER)
    outcome.after.append(code)
    outcome.told = _said(out)
    if code == 7 and outcome.told:
        return False
    if code is None:
        outcome.wrong.append(f"the {verb} after it had not ended after {AFTER:.0f} s")
    elif code != 0 and not (verb == "undo" and code == 3 and _NOTHING in outcome.told):
        outcome.wrong.append(f"the {verb} after it ended with {code}: {outcome.told}")
    if number and verb == before and '"program_started"' in out.read_text():
        outcome.wrong.append(f"the second {verb} after it found something to do")
    expected, found = bench.expected[number], state(host)
    if verb == "undo":
        # A conffile that was just unpacked when dpkg died: dpkg keeps it until the package comes again.
        found = frozenset(line for line in found if ".dpkg-new" not in line)
        if (
            code
        ):  # refused: no program ran, and the next one clears up what the cut one left of its own
            found = frozenset(line for line in found if not line.startswith(f"leftover {STATE}/"))
    outcome.wrong += [f"{verb}: {line}" for line in difference(expected.must, expected.may, found)]
    return True


def _not_undone(bench: Bench, host: Host, outcome: Outcome, out: Path) -> bool:
    """Undo after a purge that was cut: refused, and nothing is touched; false where none had begun."""
    before = state(host)
    with bench.start(host, "undo", out) as process:
        code = _end(process, AFTER)
    outcome.after.append(code)
    outcome.told = _said(out)
    if code == 0 and len(runs(host) - bench.earlier) == 1:
        return False  # the only run since is this undo: of the install, as the purge never began
    if code != 3 or not any(word in outcome.told for word in _REFUSED):
        outcome.wrong.append(f"the undo after it ended with {code}: {outcome.told}")
    outcome.wrong += [f"undo: {line}" for line in difference(before, before, state(host))]
    return True


def _strike(
    bench: Bench, host: Host, process: Process, fault: Fault, point: int, events: Path
) -> bool:
    """Wait for the point, then strike; false where the run ended before."""
    watch = Watch(bench.points, bench.earlier)
    scene = Scene(host, process)
    end = time.monotonic() + BOUND
    while process.poll() is None and time.monotonic() < end:
        if watch.reached(events, host) >= point:
            fault.strike(scene)
            return True
        time.sleep(0.004)
    return False


def runs(host: Host) -> set[str]:
    """The runs that were ever started on a host."""
    return set(host.exec(f"ls {STATE}/runs").stdout.split())


def _end(process: Process, bound: float) -> int | None:
    end = time.monotonic() + bound
    while time.monotonic() < end:
        code = process.poll()
        if code is not None:
            return code
        time.sleep(0.01)
    process.kill()
    return None


def _quiet(host: Host) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not Scene(host, None).units():  # type: ignore[arg-type]  # only looks at the host
            return True
        time.sleep(0.1)
    return False


def _said(events: Path) -> str:
    """What a run said of its failure."""
    said = []
    for line in events.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # killed in the middle of a line
            continue
        if event["event"] == "failed":
            details = [f"{label}: {text}" for label, text in event["details"]]
            said.append("; ".join([event["brief"], *details]).replace("\n", " | ")[:600])
    tail = events.with_suffix(".err").read_text().strip().splitlines()[-3:]
    return " || ".join([*said, *tail])


__all__ = ["FAULTS", "Case", "Outcome", "inject"]
