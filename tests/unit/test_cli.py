"""Words on the command line to exit codes, on hosts that are made up."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from dockwright import events
from dockwright.cli import session, shared
from dockwright.cli.commands import app as command_line
from dockwright.errors import BY_EXIT, DockwrightError, Exit, InputError, UnreachableError
from dockwright.events import Event
from dockwright.plan import HostPlan
from dockwright.runner import Stop
from tests.fakes import CUT, SILENCE, FakeChannel, FakeTransport
from tests.unit.making import (
    CAME,
    INSTALL_RUN,
    NONCE,
    b64,
    installed_trail,
    run_lines,
    told_runs,
)
from tests.unit.playing import (
    INSTALLED,
    PIN,
    World,
    facts_of,
    fresh,
    probe_of,
    records,
    run_id_of,
    with_runs,
)


def dockwright(*words: str, typed: str | None = None) -> Result:
    done = CliRunner().invoke(command_line(words), list(words), input=typed, prog_name="dockwright")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def events_of(text: str) -> list[Event]:
    return [events.parse(line) for line in text.splitlines()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "interactive", lambda: True)


# --- install --------------------------------------------------------------------------------------


def test_a_fresh_host_is_installed(world: World) -> None:
    host = world.host("web1", *fresh())
    done = dockwright("install", "web1", "--yes", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert "docker-ce" in done.stdout
    assert "daemon 29.7.2" in done.stdout
    assert host.closed


def test_a_second_run_has_nothing_to_do(world: World) -> None:
    host = world.host("web1", facts_of("ubuntu-24.04-installed"))
    done = dockwright("install", "web1", "--yes", "--detailed-exitcode", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert len(host.scripts) == 1


@pytest.mark.parametrize("command", [("install",), ("apply", "docker")])
def test_a_change_is_told_by_20_where_that_was_asked_for(
    world: World, command: tuple[str, ...]
) -> None:
    world.host("web1", *fresh())
    assert dockwright(*command, "web1", "--yes", "--detailed-exitcode", *PIN).exit_code == 20


def test_options_name_what_is_installed(world: World) -> None:
    world.host("web1", facts_of("ubuntu-24.04-bare"), probe_of("ubuntu-24.04-bare"))
    done = dockwright(
        "install", "web1", "--yes", "--docker-version", "29.9", "--add-user", "pat", *PIN
    )
    assert done.exit_code == Exit.REFUSED
    assert "docker-ce 29.9 is not in the repository" in done.output


@pytest.mark.parametrize("kind", BY_EXIT.values())
def test_each_error_has_its_exit_code(world: World, kind: type[DockwrightError]) -> None:
    world.host("web1", kind("it is so", next_step="do that"))
    done = dockwright("install", "web1", "--yes", *PIN)
    assert done.exit_code == kind.exit
    assert "it is so" in done.output
    assert "do that" in done.output
    assert f"exit {int(kind.exit)} ({kind.exit.word})" in done.output


@pytest.mark.parametrize("code", [4, 6, 7, 8, 10])
def test_a_program_that_fails_gives_its_exit_code(world: World, code: int) -> None:
    said = ("started -", "commit -", "begin s03 x", f"stop s03 {b64(f'{code} 1 it broke')}",
            f"cause s03 {b64('disk full')}", f"end - {code}")  # fmt: skip
    world.host("web1", *fresh()[:2], records(*said))
    done = dockwright("install", "web1", "--yes", *PIN)
    assert done.exit_code == code
    assert "it broke" in done.output
    assert "disk full" in done.output
    assert "nothing was changed" not in done.output


def test_a_host_that_is_lost_after_the_commit_point_is_not_called_unchanged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dockwright.runner._REJOIN", (0.0,))
    lost = UnreachableError("no route")
    world.host("web1", *fresh()[:2], records("started -", "commit -"), lost)
    done = dockwright("install", "web1", "--yes", *PIN)
    assert done.exit_code == Exit.UNREACHABLE
    assert "the program there goes on" in done.output.replace("\n", " ")
    assert "nothing was changed" not in done.output


def test_a_bug_is_no_exit_code_of_ours(world: World) -> None:
    world.host("web1", ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        dockwright("install", "web1", "--yes", *PIN)


# --- asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("install",), ("apply", "docker")])
def test_without_a_terminal_yes_is_needed_before_any_contact(
    world: World, command: tuple[str, ...]
) -> None:
    world.host("web1")
    done = dockwright(*command, "web1", *PIN)
    assert done.exit_code == Exit.INPUT
    assert "there is no terminal to ask on" in done.output
    assert "--yes" in done.output
    assert world.contacted == []


def test_a_dry_run_needs_no_yes_and_shows_the_plan(world: World) -> None:
    host = world.host("web1", *fresh()[:2])
    done = dockwright("install", "web1", "--dry-run", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert "docker.sources" in done.stdout
    assert len(host.scripts) == 2


def test_a_dry_run_that_would_change_something_is_20(world: World) -> None:
    world.host("web1", *fresh()[:2])
    assert dockwright("install", "web1", "-n", "--detailed-exitcode", *PIN).exit_code == 20


@pytest.mark.usefixtures("terminal")
def test_a_plan_that_only_adds_asks_nothing(world: World) -> None:
    world.host("web1", *fresh())
    done = dockwright("install", "web1", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert "Apply this" not in done.output


REPLACED = (facts_of("debian-13-docker.io"), probe_of("debian-13-docker.io"))


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("typed", "agreed"), [("n\n", False), ("\n", False), ("", False), ("y\n", True)]
)
def test_a_removal_is_asked_about_once(world: World, *, typed: str, agreed: bool) -> None:
    host = world.host("web1", *REPLACED, records(*INSTALLED))
    done = dockwright("install", "web1", "--allow-restart", *PIN, typed=typed)
    assert done.exit_code == Exit.OK, done.output
    assert done.output.count("Apply this to web1?") == 1
    _, probe, last = host.scripts
    assert "ticket=/run/dockwright-probed.$run_id" in probe
    # What the probe kept is taken over by the program, or taken away.
    assert (f'--run "$run_id" {run_id_of(probe)}' in last) == agreed
    assert (f"run_id={run_id_of(probe)}\n" in last and "drop_kept" in last) == (not agreed)


@pytest.mark.usefixtures("terminal")
def test_one_question_is_for_all_hosts(world: World) -> None:
    for name in ("web1", "web2"):
        world.host(name, *REPLACED, records("end - 0"))
    done = dockwright("install", "web1", "web2", "--allow-restart", *PIN, typed="n\n")
    assert done.output.count("Apply this to 2 hosts?") == 1


def test_no_input_is_as_good_as_no_terminal(world: World, terminal: None) -> None:
    done = dockwright("install", "web1", "--no-input", *PIN)
    assert (done.exit_code, world.contacted) == (Exit.INPUT, [])


def test_yes_does_not_cover_stopping_containers(world: World) -> None:
    host = world.host("web1", *REPLACED)
    done = dockwright("install", "web1", "--yes", *PIN)
    assert done.exit_code == Exit.DESTRUCTIVE
    assert "legacy-app" in done.output
    assert "--allow-restart" in done.output
    assert len(host.scripts) == 2


# --- input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("install", "web1", "web1", "--yes"), "named twice: web1"),
        (("install", "web 1", "--yes"), "no host name has"),
        (("apply", "dokcer", "web1", "--yes"), "docker"),
        (("install", "web1", "--yes", "--set", "docker_verison=29"), "docker_version"),
        (("install", "web1", "--yes", "--set", "nothing"), "NAME=VALUE"),
        (("install", "web1", "--yes", "--channel", "nightly"), "nightly is gone"),
        (("install", "web1", "--yes", "--docker-version", "x\ny"), "docker_version"),
        (("install", "web1", "--yes", "--vars", "/nonexistent/vars.yaml"), "vars.yaml"),
        (
            ("install", "web1", "--yes", "--log", "/nonexistent/run.jsonl"),
            "the log cannot be written",
        ),
        (("install", "web1", "--yes", "-K"), "-K asks on a terminal"),
        (("install", "web1", "--yes", "--sudo-password-file", "/nonexistent"), "/nonexistent"),
        (("verify", "web1", "web1"), "named twice"),
    ],
)
def test_wrong_words_are_2_and_nobody_is_contacted(
    world: World, words: tuple[str, ...], said: str
) -> None:
    done = dockwright(*words)
    assert done.exit_code == Exit.INPUT
    assert said in done.output
    assert world.contacted == []


@pytest.mark.parametrize(
    "words", [("dance",), ("install", "--dance"), ("install", "--forks", "many")]
)
def test_words_that_nobody_knows_are_2(words: tuple[str, ...]) -> None:
    assert dockwright(*words).exit_code == Exit.INPUT


# --- plan -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"), [("ubuntu-24.04-bare", 20), ("ubuntu-24.04-installed", 0)]
)
def test_a_plan_tells_whether_something_would_change(world: World, name: str, code: int) -> None:
    answers = fresh() if name.endswith("bare") else [facts_of(name)]
    world.host("web1", *answers[:2])
    assert dockwright("plan", "docker", "web1", "--detailed-exitcode", *PIN).exit_code == code


def test_a_plan_is_saved_as_it_was_shown(world: World, tmp_path: Path) -> None:
    world.host("web1", *fresh()[:2])
    file = tmp_path / "plan.json"
    assert dockwright("plan", "docker", "web1", "-o", str(file), *PIN).exit_code == Exit.OK
    saved = json.loads(file.read_text())
    assert set(saved) == {"dockwright", "plans"}
    (plan,) = saved["plans"]
    assert HostPlan.model_validate_json(json.dumps(plan)).host == "web1"


def test_a_plan_that_cannot_be_saved_is_2(world: World) -> None:
    world.host("web1", *fresh()[:2])
    done = dockwright("plan", "docker", "web1", "-o", "/nonexistent/plan.json", *PIN)
    assert done.exit_code == Exit.INPUT
    assert "/nonexistent/plan.json cannot be written" in done.output


# --- saved plans ----------------------------------------------------------------------------------


def saved(world: World, file: Path) -> str:
    world.host("web1", *fresh()[:2])
    assert dockwright("plan", "docker", "web1", "-o", str(file), *PIN).exit_code == Exit.OK
    return str(file)


def test_a_saved_plan_is_applied_as_it_is_without_asking_the_host_again(
    world: World, tmp_path: Path
) -> None:
    file = saved(world, tmp_path / "plan.json")
    host = world.host("web1", records(*INSTALLED))
    done = dockwright("apply", file, "--yes")
    assert done.exit_code == Exit.OK, done.output
    assert len(host.scripts) == 1
    assert "docker-ce=5:29.7.2-1~ubuntu.24.04~noble" in host.scripts[0]
    assert len(world.consulted) == 1


def test_a_saved_plan_can_be_looked_at(world: World, tmp_path: Path) -> None:
    file = saved(world, tmp_path / "plan.json")
    host = world.host("web1")
    done = dockwright("apply", file, "--dry-run", "--detailed-exitcode")
    assert done.exit_code == Exit.CHANGED, done.output
    assert "docker.sources" in done.stdout
    assert host.scripts == []


def test_a_host_without_a_saved_plan_is_2(world: World, tmp_path: Path) -> None:
    file = saved(world, tmp_path / "plan.json")
    world.contacted.clear()
    done = dockwright("apply", file, "web9", "--yes")
    assert done.exit_code == Exit.INPUT
    assert "has no plan for web9" in done.output
    assert world.contacted == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "plan.json:1:2"),
        ("[]", "holds no plans"),
        ("{}", "holds no plans"),
        ('{"plans": 5}', "plan.json: plans"),
        ('{"plans": []}', "has no plan for any host"),
        ('{"plans": [{"host": "x"}]}', "plans.0.playbook"),
        (
            '{"plans": [{"host": "x", "playbook": "x", "summary": "x", "assumes": {}, "x": 1}]}',
            "plans.0.",
        ),
    ],
)
def test_a_file_that_holds_no_plan_is_2(world: World, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    done = dockwright("apply", str(file), "--yes")
    assert done.exit_code == Exit.INPUT
    assert said in done.output.replace("\n", "")
    assert world.contacted == []


def test_a_saved_file_is_old_or_new_and_never_half(tmp_path: Path) -> None:
    file = tmp_path / "dockwright.sh"
    file.write_text("old\n")
    file.chmod(0o755)
    (tmp_path / "link").symlink_to(file)
    shared.save(tmp_path / "link", "new\n")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new\n", 0o755)
    with pytest.raises(InputError, match="cannot be written"):
        shared.save(tmp_path / "nowhere" / "x", "new\n")
    with pytest.raises(UnicodeEncodeError):
        shared.save(file, "half \udc80")
    assert file.read_text() == "new\n"
    assert {path.name for path in tmp_path.iterdir()} == {"dockwright.sh", "link"}
    shared.save(Path("/dev/null"), "gone\n")
    assert Path("/dev/null").is_char_device()


# --- attach and undo ------------------------------------------------------------------------------


def attaching(how: str, *lines: str) -> Callable[[str], FakeChannel]:
    """Answers the script that looks for a run: its nonce frames the first line, then it is RUN."""

    def answer(script: str) -> FakeChannel:
        (nonce,) = set(re.findall(r"dw1 %s %s - - %s\\n' (\w+)", script))
        chunks = [f"dw1 {nonce} {how} - - RUN\n".encode()]
        return FakeChannel([*chunks, *(f"dw1 RUN {line}\n".encode() for line in lines)])

    return answer


@pytest.mark.parametrize("how", ["joined", "last"])
def test_a_run_is_followed_by_whoever_attaches(world: World, how: str) -> None:
    world.host(
        "web1", attaching(how, "begin s01 1.0 file docker.asc", "changed s01 1.5", "end - 2.0 0")
    )
    done = dockwright("attach", "web1", "--json")
    assert done.exit_code == Exit.OK, done.output
    told = {event.event for event in events_of(done.stdout)}
    assert told >= {"run_started", "step_started", "step_finished", "run_finished"}
    assert ("program_started" in told) is (how == "joined")


def test_attaching_where_nothing_ever_ran_is_refused(world: World) -> None:
    def answer(script: str) -> FakeChannel:
        (nonce,) = set(re.findall(r"dw1 %s none - -\\n' (\w+)", script))
        return FakeChannel([f"dw1 {nonce} none - -\n".encode()])

    world.host("web1", answer)
    assert dockwright("attach", "web1").exit_code == Exit.REFUSED


def test_undo_takes_back_what_the_receipt_names(world: World) -> None:
    host = world.host(
        "web1",
        with_runs("ubuntu-24.04-installed", installed_trail()),
        records("started -", "commit -", "end - 0"),
    )
    done = dockwright("undo", "web1", "--yes", "--allow-restart")
    assert done.exit_code == Exit.OK, done.output
    for word in ("docker-ce 5:29.7.2", "docker.asc", INSTALL_RUN):
        assert word in done.output
    assert "\nundo s0" in host.scripts[1]


def test_a_dry_undo_changes_nothing(world: World) -> None:
    host = world.host("web1", with_runs("ubuntu-24.04-installed", installed_trail()))
    assert dockwright("undo", "web1", "--dry-run").exit_code == Exit.OK
    assert len(host.scripts) == 1


def test_undo_names_the_containers_that_a_restart_stops(world: World) -> None:
    receipt = (
        "file /etc/docker/daemon.json absent -\nwrote /etc/docker/daemon.json 00\n"
        "keys /etc/docker/daemon.json log-driver\n"
    )
    running = "2026-11-24-a\ncontainer 4f5e web app"
    told = told_runs(*run_lines("2026-11-24-a", receipt), "path /etc/docker/daemon.json 00")
    host = world.host("web1", with_runs("ubuntu-24.04-installed", told, last_run=running))
    done = dockwright("undo", "web1", "--yes")
    assert done.exit_code == Exit.DESTRUCTIVE, done.output
    for word in ("! restart  docker.service", "log-driver in effect until then", "web"):
        assert word in done.output
    assert len(host.scripts) == 1


def test_undo_on_a_host_without_a_run_is_refused(world: World) -> None:
    world.host("web1", with_runs("ubuntu-24.04-bare"))
    done = dockwright("undo", "web1", "--yes")
    assert done.exit_code == Exit.REFUSED
    assert "there is no run to undo on web1" in done.output
    world.host("web1", with_runs("ubuntu-24.04-bare"))
    done = dockwright("undo", "web1", "--run", "2026-11-24-nosuch", "--yes")
    assert done.exit_code == Exit.REFUSED
    assert "dockwright history web1" in done.output


@pytest.mark.parametrize("verb", ["undo", "uninstall", "purge"])
def test_what_takes_back_needs_a_host(world: World, verb: str) -> None:
    assert dockwright(verb, "--yes").exit_code == Exit.INPUT
    assert world.contacted == []


def probed(told: str) -> Callable[[str], FakeChannel]:
    """Answers a probe with what apt would do."""
    return records(f"simulated - {b64(told)}", f"uris - {b64('')}", "unkept - ", "end - 0")


REMOVALS = "".join(f"Remv {name} [1]\n" for name in CAME)


def test_uninstall_shows_asks_and_takes_back(world: World) -> None:
    host = world.host(
        "web1",
        with_runs("ubuntu-24.04-installed", installed_trail()),
        probed(REMOVALS),
        records("started -", "commit -", "begin s01 x", "changed s01", "end - 0"),
    )
    done = dockwright("uninstall", "web1", "--yes", "--detailed-exitcode", *PIN)
    assert done.exit_code == Exit.CHANGED, done.output
    assert "data stays: /var/lib/docker" in done.output
    assert "web1 has none of Docker's own packages" in done.output
    assert "docker-ce-" in host.scripts[1]
    assert len(host.scripts) == 3


def test_uninstall_dry_and_without_yes_changes_nothing(world: World) -> None:
    told = with_runs("ubuntu-24.04-installed", installed_trail())
    host = world.host("web1", told, probed(REMOVALS))
    assert dockwright("uninstall", "web1", "--dry-run", *PIN).exit_code == Exit.OK
    assert len(host.scripts) == 2
    assert dockwright("uninstall", "web1", *PIN).exit_code == Exit.INPUT


def test_uninstall_stands_only_where_apt_would_do_exactly_that(world: World) -> None:
    told = with_runs("ubuntu-24.04-installed", installed_trail())
    world.host("web1", told, probed(REMOVALS + "Remv panel [1]\n"))
    done = dockwright("uninstall", "web1", "--yes", *PIN)
    assert done.exit_code == Exit.REFUSED
    assert "panel" in done.output
    world.host("web1", told, probed(REMOVALS + "Remv kubelet [1]\n"))
    assert dockwright("uninstall", "web1", "--yes", *PIN).exit_code == Exit.DESTRUCTIVE


def test_uninstall_on_a_bare_host_has_nothing_to_do(world: World) -> None:
    host = world.host("web1", with_runs("debian-13-bare"))
    done = dockwright("uninstall", "web1", "--yes", "--detailed-exitcode")
    assert done.exit_code == Exit.OK, done.output
    assert "nothing to do" in done.output
    assert len(host.scripts) == 1


@pytest.mark.parametrize(("verb", "code"), [("uninstall", 0), ("undo", 3)])
def test_what_dpkg_was_in_the_middle_of_is_repaired_first(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: str, code: int
) -> None:
    host = world.host(
        "web1",
        with_runs("ubuntu-24.04-half-installed"),
        records("started -", "commit -", "begin s01 x", "changed s01", "again -", "end - 0"),
        with_runs("debian-13-bare"),
    )

    def reopened(target: Any, *_: object) -> FakeTransport:
        host.closed = False
        return world.open(target)

    monkeypatch.setattr(session, "open_transport", reopened)
    done = dockwright(verb, "web1", "--yes")
    assert done.exit_code == code, done.output
    assert len(host.scripts) == 3


def test_uninstall_joins_no_run_of_another_wish(world: World) -> None:
    live = f"0 -\nlive R1 other 1 {b64('pat')}"
    host = world.host("web1", with_runs("ubuntu-24.04-bare", uid=live))
    done = dockwright("uninstall", "web1", "--yes")
    assert done.exit_code == Exit.BUSY, done.output
    assert "R1" in done.output
    assert len(host.scripts) == 1


@pytest.mark.parametrize(("playbook", "code"), [("undo", 0), ("docker", 10)])
def test_undo_joins_an_undo_that_is_under_way(world: World, playbook: str, code: int) -> None:
    told = told_runs(f"run RUN 1795522000 - {playbook} {b64('pat')}")
    live = f"0 -\nlive RUN wish 1 {b64('pat')}"
    host = world.host(
        "web1",
        with_runs("ubuntu-24.04-installed", told, uid=live),
        attaching("joined", "begin s01 1.0 x", "changed s01 1.5", "end - 2.0 0"),
    )
    done = dockwright("undo", "web1", "--yes")
    assert done.exit_code == code, done.output
    assert len(host.scripts) == (2 if code == 0 else 1)


def with_data(
    *more: str, docker: str = "directory", name: str = "ubuntu-24.04-installed", **facts: str
) -> Callable[[str], FakeChannel]:
    """Answers facts, runs and data of a host with Docker's own directories."""
    root, names = b64("/var/lib/docker"), b64("d/engine-id\0d/image\0d/volumes\0")
    lines = [
        f"dw1 {NONCE} data",
        f"place docker default {root} {docker} {root} 8:1 4096",
        f"names {root} {names}",
        *more,
        f"dw1 {NONCE} measured",
    ]
    runs = installed_trail() if name == "ubuntu-24.04-installed" else told_runs()
    return with_runs(name, runs + "".join(f"{line}\n" for line in lines), **facts)


