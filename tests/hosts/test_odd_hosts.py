"""Hosts that are not as the manual has them: another init, another kernel, no room, no network, no locale.

Where Dockwright can work it does; where it cannot, it says so before anything has changed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dockwright import events
from dockwright.events import CommitPoint
from tests.hosts.doctoring import over
from tests.hosts.support import (
    PACKAGES,
    STATE,
    Layers,
    Make,
    Run,
    at,
    clean,
    dockwright,
    ended,
    install,
    leftovers,
    read_until,
    under_way,
    unseen,
    until,
    versions,
)
from tests.lab import deb
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]


@pytest.fixture(scope="module")
def bare(layers: Layers) -> Iterator[Host]:
    """A host for all the runs that change nothing."""
    made = layers.host("fresh")
    yield made
    made.remove()


def refused(run: Run, host: Host, code: int, *words: str) -> None:
    """That code, those words, a next step, and a host as it was."""
    assert run.code == code, run
    for word in words:
        assert word in run.told, run.told
    assert run.failed.next_step
    assert not run.failed.changed_host
    unseen(host)


# --- what it runs on ------------------------------------------------------------------------------


def test_e05_a_container_without_systemd(lab: Lab, host_factory: HostFactory) -> None:
    """Refused with the way out; with it the packages come, and the start is left to others."""
    host = host_factory(systemd=False)
    refused(install(lab, at(host)), host, 3, "not run by systemd", "docker_service=none")
    wish = ("--set", "docker_service=none")
    run = install(lab, at(host, "ops"), *wish)
    assert run.code == 20, run
    assert set(PACKAGES) == set(versions(host))
    assert "nobody starts docker here; when it may: dockerd &" in run.plan.notes
    assert leftovers(host) == []
    host.mark()
    again = install(lab, at(host, "ops"), *wish)
    assert again.code == 0, again
    unseen(host)
    undone = dockwright(lab, "undo", at(host, "ops"), "--yes")
    assert undone.code == 0, undone
    assert versions(host) == {}


def test_e06_windows_subsystem(lab: Lab, bare: Host) -> None:
    """By its kernel's name; installed there where that is asked for."""
    bare.mark()
    with over(bare, "/proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2\n"):
        refused(install(lab, at(bare)), bare, 3, "Subsystem", "Docker Desktop", "docker_wsl=true")
        asked = dockwright(lab, "plan", "docker", at(bare), "--set", "docker_wsl=true")
    assert asked.code == 0, asked


@contextmanager
def mounted(host: Host, place: str, options: str) -> Iterator[None]:
    """A file system in memory at a place of the host."""
    host.exec(f"mkdir -p {place} && mount -t tmpfs -o {options} tmpfs {place}")
    try:
        yield
    finally:
        host.exec(["umount", place])


def test_e08_no_room_and_no_inodes(lab: Lab, bare: Host) -> None:
    bare.exec("mkdir -p /var/lib/docker")
    bare.mark()
    with mounted(bare, "/var/lib/docker", "size=30m"):
        run = install(lab, at(bare))
        refused(run, bare, 3, "not enough room below /var/lib/docker", "64 MiB", "30 MiB")
    with mounted(bare, "/var/lib/docker", "size=200m,nr_inodes=300"):
        refused(install(lab, at(bare)), bare, 3, "inodes are free below /var/lib/docker", "df -i")


def test_a_small_run(lab: Lab, bare: Host) -> None:
    """A machine with little memory has a small /run: what apt is asked with lies in /var/tmp then."""
    bare.mark()
    options = bare.exec("findmnt -no OPTIONS /run").stdout.strip()
    used = int(bare.exec("df -k --output=used /run | tail -n 1").stdout)
    bare.exec(f"mount -o remount,size={used + 1024}k /run")
    try:
        run = dockwright(lab, "plan", "docker", at(bare))
        left = bare.exec("ls -d /run/dockwright* /var/tmp/dockwright*", check=False).stdout
    finally:
        bare.exec(f"mount -o remount,{options} /run")
    assert run.code == 0, run
    assert run.plan.transaction.installs
    assert left == ""
    unseen(bare)


