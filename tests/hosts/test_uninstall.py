"""Back to bare: what is ours, or Docker's own, goes; what is others' stays, and so does data."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable

import pytest

from dockwright.events import Note
from dockwright.plan import Verb
from tests.hosts.support import (
    DAEMON,
    DRESSES,
    KEY,
    PACKAGES,
    SOURCE,
    STATE,
    Make,
    Run,
    at,
    clean,
    containers,
    dockwright,
    install,
    leftovers,
    printed,
    under_way,
    until,
    untouched,
    versions,
)
from tests.hosts.test_replace_adopted import by_get_docker_com, by_the_manual
from tests.lab import deb
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

# What differs from a host that never had Docker, each with its reason.
KEPT = {
    STATE: "the runs, their receipts and backups: what happened here is told by history",
    "/var/log": "logs of apt and dpkg tell of both runs",
    "/var/lib/dpkg": "dpkg keeps conffiles of what was removed, and not purged",
    "/var/lib/apt/extended_states": "apt's marks, which it writes anew in its own order",
    "/var/lib/apt/lists/auxfiles": "an empty directory of apt's own, made by its first update",
    "/var/lib/apt/periodic": "stamps of apt's timers",
    "/var/cache": "caches of apt, ldconfig, man and debconf",
    "/var/lib/docker": "data stays",
    "/var/lib/containerd": "data stays",
    "/etc/default/docker": "a conffile of docker-ce: removed, not purged, for it may be edited",
    "/etc/containerd": "a conffile of containerd.io",
    "/etc/nftables.conf": "a conffile of nftables",
    "/etc/X11": "a conffile of dbus-user-session",
    **dict.fromkeys(
        [f"/etc/{name}" for name in ("ethertypes", "networks", "protocols", "rpc", "services")],
        "conffiles of netbase",
    ),
    "/opt/containerd": "two empty directories that containerd makes when it runs",
    "/etc/group": "the packages' groups stay, as Debian's policy has it: files may be theirs",
    "/etc/gshadow": "the same",
    "/etc/group-": "groupadd's copy",
    "/etc/gshadow-": "groupadd's copy",
    "/etc/systemd/system": "links of units that were enabled: systemd's helper keeps them for a return",
    "/etc/ld.so.cache": "ldconfig writes it anew",
}


def uninstall(lab: Lab, host: Host, *args: str, user: str = "root") -> Run:
    """``dockwright uninstall HOST --yes --detailed-exitcode``."""
    return dockwright(lab, "uninstall", at(host, user), "--yes", "--detailed-exitcode", *args)


def beyond(host: Host, *more: str) -> list[str]:
    """What differs from the mark and has no reason to; ``more`` differs for one that is told there."""
    return [
        path
        for path in host.changed()
        if not any(path == kept or path.startswith(f"{kept}/") for kept in (*KEPT, *more))
    ]


# Groups that packages made: no package takes its group along.
_GROUPS = ("docker:",)


def system(host: Host) -> list[str]:
    """What the broad exceptions of above hide: packages and marks, users, groups, units, ports."""
    told = host.exec(
        "dpkg-query -W -f='${db:Status-Status} ${Package} ${Version}\\n' | grep ^installed;"
        " apt-mark showmanual | sed 's/^/manual /'; apt-mark showhold | sed 's/^/hold /';"
        " getent passwd; getent group | sed 's/^/group /';"
        ' systemctl list-unit-files --no-legend --plain | awk \'$2 != "transient" { print "unit", $1, $2 }\' | sort;'
        " find /etc/apt /etc/docker -xdev -printf 'etc %p %y %m %U:%G %l\\n' 2>/dev/null | sort;"
        " apt-get -q check >/dev/null 2>&1 || echo broken"
    ).stdout.splitlines()
    return [line for line in told if not line.startswith(tuple(f"group {g}" for g in _GROUPS))]


def bare(host: Host) -> None:
    """No package of Docker, nothing half done, apt content."""
    assert versions(host) == {}
    assert leftovers(host) == []
    assert host.exec("dpkg --audit").stdout == ""
    assert host.exec("apt-get -q check").returncode == 0
    assert host.exec("apt-get -q update 2>&1").stdout.count("docker") == 0


@pytest.mark.sampled("dress", 1)
@pytest.mark.parametrize("dress", DRESSES)
def test_there_and_back_again(lab: Lab, host_factory: Make, dress: str) -> None:
    host = host_factory(dress=dress)
    before = system(host)
    assert install(lab, at(host, "ops"), "--add-user", "pat", "--set", "hold=true").code == 20
    run = uninstall(lab, host, user="ops")
    assert run.code == 20, run
    assert beyond(host) == []
    assert system(host) == before
    bare(host)
    assert host.exec("id -nG pat").stdout.split().count("docker") == 0
    assert host.exec("apt-mark showhold").stdout == ""
    assert "data stays" in " ".join(run.plan.notes)
    host.mark()
    again = uninstall(lab, host, user="ops")
    assert again.code == 0, again
    assert again.plan.changes == ()
    untouched(host)
    assert install(lab, at(host)).code == 20
    clean(host)


def test_an_administrator_s_daemon_json_comes_back(lab: Lab, prepared: Make) -> None:
    """Byte for byte where nobody touched it since; key by key where somebody did."""
    mine = '{ "debug": true,\n\t"log-opts": {"max-size": "9m"} }'
    wish = ("--set", 'docker_daemon={"log-driver": "json-file", "log-opts": {"max-file": "3"}}')
    host = prepared("fresh")
    host.put(DAEMON, mine)
    assert install(lab, at(host), *wish).code == 20
    run = uninstall(lab, host)
    assert run.code == 20, run
    assert host.exec(["cat", DAEMON]).stdout == mine

    assert install(lab, at(host), *wish).code == 20
    changed = json.loads(host.exec(["cat", DAEMON]).stdout)
    changed["log-opts"]["compress"] = "true"
    host.put(DAEMON, json.dumps(changed))
    run = uninstall(lab, host)
    assert run.code == 20, run
    left = json.loads(host.exec(["cat", DAEMON]).stdout)
    assert left == {"debug": True, "log-opts": {"max-size": "9m", "compress": "true"}}
    assert uninstall(lab, host).code == 0


@pytest.mark.parametrize("how", [by_the_manual, by_get_docker_com])
def test_a_host_that_was_set_up_by_hand(
    lab: Lab, prepared: Make, how: Callable[[Host, Lab], list[str]]
) -> None:
    """No receipt: the vendor's own packages, source and key are known by what they are."""
    host = prepared("fresh")
    how(host, lab)
    host.exec("apt-get -qq update && apt-get -qq -y install docker-ce docker-ce-cli containerd.io")
    shown = dockwright(lab, "uninstall", at(host), "--dry-run")
    assert shown.code == 0, shown
    going = {action.target for action in shown.plan.changes if action.verb is Verb.REMOVE}
    assert any("docker-ce" in target for target in going)
    assert KEY in going
    run = uninstall(lab, host)
    assert run.code == 20, run
    bare(host)
    assert host.exec(f"ls {KEY} /etc/apt/sources.list.d/*docker*", check=False).stdout == ""
    assert uninstall(lab, host).code == 0


