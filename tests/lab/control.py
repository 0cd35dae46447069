"""The controller's side: its commands and their view of the lab; the hosts' first files."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import termios
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fcntl import LOCK_EX, flock, ioctl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab import private
from tests.lab.init import GATEWAY
from tests.lab.keys import NAMES
from tests.lab.machine import children, sh

if TYPE_CHECKING:
    from tests.lab.host import Host
    from tests.lab.lab import Lab

# Variables of the person who runs the tests that would change what a controller trusts or who it
# is.
NOT_PASSED = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    # Each command would compile all it imports anew.
    "PYTHONDONTWRITEBYTECODE",
]

# Set, the commands count for the coverage too, which makes each take half as long again; what is asked
# for, tests without a lab cover alone.
MEASURED = "DOCKWRIGHT_LAB_COVERAGE"

# The folder has to be opened inside: one that was opened outside belongs to another mount
# namespace.
CHANGE_DIR = 'cd "$0" && exec "$@"'

Answers = Sequence[tuple[str, str]]


def environment(lab: Lab, home: Path | None, env: Mapping[str, str] | None) -> dict[str, str]:
    """The environment of a controller: this process's, without what belongs to its user."""
    own = {k: v for k, v in os.environ.items() if k not in NOT_PASSED and "DOCKWRIGHT" not in k}
    if MEASURED not in os.environ:
        own.pop("COVERAGE_PROCESS_CONFIG", None)
    return {**own, "HOME": str(home or lab.dir / "home"), "LC_ALL": "C.UTF-8", **(env or {})}


class Process(subprocess.Popen[str]):
    """A controller's command under way; signals reach it, not the ``nsenter`` before it."""

    def __init__(
        self,
        lab: Lab,
        argv: Sequence[str | Path],
        *,
        user_home: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        job: bool = True,
        **options: Any,
    ) -> None:
        """Start it; ``job=False`` leaves it in this process's session, for a terminal."""
        options.setdefault("stdin", subprocess.PIPE)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        super().__init__(
            [*lab.enter(), "sh", "-c", CHANGE_DIR, str(cwd or Path.cwd()), *map(str, argv)],
            env=environment(lab, user_home, env),
            text=True,
            errors="replace",
            start_new_session=job,
            **options,
        )

    @property
    def inner(self) -> int | None:
        """The pid of the command itself, as seen here; None before its start and after its end."""
        return next(iter(children(self.pid)), None)

    def send_signal(self, sig: int) -> None:
        """Send a signal to the command, waiting a moment for it to start."""
        for _ in range(100):
            # First: a number that was reaped may be a stranger's by now.
            if self.poll() is not None:
                return
            inner = self.inner
            if inner is not None:
                os.kill(inner, sig)
                return
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill the command with all of its session."""
        if self.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def run(
    lab: Lab,
    argv: Sequence[str | Path],
    *,
    input: str | Answers | None = None,  # noqa: A002 - the name that subprocess has
    timeout: float | None = 300.0,
    check: bool = False,
    tty: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a command as a controller.

    With ``tty`` it has a terminal and stderr is in stdout; ``input`` may then be a list of pairs,
    each a text to wait for and what to type once it has appeared: programs that ask for a password
    throw away what was typed before they asked.
    """
    if tty:
        answers = [("", input)] if isinstance(input, str) else list(input or ())
        code, out = _run_on_terminal(lab, argv, answers, timeout, options)
        return _done(argv, code, out, "", check=check)
    if input is not None and not isinstance(input, str):
        raise TypeError("answers to prompts need tty=True")
    options["stdin"] = subprocess.DEVNULL if input is None else subprocess.PIPE
    with Process(lab, argv, **options) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return _done(argv, process.returncode, out, err, check=check)


def _done(
    argv: Sequence[str | Path], code: int, out: str, err: str, *, check: bool
) -> subprocess.CompletedProcess[str]:
    done = subprocess.CompletedProcess(list(map(str, argv)), code, out, err)
    if check and code:
        raise AssertionError(f"{' '.join(done.args)[:300]}: exit {code}\n{out}{err}")
    return done


