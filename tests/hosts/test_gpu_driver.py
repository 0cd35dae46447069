"""A GPU without a driver: the distribution's own comes by ``--driver``, and a reboot by ``--reboot`` only.

Packages and ``modprobe`` are stand-ins (``tests/lab/drivers.py``); apt, the choice from its lists, the
reboot and what goes on after it are real.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dockwright import events
from tests.hosts.support import Run, at, leftovers, unseen, versions
from tests.hosts.test_gpu import LISTED, ROUTES, TOOLKIT, by, install, run
from tests.lab.drivers import DEBIANS, KERNEL, NAMEABLE, offer
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.nvidia import DRIVER

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not NAMEABLE, reason="this kernel's release is no part of a package's name"),
]
SIGNED = f"linux-modules-nvidia-570-server-open-{KERNEL}"
KEPT = "/etc/apt/apt.conf.d/52dockwright-nvidia-driver"


def bare(make: HostFactory, dress: str = "ubuntu-24.04", *, offers: bool = True) -> Host:
    host = make(dress=dress, gpu=True, driver=False)
    if offers:
        offer(host)
    host.mark()
    return host


def boot_of(host: Host) -> str:
    return host.exec("cat /proc/sys/kernel/random/boot_id").stdout


def first(done: Run) -> list[str]:
    """What the plan before all else installs, in the end."""
    plan = done.all(events.Planned)[0].plan
    assert plan.preliminary
    return [change.name for change in plan.transaction.changes]


def at_once(lab: Lab, host_factory: HostFactory) -> None:
    """G02: refused and untouched with the very command; with it all the way, and no reboot."""
    host = bare(host_factory)
    refused = install(lab, host)
    assert refused.code == 3, str(refused)
    assert "no driver" in refused.told
    assert f"dockwright install --gpu --driver auto {at(host)}" in refused.told
    unseen(host)
    shown = run(lab, "plan gpu", host, "--driver", "auto")
    assert shown.code == 20, str(shown)
    assert SIGNED in first(shown)
    assert any("is planned after that" in note for note in shown.plan.notes)
    unseen(host)

    boot = boot_of(host)
    done = install(lab, host, "--driver", "auto", "--set", "driver_keep=true")
    assert done.code == 20, str(done)
    driver = {SIGNED, "nvidia-headless-no-dkms-570-server-open", "nvidia-utils-570-server"}
    assert driver <= set(first(done))
    assert not any("dkms-570" in name and "no-dkms" not in name for name in first(done))
    assert "no reboot was needed" in done.step("load NVIDIA's driver").text
    assert boot_of(host) == boot
    assert '"libnvidia-";' in host.exec(["cat", KEPT]).stdout
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    host.mark()
    again = install(lab, host, "--driver", "auto", "--set", "driver_keep=true")
    assert again.code == 0, str(again)
    assert not again.all(events.ProgramStarted)
    assert any(f"{DRIVER} is loaded, and kept" in a.reason for a in again.plan.actions)

    # The way back, run by run: the toolkit, then the driver.
    for gone in (TOOLKIT, (SIGNED, "nvidia-utils-570-server")):
        back = lab.dockwright("undo", at(host), "--yes")
        assert back.returncode == 0, back.stdout + back.stderr
        assert versions(host, *gone) == {}
    assert host.exec(["test", "-e", KEPT], check=False).returncode == 1
    assert leftovers(host) == []


def after_a_reboot(lab: Lab, host_factory: HostFactory) -> None:
    """G03, nouveau has the GPU: without --reboot the run ends before it (6), with it all goes on by boot id."""
    host = bare(host_factory)
    host.exec("touch /etc/lab-nouveau && systemctl restart lab-gpu")
    refused = install(lab, host)
    assert refused.code == 3, str(refused)
    assert "nouveau" in refused.told
    assert f"--driver auto {at(host)} --reboot" in refused.told

    stopped = install(lab, host, "--driver", "auto")
    assert stopped.code == 6, str(stopped)
    assert "works after a reboot" in stopped.failed.brief
    assert "--reboot" in dict(stopped.failed.details)["cause"]
    host.mark()
    waits = install(lab, host, "--driver", "auto")
    assert waits.code == 3, str(waits)
    assert "waits for a reboot" in waits.told
    unseen(host)

    boot = boot_of(host)
    done = install(lab, host, "--driver", "auto", "--reboot")
    assert done.code == 20, str(done)
    host.await_reboot()
    assert boot_of(host) != boot
    assert any(one.phase == "reboot" for one in done.all(events.PhaseFinished))
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    assert install(lab, host, "--driver", "auto", "--reboot").code == 0


def from_non_free(lab: Lab, host_factory: HostFactory) -> None:
    """Without that component it is refused, with how to enable it; with it DKMS builds the module."""
    host = bare(host_factory, "debian-13", offers=False)
    refused = install(lab, host, "--driver", "auto")
    assert refused.code == 3, str(refused)
    assert "component non-free" in refused.told
    assert "contrib non-free non-free-firmware" in refused.told
    unseen(host)
    offer(host)
    done = install(lab, host, "--driver", "auto")
    assert done.code == 20, str(done)
    wanted = {f"linux-headers-{KERNEL}", "nvidia-kernel-dkms", "nvidia-smi", "libcuda1"}
    assert wanted <= set(first(done))
    assert DEBIANS in done.step("load NVIDIA's driver").text
    assert by(host, ROUTES[0]) == LISTED
    assert install(lab, host, "--driver", "auto").code == 0
    gone = lab.dockwright("uninstall", at(host), "--yes")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert versions(host, *wanted) == {}


def test_a_branch_that_only_dkms_would_build(lab: Lab, host_factory: HostFactory) -> None:
    """Signed modules go before DKMS, unless a branch is named that has none; a branch that is not there is refused."""
    host = bare(host_factory)
    unknown = install(lab, host, "--driver", "600")
    assert unknown.code == 3, str(unknown)
    assert "570-server-open" in unknown.told
    shown = run(lab, "plan gpu", host, "--driver", "auto")
    assert shown.code == 20, str(shown)
    assert SIGNED in first(shown)
    built = run(lab, "plan gpu", host, "--driver", "535")
    assert built.code == 20, str(built)
    assert "nvidia-dkms-535-server" in first(built)
    assert "DKMS" in built.plan.actions[0].reason
    unseen(host)


def by_itself(lab: Lab, host_factory: HostFactory) -> None:
    """E31, on ``local``: the command ends with the machine; a unit runs it again, once, and what came of it is seen."""
    host = host_factory(dress="ubuntu-24.04", gpu=True, driver=False, python=True)
    offer(host)
    host.exec("touch /etc/lab-nouveau && systemctl restart lab-gpu")
    pins = [f"docker_fingerprint={lab.fingerprint}", f"nvidia_fingerprint={lab.nvidia_fingerprint}"]
    sets = [word for pin in pins for word in ("--set", pin)]
    boot = boot_of(host)
    asked = ("install", "--gpu", "--driver", "auto", "--reboot", *sets)
    ended = host.dockwright(*asked, "--yes", "local")
    assert ended.returncode != 0, ended.stdout + ended.stderr  # 6, or cut off with the machine
    if ended.returncode == 6:
        assert "dockwright attach local" in ended.stdout + ended.stderr
    host.await_reboot(60)
    assert boot_of(host) != boot
    unit, link = "/etc/systemd/system/dockwright-resume.service", "multi-user.target.wants"
    done = f"[ ! -e {unit} ] && case $(systemctl is-active dockwright-resume) in activating) false ;; esac"
    host.exec(f"timeout 300 sh -c 'until {done}; do sleep 0.2; done'", timeout=320)
    said = host.exec("journalctl -q --no-pager -o cat -u dockwright-resume").stdout
    assert "local is a Docker host" in said, said
    for route in ROUTES:
        assert by(host, route) == LISTED, route
    shown = host.dockwright("attach", "local")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "verify the GPUs in containers" in shown.stdout
    assert host.dockwright("history", "local").stdout.count("gpu") >= 2
    left = (
        f"ls {unit} /etc/systemd/system/{link}/dockwright-resume.service /var/lib/dockwright/resume"
    )
    assert not host.exec(left, check=False).stdout
    again = host.dockwright(*asked, "--yes", "--detailed-exitcode", "local")
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.sampled("life", 2)
@pytest.mark.parametrize("life", [at_once, from_non_free, after_a_reboot, by_itself])
def test_from_no_driver_to_a_container_that_lists_the_gpus(
    lab: Lab, host_factory: HostFactory, life: Callable[[Lab, HostFactory], None]
) -> None:
    life(lab, host_factory)
