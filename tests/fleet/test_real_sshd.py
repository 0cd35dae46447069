"""Many addresses on few real sshds: what OpenSSH's own server makes of a fleet's connections."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from dockwright.errors import Exit
from dockwright.events import HostReached
from dockwright.report.jsonl import read_log
from tests.fleet import farm
from tests.fleet.test_thousand import Farm, codes, run, served
from tests.unit.transport.sshd import sshd

pytestmark = pytest.mark.slow

__all__ = ["served"]

EACH = 150  # addresses of a server
# As a made-up host answers (farm.py), by what every shell has.
ANSWER = """\
#!/bin/sh
nonce=$(printf '%s' "$SSH_ORIGINAL_COMMAND" | sed -n 's/.*n=\\([0-9a-f]*\\);.*/\\1/p')
printf '\\nREADY %s root\\n' "$nonce"
read -r _ length
asked=$(head -c "$length" | sed -n 's/^set -- \\([0-9a-f]*\\)$/\\1/p')
identity=$(printf '%s' "$SSH_CONNECTION" | cut -d ' ' -f 3 | sha256sum | cut -c 1-32)
exec sed "s/NONCE/$asked/; s/^machine_id .*/machine_id $identity/" "${0%/*}/facts"
"""


def test_three_hundred_addresses_on_two_real_servers(served: Farm, tmp_path: Path) -> None:
    """Each is reached, each is another machine; among them are some that refuse or are silent."""
    answer = served.folder / "answer"
    answer.write_text(ANSWER)
    answer.chmod(0o755)
    known, hosts = [(served.folder / "known_hosts").read_text()], dict[str, str]()
    with ExitStack() as stack:
        for number in range(2):
            folder = tmp_path / f"sshd{number}"
            folder.mkdir()
            # Who may log in at once is of another test.
            more = (f"ForceCommand {answer}", "MaxStartups 1000")
            server = stack.enter_context(sshd(folder, *more, listen="0.0.0.0"))
            kind, key = (folder / "host_key.pub").read_text().split()[:2]
            known.append(f"[127.{30 + number}.*]:{server.port} {kind} {key}\n")
            hosts |= {
                f"real{number}-{n}": f"{{address: 127.{30 + number}.0.{n + 1}, port: {server.port},"
                f" user: root, identity: {folder / 'user_key'}}}"
                for n in range(EACH)
            }
        (served.folder / "known_hosts").write_text("".join(known))
        liars = {**served.hosts(farm.REFUSED, 5), **served.hosts(farm.SILENT, 5)}
        cost = run(served, {**hosts, **liars}, "--connect-timeout", "30", "--forks", "16")
    found = codes(cost)
    assert {name for name, code in found.items() if code is Exit.OK} == set(hosts)
    assert {found[name] for name in liars} == {Exit.UNREACHABLE}
    assert cost.code == Exit.UNREACHABLE
    facts = [event.facts for event in read_log(cost.log) if isinstance(event, HostReached)]
    assert len({one.machine_id for one in facts}) == len(hosts)
    print(f"{len(hosts)} addresses of two sshds: {cost.cpu / len(hosts) * 1000:.1f} ms each")
