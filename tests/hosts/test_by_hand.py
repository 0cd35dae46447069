"""A dockerd that nobody's service manager started: proven, and told when it is gone."""

from __future__ import annotations

import pytest

from dockwright.events import StepFinished
from tests.hosts.support import at, dockwright, install, until
from tests.lab.fixtures import HostFactory
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]


def test_e05_a_daemon_that_was_started_by_hand(lab: Lab, host_factory: HostFactory) -> None:
    host = host_factory(systemd=False)
    wish = ("--set", "docker_service=none")
    assert install(lab, at(host, "ops"), *wish).code == 20
    silent = dockwright(lab, "verify", at(host, "ops"), *wish)
    assert silent.code == 8, silent
    assert "the daemon does not answer" in silent.told
    host.exec("setsid -f dockerd >/var/log/dockerd.log 2>&1 </dev/null")
    until(lambda: host.exec("docker info", check=False).returncode == 0, "dockerd answers")
    host.mark()
    run = dockwright(lab, "verify", at(host, "ops"), *wish)
    assert run.code == 0, run
    assert [one.outcome for one in run.all(StepFinished)] == ["verified"]
    again = install(lab, at(host, "ops"), *wish)
    assert again.code == 0, again
    assert host.exec("docker images -q").stdout == ""
