"""GPU hosts, from bare to a container that lists the host's GPUs by every way to ask for them.

The driver and the toolkit are stand-ins (``tests/lab/nvidia.py``); dockerd's CDI, its reload and
restart, systemd's device policies and apt are real. Whether CUDA computes, only hardware tells.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dockwright import events
from dockwright.plan import Verb
from tests.hosts.support import (
    DAEMON,
    Run,
    at,
    containers,
    leftovers,
    printed,
    receipt,
    unseen,
    versions,
)
from tests.hosts.support import dockwright as plain
from tests.lab.deb import small
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host, Layer
from tests.lab.lab import Lab
from tests.lab.machine import ROOT
from tests.lab.nvidia import DRIVER, GPUS, library, triplet

pytestmark = pytest.mark.lab

TOOLKIT = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
LISTED = [f"GPU {n}: {name} (UUID: {uuid})" for n, (uuid, name) in enumerate(GPUS)]
ROUTES = (
    "--device nvidia.com/gpu=all",
    "--gpus all",
    "--runtime=nvidia -e NVIDIA_VISIBLE_DEVICES=all",
)
SPEC = "/var/run/cdi/nvidia.yaml"
UNATTENDED = "/etc/apt/apt.conf.d/20auto-upgrades"


def run(lab: Lab, command: str, host: Host, *args: str, **options: Any) -> Run:
    """A command with the lab's pins for both vendors."""
    pins = [f"docker_fingerprint={lab.fingerprint}", f"nvidia_fingerprint={lab.nvidia_fingerprint}"]
    sets = [] if command == "verify" else [word for pin in pins for word in ("--set", pin)]
    words = command.split()
    return plain(lab, *words, at(host), *sets, "--detailed-exitcode", *args, **options)


def install(lab: Lab, host: Host, *args: str) -> Run:
    return run(lab, "install --gpu", host, "--yes", *args)


def by(host: Host, route: str) -> list[str]:
    """What nvidia-smi lists in a container that asks for GPUs so."""
    host.exec("docker pull -q ubuntu")
    run = f"docker run --rm --network none {route} ubuntu nvidia-smi -L"
    return printed(host, run, check=False).splitlines()


def started(host: Host) -> str:
    return host.exec("systemctl show -P ExecMainStartTimestampMonotonic docker").stdout


@pytest.fixture(scope="module")
def layer(lab: Lab) -> Layer:
    """A host with GPUs, after its first install."""
    host = lab.host("gpulayer", "ubuntu-24.04", gpu=True)
    done = install(lab, host)
    assert done.code == 20, done
    return host.freeze()


@pytest.fixture
def ready(lab: Lab, layer: Layer) -> Iterator[Callable[[], Host]]:
    """Boots hosts that have the toolkit."""
    made: list[Host] = []

    def make() -> Host:
        host = lab.host(f"gpu{len(made)}", base=layer)
        made.append(host)
        host.exec("timeout 60 sh -c 'until docker version; do sleep 0.1; done'")
        host.exec("docker pull -q ubuntu")
        host.mark()
        return host

    yield make
    for host in made:
        host.remove()


@pytest.mark.sampled("dress", 1)
@pytest.mark.parametrize("dress", ["ubuntu-24.04", "debian-13"])
def test_from_bare_to_every_route(lab: Lab, host_factory: HostFactory, dress: str) -> None:
    """G13, the key with a subkey that ran out; G09, no other default runtime than there was."""
    host = host_factory(dress=dress, gpu=True)
    shown = run(lab, "plan gpu", host)
    assert shown.code == 20, shown
    unseen(host)
    assert any(f"driver {DRIVER}" in action.reason for action in shown.plan.actions)
    assert any("expired" in line for line in shown.plan.trust), shown.plan.trust

    done = install(lab, host)
    assert done.code == 20, done
    assert versions(host, *TOOLKIT) == dict.fromkeys(TOOLKIT, "1.20.1-1")
    source = host.exec("cat /etc/apt/sources.list.d/nvidia-container-toolkit.sources").stdout
    assert "URIs: https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH)\n" in source
    assert "Suites: /\n" in source
    assert "Components" not in source
    assert lab.nvidia_fingerprint in source
    assert host.exec("apt-get -q check && apt-get -q update").returncode == 0
    daemon = json.loads(host.exec(["cat", DAEMON]).stdout)
    assert daemon["runtimes"] == {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}
    assert "default-runtime" not in daemon
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    last = done.all(events.StepFinished)[-1]
    assert last.outcome == "verified"
    assert "2 GPUs by --device, --gpus and --runtime=nvidia" in last.text
    assert "again after daemon-reload" in last.text
    assert leftovers(host) == []

    host.exec("docker image rm ubuntu")
    since = started(host)
    host.mark()
    again = install(lab, host)
    assert again.code == 0, again
    assert not again.all(events.ProgramStarted)
    assert host.changed() == []
    assert started(host) == since

    proved = run(lab, "verify", host)
    assert proved.code == 0, proved
    assert [step.outcome.value for step in proved.all(events.StepFinished)] == ["verified"] * 2
    assert host.changed() == []