def test_an_archive_is_asked_only_where_a_package_comes_from_it(
    lab: Lab, host_factory: HostFactory
) -> None:
    """Most hosts have all that Docker depends on: there it takes no minute to fetch all lists, twice."""
    host = host_factory()
    needed = dockwright(lab, "plan", "docker", at(host)).plan.transaction.installs
    names = {change.name for change in needed} - set(PACKAGES)
    assert names
    host.exec(f"apt-get -q update && apt-get -qy --no-install-recommends install {' '.join(names)}")
    # As on a fresh image; to ask this archive would leave a note.
    host.exec("find /var/lib/apt/lists -type f -delete; rm -f /etc/apt/sources.list.d/*")
    host.put("/etc/apt/sources.list", "deb file:/nowhere none main\n")
    run = install(lab, at(host))
    assert run.code == 20, run
    assert set(PACKAGES) <= set(versions(host))
    assert " note " not in host.exec(f"cat {STATE}/runs/*/ev").stdout


@pytest.mark.sampled("place", 1)
@pytest.mark.parametrize("place", ["/usr", "/etc"])
def test_e10_read_only(lab: Lab, bare: Host, place: str) -> None:
    bare.mark()
    bare.exec(f"mount --bind {place} {place} && mount -o remount,bind,ro {place}")
    try:
        run = install(lab, at(bare))
    finally:
        bare.exec(["umount", "-l", place])  # what runs holds it
    refused(run, bare, 3, f"{place} cannot be written", "remount,rw")


def test_e11_a_clock_that_is_off(lab: Lab, bare: Host) -> None:
    """Hosts share this machine's clock, so ``date`` is one that is off."""
    bare.put("/usr/local/bin/date", '#!/bin/sh\nexec /usr/bin/date -d "1 hour ago" "$@"\n', 0o755)
    bare.mark()
    try:
        refused(install(lab, at(bare)), bare, 3, "the clock of", "timedatectl set-ntp true")
    finally:
        bare.exec("rm /usr/local/bin/date")


# --- its network ----------------------------------------------------------------------------------


@pytest.mark.sampled("way", 1)
@pytest.mark.parametrize("way", ["controller", "host"])
def test_e13_names_that_do_not_resolve(lab: Lab, bare: Host, way: str) -> None:
    """By the host: the controller's own way is another."""
    names = bare.exec("cat /etc/hosts").stdout
    with over(bare, "/etc/hosts", names.replace(" download.docker.com", " elsewhere")):
        bare.mark()
        run = install(lab, at(bare), "--fetch", way)
        refused(run, bare, 5, "download.docker.com", "resolv")
        assert way == "host" or "DNS: the host does not resolve" in run.told, run.told


PORTAL = """\
use IO::Socket::INET;
my $at = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 80, Listen => 9, ReuseAddr => 1) or die;
open(my $said, ">", "/run/portal-is-there"); close($said);
while (my $one = $at->accept) {
  while (<$one>) { last if /^\\r?$/ }
  print $one "HTTP/1.1 200 OK\\r\\nContent-Length: 21\\r\\nConnection: close\\r\\n\\r\\n<html>log in</html>\\r\\n";
  close $one;
}
"""


def test_e13_a_captive_portal(lab: Lab, bare: Host) -> None:
    """It answers the host in everybody's place, with a page."""
    bare.put("/run/portal", PORTAL)
    bare.exec("systemd-run -q --collect --unit=portal perl /run/portal")
    there = "test -e /run/portal-is-there"
    until(lambda: bare.exec(there, check=False).returncode == 0, "the portal answers")
    names = bare.exec("cat /etc/hosts").stdout
    url = "docker_url=http://download.docker.com/linux/debian"
    try:
        with over(bare, "/etc/hosts", f"127.0.0.1 download.docker.com\n{names}"):
            bare.mark()
            run = install(lab, at(bare), "--fetch", "controller", "--set", url)
            refused(run, bare, 5, "captive portal")
    finally:
        bare.exec("systemctl stop portal")


