"""Real sshd, real sudo, real PAM: each way to root, and each way that does not lead there."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest

from tests.hosts.support import DRESSES
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.sampled("host", 1)]

# Runs as a controller: requests on standard input, one answer a line. A transport for each request.
PROBE = """
import json, sys, time
from dockwright.errors import DockwrightError
from dockwright.transport import ConnectOptions, Secret, Silent, open_transport
from dockwright.transport.target import parse_target

class Asker(Silent):
    def __init__(self, word):
        self.word, self.asked = word, 0
    def sudo_password(self, host):
        self.asked += 1
        return Secret(self.word) if self.word else None

for request in json.load(sys.stdin):
    asker, began = Asker(request.get("password")), time.perf_counter()
    answer = {}
    options = ConnectOptions(jump=request.get("jump"))
    transport = open_transport(parse_target(request["target"]), options, asker)
    try:
        for script in request["scripts"]:
            channel, out = transport.root_shell(script), b""
            while data := channel.read(30):
                out += data
            answer = {"out": out.decode(errors="replace"), "status": channel.status(),
                      "err": channel.errors()}
            channel.close()
    except DockwrightError as error:
        answer = {"brief": error.brief, "details": dict(error.details), "exit": int(error.exit)}
    answer |= {"asked": asker.asked, "how": transport.description}
    answer["seconds"] = time.perf_counter() - began
    transport.close()
    print(json.dumps(answer), flush=True)
