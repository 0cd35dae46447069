"""Runs as event lists: what the tests of the reporters play."""

from __future__ import annotations

from typing import Any, get_args

from dockwright import events as ev
from dockwright.errors import Exit
from dockwright.events import Event, Outcome, PastRun
from dockwright.models import (
    CdiSpec,
    Container,
    Daemon,
    Disk,
    Facts,
    FileFact,
    Nvidia,
    Package,
    Snap,
    Unit,
)
from dockwright.plan import (
    ANY_VERSION,
    Action,
    Assumptions,
    HostPlan,
    PackageChange,
    Transaction,
    Verb,
)

EVENT_TYPES: tuple[type[Any], ...] = get_args(get_args(Event)[0])

FACTS = Facts(
    hostname="web1",
    distro="ubuntu",
    os_id="ubuntu",
    version_id="24.04",
    codename="noble",
    pretty_name="Ubuntu 24.04.3 LTS",
    architecture="amd64",
    kernel="6.8.0-64-generic",
    init="systemd",
    virtualisation="kvm",
    clock=1795430400,
    boot_id="3ff2a1b0-51f0-4ba8-9c6b-0d5ee9bb1e55",
    machine_id="7c8a4a8f2be34dd5a4d2c5d5f29a1c70",
    uid=1000,
    sudo_user="ubuntu",
    disks=(Disk(path="/var/lib/docker", free_kib=4_980_736, total_kib=20_971_520, free_inodes=1),),
    packages=(
        Package(name="docker.io", status="installed", version="26.1.5+dfsg1-9+b11", held=True),
        Package(name="docker-ce", status="config-files", version="5:28.1.1-1~ubuntu.24.04~noble"),
    ),
    apt_version="3.0.4",
    offered={"docker.io": tuple(f"26.1.{n}-1" for n in range(6, 0, -1))},
    sources=(
        FileFact(
            path="/etc/apt/sources.list.d/docker.list",
            sha256="ab" * 32,
            mode="0644",
            owner="root:root",
            content="deb https://user:hunter2@mirror.example/docker noble stable\n",
        ),
    ),
    files=(
        FileFact(
            path="/etc/docker/daemon.json",
            sha256="cd" * 32,
            mode="0644",
            owner="root:root",
            target="/srv/daemon.json",
        ),
    ),
    units=(Unit(name="docker.service", enabled="enabled", active="active"),),
    daemon=Daemon(version="26.1.5", data_root="/srv/docker", driver="overlay2"),
    containers=(Container(id="0123456789abcdef", name="legacy-app", image="legacy:1"),),
    snaps=(Snap(name="docker", version="28.1"),),
    docker_group=(),
    users=("ubuntu",),
    gpus=("0000:01:00.0", "0000:02:00.0"),
    nvidia=Nvidia(
        bound=("nvidia", "-"),
        module="570.86.15",
        library="575.57.08",
        listing=("GPU 0: NVIDIA H100 PCIe (UUID: GPU-4e56)",),
        nodes=("nvidiactl", "nvidia0"),
        secure_boot=True,
        specs=(CdiSpec(path="/etc/cdi/nvidia.yaml", driver="570.86.15", devices=("0", "all")),),
        runtimes=("nvidia", "runc"),
        hook="unseen",
    ),
    kubernetes=("k3s",),
)

BEFORE = """{
  "data-root": "/srv/docker",
  "proxies": {"http-proxy": "http://user:hunter2@proxy:3128"}
}
"""
AFTER = """{
  "data-root": "/srv/docker",
  "log-driver": "local",
  "proxies": {"http-proxy": "http://user:swordfish@proxy:3128"}
}
"""
NOBLE = "~ubuntu.24.04~noble"


def action(name: str, kind: str, verb: Verb, target: str, reason: str, **more: Any) -> Action:
    return Action(
        id=name, component="docker-engine", step=more.pop("step", name), kind=kind, verb=verb,
        target=target, reason=reason, **more,
    )  # fmt: skip


