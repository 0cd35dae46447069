"""What a probe keeps for its program: taken over, waited for, or taken away; on real shells."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.shell import RUNTIME, Bench, Done

WANTED = "docker-ce=5:29 containerd.io=2"


def run(bench: Bench, body: str, *parts: str) -> Done:
    """Parts of the runtime with the test's folder in the place of /run and /var."""
    texts = "\n".join((RUNTIME / f"{part}.sh").read_text(encoding="utf-8") for part in parts)
    for place in ("/run/dockwright", "/var/lib/apt", "/var/tmp"):
        texts = texts.replace(place, f"{bench.top}{place}")
    head = (
        f"wanted='{WANTED}' sites='vendor.example_dists_noble' private_root='{bench.top}/state'\n"
    )
    return bench.run(f"{texts}\nrun_id=r1\n{head}{body}", "journal", "proxy")


@pytest.fixture
def kept(bench: Bench) -> Path:
    """What the probe left, with packages that are fetched ahead; its ticket has the id p1."""
    private, fetched = bench.top / "run/dockwright-apt.a", bench.top / "var/tmp/dockwright-apt.b"
    for place in (private / "lists", fetched / "partial"):
        place.mkdir(parents=True)
    (private / "simulated").write_text("Inst docker-ce (5:29 Docker)\n")
    (fetched / "docker-ce_29.deb").write_text("a package")
    (bench.top / "run/dockwright-probed.p1").write_text(f"{private} {fetched}\n")
    return private


def test_a_program_takes_over_what_its_probe_kept(bench: Bench, kept: Path) -> None:
    body = """
    claim_kept p1; take_over || exit 9
    echo "$private"; cat "$work"/archives/*.deb; echo; [ "$TMPDIR" = "$work/tmp" ] && echo "${work%.*}"
    claimed=''; claim_kept p1; take_over || echo "only once"; claimed=$private
    finish 0"""
    done = run(bench, body, "apt", "transaction")
    assert done.output.splitlines()[:3] == [str(kept), "a package", f"{bench.top}/state/apt"]
    assert done.output.endswith("only once\n")
    # With the end of the run all of it is gone.
    assert not kept.exists()
    assert list((bench.top / "var/tmp").iterdir()) == []
    assert list((bench.top / "run").glob("dockwright-*")) == []


@pytest.mark.parametrize("spoilt", ["ticket", "simulated"])
def test_what_is_not_whole_is_made_anew(bench: Bench, kept: Path, spoilt: str) -> None:
    (
        kept / "simulated" if spoilt == "simulated" else bench.top / "run/dockwright-probed.p1"
    ).unlink()
    done = run(bench, "claim_kept p1; take_over || echo anew; exit 0", "apt", "transaction")
    assert done.output.splitlines()[-1] == "anew"
    assert kept.exists()  # it goes when the run ends; without a ticket it is somebody else's


