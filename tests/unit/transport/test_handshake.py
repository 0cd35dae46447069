"""The way to root, without a host: what is sent, when, and what is said where it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dockwright.errors import UnreachableError
from dockwright.transport import options, root
from dockwright.transport.options import Secret
from dockwright.transport.refusal import printable
from dockwright.transport.root import Handshake, become_root

State = Handshake.State
PASSWORD = Secret("hunter2")


class Fed:
    """A wire that gives prepared chunks, and remembers what was written."""

    def __init__(self, *chunks: bytes | Callable[[Fed], bytes], status: int = 0) -> None:
        self.chunks = list(chunks)
        self.written: list[bytes] = []
        self.stderr = ""
        self.closed = False
        self._status = status

    def read(self, timeout: float) -> bytes:
        if not self.chunks:
            return b""
        chunk = self.chunks.pop(0)
        if callable(chunk):
            return chunk(self)
        if chunk == b"...":
            raise TimeoutError
        return chunk

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def status(self) -> int:
        return self._status

    def errors(self) -> str:
        return self.stderr

    def close(self) -> None:
        self.closed = True


def asks(text: str) -> Callable[[], Secret]:
    return lambda: Secret(text)


def never() -> Secret:
    raise AssertionError("the password was asked for")


def lines(handshake: Handshake) -> dict[str, bytes]:
    nonce = handshake._nonce
    return {
        "ready": f"\nREADY {nonce} root\n".encode(),
        "free": f"\nREADY {nonce} free\n".encode(),
        "asked": f"\nREADY {nonce} asked\n".encode(),
        "password": f"\nPASSWORD {nonce}\n".encode(),
        "nosudo": f"\nNOSUDO {nonce}\n".encode(),
    }


def says(wire: Fed, text: str) -> Callable[[Fed], bytes]:
    """Standard error gets ``text``; standard output stays silent."""

    def speak(fed: Fed) -> bytes:
        fed.stderr += text
        raise TimeoutError

    return speak


def test_root_gets_marker_and_script_and_is_asked_nothing() -> None:
    shake = Handshake()
    wire = Fed(lines(shake)["ready"] + b"early")
    channel, how = become_root(wire, shake, "echo hi", never, "root@h")
    assert how == ""
    assert wire.written == [shake.answer("echo hi")]
    assert channel.read(1) == b"early"
    assert channel.read(1) == b""
    assert channel.status() == 0


def test_the_way_through_sudo_is_told() -> None:
    shake = Handshake()
    _, how = become_root(Fed(lines(shake)["free"]), shake, "", never, "u@h")
    assert how == "sudo without password"


def test_the_password_is_sent_once_after_the_host_asked_for_it_by_nonce() -> None:
    shake = Handshake()
    wire = Fed(lines(shake)["password"], lines(shake)["asked"])
    _, how = become_root(wire, shake, "true", asks("hunter2"), "u@h")
    assert how == "sudo with password"
    assert wire.written == [b"\nhunter2\n", shake.answer("true")]


@pytest.mark.parametrize(
    "prompt",
    [
        b"[sudo] password for root: ",
        b"[sudo: authenticate] Password: ",
        b"PASSWORD 0123456789abcdef0123456789abcdef\n",
        b"PASSWORD\n",
        b"READY 0123456789abcdef0123456789abcdef root\n",
        b"READY\n",
        b"\xff\xfe\x00\n",
    ],
)
def test_a_look_alike_gets_nothing(prompt: bytes) -> None:
    shake = Handshake()
    wire = Fed(prompt, b"\n", status=1)
    with pytest.raises(UnreachableError, match="ran nothing of ours"):
        become_root(wire, shake, "true", never, "u@h")
    assert wire.written == []
    assert wire.closed


def test_words_around_the_nonce_do_not_count() -> None:
    shake = Handshake()
    nonce = shake._nonce
    for text in (f"echo PASSWORD {nonce}\n", f"PASSWORD {nonce} \n", f"READY {nonce} king\n"):
        assert shake.feed(text.encode()) is State.WAITING


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_answers_are_found_however_they_are_cut(size: int) -> None:
    shake = Handshake()
    text = "Grüße!\nno newline".encode() + lines(shake)["ready"] + b"rest\nof it"
    for at in range(0, len(text), size):
        shake.feed(text[at : at + size])
    assert shake.state is State.READY
    assert shake.rest == b"rest\nof it"
    assert shake.noise == "Grüße!\nno newline"


def test_no_sudo_has_its_own_text() -> None:
    shake = Handshake()
    with pytest.raises(UnreachableError, match="not root, and the host has no sudo"):
        become_root(Fed(lines(shake)["nosudo"], status=96), shake, "", never, "u@h")


def test_a_second_prompt_means_a_wrong_password_and_ends_at_once() -> None:
    shake = Handshake()
    ask = f"ASK {shake._nonce} "
    wire = Fed(lines(shake)["password"], b"...")
    wire.chunks += [says(wire, ask), says(wire, f"Lo siento.\n{ask}"), b"never read"]
    with pytest.raises(UnreachableError, match="sudo: the password was refused for u@h"):
        become_root(wire, shake, "true", asks("wrong"), "u@h")
    assert wire.written == [b"\nwrong\n"]
    assert wire.closed
    assert wire.chunks == [b"never read"]


def test_a_refused_password_is_tried_on_no_other_host() -> None:
    first, second = Handshake(), Handshake()
    wire = Fed(lines(first)["password"])
    with pytest.raises(UnreachableError, match="refused for u@one"):
        become_root(wire, first, "", asks("wrong"), "u@one")
    wire = Fed(lines(second)["password"], b"...")
    with pytest.raises(UnreachableError, match="u@one refused the same password"):
        become_root(wire, second, "", asks("wrong"), "u@two")
    assert wire.written == []


def test_hosts_wait_for_the_first_verdict_on_a_password() -> None:
    """Thirty hosts at once must not mean thirty refusals."""
    released = threading.Event()
    first, second = Handshake(), Handshake()
    slow = Fed(lines(first)["password"], lambda _: b"" if released.wait(5) else b"?", status=1)
    other = Fed(lines(second)["password"])
    failures: list[str] = []

    def run(wire: Fed, shake: Handshake, who: str) -> None:
        try:
            become_root(wire, shake, "", asks("wrong"), who)
        except UnreachableError as error:
            failures.append(error.brief)

    threads = [threading.Thread(target=run, args=(slow, first, "u@one"))]
    threads[0].start()
    while not slow.written:
        time.sleep(0.001)
    threads.append(threading.Thread(target=run, args=(other, second, "u@two")))
    threads[1].start()
    time.sleep(0.02)
    assert other.written == []
    released.set()
    for thread in threads:
        thread.join(5)
    assert other.written == []
    assert "not tried for u@two" in failures[1]


def test_a_password_that_one_host_took_waits_no_more() -> None:
    for name in ("one", "two"):
        shake = Handshake()
        wire = Fed(lines(shake)["password"], lines(shake)["asked"])
        become_root(wire, shake, "", asks("right"), f"u@{name}")
    assert options.TRIALS.turn(Secret("right")) is None


@pytest.mark.parametrize(
    ("said", "brief"),
    [
        ("plain is not in the sudoers file.", "not allowed to use sudo"),
        ("sudo: I'm sorry plain. I'm afraid I can't do that", "not allowed to use sudo"),
        (
            "Sorry, user u is not allowed to execute '/usr/bin/sh -c x' as root on h.",
            "not to run sh as root",
        ),
        ("sudo: sorry, you must have a tty to run sudo", "requiretty"),
        ("sudo: Account expired or PAM config lacks an account section", "expired or locked"),
        ("sudo: 1 incorrect password attempt", "the password was refused"),
        ("", "the password was refused"),
    ],
)
def test_refusals_of_sudo_are_told_apart(said: str, brief: str) -> None:
    shake = Handshake()
    wire = Fed(lines(shake)["password"], status=1)
    wire.stderr = f"ASK {shake._nonce} {said}"
    with pytest.raises(UnreachableError, match=brief) as caught:
        become_root(wire, shake, "", asks("x"), "u@h")
    assert all(shake._nonce not in text for _, text in caught.value.details)
    assert caught.value.next_step


def test_a_refusal_that_is_not_about_the_password_does_not_burn_it() -> None:
    shake = Handshake()
    wire = Fed(lines(shake)["password"], status=1)
    wire.stderr = "u is not in the sudoers file."
    with pytest.raises(UnreachableError):
        become_root(wire, shake, "", asks("x"), "u@h")
    assert options.TRIALS.refused_by(Secret("x")) is None


def test_sudo_without_a_verdict_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "SUDO_LIMIT", 0.0)
    shake = Handshake()
    wire = Fed(lines(shake)["password"], b"...")
    with pytest.raises(UnreachableError, match="no verdict on the password"):
        become_root(wire, shake, "", asks("x"), "u@h")
    assert options.TRIALS.refused_by(Secret("x")) is None


def test_a_shell_that_does_not_come_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "START_LIMIT", 0.0)
    with pytest.raises(UnreachableError, match="no shell within 0 s") as caught:
        become_root(Fed(b"Welcome\n"), Handshake(), "", never, "u@h")
    assert caught.value.details == (("the host says", "Welcome"),)


def test_output_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "NOISE_LIMIT", 100_000)
    wire = Fed(*[b"y\n" * 32768] * 17)
    with pytest.raises(UnreachableError, match="printed without end") as caught:
        become_root(wire, Handshake(), "", never, "u@h")
    assert len(caught.value.details[0][1]) <= 1000
    assert len(wire.chunks) == 15


def test_a_line_without_end_is_forgotten_but_its_tail() -> None:
    shake = Handshake()
    shake.feed(b"x" * 200_000)
    assert shake.feed(lines(shake)["ready"]) is State.READY
    assert 0 < len(shake.noise) <= 1000


@pytest.mark.parametrize("said", [b"This account is currently not available.\n", b""])
def test_a_login_that_is_none_is_named(said: bytes) -> None:
    with pytest.raises(UnreachableError, match="no login shell"):
        become_root(Fed(said, status=1), Handshake(), "", never, "u@h")


def test_what_came_before_is_not_among_the_errors_of_the_script() -> None:
    shake = Handshake()
    wire = Fed(lines(shake)["ready"])
    wire.stderr = "rc file: no such command\n"
    channel, _ = become_root(wire, shake, "", never, "u@h")
    wire.stderr += "E: oops\n"
    assert channel.errors() == "E: oops\n"
    channel.close()
    assert wire.closed


def test_messages_carry_no_escape_sequences() -> None:
    assert printable("\x1b[31mred\x1b[0m\r\n\x07bell\x1b]0;title\x07") == "red\n�bell�]0;title�"


def test_no_secret_is_in_the_command_and_nothing_needs_escaping() -> None:
    command = Handshake().command()
    inner = command.replace("exec sh '-c' ", "")
    for character in ("\\", "!", "\n", "`"):
        assert character not in command
    assert inner.count("'") == 6
    assert Handshake().command() != command


SHELLS = ["sh", "dash", "bash", "zsh", "ksh", "mksh", "fish", "tcsh", "csh", "busybox"]


@pytest.mark.parametrize("needs_root", [True, False])
@pytest.mark.parametrize("shell", SHELLS)
def test_login_shells_read_the_command_alike(shell: str, *, needs_root: bool) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    shake = Handshake(needs_root=needs_root)
    # Whoever runs this: the first answer is of one of these kinds.
    words = [found, "sh"] if shell == "busybox" else [found]
    done = subprocess.run(
        [*words, "-c", shake.command()], input=b"", capture_output=True, timeout=20, check=False
    )
    assert shake.feed(done.stdout) is not State.WAITING, done


def test_a_script_that_came_in_part_is_not_run() -> None:
    shake = Handshake()
    answer = shake.answer("echo ran\n" * 3)
    around, inner = shake.arguments()[-2:]
    for cut in (len(answer), len(answer) - 5, len(answer) - 40):
        done = subprocess.run(
            ["sh", "-c", around, "sh", inner, "root"],
            input=answer[:cut],
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert done.stdout.count(b"ran\n") == (3 if cut == len(answer) else 0)
        assert done.returncode == (0 if cut == len(answer) else 97)


def test_stray_lines_before_the_marker_are_swallowed() -> None:
    shake = Handshake()
    around, inner = shake.arguments()[-2:]
    done = subprocess.run(
        ["sh", "-c", around, "sh", inner, "root"],
        input=b"a stray password\n\\\n" + shake.answer("cat; kill -9 $$"),
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == f"\nREADY {shake._nonce} root\n".encode()
    assert b"stray" not in done.stderr
    assert done.returncode == 137


SUDO = """#!/bin/sh
# Stands in for sudo(8): free runs what comes behind its options, else it wants a password.
echo "$*" | cut -c1-8 >>"$0.log"
case $1 in
  -n) [ -e "$0.free" ] || { echo "sudo: a password is required" >&2; exit 1; }; shift ;;
  *) printf "%s" "$4" >&2; read -r _; shift 4 ;;
