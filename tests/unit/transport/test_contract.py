"""What every transport keeps, whatever carries it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from dockwright.channel import Channel, Transport
from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Secret, Silent, bare_transport
from tests.unit.transport.ssh_server import Server, serving
from tests.unit.transport.sshd import sshd

pytestmark = pytest.mark.slow  # real sockets, shells and programs

LIMIT = 60.0


class Knows(Silent):
    """An asker that knows one sudo password, and counts."""

    def __init__(self, word: str | None) -> None:
        self.word = word
        self.asked = 0

    def sudo_password(self, host: Host) -> Secret | None:
        self.asked += 1
        return Secret(self.word) if self.word else None


Opener = Callable[..., Transport]


@pytest.fixture
def server(key: paramiko.PKey, path_of: str, tmp_path: Path) -> Iterator[Server]:
    with serving(users={"u": [key]}, env={"PATH": path_of}) as running:
        (tmp_path / "kh").write_text(
            f"[127.0.0.1]:{running.port} {running.host_keys[0].get_name()}"
            f" {running.host_keys[0].get_base64()}\n"
        )
        yield running


@pytest.fixture(params=["local", "ssh", "openssh", pytest.param("sshd", marks=pytest.mark.lab)])
def opener(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path_of: str
) -> Iterator[Opener]:
    opened: list[Transport] = []
    options = ConnectOptions(known_hosts=tmp_path / "kh", connect_timeout=5)
    if request.param == "local":
        monkeypatch.setenv("PATH", path_of)
        host = Host(name="local")
    elif request.param in ("ssh", "openssh"):
        port = request.getfixturevalue("server").port
        host = Host(name="h", address="127.0.0.1", user="u", port=port, transport=request.param)
        if request.param == "openssh":
            # ssh finds its home by the account and not by HOME.
            own = tmp_path / "home" / ".ssh" / "id_ecdsa"
            (tmp_path / "config").touch()
            options = replace(options, identity=(own,), ssh_config=tmp_path / "config")
    else:
        host = request.getfixturevalue("sshd_host")
        options = ConnectOptions(known_hosts=tmp_path / "kh", identity=(tmp_path / "user_key",))

    def make(password: str | None = None, **changed: object) -> Transport:
        transport = bare_transport(host, options, Knows(password))
        opened.append(transport)
        return transport

    yield make
    for transport in opened:
        transport.close()


@pytest.fixture
def sshd_host(tmp_path: Path) -> Iterator[Host]:
    with sshd(tmp_path) as host:
        yield host


def finish(channel: Channel) -> tuple[bytes, int, str]:
    output = b""
    while data := channel.read(LIMIT):
        output += data
    status = channel.status()
    errors = channel.errors()
    channel.close()
    return output, status, errors


def test_status_and_both_streams_apart(opener: Opener) -> None:
    channel = opener().root_shell("echo out; echo err >&2; exit 42")
    assert finish(channel) == (b"out\n", 42, "err\n")


def test_the_shell_ends_where_the_script_ends(opener: Opener) -> None:
    assert finish(opener().root_shell("echo hi")) == (b"hi\n", 0, "")
    assert finish(opener().root_shell("")) == (b"", 0, "")


def test_several_shells_on_one_transport(opener: Opener) -> None:
    transport = opener()
    channels = [transport.root_shell(f"echo {number}") for number in range(3)]
    assert [finish(channel)[0] for channel in channels] == [b"0\n", b"1\n", b"2\n"]


def test_a_missing_command_is_127(opener: Opener) -> None:
    output, status, errors = finish(opener().root_shell("no-such-command-here"))
    assert (output, status) == (b"", 127)
    assert "not found" in errors


def test_a_syntax_error_runs_nothing_of_its_group(opener: Opener) -> None:
    output, status, errors = finish(opener().root_shell("{ echo ran; if; }"))
    assert output == b""
    assert status == 2
    assert "yntax error" in errors


QUOTING = r"""printf '%s|' "a  b" 'c"d' e\'f "$(printf 'g\\h')" '$HOME' '!' "é" '*'"""