def _run_on_terminal(
    lab: Lab,
    argv: Sequence[str | Path],
    answers: list[tuple[str, str]],
    timeout: float | None,
    options: dict[str, Any],
) -> tuple[int, str]:
    """Run with a controlling terminal and type each answer when its text has appeared."""
    ours, theirs = pty.openpty()
    for stream in ("stdin", "stdout", "stderr"):
        options[stream] = theirs
    options["preexec_fn"] = lambda: ioctl(0, termios.TIOCSCTTY, 0)
    out, read = bytearray(), 0
    end = time.monotonic() + (timeout if timeout is not None else 1e9)
    try:
        with Process(lab, argv, **options) as process:
            os.close(theirs)
            while True:
                while answers and (at := out.find(answers[0][0].encode(), read)) >= 0:
                    prompt, typed = answers.pop(0)
                    read = at + len(prompt.encode())
                    os.write(ours, typed.encode())
                if time.monotonic() > end:
                    process.kill()
                    raise subprocess.TimeoutExpired(process.args, timeout or 0, bytes(out))
                if not select.select([ours], [], [], 0.1)[0]:
                    continue
                try:
                    out += os.read(ours, 65536)
                except OSError:  # EIO: nobody has the terminal open any more
                    break
    finally:
        os.close(ours)
    return process.returncode, out.decode(errors="replace")


def _edit(lab: Lab, file: Path, name: str, line: str | None) -> None:
    """Replace a host's line in a file that others read at any moment; None removes it."""
    with (lab.dir / "control.lock").open("a") as lock:
        flock(lock, LOCK_EX)
        kept = [old for old in file.read_text().splitlines() if name not in old.split()[:2]]
        kept = [old for old in kept if not old.startswith(f"{name},")]
        text = "".join(f"{one}\n" for one in [*kept, *([line] if line else [])]).encode()
        if file.name == "etc-hosts":  # a bind mount keeps the inode: never empty, then cut
            with file.open("r+b", buffering=0) as handle:
                handle.write(text)
                handle.truncate()
        else:
            new = file.with_name(f"{file.name}.new")
            new.write_bytes(text)
            new.chmod(0o600)
            new.replace(file)


def forget(lab: Lab, name: str) -> None:
    """Take a host out of the names and known keys."""
    _edit(lab, lab.dir / "etc-hosts", name, None)
    _edit(lab, lab.dir / "home/.ssh/known_hosts", name, None)


def prepare(lab: Lab, host: Host, *, fresh: bool, known: bool) -> None:
    """Write the files that make a host this host, and tell the controller of it."""
    etc = host.upper / "etc"
    (etc / "ssh").mkdir(parents=True)
    (etc / "hostname").write_text(f"{host.name}\n")
    names = "".join(f"{GATEWAY} {name}\n" for name in (*NAMES, *private.NAMES))
    (etc / "hosts").write_text(
        f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost\n{names}"
    )
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (etc / "lab-address").write_text(f"ADDRESS={host.address}\nGATEWAY={GATEWAY}\n")
    key = etc / "ssh/ssh_host_ed25519_key"
    sh(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", key])
    (etc / "ssh/lab_authorized_keys").write_text((lab.dir / "home/.ssh/id_ed25519.pub").read_text())
    if fresh:
        _shadow(lab, host)
    _edit(lab, lab.dir / "etc-hosts", host.name, f"{host.address} {host.name}")
    kind, blob, _ = key.with_suffix(".pub").read_text().split()
    line = f"{host.name},{host.address} {kind} {blob}" if known else None
    _edit(lab, lab.dir / "home/.ssh/known_hosts", host.name, line)


def _shadow(lab: Lab, host: Host) -> None:
    """Give ``pat`` the lab's password."""
    original = next(path for layer in host.lower if (path := layer / "etc/shadow").exists())
    hashed = sh(["openssl", "passwd", "-6", "-stdin"], input=lab.password).strip()
    lines = []
    for line in original.read_text().splitlines():
        fields = line.split(":")
        if fields[0] == "pat":
            fields[1] = hashed
        lines.append(":".join(fields))
    target = host.upper / "etc/shadow"
    target.write_text("\n".join(lines) + "\n")
    info = original.stat()
    os.chown(target, info.st_uid, info.st_gid)
    target.chmod(info.st_mode & 0o777)