def purged() -> list[Any]:
    return [
        with_data(),
        probed(REMOVALS),
        records("started -", "commit -", "begin s01 x", "changed s01", "end - 0"),
    ]


def test_purge_needs_the_host_s_own_name(world: World) -> None:
    """P02: --yes alone is not enough for data, and another host's name is none."""
    for words in ((), ("--confirm", "web2")):
        host = world.host("web1", *purged())
        done = dockwright("purge", "web1", "--all", "--yes", *words, *PIN)
        assert done.exit_code == Exit.DESTRUCTIVE, done.output
        assert "--confirm web1" in done.output
        assert len(host.scripts) == 2
    host = world.host("web1", *purged())
    done = dockwright("purge", "web1", "--all", "--confirm", "web1", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert "web1 has nothing of Docker, nor its data" in done.output
    assert "empty_out /var/lib/docker 8:1" in host.scripts[2]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("typed", "code"), [("web1\n", 0), ("yes\n", 9), ("", 9)])
def test_purge_asks_for_the_name_on_a_terminal(world: World, typed: str, code: int) -> None:
    host = world.host("web1", *purged())
    done = dockwright("purge", "web1", "--all", *PIN, typed=typed)
    assert done.exit_code == code, done.output
    assert "/var/lib/docker on web1" in done.output
    assert len(host.scripts) == (3 if code == 0 else 2)


