"""A GPU host on its way back: what NVIDIA's side brought goes first, an administrator's keys stay."""

from __future__ import annotations

import json

import pytest

from dockwright.events import Note
from tests.hosts.support import DAEMON, untouched, versions
from tests.hosts.test_gpu import LISTED, ROUTES, SPEC, TOOLKIT, by, install
from tests.hosts.test_purge import ROOT as DATA
from tests.hosts.test_purge import STORE, inside, purge
from tests.hosts.test_uninstall import bare, beyond, uninstall
from tests.lab.fixtures import HostFactory
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

MINE = '{\n\t"labels": ["rack=7"],\n\t"runtimes": {"own": {"path": "/usr/bin/true"}}\n}\n'


def test_there_and_back_and_there_and_all_of_it(lab: Lab, host_factory: HostFactory) -> None:
    host = host_factory(dress="ubuntu-24.04", gpu=True)
    host.put(DAEMON, MINE)
    host.mark()
    done = install(lab, host, "--set", "nvidia_default_runtime=true")
    assert done.code == 20, done
    daemon = json.loads(host.exec(["cat", DAEMON]).stdout)
    assert set(daemon["runtimes"]) == {"own", "nvidia"}
    assert daemon["default-runtime"] == "nvidia"

    run = uninstall(lab, host)
    assert run.code == 20, run
    assert host.exec(["cat", DAEMON]).stdout == MINE
    assert versions(host, *TOOLKIT) == {}
    assert beyond(host, DAEMON) == []  # written anew, with the bytes of before
    bare(host)
    host.mark()
    assert uninstall(lab, host).code == 0
    untouched(host)

    done = install(lab, host)
    assert done.code == 20, done
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    host.exec("docker volume create data")
    run = purge(lab, host, "--all")
    assert run.code == 20, run
    assert inside(host, DATA) == inside(host, STORE) == []
    assert versions(host, *TOOLKIT) == {}
    assert host.exec(["test", "-e", SPEC], check=False).returncode == 1
    assert host.exec(["cat", DAEMON]).stdout == MINE
    told = [note.text for note in run.all(Note)]
    assert any(text.startswith("left: /etc/docker (") for text in told)
    assert not any("nvidia" in text for text in told)
    bare(host)
    assert purge(lab, host, "--all").code == 0
