"""Units that an administrator switched off: respected where they can be, refused in time where not."""

from __future__ import annotations

import pytest

from tests.hosts.support import Make, at, engine, install, unseen, untouched
from tests.hosts.test_onefile import ends, hand, rendered, run
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]


def enabled(host: Host, unit: str) -> str:
    return host.exec(["systemctl", "is-enabled", unit], check=False).stdout.strip()


def test_a_socket_that_was_disabled_stays_so(lab: Lab, prepared: Make) -> None:
    host = prepared("29.7.1")
    host.exec("systemctl disable -q docker.socket")
    host.mark()
    done = install(lab, at(host, "ops"))
    assert done.code == 0, done
    assert "docker.socket is disabled and stays so" in "\n".join(done.plan.notes)
    unseen(host)
    hand(host, rendered(lab))
    ends(run(host, "plan"), 0, "docker.socket is disabled and stays so")
    ends(run(host, "apply"), 0, "nothing to do")
    unseen(host)

    done = install(lab, at(host, "ops"), "--upgrade")
    assert done.code == 20, done
    assert engine(host) == "29.7.2"
    assert enabled(host, "docker.socket") == "disabled"
    assert enabled(host, "docker.service") == "enabled"
    host.exec("systemctl disable -q docker.service")
    ends(run(host, "apply"), 0)
    assert (enabled(host, "docker.service"), enabled(host, "docker.socket")) == (
        "enabled",
        "disabled",
    )
    assert host.exec("docker run --rm hello-world").returncode == 0


@pytest.mark.parametrize("unit", ["docker.service", "docker.socket"])
def test_a_unit_that_is_masked_is_told_in_time(lab: Lab, prepared: Make, unit: str) -> None:
    """Before packages come: apt would install a daemon that nothing may start."""
    host = prepared("fresh")
    host.exec(["systemctl", "mask", "-q", unit])
    hand(host, rendered(lab))
    done = install(lab, at(host, "ops"))
    assert done.code == 3, done
    assert f"systemctl unmask {unit}" in done.told
    unseen(host)
    for word in ("plan", "apply"):
        ends(run(host, word), 3, unit, "masked", f"systemctl unmask {unit}")
        untouched(host)
