"""The parts that need no console: text, log, tally."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TextIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwright import events as ev
from dockwright.errors import Exit, InputError
from dockwright.events import Event, Outcome
from dockwright.report import REPORTERS, Output
from dockwright.report.jsonl import JsonlReporter
from dockwright.report.tally import exit_code, tally
from dockwright.report.text import (
    apply_command,
    clean,
    clean_lines,
    duration,
    masked,
    plural,
    short_version,
    size,
)
from tests.unit.report import samples

# --- text -------------------------------------------------------------------------------------


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_clean_text_is_printable(text: str) -> None:
    assert clean(text).isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1bP1$tx\x1b\\after", "after"),
        ("\x1b]0;never ends", ""),
        ("\x1b(0lines\x1bc", "lines"),
        ("\x9b2Jc1", "c1"),
        ("a\tb\nc\u00a0d", "a b c d"),
        ("a\u202eb\u200bc\ufeffd\x7fe\udc80f", "abcdef"),
        ("x" * 700, "x" * 599 + "…"),
        ("ok ✓ ü 漢", "ok ✓ ü 漢"),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize("text", [
    "\x1b" * 10**6, "A" * 10**6, "://" * 300_000, "http://u:" + "p" * 10**6 + "@h", "\x9d" * 10**6,
    "@://" * 250_000, '\\"' * 500_000,
])  # fmt: skip
def test_clean_of_much_takes_little_time(text: str) -> None:
    began = time.monotonic()
    assert len(clean(text)) <= 600
    assert len(clean_lines(text, 20)) <= 20
    masked(text)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("password", [
    "hunter2", "hun:ter2", "hun@ter2", "hun%40ter2", "hun/ter2", "hun?ter2", "hun#ter2", "hun'ter2",
    "hun$ter2", "hun\\ter2", "h%75nter2", "hun&ter2;x", "hun=ter2", "hun[1]ter2", "hun|ter2",
    "hün-ter2", "hun\x1b[1mter2", "<hunter2>", "hunter2:80", "hun,ter2", "(hunter2)",
])  # fmt: skip
def test_credentials_are_masked(password: str) -> None:
    for around, scheme in itertools.product(_AROUND, ("http://", "https:\\/\\/", "socks5h://")):
        text = around.replace("{}", f"{scheme}user:{password}@proxy:3128/x")
        assert "ter2" not in clean(text), text
        assert "user" not in clean(text), text
        assert "***@" in clean(text), text


_AROUND = [
    "{}", "proxy={}", '"http-proxy": "{}"', "'{}'", "<{}>", "see {} for more", "{},http://other:80/",
    "http_proxy={};export", r'\"{}\"',
]  # fmt: skip


@pytest.mark.parametrize("text", [
    "https://download.docker.com/linux/ubuntu", "ubuntu@10.0.0.11", "https://h:443/path@1.2",
    "https://host/a/b@sha256:00", "docker@1 https://h/", "image@sha256:0011",
])  # fmt: skip
def test_what_is_no_credential_stays(text: str) -> None:
    assert masked(text) == text


def test_a_cut_never_leaves_half_a_password() -> None:
    text = "x " * 8_180 + "http://user:hunter2" + "2" * 100 + "@proxy"
    assert "hunter" not in clean(text, 100_000)


def test_lines() -> None:
    assert clean_lines("a\r\n  b\rc\n\n") == ["a", "  b", "c"]
    assert clean_lines("\tx\n" + "y\n" * 50, 3, tail=True) == ["y", "y", "y"]
    assert clean_lines("\tx\ny", 1) == ["    x"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (6, "6.0 s"), (59.96, "1 min 00 s"), (72, "1 min 12 s"),
     (7500, "2 h 05 min"), (-1, "0.0 s"), (float("nan"), "0.0 s"), (1e300, "0.0 s")],
)  # fmt: skip
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (146_200_000, "146 MB"), (999_600, "1.0 MB"),
     (5.1e9, "5.1 GB"), (2e12, "2000 GB")],
)  # fmt: skip
def test_size(count: float, expected: str) -> None:
    assert size(count) == expected


@pytest.mark.parametrize(
    ("version", "other", "expected"),
    [
        ("5:29.7.2-1~ubuntu.24.04~noble", None, "5:29.7.2"),
        ("5:20.10.24~3-0~ubuntu-jammy", None, "5:20.10.24~3"),
        ("5:29.0.0~rc.1-1~debian.13~trixie", None, "5:29.0.0~rc.1"),
        ("26.1.5+dfsg1-9+b11", None, "26.1.5"),
        ("1.7.24~ds1-6+b5", None, "1.7.24"),
        ("1.18.0-1", None, "1.18.0"),
        ("29", None, "29"),
        ("1.0-1", "1.0-2", "1.0-1"),
        ("1.0-1", "1.0-1", "1.0"),
        ("1.0-1", "1.1-1", "1.0"),
    ],
)
def test_short_version(version: str, other: str | None, expected: str) -> None:
    assert short_version(version, other) == expected


def test_commands_can_be_pasted() -> None:
    assert apply_command("docker", ["web1"]) == "dockwright install web1"
    assert apply_command("my site.yaml", ["a;b"]) == "dockwright apply 'my site.yaml' 'a;b'"
    assert plural(1, "host") == "1 host"
    assert plural(2, "process", "processes") == "2 processes"


# --- log --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("run", [samples.install, samples.broken, samples.fleet, samples.hostile])
def test_a_log_reads_back_to_the_same_tally(run: Any) -> None:
    events: list[Event] = run()
    stream = io.StringIO()
    reporter = REPORTERS["jsonl"](Output(stream))
    for event in events:
        reporter(event)
    reporter.close()
    reporter(events[0])  # after the end: nothing
    text = stream.getvalue()
    assert text.isascii()
    assert "hunter2" not in text
    assert "swordfish" not in text
    back = [ev.parse(line) for line in text.splitlines()]
    assert len(back) == len(events)
    assert exit_code(tally(back).values()) == exit_code(tally(events).values())
    assert [event.event for event in back] == [event.event for event in events]


def test_a_log_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("old\n")
    path.chmod(0o644)
    reporter = JsonlReporter.to_file(path)
    reporter(samples.install()[0])
    assert json.loads(path.read_text())["event"] == "run_started"  # at once
    reporter.close()
    reporter.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_device_keeps_its_mode() -> None:
    before = Path(os.devnull).stat().st_mode
    JsonlReporter.to_file(Path(os.devnull)).close()
    assert Path(os.devnull).stat().st_mode == before


def test_a_full_disk_ends_the_log_and_not_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there of the log are whole events, and people are told where the rest is."""
    reporter = JsonlReporter.to_file(Path("/dev/full"))
    for event in samples.install():
        reporter(event)
    reporter.close()
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("the log ends here: No space left on device; the run goes on")

    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
    body = (
        "import sys; from pathlib import Path\n"
        "from dockwright.report.jsonl import JsonlReporter; from tests.unit.report import samples\n"
        f"{limit}r = JsonlReporter.to_file(Path(sys.argv[1]))\n"
        "for event in samples.install(): r(event)\nr.close()\n"
    )
    log = tmp_path / "log"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", body, log], cwd=root, capture_output=True, text=True, check=True
    )
    assert "the log ends here: File too large" in done.stderr
    found = [ev.parse(line).event for line in log.read_text().splitlines()]
    assert found == [event.event for event in samples.install()[: len(found)]]
    assert 0 < len(found) < len(samples.install())


