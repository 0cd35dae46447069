"""Fleets from inventories: each host gets what is said of it, and nobody else's. C11, S08."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockwright.events import HostReached, Planned, RunFinished
from tests.hosts.support import Make, Run, dockwright, engine, unseen, until
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]


def install(lab: Lab, inventory: Path | str, *args: str | Path, **options: object) -> Run:
    words = ("install", "-i", inventory, "--yes", "--detailed-exitcode", *args)
    return dockwright(lab, *words, **options)


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    file.chmod(0o600)
    return file


def ends(run: Run) -> dict[str, int]:
    """How it ended on each host."""
    return {event.host: int(event.exit) for event in run.all(RunFinished)}


def in_docker_group(host: Host, user: str) -> bool:
    return "docker" in host.exec(["id", "-nG", user]).stdout.split()


def test_two_hosts_of_different_variables_in_three_forms(
    lab: Lab, prepared: Make, tmp_path: Path
) -> None:
    """Installed by our form; by Ansible's the same is already so."""
    one, two = prepared("fresh", "ubuntu-24.04"), prepared("fresh", "debian-13")
    own = written(tmp_path, "own.yaml", f"""\
        user: ops
        hosts:
          first: {{address: {one.name}, variables: {{docker_users: [plain]}}}}
          second: {{address: {two.name}, user: root}}
        groups:
          older: {{hosts: [second], variables: {{docker_version: "28"}}}}
        """)  # fmt: skip
    run = install(lab, own)
    assert run.code == 20, run
    assert ends(run) == {"first": 0, "second": 0}
    reached = {event.host: (event.facts.hostname, event.how) for event in run.all(HostReached)}
    assert {name: host for name, (host, _) in reached.items()} == {
        "first": one.name,
        "second": two.name,
    }
    assert f"ops@{one.name}" in reached["first"][1]
    assert f"root@{two.name}" in reached["second"][1]
    assert {event.host: event.plan.host for event in run.all(Planned)} == {
        "first": "first",
        "second": "second",
    }
    assert engine(one).startswith("29.")
    assert engine(two).startswith("28.")
    assert in_docker_group(one, "plain")
    assert not in_docker_group(two, "plain")

    ini = written(tmp_path, "hosts", f"""\
[older]
second ansible_host={two.name} ansible_user=root
[newer]
first ansible_host={one.name}
[newer:vars]
docker_users=['plain']
[older:vars]
docker_version=28
[all:vars]
ansible_user=ops
ansible_become=yes
""")  # fmt: skip
    hostvars = {
        "first": {"ansible_host": one.name, "ansible_user": "ops", "docker_users": ["plain"]},
        "second": {"ansible_host": two.name, "ansible_user": "root", "docker_version": "28"},
    }
    listed = {"_meta": {"hostvars": hostvars}, "all": {"hosts": ["first", "second"]}}
    for again in (install(lab, ini), install(lab, "-", input=json.dumps(listed))):
        assert again.code == 0, again
        assert ends(again) == {"first": 0, "second": 0}
        assert all(event.changed == 0 for event in again.all(RunFinished))
    assert "ansible_become" in install(lab, ini, "older").err


def test_s08_only_the_hosts_that_failed_are_tried_again(
    lab: Lab, prepared: Make, tmp_path: Path
) -> None:
    one, two = prepared("docker"), prepared("docker")
    file = written(tmp_path, "own.yaml", f"hosts: {{{one.name}: , {two.name}: }}\nuser: ops\n")
    log = tmp_path / "run.jsonl"
    words = (file, "--log", log, "--connect-timeout", "2", "--add-user", "plain")
    two.link(down=True)
    run = install(lab, *words)
    two.link(down=False)
    reached = f"ops@{two.name}"
    until(lambda: lab.ssh(reached, "true").returncode == 0, "the network is back")
    assert run.code == 5, run
    assert in_docker_group(one, "plain")
    one.mark()
    run = install(lab, *words, "--limit", "@failed")
    assert run.code == 20, run
    assert {event.host for event in run.events} == {two.name}
    assert in_docker_group(two, "plain")
    unseen(one)
    run = install(lab, *words, "--limit", f"@{log}")
    assert run.code == 2, run
    assert "no host failed in" in run.err.replace("\n", " ")


def test_c11_one_machine_under_two_names(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """Its name and its address: only its machine-id tells. The first comes, the second is left."""
    host = prepared("docker")
    file = written(tmp_path, "own.yaml", f"""\
        user: ops
        hosts:
          name: {{address: {host.name}}}
          number: {{address: {host.address}}}
        """)  # fmt: skip
    keys = ("--known-hosts", tmp_path / "known_hosts", "--host-keys", "accept-new")
    run = install(lab, file, *keys, "--add-user", "plain")
    assert run.code == 10, run
    other = ({"name", "number"} - {run.failed.host}).pop()
    assert f"the same machine as {other}" in run.told
    assert not run.failed.changed_host
    assert ends(run) == {other: 0}
    assert in_docker_group(host, "plain")
    runs = host.exec("ls -d /var/lib/dockwright/runs/*").stdout.split()
    assert len(runs) == 2  # the one that made this host, and this one