def test_containers_are_not_stopped_unasked_and_data_stays(lab: Lab, prepared: Make) -> None:
    host = prepared("docker")
    host.exec("docker pull -q ubuntu && docker volume create data")
    host.exec("docker run --rm -v data:/d ubuntu sh -c 'echo precious > /d/file'")
    host.exec("docker run -d --stop-timeout=1 --restart=always --name=app ubuntu sleep 100000")
    host.mark()
    run = uninstall(lab, host)
    assert run.code == 9, run
    assert "app" in run.told
    untouched(host)
    assert set(containers(host)) == {"app"}
    run = uninstall(lab, host, "--allow-restart")
    assert run.code == 20, run
    bare(host)
    assert install(lab, at(host)).code == 20
    until(lambda: set(containers(host)) == {"app"}, "the container is back with Docker")
    assert printed(host, "docker run --rm -v data:/d ubuntu cat /d/file") == "precious\n"


def test_with_live_restore_no_container_runs_on_without_a_daemon(lab: Lab, prepared: Make) -> None:
    host = prepared("docker")
    assert install(lab, at(host), "--set", 'docker_daemon={"live-restore": true}').code == 20
    host.exec("docker pull -q ubuntu")
    host.exec("docker run -d --stop-timeout=1 --name=app ubuntu sleep 123454321")
    assert uninstall(lab, host).code == 9
    run = uninstall(lab, host, "--allow-restart")
    assert run.code == 20, run
    bare(host)
    assert host.exec("pgrep -f 'sleep 12345432[1]|containerd-shi[m]'", check=False).stdout == ""


def put_package(lab: Lab, host: Host, name: str, needs: str) -> None:
    """A package of somebody else that depends on another one."""
    made = deb.small(lab.dir / f"{name}.deb", {"Package": name, "Version": "1", "Depends": needs})
    place = f"/srv/{name}.deb"
    host.exec(f"base64 -d >{place}", input=b64encode(made.read_bytes()).decode())
    host.exec(["dpkg", "-i", place])


@pytest.mark.parametrize(
    ("name", "needs", "code"), [("panel", "docker-ce", 3), ("kubelet", "containerd.io", 9)]
)
def test_what_depends_on_docker_is_not_taken_along(
    lab: Lab, prepared: Make, name: str, needs: str, code: int
) -> None:
    host = prepared("docker")
    put_package(lab, host, name, needs)
    host.mark()
    run = uninstall(lab, host)
    assert run.code == code, run
    assert name in run.told
    untouched(host)
    assert set(versions(host)) == set(PACKAGES)