SILENT = """\
use IO::Socket::INET;
my $at = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 81, Listen => 9, ReuseAddr => 1) or die;
open(my $said, ">", "/run/silence-is-there"); close($said);
my @held;
while (my $one = $at->accept) { push @held, $one; open($said, ">", "/run/somebody-waits"); close($said) }
"""


def test_e13_an_archive_that_says_nothing_keeps_nobody(lab: Lab, bare: Host) -> None:
    """Its lists are fetched beside the vendor's; where those do not come, nobody waits for it."""
    bare.put("/run/silence", SILENT)
    bare.exec("systemd-run -q --collect --unit=silence perl /run/silence")
    there = "test -e /run/silence-is-there"
    until(lambda: bare.exec(there, check=False).returncode == 0, "the silent one is there")
    names = bare.exec("cat /etc/hosts").stdout
    source = "/etc/apt/sources.list.d/silent.list"
    bare.put(source, "deb http://127.0.0.1:81/debian stable main\n")
    try:
        bare.exec("find /var/lib/apt/lists -type f -delete")
        with over(bare, "/etc/hosts", names.replace(" download.docker.com", " elsewhere")):
            bare.mark()
            run = install(lab, at(bare), "--fetch", "controller")
            refused(run, bare, 5, "DNS: the host does not resolve")
        assert bare.exec("pgrep -x apt-get", check=False).returncode == 1
        bare.exec("test -e /run/somebody-waits")
    finally:
        bare.exec(f"systemctl stop silence; rm -f {source}")


# --- odd in many ways at once ---------------------------------------------------------------------

SSHD = "Subsystem sftp /bin/false\nMaxSessions 1\nAllowTcpForwarding no\nAcceptEnv LANG LC_*\n"
GERMAN = "LANG=de_DE.ISO-8859-15\nLC_ALL=de_DE.ISO-8859-15\n"


def test_a_hardened_host_with_a_locale_and_a_broken_source(lab: Lab, prepared: Make) -> None:
    """E19, E20, E23, E24, E25: no sftp, one session, no forwarding; /tmp full and noexec; no Python."""
    host = prepared("fresh", "ubuntu-24.04")
    assert host.exec("command -v python3", check=False).returncode != 0
    host.exec("sed -i '/^Subsystem/d' /etc/ssh/sshd_config")
    host.put("/etc/ssh/sshd_config.d/hard.conf", SSHD)
    host.put("/etc/default/locale", GERMAN)
    host.put("/etc/environment", GERMAN)
    host.put("/etc/apt/sources.list.d/ppa.list", "deb http://archive.lab.test/nowhere noble main\n")
    for place in ("/tmp", "/var/tmp"):
        host.exec(f"mount -t tmpfs -o noexec,size=64k tmpfs {place}")
        host.exec(f"head -c 1m /dev/zero >{place}/full", check=False)
    host.exec("systemctl restart ssh")
    run = install(lab, at(host, "ops"))
    assert run.code == 20, run
    notes = [note.text for note in run.all(events.Note)]
    assert any("own sources could not be updated" in note for note in notes), notes
    assert host.exec("ls /tmp /var/tmp").stdout.split().count("full") == 2
    assert install(lab, at(host, "ops")).code == 0
    host.exec("umount /tmp /var/tmp")
    clean(host)


# --- its packages ---------------------------------------------------------------------------------


def test_e21_a_hold_is_somebody_s_word(lab: Lab, bare: Host) -> None:
    """Also of a package that is not there yet: apt would refuse it in its own words."""
    known = "Package: docker-ce\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    bare.exec("dpkg --merge-avail 2>&1", input=known)
    bare.exec("dpkg --set-selections", input="docker-ce hold\n")
    assert "docker-ce" in bare.exec("apt-mark showhold").stdout
    bare.mark()
    try:
        refused(install(lab, at(bare)), bare, 3, "docker-ce", "apt-mark unhold docker-ce")
    finally:
        bare.exec("dpkg --set-selections; dpkg --clear-avail", input="docker-ce purge\n")


