"""Connections and logins, against a server in this process."""

from __future__ import annotations

import contextlib
import logging
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from dockwright.channel import Transport
from dockwright.errors import InputError, UnreachableError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Secret, Silent, net, open_transport, ssh, strategy
from tests.unit.transport.ssh_server import Server, serving

pytestmark = pytest.mark.slow  # real sockets, shells and programs


@pytest.fixture(scope="module")
def keys() -> list[paramiko.PKey]:
    return [paramiko.ECDSAKey.generate() for _ in range(4)]


@pytest.fixture
def server(key: paramiko.PKey, path_of: str, keys: list[paramiko.PKey]) -> Iterator[Server]:
    with serving(users={"u": [key]}, env={"PATH": path_of}, host_keys=[keys[0]]) as running:
        yield running


@pytest.fixture
def known(tmp_path: Path, server: Server, keys: list[paramiko.PKey]) -> Path:
    return trust(tmp_path / "kh", server.port, keys[0])


def trust(file: Path, port: int, key: paramiko.PKey) -> Path:
    with file.open("a") as stream:
        stream.write(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    return file


def hello(server: Server, asker: Silent | None = None, user: str = "u", **options: object) -> str:
    """The description after one root shell; the connection is closed."""
    options.setdefault("connect_timeout", 5)
    transport = open_transport(
        Host(name="h", address="127.0.0.1", user=user, port=server.port),
        ConnectOptions(**options),  # type: ignore[arg-type]
        asker or Silent(),
    )
    try:
        channel = transport.root_shell("echo hi")
        assert channel.read(10) == b"hi\n"
        channel.close()
        return transport.description
    finally:
        transport.close()


class Says(Silent):
    def __init__(self, *, host_key: bool = False, word: str = "") -> None:
        self.answer = host_key
        self.word = word
        self.shown: list[str] = []

    def host_key(self, host: str, fingerprint: str, kind: str) -> bool:
        self.shown.append(f"{host} {fingerprint} {kind}")
        return self.answer

    def password(self, host: Host) -> Secret | None:
        return Secret(self.word) if self.word else None

    def passphrase(self, path: Path) -> Secret | None:
        return Secret(self.word) if self.word else None


def test_a_known_host(server: Server, known: Path) -> None:
    assert hello(server, known_hosts=known) == f"as u@127.0.0.1:{server.port}"
    assert server.logins == ["u key"]
    assert len(server.commands) == 1


def test_an_unknown_host_gets_no_login(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="unknown; nothing was sent"):
        hello(server, known_hosts=tmp_path / "none")
    assert server.logins == []


def test_asking_shows_the_fingerprint_and_remembers_a_yes(server: Server, tmp_path: Path) -> None:
    kh = tmp_path / "kh"
    asker = Says(host_key=False)
    with pytest.raises(UnreachableError, match="unknown"):
        hello(server, asker, known_hosts=kh, host_keys="ask")
    assert server.logins == []
    asker.answer = True
    hello(server, asker, known_hosts=kh, host_keys="ask")
    hello(server, asker, known_hosts=kh, host_keys="ask")
    assert len(asker.shown) == 2
    assert "SHA256:" in asker.shown[0]


def test_a_changed_host_key_gets_no_login_in_any_mode(
    server: Server, tmp_path: Path, keys: list[paramiko.PKey]
) -> None:
    kh = trust(tmp_path / "kh", server.port, keys[1])
    with pytest.raises(UnreachableError, match="CHANGED"):
        hello(server, Says(host_key=True), known_hosts=kh, host_keys="accept-new")
    assert server.logins == []


def test_the_key_that_is_known_is_the_one_asked_for(
    key: paramiko.PKey, path_of: str, tmp_path: Path, keys: list[paramiko.PKey]
) -> None:
    rsa = paramiko.RSAKey.generate(2048)
    with serving(users={"u": [key]}, env={"PATH": path_of}, host_keys=[keys[0], rsa]) as server:
        kh = trust(tmp_path / "kh", server.port, rsa)
        hello(server, known_hosts=kh)


def test_a_host_key_alias_has_no_port(
    server: Server, tmp_path: Path, keys: list[paramiko.PKey]
) -> None:
    kh = tmp_path / "kh"
    kh.write_text(f"fleet {keys[0].get_name()} {keys[0].get_base64()}\n")
    config = tmp_path / "config"
    config.write_text("HostKeyAlias Fleet\nForwardAgent yes\n")
    hello(server, known_hosts=kh, ssh_config=config)


def test_fabrics_own_files_have_no_say(
    server: Server, known: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".fabric.yaml").write_text("user: intruder\ngateway: nowhere\nport: 1\n")
    monkeypatch.setenv("FABRIC_USER", "intruder")
    assert hello(server, known_hosts=known).startswith("as u@")


def test_a_refused_login_names_keys_and_methods(server: Server, known: Path, home: Path) -> None:
    with pytest.raises(UnreachableError, match="login was refused") as caught:
        hello(server, known_hosts=known, user="stranger")
    details = dict(caught.value.details)
    assert details["tried"] == f"{home}/.ssh/id_ecdsa"
    assert details["the server takes"] == "password, publickey"


def test_a_password_login(server: Server, known: Path) -> None:
    server.users["p"] = ["letmein"]
    assert hello(server, Says(word="letmein"), known_hosts=known, user="p")
    with pytest.raises(UnreachableError, match="login was refused"):
        hello(server, Says(word="wrong"), known_hosts=known, user="p")
    assert server.logins.count("p password") == 2


def test_two_factors(server: Server, known: Path) -> None:
    server.two_factors = True
    server.users["u"].append("letmein")
    assert hello(server, Says(word="letmein"), known_hosts=known)
    assert server.logins == ["u key", "u password"]


def test_an_encrypted_key(server: Server, known: Path, tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen here")
    file = tmp_path / "locked"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-N", "open", "-f", file], check=True
    )
    mine = paramiko.PKey.from_path(file, b"open")  # type: ignore[arg-type]
    server.users["e"] = [mine]
    assert hello(server, Says(word="open"), known_hosts=known, user="e", identity=(file,))
    with pytest.raises(UnreachableError) as caught:
        hello(server, Says(word="shut"), known_hosts=known, user="e", identity=(file,))
    assert "wrong passphrase" in dict(caught.value.details)["tried"]


def test_a_file_that_is_no_key(server: Server, known: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_text("not a key")
    with pytest.raises(UnreachableError) as caught:
        hello(server, known_hosts=known, identity=(junk,))
    assert "junk (not usable" in dict(caught.value.details)["tried"]


def test_a_server_that_hangs_up_on_too_many_keys(
    server: Server, known: Path, tmp_path: Path, keys: list[paramiko.PKey]
) -> None:
    server.attempts = 2
    files = []
    for number, one in enumerate(keys):
        files.append(tmp_path / f"k{number}")
        one.write_private_key_file(str(files[-1]))
    with pytest.raises(UnreachableError, match="hung up"):
        hello(server, known_hosts=known, user="x", identity=tuple(files))


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="no ssh-agent here")
def test_a_key_of_the_agent(
    server: Server, known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent"
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        file = tmp_path / "held"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
        until = time.monotonic() + 10
        while not path.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        subprocess.run(["ssh-add", "-q", file], check=True, capture_output=True)
        server.users["a"] = [paramiko.PKey.from_path(file)]
        file.unlink()
        assert hello(server, known_hosts=known, user="a")
        # Named by --identity, though only the public half is on disk.
        assert hello(server, known_hosts=known, user="a", identity=(file,))
    finally:
        agent.terminate()
        agent.wait()


def test_an_agent_that_does_not_answer_costs_no_more_than_its_limit(
    server: Server, known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strategy, "AGENT_LIMIT", 0.1)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale"))
        stale.listen()
        for path in (tmp_path / "stale", tmp_path / "missing"):
            monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
            began = time.monotonic()
            assert hello(server, known_hosts=known)
            assert time.monotonic() - began < 30


def test_through_jump_hosts_each_with_its_own_key(
    server: Server, key: paramiko.PKey, known: Path, keys: list[paramiko.PKey]
) -> None:
    with (
        serving(users={"a": [key]}, host_keys=[keys[1]]) as first,
        serving(users={"b": [key]}, host_keys=[keys[2]]) as second,
    ):
        jump = f"a@127.0.0.1:{first.port},b@127.0.0.1:{second.port}"
        with pytest.raises(UnreachableError, match=rf"{first.port}: the host key is unknown"):
            hello(server, known_hosts=known, jump=jump)
        trust(known, first.port, keys[1])
        with pytest.raises(UnreachableError, match=rf"{second.port}: the host key is unknown"):
            hello(server, known_hosts=known, jump=jump)
        assert second.logins == []
        trust(known, second.port, keys[2])
        assert hello(server, known_hosts=known, jump=jump)
        assert (first.logins[-1], second.logins, server.logins) == ("a key", ["b key"], ["u key"])
        second.forward = False
        with pytest.raises(UnreachableError, match=r"jump host b@.* does not get there"):
            hello(server, known_hosts=known, jump=jump)


def test_jump_hosts_of_ssh_config(
    server: Server, key: paramiko.PKey, known: Path, keys: list[paramiko.PKey], tmp_path: Path
) -> None:
    config = tmp_path / "config"
    with serving(users={"a": [key]}, host_keys=[keys[1]]) as jump:
        trust(known, jump.port, keys[1])
        config.write_text(
            f"Host bastion\n Hostname 127.0.0.1\n Port {jump.port}\n User a\n"
            "Host *\n ProxyJump bastion\n"
        )
        assert hello(server, known_hosts=known, ssh_config=config)
        assert jump.logins == ["a key"]
        assert hello(server, known_hosts=known, ssh_config=config, jump="none")
        assert jump.logins == ["a key"]


def test_what_an_inventory_says_of_a_host(
    key: paramiko.PKey, known: Path, keys: list[paramiko.PKey], tmp_path: Path, path_of: str
) -> None:
    """Its key and its jump host; the command line's jump host goes before that."""
    file = tmp_path / "own"
    keys[3].write_private_key_file(str(file))
    users = {"u": [keys[3]], "a": [key]}
    with (
        serving(users=users, env={"PATH": path_of}, host_keys=[keys[1]]) as server,
        serving(users=users, host_keys=[keys[2]]) as jump,
    ):
        trust(trust(known, server.port, keys[1]), jump.port, keys[2])
        host = Host(
            name="h",
            address="127.0.0.1",
            user="u",
            port=server.port,
            identity=(str(file),),
            jump=f"a@127.0.0.1:{jump.port}",
        )
        for line, hops in ((None, ["a key"]), ("none", ["a key"])):
            transport = open_transport(host, ConnectOptions(known_hosts=known, jump=line), Silent())
            transport.root_shell("echo hi").close()
            transport.close()
            assert jump.logins == hops
        assert server.logins == ["u key", "u key"]


def test_hosts_behind_one_jump_host_share_its_connection(
    server: Server, key: paramiko.PKey, known: Path, keys: list[paramiko.PKey]
) -> None:
    with serving(users={"a": [key]}, host_keys=[keys[1]]) as jump:
        trust(known, jump.port, keys[1])
        options = ConnectOptions(known_hosts=known, jump=f"a@127.0.0.1:{jump.port}")
        hosts = [
            Host(name=f"h{number}", address="127.0.0.1", user="u", port=server.port)
            for number in range(6)
        ]
        asker = Silent()
        transports = [open_transport(host, options, asker) for host in hosts]
        failures: list[Exception] = []

        def run(transport: Transport) -> None:
            try:
                transport.root_shell("echo hi").close()
            except Exception as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=run, args=(one,)) for one in transports]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert jump.logins == ["a key"]
        assert server.logins == ["u key"] * 6
        for transport in transports[:-1]:
            transport.close()
        channel = transports[-1].root_shell("echo still here")
        assert channel.read(10) == b"still here\n"
        channel.close()
        transports[-1].close()
        assert ssh.GATEWAYS._shared == {}


