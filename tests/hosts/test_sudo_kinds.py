"""The ways to root that differ: each works, or ends with 5 and its own words, untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockwright import events
from tests.hosts.support import Layers, Make, Run, at, clean, install, unseen
from tests.lab.dress import DRESSES
from tests.lab.faults.extra import debs
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

NOISE = """\
echo "Welcome to web1, 3 updates can be applied"
echo "[sudo] password for pat: "
echo "READY 0000 free"; echo "PASSWORD 0000"
printf '\\033[2J\\033]0;title\\007'
echo "dw1 x end - 0" >&2
"""


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    made = layers.host("fresh")
    yield made
    made.remove()


@pytest.fixture
def rule(host: Host) -> Iterator[Callable[[str], None]]:
    """Puts a line into sudoers for one test."""

    def put(text: str) -> None:
        host.put("/etc/sudoers.d/zz-test", f"{text}\n", 0o440)
        host.exec("visudo -cq")
        host.mark()

    yield put
    host.exec("rm -f /etc/sudoers.d/zz-test")
    host.mark()


@pytest.fixture
def password(lab: Lab, tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text(f"{lab.password}\n")
    return path


def tries(host: Host) -> int:
    log = host.exec("journalctl -q -b -o cat --no-pager").stdout
    return sum("authentication failure" in line and "sudo" in line for line in log.splitlines())


def refused(run: Run, host: Host, *words: str) -> None:
    assert run.code == 5, run
    assert not run.failed.changed_host
    assert run.failed.next_step
    assert run.all(events.HostReached) == []
    for word in words:
        assert word.lower() in run.told.lower(), run.told
    unseen(host)


class TestRefused:
    def test_requiretty(
        self, lab: Lab, host: Host, rule: Callable[[str], None], password: Path
    ) -> None:
        """E16."""
        rule("Defaults:pat requiretty")
        before = tries(host)
        run = install(lab, at(host, "pat"), "--sudo-password-file", password)
        refused(run, host, "terminal only", "requiretty")
        assert tries(host) == before

    def test_requiretty_without_password(
        self, lab: Lab, host: Host, rule: Callable[[str], None], password: Path
    ) -> None:
        """E16."""
        rule("Defaults:ops requiretty")
        run = install(lab, at(host, "ops"), "--sudo-password-file", password)
        refused(run, host, "requiretty")

    def test_some_commands_only(
        self, lab: Lab, host: Host, rule: Callable[[str], None], password: Path
    ) -> None:
        """E17: pat's other rule is taken away: sudo runs apt-get for pat, and nothing else."""
        groups = host.exec("id -nG pat").stdout.split()
        host.exec("grep -rl '^pat ' /etc/sudoers /etc/sudoers.d | xargs -r sed -i 's/^pat /#pat /'")
        for group in set(groups) & {"sudo", "wheel", "admin"}:
            host.exec(["gpasswd", "-d", "pat", group])
        try:
            rule("pat ALL=(root) /usr/bin/apt-get")
            run = install(lab, at(host, "pat"), "--sudo-password-file", password)
            refused(run, host, "not to run sh", "sudoers")
        finally:
            host.exec(
                "grep -rl '^#pat ' /etc/sudoers /etc/sudoers.d | xargs -r sed -i 's/^#pat /pat /'"
            )
            for group in set(groups) & {"sudo", "wheel", "admin"}:
                host.exec(["gpasswd", "-a", "pat", group])

    def test_no_login_shell(self, lab: Lab, host: Host) -> None:
        """E18."""
        host.exec("usermod -s /usr/sbin/nologin ops")
        host.mark()
        try:
            refused(install(lab, at(host, "ops")), host, "no login shell")
        finally:
            host.exec("usermod -s /bin/bash ops")

    def test_an_endless_greeting(self, lab: Lab, host: Host) -> None:
        """E18, X07."""
        host.exec("cp /home/ops/.bashrc /srv/bashrc; sed -i '1i yes hello' /home/ops/.bashrc")
        host.mark()
        try:
            refused(install(lab, at(host, "ops")), host, "without end")
        finally:
            host.exec("cp /srv/bashrc /home/ops/.bashrc; pkill -u ops yes", check=False)

    def test_a_shell_that_leaves(self, lab: Lab, host: Host) -> None:
        """E18."""
        host.exec(
            "cp /home/ops/.bashrc /srv/bashrc; sed -i '1i echo bye; exit 3' /home/ops/.bashrc"
        )
        host.mark()
        try:
            refused(install(lab, at(host, "ops")), host, "status 3", "bye")
        finally:
            host.exec("cp /srv/bashrc /home/ops/.bashrc")

    def test_an_expired_password(self, lab: Lab, prepared: Make, password: Path) -> None:
        """E16."""
        host = prepared("fresh")
        host.exec("chage -d 0 pat")
        host.mark()
        run = install(lab, at(host, "pat"), "--sudo-password-file", password)
        assert run.code == 5, run
        assert run.failed.next_step
        assert "password" in run.told.lower() or "expired" in run.told.lower()
        unseen(host)

    def test_an_expired_account(self, lab: Lab, host: Host, password: Path) -> None:
        """E16: PAM lets nobody in: that is named, and no key is advised."""
        host.exec("chage -E 1 pat")
        host.mark()
        try:
            run = install(lab, at(host, "pat"), "--sudo-password-file", password)
            refused(run, host, "expired", "pat")
            assert "authorized_keys" not in run.told
            assert "MaxAuthTries" not in run.told
        finally:
            host.exec("chage -E -1 pat")

    def test_a_locked_account(self, lab: Lab, prepared: Make, password: Path) -> None:
        """E16: pam_faillock locked sudo for pat; it is named where sudo names it, and tried once."""
        host = prepared("fresh")
        host.exec(
            "printf 'auth required pam_faillock.so preauth deny=1 unlock_time=900\\n"
            "auth [success=1 default=ignore] pam_unix.so try_first_pass\\n"
            "auth [default=die] pam_faillock.so authfail deny=1 unlock_time=900\\n"
            "account required pam_unix.so\\n' >/etc/pam.d/sudo"
        )
        host.exec("faillock --user pat --reset")
        wrong = password.with_name("wrong")
        wrong.write_text("not-it\n")
        first = install(lab, at(host, "pat"), "--sudo-password-file", wrong)
        assert first.code == 5, first
        before = host.exec("faillock --user pat").stdout.count("\n")
        host.mark()
        run = install(lab, at(host, "pat"), "--sudo-password-file", password)
        refused(run, host, "pat")
        assert "locked" in run.told or "password was refused" in run.told, run.told
        assert host.exec("faillock --user pat").stdout.count("\n") <= before + 1

    def test_each_has_words_of_its_own(self, lab: Lab, host: Host, password: Path) -> None:
        """E14, E15: Not in sudoers, no password, and a wrong one: three texts."""
        wrong = password.with_name("wrong")
        wrong.write_text("not-it\n")
        host.mark()
        briefs = {
            install(lab, at(host, user), *more).failed.brief
            for user, more in (
                ("plain", ("--sudo-password-file", password)),
                ("pat", ()),
                ("pat", ("--sudo-password-file", wrong)),
            )
        }
        assert len(briefs) == 3, briefs
        unseen(host)