NEW = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin")
ACTIONS = (
    action(
        "a1", "packages", Verb.REMOVE, "docker.io 26.1.5+dfsg1-9+b11, containerd 1.7.24",
        "conflicts with docker-ce; removed after the download, data stays",
        step="remove old packages", params={"packages": ["docker.io", "containerd"]},
        stops=("legacy-app",),
    ),
    action("a2", "file", Verb.ADD, "/etc/apt/keyrings/docker.asc", "new", step="add the key",
           after="-----BEGIN PGP PUBLIC KEY BLOCK-----\nmQ\n", before=None),
    action("a3", "file", Verb.ADD, "/etc/apt/sources.list.d/docker.sources",
           "new, replaces docker.list (same origin)", step="add the repository",
           after="Types: deb\nSuites: noble\n"),
    action("a4", "packages", Verb.ADD, "docker-ce 5:29.7.2-1, docker-ce-cli 5:29.7.2-1", "wanted",
           step="install docker-ce", params={"packages": list(NEW[:2])}),
    action("a5", "packages", Verb.ADD, ", ".join(NEW[2:]), "wanted", step="install docker-ce",
           params={"packages": list(NEW[2:])}),
    action("a6", "daemon_json", Verb.CHANGE, "/etc/docker/daemon.json",
           "log-driver by us; 2 keys of others stay", step="daemon.json", before=BEFORE,
           after=AFTER),
    action("a7", "group_member", Verb.KEEP, "docker", "nobody asked to join", step="users"),
    action("a8", "reload", Verb.RESTART, "docker.service", "log-driver needs a restart",
           step="restart docker", stops=("legacy-app",)),
    action("a9", "container_check", Verb.CHECK, "hello-world",
           "client, daemon, pull and run are told apart", step="verify with hello-world"),
)  # fmt: skip

PLAN = HostPlan(
    host="web1",
    playbook="docker",
    summary="Docker Engine from Docker's own apt repository",
    assumes=Assumptions(os_id="ubuntu", codename="noble", architecture="amd64"),
    actions=ACTIONS,
    transaction=Transaction(
        changes=(
            PackageChange(name="docker.io", old="26.1.5+dfsg1-9+b11"),
            PackageChange(name="containerd", old="1.7.24~ds1-6+b5"),
            PackageChange(name="docker-ce", new=f"5:29.7.2-1{NOBLE}", origin="docker"),
            PackageChange(name="docker-ce-cli", new=f"5:29.7.2-1{NOBLE}", origin="docker"),
            PackageChange(name="containerd.io", new=f"2.2.1-1{NOBLE}", origin="docker"),
            PackageChange(name="docker-buildx-plugin", new=f"0.30.1-1{NOBLE}", origin="docker"),
            PackageChange(name="pigz", new="2.8-1", planned=False),
        ),
        held=("docker-ce",),
        download_bytes=146_200_000,
    ),
    trust=(
        (
            "Docker's key 9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88 matches the pin; "
            "index signed by it, 2 h old"
        ),
    ),
    notes=("docker-compose 1.29 of the recipe is gone: docker compose is a plugin now",),
)
SAME = HostPlan(
    host="web1", playbook="docker", summary="", assumes=PLAN.assumes,
    actions=(
        action("k1", "packages", Verb.KEEP, ", ".join(NEW), "installed", step="install"),
        action("k2", "packages", Verb.KEEP, "old packages", "none of them is installed"),
    ),
)  # fmt: skip
UPGRADE = HostPlan(
    host="web1", playbook="site.yaml", summary="", assumes=PLAN.assumes,
    actions=(
        action("u1", "packages", Verb.CHANGE, "docker-ce, docker-ce-cli, tini", "upgrade asked for",
               params={"packages": ["docker-ce", "docker-ce-cli", "tini"]}),
    ),
    transaction=Transaction(
        changes=(
            PackageChange(name="docker-ce", old=f"5:28.1.1-1{NOBLE}", new=f"5:29.7.2-1{NOBLE}"),
            PackageChange(
                name="docker-ce-cli", old=f"5:29.7.2-1{NOBLE}", new=f"5:29.7.2-2{NOBLE}"
            ),
            PackageChange(name="tini", new=ANY_VERSION),
            PackageChange(name="libold", old="1.0-1", planned=False),
        ),
        allow_downgrades=True,
    ),
    unresolved=("docker",),
)  # fmt: skip

