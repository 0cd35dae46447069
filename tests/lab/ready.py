"""A Dockwright that is loaded already: each command of the tests is a fork of it.

More than half of what a short command costs is importing, and the tests run thousands of them. One
process in the lab imports all of Dockwright, waits at a socket, and becomes each command that it is
asked for, with the files, the environment and the folder that it is given: from there on the command
is as any other, up to its exit. Who looks at a process from outside (its arguments, its environment)
starts a real one: :attr:`tests.lab.lab.Lab.forks`.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any


class Ready:
    """The tests' side: starts the process, and runs commands by it."""

    def __init__(self, enter: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        """``enter`` is the command line that leads into the lab, ``folder`` the lab's."""
        self._path = folder / "ready"
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [*enter, sys.executable, "-m", "tests.lab.ready", str(self._path)],
            cwd=root,
            env={**env, "PYTHONPATH": f"{root / 'installer'}:{root}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(
        self, args: Sequence[str], env: Mapping[str, str], cwd: Path, text: str | None, limit: float
    ) -> tuple[int, str, str]:
        """The command's exit status (as subprocess has it), stdout and stderr.

        Raises subprocess.TimeoutExpired after ``limit`` seconds; the command is killed then.
        """
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, (
            tempfile.TemporaryFile()
        ) as err, self._connected() as channel:  # fmt: skip
            given.write((text or "").encode())
            given.seek(0)
            asked = json.dumps({"args": list(args), "env": dict(env), "cwd": str(cwd)})
            channel.settimeout(limit)
            files = [file.fileno() for file in (given, out, err)]
            socket.send_fds(channel, [f"{len(asked.encode()):8}".encode()], files)
            channel.sendall(asked.encode())
            try:
                status = channel.recv(16)  # closing the channel ends the command
            except TimeoutError:
                raise subprocess.TimeoutExpired([*args], limit, _read(out), _read(err)) from None
            if not status:
                raise RuntimeError(f"the loaded Dockwright ended: {_read(err)!r}")
            return int(status), _read(out), _read(err)

    def _connected(self) -> socket.socket:
        """A connection, as soon as the process listens."""
        while True:
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                channel.connect(str(self._path))
            except OSError:
                channel.close()
                if self._process.poll() is not None:
                    raise RuntimeError("the loaded Dockwright did not start") from None
                time.sleep(0.01)
            else:
                return channel

    def wait(self) -> None:
        """Wait for its end: it ends with the lab that it is in."""
        self._process.wait()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")


# --- the process itself ---------------------------------------------------------------------------


def main() -> None:
    """Load all of Dockwright and serve; in a fork, become the command."""
    import dockwright

    for module in pkgutil.walk_packages(dockwright.__path__, "dockwright."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    if len([*Path("/proc/self/task").iterdir()]) > 1:
        raise SystemExit("a library started a thread: forking is not safe")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(sys.argv[1])
        listener.listen(32)
        asked = _asked(listener)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv[1:] = asked["args"]
    runpy.run_module("dockwright", run_name="__main__", alter_sys=True)


def _asked(listener: socket.socket) -> dict[str, Any]:
    """Wait for commands for ever; returns in the process that has to be one."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        channel, _ = listener.accept()
        if os.fork():
            channel.close()
            continue
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        head, files, _, _ = socket.recv_fds(channel, 8, 3)
        left, asked = int(head), b""
        while len(asked) < left:
            asked += channel.recv(left - len(asked))
        child = os.fork()
        if child:
            _watch(channel, child)
        channel.close()
        os.setsid()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        found: dict[str, Any] = json.loads(asked)
        return found


def _watch(channel: socket.socket, child: int) -> None:
    """Tell how the command ended; where nobody listens any more, end it."""
    ended = os.pidfd_open(child)
    if ended not in select.select([ended, channel.fileno()], [], [])[0]:
        os.kill(child, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        channel.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
