"""doctor on real hosts: nothing on those that are well, and the root first on those that are not.

Each trouble is made for real, and where a program has a message for it, that very message is given
to ``doctor --error`` beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.doctoring import (
    COMMA,
    PARTS,
    URL,
    broken_daemon,
    diagnose,
    files,
    findings,
    first,
    meaning,
    mended,
    over,
    restart,
    says,
    well,
)
from tests.hosts.support import (
    DAEMON,
    KEY,
    PACKAGES,
    SOURCE,
    Layers,
    Make,
    at,
    dockwright,
    until,
)
from tests.hosts.test_locks import held
from tests.lab import deb
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import arch
from tests.lab.nvidia import DRIVER, library, triplet

pytestmark = pytest.mark.lab

TOOLKIT = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    """A Docker host of ours; each test puts back what it breaks."""
    made = layers.host("docker")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def bare(layers: Layers) -> Iterator[Host]:
    """A host without Docker; each test puts back what it breaks."""
    made = layers.host("fresh")
    yield made
    made.remove()


# --- well -----------------------------------------------------------------------------------------


@pytest.mark.sampled("dress", 1)
@pytest.mark.parametrize("dress", ["debian-13", "ubuntu-24.04"])
@pytest.mark.parametrize("kind", ["fresh", "distribution", "docker"])
def test_hosts_that_are_well(lab: Lab, prepared: Make, kind: str, dress: str) -> None:
    well(lab, prepared(kind, dress))


def test_hosts_that_were_set_up_by_hand(lab: Lab, prepared: Make) -> None:
    """As Docker's manual has it today, then as it was in the days of apt-key."""
    host = prepared("fresh")
    host.put(KEY, (lab.parts["keys"] / "vendor.asc").read_text())
    stanza = f"Types: deb\nURIs: {URL}\nSuites: trixie\nComponents: stable\nSigned-By: {KEY}\n"
    host.put(SOURCE, stanza)
    host.exec("apt-get -qq update && apt-get -qq -y install docker-ce docker-ce-cli containerd.io")
    well(lab, host)
    host.exec(f"mv {KEY} /etc/apt/trusted.gpg.d/docker.asc; rm {SOURCE}")
    host.put("/etc/apt/sources.list", f"deb [arch={arch()}] {URL} trixie stable\n")
    host.exec("apt-get -qq update")
    well(lab, host)


@pytest.mark.deep
def test_hosts_that_the_script_of_docker_made(lab: Lab, prepared: Make) -> None:
    """get.docker.com, on Debian 12; then with live-restore, and with a user's own daemon instead."""
    host = prepared("fresh", "debian-12")
    host.put(KEY, (lab.parts["keys"] / "vendor.asc").read_text())
    line = f"deb [arch={arch()} signed-by={KEY}] {URL} bookworm stable\n"
    host.put(f"{PARTS}/docker.list", line)
    names = " ".join((*PACKAGES, "docker-model-plugin"))
    host.exec(f"apt-get -qq update && apt-get -qq -y install {names}")
    well(lab, host)
    host.put(DAEMON, '{"live-restore": true, "log-driver": "local"}\n')
    host.exec("docker pull -q ubuntu && docker run -d --name app ubuntu sleep 1000")
    restart(host)
    well(lab, host)
    # What dockerd-rootless-setuptool.sh leaves; the daemon is a stand-in that only listens.
    host.exec("docker rm -f app; systemctl disable -q --now docker.service docker.socket")
    listen = (
        "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Local => shift, Listen => 1); sleep"
    )
    folder = "/run/user/1000"
    host.exec(["install", "-d", "-m", "0700", folder])
    host.exec(["systemd-run", "-q", "--unit=own", "perl", "-e", listen, f"{folder}/docker.sock"])
    until(lambda: host.exec(f"[ -S {folder}/docker.sock ]", check=False).returncode == 0, "socket")
    well(lab, host)