T0 = 1_795_430_400.0


class Play:
    """Builds a list of events of one host, with times that go on."""

    def __init__(self, host: str = "web1", command: str = "install", playbook: str = "docker"):
        self.host = host
        self.at = T0
        self.events: list[Event] = []
        self(ev.RunStarted, command=command, playbook=playbook, version="0.1.0", operator="alice")

    def __call__(self, kind: type[Any], after: float = 0.1, **fields: Any) -> Play:
        self.at += after
        self.events.append(kind(host=self.host, at=self.at, **fields))
        return self

    def reached(self) -> Play:
        return self(
            ev.HostReached, how="as ubuntu@10.0.0.11, sudo without password", facts=FACTS,
            seconds=0.3,
        )  # fmt: skip

    def phases(self) -> Play:
        self(ev.PhaseFinished, phase="trust", text="key and index verified", seconds=0.1)
        seen = "5.1 GB free, clock ok, apt idle, simulation = plan"
        return self(ev.PhaseFinished, phase="preflight", text=seen, seconds=0.2)

    def step(self, name: str, title: str, outcome: Outcome, text: str = "", **more: Any) -> Play:
        self(ev.StepStarted, step=name, title=title)
        seconds = more.pop("seconds", 0.4)
        return self(
            ev.StepFinished, after=seconds, step=name, title=title, outcome=outcome, text=text,
            seconds=seconds, **more,
        )  # fmt: skip

    def download(self, upto: int = 100, by: int = 25, after: float = 0.4) -> Play:
        self(ev.StepStarted, step="download", title="download")
        for percent in range(0, upto + 1, by):
            text = f"Retrieving file {percent // 20 + 1} of 6"
            self(ev.StepProgress, after, step="download", percent=float(percent), text=text)
        return self

    def wait(self, seconds: float = 41.0, after: float = 0.1) -> Play:
        return self(
            ev.Waiting, after, step="a4", lock="/var/lib/dpkg/lock-frontend",
            holder="unattended-upgrades (pid 812)", seconds=seconds,
        )  # fmt: skip

    def end(self, code: Exit = Exit.OK, changed: int = 0, same: int = 0, **more: Any) -> Play:
        return self(
            ev.RunFinished, exit=code, changed=changed, same=same,
            seconds=more.pop("seconds", 6.0), **more,
        )  # fmt: skip


def install(host: str = "web1", slow: float = 0.4, by: int = 25) -> list[Event]:
    """All goes well, with a wait for apt's lock."""
    play = Play(host).reached().phases()
    play(ev.Planned, plan=PLAN.model_copy(update={"host": host}))
    play(ev.ProgramStarted, run_id="2026-11-24-1f3a", directory="/var/lib/dockwright/runs/1f3a")
    play.download(by=by, after=slow)
    play(
        ev.StepFinished, step="download", title="download", outcome=Outcome.CHANGED, seconds=0.8,
        text="146 MB, 5 packages",
    )  # fmt: skip
    play.wait().wait(after=slow * 3, seconds=44.0)
    play(ev.CommitPoint)
    play(ev.StepStarted, step="a4", title="install docker-ce")
    for percent in range(0, 101, by):
        play(ev.StepProgress, slow, step="a4", percent=float(percent), text="Unpacking docker-ce")
    play(
        ev.StepFinished, step="a4", title="install docker-ce", outcome=Outcome.CHANGED,
        text="5 packages in, 2 out", output="Unpacking docker-ce ...\n", seconds=4.3,
    )  # fmt: skip
    play.step("a7", "users", Outcome.SAME, seconds=0.02)
    play.step("a6", "daemon.json", Outcome.CHANGED, "log-driver; 2 keys of others stay")
    play.step(
        "a5", "nothing of this", Outcome.SKIPPED, "codename is noble, the step wants bookworm"
    )
    play(ev.Note, text="docker compose is a plugin now: docker-compose is no command any more")
    play.step("a9", "verify with hello-world", Outcome.VERIFIED, "daemon 29.7.2 · pull · ran")
    play.end(changed=9, same=3, receipt="/var/lib/dockwright/runs/2026-11-24-1f3a")
    return play.events