def test_e21_a_pin_is_somebody_s_word(lab: Lab, bare: Host) -> None:
    path = "/etc/apt/preferences.d/docker"
    bare.put(path, "Package: docker-ce*\nPin: version 5:28.*\nPin-Priority: 1001\n")
    bare.mark()
    try:
        refused(install(lab, at(bare)), bare, 3, f"pinned by {path}:1", "--docker-version")
        named = dockwright(lab, "plan", "docker", at(bare), "--docker-version", "29.7.2")
        assert named.code == 0, named
        fits = dockwright(lab, "plan", "docker", at(bare), "--docker-version", "28")
        assert fits.code == 0, fits
    finally:
        bare.exec(["rm", path])


def policy(lab: Lab, prepared: Make, host_factory: HostFactory) -> None:
    """Installed, and not started: 8, or 0 where that was asked for; without the policy it goes on."""
    host = prepared("fresh")
    host.put("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    run = install(lab, at(host, "ops"))
    assert run.code == 8, run
    assert "start denied by policy" in run.told
    assert "policy-rc.d" in run.told
    assert set(PACKAGES) == set(versions(host))
    assert host.exec("systemctl is-active docker", check=False).stdout != "active\n"
    left = install(lab, at(host, "ops"), "--set", "docker_service=none")
    assert left.code in (0, 20), left
    host.exec("rm /usr/sbin/policy-rc.d")
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)


def full(lab: Lab, prepared: Make, host_factory: HostFactory) -> None:
    """The disk is full in the middle of unpacking: 6, and with room the same command heals it."""
    host = prepared("fresh")
    with mounted(host, "/usr/libexec/docker", "size=1m"):
        run = install(lab, at(host, "ops"))
        assert run.code == 6, run
        assert "No space left" in run.told, run.told
        assert run.one(CommitPoint)
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)


QUESTION = "Template: asks/name\nType: string\nDefault: nobody\nDescription: What is your name?\n"
ASKS = "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_input critical asks/name || true\ndb_go\n"
READS = """\
#!/bin/sh
set -e
. /usr/share/debconf/confmodule
db_get asks/name
echo "$RET" >/srv/answer
db_stop
readlink /proc/$PPID/fd/0 >>/srv/answer
"""


def question(lab: Lab, prepared: Make, host_factory: HostFactory) -> None:
    """A package asks by debconf: the default is taken, and nobody waits at standard input."""
    files = {"DEBIAN/templates": QUESTION, "DEBIAN/config": ASKS, "DEBIAN/postinst": READS}
    control = {"Package": "asks", "Version": "1", "Depends": "debconf"}
    package = deb.small(lab.dir / "asks_1_all.deb", control, files)
    top = lab.vendor.copy("asks")
    lab.vendor.add(top, "debian", "trixie", [package])
    lab.vendor.serve(lab.vendor.sign(top))
    host = prepared("fresh")
    wish = "docker_packages=[docker-ce, docker-ce-cli, containerd.io, asks]"
    run = install(lab, at(host, "ops"), "--set", wish)
    assert run.code == 20, run
    assert host.exec("cat /srv/answer").stdout == "nobody\n/dev/null\n"


def reboot(lab: Lab, prepared: Make, host_factory: HostFactory) -> None:
    """A local run that the machine's own reboot ends: the same command goes on."""
    host = host_factory(python=True)
    words = f"install local --yes --set docker_fingerprint={lab.fingerprint}"
    command = f"env PYTHONPATH=/opt/dockwright/src/installer:/opt/dockwright/deps python3 -m dockwright {words}"
    host.exec(f"systemd-run -q --collect --unit=local sh -c {command!r}")
    done = f"test -e {STATE}/unverified && test -e /usr/bin/dockerd"
    until(lambda: host.exec(done, check=False).returncode == 0, "packages are there")
    host.kill()
    host.boot()
    again = host.dockwright(*words.split(), "--detailed-exitcode")
    assert again.returncode == 20, again
    clean(host)


SLOW = """\
#!/bin/sh
[ "$2" = 1 ] || exit 0
: >/run/upgrades
while [ ! -e /run/go-on ]; do sleep 0.1; done
"""


def put(host: Host, path: str, data: bytes) -> None:
    host.exec(f"base64 -d >{path}", input=base64.b64encode(data).decode())


