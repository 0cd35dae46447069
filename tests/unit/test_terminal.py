"""What is asked on a terminal, and what counts as an answer."""

from __future__ import annotations

import getpass
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockwright.cli import terminal
from dockwright.cli.terminal import Terminal, password_source
from dockwright.errors import InputError
from dockwright.models import Host
from dockwright.transport import Secret

WEB1, WEB2 = Host(name="web1", address="web1"), Host(name="web2", address="web2")


class Paused:
    """Counts how often the display made room for a question."""

    def __init__(self) -> None:
        self.times = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.times += 1
        yield


@pytest.fixture
def paused() -> Paused:
    return Paused()


@pytest.fixture
def asked(paused: Paused) -> Terminal:
    return Terminal(paused)


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def passwords(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """Answers ``getpass`` in order; gives the list of what was asked."""
    prompts: list[str] = []
    left = list(words)

    def answer(prompt: str, stream: object = None) -> str:
        assert stream is sys.stderr
        prompts.append(prompt)
        if not left:
            raise EOFError
        return left.pop(0)

    monkeypatch.setattr(getpass, "getpass", answer)
    return prompts


@pytest.mark.parametrize(
    ("typed", "agreed"),
    [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False), ("yep\n", False)],
)
def test_only_a_yes_is_a_yes(
    asked: Terminal, paused: Paused, monkeypatch: pytest.MonkeyPatch, typed: str, *, agreed: bool
) -> None:
    type_in(monkeypatch, typed)
    assert asked.confirm("Apply this?") is agreed
    assert paused.times == 1


@pytest.mark.parametrize(
    ("typed", "trusted"),
    [("yes\n", True), ("SHA256:abc\n", True), ("y\n", False), ("sha256:abc\n", False), ("", False)],
)
def test_a_host_key_needs_a_whole_yes_or_its_fingerprint(
    asked: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    *,
    trusted: bool,
) -> None:
    type_in(monkeypatch, typed)
    assert asked.host_key("web1", "SHA256:abc", "ED25519") is trusted
    said = capsys.readouterr().err
    assert "The authenticity of host 'web1' can't be established." in said
    assert "ED25519 key fingerprint is SHA256:abc." in said


def test_the_sudo_password_is_asked_for_once_a_run(
    asked: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = passwords(monkeypatch, "hunter2")
    first, second = asked.sudo_password(WEB1), asked.sudo_password(WEB2)
    assert first is second
    assert prompts == ["sudo password on web1: "]


def test_other_secrets_are_asked_for_each_time(
    asked: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = passwords(monkeypatch, "one", "two")
    assert asked.passphrase(Path("/k")) is not None
    assert asked.password(WEB1) is not None
    assert asked.password(WEB1) is None  # the end of input is no password
    assert prompts == ["passphrase of /k: ", "password on web1: ", "password on web1: "]


def test_an_empty_password_is_none(asked: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords(monkeypatch, "")
    assert asked.sudo_password(WEB1) is None


def revealed(secret: Secret | None) -> str:
    assert secret is not None
    return secret.reveal()


def test_a_password_comes_from_the_first_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2 \nmore\n")
    source = password_source(str(file), ask_now=False)
    file.unlink()  # read once, before any contact
    assert source is not None
    assert revealed(source()) == "hunter2 "


def test_a_file_may_have_lines_of_another_system(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"hunter2\r\n")
    source = password_source(str(file), ask_now=False)
    assert source is not None
    assert revealed(source()) == "hunter2"


def test_a_password_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "hunter2\nrest\n")
    source = password_source("-", ask_now=False)
    assert source is not None
    assert revealed(source()) == "hunter2"
    assert sys.stdin.readline() == "rest\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no password in its first line"),
        (b"\nx", "no password"),
        (b"\xff\xfe", "it is not text"),
        (b"a\0b\n", "no password"),
    ],
)
def test_a_file_without_a_password_is_input_that_is_wrong(
    tmp_path: Path, content: bytes, why: str
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(InputError, match=why):
        password_source(str(file), ask_now=False)


def test_a_password_is_asked_for_before_any_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "interactive", lambda: True)
    prompts = passwords(monkeypatch, "hunter2")
    source = password_source(None, ask_now=True)
    assert source is not None
    assert revealed(source()) == revealed(source()) == "hunter2"
    assert prompts == ["sudo password: "]


def test_nobody_is_asked_where_nobody_wants_it() -> None:
    assert password_source(None, ask_now=False) is None


def test_a_pipe_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "")
    assert not terminal.interactive()
