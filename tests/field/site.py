"""A machine in the field: reached as Dockwright reaches hosts, with the same options."""

from __future__ import annotations

import dataclasses
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from enum import Enum
from typing import Any

from typing_extensions import get_type_hints

from dockwright.cli.options import HostKeys, Reach
from dockwright.cli.terminal import password_source
from dockwright.errors import DockwrightError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Silent, open_transport
from tests.field.machine import THIS_BOOT, Broken, Machine, Process, Skipped, started

BOOT = 900.0  # seconds; large servers look at their memory first
SHELL = 300.0  # seconds for a command

# What is on a host that field-check did not bring; a line each. $1 is the image that says hello.
THERE = """\
mark=/var/lib/dockwright/field-check
if docker version >/dev/null 2>&1; then
  docker ps -a --format 'container {{.Names}}'
  docker volume ls --format 'volume {{.Name}}'
  own=$(docker image inspect -f '{{.Id}}' "$1" 2>/dev/null)
  docker image ls --no-trunc --format '{{.ID}} {{.Repository}}' | while read -r id name; do
    [ "$id" = "$own" ] || echo "image $name"
  done
else
  for path in /var/lib/docker/containers/*/ /var/lib/docker/volumes/*/; do
    [ ! -d "$path" ] || echo "data in $path"
  done
fi
[ ! -e "$mark" ] || exit 0
for name in docker-ce docker.io docker-engine moby-engine containerd.io containerd podman-docker; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ] || echo "package $name"
done
[ ! -e /snap/docker/current ] || echo "snap docker"
for path in /var/lib/docker /var/lib/containerd; do
  [ -z "$(ls -A "$path" 2>/dev/null)" ] || echo "data in $path"
done
:
"""
MARK = """\
mkdir -p -m 0711 /var/lib/dockwright
echo 'script/field-check found this host without Docker; what is of Docker here came by it' \\
  >/var/lib/dockwright/field-check
"""
UNMARK = "rm -f /var/lib/dockwright/field-check"


def words_of(group: Any) -> list[str]:
    """The words of a group of options as they were typed; what is at its default is left out."""
    hints = get_type_hints(type(group), include_extras=True)
    words: list[str] = []
    for field in dataclasses.fields(group):
        value = getattr(group, field.name)
        if value in (field.default, []):
            continue
        option = hints[field.name].__metadata__[0]
        name = (option.default, *option.param_decls)[-1]  # typer takes the first name for a default
        for one in value if isinstance(value, list) else [value]:
            text = one.value if isinstance(one, Enum) else str(one)
            words += [name] if one is True else [name, text]
    return words


class Site(Machine):
    """A host and how it is reached."""

    patience = 12.0  # an hour for a command: mirrors may be slow

    def __init__(
        self, host: Host, reach: Reach, sets: Sequence[str] = (), more: Sequence[str] = ()
    ) -> None:
        """``more`` are words for commands that plan: ``--vars``, ``--proxy-file`` and the like."""
        super().__init__([host.name, *words_of(reach), "--no-input"], sets)
        self.host = host
        self.more = list(more)
        self.options = ConnectOptions(
            user=reach.user,
            identity=tuple(reach.identity or ()),
            jump=reach.jump,
            known_hosts=reach.known_hosts,
            host_keys=(reach.host_keys or HostKeys.STRICT).value,
            connect_timeout=reach.connect_timeout,
            transport=reach.transport.value,
            sudo_password_source=password_source(reach.sudo_password_file, ask_now=False),
        )

    def _variables(self, verb: str) -> list[str]:
        more = self.more if verb in ("plan", "install") else []
        return [*super()._variables(verb), *more]

    def _start(self, argv: list[str]) -> Process:
        return started(argv)

    def _stop(self, process: Process) -> None:
        """As by Ctrl-C: the host's program ends after its step."""
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()

    def shell(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root, by a connection of its own. Raises Broken where it is not reached."""
        transport = open_transport(self.host, self.options, Silent())
        out, end = bytearray(), time.monotonic() + SHELL
        try:
            channel = transport.root_shell(command)
            while data := channel.read(max(0.1, end - time.monotonic())):
                out += data
            code, errors = channel.status(), channel.errors()
        except (DockwrightError, TimeoutError) as error:
            if check:
                raise Broken(f"no root shell: {error}") from None
            code, errors = 255, str(error)
        finally:
            transport.close()
        if check and code:
            raise Broken(f"{command.splitlines()[0]}: exit {code}: {errors.strip()[-500:]}")
        return subprocess.CompletedProcess(command, code, out.decode(errors="replace"), errors)

    def reboot(self, *, force: bool = False) -> None:
        """See :class:`Machine`."""
        if self.host.local:
            raise Skipped("this machine itself: the check would end with it")
        super().reboot(force=force)

    def _await_boot(self, before: str) -> None:
        end = time.monotonic() + BOOT
        while True:
            done = self.shell(f"{THIS_BOOT}; test ! -e /run/nologin", check=False)
            if done.returncode == 0 and done.stdout.strip() not in ("", before):
                return
            if time.monotonic() > end:
                raise Broken(f"it did not come back within {BOOT:.0f} s: {done.stderr[-300:]}")
            time.sleep(2)

    # --- whose Docker it is -----------------------------------------------------------------------

    def there(self) -> list[str]:
        """What of Docker is there that field-check did not bring."""
        script = f"set -- {shlex.quote(self.hello_image)}\n{THERE}"
        return self.shell(script).stdout.splitlines()

    def mark(self, *, ours: bool) -> None:
        """Note on the host that what is of Docker there is ours, or that nothing is any more."""
        self.shell(MARK if ours else UNMARK)