@pytest.mark.deep
def test_a_policy_that_a_reload_of_systemd_loses(lab: Lab, host_factory: HostFactory) -> None:
    """With the runc and systemd of Debian 12 a container keeps its GPUs only by /dev/char."""
    host = host_factory(dress="debian-12", gpu=True)
    done = install(lab, host)
    assert done.code == 8, done
    assert done.failed.brief == "a container loses its GPUs when systemd is reloaded"
    assert "create-dev-char-symlinks" in dict(done.failed.details)["cause"]
    assert versions(host, *TOOLKIT) == dict.fromkeys(TOOLKIT, "1.20.1-1")
    # What NVIDIA's command does.
    host.exec(
        "mkdir -p /dev/char; for n in /dev/nvidia*; do"
        ' ln -sf "$n" "/dev/char/$((0x$(stat -c %t $n))):$((0x$(stat -c %T $n)))"; done'
    )
    assert run(lab, "verify", host).code == 0
    assert install(lab, host).code == 0


@pytest.mark.sampled("back", 1)
@pytest.mark.deep
@pytest.mark.parametrize("back", ["undo", "uninstall"])
def test_back_with_another_driver_than_there(
    lab: Lab, ready: Callable[[], Host], back: str
) -> None:
    """The toolkit made its specification anew for it: that is nobody's edit, and goes with it."""
    host = ready()
    host.exec(f"sed -i s/{DRIVER}/575.57.08/g {SPEC}")
    done = plain(lab, back, at(host), "--yes", "--allow-restart")
    assert done.code == 0, done
    assert versions(host, *TOOLKIT) == {}
    assert host.exec(["test", "-e", SPEC], check=False).returncode == 1


def test_a_running_container_survives_what_needs_no_restart(
    lab: Lab, ready: Callable[[], Host]
) -> None:
    """The runtime was never registered, as after NVIDIA's packages alone: a reload registers it."""
    host = ready()
    host.put(DAEMON, '{\n  "features": {"cdi": true},\n  "labels": ["site=lab"]\n}\n')
    host.exec("systemctl restart docker")
    host.exec("docker run -d --name app ubuntu sleep 1000")
    app, since = containers(host), started(host)
    shown = run(lab, "plan gpu", host)
    (reload,) = [action for action in shown.plan.actions if action.kind == "reload"]
    assert reload.verb is Verb.CHANGE
    assert not shown.plan.stops

    done = install(lab, host)
    assert done.code == 20, done
    assert (containers(host), started(host)) == (app, since)
    assert by(host, ROUTES[2]) == LISTED
    assert json.loads(host.exec(["cat", DAEMON]).stdout)["labels"] == ["site=lab"]
    assert ["keys", DAEMON, "runtimes"] in receipt(host, done)
    assert "other containers run" in done.all(events.StepFinished)[-1].text


