"""Runs of whole fleets, the same each time: what pages are drawn from and measured on.

Steps, words and times are those of runs on lab hosts, with the slowness of a real network.
"""

from __future__ import annotations

from random import Random
from typing import Any

from dockwright import events as ev
from dockwright.errors import Exit
from dockwright.events import Event, Outcome
from dockwright.models import Facts
from dockwright.plan import Assumptions, HostPlan, PackageChange, Transaction, Verb
from tests.unit.report.samples import FACTS, T0, Play, action

_SYSTEMS = {
    "Ubuntu 24.04.3 LTS": ("ubuntu", "noble", "~ubuntu.24.04~noble"),
    "Ubuntu 22.04.5 LTS": ("ubuntu", "jammy", "~ubuntu.22.04~jammy"),
    "Debian GNU/Linux 13 (trixie)": ("debian", "trixie", "~debian.13~trixie"),
}
_NAMES = (
    "docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin",
)  # fmt: skip
_PIN = "docker's key 9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88 matches the pin; index signed by it, "
_DAEMON = '{\n  "log-driver": "local",\n  "live-restore": true\n}\n'
_NEXT = "mend the cause, then run the same command again: it goes on from what is there"
_DPKG = """\
Unpacking docker-ce (5:29.7.2-1~ubuntu.24.04~noble) ...
dpkg: error processing archive /var/cache/apt/archives/docker-ce_5%3a29.7.2-1_amd64.deb (--unpack):
 cannot copy extracted data for './usr/bin/dockerd' to '/usr/bin/dockerd.dpkg-new': failed to write (No space left on device)
Errors were encountered while processing:
 /var/cache/apt/archives/docker-ce_5%3a29.7.2-1_amd64.deb
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""


class Fleet:
    """Plays a fleet of ``count`` hosts, 32 at a time, all from one seed."""

    def __init__(self, count: int, command: str = "install") -> None:
        self._random = Random(count)
        self._count = count
        self._command = command

    def events(self) -> list[Event]:
        """All events, in the order in which a log has them."""
        plays = [self._host(number) for number in range(self._count)]
        return sorted((event for play in plays for event in play), key=lambda event: event.at)

    def _spend(self, usual: float) -> float:
        return usual * self._random.lognormvariate(0, 0.28)

    def _host(self, number: int) -> list[Event]:
        zone = ("fra", "ams", "lon")[number % 3]
        play = Play(f"ops@web{number + 1:02}.{zone}.example.net", self._command)
        late = self._spend(6.0) * (number // 32)
        start = play.events[0].model_copy(update={"at": T0 + late, "again": self._again()})
        play.events[0], play.at = start, T0 + late
        draw = self._random.random() if self._count > 1 else 0.5
        if number in (3, self._count // 2 + 1) or draw < 0.012:
            return self._unreachable(play)
        system = list(_SYSTEMS)[0 if draw < 0.6 else 1 if draw < 0.85 else 2]
        play(
            ev.HostReached, self._spend(0.7), how="as ops, sudo without password",
            facts=_facts(system), seconds=0.7,
        )  # fmt: skip
        if draw > 0.8 and self._count > 1:
            return self._converged(play, system)
        spent = self._spend(0.35)
        play(ev.PhaseFinished, spent, phase="trust", text="key and index verified", seconds=spent)
        spent = self._spend(0.8)
        play(
            ev.PhaseFinished, spent, phase="preflight", seconds=spent,
            text=f"{self._random.randint(40, 900) / 10} GB free, clock ok, simulation = plan",
        )  # fmt: skip
        legacy = number % 8 == 2
        plan = _plan(play.host, system, legacy=legacy)
        play(ev.Planned, 0.01, plan=plan)
        if self._command == "plan":
            return play.end(seconds=play.at - T0 - late).events
        if legacy and number == 10:
            return self._refused(play)
        run = f"2026-11-24-{number:06x}"
        directory = f"/var/lib/dockwright/runs/{run}"
        play(ev.ProgramStarted, self._spend(0.5), run_id=run, directory=directory)
        return self._program(play, plan, directory, number)

    def _again(self) -> str:
        hosts = "-i inventory.yaml" if self._count > 1 else "ops@web01.fra.example.net"
        return f"dockwright install {hosts} --yes"

    def _step(
        self, play: Play, step: str, title: str, usual: float, text: str = "", **more: Any
    ) -> None:
        outcome = more.pop("outcome", Outcome.CHANGED)
        play.step(step, title, outcome, text, seconds=self._spend(usual), **more)

    def _program(self, play: Play, plan: HostPlan, directory: str, number: int) -> list[Event]:
        passed = Outcome.VERIFIED
        self._step(play, "guard", "the host is what was planned for", 0.05, outcome=passed)
        self._step(
            play, "preflight", "simulate", 0.7, "apt's simulation is the plan", outcome=passed
        )
        self._step(play, "download", "download", 3.2, "9 packages", outcome=passed)
        if number % 9 == 5:
            play(ev.StepStarted, 0.01, step="locks", title="apt lock")
            busy = {"step": "locks", "lock": "/var/lib/dpkg/lock-frontend"}
            play(ev.Waiting, 0.1, holder="unattended-upgr (pid 812)", seconds=41.0, **busy)
            spent = self._spend(2.5)
            play(
                ev.StepFinished,
                spent,
                step="locks",
                title="apt lock",
                outcome=passed,
                seconds=spent + 0.1,
            )
        play(ev.CommitPoint, 0.01)
        for one in plan.actions:
            if one.kind == "file":
                self._step(play, one.id, f"file {one.target.rpartition('/')[2]}", 0.04)
        if number % 16 == 7 and number % 5 != 1:
            return self._full(play)
        self._step(
            play, "install", "install docker-ce and containerd.io", 6.5,
            f"9 packages in, {sum(a.verb is Verb.REMOVE for a in plan.actions) and 3} out",
        )  # fmt: skip
        self._step(play, "daemon", "daemon.json", 0.06, "log-driver, live-restore by us")
        self._step(play, "refresh", "refresh lists", 1.1)
        self._step(play, "service", "docker.service", 0.02, outcome=Outcome.SAME)
        if number % 50 == 13:
            return self._unverified(play)
        self._step(
            play, "check", "verify with hello-world", 1.4, outcome=passed,
            text="daemon 29.7.2 · pull sha256:8c6bd2fb6803 · hello-world ran",
        )  # fmt: skip
        changed = len(plan.changes)
        return play.end(changed=changed, same=2, receipt=directory, seconds=play.at - T0).events

    def _converged(self, play: Play, system: str) -> list[Event]:
        keep = [
            one.model_copy(
                update={"verb": Verb.KEEP, "reason": "installed", "before": None, "after": None}
            )
            for one in _plan(play.host, system, legacy=False).actions
        ]
        plan = _plan(play.host, system, legacy=False).model_copy(
            update={"actions": tuple(keep), "transaction": Transaction(), "trust": ()}
        )
        play(ev.Planned, 0.02, plan=plan)
        return play.end(same=len(keep), seconds=0.8).events

    def _unreachable(self, play: Play) -> list[Event]:
        name = play.host.partition("@")[2]
        play(
            ev.Failed, 10.0, exit=Exit.UNREACHABLE, brief=f"no connection to {name}:22 within 10 s",
            next_step="is the host up, sshd running, and the port open in the firewall?", step="connect",
        )  # fmt: skip
        return play.events

    def _refused(self, play: Play) -> list[Event]:
        play(
            ev.Failed, exit=Exit.DESTRUCTIVE, brief="containers would stop: legacy-app, metrics",
            next_step="when they may stop: the same command with --allow-restart",
        )  # fmt: skip
        return play.events

    def _full(self, play: Play) -> list[Event]:
        cause = "/ is full: 12 MB of 20 GB are free"
        brief = "apt-get ended with 100"
        play.step(
            "install", "install docker-ce and containerd.io", Outcome.FAILED, brief, output=_DPKG,
            cause=cause, seconds=self._spend(4.0),
        )  # fmt: skip
        play(
            ev.Failed, exit=Exit.FAILED, brief=brief, changed_host=True, next_step=_NEXT,
            step="install docker-ce and containerd.io", details=(("cause", cause), ("output", _DPKG)),
        )  # fmt: skip
        return play.end(Exit.FAILED, changed=2, same=1).events

    def _unverified(self, play: Play) -> list[Event]:
        cause = "the hub answers 429: too many pulls from this address"
        brief = "hello-world could not be pulled"
        play.step(
            "check", "verify with hello-world", Outcome.FAILED, brief, cause=cause, seconds=2.0,
            output="Error response from daemon: toomanyrequests: You have reached your pull rate limit.",
        )  # fmt: skip
        play(
            ev.Failed, exit=Exit.VERIFY, brief=brief, details=(("cause", cause),), changed_host=True,
            step="verify with hello-world", next_step=f"mend the cause, then: dockwright verify {play.host}",
        )  # fmt: skip
        return play.end(Exit.VERIFY, changed=8, same=2).events


def _facts(system: str) -> Facts:
    distro, codename, _ = _SYSTEMS[system]
    return FACTS.model_copy(
        update={"pretty_name": system, "codename": codename, "distro": distro, "os_id": distro}
    )


def _plan(host: str, system: str, *, legacy: bool) -> HostPlan:
    distro, codename, suffix = _SYSTEMS[system]
    versions = dict.fromkeys(_NAMES[:2], f"5:29.7.2-1{suffix}")
    versions |= {"containerd.io": f"2.2.1-1{suffix}"}
    versions |= {
        "docker-buildx-plugin": f"0.30.1-1{suffix}",
        "docker-compose-plugin": f"5.0.1-1{suffix}",
    }
    changes = [
        PackageChange(name=name, new=version, origin="docker") for name, version in versions.items()
    ]
    changes += [PackageChange(name="pigz", new="2.8-1", planned=False)]
    changes += [PackageChange(name="libslirp0", new="4.7.0-1", planned=False)]
    source = (
        f"Types: deb\nURIs: https://download.docker.com/linux/{distro}\nSuites: {codename}\n"
        "Components: stable\nArchitectures: amd64\nSigned-By: /etc/apt/keyrings/docker.asc\n"
    )
    actions = [
        action("key", "file", Verb.ADD, "/etc/apt/keyrings/docker.asc", "new", after="-----BEGIN PGP\nx\n"),
        action("source", "file", Verb.ADD, "/etc/apt/sources.list.d/docker.sources", "new", after=source),
        action(
            "install", "packages", Verb.ADD, ", ".join(_NAMES), "Docker Engine with its plugins",
            params={"packages": list(_NAMES)}, step="install docker-ce and containerd.io",
        ),
        action(
            "daemon", "daemon_json", Verb.CHANGE, "/etc/docker/daemon.json",
            "log-driver, live-restore by us; 1 key of others stays" if legacy else "new",
            before='{"data-root": "/srv/docker"}\n' if legacy else None,
            after='{\n  "data-root": "/srv/docker",' + _DAEMON[1:] if legacy else _DAEMON,
        ),
        action("service", "service", Verb.KEEP, "docker.service", "enabled and running"),
        action("group", "group_member", Verb.KEEP, "docker", "nobody asked to join"),
        action("check", "container_check", Verb.CHECK, "hello-world", "client, daemon, pull and run are told apart"),
    ]  # fmt: skip
    if legacy:
        changes = [
            PackageChange(name=n, old="26.1.5+dfsg1-9") for n in ("docker.io", "containerd")
        ] + changes
        actions.insert(0, action(
            "old", "packages", Verb.REMOVE, "docker.io, containerd",
            "conflicts with docker-ce; removed after the download, data stays",
            params={"packages": ["docker.io", "containerd"]}, stops=("legacy-app", "metrics"),
        ))  # fmt: skip
    age = 30 + sum(map(ord, host)) % 6
    return HostPlan(
        host=host, playbook="docker", summary="Docker Engine from Docker's own apt repository",
        assumes=Assumptions(os_id=distro, codename=codename, architecture="amd64"),
        actions=tuple(actions), trust=(f"{_PIN}{age} min old",),
        transaction=Transaction(changes=tuple(changes), download_bytes=129_000_000),
        notes=("libc6 was upgraded: programs that run keep the old one until they are started anew",) if legacy else (),
    )  # fmt: skip