class TestWorks:
    def test_noise_locale_and_password(self, lab: Lab, prepared: Make, password: Path) -> None:
        """E18, X02, X07: A whole install through a shell that prints look-alikes, in another language."""
        host = prepared("fresh", "ubuntu-24.04")
        for name in (".bashrc", ".profile", ".bash_profile"):
            host.put(f"/home/pat/{name}", f"export LANG=de_DE.UTF-8 LANGUAGE=de\n{NOISE}")
        host.put("/etc/default/locale", "LANG=de_DE.UTF-8\nLC_ALL=de_DE.UTF-8\n")
        host.put("/etc/sudoers.d/zz-test", 'Defaults:pat env_keep += "LANG LANGUAGE"\n', 0o440)
        host.put("/etc/motd", "[sudo] password for pat: \n")
        run = install(lab, at(host, "pat"), "--sudo-password-file", password)
        assert run.code == 20, run
        assert lab.password not in run.out + run.err
        clean(host)

    def test_other_login_shells(self, lab: Lab, password: Path) -> None:
        """E18: dash, fish and tcsh quote in ways of their own; sudo's password goes through them, too."""
        suite = DRESSES["debian-13"].suite
        place = debs(suite, "fish", "fish-common", "libpcre2-32-0", "tcsh")
        host = lab.host("shells", extra={"/srv/debs": place})
        try:
            # Unpacked only: dpkg would miss what else fish depends on, and apt would plan nothing.
            host.exec('for deb in /srv/debs/*.deb; do dpkg-deb -x "$deb" /; done')
            assert "fish" in host.exec("fish --version; tcsh --version").stdout
            host.put("/etc/fish/config.fish", "echo Welcome to fish, the friendly shell\n")
            for shell in ("/bin/dash", "/usr/bin/fish", "/bin/tcsh"):
                host.exec(["usermod", "-s", shell, "ops"])
                host.exec(["usermod", "-s", shell, "pat"])
                for user, more in (("ops", ()), ("pat", ("--sudo-password-file", password))):
                    run = install(lab, at(host, user), *more, "--dry-run")
                    assert run.code == 20, f"{shell} {user}\n{run}"
            host.exec("usermod -s /usr/bin/fish ops")
            run = install(lab, at(host, "ops"))
            assert run.code == 20, run
        finally:
            host.remove()

    def test_needrestart_never_asks(self, lab: Lab, prepared: Make) -> None:
        """E26: Where needrestart hooks into apt it is told to be silent, through sudo, too."""
        host = prepared("fresh")
        asks = '#!/bin/sh\n[ -n "${NEEDRESTART_SUSPEND-}" ] || { echo asked >/srv/asked; sleep 600; }\n'
        host.put("/usr/lib/needrestart/apt-pinvoke", asks, 0o755)
        hook = 'DPkg::Post-Invoke { "/usr/lib/needrestart/apt-pinvoke"; };\n'
        host.put("/etc/apt/apt.conf.d/99needrestart", hook)
        run = install(lab, at(host, "ops"))
        assert run.code == 20, run
        assert host.exec("test -e /srv/asked", check=False).returncode == 1
        clean(host)