def test_a_restart_is_refused_while_containers_run(lab: Lab, host_factory: HostFactory) -> None:
    """Docker first, the toolkit later: --gpus needs a dockerd that found NVIDIA's hook."""
    host = host_factory(dress="ubuntu-24.04", gpu=True)
    assert run(lab, "apply gpu", host, "--yes", "--set", "gpu=none").code == 20
    host.exec("docker run -d --stop-timeout=1 --restart=always --name app ubuntu sleep 1000")
    app, since = containers(host), started(host)
    host.mark()
    refused = install(lab, host)
    assert refused.code == 9, refused
    assert "app" in refused.told
    assert host.changed() == []
    assert (containers(host), started(host)) == (app, since)

    done = install(lab, host, "--allow-restart")
    assert done.code == 20, done
    assert started(host) != since
    assert list(containers(host)) == ["app"]
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    again = install(lab, host)
    assert again.code == 0, again


@pytest.mark.deep
def test_nothing_stops_where_nobody_asks_for_the_gpus_flag(
    lab: Lab, host_factory: HostFactory
) -> None:
    """The toolkit comes to a host whose containers run, and none of them notices."""
    host = host_factory(dress="debian-13", gpu=True)
    cdi = ("--yes", "--set", "docker_daemon={features: {cdi: true}}", "--set", "gpus_flag=false")
    assert run(lab, "apply gpu", host, *cdi, "--set", "gpu=none").code == 20
    host.exec("docker run -d --name app ubuntu sleep 1000")
    app, since = containers(host), started(host)
    done = run(lab, "apply gpu", host, *cdi)
    assert done.code == 20, done
    assert (containers(host), started(host)) == (app, since)
    assert by(host, ROUTES[0]) == LISTED
    assert by(host, ROUTES[2]) == LISTED
    assert "2 GPUs by --device and --runtime" in done.all(events.StepFinished)[-1].text
    assert run(lab, "apply gpu", host, *cdi).code == 0


@pytest.mark.deep
def test_live_restore_carries_containers_over_the_restart(
    lab: Lab, host_factory: HostFactory
) -> None:
    host = host_factory(dress="ubuntu-24.04", gpu=True)
    live = ("--yes", "--set", "docker_daemon={live-restore: true}")
    assert run(lab, "apply gpu", host, *live, "--set", "gpu=none").code == 20
    host.exec("docker run -d --name app ubuntu sleep 1000")
    app = containers(host)
    done = run(lab, "apply gpu", host, *live)
    assert done.code == 20, done
    assert containers(host) == app
    assert by(host, ROUTES[1]) == LISTED


def test_an_older_version_is_pinned_and_the_newer_is_told(
    lab: Lab, host_factory: HostFactory
) -> None:
    """G10, nothing below the floor; 1.17 has no units that make the CDI specification anew: docker.service does, at each start."""
    host = host_factory(dress="debian-13", gpu=True)
    low = install(lab, host, "--set", "nvidia_version=1.17.7")
    assert low.code == 3, low
    assert "1.17.8" in low.told
    assert "CVE-2025-23266" in low.told
    unseen(host)

    pinned = ("--set", "nvidia_version=1.17.8", "--set", "hold=true")
    done = install(lab, host, *pinned)
    assert done.code == 20, done
    assert versions(host, *TOOLKIT) == dict.fromkeys(TOOLKIT, "1.17.8-1")
    assert set(TOOLKIT) <= set(host.exec("apt-mark showhold").stdout.split())
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    again = install(lab, host, *pinned)
    assert again.code == 0, again
    told = run(lab, "plan gpu", host, "--set", "hold=true")
    assert any("1.20.1" in note and "--upgrade" in note for note in told.plan.notes), told

    host.stop()
    host.boot()
    host.exec("timeout 60 sh -c 'until docker version; do sleep 0.1; done'")
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    assert install(lab, host, *pinned).code == 0

    up = install(lab, host, "--upgrade", "--set", "hold=true")
    assert up.code == 20, up
    assert versions(host, *TOOLKIT) == dict.fromkeys(TOOLKIT, "1.20.1-1")
    assert install(lab, host, "--set", "hold=true").code == 0


