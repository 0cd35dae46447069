"""A fleet on Dask's workers, which are real processes; one dies in the middle of an install."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockwright import events
from dockwright.events import CommitPoint, HostReached, RunFinished
from tests.fleet import NO_PROFILE
from tests.hosts.support import STATE, Make, arguments, clean, journal, runs, until
from tests.hosts.test_inventory import written
from tests.lab.control import Process
from tests.lab.host import Host
from tests.lab.init import GATEWAY
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

SITES = {"w1": "east", "w2": "east", "w3": "west"}


@dataclass
class Cluster:
    """Where the scheduler is, and the workers by name."""

    engine: str
    workers: dict[str, Process]


@contextmanager
def cluster(lab: Lab, folder: Path, workers: dict[str, str]) -> Iterator[Cluster]:
    """A scheduler and workers, each with the resource of its site."""
    file = folder / "scheduler.json"
    env = {"PYTHONPATH": str(ROOT / "installer"), **NO_PROFILE}
    started: dict[str, Process] = {}
    with ExitStack() as stack:

        def start(name: str, program: str, *words: str) -> None:
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            argv = [
                sys.executable,
                "-m",
                f"distributed.cli.{program}",
                "--scheduler-file",
                str(file),
            ]
            process = lab.popen([*argv, *words], env=env, cwd=folder, stdout=log, stderr=log)
            stack.enter_context(process)
            stack.callback(process.kill)
            started[name] = process

        start("scheduler", "dask_scheduler", "--host", GATEWAY, "--port", "0", "--no-dashboard")
        until(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler")
        for name, site in workers.items():
            start(
                name, "dask_worker", "--no-nanny", "--no-dashboard", "--nthreads", "1",
                "--name", name, "--resources", f"{site}=1", "--local-directory", str(folder),
            )  # fmt: skip
        for name in workers:
            log = folder / f"{name}.log"
            until(lambda log=log: "Registered to" in log.read_text(), f"worker {name}")  # type: ignore[misc]
        engine = f"dask={json.loads(file.read_text())['address']}"
        yield Cluster(engine, {name: started[name] for name in workers})


def slowed(host: Host) -> Host:
    """dpkg starts there only when it is told to."""
    wait = "while [ -e /run/hold ]; do sleep 0.1; done"
    host.put("/usr/local/sbin/when-told", f"#!/bin/sh\n{wait}\n", 0o755)
    host.put("/etc/apt/apt.conf.d/99slow", 'DPkg::Pre-Invoke { "/usr/local/sbin/when-told"; };\n')
    host.put("/run/hold", "")
    return host


def worker_of(event: HostReached) -> str:
    return event.how.rpartition("by worker ")[2]


def test_a_worker_dies_in_mid_install(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """Every host ends well, no step ran twice, and hosts of a site are done by its workers alone."""
    hosts = {host.name: host for host in (slowed(prepared("fresh")) for _ in range(3))}
    east, west = list(hosts)[:2], list(hosts)[2]
    file = written(tmp_path, "own.yaml", f"""\
        user: ops
        hosts: {{{east[0]}: , {east[1]}: , {west}: }}
        groups:
          east: {{hosts: [{", ".join(east)}]}}
          west: {{hosts: [{west}]}}
        """)  # fmt: skip
    keyless = tmp_path / "home"  # the controller's: workers use keys of their own
    keyless.mkdir()
    with cluster(lab, tmp_path, SITES) as dask:
        command = (
            "install", "-i", file, "--yes", "--engine", dask.engine, "--site", "east", "--site", "west",
        )  # fmt: skip
        argv = [sys.executable, "-m", "dockwright", *arguments(lab, *command)]
        env = {"PYTHONPATH": str(ROOT / "installer")}
        told: list[events.Event] = []
        reached: list[tuple[str, str]] = []
        victim = ""
        with lab.popen(argv, env=env, user_home=keyless) as process:
            late = threading.Timer(240, process.kill)
            late.start()
            assert process.stdout is not None
            for line in process.stdout:
                told.append(event := events.parse(line))
                if isinstance(event, HostReached):
                    reached.append((event.host, worker_of(event)))
                    if event.host == victim:  # by the other worker, which found that it goes on
                        hosts[victim].exec("rm /run/hold")
                elif isinstance(event, CommitPoint) and event.host in east and not victim:
                    victim = event.host
                    dask.workers[dict(reached)[victim]].kill()
                    for name in set(hosts) - {victim}:
                        hosts[name].exec("rm /run/hold")
            late.cancel()
            assert process.stderr is not None
            assert process.wait() == 0, process.stderr.read()
    once = dict(pair for pair in reached if pair[0] != victim)
    assert set(once) == set(hosts) - {victim}
    assert len(reached) == len(hosts) + 1  # nobody else was disturbed
    assert once[west] == "w3"
    assert {worker for host, worker in reached if host == victim} == {"w1", "w2"}
    ends = {event.host: event.exit for event in told if isinstance(event, RunFinished)}
    assert ends == dict.fromkeys(hosts, 0)
    for host in hosts.values():
        (run_id,) = runs(host)
        records = host.exec(["cat", f"{STATE}/runs/{run_id}/ev"]).stdout
        begun = Counter(re.findall(r"(?m)^dw1 \S+ begin (\S+)", records))
        assert begun
        assert set(begun.values()) == {1}, begun
        assert sum("ended with 0" in line for line in journal(host)) == 1
        clean(host)