def test_a_ticket_that_was_cut_has_nothing_deleted(bench: Bench, kept: Path) -> None:
    """Half a path may be one of the host's own."""
    for body in (
        "claim_kept p1; take_over || echo anew; finish 0",
        "run_id=p1; drop_kept; run_id=r1; finish 0",
    ):
        (bench.top / "run/dockwright-probed.p1").write_text(f"{kept.parent}")
        run(bench, body, "apt", "transaction", "kept")
        assert (kept / "simulated").exists()


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        (f"0 {WANTED}", True),
        (f"0 {WANTED} more=1", False),
        (f"100 {WANTED}", False),
        (None, False),
    ],
    ids=["whole", "of other packages", "failed", "died"],
)
def test_packages_that_were_fetched_ahead(
    bench: Bench, kept: Path, *, told: str | None, taken: bool
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (kept / "fetcher").write_text(f"{gone.pid}\n")
    (kept / "progress").write_text("dlstatus:1:42.0:Retrieving\n")
    if told is not None:
        (kept / "fetched").write_text(f"{told}\n")
    done = run(
        bench,
        "claim_kept p1; take_over && fetched_ahead d && echo taken; exit 0",
        "apt",
        "transaction",
    )
    assert ("taken" in done.output) == taken


def test_packages_that_are_on_their_way_are_waited_for(bench: Bench, kept: Path) -> None:
    (kept / "progress").write_text("dlstatus:1:42.0:Retrieving docker-ce\n")
    body = """
    claim_kept p1; take_over || exit 9
    (while [ ! -e "$private/go" ]; do sleep 0.02; done; echo "0 $wanted" >"$private/fetched") &
    echo "$!" >"$private/fetcher"
    sleep() { command sleep 0.002; turns=$((${turns:-0} + 1)); [ "$turns" -lt 60 ] || : >"$private/go"; }
    fetched_ahead download && echo "taken"
    exit 0"""
    done = run(bench, body, "apt", "transaction")
    assert done.output.splitlines()[-1] == "taken"
    assert done.of("progress") == ["42.0 1 Retrieving docker-ce"]


@pytest.mark.parametrize("end", ["run_id=p1; drop_kept", "claim_kept p1; take_over; finish 3"])
def test_what_is_not_wanted_is_taken_away(bench: Bench, kept: Path, end: str) -> None:
    """The download ends with all that it started, which writes to the last."""
    fetched = bench.top / "var/tmp/dockwright-apt.b"
    method = 'n=0; while [ "$n" -lt 20000 ]; do n=$((n + 1)); : >"$0/partial/$n" || exit; sleep 0.002; done'
    starter = f"sh -c '{method}' \"$1\" & echo started; wait"
    words = ["sh", "-c", starter, str(kept), str(fetched), "--download-only", "install"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as fetcher:
        assert fetcher.stdout
        assert fetcher.stdout.readline() == b"started\n"
        run(bench, f"{end}; exit 0", "apt", "transaction", "kept")
        assert fetcher.wait(60) == -15
    assert [path.name for path in (bench.top / "run").iterdir() if "dockwright" in path.name] == []
    assert list((bench.top / "var/tmp").iterdir()) == []


@contextmanager
def sleeping(*words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with these arguments."""
    with subprocess.Popen(["sh", "-c", "read wait; :", *words], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("name", ["", "/", "/var/lib", "apt.abcdef"])
def test_a_name_that_is_not_ours_ends_nobody(bench: Bench, name: str) -> None:
    with sleeping("/var/lib/apt.abcdef", "--download-only") as other:
        assert bench.run(f"end_downloads '{name}'", "journal").status == 1
        assert other.poll() is None


def test_what_a_killed_run_left_at_work(bench: Bench) -> None:
    """Its download is ended, its directory goes; who changes packages goes on, and has his."""
    fetching, changing = (
        bench.top / "state/dockwright" / f"apt.{name}" for name in ("aaaaaa", "bbbbbb")
    )
    fetched = bench.top / "var/tmp/dockwright-apt.c"
    for place in (fetching, changing, fetched):
        place.mkdir(parents=True)
    (fetching / "archives").symlink_to(fetched)
    body = 'state="$state/dockwright"; sweep; exit 0'
    with (
        sleeping(f"Dir::Cache={fetching}/cache", "--download-only", "install") as download,
        sleeping(f"Dir::Cache={changing}/cache", "--no-download", "install") as other,
    ):
        run(bench, body, "start")
        assert download.wait(60) == -15
        assert other.poll() is None
        assert [path.exists() for path in (fetching, fetched, changing)] == [False, False, True]
    run(bench, body, "start")
    assert not changing.exists()


def test_what_is_still_written_to_goes_in_the_end(bench: Bench) -> None:
    """Who was killed a moment ago leaves children that write a little longer."""
    place = bench.top / "state/apt.abcdef"
    place.mkdir(parents=True)
    body = """
    rm() { command rm "$@"; turns=$((${turns:-0} + 1)); [ "$turns" -gt 3 ] || { mkdir -p "$state/apt.abcdef"; return 1; }; }
    sleep() { echo waits; }
    events=$run/ev
    tell() { :; }
    flock() { :; }
    sweep() { :; }
    private=$state/apt.abcdef
    finish 3"""
    done = bench.run(body, "journal")
    assert done.status == 3
    assert done.output.splitlines() == ["waits"] * 3
    assert not place.exists()


def test_a_ticket_that_is_taken_is_not_dropped(bench: Bench, kept: Path) -> None:
    (bench.top / "run/dockwright-probed.p1").rename(bench.top / "run/dockwright-probed.p1.taken")
    run(bench, "run_id=p1; drop_kept; exit 0", "kept")
    assert (kept / "simulated").exists()


def test_verified_lists_become_the_hosts_own(bench: Bench) -> None:
    lists, private = bench.top / "var/lib/apt/lists", bench.top / "private/lists"
    lists.mkdir(parents=True)
    private.mkdir(parents=True)
    for name, text in (("InRelease", "signed"), ("stable_binary-amd64_Packages", "packages")):
        (private / f"vendor.example_dists_noble_{name}").write_text(text)
    (private / "archive.example_dists_noble_InRelease").write_text("theirs")
    body = f"private='{bench.top}/private'; lists_moved && echo moved; exit 0"
    assert run(bench, body, "transaction").output == "moved\n"
    found = {path.name: path.read_text() for path in lists.iterdir() if path.is_file()}
    assert found == {
        "vendor.example_dists_noble_InRelease": "signed",
        "vendor.example_dists_noble_stable_binary-amd64_Packages": "packages",
    }
    assert list((lists / "partial").iterdir()) == []


@pytest.mark.parametrize("there", [None, ""])
def test_lists_that_are_not_there_are_fetched(bench: Bench, there: str | None) -> None:
    private = bench.top / "private/lists"
    private.mkdir(parents=True)
    if there is not None:
        (private / "vendor.example_dists_noble_Packages").write_text(there)
    body = f"private='{bench.top}/private'; lists_moved || echo fetch; exit 0"
    assert run(bench, body, "transaction").output == "fetch\n"


# What a run deletes at its end, and the parts that may say what that is.
DELETED = {
    "private": {"apt.sh", "transaction.sh", "probe.sh.j2"},
    "work": {"apt.sh", "probe.sh.j2"},
    "fetched": {"start.sh", "transaction.sh", "probe.sh.j2"},
    "claimed": {"start.sh", "transaction.sh"},
    "claim": {"transaction.sh"},
    "scratch": {"start.sh", "file.sh.j2"},
    "auth": {"proxy.sh"},
    "sent": {"program.sh.j2"},
}


def test_what_a_run_deletes_at_its_end_is_named_by_nobody_else() -> None:
    """All parts of a program share their variables: a name that two of them use is a name too many."""
    (line,) = [
        line
        for line in (RUNTIME / "journal.sh").read_text(encoding="utf-8").splitlines()
        if line.startswith("  take_away $")
    ]
    assert set(re.findall(r'"\$(\w+)"', line)) == set(DELETED)
    for name, places in DELETED.items():
        sets = re.compile(
            rf"(?:^|[\s;({{&]){name}=|\bread -r [^<\n]*\b{name}\b|\bfor {name} in\b", re.MULTILINE
        )
        found = {
            path.name
            for path in [*RUNTIME.parent.glob("*.j2"), *RUNTIME.parent.glob("*/*.sh*")]
            if sets.search(path.read_text(encoding="utf-8"))
        }
        assert found <= places, name