@pytest.mark.deep
def test_a_source_of_one_s_own_is_replaced_and_undo_brings_it_back(
    lab: Lab, host_factory: HostFactory
) -> None:
    """NVIDIA's manual was followed: a list with a key of its own, and the runtime in daemon.json."""
    host = host_factory(dress="ubuntu-24.04", gpu=True)
    assert run(lab, "apply gpu", host, "--yes", "--set", "gpu=none").code == 20
    theirs = "/etc/apt/sources.list.d/nvidia-container-toolkit.list"
    keyring = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
    host.put(keyring, (lab.parts["nvidia"] / "key.asc").read_text())
    url = "https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH)"
    host.put(theirs, f"deb [signed-by={keyring}] {url} /\n")
    host.put(DAEMON, '{"runtimes": {"nvidia": {"path": "/usr/bin/nvidia-container-runtime"}}}\n')
    before = host.exec(["cat", DAEMON]).stdout
    done = install(lab, host)
    assert done.code == 20, done
    assert host.exec(f"test -e {theirs}", check=False).returncode == 1
    assert host.exec("apt-get -q update").returncode == 0
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    assert install(lab, host).code == 0

    back = lab.dockwright("undo", at(host), "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert host.exec(["cat", theirs]).stdout.startswith("deb [signed-by=")
    assert host.exec(["cat", DAEMON]).stdout == before
    assert versions(host, *TOOLKIT) == {}
    assert host.exec(f"test -e {SPEC}", check=False).returncode == 1
    assert host.exec("docker version").returncode == 0
    assert leftovers(host) == []


# --- hosts that are refused -----------------------------------------------------------------------


def test_g01_no_gpu(lab: Lab, host_factory: HostFactory) -> None:
    host = host_factory(dress="ubuntu-24.04")
    asked = len(lab.requests())
    refused = install(lab, host)
    assert refused.code == 3, refused
    assert "has no NVIDIA GPU" in refused.told
    assert lab.requests()[asked:] == []
    unseen(host)
    done = install(lab, host, "--set", "gpu=auto")
    assert done.code == 20, done
    assert any("no NVIDIA GPU" in note for note in done.plan.notes)
    assert host.exec("docker version").returncode == 0
    assert versions(host, *TOOLKIT) == {}
    assert install(lab, host, "--set", "gpu=auto").code == 0


def test_another_key_than_the_pinned_one(lab: Lab, host_factory: HostFactory) -> None:
    """The shipped pin is NVIDIA's own, and the lab signs by itself: nothing is believed."""
    host = host_factory(dress="ubuntu-24.04", gpu=True)
    pin = f"docker_fingerprint={lab.fingerprint}"
    refused = plain(lab, "install", at(host), "--gpu", "--yes", "--set", pin)
    assert refused.code == 4, refused
    assert "C95B 321B 61E8 8C18 09C4  F759 DDCA E044 F796 ECB0" in refused.told
    unseen(host)


def unload(host: Host) -> None:
    host.exec("rm -r /proc/driver/nvidia /dev/nvidia*")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (f"rm /usr/bin/nvidia-smi /usr/lib/{triplet()}/libnvidia-ml*", ["no driver", "reboot"]),
        (
            "for d in /sys/bus/pci/devices/*; do ln -sfn ../nouveau $d/driver; done",
            ["nouveau", "blacklist"],
        ),
        ("true", ["installed", "not loaded", "modprobe nvidia"]),
    ],
    ids=["g02-no-driver", "g03-nouveau", "g04-not-loaded"],
)
def test_refused(lab: Lab, host_factory: HostFactory, change: str, words: list[str]) -> None:
    """G02, G03 and G04: a driver that is not there, not NVIDIA's, or not loaded."""
    host = host_factory(dress="ubuntu-24.04", gpu=True)
    unload(host)
    host.exec(change)
    host.mark()
    refused = install(lab, host)
    assert refused.code == 3, refused
    for word in words:
        assert word in refused.told, refused.told
    unseen(host)


# --- broken rungs ---------------------------------------------------------------------------------


def rung(lab: Lab, host: Host) -> tuple[str, str]:
    """The brief and the cause of a verification that fails."""
    done = run(lab, "verify", host)
    assert done.code == 8, done
    return done.failed.brief, dict(done.failed.details)["cause"]