def test_nothing_is_quoted_away(opener: Opener) -> None:
    expected = "a  b|c\"d|e'f|g\\h|$HOME|!|é|*|".encode()
    assert finish(opener().root_shell(QUOTING))[0] == expected


def test_here_documents_and_functions(opener: Opener) -> None:
    script = "main() {\n cat <<'E'\nline 'one'\n  $two\nE\n return 7\n}\nmain </dev/null"
    assert finish(opener().root_shell(script)) == (b"line 'one'\n  $two\n", 7, "")


def test_megabytes_on_both_streams_do_not_block(opener: Opener) -> None:
    script = "yes é | head -c 3000000 & yes é | head -c 3000000 >&2 & wait; exit 3"
    output, status, errors = finish(opener().root_shell(script))
    assert (len(output), status) == (3_000_000, 3)
    assert output.decode() == "é\n" * 1_000_000
    assert len(errors.encode()) >= 65_000
    assert len(errors.encode()) < 66_000


def test_a_large_script(opener: Opener) -> None:
    script = "".join(f": {'x' * 60} {number}\n" for number in range(8000)) + "echo end"
    assert len(script) > 500_000
    assert finish(opener().root_shell(script)) == (b"end\n", 0, "")


def test_a_large_script_that_talks_meanwhile(opener: Opener) -> None:
    output, status, _ = finish(opener().root_shell("echo some words\n" * 50_000))
    assert (len(output), status) == (550_000, 0)


def test_output_comes_as_it_is_written(opener: Opener) -> None:
    channel = opener().root_shell("echo first; cat; echo last")
    began = time.monotonic()
    assert channel.read(LIMIT) == b"first\n"
    with pytest.raises(TimeoutError):
        channel.read(0.05)
    assert time.monotonic() - began < LIMIT
    channel.close()