def converged(host: str = "web1") -> list[Event]:
    play = Play(host).reached()
    play(ev.Planned, plan=SAME.model_copy(update={"host": host}))
    return play.end(same=12, seconds=0.4).events


def plan_only() -> list[Event]:
    play = Play(command="plan").reached().phases()
    return play(ev.Planned, plan=PLAN).end(seconds=0.9).events


DETAILS = (
    (
        "what",
        "https://download.docker.com/linux/ubuntu/dists/noble/InRelease is signed by 7A2C … 91EE",
    ),
    ("expected", "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88 (Docker Release)"),
)
NEXT = (
    "compare with the vendor's page and with a colleague's host; docs/mirrors tells how a mirror "
    "that signs anew is trusted"
)


def untrusted(host: str = "web1") -> list[Event]:
    play = Play(host).reached()
    play(
        ev.Failed, exit=Exit.TRUST, details=DETAILS, step="trust", next_step=NEXT,
        brief="the repository is signed by a key that is not the pinned one",
    )  # fmt: skip
    return play.end(Exit.TRUST, seconds=0.6).events


def broken(host: str = "web1") -> list[Event]:
    """A step fails after the commit point."""
    play = Play(host).reached().phases()
    play(ev.Planned, plan=PLAN.model_copy(update={"host": host}))
    play(ev.ProgramStarted, run_id="1f3a", directory="/d", joined=True)(ev.CommitPoint)
    output = "\n".join(f"dpkg: line {n}" for n in range(1, 31))
    play.step(
        "a4", "install docker-ce", Outcome.FAILED, "apt-get ended with 100", output=output,
        cause="no room on /var",
    )  # fmt: skip
    play(
        ev.Failed, exit=Exit.FAILED, brief="apt could not install docker-ce", step="a4",
        details=(("cause", "/var is full: 12 MB of 20 GB free"),), changed_host=True,
        next_step="make room, then: dockwright install web1",
    )  # fmt: skip
    return play.end(Exit.FAILED, changed=2, same=1, seconds=3.1).events


def interleaved(*plays: list[Event]) -> list[Event]:
    return sorted((event for play in plays for event in play), key=lambda event: event.at)


def fleet() -> list[Event]:
    return interleaved(install("web1"), broken("web2"), converged("web3"), untrusted("web4"))


def told() -> list[Event]:
    """What history hears."""
    run = PastRun(
        run_id="2026-11-24-1f3a2b", began=1795430400, who="alice", playbook="docker", exit=0
    )
    play = Play("web1", "history").reached()(ev.HistoryTold, runs=(run,))
    return play(ev.RunFinished, exit=Exit.OK, seconds=0.3).events


FINDING = ev.Finding(
    id="signed-by-conflict", severity=ev.Severity.ERROR, rung="apt",
    finding="two sources of one repository name different keys",
    cause="apt reads no source at all while two entries contradict each other",
    evidence="Conflicting values set for option Signed-By (docker.list:1, docker.sources:1)",
    action=("keep one of the two, and comment the other out", "apt-get update"),
    source="https://github.com/docker/for-linux/issues/1349",
    plan="docker",
)  # fmt: skip
WARNED = FINDING.model_copy(
    update={
        "id": "apt-locked", "severity": ev.Severity.WARNING,
        "finding": "another program holds apt's lock", "evidence": "held by pid 812, unattended-upgr",
        "cause": "on a fresh machine unattended-upgrades installs packages",
        "action": ("wait until it is done",),
        "plan": "",
    }
)  # fmt: skip