def test_each_rung_has_its_cause(lab: Lab, ready: Callable[[], Host]) -> None:
    """G15, a node is missing; G11, the host has GPUs and a container has none, or others."""
    host = ready()
    host.exec("mv /dev/nvidia-uvm /dev/elsewhere")
    brief, cause = rung(lab, host)
    assert "/dev/nvidia-uvm" in brief
    assert "nvidia-modprobe" in cause
    host.exec("mv /dev/elsewhere /dev/nvidia-uvm")

    host.exec(f"mv {SPEC} /root/spec")
    brief, cause = rung(lab, host)
    assert "--device" in brief
    assert cause.startswith("CDI: no specification names the device")
    host.exec(f"sed 's,/dev/nvidia1$,/dev/nvidia0,' /root/spec >{SPEC}")
    brief, cause = rung(lab, host)
    assert "other GPUs than the host" in brief
    assert cause.startswith("CDI")
    host.exec(f"sed '/nvidia-uvm$/d' /root/spec >{SPEC}")
    brief, cause = rung(lab, host)
    assert "no GPU by --device" in brief
    assert cause.startswith("CDI: the specification was made without /dev/nvidia-uvm")
    host.exec(f"cp /root/spec {SPEC}")

    host.put(DAEMON, '{"features": {"cdi": true}}\n')
    host.exec("systemctl restart docker")
    brief, cause = rung(lab, host)
    assert "--runtime=nvidia" in brief
    assert "systemctl reload docker" in cause


def test_g05_another_library_than_the_module(lab: Lab, ready: Callable[[], Host]) -> None:
    """A driver was upgraded, and the host not rebooted."""
    host = ready()
    folder, newer = f"/usr/lib/{triplet()}", "575.57.08"
    host.put(f"{folder}/libnvidia-ml.so.{newer}", library(newer))
    host.exec(f"ln -sfn libnvidia-ml.so.{newer} {folder}/libnvidia-ml.so.1")
    brief, cause = rung(lab, host)
    assert "nvidia-smi fails on the host" in brief
    assert f"kernel module {DRIVER}, library {newer}; reboot" in cause

    # After the reboot the old specification is found out and made anew.
    host.put("/etc/cdi/nvidia.yaml", host.exec(["cat", SPEC]).stdout)
    host.exec("systemctl disable -q nvidia-cdi-refresh.service")
    host.stop()
    host.boot()
    host.exec("timeout 60 sh -c 'until docker version; do sleep 0.1; done'")
    done = install(lab, host)
    assert done.code == 20, done
    assert any(
        "/etc/cdi/nvidia.yaml is of driver" in note and newer in note for note in done.plan.notes
    )
    assert f"libnvidia-ml.so.{newer}" in host.exec(["cat", SPEC]).stdout
    for route in ROUTES:
        assert by(host, route) == LISTED, route


# --- what may not last, and what nvidia-smi does not show -----------------------------------------


@pytest.mark.sampled("mark", 1)
@pytest.mark.parametrize(
    ("mark", "word"),
    [("mknod /dev/dxg c 10 125", "WSL"), ("echo R36 >/etc/nv_tegra_release", "Jetson")],
    ids=["wsl", "jetson"],
)
def test_g12_a_platform_with_gpus_of_its_own(
    lab: Lab, host_factory: HostFactory, mark: str, word: str
) -> None:
    """Refused, whatever else is there; with gpu=auto it is Docker alone, and that is said."""
    host = host_factory(dress="ubuntu-24.04")
    host.exec(mark)
    host.mark()
    refused = install(lab, host)
    assert refused.code == 3, refused
    assert word in refused.told
    unseen(host)
    shown = run(lab, "plan gpu", host, "--set", "gpu=auto")
    assert shown.code == 20, shown
    assert any(word in note and "Docker alone" in note for note in shown.plan.notes)
    assert not any("nvidia" in change.name for change in shown.plan.transaction.installs)


def test_what_does_not_show_at_first(lab: Lab, ready: Callable[[], Host], tmp_path: Path) -> None:
    """G16, G17 and a program of CUDA's that does not compute, then G14, each on one host."""
    host = ready()
    held_driver(lab, host, tmp_path)
    xid_errors(lab, host, tmp_path / "verdict.jsonl")
    computing(lab, host)
    host.put(DAEMON, '{"runtimes": ["nvidia"]}\n')
    host.mark()
    refused = install(lab, host)
    assert refused.code == 3, refused
    assert "runtimes" in refused.told
    assert DAEMON in refused.told
    unseen(host)


