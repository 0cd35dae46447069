"""Receipts and the plan that takes a run back."""

from __future__ import annotations

import pytest

from dockwright.errors import RefusedError
from dockwright.models import Facts
from dockwright.plan import HostPlan
from dockwright.receipts import plan_undo, read_receipt
from tests.unit.making import changed, recorded

LINES = """\
file /etc/docker/daemon.json e77e8878 /var/lib/dockwright/runs/R/backup/%etc%docker%daemon.json
wrote /etc/docker/daemon.json 7d0f90ea
file /etc/docker/daemon.json 7d0f90ea /somewhere/else
file /etc/apt/keyrings/docker.asc absent -
directory /etc/apt/keyrings
keys /etc/docker/daemon.json log-driver
package docker-ce absent 5:29.7.2-1~debian.13~trixie
package docker.io 26.1.5+dfsg1-9 absent
service docker.service disabled inactive
hold docker-ce containerd.io
member docker ops
snap docker disabled
snap docker removed
what tomorrow's program writes
"""


def undo(text: str, **facts: object) -> HostPlan:
    last = {"last_run": "R", "last_receipt": text}
    return plan_undo("web1", changed(recorded("debian-13-bare"), {**last, **facts}))


def test_a_receipt_is_read_and_what_is_unknown_passed_over() -> None:
    read = read_receipt(LINES)
    assert read.packages == {
        "docker-ce": (None, "5:29.7.2-1~debian.13~trixie"),
        "docker.io": ("26.1.5+dfsg1-9", None),
    }
    # What stood there before the run, not what it wrote in between.
    assert read.files == {
        "/etc/docker/daemon.json": "e77e8878",
        "/etc/apt/keyrings/docker.asc": None,
    }
    assert read.holds == ("docker-ce", "containerd.io")
    assert read.members == (("docker", "ops"),)
    assert read.snaps == ("docker",)


def test_the_way_back_is_a_plan_with_reasons() -> None:
    plan = undo(LINES)
    assert [(a.verb.sign, a.kind, a.target) for a in plan.actions] == [
        ("-", "packages", "docker-ce 5:29.7.2-1"),
        ("+", "packages", "docker.io 26.1.5+dfsg1-9"),
        ("~", "file", "/etc/docker/daemon.json"),
        ("-", "file", "/etc/apt/keyrings/docker.asc"),
        ("~", "hold", "docker-ce, containerd.io"),
        ("~", "group_member", "docker"),
    ]
    assert [a.id for a in plan.actions] == [f"s{n:02d}" for n in range(1, 7)]
    assert all(a.reason for a in plan.actions)
    assert plan.undoes == "R"
    assert "snap 'docker' does not come back by itself: snap install docker" in plan.notes[0]


def test_containers_that_the_way_back_stops_are_named() -> None:
    container = {"containers": [{"id": "1", "name": "app", "image": "x"}]}
    assert undo(LINES, **container).stops == ("app",)
    assert undo("member docker ops\n", **container).stops == ()


@pytest.mark.parametrize("last", ["", "R"])
def test_without_a_receipt_there_is_nothing_to_undo(last: str) -> None:
    facts: Facts = changed(recorded("debian-13-bare"), {"last_run": last, "last_receipt": ""})
    with pytest.raises(RefusedError, match="no run to undo") as caught:
        plan_undo("web1", facts)
    assert (last or "none that changed anything") in str(caught.value.details)
