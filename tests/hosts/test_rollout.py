"""A change over real hosts: a canary, commands around each host, and the rest by the log. S02, S08."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockwright.events import Failed, RunFinished
from tests.hosts.support import Make, dockwright, engine, unseen
from tests.hosts.test_inventory import written
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]


def test_s02_a_canary_that_cannot_be_drained_keeps_the_rest_as_it_is(
    lab: Lab, prepared: Make, tmp_path: Path
) -> None:
    """Then the command works, and the log tells who is left. By the system's ssh, too."""
    one, two = prepared("docker"), prepared("docker")
    file = written(tmp_path, "own.yaml", f"""\
        user: ops
        hosts:
          {one.name}: {{transport: openssh}}
          {two.name}:
        """)  # fmt: skip
    log, drained = tmp_path / "run.jsonl", tmp_path / "drained"
    words = (
        "install", "-i", file, "--yes", "--add-user", "plain", "--log", log, "--batches", "1,rest",
    )  # fmt: skip
    one.mark()
    two.mark()
    run = dockwright(lab, *words, "--before-host", f"test -e {drained}")
    assert run.code == 3, run
    ends = {event.host: (event.begun, event.step) for event in run.all(Failed)}
    assert ends == {one.name: (True, "before"), two.name: (False, None)}
    unseen(one)
    unseen(two)

    around = (
        "--before-host", f"sh -c 'echo \"$0\" >>{drained}' '- {{host}}'",
        "--after-host", f"sh -c 'echo \"$0\" >>{drained}' '+ {{host}}'",
    )  # fmt: skip
    run = dockwright(lab, *words, *around, "--limit", "@unfinished")
    assert run.code == 0, run
    assert {event.host for event in run.all(RunFinished)} == {one.name, two.name}
    names = (one.name, two.name)
    assert drained.read_text().splitlines() == [f"{sign} {name}" for name in names for sign in "-+"]
    for host in (one, two):
        assert "docker" in host.exec(["id", "-nG", "plain"]).stdout.split()
        assert engine(host).startswith("29.")
    run = dockwright(lab, *words, "--limit", "@unfinished")
    assert run.code == 2, run
