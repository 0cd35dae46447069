"""One root shell for the scripts of a host: they come one after the other, and end apart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwright.channel import Channel, Transport
from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Silent, bare_transport
from dockwright.transport.lasting import Lasting
from tests.fakes import FakeChannel, FakeTransport

LIMIT = 60.0


class Counted:
    """A transport that counts its shells."""

    def __init__(self, transport: Transport) -> None:
        self.transport, self.shells = transport, 0

    @property
    def description(self) -> str:
        return self.transport.description

    def root_shell(self, script: str) -> Channel:
        self.shells += 1
        return self.transport.root_shell(script)

    def shell(self, script: str) -> Channel:
        return self.transport.shell(script)

    def close(self) -> None:
        self.transport.close()


@pytest.fixture
def counted(path_of: str, monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setenv("PATH", path_of)
    return Counted(bare_transport(Host(name="local"), ConnectOptions(), Silent()))


@pytest.fixture
def lasting(counted: Counted) -> Iterator[Lasting]:
    transport = Lasting(counted)
    yield transport
    transport.close()


def finish(channel: Channel) -> tuple[bytes, int]:
    output = b""
    while data := channel.read(LIMIT):
        output += data
    status = channel.status()
    channel.close()
    return output, status


def test_scripts_share_a_shell_and_nothing_else(lasting: Lasting, counted: Counted) -> None:
    first = finish(lasting.root_shell("x=1; cd /; trap 'echo bye' EXIT; echo $$; exit 3"))
    second = finish(lasting.root_shell('echo $$; echo "${x-none}"; printf "no line break"; exit 4'))
    pid = first[0].split()[0]
    assert first == (pid + b"\nbye\n", 3)
    assert second == (pid + b"\nnone\nno line break", 4)
    assert counted.shells == 1


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", (b"", 0)),
        ("# nothing but words", (b"", 0)),
        ("no-such-command-here", (b"", 127)),
        ("{ echo ran; if; }", (b"", 2)),
        ("main() {\n cat <<'E'\nline 'one'\n  $two\nE\n return 7\n}\nmain </dev/null", (b"line 'one'\n  $two\n", 7)),
        (r"printf '\377\000\303'", (b"\xff\x00\xc3", 0)),
        ("yes é | head -c 300000 & yes é | head -c 300000 >&2 & wait; exit 3", ("é\n".encode() * 100_000, 3)),
        (f"{': ' + 'x' * 200}\n" * 4000 + "echo end", (b"end\n", 0)),
    ],
)  # fmt: skip
def test_each_script_has_its_own_output_and_status(
    lasting: Lasting, script: str, expected: tuple[bytes, int]
) -> None:
    asked = [finish(lasting.root_shell(script)) for _ in range(2)]
    if script.startswith("{ echo"):  # a syntax error ends the shell itself
        assert [status for _, status in asked] == [2, 2]
        assert all(output == b"" for output, _ in asked)
    else:
        assert asked == [expected, expected]


def test_errors_are_those_of_the_script(lasting: Lasting) -> None:
    for word in ("one", "two"):
        channel = lasting.root_shell(f"echo {word} >&2; echo out")
        assert channel.read(LIMIT) == b"out\n"
        finish(channel)
        assert channel.errors() in (f"{word}\n", "")  # another stream: it may come later


def test_a_script_that_goes_on_keeps_its_shell(lasting: Lasting, counted: Counted) -> None:
    follower = lasting.root_shell("echo up; cat; echo never read")
    assert follower.read(LIMIT) == b"up\n"
    assert finish(lasting.root_shell("echo beside")) == (b"beside\n", 0)
    follower.close()
    assert finish(lasting.root_shell("echo after")) == (b"after\n", 0)
    assert counted.shells == 2


def test_a_shell_that_was_killed_is_followed_by_another(lasting: Lasting, counted: Counted) -> None:
    assert finish(lasting.root_shell("echo one"))[0] == b"one\n"
    assert finish(lasting.root_shell("kill -KILL $$"))[1] == 137
    assert finish(lasting.root_shell("echo two"))[0] == b"two\n"
    assert counted.shells == 2


def test_a_lost_connection_is_made_again() -> None:
    lost = Lost([b"one\n"])
    transport = FakeTransport([lost.marked, FakeChannel([b"two\n"])])
    lasting = Lasting(transport)
    assert finish(lasting.root_shell("echo one")) == (b"one\n", 0)
    assert finish(lasting.root_shell("echo two"))[0] == b"two\n"
    assert lost.closed


class Lost(FakeChannel):
    """Ends its first script well, and takes no other."""

    def marked(self, script: str) -> FakeChannel:
        mark = script.rsplit("\n(eval", 1)[1].split("echo ")[1].split(maxsplit=1)[0]
        # In pieces: the mark may come in two.
        self._chunks += [f"{mark[:7]}".encode(), f"{mark[7:]} ".encode(), b"0", b"\n"]
        return self

    def write(self, data: bytes) -> None:
        raise UnreachableError("the connection was lost")


def test_lines_come_at_once(lasting: Lasting) -> None:
    channel = lasting.root_shell("echo first; cat")
    assert channel.read(LIMIT) == b"first\n"
    with pytest.raises(TimeoutError):
        channel.read(0.05)
    channel.close()


def test_closing_ends_the_waiting_shell(counted: Counted) -> None:
    lasting = Lasting(counted)
    pid = int(finish(lasting.root_shell("echo $$"))[0])
    lasting.close()
    until = time.monotonic() + LIMIT
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
