"""Each check finds what it is for on a host that has it, and nothing on hosts that are well."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dockwright import app, distros
from dockwright.app.diagnosing import shipped_pins
from dockwright.doctor import Case, Seen, diagnose, explain
from dockwright.doctor.catalogue import BY_ID
from dockwright.doctor.probe import Keyring, Lock
from dockwright.events import Finding, Severity
from tests.unit.making import changed, nvidia_pin, pin, recorded

SOURCE = "/etc/apt/sources.list.d/docker.sources"
LIST = "/etc/apt/sources.list.d/docker.list"
KEY = "/etc/apt/keyrings/docker.asc"
# Where this Python sees a comma too many in line 2: at the comma, or where it wants a name after it.
COMMA = "line 2, column 16" if sys.version_info >= (3, 13) else "line 3, column 1"
DAEMON_JSON = "/etc/docker/daemon.json"
EXEC = "/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"
INDEX = "download.docker.com_linux_ubuntu_dists_noble_InRelease"
WELL = ("ubuntu-24.04-installed", "ubuntu-24.04-behind", "ubuntu-24.04-bare", "debian-13-bare",
        "debian-13-docker.io", "ubuntu-24.04-gpu", "ubuntu-24.04-gpu-bare")  # fmt: skip


def seen_of(name: str) -> Seen:
    """What a host that is well shows beside its facts."""
    facts = recorded(name)
    return Seen(
        sources={file.path: file.content or "" for file in facts.sources},
        keyrings=tuple(
            Keyring(path=file.path, state="open", kind="armoured") for file in facts.keys
        ),
        inodes=(("/", 1_000_000, 2_000_000), ("/run", 900, 1000)),
        tools=("iptables", "nft", "dockerd", "nvidia-container-runtime"),
    )


ROUTES = [
    {"interface": "docker0", "network": "172.17.0.0/16"},
    {"interface": "br-1", "network": "172.18.0.0/16"},
    {"interface": "eth0", "network": "10.0.0.0/24"},
]


def case_of(
    name: str = "ubuntu-24.04-installed",
    facts: Mapping[str, Any] | None = None,
    seen: Mapping[str, Any] | None = None,
    ground: Mapping[str, Any] | None = None,
) -> Case:
    """A recorded host with changes to its facts (as making.changed has them) and to what was seen."""
    exec_start = EXEC if recorded(name).daemon else ""
    well = {"exec_start": exec_start, "routes": ROUTES, **(ground or {})}
    known = changed(recorded(name), {"ground": well, **(facts or {})})
    return Case(
        facts=known,
        seen=seen_of(name).model_copy(update=dict(seen or {})),
        now=recorded(name).clock,
        name="ops@web1",
        owners=app.key_owners(known),
        pins=dict(zip(shipped_pins(), (pin(), nvidia_pin()), strict=True)),
    )


def only(case: Case) -> Finding:
    """The one finding of a host."""
    (finding,) = diagnose(case)
    return finding


@pytest.mark.parametrize("name", WELL)
def test_hosts_that_are_well_have_no_finding(name: str) -> None:
    assert diagnose(case_of(name)) == ()


# --- apt ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [LIST, "/etc/apt/sources.list.d/z.list"])
def test_two_keys_for_one_repository(path: str) -> None:
    sources = seen_of("ubuntu-24.04-installed").sources
    line = "deb [signed-by=/etc/apt/keyrings/docker.gpg] https://download.docker.com/linux/ubuntu noble stable\n"
    finding = only(case_of(seen={"sources": {**sources, path: line}}))
    assert (finding.id, finding.severity, finding.rung) == (
        "signed-by-conflict", Severity.ERROR, "apt",
    )  # fmt: skip
    for place in (SOURCE, path):
        assert place in finding.evidence
        assert place in finding.action[0]


def test_a_page_that_was_saved_as_a_list() -> None:
    page = "<!DOCTYPE html>\n<html><body>404</body></html>\n"
    for path in ("/etc/apt/sources.list.d/nvidia-docker.list", "/etc/apt/sources.list.d/x.sources"):
        finding = only(case_of(seen={"sources": {path: page}}))
        assert (finding.id, finding.action[0]) == ("page-as-list", f"rm {path}")


def test_a_malformed_source() -> None:
    finding = only(case_of(seen={"sources": {LIST: "deb https://download.docker.com/linux\n"}}))
    assert finding.id == "source-malformed"
    assert f"Malformed entry 1 in list file {LIST} (Suite)" in finding.evidence


@pytest.mark.parametrize(
    ("state", "kind", "word"),
    [
        ("missing", "other", "is not there"),
        ("closed", "armoured", "cannot be read by apt's user"),
        ("open", "empty", "is empty"),
        ("open", "other", "holds no OpenPGP key"),
    ],
)
def test_a_keyring_that_apt_cannot_use(state: str, kind: str, word: str) -> None:
    ring = Keyring(path=KEY, state=state, kind=kind)
    # Whether apt refused the index already or still has the old one: it is one finding.
    for lists in (recorded("ubuntu-24.04-installed").lists, ()):
        finding = only(case_of(facts={"lists": lists}, seen={"keyrings": (ring,)}))
        assert finding.id == "no-pubkey"
        assert word in finding.evidence
    assert finding.action == (
        (f"chmod a+r {KEY}",) if state == "closed"
        else tuple(line.replace("HOST", "ops@web1") for line in BY_ID["no-pubkey"].mend)
    )  # fmt: skip


@pytest.mark.parametrize(("version", "found"), [("2.7.14build2", True), ("3.0.3", False)])
def test_a_keyring_whose_name_lies(version: str, *, found: bool) -> None:
    ring = Keyring(path=KEY, state="open", kind="binary")
    findings = diagnose(case_of(facts={"packages": {"apt": version}}, seen={"keyrings": (ring,)}))
    assert [one.id for one in findings] == ["no-pubkey"] * found
    assert not found or "a file that ends in .gpg only" in findings[0].evidence


def test_a_keyring_that_no_source_uses_is_nobody_s_trouble() -> None:
    ring = Keyring(path="/etc/apt/keyrings/other.asc", state="missing", kind="other")
    assert diagnose(case_of(seen={"keyrings": (ring,)})) == ()


def test_an_index_that_was_refused_for_its_key() -> None:
    """The key on the host is another's, and apt has no index: that is why."""
    case = replace(case_of(facts={"lists": ["archive_InRelease"]}), pins=shipped_pins())
    finding = only(case)
    assert finding.id == "no-pubkey"
    assert pin() in finding.evidence
    assert "9DC858229FC7DD38854AE2D88D81803C0EBFCD88" in finding.evidence
    # With the right key it is not known why.
    assert only(case_of(facts={"lists": ["archive_InRelease"]})).id == "no-index"
    # An index that apt accepted is no matter of ours, whoever signed it: mirrors do.
    assert diagnose(replace(case_of(), pins=shipped_pins())) == ()