class TestSudoRs:
    """sudo-rs in the place of sudo, as Ubuntu has it since 25.10; whole installs are in test_distros.py."""

    @pytest.fixture
    def host_rs(self, lab: Lab) -> Iterator[Host]:
        made = lab.host("sudors", "ubuntu-26.04")
        told = made.exec("sudo --version")
        assert "sudo-rs" in told.stdout + told.stderr
        made.mark()
        yield made
        made.remove()

    def test_all_ways(self, lab: Lab, host_rs: Host, password: Path) -> None:
        """E30, E14, E15."""
        wrong = password.with_name("wrong")
        wrong.write_text("not-it\n")
        for user, more, words in (
            ("plain", ("--sudo-password-file", password), ("not allowed",)),
            ("pat", (), ("password", "none was given")),
            ("pat", ("--sudo-password-file", wrong), ("refused",)),
        ):
            before = tries(host_rs)
            refused(install(lab, at(host_rs, user), *more), host_rs, *words)
            assert tries(host_rs) - before <= 1
        assert install(lab, at(host_rs, "ops"), "--dry-run").code == 20
        run = install(lab, at(host_rs, "pat"), "--sudo-password-file", password, "--dry-run")
        assert run.code == 20, run
        assert lab.password not in run.out + run.err
        unseen(host_rs)