def diagnosed(*findings: ev.Finding, text: str = "") -> list[Event]:
    """What doctor tells of a host."""
    means = ev.Explanation(
        id="apt-locked", rung="apt", finding=text or "another program holds apt's lock",
        cause=text or "on a fresh machine unattended-upgrades installs packages",
        look=(text or "fuser -v /var/lib/dpkg/lock-frontend",), action=(text or "wait",),
        source=text or "https://github.com/docker/docker-install/issues/366",
        seen=any(one.id == "apt-locked" for one in findings),
    )  # fmt: skip
    closed = ev.Unseen(rung=text or "daemon", what=text or "whether dockerd answers")
    play = Play("web1", "doctor").reached()(
        ev.Diagnosed, findings=findings, unseen=(closed,) * bool(findings), explained=(means,)
    )
    code = Exit.VERIFY if findings else Exit.OK
    return play(ev.RunFinished, exit=code, seconds=0.3).events


def every_event() -> list[Event]:
    """One event of each type, and the test that uses it fails where one is missing."""
    seen: dict[type, Event] = {}
    for event in (*install(), *broken(), *untrusted(), *told(), *diagnosed(FINDING)):
        seen.setdefault(type(event), event)
    return list(seen.values())


HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m [red]markup[/red] :boom: \x9b31m\x08\x08\r\n"
    "\u202egnp.exe\u2066 tab\there \ud7ff\x00 http://user:hunter2@proxy:3128/x"
)


def hostile() -> list[Event]:
    """A host that sends whatever hurts."""
    huge = HOSTILE + "A" * 1_000_000
    play = Play(host=f"web{HOSTILE}", command=HOSTILE, playbook=HOSTILE)
    play(ev.HostReached, how=HOSTILE, facts=FACTS.model_copy(update={"pretty_name": huge}),
         seconds=-1e300)  # fmt: skip
    play(ev.PhaseFinished, phase=huge, text=huge, seconds=-1.0)
    bad = action(HOSTILE, huge, Verb.ADD, huge, huge, before=huge, after=HOSTILE, stops=(huge,))
    plan = PLAN.model_copy(update={
        "host": huge, "summary": huge, "trust": (huge,), "notes": (huge,), "unresolved": (huge,),
        "playbook": huge, "actions": (bad, *ACTIONS),
    })  # fmt: skip
    play(ev.Planned, plan=plan)
    play(ev.ProgramStarted, run_id=huge, directory=huge, joined=True)
    play(ev.StepStarted, step=huge, title=huge)
    for percent in (1e300, -5.0, 1e9):
        play(ev.StepProgress, step=huge, percent=percent, text=huge)
    play(ev.Waiting, step=huge, lock=huge, holder=huge, seconds=1e300)
    play(
        ev.StepFinished, step=huge, title=huge, outcome=Outcome.FAILED, text=huge, output=huge,
        cause=huge, seconds=1e300,
    )  # fmt: skip
    play(ev.Note, text=huge)
    found = {
        "finding": huge,
        "cause": huge,
        "evidence": huge,
        "action": (huge, HOSTILE),
        "rung": huge,
    }
    (_, _, said, _) = diagnosed(FINDING.model_copy(update=found), text=huge)
    play(ev.Diagnosed, findings=said.findings, unseen=said.unseen, explained=said.explained)  # type: ignore[union-attr]
    play(
        ev.Failed, exit=Exit.REPAIR, brief=huge, details=((huge, huge), ("x:1", huge)), step=huge,
        next_step="one\ntwo", changed_host=True,
    )  # fmt: skip
    return play.end(Exit.REPAIR, receipt=huge).events