"""


def probe(lab: Lab, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers of a controller's process to ``requests``."""
    done = lab.run(
        [sys.executable, "-W", "error", "-c", PROBE],
        input=json.dumps([{"scripts": ["id -u"], **request} for request in requests]),
        env={"PYTHONPATH": str(ROOT / "installer")},
        check=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(params=DRESSES)
def host(request: pytest.FixtureRequest, host_factory: HostFactory) -> Host:
    """A fresh host of each dress."""
    return host_factory(dress=request.param)


# Paramiko's, and the system's own ssh.
BY = pytest.mark.parametrize("by", ["", "openssh://"], ids=["ssh", "openssh"])


@BY
def test_each_way_to_root(lab: Lab, host: Host, by: str) -> None:
    root, ops, pat = probe(
        lab,
        {"target": f"{by}root@{host.name}"},
        {"target": f"{by}ops@{host.name}", "password": "never asked for"},
        {"target": f"{by}pat@{host.name}", "password": lab.password, "scripts": ["id -u"] * 3},
    )
    for answer in (root, ops, pat):
        assert (answer["out"], answer["status"], answer["err"]) == ("0\n", 0, "")
    assert root["how"].startswith("as root@")
    assert "sudo" not in root["how"]
    assert ops["how"].endswith(", sudo without password")
    assert pat["how"].endswith(", sudo with password")
    assert (root["asked"], ops["asked"], pat["asked"]) == (0, 0, 1)


def test_each_way_that_does_not_lead_there(lab: Lab, host: Host) -> None:
    none, wrong, again, plain = probe(
        lab,
        {"target": f"pat@{host.name}"},
        {"target": f"pat@{host.name}", "password": "wrong"},
        {"target": f"pat@{host.name}", "password": "wrong"},
        {"target": f"plain@{host.name}", "password": "plain has none"},
    )
    assert "wants a password, and none was given" in none["brief"]
    assert "sudo: the password was refused" in wrong["brief"]
    assert "refused the same password" in again["brief"]
    assert plain["brief"].startswith("sudo")
    assert {answer["exit"] for answer in (none, wrong, again, plain)} == {5}
    refused = host.exec("journalctl -q --no-pager -t sudo -g 'authentication failure'").stdout
    assert refused.count(" user=pat") == 1


def test_no_sudo_at_all_and_no_login_shell(lab: Lab, host: Host) -> None:
    host.exec("mv /usr/bin/sudo /usr/bin/sudo.away; usermod -s /usr/sbin/nologin plain")
    bare, nologin, root = probe(
        lab,
        {"target": f"ops@{host.name}"},
        {"target": f"plain@{host.name}"},
        {"target": f"root@{host.name}"},
    )
    assert "the host has no sudo" in bare["brief"]
    assert "no login shell" in nologin["brief"]
    assert root["out"] == "0\n"


def test_rules_of_sudoers_are_named(lab: Lab, host: Host) -> None:
    host.exec(
        "printf '%s\\n' 'Defaults:ops requiretty' > /etc/sudoers.d/tty;"
        "printf '%s\\n' 'plain ALL=(ALL) /usr/bin/apt-get' > /etc/sudoers.d/plain;"
        "printf 'plain:%s\\n' word | chpasswd; chmod 0440 /etc/sudoers.d/*"
    )
    tty, some = probe(
        lab,
        {"target": f"ops@{host.name}", "password": "x"},
        {"target": f"plain@{host.name}", "password": "word"},
    )
    assert "requiretty" in tty["brief"]
    assert "not to run sh as root" in some["brief"]


@BY
def test_noise_and_the_lecture_are_passed_over(lab: Lab, host: Host, by: str) -> None:
    host.exec(
        'printf \'echo Welcome; echo "[sudo] password for pat: "; echo PASSWORD 0123;'
        " printf half; echo noise >&2\\n' > /home/pat/.bashrc; chown pat: /home/pat/.bashrc;"
        "echo 'Defaults lecture=always' > /etc/sudoers.d/lecture; chmod 0440 /etc/sudoers.d/*"
    )
    (answer,) = probe(
        lab,
        {
            "target": f"{by}pat@{host.name}",
            "password": lab.password,
            "scripts": ["id -u; echo oops >&2"],
        },
    )
    assert (answer["out"], answer["err"]) == ("0\n", "oops\n")


@BY
def test_the_password_is_nowhere_to_be_seen(lab: Lab, host: Host, by: str) -> None:
    script = "sleep 0.2; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"
    (answer,) = probe(
        lab, {"target": f"{by}pat@{host.name}", "password": lab.password, "scripts": [script]}
    )
    assert "READY" in answer["out"]
    assert lab.password not in answer["out"]
    found = host.exec(
        f"journalctl -q --no-pager | grep -cF {lab.password};"
        f" grep -rlF {lab.password} /var/log /tmp /run/sudo /home 2>/dev/null | wc -l"
    ).stdout.split()
    assert found == ["0", "0"]


def test_t25_a_jump_host_is_judged_by_its_own_key(
    lab: Lab, host: Host, host_factory: HostFactory
) -> None:
    bastion = host_factory()
    # Guests know no names of each other; the bastion is asked to go to the target's address.
    target = {"target": f"ops@{host.address}"}
    (answer,) = probe(lab, {**target, "jump": f"ops@{bastion.name}"})
    assert answer.get("out") == "0\n", answer
    (answer,) = probe(lab, {"target": f"ops@{host.name}", "jump": f"ops@{bastion.name}"})
    assert f"the jump host ops@{bastion.name} does not get there" in answer["brief"]
    lab.forget(bastion.name)
    (answer,) = probe(lab, {**target, "jump": f"ops@{bastion.address}"})
    assert answer["brief"].startswith(f"{bastion.address}: the host key is unknown")


def test_a_host_that_goes_silent_is_noticed(lab: Lab, host: Host) -> None:
    """By both ways at the same time."""
    processes = []
    for number, by in enumerate(("", "openssh://")):
        process = lab.popen(
            [sys.executable, "-c", PROBE], env={"PYTHONPATH": str(ROOT / "installer")}
        )
        assert process.stdin is not None
        scripts = [f"touch /run/started{number}; sleep 60"]
        process.stdin.write(json.dumps([{"target": f"{by}root@{host.name}", "scripts": scripts}]))
        process.stdin.close()
        processes.append(process)
    until = time.monotonic() + 60
    started = "test -e /run/started0 -a -e /run/started1 && echo yes || true"
    while host.exec(started).stdout != "yes\n":
        assert time.monotonic() < until
        time.sleep(0.05)
    host.link(down=True)
    began = time.monotonic()
    for process in processes:
        assert process.stdout is not None
        assert process.stderr is not None
        answer = json.loads(process.stdout.readline())
        assert "connection was lost" in answer["brief"]
        assert time.monotonic() - began < 90  # keepalive: 15 s, then 3 times 5 s
        process.wait(60)
        process.stdout.close()
        process.stderr.close()
