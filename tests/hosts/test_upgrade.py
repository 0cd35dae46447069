"""What is installed is kept and told; upgrades are asked for, and a new major version by its name."""

from __future__ import annotations

import pytest

from dockwright.plan import Verb
from tests.hosts.support import (
    Make,
    at,
    clean,
    containers,
    engine,
    install,
    receipt,
    untouched,
    versions,
)
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

TOGETHER = ("docker-ce", "docker-ce-cli", "docker-ce-rootless-extras")


def upstream(version: str) -> str:
    return version.split(":")[1].split("-", maxsplit=1)[0]


def test_within_a_major_version(lab: Lab, prepared: Make) -> None:
    """C13."""
    host = prepared("29.7.1")
    kept = install(lab, at(host))
    assert kept.code == 0, kept
    (note,) = kept.plan.notes
    assert note == "docker-ce 29.7.1 is kept; 29.7.2 is there: --upgrade"
    untouched(host)
    before = versions(host)

    run = install(lab, at(host, "ops"), "--upgrade")
    assert run.code == 20, run
    after = versions(host)
    assert {upstream(after[name]) for name in TOGETHER} == {"29.7.2"}
    rows = receipt(host, run)
    for name in TOGETHER:
        assert ["package", name, before[name], after[name]] in rows
    clean(host)

    again = install(lab, at(host), "--upgrade")
    assert again.code == 0, again
    assert {action.verb for action in again.plan.actions} == {Verb.KEEP}


def test_a_major_version_is_named(lab: Lab, prepared: Make) -> None:
    """C13."""
    host = prepared("28.5.2")
    kept = install(lab, at(host))
    assert kept.code == 0, kept
    assert kept.plan.notes == ("docker-ce 28.5.2 is kept; 29.7.2 is there: --docker-version 29",)
    stayed = install(lab, at(host), "--upgrade")
    assert stayed.code == 0, stayed
    assert engine(host) == "28.5.2"
    (note,) = stayed.plan.notes
    assert "29.7.2" in note
    assert "--docker-version 29" in note
    untouched(host)

    host.exec("docker run -d --stop-timeout=1 --name app ubuntu sleep 1000")
    was = containers(host)
    refused = install(lab, at(host), "--docker-version", "29")
    assert refused.code == 9, refused
    assert "app" in refused.told
    assert (containers(host), engine(host)) == (was, "28.5.2")
    untouched(host)

    run = install(lab, at(host), "--docker-version", "29", "--allow-restart")
    assert run.code == 20, run
    assert {upstream(versions(host)[name]) for name in TOGETHER} == {"29.7.2"}
    host.exec("docker start app")
    clean(host)


def test_an_older_version_that_is_named(lab: Lab, prepared: Make) -> None:
    host = prepared("docker", "ubuntu-24.04")
    run = install(lab, at(host), "--docker-version", "29.7.1")
    assert run.code == 20, run
    assert {upstream(versions(host)[name]) for name in TOGETHER} == {"29.7.1"}
    again = install(lab, at(host), "--docker-version", "29.7.1")
    assert again.code == 0, again
    clean(host)
