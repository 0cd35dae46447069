"""The one file where a host is not as simple as that: holds, Kubernetes, Swarm, dpkg, locks, undo."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.hosts.support import (
    DAEMON,
    PACKAGES,
    STATE,
    Make,
    clean,
    containers,
    engine,
    leftovers,
    unseen,
    until,
    untouched,
    versions,
)
from tests.hosts.test_interrupt_dpkg import flags, other
from tests.hosts.test_locks import held
from tests.hosts.test_onefile import PROFILES, Done, ends, hand, rendered, run
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]


@pytest.fixture(scope="module")
def text(lab: Lab) -> str:
    lab.vendor.serve("good")
    return rendered(lab)


def holds(host: Host) -> set[str]:
    return set(host.exec("apt-mark showhold").stdout.split())


def refused(host: Host, code: int, *said: str, words: tuple[str, ...] = ()) -> None:
    """Both words refuse with that code, whatever is agreed to, and nothing has changed."""
    for word in ("plan", "apply"):
        ends(run(host, word, *words), code, *said)
        untouched(host)
    host.exec(["rm", "-rf", STATE])


# --- holds ----------------------------------------------------------------------------------------


def test_somebody_holds_it(prepared: Make, text: str) -> None:
    host = hand(prepared("29.7.1"), text)
    host.exec("apt-mark hold docker-ce")
    hand(host, text)
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)
    for word in ("plan", "apply"):
        ends(
            run(host, word, "--upgrade"),
            3,
            "held by apt-mark: docker-ce",
            "apt-mark unhold docker-ce",
        )
        untouched(host)
    assert engine(host) == "29.7.1"
    ends(run(host, "status"), 0, "docker-ce 5:29.7.1")


def test_it_holds_by_itself(lab: Lab, prepared: Make) -> None:
    """``hold``: from then on apt leaves them alone, and this file still upgrades them."""
    wish = rendered(lab, "--set", "hold=true")
    host = hand(prepared("29.7.1"), wish)
    ends(run(host, "plan"), 0, "~ change   hold packages")
    unseen(host)
    ends(run(host, "apply"), 0)
    assert holds(host) == set(PACKAGES)
    assert engine(host) == "29.7.1"
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)
    ends(run(host, "apply", "--upgrade"), 0)
    assert engine(host) == "29.7.2"
    assert holds(host) == set(PACKAGES)
    ends(run(host, "undo"), 0, "is undone")
    assert engine(host) == "29.7.1"
    assert holds(host) == set(PACKAGES)
    ends(run(host, "undo"), 0, "is undone")
    assert holds(host) == set()
    assert engine(host) == "29.7.1"


# --- hosts that must not be changed ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fresh", "distribution"])
def test_kubernetes(prepared: Make, text: str, kind: str) -> None:
    """D12: Its containerd stays, whoever agrees to whatever."""
    host = prepared(kind)
    host.put("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n")
    hand(host, text)
    before = versions(host, "docker.io", "containerd", "runc")
    refused(host, 9, "Kubernetes node", "/var/lib/kubelet", words=("--allow-restart",))
    assert versions(host, "docker.io", "containerd", "runc") == before
    ends(run(host, "status"), 0, "last run   none")


def test_kubernetes_where_nothing_changes(prepared: Make, text: str) -> None:
    host = prepared("docker")
    host.put("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n")
    hand(host, text)
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)


def test_swarm(lab: Lab, prepared: Make) -> None:
    """D06: A restart of dockerd would move its tasks: refused; a reload does not, and is done."""
    host = prepared("docker")
    host.exec("docker swarm init --advertise-addr 127.0.0.1")
    hand(host, rendered(lab, "--set", "docker_daemon={log-driver: local}"))
    refused(host, 9, "Swarm node", words=("--allow-restart",))
    hand(host, rendered(lab, "--set", "docker_daemon={labels: [a=b]}"))
    ends(run(host, "apply"), 0)
    assert (
        host.exec("docker info -f '{{.Labels}} {{.Swarm.LocalNodeState}}'").stdout
        == "[a=b] active\n"
    )
    ends(run(host, "undo"), 0, "is undone")
    assert host.exec(["test", "-e", DAEMON], check=False).returncode == 1


# --- dpkg -----------------------------------------------------------------------------------------


def test_dpkg_was_interrupted(prepared: Make, text: str) -> None:
    """Half configured: repaired first, then planned; what cannot be repaired is 7 with the commands."""
    host = prepared("fresh")
    other(host, "1", "postinst", "[ -e /srv/mended ] || kill -9 $PPID")
    host.exec("dpkg -i /srv/other_1.deb", check=False)
    assert flags(host) == "iF"
    hand(host, text)
    ends(run(host, "plan"), 0, "dpkg was interrupted")
    unseen(host)
    done = run(host, "apply")
    ends(done, 7, "dpkg --configure -a")
    assert versions(host) == {}
    host.exec("touch /srv/mended")
    done = run(host, "apply")
    ends(done, 0, "repair dpkg", "hello-world ran")
    assert flags(host) == "ii"
    clean(host)
    ends(run(host, "status"), 0, "ended with 0", "docker-ce 5:29.7.2")


def test_killed_in_the_middle(prepared: Make, text: str) -> None:
    """The file itself is killed while dpkg unpacks; run again, it mends that and goes on."""
    host = hand(prepared("fresh"), text)
    apply = threading.Thread(target=run, args=(host, "apply"))
    apply.start()
    until(lambda: "pmstatus" in host.exec(f"cat {STATE}/runs/*/ev 2>/dev/null || :").stdout
          or host.exec("pgrep -x dpkg", check=False).returncode == 0, "dpkg runs")  # fmt: skip
    host.exec(
        "pkill -9 -f dockwright-docker.sh; pkill -9 -x apt-get; pkill -9 -x dpkg", check=False
    )
    apply.join()
    ends(run(host, "status"), 0, "last run")
    done = run(host, "apply")
    ends(done, 0)
    clean(host)
    assert leftovers(host) == []
    host.mark()
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)


def test_dpkg_cannot_be_read(prepared: Make, text: str) -> None:
    host = hand(prepared("fresh"), text)
    host.exec("cp /var/lib/dpkg/status /srv/status; truncate -s 20010 /var/lib/dpkg/status")
    host.mark()
    for word in ("plan", "apply"):
        ends(run(host, word), 7, "database cannot be read", "status-old")
        untouched(host)
    host.exec("cp /srv/status /var/lib/dpkg/status")
    ends(run(host, "apply"), 0)
    clean(host)


# --- locks and other runs -------------------------------------------------------------------------


@contextmanager
def applying(host: Host, *words: str) -> Iterator[list[Done]]:
    """``apply`` under way; its end is in the list after the block."""
    done: list[Done] = []
    thread = threading.Thread(target=lambda: done.append(run(host, "apply", *words)))
    thread.start()
    try:
        yield done
    finally:
        thread.join()


def ledger(host: Host) -> str:
    return host.exec(f"cat {STATE}/runs/*/ev 2>/dev/null || :").stdout


def test_locks_are_waited_for(prepared: Make, text: str) -> None:
    """The holder is named and left alone; a second run says who runs; after that it is done."""
    host = hand(prepared("fresh"), text)
    with held(host, "/var/lib/dpkg/lock-frontend"), applying(host) as done:
        until(lambda: " wait locks " in ledger(host), "the lock is waited for")
        untouched_but_ours(host)
        ends(run(host, "apply"), 10, "another run is under way", "started by root")
        ends(run(host, "undo"), 10, "another run is under way")
        ends(run(host, "status"), 0, "running", "last run   none")
        host.exec("systemctl stop holder")
    ends(
        done[0],
        0,
        "waiting",
        "/var/lib/dpkg/lock-frontend",
        "perl /run/slow-upgrade",
        "hello-world ran",
    )
    clean(host)


def test_locks_for_too_long(prepared: Make, text: str) -> None:
    """10, before anything has changed; the file has ten minutes, this one a second."""
    host = hand(prepared("fresh"), text.replace("\nlock_timeout=600\n", "\nlock_timeout=1\n"))
    with held(host, "/var/lib/dpkg/lock-frontend"):
        ends(run(host, "apply"), 10, "still holds /var/lib/dpkg/lock-frontend", "slow-upgrade")
    untouched_but_ours(host)
    assert versions(host) == {}


def untouched_but_ours(host: Host) -> None:
    assert [path for path in host.changed() if not path.startswith(STATE)] == []


# --- undo -----------------------------------------------------------------------------------------


def test_undo_step_by_step(lab: Lab, prepared: Make, text: str) -> None:
    """Each undo takes back one run, the last first; status tells where we are."""
    host = prepared("fresh")
    # Debian 12 is left out: the lab's vendor has only the newest version for it.
    older = rendered(lab, "--docker-version", "29.7.1", "--lock", profiles=PROFILES[:2])
    ends(run_text(host, older, "apply"), 0)
    assert engine(host) == "29.7.1"
    ends(run(host, "status"), 0, "ended with 0", "docker-ce 5:29.7.1", "daemon     ")
    ends(run_text(host, rendered(lab, "--add-user", "ops"), "apply", "--upgrade"), 0)
    assert engine(host) == "29.7.2"
    assert "ops" in host.exec("getent group docker").stdout
    ends(run(host, "status"), 0, "docker-ce 5:29.7.2")
    first = host.exec(f"ls -1t {STATE}/runs").stdout.split()[-1]

    ends(run(host, "undo"), 0, "is undone")
    assert engine(host) == "29.7.1"
    assert "ops" not in host.exec("getent group docker").stdout
    ends(run(host, "status"), 0, f"last run   {first}", "docker-ce 5:29.7.1")
    ends(run(host, "undo"), 0, f"run {first} is undone")
    assert versions(host) == {}
    assert containers_of_nobody(host)
    ends(run(host, "status"), 0, "last run   none", "docker-ce absent", "does not answer")
    host.mark()
    for _ in range(2):
        ends(run(host, "undo"), 3, "there is no run to undo")
        untouched(host)
    ends(run_text(host, text, "apply"), 0)
    clean(host)


def run_text(host: Host, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    hand(host, text)
    return run(host, *words)


def containers_of_nobody(host: Host) -> bool:
    return host.exec("command -v docker", check=False).returncode != 0


def test_undo_where_containers_run(prepared: Make, text: str) -> None:
    host = hand(prepared("fresh"), text)
    ends(run(host, "apply"), 0)
    host.exec(
        "docker pull -q ubuntu && docker run -d --stop-signal KILL --name app ubuntu sleep 9999"
    )
    running = containers(host)
    host.mark()
    ends(run(host, "undo"), 9, "app", "--allow-restart")
    untouched(host)
    assert containers(host) == running
    ends(run(host, "undo", "--allow-restart"), 0, "is undone")
    assert versions(host) == {}