def test_standard_input_is_open_and_empty_until_the_channel_is_closed(
    opener: Opener, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    channel = opener().root_shell(f"echo up; cat > {told}.part; mv {told}.part {told}")
    assert channel.read(LIMIT) == b"up\n"
    time.sleep(0.05)
    assert not told.exists()
    channel.close()
    wait_for(told.exists)
    assert told.read_bytes() == b""


@pytest.mark.parametrize(("name", "status"), [("KILL", 137), ("TERM", 143)])
def test_a_killed_shell_has_a_status(opener: Opener, name: str, status: int) -> None:
    output, got, _ = finish(opener().root_shell(f"echo before; kill -{name} $$; echo after"))
    assert (output, got) == (b"before\n", status)


def test_bytes_are_bytes(opener: Opener) -> None:
    assert finish(opener().root_shell(r"printf '\377\000\303'"))[0] == b"\xff\x00\xc3"


def wait_for(there: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT
    while not there():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["local", "ssh"])
class TestSudo:
    """With stand-ins for id and sudo; the real ones are in tests/hosts."""

    @pytest.fixture
    def user(self, kind: str, request: pytest.FixtureRequest, stand_ins: Path) -> Opener:
        (stand_ins / "uid").write_text("1000")
        if kind == "local":
            monkeypatch = request.getfixturevalue("monkeypatch")
            monkeypatch.setenv("PATH", request.getfixturevalue("path_of"))
            monkeypatch.setattr(os, "geteuid", lambda: 1000)
            monkeypatch.setenv("LOGNAME", "u")
            host = Host(name="local")
        else:
            port = request.getfixturevalue("server").port
            host = Host(name="h", address="127.0.0.1", user="u", port=port)
        known = request.getfixturevalue("tmp_path") / "kh"

        def make(asker: Silent, **more: object) -> Transport:
            options = ConnectOptions(known_hosts=known, connect_timeout=5, **more)  # type: ignore[arg-type]
            transport = bare_transport(host, options, asker)
            request.addfinalizer(transport.close)
            return transport

        return make

    def test_sudo_without_password_never_asks(self, user: Opener, stand_ins: Path) -> None:
        asker = Knows("right")
        transport = user(asker)
        assert finish(transport.root_shell("echo hi")) == (b"hi\n", 0, "")
        assert transport.description.endswith(", sudo without password")
        assert asker.asked == 0
        assert not (stand_ins / "words").exists()

    def test_the_password_is_asked_for_once_and_remembered(
        self, user: Opener, stand_ins: Path
    ) -> None:
        (stand_ins / "kind").write_text("asks")
        asker = Knows("right")
        transport = user(asker)
        assert ", sudo" not in transport.description
        for _ in range(2):
            assert finish(transport.root_shell("echo hi; cat </dev/null")) == (b"hi\n", 0, "")
        assert transport.description.endswith(", sudo with password")
        assert asker.asked == 1
        assert (stand_ins / "words").read_text() == "right\nright\n"

    def test_the_source_of_the_command_line_comes_first(
        self, user: Opener, stand_ins: Path
    ) -> None:
        (stand_ins / "kind").write_text("asks")
        asker = Knows(None)
        transport = user(asker, sudo_password_source=lambda: Secret("right"))
        assert finish(transport.root_shell("echo hi"))[0] == b"hi\n"
        assert asker.asked == 0

    def test_a_wrong_password_is_tried_once(self, user: Opener, stand_ins: Path) -> None:
        (stand_ins / "kind").write_text("asks")
        with pytest.raises(UnreachableError, match="sudo: the password was refused"):
            user(Knows("wrong")).root_shell("echo hi")
        with pytest.raises(UnreachableError, match="refused the same password"):
            user(Knows("wrong")).root_shell("echo hi")
        assert (stand_ins / "words").read_text() == "wrong\n"

    def test_without_a_password_it_says_how_to_give_one(
        self, user: Opener, stand_ins: Path
    ) -> None:
        (stand_ins / "kind").write_text("asks")
        with pytest.raises(UnreachableError, match="wants a password") as caught:
            user(Silent()).root_shell("echo hi")
        assert "--ask-sudo-password" in str(caught.value.next_step)
        assert not (stand_ins / "words").exists()
        assert "-S" not in (stand_ins / "sudo.log").read_text()

    def test_nobody_in_sudoers(self, user: Opener, stand_ins: Path) -> None:
        (stand_ins / "kind").write_text("nobody")
        with pytest.raises(UnreachableError, match="not allowed to use sudo") as caught:
            user(Knows("right")).root_shell("echo hi")
        assert ("the host says", "u is not in the sudoers file.") in caught.value.details

    @pytest.mark.parametrize("sudo", ["asks", "nobody"])
    def test_who_only_looks_does_without_root_and_is_asked_nothing(
        self, user: Opener, stand_ins: Path, sudo: str
    ) -> None:
        (stand_ins / "kind").write_text(sudo)
        asker = Knows("right")
        transport = user(asker)
        script = "echo out; cat </dev/null; echo err >&2; exit 42"
        assert finish(transport.shell(script)) == (b"out\n", 42, "err\n")
        assert transport.description.endswith(", without root")
        assert (asker.asked, (stand_ins / "words").exists()) == (0, False)

    def test_who_only_looks_is_root_where_nobody_has_to_be_asked(
        self, user: Opener, stand_ins: Path
    ) -> None:
        (stand_ins / "kind").write_text("asks")
        transport = user(Knows(None), sudo_password_source=lambda: Secret("right"))
        assert finish(transport.shell("echo hi"))[0] == b"hi\n"
        assert transport.description.endswith(", sudo with password")
        (stand_ins / "kind").write_text("free")
        transport = user(Knows(None))
        assert finish(transport.shell("echo hi"))[0] == b"hi\n"
        assert transport.description.endswith(", sudo without password")

    def test_no_password_on_any_command_line(self, user: Opener, stand_ins: Path) -> None:
        (stand_ins / "kind").write_text("asks")
        channel = user(Knows("right")).root_shell("echo up; ps -eo args; ps e -eo args")
        output, _, _ = finish(channel)
        assert b"sudo" in (stand_ins / "sudo.log").read_bytes() or output
        assert b" right" not in output


def test_a_cut_connection_is_noticed_and_opened_again(server: Server, tmp_path: Path) -> None:
    host = Host(name="h", address="127.0.0.1", user="u", port=server.port)
    transport = bare_transport(host, ConnectOptions(known_hosts=tmp_path / "kh"), Silent())
    channel = transport.root_shell("echo up; cat")
    assert channel.read(LIMIT) == b"up\n"
    server.cut()
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="connection was lost"):
        channel.read(LIMIT)
    with pytest.raises(UnreachableError, match="connection was lost"):
        channel.status()
    assert time.monotonic() - began < LIMIT
    channel.close()
    assert finish(transport.root_shell("echo again"))[0] == b"again\n"
    transport.close()


