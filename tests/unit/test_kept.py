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
    texts = texts.replace("/usr/lib/apt/apt-helper", "apt-helper")
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
    exec 8>"$private/fetching"; flock 8
    (while [ ! -e "$private/go" ]; do sleep 0.02; done; echo "0 $wanted" >"$private/fetched") &
    exec 8>&-
    asked_to_stop() { turns=$((${turns:-0} + 1)); [ "$turns" -lt 2 ] || : >"$private/go"; }
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
        try:
            yield process
        finally:
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
    "fetched": {"ahead.sh", "start.sh", "transaction.sh", "probe.sh.j2"},
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


# What apt says of its files: the vendor's index alone knows the first, all lists know both.
VENDORS = (
    "'https://vendor.example/docker-ce_5%3a29_amd64.deb' docker-ce_5%3a29_amd64.deb 40 SHA256:aa"
)
OTHERS = "'http://archive.example/iptables_1_amd64.deb' iptables_1_amd64.deb 20 SHA256:bb"
APT = """
case " $* " in
  *" --print-uris download "*) [ ! -e "$top/uris.vendor" ] || cat "$top/uris.vendor" ;;
  *" --download-only "*) touch "$top/var/tmp/dockwright-apt.n/all.deb" ;;
esac"""
# A pair of URL and place for each file; the last option is before them.
FETCH = """
while [ "$1" != download-file ]; do shift; done
shift
while [ $# -gt 0 ]; do echo "$1 $3" >"$2"; shift 3; done"""


@pytest.fixture
def fetching(bench: Bench) -> str:
    """A probe that fetches ahead, up to where apt has told of all files."""
    for name, body in (("apt-get", APT), ("apt-helper", FETCH)):
        bench.fake(name, body.replace("$top", str(bench.top)))
    bench.fake("chown", "")
    bench.fake(
        "mktemp",
        f"mkdir -p '{bench.top}/var/tmp/dockwright-apt.n' && echo '{bench.top}/var/tmp/dockwright-apt.n'",
    )
    (bench.top / "private").mkdir()
    (bench.top / "uris.vendor").write_text(f"{VENDORS}\n")
    (bench.top / "uris").write_text(f"Reading\n{VENDORS}\n{OTHERS}\n")
    return f"""
    private='{bench.top}/private' work='{bench.top}/private' apt_flags=
    has_room() {{ :; }}
    fetch_ahead
    cp '{bench.top}/uris' "$private/uris"
    exec 7<&-
    flock -s "$private/fetching" true
    cat "$private/fetched"; ls "$fetched"
    exit 0"""


def helped(bench: Bench) -> list[str]:
    return [call.split(" download-file ")[1] for call in bench.calls() if " download-file " in call]


def test_packages_are_fetched_as_soon_as_they_are_named(bench: Bench, fetching: str) -> None:
    done = run(bench, fetching, "apt", "ahead")
    names = ["docker-ce_5%3a29_amd64.deb", "iptables_1_amd64.deb"]
    assert done.output.splitlines() == [f"0 {WANTED}", *names, "partial"]
    place = bench.top / "var/tmp/dockwright-apt.n"
    urls = ("https://vendor.example/", "http://archive.example/")
    sums = ("SHA256:aa", "SHA256:bb")
    assert helped(bench) == [
        f"{url}{name} {place}/partial/{name} {digest}"
        for url, name, digest in zip(urls, names, sums, strict=True)
    ]
    assert list((place / "partial").iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        OTHERS.replace("SHA256", "MD5Sum"),
        OTHERS.replace(" SHA256:bb", ""),
        OTHERS.replace("http:", "mirror+file:"),
        OTHERS.replace(" iptables", " ../iptables"),
        OTHERS.replace(" iptables", " .iptables"),
    ],
)
def test_what_the_helper_is_not_for_is_fetched_by_apt_itself(
    bench: Bench, fetching: str, line: str
) -> None:
    (bench.top / "uris").write_text(f"{VENDORS}\n{line}\n")
    done = run(bench, fetching, "apt", "ahead")
    assert done.output.splitlines() == [
        f"0 {WANTED}",
        "all.deb",
        "docker-ce_5%3a29_amd64.deb",
        "partial",
    ]
    assert len(helped(bench)) == 1


@pytest.mark.parametrize("known", ["by the vendor alone", "by all lists"])
def test_a_download_that_fails_is_left_to_the_program(
    bench: Bench, fetching: str, known: str
) -> None:
    if known == "by all lists":
        (bench.top / "uris.vendor").unlink()
    bench.fake("apt-helper", "exit 100")
    done = run(bench, fetching, "apt", "ahead")
    assert done.output.splitlines() == [f"100 {WANTED}", "partial"]
    assert len(helped(bench)) == 1
    assert not any(" --download-only " in call for call in bench.calls())


def test_where_apt_makes_no_plan_nothing_more_is_fetched(bench: Bench, fetching: str) -> None:
    (bench.top / "uris").write_text("")
    done = run(bench, fetching, "apt", "ahead")
    assert done.output.splitlines() == [f"1 {WANTED}", "docker-ce_5%3a29_amd64.deb", "partial"]
