"""X07, X08, X09: hosts that lie, and errors of ours while a password is held.

What is asserted is the controller: nothing that a terminal would obey gets to it, memory stays
bounded, nothing of the host's is run, and a secret is nowhere.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.support import Layers, Make, at, unseen, untouched
from tests.hosts.test_onefile import hand, rendered
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

MEASURED = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "dockwright", *sys.argv[2:]])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
MOST = 220 * 1024  # KiB; an honest host takes some 90 MiB
# ESC, C1 and what else a terminal obeys; line breaks and blanks are ours.
CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202e]")
OWNED = r"\033]0;owned\007\033[2J\033[31m\302\233\0337m\342\200\256owned\377\376"


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    made = layers.host("fresh")
    yield made
    made.remove()


def told(lab: Lab, tmp_path: Path, *args: str, tty: bool = False) -> tuple[int, str]:
    """A run for people: its code and all that it said, without a sign that a terminal obeys."""
    size = tmp_path / "size"
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"] * (args[0] in ("plan", "install"))
    argv = [sys.executable, "-c", MEASURED, str(size), args[0], *pin, *args[1:]]
    began = time.monotonic()
    done = lab.run(argv, env={"PYTHONPATH": str(ROOT / "installer"), "NO_COLOR": "1"}, timeout=150)
    assert time.monotonic() - began < 120
    assert int(size.read_text()) < MOST
    said = done.stdout + done.stderr
    assert CONTROL.findall(said) == [], said[-3000:]
    assert "Traceback" not in said, said[-3000:]
    return done.returncode, said


LIARS = {
    # name: (place in the host, what it does, where it lies for, exit codes that are right)
    "a shell that floods": ("shell", f"printf '{OWNED}'; exec yes \"$(printf '{OWNED}')\"", {5}),
    "a shell with a line without end": ("shell", "exec cat /dev/zero", {5}),
    "a shell that says nothing": ("shell", "exit 0", {5}),
    "a shell that forges": (
        "shell",
        "echo 'READY 0123456789abcdef0123456789abcdef root'; echo 'PASSWORD x'; echo 'dw1 x end - 0 0'; exit 0",
        {5},
    ),
    "sudo that floods": ("sudo", f"exec yes \"$(printf '{OWNED}')\"", {5}),
    "dpkg-query that floods": ("dpkg-query", f"exec yes \"$(printf '{OWNED}')\"", {5}),
    "dpkg-query that lies": (
        "dpkg-query",
        f"printf '+ii \\tdocker-ce\\tinstalled\\tinstall\\t5:1{OWNED}\\n+xx{OWNED}\\ndw1 x end\\ndaemon 99 true\\n'",
        {0, 3, 5, 7},
    ),
    "a name of the host": ("hostname", f"host{OWNED}", {0}),
    "docker that lies": (
        "docker",
        f"printf 'container 0{OWNED} app{OWNED} image\\ndaemon 29{OWNED} false active x y\\n'",
        {0, 3},
    ),
}


def lie(host: Host, place: str, body: str) -> str:
    """Put a liar in; returns the command that takes it out."""
    if place == "shell":
        host.put("/usr/local/bin/liar", f"#!/bin/sh\n{body}\n", 0o755)
        host.exec("usermod -s /usr/local/bin/liar ops")
        return "usermod -s /bin/bash ops; rm /usr/local/bin/liar"
    if place == "hostname":
        there = "/proc/sys/kernel/hostname"
        host.exec(f"printf '{body}\\n' >/srv/name && mount --bind /srv/name {there}")
        return f"umount {there}; rm /srv/name"
    # sudo's secure_path and ours begin there.
    host.put(f"/usr/local/sbin/{place}", f"#!/bin/sh\n{body}\n", 0o755)
    if place == "sudo":
        host.exec("mv /usr/bin/sudo /usr/bin/sudo.real && cp /usr/local/sbin/sudo /usr/bin/sudo")
        return "mv /usr/bin/sudo.real /usr/bin/sudo; rm /usr/local/sbin/sudo"
    return f"rm /usr/local/sbin/{place}"


@pytest.mark.parametrize("name", LIARS)
def test_x07_liars(lab: Lab, host: Host, tmp_path: Path, name: str) -> None:
    place, body, codes = LIARS[name]
    out = lie(host, place, body)
    host.mark()
    try:
        for args in (("facts", at(host, "ops"), "-v"), ("plan", "docker", at(host, "ops"), "-v")):
            code, said = told(lab, tmp_path, *args)
            assert code in codes, said[-3000:]
            if code == 5:
                assert host.name in said
        unseen(host)
    finally:
        host.exec(out)
        host.mark()


# What runs in the middle of a change; the run is refused or fails, and is never called well.
MIDDLE = {
    "apt-get that says it is done": ("apt-get", f"printf 'dw1 x end - 0 0\\n{OWNED}\\n'; exit 0", {3}),
    "apt-get that floods its errors": (
        "apt-get", f"head -c 50000000 /dev/zero | tr '\\0' x >&2; printf '{OWNED}' >&2; exit 100", {3, 5},
    ),
    "tail that floods": ("tail", f"exec yes \"$(printf '{OWNED}')\"", {5}),
}  # fmt: skip


@pytest.mark.parametrize("name", MIDDLE)
def test_x07_liars_in_the_middle(lab: Lab, prepared: Make, tmp_path: Path, name: str) -> None:
    place, body, codes = MIDDLE[name]
    host = prepared("fresh")
    lie(host, place, body)
    host.mark()
    code, said = told(lab, tmp_path, "install", at(host, "ops"), "--yes")
    assert code in codes, said[-3000:]
    if code == 3:
        untouched(host)


HOSTILE = """\
ID={id}
VERSION_ID="$(touch /canary)"
VERSION_CODENAME={codename}
PRETTY_NAME="`touch /canary` $(touch /canary) \\" ; touch /canary #{escape}{{{{ 7 * 7 }}}}{{% raw %}}"
NAME='$(touch /canary)'
LOGO=$(touch /canary)
$(touch /canary)=x
"""


def canary(host: Host) -> bool:
    there = host.exec("ls /canary", check=False).returncode == 0
    return there or Path("/canary").exists() or Path("canary").exists()


def test_x08_os_release_is_data(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """A release that is one runs to the end, one that is none is refused: and nothing of it runs."""
    host = prepared("fresh")
    good = HOSTILE.format(id="debian", codename="trixie", escape="\x1b[31m")
    host.exec("rm /etc/os-release")
    text = rendered(lab)
    for id_, codename, codes in (
        ('"$(touch /canary)"', "trixie", {3}),
        ("debian", '"$(touch /canary)"', {3}),
        ("debian", "`touch /canary`", {3}),
        ("debian", "'; touch /canary; '", {3}),
    ):
        host.put("/etc/os-release", HOSTILE.format(id=id_, codename=codename, escape="\x1b[31m"))
        hand(host, text)
        for args in (
            ("facts", at(host, "ops"), "-v"),
            ("plan", "docker", at(host, "ops"), "-v"),
            ("install", at(host, "ops"), "--yes"),
        ):
            code, said = told(lab, tmp_path, *args)
            assert code in (codes | {0} if args[0] == "facts" else codes), said
            assert not canary(host)
            unseen(host)
        for word in ("plan", "apply"):
            done = host.exec(["sh", "/opt/dockwright-docker.sh", word], check=False)
            assert done.returncode == 3, done
            assert not canary(host)
            untouched(host)
        host.exec("rm -rf /var/lib/dockwright")
    host.put("/etc/os-release", good)
    code, said = told(lab, tmp_path, "install", at(host, "ops"), "--yes")
    assert code == 0, said
    assert "49" not in re.sub(r"[0-9.:]{3,}", "", said.split("trust")[0])
    assert not canary(host)
    code, said = told(lab, tmp_path, "undo", at(host, "ops"), "--yes")
    assert code == 0, said
    hand(host, text)
    done = host.exec(["sh", "/opt/dockwright-docker.sh", "apply"], check=False, timeout=300)
    assert done.returncode == 0, done
    assert not canary(host)


BUG = """
import sys, traceback
from dockwright import facts, cli
def broken(*args, **names):
    raise RuntimeError("forced")
