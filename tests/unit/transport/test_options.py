"""Secrets do not show, are not copied, and tell each other apart."""

from __future__ import annotations

import copy
import logging
import pickle
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from dockwright.errors import UnreachableError
from dockwright.models import Host
from dockwright.transport import ConnectOptions, Secret, Silent
from dockwright.transport.password import SudoPassword

WORD = "correct horse"


def test_a_secret_shows_itself_only_when_asked(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(WORD)
    logging.getLogger("x").warning("%s %r", secret, [secret])
    shown = f"{secret} {secret!r} {[secret]} {caplog.text}"
    assert WORD not in shown
    assert "***" in shown
    assert secret.reveal() == WORD
    assert not hasattr(secret, "__dict__")


def test_a_secret_leaves_its_process_by_no_pickle() -> None:
    with pytest.raises(TypeError, match="does not leave"):
        pickle.dumps(Secret(WORD))
    secret = Secret(WORD)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise RuntimeError(secret)

    try:
        fail(Secret(WORD))
    except RuntimeError as error:
        text = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    assert "correct horse" not in text.replace(f"WORD = '{WORD}'", "")


def test_secrets_compare_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"


@pytest.mark.parametrize("text", ["a\nb", "a\r", "a\0"])
def test_a_password_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Secret(text)


def test_nobody_answers_in_a_silent_run() -> None:
    asker, host = Silent(), Host(name="h", address="h")
    assert asker.host_key("h", "SHA256:x", "ssh-ed25519") is False
    assert asker.sudo_password(host) is None
    assert asker.passphrase(Path("k")) is None
    assert asker.password(host) is None


def test_an_empty_source_leaves_the_question_to_the_asker() -> None:
    options = ConnectOptions(sudo_password_source=lambda: None)
    with pytest.raises(UnreachableError, match="sudo on h wants a password"):
        SudoPassword(Host(name="h", address="h"), options, Silent())()


CORE = """
import ctypes, os, resource, sys
from dockwright.transport.options import Secret
held = Secret(sys.stdin.readline().strip()) if sys.argv[1] == "held" else None
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)  # PR_GET_DUMPABLE
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
os.abort()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
@pytest.mark.parametrize(("which", "dumpable"), [("none", 1), ("held", 0)])
def test_x09_a_process_that_holds_a_secret_leaves_no_core(
    tmp_path: Path, which: str, dumpable: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CORE, which],
        input="c4n4ry\n",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGABRT, f"{dumpable}\n"), done.stderr
    if not dumpable:
        assert list(tmp_path.glob("core*")) == []