def test_a_log_is_one_run_s(tmp_path: Path) -> None:
    """Two runs at once never mix their lines; the second is told before any contact."""
    log = tmp_path / "log"
    first = JsonlReporter.to_file(log)
    first(samples.install()[0])
    with pytest.raises(InputError, match="another run writes that log"):
        JsonlReporter.to_file(log)
    first.close()
    assert len(log.read_text().splitlines()) == 1
    JsonlReporter.to_file(log).close()
    assert log.read_text() == ""


def test_parents_of_a_log_are_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file") as caught:
        JsonlReporter.to_file(tmp_path / "no" / "run.jsonl")
    assert caught.value.next_step


def test_a_reader_of_the_log_that_goes_away_ends_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        reporter = JsonlReporter(stream)
        for event in samples.install():
            reporter(event)
        reporter.close()

    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    JsonlReporter(cast("TextIO", Broken()))(samples.install()[0])


def test_json_runs_without_rich() -> None:
    code = (
        "import sys, dockwright.report.tally; from dockwright.report import REPORTERS, Output\n"
        "REPORTERS['jsonl'](Output(sys.stdout)).close()\n"
        "assert 'rich' not in sys.modules\n"
        "import dockwright.report.console; assert 'rich.live' not in sys.modules"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


# --- tally ------------------------------------------------------------------------------------


def code(*runs: list[Event], detailed: bool = False) -> Exit:
    return exit_code(tally(samples.interleaved(*runs)).values(), detailed=detailed)


def test_exit_codes() -> None:
    assert code() is Exit.OK
    assert code(samples.install()) is Exit.OK
    assert code(samples.untrusted()) is Exit.TRUST
    assert code(samples.fleet()) is Exit.FAILED
    assert code(samples.install()[:-1]) is Exit.FAILED  # a log that was cut
    assert code(samples.untrusted()[:-1]) is Exit.TRUST
    assert code(samples.Play().end(Exit.INTERRUPTED).events, samples.broken("b")) == 130
    contradictory = samples.untrusted()[:-1] + samples.Play().end().events[-1:]
    assert code(contradictory) is Exit.TRUST


def test_detailed_exit_codes() -> None:
    assert code(samples.install(), detailed=True) is Exit.CHANGED
    assert code(samples.plan_only(), detailed=True) is Exit.CHANGED  # it would
    assert code(samples.converged(), detailed=True) is Exit.OK
    assert code(samples.converged("a"), samples.install("b"), detailed=True) is Exit.CHANGED
    assert code(samples.untrusted("a"), samples.install("b"), detailed=True) is Exit.TRUST


def test_the_tally_of_a_host() -> None:
    one = tally(samples.install())["web1"]
    assert (one.command, one.playbook, one.changed, one.same) == ("install", "docker", 9, 3)
    assert one.program
    assert one.planned
    assert one.committed
    assert one.finished
    assert one.count(Outcome.VERIFIED) == 1
    cut = tally(samples.install()[:-1])["web1"]
    assert (cut.changed, cut.same, cut.finished) == (3, 1, False)
    assert list(tally(samples.fleet())) == ["web1", "web2", "web3", "web4"]


def test_a_second_run_of_a_host_starts_anew() -> None:
    again = tally(samples.untrusted() + samples.converged())["web1"]
    assert (again.code, again.failure) == (Exit.OK, None)
