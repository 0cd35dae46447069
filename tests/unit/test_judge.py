"""apt's simulation against the plan: what stands, what is refused, and with which exit."""

from __future__ import annotations

import base64
import contextlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwright.errors import DestructiveError, RefusedError, TrustError
from dockwright.judge import Simulation, judge, read_simulation
from dockwright.models import Disk, Facts
from dockwright.plan import HostPlan, PackageChange
from tests.unit.making import RECORDED, changed, pin, recorded, whole_plan


@cache
def probed(name: str) -> tuple[str, str, str]:
    """What a real host's apt said: its simulation, its URIs, and what the archive lacks."""
    told = {}
    for line in (RECORDED / f"{name}.probe.txt").read_text(encoding="utf-8").splitlines():
        _, _, kind, _, _, text = line.split(" ", 5)
        told[kind] = text if kind == "end" else base64.b64decode(text).decode()
    assert told["end"] == "0"
    return told["simulated"], told["uris"], told["unkept"]


def planned(name: str, *, upgrade: bool = False) -> HostPlan:
    return whole_plan(recorded(name), variables={"docker_fingerprint": pin()}, upgrade=upgrade)


def judged(
    name: str = "ubuntu-24.04-bare",
    *,
    more: str = "",
    replace: tuple[str, str] = ("", ""),
    facts: Facts | None = None,
) -> HostPlan:
    simulated, uris, gone = probed(name)
    text = simulated.replace(*replace) if replace[0] else simulated
    seen = read_simulation(text + f"\n{more}\n", uris.replace(*replace), gone)
    return judge(planned(name), seen, facts or recorded(name))


# --- what stands ----------------------------------------------------------------------------------


def test_a_fresh_host_gets_the_plan_and_new_dependencies_of_its_own_sources() -> None:
    plan = judged()
    added = [change for change in plan.transaction.changes if not change.planned]
    assert {change.name for change in added} >= {"iptables", "nftables", "dbus-user-session"}
    assert all(change.origin is None and change.old is None and change.new for change in added)
    assert (
        plan.transaction.changes[: -len(added)] == planned("ubuntu-24.04-bare").transaction.changes
    )
    assert 100e6 < (plan.transaction.download_bytes or 0) < 200e6


def test_docker_io_is_replaced_as_planned() -> None:
    plan = judged("debian-13-docker.io")
    gone = [change.name for change in plan.transaction.removals]
    assert gone == ["docker.io", "docker-cli", "docker-buildx", "containerd", "runc"]
    assert plan.notes == ()


def test_an_upgrade_is_what_was_planned() -> None:
    simulation = read_simulation(*probed("ubuntu-24.04-behind"))
    plan = planned("ubuntu-24.04-behind", upgrade=True)
    assert judge(plan, simulation, recorded("ubuntu-24.04-behind")).transaction.changes == (
        plan.transaction.changes
    )


def test_a_version_that_the_host_decides_is_filled_in() -> None:
    facts = changed(recorded("ubuntu-24.04-bare"), {"packages": {"openssh-server": None}})
    simulation = Simulation(installs={"openssh-server": (None, "1:9.6p1-3ubuntu13")})
    plan = judge(whole_plan(facts, "ssh-server"), simulation, facts)
    assert plan.transaction.changes == (
        PackageChange(name="openssh-server", new="1:9.6p1-3ubuntu13"),
    )


