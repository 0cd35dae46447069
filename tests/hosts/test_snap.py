"""D10: Docker as a snap. Refused and left alone, unless asked; then replaced, and never stranded.

snapd is a stand-in here (tests/lab/snap.py); the snap's daemon, its containers and data are real.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.support import (
    Make,
    at,
    clean,
    dockwright,
    install,
    leftovers,
    printed,
    receipt,
    unseen,
    until,
    untouched,
    versions,
)
from tests.hosts.test_onefile import ends, hand, rendered, run
from tests.hosts.test_replace_adopted import serve
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.snap import CLIENT, DATA, install_snap

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]


@pytest.fixture
def host(prepared: Make) -> Host:
    """A host with the snap ``docker``, and a container ``app`` in it."""
    made = prepared("fresh")
    install_snap(made)
    assert running(made) == ["app"]
    made.exec("rm /var/lib/snapd/calls")
    made.mark()
    return made


def running(host: Host) -> list[str]:
    """The containers of the snap's daemon."""
    return host.exec([CLIENT, "ps", "--format", "{{.Names}}"]).stdout.split()


def calls(host: Host) -> list[str]:
    """What was asked of snapd."""
    return host.exec("cat /var/lib/snapd/calls 2>/dev/null", check=False).stdout.splitlines()


def gone(host: Host) -> bool:
    return host.exec("ls -d /snap/docker /var/snap/docker", check=False).stdout == ""


def test_without_being_asked_it_stays(lab: Lab, host: Host) -> None:
    """D10."""
    for options in ((), ("--allow-restart",)):
        done = install(lab, at(host, "ops"), *options)
        assert done.code == 3, done
        assert "--remove-snap" in done.told
        assert "MiB in /var/snap/docker would not move over" in done.told
        unseen(host)
    hand(host, rendered(lab, "--remove-snap"))
    for word in ("plan", "apply"):
        ends(run(host, word), 3, "snap 'docker'", "--remove-snap", "snap remove docker")
        untouched(host)
    done = install(lab, at(host, "ops"), "--remove-snap")
    assert done.code == 9, done  # a container would stop
    assert "app" in done.told
    untouched(host)
    assert running(host) == ["app"]
    assert calls(host) == []


def test_asked_for_it_is_replaced(lab: Lab, host: Host) -> None:
    plan = dockwright(lab, "plan", "docker", at(host, "ops"), "--remove-snap").plan
    assert [a.kind for a in plan.actions if "snap" in a.kind] == ["snap_disable", "snap_remove"]
    assert plan.stops == ("app",)
    assert "do not move over" in plan.actions[-1].reason
    unseen(host)
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 20, done
    assert calls(host) == ["snap disable docker", "snap remove docker"]
    assert gone(host)
    assert "auto" in host.exec("snap saved").stdout  # not purged
    assert ["snap", "docker", "removed"] in receipt(host, done)
    clean(host)
    host.mark()
    done = install(lab, at(host, "ops"), "--remove-snap")
    assert done.code == 0, done
    unseen(host)
    shown = lab.dockwright("undo", at(host, "ops"), "--dry-run").stdout
    assert "snap 'docker' does not come back by itself" in " ".join(shown.split())
    undone = lab.dockwright("undo", at(host, "ops"), "--yes")
    assert undone.returncode == 0, undone
    assert versions(host) == {}


def _postinst(root: Path) -> None:
    (root / "DEBIAN/postinst").write_text("#!/bin/sh\nexit 1\n")


def back_again(host: Host) -> None:
    """The snap answers with its container and its data; nothing of ours is half there."""
    until(lambda: running(host) == ["app"], "the container of the snap runs again")
    assert versions(host) == {}
    assert host.exec("dpkg --audit").stdout == ""
    assert host.exec([CLIENT, "info", "-f", "{{.DockerRootDir}}"]).stdout == f"{DATA}\n"
    assert leftovers(host) == []


def test_where_the_new_one_cannot_be_installed_it_comes_back(lab: Lab, host: Host) -> None:
    serve(lab, "snap-postinst", _postinst)
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 6, done
    assert "the old runtime is back and answers" in done.told
    assert calls(host) == ["snap disable docker", "snap enable docker"]
    back_again(host)
    lab.vendor.serve("good")
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 20, done
    assert gone(host)
    clean(host)


@pytest.mark.deep
def test_where_the_new_daemon_does_not_start_it_comes_back(lab: Lab, host: Host) -> None:
    """Installed, and its daemon cannot run here: the snap serves the host until that is mended."""
    broken = "/etc/systemd/system/docker.service.d/broken.conf"
    host.put(broken, "[Service]\nExecStart=\nExecStart=/bin/false\nRestart=no\n")
    host.mark()
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 6, done
    assert calls(host) == ["snap disable docker", "snap enable docker"]
    until(lambda: running(host) == ["app"], "the container of the snap runs again")
    host.exec(f"rm {broken} && systemctl daemon-reload")
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 20, done
    assert gone(host)
    clean(host)


def test_nothing_is_stranded_before_the_download(lab: Lab, host: Host) -> None:
    """The packages are not to be had: snapd was not even asked."""
    lab.vendor.serve("no-pool")
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 5, done
    assert calls(host) == []
    assert running(host) == ["app"]
    untouched(host)


@pytest.mark.deep
def test_snapd_that_fails(lab: Lab, host: Host) -> None:
    """It can't disable: the old one serves. It can't remove: the new one serves, the snap stays disabled."""
    host.exec("touch /var/lib/snapd/fail-disable")
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 6, done
    back_again(host)
    host.exec("mv /var/lib/snapd/fail-disable /var/lib/snapd/fail-remove")
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 6, done
    assert "snapd could not remove it" in done.told
    assert "Hello from Docker!" in printed(host, "docker run --rm hello-world")
    host.exec("docker image rm hello-world")
    host.exec("rm /var/lib/snapd/fail-remove")
    done = install(lab, at(host, "ops"), "--remove-snap", "--allow-restart")
    assert done.code == 20, done
    assert gone(host)
    clean(host)