def test_purge_without_a_level_tells_the_sizes(world: World) -> None:
    host = world.host("web1", with_data())
    done = dockwright("purge", "web1", "--confirm", "web1")
    assert done.exit_code == Exit.DESTRUCTIVE
    assert "4.0 MB" in done.output
    assert len(host.scripts) == 1


def test_a_dry_purge_shows_and_changes_nothing(world: World) -> None:
    host = world.host("web1", with_data(), probed(REMOVALS))
    done = dockwright("purge", "web1", "--all", "--dry-run", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert "/var/lib/docker" in done.output
    assert len(host.scripts) == 2


def test_purge_stops_containers_only_where_they_may_stop(world: World) -> None:
    """P01"""
    told = installed_trail()
    running = f"0 -\ncontainer {'1' * 64} app ubuntu"
    facts = with_runs("ubuntu-24.04-installed", told, uid=running)

    def answer(script: str) -> FakeChannel:
        extra = with_data()(script).read(1) and b""
        channel = facts(script)
        nonce = re.findall(r"\Aset -- ([0-9a-f]+)\n", script)[0]
        root, names = b64("/var/lib/docker"), b64("d/engine-id\0d/image\0d/volumes\0")
        lines = (
            f"dw1 {nonce} data\nplace docker default {root} directory {root} 8:1 4096\n"
            f"names {root} {names}\ndw1 {nonce} measured\n"
        )
        return FakeChannel([channel.read(1), channel.read(1), extra + lines.encode()])

    host = world.host("web1", answer, probed(REMOVALS))
    done = dockwright("purge", "web1", "--all", "--confirm", "web1", *PIN)
    assert done.exit_code == Exit.DESTRUCTIVE, done.output
    assert "--stop-containers" in done.output
    assert len(host.scripts) == 2


def test_a_data_root_is_a_plain_path(world: World) -> None:
    done = dockwright("purge", "web1", "--all", "--data-root", "../x", "--confirm", "web1")
    assert done.exit_code == Exit.INPUT
    assert world.contacted == []


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ("forgotten", Exit.OK, "no trace is left"),
        ("busy", Exit.BUSY, "a run is under way"),
        ("not all of it could be deleted", Exit.FAILED, "could not be deleted"),
    ],
)
def test_the_state_directory_goes_last(world: World, answer: str, code: Exit, said: str) -> None:
    """P19"""

    def forgets(script: str) -> FakeChannel:
        (nonce,) = set(re.findall(r"dw1 %s %s\\n' (\w+)", script))
        return FakeChannel([f"dw1 {nonce} {answer}\n".encode()])

    host = world.host("web1", *purged(), forgets)
    done = dockwright("purge", "web1", "--all", "--confirm", "web1", "--forget", *PIN)
    assert done.exit_code == code, done.output
    assert said in done.output
    assert len(host.scripts) == 4