esac
exec "$@"
"""


@pytest.fixture
def sudo(tmp_path: Path) -> Path:
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "sudo").write_text(SUDO)
    for name in ("id", "sudo"):
        (tmp_path / name).chmod(0o755)
    return tmp_path / "sudo"


def by_sudo(sudo: Path, shake: Handshake, given: bytes) -> subprocess.CompletedProcess[bytes]:
    path = f"{sudo.parent}:{os.environ['PATH']}"
    argv = ["sh", "-c", shake.command()]
    return subprocess.run(
        argv, input=given, capture_output=True, env={"PATH": path}, timeout=20, check=False
    )


@pytest.mark.parametrize("status", [0, 1, 2, 93, 97, 137])
def test_where_sudo_is_free_it_is_called_once_and_the_status_is_the_scripts(
    sudo: Path, status: int
) -> None:
    Path(f"{sudo}.free").touch()
    shake = Handshake()
    end = "kill -9 $$" if status == 137 else f"exit {status}"
    done = by_sudo(sudo, shake, shake.answer(f"echo ran; {end}"))
    assert done.stdout == f"\nREADY {shake._nonce} free\nran\n".encode()
    # 93 says 1 outside: no script of ours ends with it.
    assert done.returncode == (1 if status == 93 else status)
    assert Path(f"{sudo}.log").read_text().splitlines() == ["-n sh -c"]


@pytest.mark.parametrize("status", [0, 1, 7])
def test_where_sudo_wants_a_password_what_it_said_before_is_not_the_scripts(
    sudo: Path, status: int
) -> None:
    shake = Handshake()
    answer = shake.answer(f"echo ran; echo oops >&2; exit {status}")
    done = by_sudo(sudo, shake, b"\nhunter2\n" + answer)
    assert f"PASSWORD {shake._nonce}\n\nREADY {shake._nonce} asked\nran\n" in done.stdout.decode()
    assert done.returncode == status
    assert shake.without_prompt(done.stderr.decode()).endswith("oops")
    assert "required" not in shake.without_prompt(done.stderr.decode())
    assert len(Path(f"{sudo}.log").read_text().splitlines()) == 2


def test_without_root_a_refused_sudo_leaves_the_users_own_shell(sudo: Path) -> None:
    shake = Handshake(needs_root=False)
    done = by_sudo(sudo, shake, shake.answer("echo ran"))
    assert done.stdout == f"\nREADY {shake._nonce} user\nran\n".encode()
    assert done.returncode == 0
