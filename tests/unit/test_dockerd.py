"""What would keep dockerd from starting is found before daemon.json is written: D04, D05, D07."""

from __future__ import annotations

from typing import Any

import pytest

from dockwright.errors import RefusedError
from dockwright.models import FileFact
from dockwright.steps.dockerd import refuse_what_breaks
from tests.unit.making import pin as pinned
from tests.unit.making import recorded, whole_plan

# DGX's docker-override.conf; NVIDIA's manual of DGX OS.
DGX = "/usr/bin/dockerd -H fd:// -s overlay2 --default-shm-size=1G --log-opt a=b"


def brief(merged: dict[str, Any], exec_start: str = "", swarm: str = "inactive") -> str:
    known = recorded("ubuntu-24.04-installed")
    assert known.daemon is not None
    daemon = known.daemon.model_copy(update={"swarm": swarm})
    ground = known.ground.model_copy(update={"exec_start": exec_start})
    known = known.model_copy(update={"ground": ground, "daemon": daemon})
    try:
        refuse_what_breaks("daemon.json", merged, known, "s")
    except RefusedError as error:
        return error.brief
    return ""


@pytest.mark.parametrize(
    ("merged", "exec_start", "key"),
    [
        ({"hosts": ["tcp://0.0.0.0:1"]}, "", "hosts"),  # Docker's own unit has -H fd://
        ({"hosts": []}, "/usr/bin/dockerd -Hfd://", "hosts"),
        ({"hosts": []}, "/usr/bin/dockerd --host=fd://", "hosts"),
        ({"storage-driver": "overlay2"}, DGX, "storage-driver"),
        ({"default-shm-size": "2G"}, DGX, "default-shm-size"),
        ({"log-opts": {"max-size": "5m"}}, DGX, "log-opts"),
        ({"labels": ["a"]}, "dockerd --label b", "labels"),
        ({"proxies": {"http-proxy": "x"}}, "dockerd --http-proxy=y", "http-proxy"),
        ({"log-driver": "local"}, DGX, ""),
        ({"runtimes": {"x": {}}}, "dockerd --add-runtime=y=/y", ""),  # dockerd takes both
        ({"hosts": []}, "/usr/bin/dockerd --containerd=/run/x.sock", ""),
    ],
)
def test_d04_a_key_that_is_a_flag_as_well(
    merged: dict[str, Any], exec_start: str, key: str
) -> None:
    assert brief(merged, exec_start).partition(":")[0] == key


def test_d05_what_dockerd_s_own_check_lets_pass() -> None:
    assert "no absolute path" in brief({"data-root": "docker"})
    assert brief({"data-root": "/srv/docker"}) == ""
    assert "default-runtime is nope" in brief({"default-runtime": "nope"})
    for fine in ("runc", "io.containerd.runsc.v1"):
        assert brief({"default-runtime": fine}) == ""
    assert brief({"default-runtime": "mine", "runtimes": {"mine": {}}}) == ""
    assert brief({"default-runtime": "mine"}, "dockerd --add-runtime=mine=/x") == ""


def test_d07_live_restore_on_a_swarm_node() -> None:
    assert brief({"live-restore": True}) == ""
    assert "Swarm" in brief({"live-restore": True}, swarm="active")
    assert brief({"live-restore": False}, swarm="active") == ""


def test_the_plan_is_refused_and_says_which_flag_it_is() -> None:
    keys = {
        "docker_daemon": {"hosts": ["tcp://127.0.0.1:2375"], "tlsverify": True},
        "docker_fingerprint": pinned(),
    }
    with pytest.raises(RefusedError, match="hosts: on dockerd's command line") as caught:
        whole_plan(recorded("ubuntu-24.04-bare"), variables=keys)
    assert ("flag", "-H") in caught.value.details


def test_a_drop_in_that_waits_for_the_unit_counts() -> None:
    """As the manual has it for hosts in daemon.json: the first ExecStart= takes the unit's away."""
    text = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n"
    bare = recorded("ubuntu-24.04-bare")
    path = "/etc/systemd/system/docker.service.d/override.conf"
    file = FileFact(path=path, sha256="x", mode="0644", owner="root:root", content=text)
    waits = bare.model_copy(update={"files": (*bare.files, file)})
    refuse_what_breaks("daemon.json", {"hosts": []}, waits, "s")
    with pytest.raises(RefusedError):
        refuse_what_breaks("daemon.json", {"hosts": []}, bare, "s")