def test_what_the_archive_no_longer_has_is_noted() -> None:
    simulated, uris, _ = probed("debian-13-docker.io")
    seen = read_simulation(simulated, uris, " docker.io runc")
    plan = judge(planned("debian-13-docker.io"), seen, recorded("debian-13-docker.io"))
    (note,) = plan.notes
    assert note.startswith("the archive no longer has docker.io, runc")


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "replace", "brief"),
    [
        ("Remv podman [4.9]", ("", ""), "apt would also remove podman"),
        ("Remv docker-ce [5:29]", ("", ""), "apt would also remove docker-ce"),
        ("Remv libc6:i386 [2.39]", ("", ""), "apt would also remove libc6"),
        ("Inst libc6 [2.39-1] (2.39-2 Ubuntu:24.04/noble [amd64])", ("", ""),
         "apt would also change libc6 from 2.39-1 to 2.39-2"),
        ("Inst libc6 [2.39-2] (2.39-1 Ubuntu:24.04/noble [amd64])", ("", ""),
         "apt would also change libc6 from 2.39-2 to 2.39-1"),
        ("", ("Inst docker-ce (", "Conf docker-ce ("), "apt would not install docker-ce"),
        ("", ("docker-ce (5:29.7.2-1~", "docker-ce (5:29.7.3-1~"),
         "apt would install docker-ce 5:29.7.3-1~ubuntu.24.04~noble, not 5:29.7.2-1~ubuntu.24.04~"),
        ("", ("https://download.docker.com/linux/ubuntu/", "https://mirror.example/ubuntu/"),
         "would come from another source than https://download.docker.com/linux/ubuntu"),
        ("", ("https://download.docker.com/linux/ubuntu/", "https://download.docker.com/linux/ubuntu-x/"),
         "would come from another source than https://download.docker.com/linux/ubuntu"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_plan_is_refused(
    more: str, replace: tuple[str, str], brief: str
) -> None:
    with pytest.raises(TrustError if "another source" in brief else RefusedError) as caught:
        judged(more=more, replace=replace)
    assert brief in caught.value.brief
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["kubelet", "cri-tools", "k3s-agent", "rke2-server", "nerdctl"])
def test_taking_out_a_user_of_containerd_is_destructive(name: str) -> None:
    with pytest.raises(DestructiveError, match=f"apt would also remove {name}, which run on"):
        judged(more=f"Remv {name} [1.2]\nRemv other [1]")


def test_a_removal_that_apt_would_not_make_is_refused() -> None:
    with pytest.raises(RefusedError, match="apt would not remove runc"):
        judged("debian-13-docker.io", replace=("Remv runc", "Keep runc"))


def test_a_planned_package_without_a_known_uri_is_refused() -> None:
    simulated, _, gone = probed("ubuntu-24.04-bare")
    plan = planned("ubuntu-24.04-bare")
    with pytest.raises(TrustError, match="docker-ce would come from another source"):
        judge(plan, read_simulation(simulated, "", gone), recorded("ubuntu-24.04-bare"))


# --- room -----------------------------------------------------------------------------------------

ROOM = "After this operation, 438 MB of additional disk space will be used."


@pytest.mark.parametrize(
    ("line", "room"),
    [
        (ROOM, 438_000_000),
        ("After this operation, 4455 kB of additional disk space will be used.", 4_455_000),
        ("After this operation, 1,024 B of additional disk space will be used.", 1024),
        ("After this operation, 12.5 MB of additional disk space will be used.", 12_500_000),
        ("After this operation, 1.2 GB of additional disk space will be used.", 1_200_000_000),
        ("After this operation, 438 MB disk space will be freed.", 0),
        ("After this operation, ... MB of additional disk space will be used.", 0),
        ("After this operation, , MB of additional disk space will be used.", 0),
    ],
)
def test_the_room_that_is_needed_is_read_beside_the_uris(line: str, room: int) -> None:
    assert read_simulation("", f"{line}\n'http://x/a.deb' a_1_all.deb 5 ", "").room_bytes == room


def test_a_recorded_probe_brings_the_room() -> None:
    seen = read_simulation(*probed("ubuntu-24.04-bare"))
    assert seen.room_bytes > seen.download_bytes > 0


def disks(**room: int) -> Facts:
    facts = recorded("ubuntu-24.04-bare")
    some = [
        Disk(path=path.replace("_", "/"), free_kib=free, total_kib=10**9, free_inodes=10**6)
        for path, free in room.items()
    ]
    return facts.model_copy(update={"disks": tuple(some)})


def test_download_and_unpacked_size_must_fit_with_a_margin() -> None:
    seen = read_simulation(*probed("ubuntu-24.04-bare"))
    needed = (seen.download_bytes + seen.room_bytes) // 1024
    judged(facts=disks(_=10**9, _var=needed + 65 * 1024, _run=0))
    with pytest.raises(RefusedError, match="not enough room below /var") as caught:
        judged(facts=disks(_=10**9, _var=needed))
    assert dict(caught.value.details).keys() == {"need", "have"}
    with pytest.raises(RefusedError, match=r"not enough room below /$"):
        judged(facts=disks(_=5))


def test_e08_what_dockerd_writes_needs_room_too() -> None:
    judged(facts=disks(_=10**9, _var_lib_docker=70 * 1024))
    with pytest.raises(RefusedError, match="not enough room below /var/lib/docker"):
        judged(facts=disks(_=10**9, _var_lib_docker=60 * 1024))
    with pytest.raises(RefusedError, match="not enough room below /usr"):
        judged(facts=disks(_=10**9, _usr=70 * 1024))


def test_a_file_system_without_inodes_is_full() -> None:
    facts = recorded("ubuntu-24.04-bare")
    var = Disk(path="/var", free_kib=10**9, total_kib=10**9, free_inodes=12)
    with pytest.raises(RefusedError, match="only 12 inodes are free below /var"):
        judged(facts=facts.model_copy(update={"disks": (var,)}))
    btrfs = Disk(path="/var", free_kib=10**9, total_kib=10**9, free_inodes=None)
    judged(facts=facts.model_copy(update={"disks": (btrfs,)}))


# --- the parser -----------------------------------------------------------------------------------

NAME = st.text("abz09.+-", min_size=1, max_size=12).map(lambda text: f"a{text}")
VERSION = st.text("019.+~-:Az", max_size=12).map(lambda text: f"5{text}")
WORDS = st.sampled_from(
    [
        "Inst",
        "Remv",
        "Conf",
        "docker-ce",
        "[1]",
        "(2",
        "x)",
        "(",
        "[",
        "'http://x'",
        "9" * 30,
        ":i386",
    ]
)


@given(st.dictionaries(NAME, st.tuples(st.none() | VERSION, VERSION), max_size=6))
def test_apt_s_own_form_is_read_back(installs: dict[str, tuple[str | None, str]]) -> None:
    lines = [
        f"Inst {name}{f' [{old}]' if old else ''} ({new} Docker CE:noble [amd64])"
        for name, (old, new) in installs.items()
    ]
    assert read_simulation("\n".join(lines), "", "").installs == installs


@given(st.dictionaries(NAME, st.none() | VERSION, max_size=6), st.booleans())
def test_removals_are_read_back(removals: dict[str, str | None], foreign: bool) -> None:  # noqa: FBT001
    arch = ":i386" if foreign else ""
    lines = [f"Remv {name}{arch}{f' [{old}]' if old else ''}" for name, old in removals.items()]
    assert read_simulation("\n".join(lines), "", "").removals == removals


@given(
    st.text(max_size=200) | st.lists(WORDS, max_size=30).map(" ".join),
    st.text(max_size=200) | st.lists(WORDS, max_size=30).map(" ".join),
    st.text(max_size=50),
)
def test_any_text_is_read_and_judged_without_a_bug(simulated: str, uris: str, gone: str) -> None:
    seen = read_simulation(simulated, uris, gone)
    assert seen.download_bytes >= 0
    with contextlib.suppress(RefusedError, DestructiveError):
        judge(planned("ubuntu-24.04-bare"), seen, recorded("ubuntu-24.04-bare"))