def test_no_index_is_no_finding_where_apt_has_none_at_all() -> None:
    assert diagnose(case_of(facts={"lists": [], "apt_lists": False})) == ()


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [("ubuntu", "debian", "not a suite"), ("noble", "plucky", "write noble for plucky")],
)
def test_a_suite_that_docker_does_not_build(old: str, new: str, word: str) -> None:
    text = seen_of("ubuntu-24.04-installed").sources[SOURCE].replace(old, new)
    finding = only(case_of(facts={"lists": ["x_InRelease"]}, seen={"sources": {SOURCE: text}}))
    assert finding.id == "no-release"
    assert word in f"{finding.evidence} {finding.action}"


def test_a_source_for_another_architecture() -> None:
    text = "deb [arch=arm64] https://download.docker.com/linux/ubuntu noble stable\n"
    finding = only(case_of(facts={"offered": {}}, seen={"sources": {LIST: text}}))
    assert finding.id == "not-locatable"
    assert finding.action[0] == f"write amd64 for arm64 in {LIST}"


def test_who_holds_apt_s_lock() -> None:
    lock = Lock(path="/var/lib/dpkg/lock-frontend", pid=812, seconds=41, command="unattended-upgr")
    finding = only(case_of(seen={"lock": lock}))
    assert (finding.id, finding.severity) == ("apt-locked", Severity.WARNING)
    assert "pid 812, unattended-upgr, for 41 s" in finding.evidence


# --- the machine ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "word"), [(4000, "ahead of"), (-4000, "behind")])
def test_a_clock_that_is_off(seconds: int, word: str) -> None:
    finding = only(case_of(facts={"clock": recorded("ubuntu-24.04-installed").clock + seconds}))
    assert (finding.id, finding.rung) == ("not-valid-yet", "host")
    assert f"4000 s {word}" in finding.evidence
    within = recorded("ubuntu-24.04-installed").clock + 200
    assert diagnose(case_of(facts={"clock": within})) == ()