def test_the_state_directory_goes_where_nothing_else_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets(script: str) -> FakeChannel:
        (nonce,) = set(re.findall(r"dw1 %s %s\\n' (\w+)", script))
        return FakeChannel([f"dw1 {nonce} forgotten\n".encode()])

    told = told_runs() + f"dw1 {NONCE} data\ndw1 {NONCE} measured\n"
    host = world.host("web1", with_runs("debian-13-bare", told), forgets)

    def reopened(target: Any, *_: object) -> FakeTransport:
        host.closed = False
        return world.open(target)

    monkeypatch.setattr(session, "open_transport", reopened)
    done = dockwright("purge", "web1", "--all", "--forget", "--yes", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert "no trace is left" in done.output
    assert len(host.scripts) == 2


def saved_purge(world: World, path: Path, *hosts: str) -> str:
    """Plans that delete data, saved; the digits that confirm them."""
    for name in hosts:
        world.host(name, with_data(machine_id=name), probed(REMOVALS))
    done = dockwright("purge", *hosts, "--all", "-o", str(path), *PIN)
    assert done.exit_code == Exit.OK, done.output
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    assert f"dockwright apply {path} --confirm {digits}" in done.output
    assert all(len(world.hosts[name].scripts) == 2 for name in hosts)
    return digits


def test_saved_plans_that_delete_are_confirmed_by_their_digest(
    world: World, tmp_path: Path
) -> None:
    """P02, for many hosts: one confirmation, of exactly what was read."""
    path = tmp_path / "p.json"
    digits = saved_purge(world, path, "web1", "web2")
    world.contacted.clear()
    for words in ((), ("--confirm", "web1"), ("--confirm", "00000000")):
        done = dockwright("apply", str(path), "--yes", *words)
        assert done.exit_code == Exit.DESTRUCTIVE, done.output
        assert "sha256sum" in done.output
        assert digits not in done.output
    assert world.contacted == []
    for name in ("web1", "web2"):
        world.host(name, with_data(machine_id=name), purged()[2])
    done = dockwright("apply", str(path), "--confirm", digits)
    assert done.exit_code == Exit.OK, done.output
    for name in ("web1", "web2"):
        assert "empty_out /var/lib/docker 8:1" in world.hosts[name].scripts[1]


def test_what_may_not_be_deleted_by_now_is_not(world: World, tmp_path: Path) -> None:
    """A saved plan is judged again by what the host is when it is applied."""
    path = tmp_path / "p.json"
    digits = saved_purge(world, path, "web1")
    space = f"space {b64('k8s.io')}"
    for more, words in (
        ((space,), "k8s.io"),
        (("mount {root} ext4 /var/lib/docker/volumes/x",), "is mounted below"),
    ):
        root = b64("/var/lib/docker")
        host = world.host("web1", with_data(*(line.format(root=root) for line in more)))
        done = dockwright("apply", str(path), "--confirm", digits)
        assert done.exit_code == Exit.DESTRUCTIVE, done.output
        assert words in " ".join(done.output.split())
        assert len(host.scripts) == 1


def test_a_confirmation_is_for_plans_that_delete(world: World, tmp_path: Path) -> None:
    assert dockwright("apply", "docker", "web1", "--confirm", "00000000").exit_code == Exit.INPUT
    path = tmp_path / "p.json"
    done = dockwright("purge", "web1", "--all", "--forget", "-o", str(path))
    assert done.exit_code == Exit.INPUT
    assert "no part of a saved plan" in done.output
    assert world.contacted == []


def test_history_lists_runs_and_what_each_changed(world: World) -> None:
    host = world.host(
        "web1",
        with_runs(
            "ubuntu-24.04-installed",
            installed_trail(*run_lines("r2", "hold docker-ce\n", code="6", began=1795523000)),
        ),
    )
    done = dockwright("history", "web1")
    assert done.exit_code == Exit.OK, done.output
    assert re.search(rf"{INSTALL_RUN} .* docker +ok +by pat@here", done.output), done.output
    assert "+ docker-ce, docker-ce-cli, containerd.io and 5 more" in done.output
    assert re.search(r"r2 .* docker +failed", done.output)
    assert len(host.scripts) == 1


def test_history_as_events(world: World) -> None:
    world.host("web1", with_runs("ubuntu-24.04-installed", installed_trail()))
    done = dockwright("history", "web1", "--json")
    (told,) = [e for e in events_of(done.stdout) if isinstance(e, events.HistoryTold)]
    (run,) = told.runs
    assert (run.run_id, run.who, run.playbook, run.exit) == (INSTALL_RUN, "pat@here", "docker", 0)


def test_history_of_a_host_that_keeps_no_runs(world: World) -> None:
    world.host("web1", with_runs("debian-13-bare"))
    done = dockwright("history", "web1")
    assert done.exit_code == Exit.OK
    assert "no run of Dockwright is kept there" in done.output


# --- one file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", [(), ("--lock",)])
def test_one_file_is_rendered_for_profiles_without_a_host(
    world: World, tmp_path: Path, lock: tuple[str, ...]
) -> None:
    out = tmp_path / "dockwright-docker.sh"
    names = ("--for", "ubuntu:24.04:amd64", "--for", "debian:trixie:amd64")
    done = dockwright("render", "docker", *names, *lock, "-o", str(out), *PIN)
    assert done.exit_code == Exit.OK, done.output
    text = out.read_text()
    for word in (
        "ubuntu\\ noble\\ amd64",
        "debian\\ trixie\\ amd64",
        "docker-ce=5:29.7.2-1~debian.13",
    ):
        assert word in text
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    assert world.contacted == []


def test_one_file_is_rendered_as_user_data(world: World) -> None:
    words = ("render", "docker", "--for", "ubuntu:24.04:amd64", *PIN)
    script = dockwright(*words).stdout
    done = dockwright(*words, "--format", "cloud-init")
    assert done.exit_code == Exit.OK, done.output
    assert done.stdout.startswith("#cloud-config\n")
    config = yaml.safe_load(done.stdout)
    (file,) = config["write_files"]
    assert (file["path"], file["permissions"], file["encoding"], file["owner"]) == (
        "/usr/local/sbin/dockwright-docker.sh", "0755", "gz+b64", "root:root",
    )  # fmt: skip
    assert gzip.decompress(base64.b64decode(file["content"])).decode() == script
    assert config["runcmd"] == [["sh", file["path"], "apply"]]
    assert world.contacted == []


def test_a_host_that_has_booted_needs_no_user_data(world: World) -> None:
    done = dockwright("render", "docker", "--for", "web1", "--format", "cloud-init", *PIN)
    assert done.exit_code == Exit.INPUT
    assert "a host that is at hand has booted already" in done.output
    assert world.contacted == []


@pytest.mark.parametrize(
    ("names", "said"),
    [(("ubuntu:4.10:amd64",), "is no profile"), (("ubuntu:24.04:riscv64",), "is no profile"),
     (("web1", "web2"), "--for takes one host")],
)  # fmt: skip
def test_a_profile_that_is_none_is_2(world: World, names: tuple[str, ...], said: str) -> None:
    words = [word for name in names for word in ("--for", name)]
    done = dockwright("render", "docker", *words, *PIN)
    assert done.exit_code == Exit.INPUT
    assert said in done.output
    assert world.contacted == []


# --- verify, facts, render ------------------------------------------------------------------------


def test_verify_runs_the_ladder(world: World) -> None:
    ladder = records("begin s01 verify", "verified s01 daemon 29.7.2 · hello-world ran", "end - 0")
    world.host("web1", facts_of("ubuntu-24.04-installed"), ladder)
    done = dockwright("verify", "web1")
    assert done.exit_code == Exit.OK, done.output
    assert "hello-world ran" in done.output


def test_a_playbook_of_checks_alone_is_applied_by_running_them(world: World) -> None:
    ladder = records("begin s01 verify", "verified s01 daemon 29.7.2 · hello-world ran", "end - 0")
    host = world.host("web1", facts_of("ubuntu-24.04-installed"), ladder)
    done = dockwright("apply", "verify", "web1", "--yes", "--detailed-exitcode")
    assert done.exit_code == Exit.OK, done.output
    assert "web1 is well: 1 check passed" in done.output
    assert len(host.scripts) == 2


def test_a_run_that_was_not_verified_is_made_up_for(world: World) -> None:
    """The checks run although all is there; by a program that can note it, with no change counted."""
    late = records(
        "started -", "commit -", "begin s01 finish the last run", "same s01",
        "begin s10 verify", "verified s10 hello-world ran", "end - 0",
    )  # fmt: skip
    known = facts_of("ubuntu-24.04-installed", hostname="web1\nunverified 2026-11-24-5fdc20")
    host = world.host("web1", known, late)
    done = dockwright("install", "web1", "--yes", "--detailed-exitcode", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert "run 2026-11-24-5fdc20 was not verified" in " ".join(done.output.split())
    assert "web1 is well: 1 check passed" in done.output
    assert 'rm -f -- "$state/unverified"' in host.scripts[1]
    assert world.consulted == []


def test_verify_that_fails_is_8(world: World) -> None:
    ladder = records(
        "begin s01 verify", f"stop s01 {b64('8 0 the daemon does not answer')}", "end - 8"
    )
    world.host("web1", facts_of("ubuntu-24.04-daemon-down"), ladder)
    done = dockwright("verify", "web1")
    assert done.exit_code == Exit.VERIFY
    assert "the daemon does not answer" in done.output


def test_verify_on_a_host_that_dpkg_left_half_way_changes_nothing(world: World) -> None:
    ladder = records("begin s01 verify", "verified s01 ran", "end - 0")
    host = world.host("web1", facts_of("ubuntu-24.04-half-installed"), ladder)
    assert dockwright("verify", "web1").exit_code == Exit.OK
    assert "open_scratch" in host.scripts[1]


def test_facts_are_for_people_and_for_programs(world: World) -> None:
    world.host("web1", facts_of("debian-13-docker.io"))
    done = dockwright("facts", "web1")
    assert done.exit_code == Exit.OK, done.output
    assert "Debian GNU/Linux 13 (trixie)" in done.stdout
    assert "nothing to do" not in done.stdout
    world.host("web1", facts_of("debian-13-docker.io"))
    done = dockwright("facts", "web1", "--json")
    assert [e.event for e in events_of(done.stdout)] == [
        "run_started",
        "host_reached",
        "run_finished",
    ]
    assert done.exit_code == Exit.OK


def test_facts_of_a_host_that_is_away_are_5(world: World) -> None:
    world.host("web1", UnreachableError("no route to host"))
    assert dockwright("facts", "web1").exit_code == Exit.UNREACHABLE


def test_render_prints_the_program_and_nothing_else(world: World) -> None:
    host = world.host("web1", *fresh()[:2])
    done = dockwright("render", "docker", "--for", "web1", *PIN)
    assert done.exit_code == Exit.OK, done.output
    assert done.stdout.startswith("#!/bin/sh\n")
    assert done.stdout.endswith('main "$@" </dev/null\n')
    assert done.stderr == ""
    assert len(host.scripts) == 2


def test_render_for_a_host_that_is_away_prints_no_program(world: World) -> None:
    world.host("web1", UnreachableError("no route to host"))
    done = dockwright("render", "docker", "--for", "web1", *PIN)
    assert (done.exit_code, done.stdout) == (Exit.UNREACHABLE, "")
    assert "no route to host" in done.stderr


# --- many hosts -----------------------------------------------------------------------------------


def test_a_host_that_fails_does_not_stop_the_others(world: World) -> None:
    world.host("web1", *fresh())
    world.host("web2", UnreachableError("no route to host"))
    world.host("web3", *fresh("debian-13-bare")[:1], UnreachableError("gone"))
    world.host("web4", facts_of("ubuntu-24.04-installed"))
    done = dockwright("install", "web1", "web2", "web3", "web4", "--yes", "--json", *PIN)
    assert done.exit_code == Exit.UNREACHABLE
    ends = {
        event.host: (event.event, int(event.exit))
        for event in events_of(done.stdout)
        if event.event in ("failed", "run_finished")
    }
    assert ends == {
        "web1": ("run_finished", 0), "web2": ("failed", 5), "web3": ("failed", 5),
        "web4": ("run_finished", 0),
    }  # fmt: skip


def test_a_fleet_exits_with_its_worst_host(world: World) -> None:
    broken = records("started -", f"stop s03 {b64('7 1 broken')}", "end - 7")
    world.host("web1", *fresh()[:2], broken)
    world.host("web2", UnreachableError("away"))
    world.host("web3", *fresh())
    assert (
        dockwright("install", "web1", "web2", "web3", "--yes", "-q", *PIN).exit_code == Exit.REPAIR
    )


# --- output ---------------------------------------------------------------------------------------


def test_json_is_events_and_nothing_else(world: World) -> None:
    world.host("web1", *fresh())
    done = dockwright("install", "web1", "--yes", "--json", *PIN)
    told = events_of(done.stdout)
    assert told[0].event == "run_started"
    assert told[-1].event == "run_finished"
    assert done.stderr == ""


def test_a_log_is_the_same_events(world: World, tmp_path: Path) -> None:
    world.host("web1", *fresh())
    log = tmp_path / "run.jsonl"
    done = dockwright("install", "web1", "--yes", "--json", "--log", str(log), *PIN)
    assert done.exit_code == Exit.OK
    assert events_of(log.read_text()) == events_of(done.stdout)
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_pipe_gets_no_escapes(world: World) -> None:
    world.host("web1", *fresh())
    assert "\x1b" not in dockwright("install", "web1", "--yes", *PIN).output
    world.host("web1", *fresh())
    assert "\x1b[" in dockwright("install", "web1", "--yes", "--color", "always", *PIN).output


# --- Ctrl-C ---------------------------------------------------------------------------------------


class Keys:
    """Signals as a terminal sends them: to the main thread, while a host is being read."""

    def __init__(self) -> None:
        self.stop = Stop()
        self.over = threading.Event()

    def remembered(self) -> Stop:
        return self.stop

    def once(self) -> None:
        self._send(signal.SIGINT, self.stop.after_step)

    def twice(self) -> None:
        self._send(signal.SIGINT, self.stop.now)

    def hang_up(self) -> None:
        self._send(signal.SIGHUP, self.stop.now)

    def while_planning(self) -> None:
        self._send(signal.SIGINT, None)

    def _send(self, number: signal.Signals, until: threading.Event | None) -> None:
        assert signal.getsignal(number) is not signal.SIG_DFL, "that would end the tests"
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, number)
        # This host says nothing more before the signal has arrived.
        assert (until or self.over).wait(5)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    made = Keys()
    monkeypatch.setattr("dockwright.runner.Stop", made.remembered)
    yield made
    made.over.set()


@pytest.mark.parametrize("hosts", [("web1",), ("web1", "web2")])
def test_ctrl_c_while_planning_is_130_and_nothing_was_changed(
    world: World, keys: Keys, hosts: tuple[str, ...]
) -> None:
    for name in hosts:
        world.host(name, FakeChannel([SILENCE]))
    world.host("web1", FakeChannel([keys.while_planning, SILENCE]))
    done = dockwright("install", *hosts, "--yes", *PIN)
    assert done.exit_code == Exit.INTERRUPTED
    assert "interrupted; nothing was changed" in done.output


def test_ctrl_c_once_stops_after_the_running_step(world: World, keys: Keys) -> None:
    stopped = f"stop s03 {b64('130 1 stopped after a step, as asked')}"
    program = records(
        "started -", "commit -", "begin s03 x", keys.once, "changed s03", stopped, "end - 130"
    )
    host = world.host("web1", *fresh()[:2], program, FakeChannel([]))
    done = dockwright("install", "web1", "--yes", *PIN)
    assert done.exit_code == Exit.INTERRUPTED
    assert "stopping after the running step" in done.output
    assert host.scripts[3].endswith("/stop\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_leaves_the_program_running(world: World, keys: Keys) -> None:
    program = records("started -", "commit -", keys.once, keys.twice, "begin s03 x", "begin s04 y")
    world.host("web1", *fresh()[:2], program, FakeChannel([]), FakeChannel([]))
    done = dockwright("install", "web1", "--yes", *PIN)
    assert done.exit_code == Exit.INTERRUPTED
    assert "left alone" in done.output
    assert "nothing was changed" not in done.output


def test_a_terminal_that_goes_away_leaves_the_program_running(world: World, keys: Keys) -> None:
    program = records("started -", keys.hang_up, "begin s03 x", "begin s04 y")
    world.host("web1", *fresh()[:2], program)
    assert dockwright("install", "web1", "--yes", *PIN).exit_code == Exit.INTERRUPTED


# --- the command itself ---------------------------------------------------------------------------


def test_help_has_every_exit_code_and_comes_in_groups() -> None:
    text = dockwright("--help").stdout
    for code in BY_EXIT:
        assert str(int(code)) in text
    assert text.index("Everyday") < text.index("Plans") < text.index("Look")


def test_the_version_is_told() -> None:
    from dockwright import __version__

    done = dockwright("--version")
    assert (done.exit_code, done.stdout) == (0, f"dockwright {__version__}\n")


@pytest.mark.slow
def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dockwright", "install", "web1"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == Exit.INPUT
    assert "there is no terminal to ask on" in done.stderr


def test_cut_is_a_word_that_fakes_know() -> None:
    with pytest.raises(UnreachableError):
        FakeChannel([CUT]).read(1.0)


# --- report ---------------------------------------------------------------------------------------


def test_a_log_is_told_again_with_the_same_exit_code(world: World, tmp_path: Path) -> None:
    world.host("web1", *fresh(), records(*INSTALLED))
    log = tmp_path / "run.jsonl"
    live = dockwright("install", "web1", "--yes", *PIN, "--log", str(log))
    again = dockwright("report", str(log))
    assert (again.exit_code, again.stdout) == (live.exit_code, live.stdout)


def test_a_line_that_is_no_event_is_named(tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"
    log.write_text("{}\n")
    done = dockwright("report", str(log))
    assert done.exit_code == Exit.INPUT
    assert "run.jsonl:1: that line is no event of a run" in done.output
    assert dockwright("report", str(tmp_path / "none")).exit_code == Exit.INPUT