@pytest.mark.deep
def test_gpu_hosts_of_stand_ins(lab: Lab, host_factory: HostFactory, tmp_path: Path) -> None:
    """Well before and after the toolkit; then what breaks a GPU host, one by one."""
    host = host_factory(dress="ubuntu-24.04", gpu=True)
    well(lab, host)
    pins = (f"docker_fingerprint={lab.fingerprint}", f"nvidia_fingerprint={lab.nvidia_fingerprint}")
    sets = [word for pin in pins for word in ("--set", pin)]
    run = dockwright(lab, "install", "--gpu", at(host), "--yes", *sets)
    assert run.code == 0, run
    well(lab, host)

    loses_its_gpus(lab, host)
    is_older_than_the_toolkit(lab, host)
    is_mended_by_plans(lab, host, tmp_path / "plan.json")

    spec = "/var/run/cdi/nvidia.yaml"
    host.exec(f"cp {spec} /run/spec; sed -i 's/{DRIVER}/1.2.3/' {spec}")
    finding = first(lab, host)
    assert (finding.id, DRIVER in finding.evidence) == ("cdi-stale", True)
    host.exec(f"rm {spec}; docker pull -q ubuntu")
    said = says(host, "docker run --rm --device nvidia.com/gpu=all ubuntu nvidia-smi -L")
    assert meaning(lab, said) == ["cdi-unresolvable"]
    host.exec(f"cp /run/spec {spec}; docker image rm ubuntu")

    host.exec("mv /dev/nvidia-uvm /dev/elsewhere")
    assert first(lab, host).id == "uvm-missing"
    host.exec("mv /dev/elsewhere /dev/nvidia-uvm")
    well(lab, host)

    folder, newer = f"/usr/lib/{triplet()}", "575.57.08"
    host.put(f"{folder}/libnvidia-ml.so.{newer}", library(newer))
    host.exec(f"ln -sfn libnvidia-ml.so.{newer} {folder}/libnvidia-ml.so.1")
    finding = first(lab, host)
    assert (finding.id, finding.evidence) == (
        "driver-mismatch", f"module {DRIVER}, library {newer}",
    )  # fmt: skip
    assert meaning(lab, says(host, "nvidia-smi")) == ["driver-mismatch"]

    is_without_its_driver(lab, host)


def loses_its_gpus(lab: Lab, host: Host) -> None:
    """What --gpus has let into a container from outside is gone when systemd renews its device policy.

    Older systemd does so at each daemon-reload; that of the lab when a property of the scope is set.
    """
    host.exec("docker pull -q ubuntu && docker run -d --name train --gpus all ubuntu sleep 1000")
    assert host.exec("docker exec train nvidia-smi -L").returncode == 0
    scope = f"docker-{host.exec('docker inspect -f {{.Id}} train').stdout.strip()}.scope"
    host.exec(["systemctl", "set-property", "--runtime", scope, "DeviceAllow=/dev/null rw"])
    said = says(host, "docker exec train nvidia-smi -L")
    finding = first(lab, host, "--error", said)
    assert (finding.id, finding.evidence.split()[0]) == ("nvml-unknown", "train"), said
    host.exec("docker rm -f train && docker image rm ubuntu")


def is_older_than_the_toolkit(lab: Lab, host: Host) -> None:
    """dockerd looks for the toolkit once, when it starts."""
    host.exec("cp -p /run/docker.pid /run/was && touch -d '1 hour ago' /run/docker.pid")
    message = "docker: Error response from daemon: AMD CDI spec not found"
    for words in ((), ("--error", message)):
        finding = first(lab, host, *words)
        assert finding.id == "no-device-driver"
        assert "after dockerd started" in finding.evidence
        assert finding.action == ("systemctl restart docker",)
    host.exec("touch -r /run/was /run/docker.pid")
    well(lab, host)


