"""What would keep dockerd from starting is found before daemon.json is written: D04, D05, D07."""

from __future__ import annotations

from typing import Any

import pytest

from dockwright import facts as facts_module
from dockwright.errors import RefusedError
from dockwright.models import FileFact
from dockwright.steps.daemon_fit import unfit
from tests.unit.making import NONCE, changed, recorded, whole_plan
from tests.unit.making import pin as pinned

# DGX's docker-override.conf; NVIDIA's manual of DGX OS.
DGX = (
    "/usr/bin/dockerd",
    "-H",
    "fd://",
    "-s",
    "overlay2",
    "--default-shm-size=1G",
    "--log-opt",
    "a=b",
)


def briefs(
    merged: dict[str, Any], flags: tuple[str, ...] = (), swarm: str = "inactive"
) -> list[str]:
    known = recorded("ubuntu-24.04-installed")
    assert known.daemon is not None
    daemon = known.daemon.model_copy(update={"swarm": swarm})
    known = known.model_copy(update={"dockerd_flags": flags, "daemon": daemon})
    return [brief for brief, _, _ in unfit(merged, list(merged), known)]


@pytest.mark.parametrize(
    ("merged", "flags", "key"),
    [
        ({"hosts": ["tcp://0.0.0.0:1"]}, (), "hosts"),  # Docker's own unit has -H fd://
        ({"hosts": []}, ("/usr/bin/dockerd", "-Hfd://"), "hosts"),
        ({"hosts": []}, ("/usr/bin/dockerd", "--host=fd://"), "hosts"),
        ({"storage-driver": "overlay2"}, DGX, "storage-driver"),
        ({"default-shm-size": "2G"}, DGX, "default-shm-size"),
        ({"log-opts": {"max-size": "5m"}}, DGX, "log-opts"),
        ({"labels": ["a"]}, ("dockerd", "--label", "b"), "labels"),
        ({"proxies": {"http-proxy": "x"}}, ("dockerd", "--http-proxy=y"), "http-proxy"),
        ({"log-driver": "local"}, DGX, None),
        ({"runtimes": {"x": {}}}, ("dockerd", "--add-runtime=y=/y"), None),  # dockerd takes both
        ({"hosts": []}, ("/usr/bin/dockerd", "--containerd=/run/x.sock"), None),
    ],
)
def test_d04_a_key_that_is_a_flag_as_well(
    merged: dict[str, Any], flags: tuple[str, ...], key: str | None
) -> None:
    found = briefs(merged, flags)
    assert [one.split()[0] for one in found] == ([key] if key else [])


def test_d05_what_dockerd_s_own_check_lets_pass() -> None:
    assert "no absolute path" in briefs({"data-root": "docker"})[0]
    assert briefs({"data-root": "/srv/docker"}) == []
    assert "default-runtime is nope" in briefs({"default-runtime": "nope"})[0]
    for fine in ("runc", "io.containerd.runsc.v1"):
        assert briefs({"default-runtime": fine}) == []
    assert briefs({"default-runtime": "mine", "runtimes": {"mine": {}}}) == []
    assert briefs({"default-runtime": "mine"}, ("dockerd", "--add-runtime=mine=/x")) == []


def test_d07_live_restore_on_a_swarm_node() -> None:
    assert briefs({"live-restore": True}) == []
    assert "Swarm" in briefs({"live-restore": True}, swarm="active")[0]
    assert briefs({"live-restore": False}, swarm="active") == []


def test_the_plan_is_refused_and_says_where_the_flag_is() -> None:
    keys = {"docker_daemon": {"hosts": ["tcp://127.0.0.1:2375"]}, "docker_fingerprint": pinned()}
    with pytest.raises(RefusedError, match="hosts stands in daemon") as caught:
        whole_plan(recorded("ubuntu-24.04-bare"), variables=keys)
    assert ("why", "docker.service has -H") in caught.value.details
    own = changed(recorded("ubuntu-24.04-installed"), {"dockerd_flags": ["dockerd"]})
    assert whole_plan(own, variables=keys).changes


def test_a_drop_in_that_waits_for_the_unit_counts() -> None:
    """As the manual has it for hosts in daemon.json: the first ExecStart= takes the unit's away."""
    text = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n"
    bare = recorded("ubuntu-24.04-bare")
    path = "/etc/systemd/system/docker.service.d/override.conf"
    file = FileFact(path=path, sha256="x", mode="0644", owner="root:root", content=text)
    waits = bare.model_copy(update={"files": (*bare.files, file)})
    assert list(unfit({"hosts": []}, ["hosts"], waits)) == []
    assert len(list(unfit({"hosts": []}, ["hosts"], bare))) == 1


def test_the_command_line_is_read_with_its_drop_ins() -> None:
    line = "dockerd_flags /usr/bin/dockerd -H fd:// --bip=10.0.0.1/24"
    told = f"dw1 {NONCE} begin\n{line}\ndw1 {NONCE} end\n"
    assert facts_module.read(told, NONCE, host="x").dockerd_flags[-1] == "--bip=10.0.0.1/24"
