"""A host behind the system's own ssh: what its configuration and its libraries can do, this can.

Host certificates and SSH CAs, Kerberos, security keys, Match exec, ProxyCommand: all that Paramiko
does not know. Each shell is a process of ssh; they share one connection (ControlMaster), which ends
with the transport, or by itself a minute after the last of them.

Nothing is asked on the way: passwords and passphrases are an agent's affair (BatchMode). The sudo
password goes over standard input like everywhere.

Facts: ssh(1), ssh_config(5). A status of 255 is ssh's own: the connection or the login failed.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from dockwright.channel import Channel
from dockwright.errors import InputError, UnreachableError
from dockwright.models import Host
from dockwright.transport.local import LocalWire
from dockwright.transport.options import Asker, ConnectOptions
from dockwright.transport.password import SudoPassword
from dockwright.transport.refusal import printable
from dockwright.transport.root import Handshake, become_root
from dockwright.transport.target import parse_target, require_safe

LOST = 255
AT_A_TIME = 8  # logins under way through one jump host: sshd drops callers from ten on
_LINGER = 60  # seconds that a connection outlives its last shell, should nobody end it
_DEAD_AFTER = (5, 3)  # seconds between questions to the server, and how many stay without answer
_STRICT = {"ask": "yes", "strict": "yes", "accept-new": "accept-new"}

_gates: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(AT_A_TIME))
_gates_lock = threading.Lock()


class OpenSshTransport:
    """A ``Transport`` that connects at its first shell, and again where the connection was lost."""

    def __init__(self, host: Host, options: ConnectOptions, ask: Asker) -> None:
        """Read the configuration (``ssh -G``); nothing is contacted. Raises InputError."""
        require_safe(host)
        if shutil.which("ssh") is None:
            raise InputError(
                f"{host.name}: there is no ssh on this machine",
                next_step="install OpenSSH's client, or leave out --transport openssh",
            )
        self._password = SudoPassword(host, options, ask)
        self._how = ""
        # A path of a socket has room for 100 characters: no %C, and no long TMPDIR.
        self._folder = tempfile.TemporaryDirectory(prefix="dw-", dir=_short())
        self._log = Path(self._folder.name, "jump")
        self._ssh = ["ssh", *_settings(host, options, self._log), "-S", f"{self._folder.name}/s"]
        self._address = host.address or host.name
        said = self._configuration()
        port = said.get("port", "22")
        self._who = f"{said.get('user', '')}@{said.get('hostname', self._address)}"
        self._who += f":{port}" if port != "22" else ""
        jump, proxy = said.get("proxyjump", "none"), said.get("proxycommand", "none")
        # A command of a proxy names the host it leads to: what is left is the way.
        way = jump if jump != "none" else proxy.replace(self._address, "")
        self._way = "" if way == "none" else way
        self._begun: tuple[bool, Handshake, SshProcess] | None = None

    @property
    def description(self) -> str:
        """``as ubuntu@10.0.0.11 by OpenSSH, sudo without password``."""
        return ", ".join(filter(None, (f"as {self._who} by OpenSSH", self._how)))

    def begin(self, *, root: bool = True) -> None:
        """Start the first shell, which will be a ``root`` one or not; who asks for it sees what comes of it."""
        root = root or self._password.given
        self._begun = (root, *self._fresh(Handshake(needs_root=root)))

    def root_shell(self, script: str) -> Channel:
        """As ``Transport.root_shell``."""
        return self._start(script, root=True)

    def shell(self, script: str) -> Channel:
        """As ``Transport.shell``."""
        return self._start(script, root=self._password.given)

    def close(self) -> None:
        """End the connection."""
        if self._begun is not None:
            self._begun[-1].close()
        if Path(self._folder.name, "s").exists():
            self._control("exit")
        self._folder.cleanup()

    def _start(self, script: str, *, root: bool) -> Channel:
        with self._gate():
            begun = self._begun
            if begun is not None and begun[0] == root:
                self._begun = None
                handshake, wire = begun[1:]
            else:
                handshake, wire = self._fresh(Handshake(needs_root=root))
            channel, self._how = become_root(wire, handshake, script, self._password, self._who)
        return channel

    def _fresh(self, handshake: Handshake) -> tuple[Handshake, SshProcess]:
        command = [*self._ssh, "--", self._address, handshake.command()]
        return handshake, SshProcess(command, self._who, self._log)

    @contextlib.contextmanager
    def _gate(self) -> Iterator[None]:
        """A turn to log in through the jump host, where there is one."""
        if not self._way or Path(self._folder.name, "s").exists():
            yield
            return
        with _gates_lock:
            gate = _gates[self._way]
        with gate:
            yield

    def _configuration(self) -> dict[str, str]:
        done = subprocess.run(
            [*self._ssh, "-G", "--", self._address],
            capture_output=True, text=True, errors="replace", check=False, timeout=30,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            self._folder.cleanup()
            raise InputError(f"ssh_config, for {self._address}: {printable(done.stderr)}")
        lines = (line.partition(" ") for line in done.stdout.splitlines())
        return {key: value for key, _, value in lines}

    def _control(self, word: str) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run(
                [*self._ssh, "-O", word, "--", self._address],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                check=False, timeout=5,
            )  # fmt: skip


class SshProcess(LocalWire):
    """The streams of a process of ssh; see ``root.Wire``."""

    def __init__(self, arguments: list[str], who: str, log: Path) -> None:
        super().__init__(arguments)
        self._who, self._log = who, log

    def status(self) -> int:
        """See ``Channel.status``. Raises UnreachableError where ssh itself failed."""
        status = super().status()
        if status == LOST:
            jump = self._log.read_text(errors="replace") if self._log.exists() else ""
            raise refused(self._who, self.errors(), jump)
        return status


def refused(who: str, said: str, jump: str = "") -> UnreachableError:
    """Why ssh ended with 255, by what it said, or a jump host's; the words only choose the advice."""
    text = printable(jump or said)
    who += ", at a jump host" if jump else ""
    for pattern, brief, advice in _SAYINGS:
        if re.search(pattern, text):
            return UnreachableError(
                f"{who}: {brief}", details=(("ssh says", text),), next_step=advice
            )
    return UnreachableError(
        f"{who}: the connection was lost",
        details=(("ssh says", text),) if text else (),
        next_step="what was running on the host may still be running; run the same command again"
        " to join it",
    )