facts.read = broken
def hook(kind, error, trace):
    for line in traceback.TracebackException(kind, error, trace, capture_locals=True).format():
        sys.stderr.write(line)
if sys.argv.pop(1) == "locals":
    sys.excepthook = hook
cli.main()
"""


@pytest.mark.parametrize("how", ["plain", "locals"])
def test_x09_a_bug_while_a_password_is_held(lab: Lab, host: Host, tmp_path: Path, how: str) -> None:
    """Whatever is printed of it, the log, and a core dump: the password is in none of them."""
    host.mark()
    log = tmp_path / "log"
    argv = [sys.executable, "-c", BUG, how, "facts", f"pat@{host.name}"]
    argv += ["--sudo-password-file", "-", "--log", str(log)]
    done = lab.run(argv, env={"PYTHONPATH": str(ROOT / "installer")}, input=f"{lab.password}\n")
    assert done.returncode == 1, done
    assert "RuntimeError: forced" in done.stderr
    for text in (done.stdout, done.stderr, log.read_text()):
        assert lab.password not in text
    assert "sudo with password" not in done.stdout  # it never got so far as to tell
    sudo = host.exec("journalctl -q -b -t sudo -o cat --no-pager").stdout
    assert "pat : " in sudo  # the password was asked for, and taken
    assert set(host.changed()) <= {"/home/pat/.sudo_as_admin_successful"}  # sudo's own
