"""Plans to programs: golden texts that people review, and quoting that nothing gets out of.

``UPDATE_GOLDEN=1 pytest tests/unit/test_renderer.py`` writes the golden programs anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockwright import renderer
from dockwright.judge import judge, read_simulation
from dockwright.plan import Action, Assumptions, HostPlan, PackageChange, Repository, Transaction, Verb
from dockwright.renderer import (
    Program,
    Raw,
    render_follow,
    render_launch,
    render_probe,
    render_program,
    titles,
)
from dockwright.resources import directory
from tests.unit.making import changed, pin, recorded, whole_plan
from tests.unit.test_judge import probed

GOLDEN = Path(__file__).parent.parent / "golden"
OPERATOR = "pat@controller"
RUN_ID = "2026-11-24-1f3a2b"
# Why each is left out; all other findings fail.
SHELLCHECK_EXCLUDES = {
    "SC2015": "A && B || refuse: refusing where either fails is what is meant",
    "SC2016": "a program inside a launcher stays as it is until it runs",
    "SC2034": "what one program sets, the part of another that shares its runtime reads",
    "SC2043": "a loop over what a plan names runs once where the plan names one thing",
    "SC2329": "check_ID and apply_ID are called by name, and not every program uses all parts",
}


def judged(name: str, variables: dict[str, Any] | None = None, *, upgrade: bool = False) -> HostPlan:
    facts = recorded(name)
    wanted = {"docker_fingerprint": pin(), **(variables or {})}
    plan = whole_plan(facts, variables=wanted, upgrade=upgrade)
    return judge(plan, read_simulation(*probed(name)), facts)


def daemon_json() -> HostPlan:
    facts = changed(
        recorded("ubuntu-24.04-installed"),
        {"files": {"/etc/docker/daemon.json": '{\n  "data-root": "/srv/docker"\n}\n'}},
    )
    keys = {"log-driver": "local", "labels": ["it's=a $(test)"]}
    return whole_plan(facts, variables={"docker_fingerprint": pin(), "docker_daemon": keys})


def hold_users() -> HostPlan:
    wanted = {"docker_fingerprint": pin(), "hold": True, "docker_users": ["ops", "pat"]}
    return whole_plan(recorded("ubuntu-24.04-installed"), variables=wanted)


def ssh_server() -> HostPlan:
    gone = {"packages": {"openssh-server": None}, "units": {"ssh.service": None}}
    facts = changed(recorded("debian-13-bare"), gone)
    plan = whole_plan(facts, "ssh-server")
    said = "Inst openssh-server (1:10.0p1-7+deb13u4 Debian:13.2/stable [amd64])"
    return judge(plan, read_simulation(said, "", ""), facts)


def verify() -> HostPlan:
    return whole_plan(recorded("ubuntu-24.04-installed"), "verify", verify=True)


def program(plan: HostPlan, **options: Any) -> str:
    return render_program(plan, operator=OPERATOR, **options).text


SCRIPTS: dict[str, Callable[[], str]] = {
    "docker/fresh-noble": lambda: program(judged("ubuntu-24.04-bare")),
    "docker/fresh-trixie": lambda: program(
        whole_plan(recorded("debian-13-bare"), variables={"docker_fingerprint": pin()})
    ),
    "docker/docker.io-replaced": lambda: program(judged("debian-13-docker.io")),
    "docker/upgrade": lambda: program(judged("ubuntu-24.04-behind", upgrade=True)),
    "docker/daemon.json-restart": lambda: program(daemon_json()),
    "docker/hold-and-users": lambda: program(hold_users()),
    "ssh-server/fresh-trixie": lambda: program(ssh_server(), lock_timeout=30),
    "verify/attached": lambda: program(verify(), attached=RUN_ID),
    "scripts/probe": lambda: render_probe(judged("debian-13-docker.io"), run_id=RUN_ID).text,
    "scripts/launch": lambda: launch(booted=True),
    "scripts/launch-without-systemd": lambda: launch(booted=False),
    "scripts/follow": lambda: render_follow(run_id=RUN_ID, offset=4711),
}


def launch(*, booted: bool) -> str:
    text = "#!/bin/sh\necho \"it's $HOME\"\n"
    stored = Program(text=text, digest=hashlib.sha256(text.encode()).hexdigest())
    return render_launch(stored, run_id=RUN_ID, operator=OPERATOR, booted=booted)


@cache
def rendered(name: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renderer, "__version__", "X.Y.Z")
        return SCRIPTS[name]()


# --- golden programs ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_program_is_the_golden_one(name: str) -> None:
    path = GOLDEN / f"{name}.sh"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered(name), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == rendered(name)


def test_there_is_no_golden_program_that_nobody_renders() -> None:
    found = {str(path.relative_to(GOLDEN).with_suffix("")) for path in GOLDEN.rglob("*.sh")}
    assert found == set(SCRIPTS)


@pytest.mark.parametrize("shell", ["dash", "bash", "sh"])
def test_every_shell_reads_every_program(shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    for name in SCRIPTS:
        done = subprocess.run([found, "-n"], input=rendered(name), capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), name


def test_shellcheck_finds_nothing_in_any_program(tmp_path: Path) -> None:
    checker = Path(sysconfig.get_path("scripts")) / "shellcheck"
    if not checker.exists():
        pytest.skip("no shellcheck here")
    files = [tmp_path / f"{name.replace('/', '-')}.sh" for name in SCRIPTS]
    for name, file in zip(SCRIPTS, files, strict=True):
        file.write_text(rendered(name), encoding="utf-8")
    files.append(directory("templates") / "facts.sh")
    done = subprocess.run(
        [checker, "-s", "dash", "-f", "gcc", "--extended-analysis=false"]
        + ["-e", ",".join(SHELLCHECK_EXCLUDES), *files],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")