_SAYINGS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No \S+ host key is known",
        "the host key is not the known one",
        "compare it on the host (ssh-keygen -lf FILE.pub), then mend known_hosts",
    ),
    (
        r"Permission denied",
        "the login was refused",
        "put your key into authorized_keys there, and into your agent here: nothing is asked",
    ),
    (
        r"Could not resolve hostname",
        "the name is not known",
        "check the name, DNS, or the host's entry in ssh_config",
    ),
    (
        r"Connection refused|timed out|No route to host|Network is unreachable",
        "no connection",
        "is the host up, sshd running, and the port open in the firewall?",
    ),
)


def _settings(host: Host, options: ConnectOptions, log: Path) -> list[str]:
    """The options of ssh; what comes first wins there, so ssh_config fills in what is not said.

    ``log`` is where jump hosts' ssh writes: with ControlPersist its standard error goes nowhere.
    """
    interval, count = _DEAD_AFTER
    said = {
        "ControlMaster": "auto",
        "ControlPersist": str(_LINGER),
        "ServerAliveInterval": str(interval),
        "ServerAliveCountMax": str(count),
        "ForwardX11": "no",
        "ClearAllForwardings": "yes",
        "PermitLocalCommand": "no",
        "RequestTTY": "no",
        "EscapeChar": "none",
    }
    jump = options.jump or host.jump
    if jump is not None and jump.lower() != "none":
        said["ProxyCommand"] = _through(jump, options, log)
    words = [*_common(options), *(word for pair in said.items() for word in _option(*pair))]
    words += ["-o", "ProxyJump=none"] if jump is not None and jump.lower() == "none" else []
    for path in map(Path, host.identity):  # no key for its jump hosts
        words += ["-i", str(path.expanduser())]
    return [*words, *_login(host.user or options.user, host.port or options.port)]


def _common(options: ConnectOptions) -> list[str]:
    """What holds for jump hosts, too: ssh itself hands them nothing of its command line."""
    said = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": _STRICT[options.host_keys],
        "ConnectTimeout": str(max(1, round(options.connect_timeout))),
        "ForwardAgent": "no",
        "LogLevel": "ERROR",
    }
    if options.known_hosts is not None:
        said["UserKnownHostsFile"] = _quoted(options.known_hosts)
    words = [word for pair in said.items() for word in _option(*pair)]
    words += ["-F", str(options.ssh_config)] if options.ssh_config is not None else []
    for path in options.identity:
        words += ["-i", str(path.expanduser())]
    return words


def _through(jump: str, options: ConnectOptions, log: Path) -> str:
    """A proxy command through the last of these jump hosts, which goes through those before it."""
    before, _, last = jump.rpartition(",")
    hop = parse_target(last.strip().removeprefix("ssh://"))
    words = ["ssh", *_common(options), "-E", _plain(log), *_login(hop.user, hop.port)]
    if before:
        words += _option("ProxyCommand", _through(before, options, log).replace("%", "%%"))
    address = hop.address or hop.name
    return shlex.join([*words, "-W", "[%h]:%p", "--", address])


def _option(key: str, value: str) -> list[str]:
    return ["-o", f"{key}={value}"]


def _login(user: str | None, port: int | None) -> list[str]:
    return [*(["-l", user] if user else []), *(["-p", str(port)] if port else [])]


def _quoted(path: Path) -> str:
    """A path as a value of ssh_config: with blanks, and without tokens."""
    return f'"{_plain(path.expanduser())}"'


def _plain(path: Path) -> str:
    """A path where ssh would see tokens."""
    return str(path).replace("%", "%%")


def _short() -> str | None:
    """Where a socket's path is short enough."""
    default = tempfile.gettempdir()
    return default if len(default) < 60 else "/tmp"  # noqa: S108  # a directory of its own, 0700
