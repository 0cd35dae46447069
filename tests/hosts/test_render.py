"""What render prints is what runs: by hand, on a host without Python, it gives the same end."""

from __future__ import annotations

import pytest

from dockwright.plan import Verb
from tests.hosts.support import KEY, SOURCE, Make, at, clean, install, journal, unseen, versions
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


def render(lab: Lab, target: str) -> str:
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    done = lab.dockwright("render", "docker", "--for", target, *pin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_by_hand(lab: Lab, prepared: Make) -> None:
    twin, host = prepared("fresh"), prepared("fresh")
    text = render(lab, at(host))
    unseen(host)
    assert text.startswith("#!/bin/sh\n")
    assert lab.dockwright("render", "docker", "--for", at(host), "--set",
                          f"docker_fingerprint={lab.fingerprint}").stdout == text  # fmt: skip

    host.put("/root/docker.sh", text)
    host.mark()
    done = host.exec("sh /root/docker.sh", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hello" not in done.stderr
    clean(host)
    assert journal(host)[-1].endswith("ended with 0")

    other = install(lab, at(twin))
    assert other.code == 20, other
    assert versions(host) == versions(twin)
    for path in (KEY, SOURCE):
        shown = [h.exec(f"cat {path}; stat -c '%a %U:%G' {path}").stdout for h in (host, twin)]
        assert shown[0] == shown[1]

    again = install(lab, at(host))
    assert again.code == 0, again
    assert {action.verb for action in again.plan.actions} == {Verb.KEEP}


def test_it_is_guarded(lab: Lab, prepared: Make) -> None:
    """The program knows its host: elsewhere, or without root, it refuses and changes nothing."""
    host, stranger = prepared("fresh"), prepared("fresh", "ubuntu-24.04")
    text = render(lab, at(host))
    for user, code in (("root", 3), ("plain", 5)):
        stranger.put("/tmp/docker.sh", text)
        stranger.mark()
        done = stranger.exec("sh /tmp/docker.sh", user=user, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert [p for p in stranger.changed() if not p.startswith("/var/lib/dockwright")] == []
