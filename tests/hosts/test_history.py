"""The runs of a host: told in one round trip, and each of them taken back, or refused with reasons."""

from __future__ import annotations

import json

import pytest

from dockwright.events import HistoryTold, PastRun
from tests.hosts.support import (
    DAEMON,
    KEY,
    SOURCE,
    STATE,
    Make,
    Run,
    at,
    containers,
    cut_off_host,
    dockwright,
    engine,
    install,
    printed,
    sessions,
    talkative,
    unseen,
    until,
    untouched,
    versions,
)
from tests.hosts.test_uninstall import beyond, system
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


def history(lab: Lab, host: Host, user: str = "ops") -> list[PastRun]:
    run = dockwright(lab, "history", at(host, user))
    assert run.code == 0, run
    return list(run.one(HistoryTold).runs)


def undo(lab: Lab, host: Host, *args: str) -> Run:
    return dockwright(lab, "undo", at(host), "--yes", "--allow-restart", *args)


def wish(**keys: object) -> tuple[str, str]:
    return "--set", f"docker_daemon={json.dumps(keys)}"


def test_history_is_read_only_and_one_round_trip(lab: Lab, prepared: Make) -> None:
    host = prepared("fresh")
    talkative(host)
    host.mark()
    before = sessions(host)
    assert history(lab, host) == []
    assert sessions(host) == before + 1
    unseen(host)
    install(lab, at(host, "ops"), "--add-user", "pat")
    install(lab, at(host, "ops"), *wish(**{"log-driver": "local"}))
    install(lab, at(host, "ops"))  # nothing to do: no run
    host.mark()
    first, second = history(lab, host)
    assert (first.playbook, first.exit, second.exit) == ("docker", 0, 0)
    assert first.who == second.who != ""
    assert first.began <= second.began
    assert "docker-ce" in first.changed
    assert "pat in group docker" in first.changed
    assert second.changed == "daemon.json"
    unseen(host)
    for_people = lab.dockwright("history", at(host, "ops"))
    assert first.run_id in for_people.stdout
    assert "pat in group docker" in " ".join(for_people.stdout.split())


def test_any_run_is_taken_back(lab: Lab, prepared: Make) -> None:
    """The first of two that have nothing in common; then the second; then there is none."""
    host = prepared("fresh")
    install(lab, at(host), *wish(**{"log-driver": "local"}))
    install(lab, at(host), "--add-user", "pat")
    first, second = (run.run_id for run in history(lab, host))
    host.exec("docker volume create data")
    host.mark()
    assert undo(lab, host, "--run", "2026-01-01-nosuch").code == 3
    untouched(host)
    run = undo(lab, host, "--run", first)
    assert run.code == 0, run
    assert run.plan.undoes == first
    assert versions(host) == {}
    for path in (KEY, SOURCE, DAEMON):
        assert host.exec(["test", "-e", path], check=False).returncode == 1
    again = undo(lab, host, "--run", first)
    assert again.code == 3, again
    assert "undone already" in again.told
    assert "docker" in host.exec("id -nG pat").stdout.split()
    run = undo(lab, host)
    assert run.code == 0, run
    assert run.plan.undoes == second
    assert "docker" not in host.exec("id -nG pat").stdout.split()
    none = undo(lab, host)
    assert none.code == 3, none
    assert "there is no run to undo" in none.told
    states = {run.run_id: run.undone for run in history(lab, host)}
    assert states[first] is states[second] is True


def test_what_was_changed_since_is_shown_and_nothing_is_taken_back(
    lab: Lab, prepared: Make
) -> None:
    """By a later run of ours, by apt, or by a person."""
    host = prepared("fresh")
    install(lab, at(host), "--docker-version", "29.7.1", *wish(**{"log-driver": "local"}))
    (first,) = (run.run_id for run in history(lab, host))
    install(lab, at(host), "--upgrade", "--allow-restart", *wish(**{"log-driver": "local"}))
    host.put(DAEMON, '{"log-driver": "json-file"}\n')
    host.mark()
    for _ in range(2):
        run = undo(lab, host, "--run", first)
        assert run.code == 3, run
        assert "docker-ce: is 5:29.7.2" in run.told
        assert f"{DAEMON}: holds something else" in run.told
        untouched(host)
    assert engine(host) == "29.7.2"
    # Back step by step: the upgrade first, then what it upgraded.
    host.put(DAEMON, json.dumps({"log-driver": "local"}, indent=2) + "\n")
    run = undo(lab, host)
    assert run.code == 0, run
    assert engine(host) == "29.7.1"
    run = undo(lab, host)
    assert run.code == 0, run
    assert versions(host) == {}


def test_docker_of_the_distribution_runs_again(lab: Lab, prepared: Make) -> None:
    """As if nothing had been: but for what is told below, no file is another than before."""
    host = prepared("distribution")
    images = host.exec("docker image ls -q").stdout
    before = system(host)
    host.mark()
    assert install(lab, at(host), "--allow-restart").code == 20
    (run_id,) = (run.run_id for run in history(lab, host))
    run = undo(lab, host, "--run", run_id)
    assert run.code == 0, run
    assert "docker.io" in versions(host, "docker.io")
    until(lambda: "app" in containers(host), "what ran before runs again")
    assert host.exec("docker image ls -q").stdout == images
    assert beyond(host) == []
    assert system(host) == before
    assert printed(host, "docker run --rm -v data:/d ubuntu cat /d/file") == "precious\n"


def test_what_has_to_be_downloaded_comes_through_the_proxy(lab: Lab, prepared: Make) -> None:
    """A host without another way out: 5 and nothing changed without it, and back with it."""
    host = prepared("29.7.1")
    assert install(lab, at(host), "--upgrade").code == 20
    host.exec(f"rm -rf {STATE}/debs /var/cache/apt/archives/*.deb")
    cut_off_host(host)
    run = undo(lab, host)
    assert run.code == 5, run
    assert engine(host) == "29.7.2"
    with lab.proxy() as proxy:
        run = undo(lab, host, "--proxy", proxy.url)
        assert run.code == 0, run
        assert run.plan.proxy == proxy.url
        assert any("docker-ce_" in line for line in proxy.requests) or proxy.requests
    assert engine(host) == "29.7.1"


def test_an_undo_that_was_cut_is_ended_by_the_same_command(lab: Lab, prepared: Make) -> None:
    host = prepared("docker")
    (run_id,) = (run.run_id for run in history(lab, host))
    watch = (
        "(while dpkg-query -W -f='${db:Status-Status}' docker-ce | grep -q ^installed; do sleep 0.02;"
        " done; systemctl kill --signal=KILL 'dockwright-*') >/dev/null 2>&1 &"
    )
    host.exec(watch)
    cut = undo(lab, host)
    assert cut.code == 6, cut
    run = undo(lab, host, "--run", run_id)
    assert run.code == 0, run
    assert versions(host) == {}
    assert host.exec(["test", "-e", KEY], check=False).returncode == 1
    assert host.exec("dpkg --audit").stdout == ""