def is_mended_by_plans(lab: Lab, host: Host, out: Path) -> None:
    """A specification of another driver, a toolkit below its floor, a page in the place of a list."""
    pin = ("--set", f"nvidia_fingerprint={lab.nvidia_fingerprint}")
    host.exec(f"sed -i 's/{DRIVER}/1.2.3/' /var/run/cdi/nvidia.yaml")
    mended(lab, host, out, "cdi-stale", *pin)
    old = " ".join(f"{name}=1.17.7-1" for name in TOOLKIT)
    host.exec(f"apt-get -qq update && apt-get -qq -y --allow-downgrades install {old}")
    mended(lab, host, out, "toolkit-insecure", *pin)
    host.put(f"{PARTS}/nvidia-docker.list", "<!doctype html>\n<html>404</html>\n")
    mended(lab, host, out, "page-as-list", *pin)


def is_without_its_driver(lab: Lab, host: Host) -> None:
    """For each of the reasons that a host can tell."""
    host.exec("rm -r /proc/driver/nvidia /dev/nvidia*")
    assert first(lab, host).id == "driver-not-loaded"
    assert meaning(lab, says(host, "nvidia-smi")) == ["driver-not-loaded"]
    host.exec("for d in /sys/bus/pci/devices/*; do ln -sfn ../nouveau $d/driver; done")
    assert first(lab, host).id == "nouveau"
    host.exec("rm /sys/bus/pci/devices/*/driver")
    # A machine without EFI has no such folder in /sys: one like it is put over it, for good.
    name = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    host.exec(
        "mkdir /run/sys && mount -t tmpfs tmpfs /run/sys && cd /sys && for folder in *; do"
        " mkdir /run/sys/$folder; [ $folder = firmware ] || mount --rbind $folder /run/sys/$folder; done;"
        f" mkdir -p /run/sys/firmware/efi/efivars && cd /run/sys/firmware/efi/efivars &&"
        f" printf '\\006\\000\\000\\000\\001' >{name} && mount --rbind /run/sys /sys"
    )
    finding = first(lab, host)
    assert (finding.id, "Secure Boot is on" in finding.evidence) == ("secure-boot", True)


# --- apt ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "z"])
def test_two_keys_in_both_orders(lab: Lab, host: Host, name: str) -> None:
    other = f"{PARTS}/{name}.list"
    line = f"deb [signed-by=/usr/share/keyrings/docker.gpg] {URL} trixie stable\n"
    with files(host, {other: line}):
        said = says(host, "apt-get update")
        assert "Conflicting values set for option Signed-By" in said
        finding = first(lab, host)
        assert finding.id == "signed-by-conflict"
        # doctor has foreseen apt's very words.
        (message,) = [text for text in said.splitlines() if "Conflicting" in text]
        assert finding.evidence.startswith(message.removeprefix("E: "))
        assert other in finding.evidence
        assert SOURCE in finding.evidence
        assert meaning(lab, said) == ["signed-by-conflict"]
    well(lab, host)


@pytest.mark.parametrize("kind", ["list", "sources"])
def test_a_page_that_was_saved(lab: Lab, host: Host, kind: str) -> None:
    path = f"{PARTS}/nvidia-docker.{kind}"
    page = "<!doctype html>\n<html>\n<head><title>404</title></head>\n<body>Not found</body>\n</html>\n"
    with files(host, {path: page}):
        said = says(host, "apt-get update")
        finding = first(lab, host)
        assert (finding.id, finding.action[0]) == ("page-as-list", f"rm {path}")
        assert finding.evidence in said
        assert meaning(lab, said) == ["page-as-list"]