def test_a_full_disk_once_for_each_file_system() -> None:
    full = {"free_kib": 1000, "total_kib": 10_000_000, "free_inodes": 5}
    disks = [{"path": path, **full} for path in ("/", "/var", "/var/lib/docker")]
    finding = only(case_of(facts={"disks": disks}))
    assert finding.id == "disk-full"
    assert "1 of 9766 MiB" in finding.evidence


def test_inodes_that_are_used_up_and_file_systems_that_count_none() -> None:
    finding = only(case_of(seen={"inodes": (("/var", 12, 65_536),)}))
    assert (finding.id, "12 of 65536 inodes" in finding.evidence) == ("disk-full", True)
    disks = [{"path": "/", "free_kib": 9_000_000, "total_kib": 9_999_999, "free_inodes": 0}]
    assert diagnose(case_of(facts={"disks": disks}, seen={"inodes": ()})) == ()


def test_a_release_that_is_past_its_life() -> None:
    finding = only(case_of("debian-13-bare", {"codename": "buster", "version_id": "10"}))
    assert (finding.id, finding.severity) == ("released-no-more", Severity.WARNING)
    assert "Debian 10 (buster) is past all support, which ended on 2024-06-30" in finding.evidence
    assert str(distros.DATES) in finding.evidence


def test_support_that_has_to_be_asked_for() -> None:
    """E02: of Ubuntu past its regular support only Pro has updates; what Debian LTS has comes by itself."""
    finding = only(case_of("ubuntu-24.04-bare", {"codename": "focal", "version_id": "20.04"}))
    assert finding.id == "released-no-more"
    assert "Ubuntu Pro goes on until 2030-04-23" in finding.evidence
    assert diagnose(case_of("debian-13-bare", {"codename": "bookworm", "version_id": "12"})) == ()


def test_what_the_vendor_s_index_has_is_believed() -> None:
    """E02: the table has forky not built for; a host whose own lists have docker-ce for it knows better."""
    there = {"codename": "forky", "version_id": "14", "offered": {"docker-ce": ("5:29.7.2-1",)}}
    assert diagnose(case_of("debian-13-bare", there)) == ()


@pytest.mark.parametrize(
    "facts",
    [
        {"codename": "forky", "version_id": "14"},
        {"distro": "void", "os_id": "void", "codename": ""},
        {"architecture": "riscv64"},
    ],
)
def test_a_release_that_docker_builds_nothing_for(facts: dict[str, Any]) -> None:
    finding = only(case_of("debian-13-bare", facts))
    assert (finding.id, finding.severity) == ("not-built", Severity.WARNING)
    # Who has the distribution's Docker needs none of Docker's own.
    assert diagnose(case_of("debian-13-docker.io", facts)) == ()
    # One that the table does not know yet may be there.
    assert diagnose(case_of("debian-13-bare", {"codename": "duke", "version_id": "15"})) == ()


def test_containers_that_lose_their_gpus_are_named_when_that_is_asked() -> None:
    asked = explain("Failed to initialize NVML: Unknown Error")
    case = case_of("ubuntu-24.04-gpu", seen={"gpu_containers": ("train", "infer")})
    assert diagnose(case) == ()
    (finding,) = diagnose(case, asked)
    assert finding.id == "nvml-unknown"
    assert finding.evidence.startswith("train, infer got GPUs by --gpus")
    assert diagnose(case_of("ubuntu-24.04-gpu"), asked) == ()


def test_dpkg_was_interrupted() -> None:
    finding = only(case_of(facts={"dpkg_audit": "dpkg was interrupted"}))
    assert (finding.id, finding.rung) == ("dpkg-interrupted", "dpkg")
    first = diagnose(case_of("ubuntu-24.04-half-installed"))[0]
    assert (first.id, "docker-ce" in first.evidence) == ("dpkg-interrupted", True)


def test_a_package_that_has_to_be_reinstalled() -> None:
    facts = {"dpkg_audit": "iHR containerd.io\n iU docker-ce"}
    first, second = diagnose(case_of(facts=facts, seen={"reinstall": ("containerd.io",)}))
    assert (first.id, first.evidence) == ("half-installed", "containerd.io is in state iHR")
    assert first.action[0] == "apt-get install --reinstall containerd.io"
    assert (second.id, second.evidence) == ("dpkg-interrupted", "iU docker-ce")


# --- Docker ---------------------------------------------------------------------------------------

DOWN = {"daemon": None, "daemon_error": "Cannot connect to the Docker daemon"}


