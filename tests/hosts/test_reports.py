"""Reports of a real fleet: one host becomes a Docker host, one is busy, one is not there."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dockwright.events import Outcome
from dockwright.report import FILES
from dockwright.report.bars import spent
from dockwright.report.fleet import Fleet
from dockwright.report.html import render_html
from dockwright.report.jsonl import read_log
from dockwright.report.story import Kind
from tests.hosts.support import Make, at, dockwright
from tests.hosts.test_locks import LOCKS, held
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


def test_a_fleet_s_reports(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    good, busy = prepared("fresh"), prepared("fresh", "ubuntu-24.04")
    names = at(good, "ops"), at(busy, "ops"), "ops@nowhere"
    log, files = tmp_path / "run.jsonl", {name: tmp_path / f"run.{name}" for name in FILES}
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    with held(busy, LOCKS[0]):
        run = dockwright(
            lab, "install", *names, "--yes", "--lock-timeout", "3", "--log", log, *options
        )
    assert run.code == 10, run

    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    for text in texts.values():
        for said in (*names, "slow-upgrade", "is not the shipped one: it is set by"):
            assert said in text
    assert "1 of 3 hosts is a Docker host" in texts["html"]
    assert "1 of 3 hosts is a Docker host" in texts["summary"]
    suites = {suite.get("name"): suite for suite in ET.fromstring(texts["junit"])}
    bad = [name for name, suite in suites.items() if suite.get("failures") != "0"]
    assert sorted(map(str, bad)) == sorted(names[1:])

    stories = Fleet.of(read_log(log)).hosts
    one = stories[names[0]]
    kinds = spent(one)
    assert {Kind.CONNECT, Kind.TRUST, Kind.PREFLIGHT, Kind.DOWNLOAD, Kind.STEP, Kind.VERIFY} <= set(
        kinds
    )
    # All of the time is told of, and none of it twice.
    assert 0.9 * one.seconds < sum(kinds.values()) <= one.seconds + 0.01
    assert all(span.outcome is not None for span in one.spans)
    waited = stories[names[1]]
    assert 2.5 < spent(waited)[Kind.LOCK] < 60
    assert waited.spans[-1].outcome is Outcome.FAILED
    (away,) = stories["ops@nowhere"].spans
    assert (away.kind, away.outcome) == (Kind.CONNECT, Outcome.FAILED)

    # Later, from the log alone, it is the same to the letter.
    for path in files.values():
        path.unlink()
    again = lab.dockwright("report", str(log), *options)
    assert again.returncode == 10
    assert {name: path.read_text(encoding="utf-8") for name, path in files.items()} == texts
    cut = read_log(log)[:-4]
    assert "cut short" in render_html(Fleet.of(cut))


def test_a_report_that_cannot_be_written_is_known_before_any_contact(
    lab: Lab, prepared: Make
) -> None:
    host = prepared("fresh")
    before = host.exec("journalctl -q -b -u ssh -o cat --no-pager").stdout
    for name in FILES:
        run = dockwright(lab, "install", at(host), "--yes", f"--{name}", "/nonexistent/run")
        assert run.code == 2
        assert run.out == ""
        assert "cannot be written: No such file or directory" in run.err
    assert host.exec("journalctl -q -b -u ssh -o cat --no-pager").stdout == before