def test_no_pubkey(lab: Lab, prepared: Make) -> None:
    """A stranger's key, one that apt may not read, one in the wrong format, none at all."""
    host = prepared("fresh")
    stranger = (lab.parts["keys"] / "wrong.asc").read_text()
    host.put(f"{PARTS}/docker.list", f"deb [signed-by={KEY}] {URL} trixie stable\n")
    host.put(KEY, stranger)
    said = says(host, "apt-get update 2>&1; apt-get -qq install docker-ce")
    assert meaning(lab, said)[0] == "no-pubkey"
    finding = first(lab, host)
    assert finding.id == "no-pubkey"
    assert "9DC858229FC7DD38854AE2D88D81803C0EBFCD88" in finding.evidence
    for spoil, word in (
        (f"chmod 0600 {KEY}", "cannot be read"),
        (f"chmod 0644 {KEY}; echo '<html>' >{KEY}", "no OpenPGP key"),
        (f": >{KEY}", "is empty"),
        (f"rm {KEY}", "is not there"),
    ):
        host.exec(spoil)
        finding = first(lab, host)
        assert (finding.id, word in finding.evidence) == ("no-pubkey", True)
    # The right key mends it.
    host.put(KEY, (lab.parts["keys"] / "vendor.asc").read_text())
    host.exec("apt-get -qq update")
    well(lab, host)


def test_no_release_file(lab: Lab, prepared: Make) -> None:
    host = prepared("fresh")
    host.put(KEY, (lab.parts["keys"] / "vendor.asc").read_text())
    host.put(f"{PARTS}/docker.list", f"deb [signed-by={KEY}] {URL} noble stable\n")
    said = says(host, "apt-get update")
    finding = first(lab, host)
    assert (finding.id, finding.action[0]) == (
        "no-release",
        f"write trixie for noble in {PARTS}/docker.list",
    )
    assert meaning(lab, said) == ["no-release"]
    said = says(host, "apt-get install docker-ce")
    assert meaning(lab, said) == ["not-locatable"]
    # The right suite, and a component that was given up years ago.
    host.put(f"{PARTS}/docker.list", f"deb [signed-by={KEY}] {URL} trixie edge\n")
    host.exec("apt-get -qq update", check=False)
    said = says(host, "apt-get install docker-ce")
    assert meaning(lab, said) == ["not-locatable"]
    finding = first(lab, host)
    assert (finding.id, finding.rung) == ("not-locatable", "apt")
    assert f"the index of {URL}/ trixie has no docker-ce" in finding.evidence


def test_who_holds_apt(lab: Lab, host: Host) -> None:
    lock = "/var/lib/dpkg/lock-frontend"
    with held(host, lock):
        pid = host.exec("systemctl show -P MainPID holder").stdout.strip()
        said = says(host, "apt-get -y install nothing-of-that-name 2>&1; apt-get -y -f install")
        finding = first(lab, host)
        assert finding.id == "apt-locked"
        assert f"{lock} is held by pid {pid}" in finding.evidence
        assert "slow-upgrade" in finding.evidence
        assert "apt-locked" in meaning(lab, said)
    well(lab, host)


# --- dpkg -----------------------------------------------------------------------------------------


def test_dpkg_was_interrupted(lab: Lab, host: Host) -> None:
    journal = "/var/lib/dpkg/updates/0001"
    host.exec(f"dpkg-query -s containerd.io >{journal}")
    try:
        said = says(host, "apt-get -y -f install")
        finding = first(lab, host)
    finally:
        host.exec(f"rm {journal}")
    assert (finding.id, finding.action[0]) == ("dpkg-interrupted", "dpkg --configure -a")
    assert meaning(lab, said) == ["dpkg-interrupted"]
    well(lab, host)


def test_a_package_that_has_to_be_reinstalled(lab: Lab, host: Host) -> None:
    """State iHR: killed while it was unpacked; apt refuses all else."""
    name = "docker-compose-plugin"
    edit = f"/^Package: {name}$/,/^$/ s/^Status: .*/Status: install reinstreq half-installed/"
    host.exec(["cp", "-p", "/var/lib/dpkg/status", "/run/status"])
    host.exec(["sed", "-i", edit, "/var/lib/dpkg/status"])
    try:
        run = diagnose(lab, host)
        said = host.exec(f"dpkg --configure {name}", check=False)
    finally:
        host.exec("cp -p /run/status /var/lib/dpkg/status")
    (finding,) = findings(run)
    assert (finding.id, finding.evidence) == ("half-installed", f"{name} is in state iHR")
    assert finding.action[0] == f"apt-get install --reinstall {name}"
    assert "half-installed" in meaning(lab, said.stdout + said.stderr)
    well(lab, host)


