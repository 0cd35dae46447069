"""A thousand hosts in one process: what each costs, and that liars cost no more than one deadline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from dockwright import events
from dockwright.errors import Exit
from dockwright.report.jsonl import read_log
from dockwright.report.tally import tally
from tests.fleet import farm
from tests.lab.machine import ROOT
from tests.unit.making import NONCE, answer_of

pytestmark = pytest.mark.slow  # minutes of processor time, most of it the hosts' own

LIARS = {
    farm.WRONG_KEY: Exit.UNREACHABLE, farm.SLOW: Exit.UNREACHABLE, farm.ENDLESS: Exit.UNREACHABLE,
    farm.GARBAGE: Exit.UNREACHABLE, farm.TALKS: Exit.UNREACHABLE, farm.SILENT: Exit.UNREACHABLE,
    farm.REFUSED: Exit.UNREACHABLE,
}  # fmt: skip
DEADLINE = 10.0
MACHINE_FACTS = "ubuntu-24.04-installed"


@dataclass
class Farm:
    """Where the hosts are, and the files that reach them."""

    folder: Path
    port: int
    silent: int
    refused: int

    def hosts(self, kind: int, count: int) -> dict[str, str]:
        """Names of hosts, each with its line of an inventory."""
        port = {farm.SILENT: self.silent, farm.REFUSED: self.refused}.get(kind, self.port)
        return {
            f"h{kind}-{n}": f"{{address: 127.{kind}.{n // 250}.{n % 250 + 1}, port: {port}, user: root}}"
            for n in range(count)
        }


@dataclass
class Cost:
    """What a run took: seconds of the processor, KB of memory, seconds by the clock."""

    cpu: float
    memory: int
    seconds: float
    code: int
    log: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("farm")
    (folder / "facts").write_bytes(
        answer_of(MACHINE_FACTS).replace(NONCE, farm.NONCE.decode()).encode()
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fleet.farm", str(folder / "facts")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'installer'}"},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    told = json.loads(process.stdout.readline())
    paramiko.ECDSAKey.generate().write_private_key_file(str(folder / "key"))
    lines = [f"[127.{kind}.*]:{told['port']} {told['key']}" for kind in range(10, 20)]
    (folder / "known_hosts").write_text("\n".join(lines) + "\n")
    yield Farm(folder, told["port"], told["silent"], told["refused"])
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


def run(
    served: Farm,
    hosts: dict[str, str],
    *words: str,
    files: int = 0,
    verb: str = "facts",
    env: dict[str, str] | None = None,
) -> Cost:
    """``dockwright facts``, or another verb, of these hosts, in a process of its own."""
    log, inventory = served.folder / "run.jsonl", served.folder / "hosts.yaml"
    lines = [f"  {name}: {how}\n" for name, how in hosts.items()]
    inventory.write_text("hosts:\n" + "".join(lines))
    inventory.chmod(0o600)
    limit = ["prlimit", f"--nofile={files}:{files}"] if files else []
    command = [
        *limit, sys.executable, "-m", "dockwright", verb, "-i", str(inventory), "--log", str(log), "--json",
        "--known-hosts", str(served.folder / "known_hosts"), "--identity",
        str(served.folder / "key"), "--connect-timeout", str(DEADLINE), *words,
    ]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(served.folder), "PYTHONPATH": str(ROOT / "installer"),
        **(env or {}),
    }  # fmt: skip
    began = time.monotonic()
    with (served.folder / "stderr").open("w+") as errors:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read()
    assert "Traceback" not in said, said
    return Cost(
        used.ru_utime + used.ru_stime,
        used.ru_maxrss,
        time.monotonic() - began,
        child.returncode,
        log,
    )


def codes(cost: Cost) -> dict[str, Exit]:
    return {name: one.code for name, one in tally(read_log(cost.log)).items()}


@pytest.fixture(scope="module")
def one(served: Farm) -> Cost:
    """One host: what the program itself takes."""
    return run(served, served.hosts(farm.WELL, 1))


def test_what_a_host_costs(served: Farm, one: Cost) -> None:
    """At most 15 ms of the processor and 300 KB for each of a thousand hosts; reached over one port."""
    hosts = served.hosts(farm.WELL, 1000)
    cost = run(served, hosts, "--connect-timeout", "120")
    assert set(codes(cost).values()) == {Exit.OK}
    each = (cost.cpu - one.cpu) / 999 * 1000, (cost.memory - one.memory) / 999
    print(f"a host: {each[0]:.1f} ms, {each[1]:.0f} KB; all: {cost.seconds:.1f} s")
    assert each[1] <= 300
    assert each[0] <= 15


def test_s01_liars_take_no_more_than_one_deadline(served: Farm) -> None:
    """S01, S05: a thousand hosts, a quarter of them liars of seven kinds; each has its own end."""
    well = served.hosts(farm.WELL, 790)
    liars = {kind: served.hosts(kind, 30) for kind in LIARS}
    # Three that are well, then a liar, and so on.
    rows = [{**dict(pair)} for pair in zip(*(one.items() for one in liars.values()), strict=True)]
    lies = [item for row in rows for item in row.items()]
    true = list(well.items())
    mixed = dict(
        item
        for at in range(len(true))
        for item in (true[at], *([lies[at // 3]] if at % 3 == 0 and at // 3 < len(lies) else []))
    )
    assert len(mixed) == 1000
    alone = run(served, well)
    cost = run(served, mixed)
    found = codes(cost)
    assert set(found) == set(mixed)
    expected = {name: code for kind, code in LIARS.items() for name in liars[kind]}
    assert {name: code for name, code in found.items() if code is not Exit.OK} == expected
    assert cost.code == Exit.UNREACHABLE
    print(
        f"healthy alone: {alone.seconds:.1f} s, with liars: {cost.seconds:.1f} s, {cost.memory} KB"
    )


def test_s03_few_files_are_enough(served: Farm) -> None:
    """S03: 256 open files for 400 hosts, and more forks asked for than fit."""
    cost = run(
        served,
        served.hosts(farm.WELL, 400),
        "--forks",
        "300",
        "--connect-timeout",
        "120",
        files=256,
    )
    assert Counter(codes(cost).values()) == {Exit.OK: 400}


def test_s04_endless_output_of_many_does_not_fill_the_memory(served: Farm, one: Cost) -> None:
    """S04: hosts that print without end; what is kept of each is bounded."""
    hosts = {**served.hosts(farm.ENDLESS, 40), **served.hosts(farm.TALKS, 40)}
    # With those that are waited for beside them, four at a time; up to 8 MiB is read of each.
    cost = run(served, hosts, "--forks", "1")
    assert set(codes(cost).values()) == {Exit.UNREACHABLE}
    briefs = [e.brief for e in read_log(cost.log) if isinstance(e, events.Failed)]
    assert sum("prints without end" in brief for brief in briefs) == 40
    assert sum("printed without end" in brief for brief in briefs) == 40
    print(
        f"80 that print without end: {(cost.memory - one.memory) / 1024:.0f} MB more than one host"
    )
    assert (cost.memory - one.memory) / 1024 < 150
