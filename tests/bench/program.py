"""Twenty steps that find nothing to do: Dockwright's program beside the same checks over ssh.

    python -m tests.bench.program HOST LIBRARY TURNS MILLISECONDS...

Run as a controller inside the lab, with Dockwright installed in the folder LIBRARY. Each sample is
one line of JSON. From an open connection the program is timed from its sending to its last record,
and the script over an OpenSSH connection that is open, too (ControlMaster); whole processes from
their start to their end, connection and login included.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

STEPS = 20
TIMES = ("0", "20", "100")  # milliseconds to the host and back
USER = "ops"
OPEN, WHOLE = "program, connection open", "program, whole process"
OURS, THEIRS = "dockwright", "ssh bash"

# What each step checks, three processes of it; the script does the very same.
CHECK = "id -nG root 2>/dev/null | tr ' ' '\\n' | grep -qx -e root || exit 1; echo {0} is so\n"
SCRIPT = "".join(CHECK.format(number) for number in range(1, STEPS + 1))


@contextmanager
def far_away(host: str, times: list[str]) -> Iterator[dict[str, int]]:
    """Ports of this machine from which the host's sshd is that many milliseconds away and back."""
    argv = [sys.executable, "-m", "tests.bench.delay", host, "22", *times]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        ports = [int(word) for word in proxy.stdout.readline().split()]
        yield dict(zip(times, ports, strict=True))
        assert proxy.stdin is not None
        proxy.stdin.close()


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


class Theirs:
    """The script over ssh."""

    def __init__(self, folder: Path, port: int) -> None:
        self._ssh = [
            "ssh", "-p", str(port), "-S", str(folder / f"s{port}"), "-o", "BatchMode=yes",
            "-o", "StrictHostKeyChecking=accept-new", "-o", f"UserKnownHostsFile={folder}/hosts",
            f"{USER}@127.0.0.1",
        ]  # fmt: skip
        self._script = folder / "script"
        self._script.write_text(SCRIPT)

    def run(self) -> None:
        """Through the open connection where there is one."""
        with self._script.open() as script:
            done = subprocess.run(
                [*self._ssh, "sudo", "bash", "-s"],
                stdin=script, capture_output=True, text=True, check=True,
            )  # fmt: skip
        assert len(done.stdout.splitlines()) == STEPS

    @contextmanager
    def connected(self) -> Iterator[None]:
        """With a connection that stays open."""
        start = [self._ssh[0], "-M", "-N", "-f", *self._ssh[1:]]
        subprocess.run(start, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield
        subprocess.run([*self._ssh, "-O", "exit"], check=True, capture_output=True)


class Ours:
    """The program, by Dockwright's own transport, renderer and runner; and by its command."""

    def __init__(self, library: Path, folder: Path, port: int) -> None:
        sys.path.insert(0, str(library))
        from dockwright.models import Host
        from dockwright.plan import Action, Assumptions, HostPlan, Verb
        from dockwright.transport import ConnectOptions, Silent, open_transport

        known = folder / "hosts"
        target = f"{USER}@127.0.0.1:{port}"
        host = Host(name=target, address="127.0.0.1", port=port, user=USER)
        options = ConnectOptions(host_keys="accept-new", known_hosts=known)
        self.transport = open_transport(host, options, Silent())
        nothing = Assumptions(os_id="ubuntu", codename="noble", architecture="amd64")
        actions = tuple(
            Action(
                id=f"s{number:02}", component="bench", step=f"step {number}", kind="group_member",
                verb=Verb.CHANGE, target="root", reason="to be looked at",
                params={"users": ["root"], "group": "root"},
            )
            for number in range(1, STEPS + 1)
        )  # fmt: skip
        self.plan = HostPlan(
            host=target, playbook="bench", summary="twenty steps", assumes=nothing, actions=actions
        )
        self._saved = folder / f"plan-{port}.json"
        self._save()
        self._argv = [
            sys.executable, str(library / "bin/dockwright"), "apply", str(self._saved), target,
            "--yes", "--known-hosts", str(known), "--host-keys", "accept-new",
        ]  # fmt: skip

    def _save(self) -> None:
        from dockwright import __version__
        from dockwright.load.saved import dump_plans

        self._saved.write_text(dump_plans([self.plan], __version__))

    def run(self) -> None:
        """Rendered, sent over the open connection, and followed to its last record."""
        from dockwright import renderer, runner

        run_id = secrets.token_hex(8)
        program = renderer.render_program(self.plan, operator="bench", attached=run_id)
        steps = runner.run_attached(
            self.transport, program.text, self.plan, renderer.titles(self.plan), run_id=run_id
        )
        ended = [event.event for event in steps]
        assert ended.count("step_finished") == STEPS, ended

    def command(self) -> None:
        """The saved plan, applied by the command: detached, kept on the host, followed."""
        done = subprocess.run(self._argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def main() -> None:
    """Measure, in turns."""
    host, library, turns, *times = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="bench-") as place, far_away(host, times) as ports:
        folder = Path(place)
        for rtt, port in ports.items():
            ours, theirs = Ours(Path(library), folder, port), Theirs(folder, port)
            kinds: list[tuple[str, dict[str, Callable[[], object]]]] = [
                (OPEN, {OURS: ours.run, THEIRS: theirs.run}),
                (WHOLE, {OURS: ours.command, THEIRS: theirs.run}),
            ]
            for what, work in kinds:
                with theirs.connected() if what == OPEN else tempfile.TemporaryFile():
                    for turn in range(int(turns) + 1):  # the first is a warm-up, as turn 0
                        for who, task in work.items():
                            row = {"what": f"{what}, {rtt} ms", "who": who, "turn": turn}
                            print(json.dumps({**row, "wall": timed(task)}), flush=True)  # noqa: T201
            ours.transport.close()


if __name__ == "__main__":
    main()