@pytest.mark.parametrize(
    ("text", "entry", "word"),
    [
        ('{\n  "debug": true,\n}', "daemon-json-invalid", COMMA),
        ("[]", "daemon-json-invalid", "not an object"),
        (
            '{"hosts": ["tcp://0.0.0.0:2375"]}',
            "flag-and-file",
            f'take "hosts" out of {DAEMON_JSON}',
        ),
        ('{"containerd": "/x"}', "flag-and-file", "containerd"),
        ('{"default-runtime": "nvidia"}', "default-runtime-unknown", "default-runtime nvidia"),
    ],
)
def test_settings_that_dockerd_does_not_start_with(text: str, entry: str, word: str) -> None:
    file = {"files": {DAEMON_JSON: text}}
    finding = only(case_of(facts={**DOWN, **file}))
    assert (finding.id, finding.severity) == (entry, Severity.ERROR)
    assert word in f"{finding.evidence} {finding.action}"
    # While the daemon runs on with what it read before, it is a warning.
    assert only(case_of(facts=file)).severity is Severity.WARNING


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"log-driver": "local", "default-runtime": "io.containerd.runc.v2"}',
        '{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}, "default-runtime": "nvidia"}',
    ],
)
def test_settings_that_dockerd_takes(text: str) -> None:
    assert diagnose(case_of(facts={"files": {DAEMON_JSON: text}})) == ()


def test_options_that_a_drop_in_gives_to_dockerd() -> None:
    facts = {**DOWN, "files": {DAEMON_JSON: '{"registry-mirrors": [], "debug": true}'}}
    ground = {"exec_start": f"{EXEC} --registry-mirror=https://m -D"}
    assert "debug, registry-mirrors" in only(case_of(facts=facts, ground=ground)).evidence


def test_a_daemon_that_is_down() -> None:
    finding = only(case_of("ubuntu-24.04-daemon-down"))
    assert (finding.id, finding.rung) == ("daemon-down", "daemon")
    assert "docker.service is inactive" in finding.evidence
    log = "failed to start daemon: failed to create NAT chain DOCKER: iptables failed"
    finding = only(case_of(facts=DOWN, seen={"docker_log": log}))
    assert (finding.id, finding.evidence) == ("firewall-tools", log)
    assert only(case_of(facts=DOWN, seen={"tools": ()})).id == "firewall-tools"
    masked = {**DOWN, "units": {"docker.service": "masked inactive"}}
    assert only(case_of(facts=masked)).id == "unit-masked"


def test_a_daemon_that_is_off_for_a_user_s_own() -> None:
    rootless = {"rootless": ("/run/user/1000/docker.sock",)}
    off = {**DOWN, "units": {"docker.service": "disabled inactive"}}
    assert diagnose(case_of(facts=off, ground=rootless)) == ()
    assert only(case_of(facts=off)).id == "daemon-down"
    failed = {**DOWN, "units": {"docker.service": "disabled failed"}}
    assert only(case_of(facts=failed, ground=rootless)).id == "daemon-down"


def test_podman_and_the_snap_beside_docker() -> None:
    podman = {"packages": {"podman-docker": "4.9.3"}}
    assert only(case_of(facts=podman)).severity is Severity.ERROR
    alone = only(case_of("debian-13-bare", podman))
    assert (alone.id, alone.severity) == ("podman-in-the-way", Severity.WARNING)
    snap = [{"name": "docker", "version": "3265", "enabled": True, "data_kib": None}]
    finding = only(case_of(facts={"snaps": snap}))
    assert finding.id == "two-dockers"
    assert finding.action[0] == "dockwright install ops@web1 --remove-snap"
    assert diagnose(case_of("debian-13-bare", {"snaps": snap})) == ()


def test_the_ground_under_containers() -> None:
    assert only(case_of(seen={"cgroup_read_only": True})).id == "cgroups-read-only"
    finding = only(case_of(facts={"apparmor_parser_missing": True}))
    assert (finding.id, finding.severity) == ("apparmor-parser", Severity.WARNING)
    assert "not confined" in finding.evidence
    old = {
        "apparmor_parser_missing": True,
        "daemon": {"version": "20.10.24", "data_root": "/var/lib/docker"},
    }
    assert only(case_of(facts=old)).severity is Severity.ERROR
    vpn = {"interface": "tun0", "network": "172.16.0.0/12"}
    finding = only(case_of(ground={"routes": [*ROUTES, vpn]}))
    assert (finding.id, finding.severity) == ("subnet-clash", Severity.WARNING)
    assert "tun0" in finding.evidence
    # Without Docker nobody needs it.
    assert diagnose(case_of("debian-13-bare", seen={"cgroup_read_only": True})) == ()