# --- Docker ---------------------------------------------------------------------------------------


def test_a_comma_too_many(lab: Lab, host: Host) -> None:
    with broken_daemon(host, '{\n  "log-driver": "local",\n}\n'):
        log = host.exec("journalctl -q -u docker -b -n 50 -o cat --no-pager").stdout
        finding = first(lab, host)
        assert finding.id == "daemon-json-invalid"
        assert f"{DAEMON} {COMMA}" in finding.evidence
        assert "daemon-json-invalid" in meaning(lab, log)
    well(lab, host)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ('{"hosts": ["fd://"]}', "flag-and-file"),
        ('{"default-runtime": "nvidia"}', "default-runtime-unknown"),
        ('{"log-drivers": "local"}', "daemon-json-invalid"),
    ],
)
def test_settings_that_dockerd_refuses(lab: Lab, host: Host, text: str, entry: str) -> None:
    with broken_daemon(host, text):
        log = host.exec("journalctl -q -u docker -b -n 20 -o cat --no-pager").stdout
        assert first(lab, host).id == entry
        assert entry in meaning(lab, log)
    well(lab, host)


def test_a_daemon_that_was_stopped(lab: Lab, host: Host) -> None:
    host.exec("systemctl stop docker.socket docker.service")
    try:
        said = says(host, "docker ps")
        finding = first(lab, host, "--error", said)
    finally:
        host.exec("systemctl start docker.socket docker.service")
    assert finding.id == "daemon-down"
    assert "docker.service is inactive" in finding.evidence
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")


def test_a_unit_that_is_masked(lab: Lab, host: Host) -> None:
    host.exec("systemctl stop docker.socket docker.service; systemctl mask -q docker.service")
    try:
        said = says(host, "systemctl start docker.service")
        finding = first(lab, host)
    finally:
        host.exec(
            "systemctl unmask -q docker.service; systemctl start docker.socket docker.service"
        )
    assert (finding.id, meaning(lab, said)) == ("unit-masked", ["unit-masked"])
    until(lambda: host.exec("docker version", check=False).returncode == 0, "dockerd")


def test_a_network_that_docker_s_lies_in(lab: Lab, host: Host) -> None:
    """D17."""
    network = "172.17.200.0/24"
    gateway = host.exec("ip -4 route show default").stdout.split()
    way = gateway[gateway.index("via") : gateway.index("via") + 2] if "via" in gateway else []
    assert way, gateway
    host.exec(["ip", "route", "add", network, *way])
    try:
        finding = first(lab, host)
    finally:
        host.exec(["ip", "route", "del", network])
    assert finding.id == "subnet-clash"
    assert network in finding.evidence


def test_permission_denied(lab: Lab, host: Host) -> None:
    said = says(host, "docker ps", user="ops")
    well(lab, host)  # by itself it is none
    finding = first(lab, host, "--error", said)
    assert finding.id == "socket-denied"
    assert "ops is not in group docker" in finding.evidence


def test_gpus_where_there_is_no_toolkit(lab: Lab, host: Host) -> None:
    host.exec("docker pull -q hello-world")
    for option, entry in (
        ("--runtime=nvidia", "unknown-runtime"),
        ("--gpus all", "no-device-driver"),
        ("", "no-device-driver"),
    ):
        # Engines after the lab's say it so, on NVIDIA's hosts too.
        said = "docker: Error response from daemon: AMD CDI spec not found"
        if option:
            said = says(host, f"docker run --rm {option} hello-world")
        finding = first(lab, host, "--error", said)
        assert finding.id == entry, said
        assert "not installed" in finding.evidence
    host.exec("docker image rm hello-world")


