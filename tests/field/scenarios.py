"""What is tried of a host's life. Each scenario says what was seen, or raises Broken or Skipped.

They are in the order in which they follow each other on one machine, and each leaves the ground on
which the next one stands.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from dockwright.events import Diagnosed, Note, Planned, ProgramStarted, StepFinished
from dockwright.models import Facts
from tests.field import rows
from tests.field.machine import Broken, Machine, Process, Skipped, why
from tests.field.run import Run

CORE = {"docker-ce", "docker-ce-cli", "containerd.io"}
INSTALL = ("install", "--yes", "--detailed-exitcode")
DATA = "ls -d /var/lib/docker/* /var/lib/containerd/* 2>/dev/null"


def must(run: Run, *codes: int) -> Run:
    """The run, where it ended with one of these codes."""
    if run.code not in codes:
        raise Broken(why(run))
    return run


# --- what a machine is ----------------------------------------------------------------------------


def installed(machine: Machine) -> set[str]:
    """The packages that dpkg calls installed."""
    form = "${db:Status-Status} ${Package}\\n"
    out = machine.shell(f"dpkg-query -W -f '{form}'").stdout
    return {name for state, name in map(str.split, out.splitlines()) if state == "installed"}


def is_docker_host(machine: Machine) -> None:
    """Docker's packages are there, the package system is in order, and a container runs."""
    missing = CORE - installed(machine)
    if missing:
        raise Broken(f"not installed: {', '.join(sorted(missing))}")
    audit = machine.shell("dpkg --audit", check=False).stdout
    if audit:
        raise Broken(f"dpkg --audit: {audit.strip()}")
    if machine.shell("apt-get -q check", check=False).returncode:
        raise Broken("apt-get check: dependencies are broken")
    says_hello(machine)


def says_hello(machine: Machine) -> None:
    """``docker run`` by hand works; an image that came only for that goes again."""
    image = machine.hello_image
    there = machine.shell(f"docker image inspect {image} >/dev/null 2>&1", check=False)
    # Now and then dockerd loses all output of a container that ends at once (moby 41378).
    for _ in range(3):
        done = machine.shell(f"docker run --rm {image}", check=False)
        if done.returncode:
            raise Broken(f"docker run {image}: {done.stderr.strip()[-500:]}")
        if done.stdout:
            break
    if there.returncode:
        machine.shell(f"docker image rm {image} >/dev/null")
    if "Hello" not in done.stdout and "hello_image=" not in " ".join(machine.sets):
        raise Broken(f"docker run {image} said: {done.stdout.strip()[:200] or 'nothing'}")


def is_bare(machine: Machine) -> None:
    """Nothing of Docker's engine is installed, told to apt, or runs."""
    left = CORE & installed(machine)
    if left:
        raise Broken(f"still installed: {', '.join(sorted(left))}")
    places = "/etc/apt/sources.list.d/docker.* /etc/apt/keyrings/docker.*"
    files = machine.shell(f"ls {places} 2>/dev/null", check=False).stdout.split()
    if files:
        raise Broken(f"still there: {', '.join(files)}")
    if machine.shell("pgrep -x dockerd; pgrep -x containerd", check=False).stdout:
        raise Broken("dockerd or containerd still runs")


# --- looking --------------------------------------------------------------------------------------


def facts(machine: Machine) -> str:
    """What the host is: one round trip."""
    return called(machine.look())


def called(known: Facts) -> str:
    """What a host is, in a line."""
    engine = f"Docker {known.daemon.version}" if known.daemon else "no Docker that answers"
    gpus = f", {len(known.gpus)} NVIDIA GPU" if known.gpus else ""
    system = f"{known.pretty_name} ({known.codename}, {known.architecture})"
    return f"{system}, kernel {known.kernel}, {engine}{gpus}"


def plan(machine: Machine) -> str:
    """What would change, by the vendor's signed index and apt's simulation."""
    shown = must(machine.dockwright("plan", "docker"), 0).one(Planned).plan
    counts = Counter(action.verb.value for action in shown.actions)
    return ", ".join(f"{number} to {verb}" for verb, number in sorted(counts.items()))


def doctor(machine: Machine) -> str:
    """What is wrong there: told, and no failure of the check."""
    findings = must(machine.dockwright("doctor"), 0, 8).one(Diagnosed).findings
    return "; ".join(f"{one.id}: {one.finding}" for one in findings) or "nothing is wrong"


def verify(machine: Machine) -> str:
    """The ladder: daemon, pull, run, and the GPUs where they are."""
    known = machine.look()
    if known.daemon is None and not {p.name for p in known.packages if p.installed} & CORE:
        raise Skipped("Docker is not installed")
    run = must(machine.dockwright("verify"), 0)
    return "; ".join(step.text for step in run.all(StepFinished) if step.text)


# --- changing -------------------------------------------------------------------------------------


def install(machine: Machine) -> str:
    """Docker is installed, and a container runs."""
    bare = not CORE & installed(machine)
    run = must(machine.dockwright(*INSTALL), 20, *(() if bare else (0,)))
    if run.code == 20 and "ran" not in (said := run.step("verify with hello-world").text):
        raise Broken(f"verify with hello-world: {said}")
    is_docker_host(machine)
    version = machine.shell("dpkg-query -W -f '${Version}' docker-ce").stdout
    done = "installed, and a container ran" if run.code == 20 else "was there already"
    return f"docker-ce {version} {done}"


