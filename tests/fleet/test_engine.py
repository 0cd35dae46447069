"""Dask's workers over TLS, as real processes, for a hundred hosts; and who has no certificate."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from distributed import Security

from dockwright.errors import Exit
from dockwright.events import HostReached
from dockwright.report.jsonl import read_log
from tests.fleet import NO_PROFILE, farm
from tests.fleet.test_thousand import Farm, codes, run, served

pytestmark = pytest.mark.slow

__all__ = ["served"]


def configured(folder: Path) -> dict[str, str]:
    """Dask's configuration with certificates for all sides, as its environment."""
    made = Security.temporary()
    for name, pem in {
        "ca": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key,
    }.items():  # fmt: skip
        (folder / name).write_text(str(pem))
    sides = {
        f"DASK_DISTRIBUTED__COMM__TLS__{side}__{part}": str(folder / part.lower())
        for side in ("SCHEDULER", "WORKER", "CLIENT")
        for part in ("CERT", "KEY")
    }
    return {
        **sides,
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(folder / "ca"),
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true",
        **NO_PROFILE,
    }


def wait_for(log: Path, words: str) -> str:
    end = time.monotonic() + 60
    while words not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    return log.read_text()


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A scheduler with two workers: its address, and the configuration of those that may call it."""
    env = configured(tmp_path)
    with ExitStack() as stack:

        def start(name: str, program: str, *words: str) -> Path:
            log = tmp_path / f"{name}.log"
            stream = stack.enter_context(log.open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", "--no-dashboard", *words],
                env={**os.environ, **env, "HOME": str(tmp_path)}, stdout=stream, stderr=stream,
            )  # fmt: skip
            stack.enter_context(process)
            stack.callback(process.kill)
            return log

        how = ("--protocol", "tls", "--host", "127.0.0.1", "--port", "0")
        told = wait_for(start("scheduler", "dask_scheduler", *how), "Scheduler at:")
        address = next(word for word in told.split() if word.startswith("tls://"))
        for name in ("w1", "w2"):
            words = ("--no-nanny", "--nthreads", "1", "--name", name)
            log = start(name, "dask_worker", address, *words, "--local-directory", str(tmp_path))
            wait_for(log, "Registered to")
        yield address, env


def test_workers_over_tls(served: Farm, secured: tuple[str, dict[str, str]]) -> None:
    """All hosts are well, and both workers had some; without a certificate nobody gets in."""
    address, env = secured
    hosts = served.hosts(farm.WELL, 100)
    words = ("ssh-server", "--yes", "--engine", f"dask={address}")
    cost = run(served, hosts, *words, verb="apply", env=env)
    assert cost.code == Exit.OK, list(read_log(cost.log))[-1]
    assert set(codes(cost)) == set(hosts)
    assert set(codes(cost).values()) == {Exit.OK}
    reached = [event for event in read_log(cost.log) if isinstance(event, HostReached)]
    assert {event.how.rpartition("by worker ")[2] for event in reached} == {"w1", "w2"}
    assert len(reached) == len(hosts)
    print(f"100 hosts by two workers: {cost.cpu:.1f} s of this process, {cost.seconds:.1f} s")

    assert run(served, hosts, *words, verb="apply").code == Exit.UNREACHABLE
    plain = ("ssh-server", "--yes", "--engine", f"dask={address.replace('tls:', 'tcp:')}")
    assert run(served, hosts, *plain, verb="apply").code == Exit.UNREACHABLE
