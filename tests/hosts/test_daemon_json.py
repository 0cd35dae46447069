"""daemon.json is others' as much as ours: merged by key, or refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from dockwright.events import StepFinished
from tests.hosts.support import (
    DAEMON,
    Layers,
    Make,
    Run,
    at,
    containers,
    engine,
    install,
    leftovers,
    receipt,
)
from tests.lab.host import Host
from tests.lab.lab import Lab

# Where this Python sees a comma too many in line 2: at the comma, or where it wants a name after it.
COMMA = "line 2 column 16" if sys.version_info >= (3, 13) else "line 3 column 1"

pytestmark = pytest.mark.lab

THEIRS = (
    '{\n  "log-opts": {"max-size": "11m"},\n  "labels": ["site=lab"],\n  "shutdown-timeout": 7\n}\n'
)


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    """A Docker host for all the runs that change nothing."""
    made = layers.host("docker")
    yield made
    made.remove()


def want(lab: Lab, host: Host, keys: str, *args: str) -> Run:
    return install(lab, at(host, "ops"), "--set", f"docker_daemon={keys}", *args)


def started(host: Host) -> str:
    return host.exec("systemctl show -P ExecMainStartTimestampMonotonic docker").stdout


def with_app(host: Host) -> dict[str, str]:
    host.exec("docker run -d --stop-timeout=1 --restart=always --name app ubuntu sleep 1000")
    return containers(host)


def test_merge_and_reload(lab: Lab, prepared: Make) -> None:
    """D01: Keys of others stay, in their order, with the file's mode; containers go on."""
    host = prepared("docker")
    host.put(DAEMON, THEIRS, 0o600)
    host.exec("systemctl restart docker")
    app, since = with_app(host), started(host)
    host.mark()

    run = want(lab, host, "{debug: true, max-concurrent-downloads: 5}")
    assert run.code == 20, run
    merged = json.loads(host.exec(["cat", DAEMON]).stdout)
    assert list(merged) == [
        "log-opts",
        "labels",
        "shutdown-timeout",
        "debug",
        "max-concurrent-downloads",
    ]
    assert {k: merged[k] for k in json.loads(THEIRS)} == json.loads(THEIRS)
    assert host.exec(["stat", "-c", "%a %U:%G", DAEMON]).stdout == "600 root:root\n"
    assert host.exec("docker info -f '{{.Debug}}'").stdout == "true\n"
    assert (containers(host), started(host)) == (app, since)
    assert [p for p in host.changed() if not p.startswith("/var/lib/dockwright")] == [DAEMON]

    (row,) = [row for row in receipt(host, run) if row[0] == "file"]
    assert row[1] == DAEMON
    assert host.exec(["cat", row[3]]).stdout == THEIRS
    assert ["keys", DAEMON, "debug", "max-concurrent-downloads"] in receipt(host, run)

    host.mark()
    again = want(lab, host, "{debug: true, max-concurrent-downloads: 5}")
    assert again.code == 0, again
    assert host.changed() == []


@pytest.mark.parametrize(
    ("content", "keys", "words"),
    [
        (THEIRS, "{shutdown-timeout: 9}", ["shutdown-timeout", "7", "9"]),
        (THEIRS, "{log-opts: {max-size: 5m}}", ["log-opts.max-size", "11m", "5m"]),
        ('{\n  "debug": true,\n}\n', "{debug: true}", [COMMA]),
        ('{\n  "debug": true,\n  "debug": false\n}\n', "{debug: true}", ["debug", "twice"]),
        ("[]\n", "{debug: true}", ["object"]),
        (
            "{}\n",
            "{hosts: ['tcp://127.0.0.1:2375'], tlsverify: true}",
            ["hosts", "command line", "-H"],
        ),
        ("{}\n", "{data-root: docker}", ["data-root", "no absolute path"]),
        ("{}\n", "{default-runtime: nope}", ["default-runtime", "does not define"]),
        ("\ufeff{}\n", "{debug: true}", ["BOM"]),
        ('{\n  // mine\n  "debug": true\n}\n', "{debug: true}", ["line 2 column 3"]),
    ],
    ids=[
        "clash",
        "deep-clash",
        "comma",
        "twin",
        "list",
        "flag",
        "relative",
        "no-runtime",
        "bom",
        "comment",
    ],
)
def test_refused(lab: Lab, host: Host, content: str, keys: str, words: list[str]) -> None:
    """D02, D03, D04 and D05: found before the file is touched, and dockerd goes on."""
    host.put(DAEMON, content)
    since = started(host)
    host.mark()
    run = want(lab, host, keys)
    assert run.code == 3, run
    for word in words:
        assert word in run.told, run.told
    assert DAEMON in run.told
    assert host.changed() == []
    assert started(host) == since


def test_restart(lab: Lab, prepared: Make) -> None:
    """D06: What needs a restart stops containers: only when they may stop, or live-restore keeps them."""
    host = prepared("docker")
    app, since = with_app(host), started(host)
    host.mark()
    refused = want(lab, host, "{log-driver: local}")
    assert refused.code == 9, refused
    assert "app" in refused.told
    assert host.changed() == []
    assert (containers(host), started(host)) == (app, since)

    run = want(lab, host, "{log-driver: local}", "--allow-restart")
    assert run.code == 20, run
    assert host.exec("docker info -f '{{.LoggingDriver}}'").stdout == "local\n"
    assert list(containers(host)) == ["app"]
    assert started(host) != since

    # With live-restore, which is only reloaded, a later restart stops nothing.
    app = containers(host)
    live = want(lab, host, "{log-driver: local, live-restore: true}")
    assert live.code == 20, live
    assert containers(host) == app
    since = started(host)
    more = want(lab, host, "{log-driver: local, live-restore: true, log-opts: {max-size: 5m}}")
    assert more.code == 20, more
    assert containers(host) == app
    assert started(host) != since


def test_a_value_that_stops_the_daemon(lab: Lab, prepared: Make) -> None:
    """D08, D05: dockerd --validate lets a bad value pass: the daemon's old file comes back, and it runs."""
    host = prepared("docker")
    host.put(DAEMON, THEIRS)
    host.exec("systemctl restart docker")
    run = want(lab, host, "{data-root: /proc/nowhere}")
    assert run.code == 6, run
    assert host.exec(["cat", DAEMON]).stdout == THEIRS
    assert host.exec("docker info -f '{{.ServerVersion}}'").returncode == 0
    assert leftovers(host) == []
    (failed,) = [step for step in run.all(StepFinished) if step.outcome == "failed"]
    assert "old file" in failed.cause
    assert engine(host) == "29.7.2"
