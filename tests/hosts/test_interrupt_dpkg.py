"""dpkg was cut: the same command repairs by what dpkg says, or ends with 7 and the commands."""

from __future__ import annotations

import pytest

from dockwright.events import CommitPoint
from tests.hosts.support import (
    Make,
    at,
    clean,
    ended,
    install,
    leftovers,
    no_program,
    read_until,
    runs,
    under_way,
    unseen,
    until,
    versions,
)
from tests.hosts.test_interrupt_network import slow
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

__all__ = ["slow"]

OTHER = """\
dir=$(mktemp -d) && mkdir -p "$dir/DEBIAN" "$dir/opt/other" && echo "$1" >"$dir/opt/other/file"
printf 'Package: other\\nVersion: %s\\nArchitecture: all\\nMaintainer: o\\nDescription: o\\n' "$1" \\
  >"$dir/DEBIAN/control"
printf '#!/bin/sh\\n%s\\n' "$3" >"$dir/DEBIAN/$2" && chmod 755 "$dir/DEBIAN/$2"
dpkg-deb -b "$dir" "/srv/other_$1.deb" >/dev/null && rm -r "$dir"
"""


def other(host: Host, version: str, script: str, body: str) -> None:
    """A package of a third party with a maintainer script, in /srv."""
    host.exec(["sh", "-c", OTHER, "sh", version, script, body])


def flags(host: Host) -> str:
    form = "${db:Status-Abbrev}"
    return host.exec(["dpkg-query", "-W", "-f", form, "other"], check=False).stdout.strip()


def test_killed_in_a_postinst(lab: Lab, prepared: Make) -> None:
    """I09: Half configured, by nobody's fault of ours: configured first, then the plan."""
    host = prepared("fresh")
    other(host, "1", "postinst", "[ -e /srv/mended ] || kill -9 $PPID")
    host.exec("dpkg -i /srv/other_1.deb", check=False)
    assert flags(host) == "iF"
    host.exec("touch /srv/mended")
    run = install(lab, at(host, "ops"))
    assert run.code == 20, run
    assert flags(host) == "ii"
    clean(host)


def test_killed_in_a_preinst_and_nowhere_to_get_it(lab: Lab, prepared: Make) -> None:
    """I09: Flag R heals by a reinstallation only: where no archive has it, 7 with its name."""
    host = prepared("fresh")
    other(host, "1", "preinst", "kill -9 $PPID")
    host.exec("dpkg -i /srv/other_1.deb", check=False)
    assert flags(host).endswith("R"), flags(host)
    host.mark()
    run = install(lab, at(host, "ops"))
    assert run.code == 7, run
    assert "other" in run.told
    assert "dpkg" in run.told
    assert versions(host) == {}
    host.exec("dpkg --force-remove-reinstreq --purge other")
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)


def test_a_truncated_database(lab: Lab, prepared: Make) -> None:
    """I14."""
    host = prepared("fresh")
    host.exec("cp /var/lib/dpkg/status /srv/status; truncate -s 20010 /var/lib/dpkg/status")
    host.mark()
    run = install(lab, at(host, "ops"))
    assert run.code == 7, run
    assert "status-old" in run.told
    assert not run.failed.changed_host
    assert run.all(CommitPoint) == []
    unseen(host)
    host.exec("cp /srv/status /var/lib/dpkg/status")
    assert install(lab, at(host, "ops")).code == 20
    clean(host)


def test_reboot_in_the_middle(lab: Lab, slow: Host) -> None:
    """I08, C07: The run's line is of an earlier boot and counts for nothing; the same command goes on."""
    command = ["install", at(slow, "ops"), "--yes", "--connect-timeout", "2"]
    with under_way(lab, *command) as process:
        read_until(process, '"event":"commit_point"')
        until(lambda: slow.exec("pgrep when-told", check=False).returncode == 0, "dpkg is due")
        slow.exec("systemctl --no-block --force --force reboot", check=False)
        slow.await_reboot()
        run = ended(process)
    assert run.code == 6, run
    assert "the host rebooted" in run.told
    assert run.failed.changed_host
    assert no_program(slow)
    again = install(lab, at(slow, "ops"))
    assert again.code == 20, again
    assert len(runs(slow)) >= 2
    assert leftovers(slow) == []
    clean(slow)
    assert install(lab, at(slow, "ops")).code == 0


@pytest.mark.parametrize("moment", ["Unpacking docker-ce ", "Configuring docker-ce "])
def test_power_cut_in_dpkg(lab: Lab, prepared: Make, moment: str) -> None:
    """I09."""
    host = prepared("fresh")
    with under_way(lab, "install", at(host, "ops"), "--yes") as process:
        read_until(process, moment)
        host.kill()
        host.boot()
        run = ended(process)
    assert run.code in (5, 6), run
    assert host.exec("dpkg --audit").stdout != ""
    again = install(lab, at(host, "ops"))
    assert again.code == 20, again
    clean(host)
