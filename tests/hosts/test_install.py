"""Fresh hosts become Docker hosts, by every login; a second run finds nothing to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockwright import events
from dockwright.plan import Verb
from tests.hosts.support import (
    DRESSES,
    KEY,
    PACKAGES,
    SOURCE,
    STATE,
    Run,
    dockwright,
    install,
    journal,
    leftovers,
    locally,
    printed,
    receipt,
    sessions,
    talkative,
    untouched,
    versions,
)
from tests.lab.dress import DRESSES as RELEASES
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("real_processes")]

# Each release once at least, and the two that are most asked for by every login; the rest of the
# logins of 22.04 and 26.04 are in test_distros.py.
WAYS = [
    *[(dress, way) for dress in DRESSES for way in ("root", "ops", "pat")],
    *[(dress, "ops") for dress in sorted(set(RELEASES) - {*DRESSES, "ubuntu-26.04"})],
    ("ubuntu-26.04", "pat"),
    ("debian-13", "local root"),
    ("ubuntu-24.04", "local pat"),
]

# What the maintainer scripts and services of Docker and its dependencies make, and apt and dpkg
# keep, beside the packages' own files.
MADE_BY_PACKAGES = (
    "/etc/alternatives/",
    "/etc/group",
    "/etc/gshadow",
    "/etc/ld.so.cache",
    "/etc/networks",
    "/etc/pam.d/common-session",
    "/etc/systemd/system/multi-user.target.wants/",
    "/etc/systemd/system/sockets.target.wants",
    "/etc/systemd/user/sockets.target.wants",
    "/etc/subuid",
    "/etc/subgid",
    "/opt/containerd",  # containerd makes it where it runs
    "/opt/containerd",
    "/usr/share/man",
    "/var/cache/",
    "/var/lib/apt/",
    "/var/lib/dpkg/",
    "/var/lib/pam",
    "/var/lib/systemd/",
    "/var/log/",
)


@dataclass
class Done:
    """A host and the run that made it a Docker host."""

    lab: Lab
    host: Host
    way: str
    run: Run
    secret: Path | None

    def again(self, *args: str) -> Run:
        """The same command once more."""
        return _run(self.lab, self.host, self.way, self.secret, *args)


def _run(lab: Lab, host: Host, way: str, secret: Path | None, *args: str) -> Run:
    user = way.removeprefix("local ")
    if way.startswith("local"):
        extra = ["--sudo-password-file", "-"] if user == "pat" else []
        told = f"{lab.password}\n" if user == "pat" else None
        whole = ["install", "local", "--yes", *extra, *args]
        return locally(host, user, *whole, lab=lab, stdin=told)
    extra = ["--sudo-password-file", str(secret)] if user == "pat" else []
    return dockwright(lab, "install", f"{user}@{host.name}", "--yes", *extra, *args)


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}".replace(" ", "-"))
def done(
    lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Done]:
    dress, way = request.param
    host = lab.host("fresh", dress, python=way.startswith("local"))
    talkative(host)
    host.mark()
    secret = tmp_path_factory.mktemp("secret") / "password"
    secret.write_text(f"{lab.password}\n")
    secret.chmod(0o600)
    detailed = [] if way == "root" else ["--detailed-exitcode"]
    yield Done(lab, host, way, _run(lab, host, way, secret, *detailed), secret)
    host.remove()


def _is_alternative(host: Host, path: str) -> bool:
    link = Path(f"{host.upper}{path}")
    return link.is_symlink() and str(link.readlink()).startswith("/etc/alternatives/")


class TestFresh:
    def test_exit(self, done: Done) -> None:
        assert done.run.code == (0 if done.way == "root" else 20), done.run
        assert done.run.one(events.RunFinished).exit == 0
        how = done.run.one(events.HostReached).how
        sudo = {"root": "", "ops": "sudo without password", "pat": "sudo with password"}
        user = done.way.removeprefix("local ")
        assert how.endswith(sudo[user]), how
        assert ("on this machine" in how) == done.way.startswith("local")

    def test_versions_are_the_planned(self, done: Done) -> None:
        planned = {c.name: c.new or "" for c in done.run.plan.transaction.changes if c.planned}
        assert set(planned) == set(PACKAGES)
        assert versions(done.host) == planned
        codename = RELEASES[done.host.dress].codename
        assert planned["docker-ce"].split("-")[0] == "5:29.7.2"
        assert planned["docker-ce"].endswith(f"~{codename}")

    def test_key_and_source(self, done: Done) -> None:
        host, lab = done.host, done.lab
        stat = host.exec(["stat", "-c", "%F %a %U:%G", KEY, SOURCE]).stdout.splitlines()
        assert stat == ["regular file 644 root:root"] * 2
        dress = RELEASES[host.dress]
        vendors = (lab.parts["keys"] / "vendor.asc").read_text()
        assert host.exec(["cat", KEY]).stdout.strip() == vendors.strip()
        lines = host.exec(["cat", SOURCE]).stdout.splitlines()
        assert dict(line.split(": ", 1) for line in lines) == {
            "Types": "deb",
            "URIs": f"https://download.docker.com/linux/{dress.distro}",
            "Suites": dress.codename,
            "Components": "stable",
            "Architectures": done.run.plan.assumes.architecture,
            "Signed-By": f"{KEY} {lab.fingerprint}",
        }

    def test_apt_is_content(self, done: Done) -> None:
        update = done.host.exec("apt-get -q=2 update", check=False)
        assert (update.returncode, update.stdout, update.stderr) == (0, "", "")
        assert done.host.exec("dpkg --audit").stdout == ""
        assert done.host.exec("apt-get -s -q=2 dist-upgrade").stdout == ""

    def test_only_what_was_planned_changed(self, done: Done) -> None:
        new = [c.name for c in done.run.plan.transaction.changes]
        owned = set(done.host.exec(["dpkg", "-L", *new]).stdout.splitlines())
        merged = {f"/usr{path}" for path in owned}
        mine = {KEY, SOURCE, "/var/lib/dockwright"}
        rest = [
            path
            for path in done.host.changed()
            if path not in owned | merged | mine
            and not path.startswith((*MADE_BY_PACKAGES, STATE))
            and not path.endswith("/.sudo_as_admin_successful")
            and not _is_alternative(done.host, path)
        ]
        assert rest == []
        assert leftovers(done.host) == []

    def test_state_is_private(self, done: Done) -> None:
        place = done.run.one(events.ProgramStarted).directory
        shown = done.host.exec(["stat", "-c", "%a %U", STATE, f"{STATE}/runs", place]).stdout
        assert shown.splitlines() == ["711 root", "700 root", "700 root"]
        assert place == done.run.one(events.RunFinished).receipt

    def test_journal_and_receipt(self, done: Done) -> None:
        run_id = done.run.one(events.ProgramStarted).run_id
        told = journal(done.host)
        operator = done.run.one(events.RunStarted).operator
        assert told[0] == f"run {run_id}: docker, asked for by {operator}"
        assert told[-1] == f"run {run_id} ended with 0"
        rows = receipt(done.host, done.run)
        for path in (KEY, SOURCE):
            assert ["file", path, "absent", "-"] in rows
        for name, version in versions(done.host).items():
            assert ["package", name, "absent", version] in rows

    def test_events_tell_it_in_order(self, done: Done) -> None:
        kinds = [event.event for event in done.run.events]
        order = ["run_started", "host_reached", "planned", "program_started", "commit_point"]
        assert [kind for kind in kinds if kind in order] == order
        assert kinds[-1] == "run_finished"
        steps = {event.step: event.outcome for event in done.run.all(events.StepFinished)}
        for action in done.run.plan.actions:
            if action.verb is Verb.KEEP:
                assert action.id not in steps
            else:
                fits = ["verified"] if action.verb is Verb.CHECK else ["changed"]
                if action.kind == "service":  # the package has started it
                    fits.append("same")
                assert steps[action.id] in fits, action

    def test_nothing_of_the_check_stays(self, done: Done) -> None:
        assert done.host.exec("docker ps -aq; docker image ls -q").stdout == ""

    def test_containers_run(self, done: Done) -> None:
        assert "Hello from Docker!" in printed(done.host, "docker run --rm hello-world")
        done.host.exec("docker image rm -f hello-world")


class TestSecondRun:
    def test_nothing_is_done(self, done: Done) -> None:
        lab, host = done.lab, done.host
        host.mark()
        asked, before, began = len(lab.requests()), sessions(host), time.time()
        told = len(journal(host))
        again = done.again("--detailed-exitcode")
        assert again.code == 0, again
        assert {action.verb for action in again.plan.actions} == {Verb.KEEP}
        kinds = [event.event for event in again.events]
        assert kinds == ["run_started", "host_reached", "planned", "run_finished"]
        if not done.way.startswith("local"):
            assert sessions(host) - before == 1
        assert not host.changes(), host.changes()
        assert lab.requests()[asked:] == []
        assert len(journal(host)) == told
        window = f"--since {began:.6f} --until {time.time():.6f} --filter type=container"
        assert host.exec(f"docker events {window}").stdout == ""
        assert leftovers(host) == []


def test_a_choice_of_packages_and_users(lab: Lab) -> None:
    """D14: What is asked for beside the defaults is done, and asked for again it is so already."""
    host = lab.host("choice")
    wish = [
        "--add-user",
        "plain",
        "--set",
        "hold=true",
        "--set",
        "docker_daemon={log-driver: local}",
    ]
    run = install(lab, "root@choice", *wish)
    assert run.code == 20, run
    assert "docker" in host.exec("id -nG plain").stdout.split()
    (joins,) = [action for action in run.plan.actions if action.kind == "group_member"]
    assert "the same as root" in joins.reason
    assert set(host.exec("apt-mark showhold").stdout.split()) == set(PACKAGES)
    assert host.exec("docker info -f '{{.LoggingDriver}}'").stdout == "local\n"
    host.mark()
    again = install(lab, "root@choice", *wish)
    assert again.code == 0, again
    untouched(host)
    host.remove()