def started(host: Host) -> dict[str, str]:
    """When each service that runs was started, but Docker's own and logins."""
    rows = host.exec(
        "systemctl list-units --type=service --state=running --plain --no-legend | cut -d' ' -f1"
        " | xargs systemctl show -p Id,ExecMainStartTimestampMonotonic"
    ).stdout.split("\n\n")
    pairs = (dict(line.split("=", 1) for line in row.strip().splitlines()) for row in rows)
    return {
        one["Id"]: one["ExecMainStartTimestampMonotonic"]
        for one in pairs
        if one.get("Id") and not one["Id"].startswith(("docker", "containerd", "user", "ssh@"))
    }


def fat(lab: Lab, prepared: Make, host_factory: HostFactory) -> None:
    """needrestart, unattended-upgrades (at work, C01), man-db, ufw (D16), cloud-init: none is in the way.

    Nothing asks or hangs, the upgrade's lock is waited for, and no service is restarted that the plan
    does not name.
    """
    host = host_factory(fat=True)
    for program in ("needrestart", "unattended-upgrade", "ufw", "cloud-init", "mandb"):
        assert host.exec(f"command -v {program}").stdout, program
    assert "done" in host.exec("cloud-init status --wait", check=False).stdout
    host.exec("sed -i 's/^ENABLED=.*/ENABLED=yes/' /etc/ufw/ufw.conf")
    host.exec("mkdir -p /srv/repo && cd /srv/repo && mkdir -p /etc/apt/sources.list.d")
    for version, files in (("1", {}), ("2", {"DEBIAN/postinst": SLOW})):
        control = {"Package": "slow", "Version": version}
        package = deb.small(lab.dir / f"slow_{version}.deb", control, files)
        put(host, f"/srv/repo/slow_{version}.deb", package.read_bytes())
    host.exec("dpkg -i /srv/repo/slow_1.deb")
    index = "$(dpkg-deb -f slow_2.deb)\nFilename: ./slow_2.deb\nSize: $(stat -c %s slow_2.deb)\n"
    index += "SHA256: $(sha256sum slow_2.deb | cut -d' ' -f1)\n"
    host.exec(f'cd /srv/repo && printf "%s\\n" "{index}" >Packages')
    host.put("/etc/apt/sources.list.d/slow.list", "deb [trusted=yes] file:/srv/repo ./\n")
    host.put(
        "/etc/apt/apt.conf.d/51all", 'Unattended-Upgrade::Origins-Pattern { "origin=*"; "o="; };\n'
    )
    host.exec("apt-get -qq update")
    before = started(host)
    host.exec("systemd-run -q --collect --unit=upgrades unattended-upgrade -v")
    busy = "test -e /run/upgrades"
    until(lambda: host.exec(busy, check=False).returncode == 0, "the upgrade is at work")
    with under_way(lab, "install", at(host, "ops"), "--yes", "--detailed-exitcode") as process:
        said = read_until(process, '"event":"waiting"')
        host.exec("touch /run/go-on")
        run = ended(process)
    assert run.code == 20, run
    waiting = events.parse(said.splitlines()[-1])
    assert isinstance(waiting, events.Waiting)
    assert "unattended-upgrade" in waiting.holder
    parsed = [events.parse(line) for line in said.splitlines()] + run.events
    notes = [n for one in parsed if isinstance(one, events.Planned) for n in one.plan.notes]
    assert any("ufw is on" in note for note in notes), notes
    after = started(host)
    assert {name for name in before if after.get(name, before[name]) != before[name]} == set()
    clean(host)
    assert install(lab, at(host, "ops")).code == 0


Odd = Callable[[Lab, Make, HostFactory], None]


@pytest.mark.sampled("odd", 1)
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(policy, id="E22"),
        pytest.param(full, id="E09"),
        pytest.param(question, id="E27"),
        pytest.param(reboot, id="E31"),
        pytest.param(fat, id="E26"),
    ],
)
def test_an_install_that_meets(
    lab: Lab, prepared: Make, host_factory: HostFactory, odd: Odd
) -> None:
    odd(lab, prepared, host_factory)