def held_driver(lab: Lab, host: Host, work: Path) -> None:
    """G16, a driver that unattended-upgrades may change: the plan has the command, until it is held."""
    name = "libnvidia-compute-570"
    path = f"usr/lib/{triplet()}/libnvidia-ml.so.{DRIVER}"
    deb = small(work / "c.deb", {"Package": name, "Version": DRIVER}, {path: library()})
    host.exec("base64 -d >/tmp/c.deb", input=base64.b64encode(deb.read_bytes()).decode())
    host.exec("dpkg -i /tmp/c.deb && rm /tmp/c.deb")
    host.put(UNATTENDED, 'APT::Periodic::Unattended-Upgrade "1";\n')
    command = f"apt-mark hold {name}"
    shown = run(lab, "plan gpu", host)
    (note,) = [note for note in shown.plan.notes if command in note]
    assert note.startswith("unattended-upgrades may change the driver")
    host.exec(command)
    assert not any("hold" in note for note in run(lab, "plan gpu", host).plan.notes)


def xid_errors(lab: Lab, host: Host, verdict: Path) -> None:
    """G17; the lab has no kernel log of its own: journalctl tells one, for -k alone."""
    line = "NVRM: Xid (PCI:0000:01:00): 79, pid=1234, GPU has fallen off the bus."
    host.exec(
        "cat >/usr/local/bin/journalctl && chmod +x /usr/local/bin/journalctl",
        input="#!/bin/sh\n"
        f"case \" $* \" in *' -k '*) echo '{line}'; exit ;; esac\nexec /usr/bin/journalctl \"$@\"\n",
    )
    done = run(lab, "verify", host, "--verdict", str(verdict))
    assert done.code == 0, done
    (told,) = [json.loads(text) for text in verdict.read_text().splitlines()]
    assert (told["host"], told["verdict"], told["exit"]) == (at(host), "warning", 0)
    xid = told["findings"][0]
    assert (xid["severity"], xid["finding"][:12]) == ("warning", "1 Xid errors")
    assert xid["action"] == ["journalctl -k | grep Xid"]
    assert [one["severity"] for one in told["findings"][-2:]] == ["ok", "ok"]


def computing(lab: Lab, host: Host) -> None:
    """--deep: nvidia-smi works in a container, and whether CUDA does its own image tells."""
    deep = ("--deep", "--set", "gpu_deep_image=cuda-sample")
    done = run(lab, "verify", host, *deep)
    assert done.code == 0, done
    assert done.all(events.StepFinished)[-1].text.endswith("CUDA computes")
    broken = run(lab, "verify", host, "--deep", "--set", "gpu_deep_image=cuda-too-new")
    assert broken.code == 8, broken
    assert "CUDA does not compute" in broken.failed.brief
    assert f"newer than driver {DRIVER} can run" in dict(broken.failed.details)["cause"]
    images = host.exec("docker image ls --format '{{.Repository}}'").stdout.split()
    assert not {"cuda-sample", "cuda-too-new"} & set(images)


def test_gpu_check_tries_what_hardware_alone_can_prove(lab: Lab, ready: Callable[[], Host]) -> None:
    """The script for people with GPUs, here on the stand-in: each row is told, and one that breaks."""
    host = ready()
    sets = [
        f"docker_fingerprint={lab.fingerprint}", f"nvidia_fingerprint={lab.nvidia_fingerprint}",
        "gpu_deep_image=cuda-sample",
    ]  # fmt: skip
    env = {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT / "installer")}
    words: list[str | Path] = [
        ROOT / "script/gpu-check",
        at(host),
        *(w for one in sets for w in ("--set", one)),
    ]
    done = lab.run(words, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split()[:2] for line in done.stdout.splitlines() if line.startswith("ok")]
    assert sorted(row for _, row in rows) == ["G04", "G05", "G11", "G15", "G17", "T05"]
    assert "CUDA computes" in done.stdout
    host.exec("mv /dev/nvidia-uvm /dev/elsewhere")
    done = lab.run(words, env=env)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED G15" in done.stdout