def test_a_kubernetes_node_keeps_its_containerd(lab: Lab, prepared: Make) -> None:
    host = prepared("docker")
    host.put("/etc/kubernetes/kubelet.conf", "apiVersion: v1\n")
    host.mark()
    run = uninstall(lab, host)
    assert run.code == 9, run
    assert "Kubernetes" in run.told
    untouched(host)


def test_what_somebody_changed_since_stays(lab: Lab, prepared: Make) -> None:
    """A source that was edited stays, and the key that it names: apt must go on working."""
    host = prepared("docker")
    host.exec(["sed", "-i", "s/^Types:/# ours\\nTypes:/", SOURCE])
    run = uninstall(lab, host)
    assert run.code == 20, run
    kept = {action.target: action.reason for action in run.plan.actions if action.verb is Verb.KEEP}
    assert "changed since" in kept[SOURCE]
    assert SOURCE in kept[KEY]
    assert versions(host) == {}
    assert host.exec("apt-get -q -o APT::Update::Error-Mode=any update").returncode == 0
    assert uninstall(lab, host).code == 0


def test_a_dependency_that_others_use_by_now_stays(lab: Lab, prepared: Make) -> None:
    """P16: and what autoremove would take, as nobody needs it, is not ours to take either."""
    host = prepared("docker")
    put_package(lab, host, "firewall", "nftables")
    host.exec("apt-mark auto firewall")
    run = uninstall(lab, host)
    assert run.code == 20, run
    kept = {action.target: action.reason for action in run.plan.actions if action.verb is Verb.KEEP}
    assert "firewall needs it" in kept["nftables"]
    told = " ".join(note.text for note in run.all(Note))
    assert "apt-get autoremove would take by now: firewall " in told
    assert uninstall(lab, host).code == 0
    left = versions(host, "nftables", "firewall", "libnftables1", "docker-ce", "dbus-user-session")
    assert set(left) == {"nftables", "firewall", "libnftables1"}


@pytest.mark.parametrize("step", ["before", "packages", "files"])
def test_a_power_cut_in_the_middle(lab: Lab, prepared: Make, step: str) -> None:
    """Wherever it strikes, the same command ends what was begun."""
    host = prepared("docker")
    marks: dict[str, Callable[[], object]] = {
        "before": lambda: len(host.exec(f"ls {STATE}/runs").stdout.split()) > 1,
        "packages": lambda: "docker-ce" not in versions(host),
        "files": lambda: not (host.upper / SOURCE[1:]).is_file(),
    }
    with under_way(lab, "uninstall", at(host), "--yes") as process:
        until(marks[step], f"the uninstall comes to {step}")
        host.kill()
        process.kill()
    host.boot()
    run = uninstall(lab, host)
    assert run.code in (0, 20), run
    bare(host)
    assert host.exec(f"ls {KEY} {SOURCE}", check=False).stdout == ""
    assert uninstall(lab, host).code == 0


def test_a_controller_that_went_away_is_followed_on(lab: Lab, prepared: Make) -> None:
    host = prepared("docker")
    with under_way(lab, "uninstall", at(host), "--yes") as process:
        until(lambda: "docker-ce" not in versions(host), "packages go")
        process.kill()
    run = uninstall(lab, host)
    assert run.code in (0, 20), run
    bare(host)


def test_without_a_network(lab: Lab, prepared: Make) -> None:
    """What goes needs nobody's answer."""
    host = prepared("docker")
    host.exec(
        "echo 'nameserver 127.0.0.1' >/etc/resolv.conf; rm -rf /var/lib/apt/lists/*_Packages*"
    )
    run = uninstall(lab, host)
    assert run.code == 20, run
    assert versions(host) == {}


def test_undo_after_an_uninstall_says_what_brings_docker_back(lab: Lab, prepared: Make) -> None:
    host = prepared("docker")
    assert uninstall(lab, host).code == 20
    run = dockwright(lab, "undo", at(host), "--yes")
    assert run.code == 3, run
    assert "dockwright install" in run.told


def test_the_runtime_of_before_comes_back_by_undo_also_after_an_uninstall(
    lab: Lab, prepared: Make
) -> None:
    """The uninstall does not bring it; undo of the uninstall names the run that took it away."""
    host = prepared("distribution")
    images = host.exec("docker image ls -q").stdout
    assert install(lab, at(host), "--allow-restart").code == 20
    assert uninstall(lab, host, "--allow-restart").code == 20
    assert versions(host, "docker.io") == {}
    run = dockwright(lab, "undo", at(host), "--yes")
    assert run.code == 3, run
    assert "took away docker.io" in run.told
    run_id = run.told.rpartition("--run ")[2].split()[0]
    for code in (0, 3):
        run = dockwright(lab, "undo", at(host), "--yes", "--run", run_id)
        assert run.code == code, run
    assert set(versions(host, *PACKAGES, "docker.io")) == {"docker.io"}
    until(lambda: "app" in containers(host), "what ran before runs again")
    assert host.exec("docker image ls -q").stdout == images