# --- GPUs -----------------------------------------------------------------------------------------

NVIDIA = recorded("ubuntu-24.04-gpu").nvidia.model_dump(mode="json")


@pytest.mark.parametrize(
    ("nvidia", "entry"),
    [
        ({"library": "580.1"}, "driver-mismatch"),
        ({"module": "", "bound": ["nouveau"]}, "nouveau"),
        ({"module": "", "secure_boot": True}, "secure-boot"),
        ({"module": ""}, "driver-not-loaded"),
        ({"module": "", "library": ""}, "no-driver"),
        ({"nodes": ["nvidiactl"]}, "uvm-missing"),
        ({"specs": [{"path": "/etc/cdi/nvidia.yaml", "driver": "550.1", "devices": []}]}, "cdi-stale"),
        ({"hook": "unseen"}, "no-device-driver"),
        ({"runtimes": ["runc"]}, "unknown-runtime"),
    ],
)  # fmt: skip
def test_gpus(nvidia: dict[str, Any], entry: str) -> None:
    finding = only(case_of("ubuntu-24.04-gpu", {"nvidia": {**NVIDIA, **nvidia}}))
    assert finding.id == entry


def test_a_gpu_that_nobody_wanted_for_containers_may_idle() -> None:
    facts = {"nvidia": {**NVIDIA, "module": "", "library": "", "bound": ["nouveau"], "specs": []}}
    assert diagnose(case_of("ubuntu-24.04-gpu-bare", facts)) == ()
    vfio = {"nvidia": {**NVIDIA, "module": "", "bound": ["vfio-pci"]}}
    assert diagnose(case_of("ubuntu-24.04-gpu", vfio)) == ()


def test_a_toolkit_that_is_not_safe() -> None:
    packages = {"packages": {"nvidia-container-toolkit-base": "1.17.7-1"}}
    finding = only(case_of("ubuntu-24.04-gpu", packages))
    assert (finding.id, finding.severity) == ("toolkit-insecure", Severity.WARNING)
    fixed = {"packages": {"nvidia-container-toolkit-base": "1.17.8-1"}}
    assert diagnose(case_of("ubuntu-24.04-gpu", fixed)) == ()


def test_a_runtime_whose_program_is_gone() -> None:
    finding = only(case_of("ubuntu-24.04-gpu", seen={"tools": ("iptables",)}))
    assert finding.id == "runtime-file-missing"


# --- what was asked -------------------------------------------------------------------------------

DENIED = (
    "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock"
)


@pytest.mark.parametrize(
    ("facts", "word", "action"),
    [
        ({"sudo_user": "pat", "docker_group": []}, "pat is not in group docker (none)", "usermod -aG docker pat"),
        ({"sudo_user": "pat", "docker_group": ["pat"]}, "pat is in group docker", "newgrp docker"),
        ({"sudo_user": "", "docker_group": ["pat"]}, "members of group docker: pat", "newgrp docker"),
    ],
)  # fmt: skip
def test_whom_the_socket_is_for(facts: dict[str, Any], word: str, action: str) -> None:
    case = case_of(facts=facts, seen={"socket": "660 root:docker"})
    assert diagnose(case) == ()
    (finding,) = diagnose(case, explain(DENIED))
    assert word in finding.evidence
    assert "660 root:docker" in finding.evidence
    assert action in finding.action[0]


@pytest.mark.parametrize(
    ("message", "entry"),
    [
        ("docker: unknown or invalid runtime name: nvidia", "unknown-runtime"),
        ('could not select device driver "" with capabilities: [[gpu]]', "no-device-driver"),
        ("Cannot connect to the Docker daemon", "not-installed"),
        ("E: Unable to locate package docker-ce", "not-locatable"),
    ],
)
def test_what_a_bare_host_shows_of_a_message(message: str, entry: str) -> None:
    (finding,) = diagnose(case_of("debian-13-bare"), explain(message))
    assert finding.id == entry


def test_what_was_asked_for_comes_first() -> None:
    facts = {"clock": 0, "sudo_user": "pat", "docker_group": []}
    findings = diagnose(case_of(facts=facts), explain(DENIED))
    assert [one.id for one in findings] == ["socket-denied", "not-valid-yet"]
