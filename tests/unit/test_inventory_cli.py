"""Fleets on the command line: which hosts a command is for, and with what; hosts are made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dockwright import events
from dockwright.cli import session
from dockwright.cli.commands import app as command_line
from dockwright.cli.fleet import Fleet
from dockwright.cli.options import Reach, Show
from dockwright.errors import Exit, InputError, UnreachableError
from dockwright.events import Failed, Planned
from dockwright.models import Host
from tests.unit.playing import INSTALLED, PIN, World, b64, facts_of, fresh, records

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n"
INVENTORY = """\
user: ops
hosts:
  web1: {address: 10.0.0.1, variables: {docker_users: [pat]}}
  web2: {address: 10.0.0.2, jump: bastion, identity: /k}
  db1: {user: root, port: 2222}
groups:
  web:
    hosts: [web1, web2]
    variables: {docker_version: "29.7"}
"""


def dockwright(*words: str, typed: str | bytes | None = None) -> Result:
    done = CliRunner().invoke(command_line(words), list(words), input=typed, prog_name="dockwright")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture(autouse=True)
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DOCKWRIGHT_INVENTORY", raising=False)
    Path("inv.yaml").write_text(INVENTORY)
    Path("inv.yaml").chmod(0o600)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "interactive", lambda: True)


def hosts(*words: str, log: Path | None = None, **reach: Any) -> tuple[Host, ...]:
    reach.setdefault("inventory", ["inv.yaml"])
    return Fleet(words, Reach(**reach), Show(log=log)).hosts


def names(*words: str, **reach: Any) -> list[str]:
    return [host.name for host in hosts(*words, **reach)]


# --- which hosts ----------------------------------------------------------------------------------


def test_hosts_of_an_inventory_come_with_how_they_are_reached() -> None:
    web1, web2, db1 = hosts()
    assert web1 == Host(name="web1", address="10.0.0.1", user="ops")
    assert web2 == Host(
        name="web2", address="10.0.0.2", user="ops", jump="bastion", identity=("/k",)
    )
    assert db1 == Host(name="db1", address="db1", user="root", port=2222)
    assert {host.user for host in hosts(user="me")} == {"me"}


@pytest.mark.parametrize(
    ("words", "limit", "found"),
    [
        ((), None, ["web1", "web2", "db1"]),
        (("web",), None, ["web1", "web2"]),
        (("all",), None, ["web1", "web2", "db1"]),
        (("db1", "web"), None, ["db1", "web1", "web2"]),
        (("web1", "web"), None, ["web1", "web2"]),
        (("web*",), None, ["web1", "web2"]),
        (("web[1:2]",), None, ["web1", "web2"]),
        (("root@web1",), None, ["web1"]),
        (("db1", "ops@elsewhere", "local"), None, ["db1", "ops@elsewhere", "local"]),
        (("elsewhere:22", "[::1]:22"), None, ["elsewhere:22", "[::1]:22"]),
        ((), ["web"], ["web1", "web2"]),
        ((), ["!web"], ["db1"]),
        ((), ["all", "!*1"], ["web2"]),
        (("web",), ["web1,db1"], ["web1"]),
        (("ops@elsewhere", "web1"), ["ops@elsewhere"], ["ops@elsewhere"]),
    ],
)
def test_words_and_limits(
    words: tuple[str, ...], limit: list[str] | None, found: list[str]
) -> None:
    assert names(*words, limit=limit) == found


def test_what_is_typed_goes_before_what_the_inventory_says() -> None:
    (host,) = hosts("root@web2:2200")
    assert host == Host(
        name="web2", address="10.0.0.2", user="root", port=2200, jump="bastion", identity=("/k",)
    )


@pytest.mark.parametrize(
    ("words", "reach", "said"),
    [
        (("wbe1",), {}, "'wbe1' is neither a host nor a group of inv.yaml; did you mean 'web1'?"),
        (("web1", "web1"), {}, "named twice: web1"),
        (("ops@10.0.0.1", "web1"), {}, "ops@10.0.0.1 and web1 are the same machine"),
        (("ungrouped",), {}, "ungrouped: there is no host in it"),
        ((), {"limit": ["wbe"]}, "no host and no group is called 'wbe'; did you mean 'web'?"),
        ((), {"limit": ["!wbe"]}, "no host and no group is called 'wbe'"),
        (("db1",), {"limit": ["web"]}, "--limit web leaves no host"),
        ((), {"limit": ["@failed"]}, "failed in which run?"),
        ((), {"limit": ["@none.jsonl"]}, "none.jsonl cannot be read"),
        ((), {"inventory": None, "limit": ["web"]}, "--limit takes from hosts, and none are named"),
        (("root@a", "ops@A:22"), {"inventory": None}, "root@a and ops@A:22 are the same machine"),
        ((), {"inventory": ["-"], "sudo_password_file": "-"}, "standard input cannot be both"),
        ((), {"inventory": ["/none"]}, "/none does not exist"),
    ],
)
def test_words_that_mean_no_host_are_2(
    words: tuple[str, ...], reach: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        names(*words, **reach)
    assert said in caught.value.brief


def test_without_an_inventory_words_are_targets_and_may_be_limited() -> None:
    assert names(inventory=None) == ["local"]
    assert names("a", "ops@b", inventory=None, limit=["!a"]) == ["ops@b"]


def test_s08_hosts_that_failed_in_a_run(world: World) -> None:
    """Of a log, or of the log that this run writes anew."""
    world.host("web1", *fresh())
    world.host("web2", UnreachableError("no route"))
    world.host("db1", *fresh())
    words = ("install", "-i", "inv.yaml", "--yes", "--log", "run.jsonl", *PIN)
    assert dockwright(*words).exit_code == Exit.UNREACHABLE
    assert names(limit=["@run.jsonl"]) == ["web2"]
    assert names(limit=["@failed,db1"], log=Path("run.jsonl")) == ["web2", "db1"]
    world.contacted.clear()
    world.host("web2", *fresh())
    assert dockwright(*words, "--limit", "@failed").exit_code == Exit.OK
    assert world.contacted == ["web2"]
    done = dockwright(*words, "--limit", "@failed")
    assert done.exit_code == Exit.INPUT
    assert "no host failed in run.jsonl" in done.output


def test_a_rollout_that_stopped_goes_on_with_what_is_unfinished(world: World) -> None:
    """A canary fails, nobody else is begun; the next run has those, and what the log never had."""
    broken = records("started -", f"stop s03 {b64('6 0 broken')}", "end - 6")
    world.host("web1", *fresh()[:2], broken)
    world.host("web2", *fresh()[:2], records("end - 0"))
    words = ("install", "-i", "inv.yaml", "--yes", "--json", "--log", "run.jsonl", *PIN)
    done = dockwright(*words, "--batches", "1", "web1", "web2")
    assert done.exit_code == Exit.FAILED
    told = [events.parse(line) for line in done.stdout.splitlines()]
    (held,) = [one for one in told if isinstance(one, Failed) and not one.begun]
    assert (held.host, held.exit) == ("web2", Exit.REFUSED)
    assert names(limit=["@failed"], log=Path("run.jsonl")) == ["web1", "web2"]
    assert names(limit=["@unfinished:run.jsonl"]) == ["web1", "web2", "db1"]
    for name in ("web1", "web2", "db1"):
        world.host(name, *fresh())
    assert dockwright(*words, "--batches", "1,2", "--limit", "@unfinished").exit_code == Exit.OK
    done = dockwright(*words, "--limit", "@unfinished")
    assert "no host was left in run.jsonl" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--batches", "1,x"), "'x' is neither a number of hosts nor a percentage"),
        (("--max-failures", "0"), "--max-failures: '0' is neither"),
        (("--pause", "3"), "--pause is between batches"),
        (("--before-host", "'"), "--before-host: No closing quotation"),
    ],
)
def test_a_rollout_that_cannot_be_is_2(world: World, words: tuple[str, ...], said: str) -> None:
    done = dockwright("install", "-i", "inv.yaml", "--yes", *words, *PIN)
    assert done.exit_code == Exit.INPUT
    assert said in done.output
    assert world.contacted == []


# --- runs -----------------------------------------------------------------------------------------


def test_each_host_gets_its_own_variables_and_is_named_in_events(world: World) -> None:
    for name in ("web1", "web2", "db1"):
        world.host(name, *fresh()[:2])
    done = dockwright("plan", "docker", "-i", "inv.yaml", "--json", *PIN)
    assert done.exit_code == Exit.OK, done.output
    told = [events.parse(line) for line in done.stdout.splitlines()]
    plans = {event.host: event.plan for event in told if isinstance(event, Planned)}
    texts = {name: json.dumps(plan.model_dump(mode="json")) for name, plan in plans.items()}
    assert {event.host for event in told} == {"web1", "web2", "db1"}
    assert {name for name, text in texts.items() if '"pat"' in text} == {"web1"}


def test_one_wrong_value_of_one_host_is_2_and_nobody_is_contacted(world: World) -> None:
    Path("inv.yaml").write_text(INVENTORY.replace("[pat]", "pat").replace("root", "r;t"))
    done = dockwright("install", "-i", "inv.yaml", "--yes", *PIN)
    assert done.exit_code == Exit.INPUT
    told = done.output.replace("\n", " ")
    assert "2 errors" in told
    assert "inv.yaml:3:55: 'docker_users' must be a list, not text" in told
    assert "inv.yaml:5:15: 'user' is not the name of a user" in told
    assert world.contacted == []


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("words", "asked"), [((), 1), (("--limit", "web1"), 1), (("web1",), 0), (("web",), 0)]
)
def test_a_fleet_that_nobody_named_is_asked_about(
    world: World, words: tuple[str, ...], asked: int
) -> None:
    for name in ("web1", "web2", "db1"):
        world.host(name, *fresh())
    done = dockwright("install", "-i", "inv.yaml", *words, *PIN, typed="n\n")
    assert done.exit_code == Exit.OK, done.output
    assert done.output.count("Apply this to") == asked


def test_this_machine_is_never_meant_where_there_is_an_inventory(world: World) -> None:
    for command in (("facts",), ("verify",), ("plan", "docker"), ("attach",)):
        world.host("web1", UnreachableError("no route"))
        done = dockwright(*command, "-i", "inv.yaml", "--limit", "web1")
        assert done.exit_code == Exit.UNREACHABLE, done.output
    assert set(world.contacted) == {"web1"}


def test_undo_needs_a_host_with_an_inventory_too(world: World) -> None:
    done = dockwright("undo", "-i", "inv.yaml", "--yes")
    assert done.exit_code == Exit.INPUT
    assert "HOST" in done.output
    world.host("web1", UnreachableError("no route"))
    world.host("web2", UnreachableError("no route"))
    assert dockwright("undo", "web", "-i", "inv.yaml", "--yes").exit_code == Exit.UNREACHABLE
    assert sorted(world.contacted) == ["web1", "web2"]


def test_render_takes_a_host_of_the_inventory_and_only_one(world: World) -> None:
    world.host("web1", *fresh()[:2])
    done = dockwright("render", "docker", "-i", "inv.yaml", "--for", "web1", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert "pat" in done.stdout
    done = dockwright("render", "docker", "-i", "inv.yaml", "--for", "web", *PIN)
    assert done.exit_code == Exit.INPUT
    assert "--for takes one host, and web is 2" in done.output


def test_saved_plans_are_for_hosts_of_the_inventory(world: World) -> None:
    for name in ("web1", "web2"):
        world.host(name, *fresh()[:2])
    plan = ("plan", "docker", "web", "-i", "inv.yaml", "-o", "plan.json", *PIN)
    assert dockwright(*plan).exit_code == Exit.OK
    world.contacted.clear()
    world.host("web2", records(*INSTALLED))
    done = dockwright("apply", "plan.json", "-i", "inv.yaml", "--limit", "!web1", "--yes")
    assert done.exit_code == Exit.OK, done.output
    assert world.contacted == ["web2"]


def test_an_inventory_on_standard_input(world: World) -> None:
    world.host("web1", facts_of("ubuntu-24.04-installed"))
    listed = json.dumps({"_meta": {"hostvars": {}}, "web": {"hosts": ["web1"]}})
    done = dockwright("install", "-i", "-", "--yes", "--json", *PIN, typed=listed)
    assert done.exit_code == Exit.OK, done.output
    assert {json.loads(line)["host"] for line in done.stdout.splitlines()} == {"web1"}


def test_what_means_nothing_is_told_once_beside_the_output(world: World) -> None:
    Path("hosts").write_text("web1 ansible_become=yes\nweb2 ansible_become=yes\n")
    Path("hosts").chmod(0o600)
    for quiet in (False, True):
        for name in ("web1", "web2"):
            world.host(name, facts_of("ubuntu-24.04-installed"))
        done = dockwright("install", "-i", "hosts", "--yes", "--json", *PIN, *["-q"] * quiet)
        note = "note: not used: ansible_become\n"
        assert done.stderr == ("" if quiet else note)


# --- rows of the fault matrix ---------------------------------------------------------------------


@pytest.mark.parametrize("words", [("install", "--yes"), ("plan", "docker"), ("facts",)])
def test_b19_a_private_key_as_an_inventory(world: World, words: tuple[str, ...]) -> None:
    Path("id_ed25519").write_text(KEY)
    for given in ("id_ed25519", KEY):
        done = dockwright(*words, "-i", given, "web1")
        assert done.exit_code == Exit.INPUT
        assert "--identity" in done.output
        assert "c2VjcmV0" not in done.output
        assert "BEGIN" not in done.output
    done = dockwright(*words, "-i", "-", "web1", typed=f"# key\n{KEY}")
    assert (done.exit_code, "--identity" in done.output) == (Exit.INPUT, True)
    assert "c2VjcmV0" not in done.output
    assert world.contacted == []


def test_c11_one_machine_under_two_names_is_worked_on_once(world: World) -> None:
    one = facts_of("ubuntu-24.04-bare", machine_id="a" * 32)
    scripts = {name: world.host(name, one, *fresh()[1:]).scripts for name in ("web1", "db1")}
    done = dockwright("install", "-i", "inv.yaml", "web1", "db1", "--yes", "--json", *PIN)
    assert done.exit_code == Exit.BUSY
    told = [events.parse(line) for line in done.stdout.splitlines()]
    (failed,) = [event for event in told if isinstance(event, Failed)]
    other = ({"web1", "db1"} - {failed.host}).pop()
    assert failed.exit is Exit.BUSY
    assert f"the same machine as {other}" in failed.brief
    assert not failed.changed_host
    assert (len(scripts[failed.host]), len(scripts[other])) == (1, 3)


def test_c11_clones_of_one_image_are_two_machines(world: World) -> None:
    for number, name in enumerate(("web2", "db1")):
        facts = facts_of("ubuntu-24.04-installed", machine_id="a" * 32, boot_id=f"b{number}")
        world.host(name, facts)
    done = dockwright("install", "-i", "inv.yaml", "web2", "db1", "--yes", *PIN)
    assert done.exit_code == Exit.OK, done.output


# --- the environment ------------------------------------------------------------------------------


def test_the_environment_may_name_the_inventory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKWRIGHT_INVENTORY", "inv.yaml")
    assert names("web", inventory=None) == ["web1", "web2"]
    assert names("local", inventory=None) == ["local"]
    assert names(inventory=None, limit=["db1"]) == ["db1"]
    Path("other.yaml").write_text("hosts: {x: }")
    assert names(inventory=["other.yaml"]) == ["x"]


def test_a_fleet_is_not_meant_by_the_environment_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKWRIGHT_INVENTORY", "inv.yaml")
    done = dockwright("install", "--yes", *PIN)
    assert done.exit_code == Exit.INPUT
    assert "DOCKWRIGHT_INVENTORY names an inventory, and nobody named hosts" in done.output
    monkeypatch.setenv("DOCKWRIGHT_INVENTORY", "-")
    assert dockwright("facts", "web1").exit_code == Exit.INPUT
    assert world.contacted == []


def test_b21_the_environment_s_inventory_sets_nothing_trusted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("inv.yaml").write_text(INVENTORY.replace("docker_version", "docker_fingerprint"))
    monkeypatch.setenv("DOCKWRIGHT_INVENTORY", "inv.yaml")
    done = dockwright("install", "web1", "--yes")
    assert done.exit_code == Exit.INPUT
    assert "inv.yaml:9" in done.output
    assert "'docker_fingerprint' decides what is trusted" in done.output.replace("\n", " ")
    assert world.contacted == []
