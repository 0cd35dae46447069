"""Hosts that are not reached, not known, or give no root: 5, and nothing is sent too early."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dockwright import events
from tests.hosts.support import Layers, Run, at, install, sessions, talkative, unseen, until
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("real_processes")]


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    made = layers.host("fresh")
    talkative(made)
    made.mark()
    yield made
    made.remove()


@pytest.fixture
def secret(lab: Lab, tmp_path: Path) -> Callable[[str], Path]:
    """Writes a file with a sudo password."""

    def write(text: str) -> Path:
        path = tmp_path / "password"
        path.touch(0o600)
        path.write_text(f"{text}\n")
        return path

    return write


def log(host: Host) -> list[str]:
    return host.exec("journalctl -q -b -o cat --no-pager").stdout.splitlines()


def unreached(run: Run, *words: str) -> None:
    assert run.code == 5, run
    assert run.failed.exit == 5
    assert not run.failed.changed_host
    assert run.failed.next_step
    assert run.all(events.HostReached) == []
    for word in words:
        assert word.lower() in run.told.lower(), run.told


class TestUnreached:
    def test_port_closed(self, lab: Lab, host: Host) -> None:
        unreached(install(lab, f"root@{host.name}:2222", "--host-keys", "accept-new"), "refused")
        unseen(host)

    def test_down(self, lab: Lab, host: Host) -> None:
        host.link(down=True)
        try:
            unreached(install(lab, at(host), "--connect-timeout", "1"), host.name)
        finally:
            host.link(down=False)

    def test_no_such_name(self, lab: Lab) -> None:
        unreached(install(lab, "root@nowhere.lab.test"), "nowhere.lab.test")


class TestHostKey:
    def test_unknown(self, lab: Lab, host: Host, tmp_path: Path) -> None:
        """T20."""
        nobody = tmp_path / "known"
        nobody.touch()
        before = len(log(host))
        run = install(lab, at(host, "ops"), "--known-hosts", nobody)
        unreached(run, "unknown", "SHA256:")
        assert not _tried_to_log_in(log(host)[before:])
        assert nobody.read_text() == ""

    def test_changed(self, lab: Lab, host: Host, tmp_path: Path) -> None:
        """T21."""
        other = tmp_path / "key"
        lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
        known = tmp_path / "known"
        key = " ".join(other.with_suffix(".pub").read_text().split()[:2])
        known.write_text(f"{host.name} {key}\n")
        before, was = len(log(host)), known.read_text()
        for policy in ("strict", "accept-new"):
            run = install(lab, at(host, "ops"), "--known-hosts", known, "--host-keys", policy)
            unreached(run, "changed", "SHA256:", str(known))
        assert not _tried_to_log_in(log(host)[before:])
        assert known.read_text() == was

    def test_accepted(self, lab: Lab, host: Host, tmp_path: Path) -> None:
        known = tmp_path / "known"
        known.touch()
        given: list[str | Path] = ["--known-hosts", known, "--host-keys", "accept-new", "--dry-run"]
        run = install(lab, at(host, "ops"), *given)
        assert run.code == 20, run
        assert host.name in known.read_text()

    def test_as_ssh_judges(self, lab: Lab, host: Host, tmp_path: Path) -> None:
        """T22: for each kind of line the verdict is OpenSSH's: let in, or 5 and no login."""
        # sshd slows down an address that hangs up before it logs in, as each refusal here does.
        host.put("/etc/ssh/sshd_config.d/patient.conf", "PerSourcePenalties no\n")
        host.exec("systemctl reload ssh")
        host.mark()
        kind, blob, *_ = host.exec("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
        name, key = host.name, f"{kind} {blob}"
        plain = tmp_path / "plain"
        plain.write_text(f"{name} {key}\n")
        lab.run(["ssh-keygen", "-q", "-H", "-f", plain], check=True)
        lines = {
            "hashed": plain.read_text(),
            "wildcard": f"{name[:-1]}? {key}\n",
            "negated": f"*,!{name} {key}\n",
            "bracketed": f"[{name}]:22 {key}\n",
            "other port": f"[{name}]:2222 {key}\n",
            "list": f"elsewhere,{name},10.1.2.3 {key} a comment\n",
            "revoked": f"{name} {key}\n@revoked * {key}\n",
            "authority": f"@cert-authority * {key}\n{name} {key}\n",
            "authority only": f"@cert-authority * {key}\n",
            "nonsense first": f"\n# x\n{name} ssh-ed25519 AAAA\n{name} {key}\n",
        }
        known = tmp_path / "known"
        judged = {}
        for which, text in lines.items():
            known.write_text(text)
            options = ["-oStrictHostKeyChecking=yes", f"-oUserKnownHostsFile={known}"]
            options += ["-oBatchMode=yes", "-oGlobalKnownHostsFile=/dev/null"]
            ssh = lab.run(["ssh", *options, f"root@{name}", "true"])
            run = install(lab, at(host), "--known-hosts", known, "--dry-run")
            judged[which] = (run.code, run.code == 20) == (
                20 if not ssh.returncode else 5,
                not ssh.returncode,
            )
        assert judged == dict.fromkeys(lines, True)

    def test_nothing_is_kept_in_dev_null(self, lab: Lab, host: Host) -> None:
        """T20: where ssh_config keeps no keys, the advice names a file that would."""
        run = install(lab, at(host, "ops"), "--known-hosts", "/dev/null")
        unreached(run, "unknown", "/dev/null keeps nothing", "--known-hosts FILE")


def _tried_to_log_in(lines: list[str]) -> bool:
    told = ("Accepted", "Failed", "Postponed", "Starting session", "ssh2: ", "ops")
    return any(word in line for line in lines for word in told)


class TestSudo:
    def test_not_allowed(self, lab: Lab, host: Host, secret: Callable[[str], Path]) -> None:
        """E14."""
        path = secret("anything")
        unreached(install(lab, at(host, "plain"), "--sudo-password-file", path), "sudo", "plain")
        unseen(host)

    def test_no_password(self, lab: Lab, host: Host) -> None:
        """E14."""
        unreached(install(lab, at(host, "pat")), "password")
        unseen(host)

    def test_wrong_password(self, lab: Lab, host: Host, secret: Callable[[str], Path]) -> None:
        """E15."""
        wrong = "canary-7fa1c2-wrong"
        before, opened = len(log(host)), sessions(host)
        run = install(lab, at(host, "pat"), "--sudo-password-file", secret(wrong))
        unreached(run, "password")
        new = log(host)[before:]
        tries = [line for line in new if "authentication failure" in line and "sudo" in line]
        assert len(tries) == 1, new
        assert sessions(host) - opened == 1
        assert wrong not in run.out + run.err + "\n".join(log(host))
        unseen(host)

    def test_refused_password_is_not_tried_elsewhere(
        self, lab: Lab, host: Host, layers: Layers, secret: Callable[[str], Path]
    ) -> None:
        """Two hosts with one wrong password: the second is not asked, so no account is locked."""
        other = layers.host("fresh")
        try:
            counts = [_failures(one) for one in (host, other)]
            path = secret("canary-7fa1c2-wrong")
            given: list[str | Path] = ["--sudo-password-file", path, "--forks", "2"]
            run = install(lab, at(host, "pat"), at(other, "pat"), *given)
            assert run.code == 5, run
            assert len(run.all(events.Failed)) == 2
            new = [_failures(one) for one in (host, other)]
            assert sum(new) - sum(counts) == 1
        finally:
            other.remove()


def _failures(host: Host) -> int:
    return sum("authentication failure" in line and "sudo" in line for line in log(host))


class TestNoSudo:
    def test_no_sudo_at_all(self, lab: Lab, layers: Layers) -> None:
        """E14."""
        host = layers.host("fresh")
        host.exec("mv /usr/bin/sudo /usr/bin/sudo.off")
        host.mark()
        unreached(install(lab, at(host, "ops")), "sudo")
        unseen(host)
        run = install(lab, at(host), "--dry-run")
        assert run.code == 20, run  # root needs none
        unseen(host)
        host.remove()


# --- the password is nowhere ----------------------------------------------------------------------


@contextmanager
def watched(word: str) -> Iterator[set[str]]:
    """Look for a word in the arguments and environments of all processes, here and in all hosts."""
    found: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for process in Path("/proc").iterdir():
                if not process.name.isdigit():
                    continue
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        data = (process / name).read_bytes()
                        if word.encode() in data:
                            found.add(f"{name}: {data[:300]!r}")
            ended.wait(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def test_watching_works() -> None:
    word = "canary-of-this-test"
    for argv, env in ((["sh", "-c", "read x", word], {}), (["sh", "-c", "read x"], {"X": word})):
        with watched(word) as found, subprocess.Popen(argv, env=env, stdin=subprocess.PIPE):
            until(found.__len__, "the word is seen")
        assert found


def test_password_is_nowhere(
    lab: Lab, layers: Layers, secret: Callable[[str], Path], tmp_path: Path
) -> None:
    """X01."""
    host = layers.host("fresh", "ubuntu-24.04")
    told = tmp_path / "log"
    path = secret(lab.password)
    with watched(lab.password) as found:
        run = install(lab, at(host, "pat"), "--sudo-password-file", path, "--log", told)
    assert run.code == 20, run
    assert found == set()
    assert lab.password not in run.out + run.err + told.read_text()
    everything = host.exec("journalctl -q -b -o export --no-pager", timeout=60).stdout
    assert lab.password not in everything
    spread = lab.run(["grep", "-rlaF", "-f", path, host.upper, lab.dir / "home"])
    assert spread.stdout == "", spread.stdout
    for place in ("/run", "/tmp", "/var/tmp"):
        inside = host.exec(["grep", "-rlaF", "-f", "-", place], input=lab.password, check=False)
        assert inside.stdout == ""
    host.remove()