def test_a_circle_of_jump_hosts_is_refused(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host a\n ProxyJump b\nHost b\n ProxyJump a\nHost *\n ProxyJump a\n")
    with pytest.raises(InputError, match="more than 8 jump hosts"):
        hello(server, ssh_config=config)


RELAY = (
    "import socket,sys,threading,os;s=socket.create_connection((sys.argv[1],int(sys.argv[2])));"
    "threading.Thread(target=lambda:[s.sendall(d) for d in iter(lambda:os.read(0,9999),b'')],"
    "daemon=True).start();[os.write(1,d) for d in iter(lambda:s.recv(9999),b'')]"
)


def test_through_a_proxy_command(server: Server, known: Path, tmp_path: Path) -> None:
    relay, config = tmp_path / "relay.py", tmp_path / "config"
    relay.write_text(RELAY)
    config.write_text(f"ProxyCommand {sys.executable} {relay} %h %p\n")
    assert hello(server, known_hosts=known, ssh_config=config)
    config.write_text("ProxyCommand sh -c 'echo no way to %h >&2; exit 1'\n")
    with pytest.raises(UnreachableError) as caught:
        hello(server, known_hosts=known, ssh_config=config)
    assert caught.value.details == (("the proxy command says", "no way to 127.0.0.1"),)


def test_an_ssh_config_that_cannot_be_used(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "config"
    for text in ("Port twelve\n", "Match nonsense\n"):
        config.write_text(text)
        with pytest.raises(InputError, match="ssh_config"):
            open_transport(Host(name="h", address="h"), ConnectOptions(ssh_config=config), Silent())


def test_options_fill_in_what_the_target_leaves_open(known: Path, server: Server) -> None:
    options = ConnectOptions(user="o", port=server.port, known_hosts=known)
    plain = open_transport(Host(name="h", address="127.0.0.1"), options, Silent())
    assert plain.description == f"as o@127.0.0.1:{server.port}"
    typed = open_transport(
        Host(name="h", address="127.0.0.1", user="t", port=22), options, Silent()
    )
    assert typed.description == "as t@127.0.0.1"
    for transport in (plain, typed):
        transport.close()
    with pytest.raises(InputError):
        open_transport(Host(name="h", address="h"), ConnectOptions(user="$(id)"), Silent())


@pytest.mark.parametrize("strict", [True, False])
def test_t23_a_server_without_strict_key_exchange_is_told_of(
    server: Server, known: Path, *, strict: bool
) -> None:
    """Terrapin, CVE-2023-48795: an sshd before OpenSSH 9.6 that nobody patched."""
    server.strict = strict
    assert ("CVE-2023-48795" in hello(server, known_hosts=known)) is not strict


def test_something_that_is_not_ssh(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        host = Host(name="h", address="127.0.0.1", port=listener.getsockname()[1])
        transport = open_transport(host, ConnectOptions(connect_timeout=2), Silent())
        with pytest.raises(UnreachableError, match="not SSH"):
            transport.root_shell("")
        thread.join()
        transport.close()


def test_a_server_that_says_nothing_ends_at_the_timeout(server: Server, known: Path) -> None:
    server.banner_delay = threading.Event()
    began = time.monotonic()
    with pytest.raises(UnreachableError):
        hello(server, known_hosts=known, connect_timeout=0.3)
    assert time.monotonic() - began < 12  # paramiko itself waits 15 s
    server.banner_delay.set()


def test_a_server_that_never_starts_the_command(
    server: Server, known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = threading.Event()

    def exec_request(*_: object) -> bool:
        stuck.wait(60)
        return False

    monkeypatch.setattr(
        "tests.unit.transport.ssh_server._Session.check_channel_exec_request", exec_request
    )
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="did not run a command"):
        hello(server, known_hosts=known, connect_timeout=0.3)
    stuck.set()
    assert time.monotonic() - began < 30


def test_paramiko_prints_no_tracebacks(
    server: Server, known: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers = logging.getLogger("paramiko").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)
    server.banner_delay = threading.Event()
    server.banner_delay.set()
    with pytest.raises(UnreachableError):
        hello(server, known_hosts=known)
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_is_left_open(server: Server, known: Path) -> None:
    hello(server, known_hosts=known)
    before = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    for _ in range(3):
        hello(server, known_hosts=known)
    until = time.monotonic() + 5
    while threading.active_count() > before[1] + 6 and time.monotonic() < until:
        time.sleep(0.01)
    assert (
        len(list(Path("/proc/self/fd").iterdir())) <= before[0] + 12
    )  # the server's own half stays open


class Shy(socket.socket):
    """Listens before a server, and hangs up on the first callers as sshd does with MaxStartups."""

    def __init__(self, drops: int, behind: int, words: bytes) -> None:
        super().__init__()
        self.bind(("127.0.0.1", 0))
        self.listen()
        self.calls, self._drops, self._behind, self._words = 0, drops, behind, words
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self.accept()
            except OSError:
                return
            self.calls += 1
            if self.calls <= self._drops:
                caller.sendall(self._words)
                caller.close()
                continue
            onward = socket.create_connection(("127.0.0.1", self._behind))
            for one, other in ((caller, onward), (onward, caller)):
                threading.Thread(target=_pour, args=(one, other), daemon=True).start()


def _pour(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(32768):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
    one.close()


@pytest.mark.parametrize("words", [b"", b"Exceeded MaxStartups\r\n"])
def test_s03_a_server_that_hangs_up_at_once_is_called_again(
    server: Server, keys: list[paramiko.PKey], tmp_path: Path, words: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(net, "_RETRIES", (0.01, 0.02, 0.03))
    for drops, fine in ((3, True), (4, False)):
        with Shy(drops, server.port, words) as shy:
            port = shy.getsockname()[1]
            options = ConnectOptions(known_hosts=trust(tmp_path / "shy", port, keys[0]))
            host = Host(name="h", address="127.0.0.1", user="u", port=port)
            transport = open_transport(host, options, Silent())
            if fine:
                transport.root_shell("echo hi").close()
            else:
                with pytest.raises(UnreachableError, match="not SSH, or it closes at once"):
                    transport.root_shell("echo hi")
            transport.close()
            assert shy.calls == 4
            shy.shutdown(socket.SHUT_RDWR)