def reboot(machine: Machine) -> str:
    """The host is rebooted, and Docker is back by itself."""
    needs_docker(machine)
    machine.reboot()
    is_docker_host(machine)
    return "another boot, and a container ran"


def again(machine: Machine) -> str:
    """A second install finds nothing to do, and starts nothing."""
    needs_docker(machine)
    run = must(machine.dockwright(*INSTALL), 0)
    if run.all(ProgramStarted):
        raise Broken("a program was started though nothing was to be done")
    return "nothing to do, and nothing was started"


def gpu(machine: Machine) -> str:
    """Playbook gpu with gpu=auto, twice: GPUs work in containers; where there is none, Docker alone."""
    words = ("install", "--gpu", "--yes", "--set", "gpu=auto", "--detailed-exitcode")
    before = {name for name in installed(machine) if "nvidia" in name}
    run = must(machine.dockwright(*words), 0, 20)
    if machine.look().gpus:
        must(machine.dockwright(*words), 0)
        return "GPUs in containers, and a second run had nothing to do"
    told = " ".join([*(note.text for note in run.all(Note)), str(run.one(Planned).plan)])
    if "no NVIDIA GPU" not in told:
        raise Broken("that there is no GPU was not said")
    came = {name for name in installed(machine) if "nvidia" in name} - before
    if came:
        raise Broken(f"no GPU, and yet it installed: {', '.join(sorted(came))}")
    return "no NVIDIA GPU: Docker alone"


def gpu_rows(machine: Machine) -> str:
    """Row by row what only real GPUs can prove, as script/gpu-check does."""
    known = machine.look()
    if not known.gpus:
        raise Skipped("no NVIDIA GPU")
    told = list(rows.tried(machine, known))
    broken = [f"{row}: {seen}" for row, held, seen in told if not held]
    if broken:
        raise Broken("; ".join(broken))
    return "; ".join(f"{row}: {seen}" for row, _, seen in told)


def cut(machine: Machine, switch: Callable[[], None] | None = None) -> str:
    """An install that a reboot cuts while it unpacks; the same command finishes it.

    Docker is taken off first where it is there. ``switch`` is another way to cut.
    """
    if CORE & installed(machine):
        uninstall(machine)
    with machine.under_way(*INSTALL) as process:
        unpacking(process)
        if switch is None:
            machine.reboot(force=True)
        else:
            switch()
        first = machine.ended(process, *INSTALL)
    if first.code in (0, 1, 20):
        raise Broken(f"it was cut, and ended with {first.code}")
    must(machine.dockwright(*INSTALL), 20)
    is_docker_host(machine)
    return f"cut while it unpacked (exit {first.code}); the same command finished"


def unpacking(process: Process) -> None:
    """Wait until a run that is under way has begun to unpack a package."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        event = json.loads(line)
        if event["event"] == "step_progress" and "Unpacking" in str(event.get("text")):
            return
    raise Broken(f"it ended before it unpacked anything\n{said[-3000:]}")


def uninstall(machine: Machine) -> str:
    """Docker is taken off; its data stays."""
    must(machine.dockwright("uninstall", "--yes"), 0)
    is_bare(machine)
    if not machine.shell(DATA, check=False).stdout:
        raise Broken("the data went, too")
    return "Docker is gone, its data is there"


def purge(machine: Machine, *confirm: str) -> str:
    """Docker and all its data go, confirmed by the host's own name."""
    words = [word for name in confirm for word in ("--confirm", name)]
    must(machine.dockwright("purge", "--all", "--yes", *words), 0)
    is_bare(machine)
    left = machine.shell(DATA, check=False).stdout.split()
    if left:
        raise Broken(f"still there: {', '.join(left)}")
    return "Docker and its data are gone"


def needs_docker(machine: Machine) -> None:
    """Skip where Docker is not installed."""
    if not CORE & installed(machine):
        raise Skipped("Docker is not installed; add --scenario install")


@dataclass(frozen=True)
class Scenario:
    """``changes`` the host; ``alone``: ``--all`` leaves it out, and it is tried where it is named."""

    run: Callable[[Machine], str]
    changes: bool = True
    alone: bool = False

    @property
    def about(self) -> str:
        """What it does, in a sentence."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


SCENARIOS = {
    "facts": Scenario(facts, changes=False),
    "plan": Scenario(plan, changes=False),
    "doctor": Scenario(doctor, changes=False),
    "install": Scenario(install),
    "reboot": Scenario(reboot),
    "again": Scenario(again),
    "gpu": Scenario(gpu),
    "gpu-rows": Scenario(gpu_rows, changes=False),
    "verify": Scenario(verify, changes=False),
    "cut": Scenario(cut, alone=True),
    "uninstall": Scenario(uninstall),
    "purge": Scenario(purge, alone=True),
}
LOOKS = ("facts", "plan", "doctor", "verify")