def test_a_command_without_a_status_is_told_from_a_lost_connection(
    server: Server, tmp_path: Path
) -> None:
    host = Host(name="h", address="127.0.0.1", user="u", port=server.port)
    transport = bare_transport(host, ConnectOptions(known_hosts=tmp_path / "kh"), Silent())
    server.tells_status = False
    channel = transport.root_shell("echo up")
    assert channel.read(LIMIT) == b"up\n"
    assert channel.read(LIMIT) == b""
    with pytest.raises(UnreachableError, match="ended without a status"):
        channel.status()
    channel.close()
    transport.close()


def test_a_cut_is_noticed_while_a_script_is_sent(server: Server, tmp_path: Path) -> None:
    host = Host(name="h", address="127.0.0.1", user="u", port=server.port)
    transport = bare_transport(host, ConnectOptions(known_hosts=tmp_path / "kh"), Silent())
    channel = transport.root_shell("exec <&-; sleep 60")
    threading.Timer(0.1, server.cut).start()
    with pytest.raises(UnreachableError, match="lost"):
        channel._wire.write(b"x" * 10_000_000)  # type: ignore[attr-defined]
    channel.close()
    transport.close()


@pytest.mark.lab
def test_a_killed_session_of_sshd_is_a_lost_connection(sshd_host: Host, tmp_path: Path) -> None:
    options = ConnectOptions(known_hosts=tmp_path / "kh", identity=(tmp_path / "user_key",))
    transport = bare_transport(sshd_host, options, Silent())
    channel = transport.root_shell("echo $PPID; cat")
    pid = int(channel.read(LIMIT))
    names = []
    for _ in range(6):  # from our shells up to the process of sshd that serves us
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)
        names.append(fields[0].split("(")[1])
        if names[-1].startswith("sshd"):
            break
        pid = int(fields[1].split()[1])
    assert names[-1].startswith("sshd"), names
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="connection was lost"):
        channel.read(LIMIT)
    assert time.monotonic() - began < LIMIT
    transport.close()


def test_noise_of_the_login_shell_is_passed_over(server: Server, tmp_path: Path) -> None:
    noisy = tmp_path / "noisy"
    noisy.write_text(
        "#!/bin/sh\necho 'Welcome! [sudo] password for root:'\necho PASSWORD 1234\n"
        'echo rc noise >&2\nprintf "no line break"\nexec sh "$@"\n'
    )
    noisy.chmod(0o755)
    server.shell = str(noisy)
    host = Host(name="h", address="127.0.0.1", user="u", port=server.port)
    transport = bare_transport(host, ConnectOptions(known_hosts=tmp_path / "kh"), Silent())
    assert finish(transport.root_shell("echo hi; echo oops >&2"))[:2] == (b"hi\n", 0)
    transport.close()


def test_a_local_run_imports_no_ssh() -> None:
    code = (
        "import sys; from dockwright.models import Host; from dockwright.transport import *;"
        "t = bare_transport(Host(name='local'), ConnectOptions(), Silent()); t.close();"
        "print([name for name in ('paramiko', 'fabric', 'invoke') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