def test_podman_in_the_way(lab: Lab, prepared: Make) -> None:
    """D11: A stand-in by name."""
    host = prepared("fresh")
    words = {"Package": "podman-docker", "Version": "4.0"}
    package = deb.small(lab.dir / f"podman-docker-{host.name}.deb", words)
    text = base64.b64encode(package.read_bytes()).decode()
    host.exec("base64 -d >/run/podman.deb && dpkg -i /run/podman.deb", input=text)
    finding = first(lab, host)
    assert (finding.id, finding.severity.value) == ("podman-in-the-way", "warning")


# --- the machine ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fill", "word"),
    [
        ("size=8m", "true", "of 8 MiB are free below /var/lib/docker"),
        (
            "size=400m,nr_inodes=4500",
            "cd /var/lib/docker && seq 2600 | xargs touch",
            "of 4500 inodes",
        ),
    ],
    ids=["bytes", "inodes"],
)
def test_a_full_file_system(lab: Lab, bare: Host, options: str, fill: str, word: str) -> None:
    bare.exec(f"mkdir -p /var/lib/docker && mount -t tmpfs -o {options} tmpfs /var/lib/docker")
    bare.exec(fill)
    try:
        finding = first(lab, bare)
    finally:
        bare.exec("umount /var/lib/docker")
    assert (finding.id, finding.rung) == ("disk-full", "host")
    assert word in finding.evidence


def test_a_clock_that_is_off(lab: Lab, bare: Host) -> None:
    """The hosts share this machine's clock, so ``date`` is one that is off."""
    program = "/usr/local/bin/date"
    bare.put(program, '#!/bin/sh\nexec /usr/bin/date -d "1 hour ago" "$@"\n', 0o755)
    try:
        finding = first(lab, bare)
    finally:
        bare.exec(["rm", program])
    assert finding.id == "not-valid-yet"
    assert "behind this machine's" in finding.evidence
    well(lab, bare)


@pytest.mark.parametrize(
    ("text", "entry", "word"),
    [
        (
            "ID=debian\nVERSION_ID=10\nVERSION_CODENAME=buster\n",
            "released-no-more",
            "Debian 10 (buster) is past all support, which ended on 2024-06-30",
        ),
        (
            "ID=debian\nVERSION_CODENAME=forky\nPRETTY_NAME='Debian GNU/Linux forky/sid'\n",
            "not-built",
            "Debian 14 (forky)",
        ),
        ("ID=void\nPRETTY_NAME=Void\n", "not-built", "Void (no codename)"),
    ],
    ids=["buster", "forky", "void"],
)
def test_releases_that_are_no_ground(
    lab: Lab, bare: Host, text: str, entry: str, word: str
) -> None:
    with over(bare, "/usr/lib/os-release", text):
        finding = first(lab, bare)
    assert (finding.id, finding.severity.value) == (entry, "warning")
    assert word in finding.evidence


def test_cgroups_that_cannot_be_written(lab: Lab, host: Host) -> None:
    """E07, D18."""
    host.exec("docker pull -q hello-world")
    host.exec("mount --bind /sys/fs/cgroup /sys/fs/cgroup")
    host.exec("mount -o remount,bind,ro /sys/fs/cgroup")
    try:
        said = says(host, "docker run --rm hello-world")
        finding = first(lab, host, user="root")
    finally:
        host.exec("umount /sys/fs/cgroup")
        host.exec("docker image rm -f hello-world")
    assert finding.id == "cgroups-read-only"
    assert meaning(lab, said) == ["cgroups-read-only"]
    well(lab, host)


def test_without_iptables_and_nftables(lab: Lab, host: Host) -> None:
    """D16."""
    away = 'for tool in iptables nft; do path=$(command -v $tool) && mv "$path" "$path.away"; done'
    back = 'for path in /usr/sbin/*.away; do mv "$path" "${path%.away}"; done'
    host.exec(f"{away}; :")
    try:
        says(host, "systemctl restart docker.service")
        log = host.exec("journalctl -q -u docker -b -n 20 -o cat --no-pager").stdout
        finding = first(lab, host)
    finally:
        host.exec(back)
        restart(host)
    assert finding.id == "firewall-tools"
    assert "firewall-tools" in meaning(lab, log)
    well(lab, host)
