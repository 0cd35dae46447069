"""The parts of the host program, run for real: in a folder of their own, with programs made up."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwright.plan import Action, Assumptions, HostPlan, PackageChange, Transaction, Verb
from dockwright.renderer import render_program
from tests.unit.shell import RUNTIME, SHELLS, Bench, Done, receipt

# --- journal: check, apply, check again -----------------------------------------------------------

ONCE = """
check_s01() { echo checking; [ -e "$state/done" ]; }
apply_s01() { echo applying; say "made it"; : >"$state/done"; }
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_step_is_checked_applied_and_checked_again(bench: Bench, shell: str) -> None:
    body = ONCE + "step s01 'make it'; step s01 'make it'; finish 0"
    done = bench.run(body, "journal", shell=shell)
    assert done.status == 0
    assert done.records == [
        ("begin", "s01", "make it"), ("changed", "s01", "made it"),
        ("begin", "s01", "make it"), ("same", "s01", ""),
        ("end", "-", "0"),
    ]  # fmt: skip
    assert (bench.top / "run/log").read_text() == "applying\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_step_that_fails_ends_the_run_with_what_it_printed(bench: Bench, shell: str) -> None:
    body = """
    check_s01() { return 1; }
    apply_s01() { echo "E: no"; cause="because"; return 3; }
    committed=1
    step s01 'make it'; step s02 never; finish 0"""
    done = bench.run(body, "journal", shell=shell)
    assert done.status == 6
    assert done.records == [
        ("begin", "s01", "make it"), ("stop", "s01", "6 1 make it: failed with 3"),
        ("cause", "s01", "because"), ("output", "s01", "E: no"), ("end", "-", "6"),
    ]  # fmt: skip


def test_a_step_may_choose_its_exit(bench: Bench) -> None:
    body = "check_s01() { return 1; }; apply_s01() { exit_code=7; return 1; }; step s01 x"
    assert bench.run(body, "journal").status == 7


def test_a_step_that_is_not_so_after_all_has_failed(bench: Bench) -> None:
    body = "check_s01() { return 1; }; apply_s01() { :; }; step s01 'make it'"
    done = bench.run(body, "journal")
    assert (done.status, done.of("stop")) == (
        6,
        ["6 0 make it: applied, yet the check still fails"],
    )


def test_a_run_stops_between_steps_when_asked(bench: Bench) -> None:
    body = ONCE + 'step s01 one; : >"$run/stop"; step s02 two'
    done = bench.run(body, "journal")
    assert done.status == 130
    assert done.of("begin") == ["one"]
    assert done.of("stop") == ["130 0 stopped after a step, as asked"]


def test_no_output_can_pass_for_a_record(bench: Bench) -> None:
    forged = "echo 'dw1 r1 end - 1.0 0'"
    body = (
        f"check_s01() {{ {forged}; return 1; }}; apply_s01() {{ {forged}; return 1; }}; step s01 x"
    )
    done = bench.run(body, "journal")
    assert done.of("end") == ["6"]
    assert done.of("output") == ["dw1 r1 end - 1.0 0"]


def test_a_check_that_is_run_fails_with_8_and_a_likely_cause(bench: Bench) -> None:
    body = """
    apply_s01() { say fine; }
    verify s01 'look'
    apply_s02() { brief="no answer" cause="daemon down"; return 1; }
    verify s02 'look again'"""
    done = bench.run(body, "journal", "verify")
    assert done.status == 8
    assert done.records[1] == ("verified", "s01", "fine")
    assert done.of("stop") == ["8 0 no answer"]
    assert done.of("cause") == ["daemon down"]


def test_checks_are_owed_from_the_commit_point_on(bench: Bench) -> None:
    assert bench.run("owe_checks; finish 130", "journal").status == 130
    assert (bench.top / "state/unverified").read_text() == "r1\n"
    (bench.top / "state/unverified").unlink()
    (bench.top / "state").rmdir()
    done = bench.run("owe_checks; touch went-on", "journal")
    assert (done.status, done.of("commit")) == (3, [])
    assert "cannot be written" in done.of("stop")[0]


def test_undo_is_for_the_newest_run_that_changed_something(bench: Bench) -> None:
    """A run that only made up for checks changes nothing: the one before it is to be taken back."""
    last = bench.top / "state/last"
    assert bench.run("ended_well", "journal").status == 0
    assert last.read_text() == "r1\n"
    for age, name in ((20, "r-older"), (10, "r-newer")):
        receipt = bench.top / "state/runs" / name / "receipt"
        receipt.parent.mkdir(parents=True)
        receipt.write_text("member docker pat\n")
        os.utime(receipt, (time.time() - age,) * 2)
    assert bench.run("ended_well", "journal").status == 0
    assert last.read_text() == "r-newer\n"


def test_what_is_private_goes_when_a_run_ends(bench: Bench) -> None:
    body = 'private="$state/p q" scratch="$state/s"; mkdir "$private" "$scratch"; stop 3 x y'
    assert bench.run(body, "journal").status == 3
    assert list((bench.top / "state").iterdir()) == []


def test_only_the_end_of_what_a_step_printed_is_told(bench: Bench) -> None:
    many = "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i + 1)); done; return 1"
    body = f"check_s01() {{ return 1; }}; apply_s01() {{ {many}; }}; step s01 x"
    (output,) = bench.run(body, "journal").of("output")
    assert output.splitlines() == [f"line {number}" for number in range(20, 60)]


def test_a_signal_ends_a_run_with_a_last_record(bench: Bench) -> None:
    body = "trap 'finish 143' HUP INT TERM PIPE; kill -TERM $$; step s01 never"
    done = bench.run(body, "journal")
    assert (done.status, done.records) == (143, [("end", "-", "143")])


# --- files ----------------------------------------------------------------------------------------


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_new_file_is_put_with_its_mode_and_its_receipt(bench: Bench) -> None:
    path = bench.top / "etc/new/a.conf"
    body = f"put '{path}' 0640 'one\ntwo\n' && holds '{path}' 0640 'one\ntwo\n'"
    assert bench.run(body, "journal", "files") == Done(0, [], "")
    assert path.read_text() == "one\ntwo\n"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert receipt(bench) == [
        f"file {path} absent -",
        f"directory {path.parent}",
        f"wrote {path} {sha256('one' + chr(10) + 'two' + chr(10))}",
    ]
    assert [entry.name for entry in path.parent.iterdir()] == ["a.conf"]


def test_a_file_is_kept_once_a_run_as_it_was_first(bench: Bench) -> None:
    path = bench.top / "etc/a"
    path.write_text("first")
    path.chmod(0o600)
    assert (
        bench.run(f"put '{path}' 0644 two && put '{path}' 0644 three", "journal", "files").status
        == 0
    )
    (backup,) = (bench.top / "run/backup").iterdir()
    assert backup.read_text() == "first"
    assert backup.stat().st_mode & 0o7777 == 0o600
    assert backup.name == str(path).replace("/", "%")
    assert [line for line in receipt(bench) if line.startswith("file ")] == [
        f"file {path} {sha256('first')} {backup}"
    ]


@pytest.mark.parametrize(
    ("mode", "content", "held"),
    [("0644", "x", True), ("0640", "x", False), ("0644", "x\n", False), ("0644", "", False)],
)
def test_a_file_holds_only_with_that_content_and_mode(
    bench: Bench, mode: str, content: str, *, held: bool
) -> None:
    path = bench.top / "etc/a"
    path.write_text("x")
    path.chmod(0o644)
    assert (bench.run(f"holds '{path}' {mode} '{content}'", "files").status == 0) is held


def test_a_symlink_is_no_file_of_ours_and_its_target_is_never_written(bench: Bench) -> None:
    path, target = bench.top / "etc/a", bench.top / "etc/target"
    target.write_text("theirs")
    path.symlink_to(target)
    assert bench.run(f"holds '{path}' 0644 theirs", "files").status != 0
    assert bench.run(f"put '{path}' 0644 ours", "journal", "files").status == 0
    assert (path.is_symlink(), path.read_text(), target.read_text()) == (False, "ours", "theirs")


def test_a_dangling_symlink_is_there_but_cannot_be_read(bench: Bench) -> None:
    path = bench.top / "etc/a"
    path.symlink_to("nowhere")
    done = bench.run(f"exec 2>/dev/null; sum_of '{path}'; sum_of '{path}x'", "files")
    assert done.output == "unreadableabsent"


def test_a_run_that_was_interrupted_leaves_the_old_file_and_is_resumed(bench: Bench) -> None:
    path, victim = bench.top / "etc/a", bench.top / "etc/victim"
    path.write_text("old")
    victim.write_text("theirs")
    # Power goes before the rename.
    bench.fake("sync", "case $1 in */.dockwright-*) kill -KILL $PPID ;; esac")
    assert bench.run(f"put '{path}' 0644 new", "journal", "files").status != 0
    assert path.read_text() == "old"
    temporary = path.parent / ".dockwright-r1"
    assert temporary.exists()
    temporary.unlink()
    temporary.symlink_to(victim)  # and somebody lies in wait
    bench.fake("sync", "")
    assert bench.run(f"put '{path}' 0644 new", "journal", "files").status == 0
    assert (path.read_text(), victim.read_text()) == ("new", "theirs")
    assert not temporary.is_symlink()


def test_a_disk_that_is_full_leaves_the_old_file(bench: Bench) -> None:
    path = bench.top / "etc/a"
    path.write_text("old")
    bench.fake("sync", "exit 1")
    assert bench.run(f"put '{path}' 0644 new", "journal", "files").status != 0
    assert [(one.name, one.read_text()) for one in path.parent.iterdir()] == [("a", "old")]


def test_without_room_for_its_receipt_no_file_is_written(bench: Bench) -> None:
    path = bench.top / "etc/a"
    (bench.top / "run/receipt").mkdir()
    assert bench.run(f"put '{path}' 0644 new", "journal", "files").status != 0
    assert [*path.parent.iterdir()] == []


def test_a_file_is_in_the_receipt_before_it_is_there(bench: Bench) -> None:
    """Cut right after the rename, the run still owns it, and the directory that it made."""
    path = bench.top / "etc/new/a"
    bench.fake("sync", "case $1 in */new) kill -KILL $PPID ;; esac")
    assert bench.run(f"put '{path}' 0644 new", "journal", "files").status != 0
    assert path.read_text() == "new"
    lines = (bench.top / "run/receipt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["file", "directory", "wrote"]
    assert lines[2].split()[2] == hashlib.sha256(b"new").hexdigest()


def test_files_that_a_run_wrote_are_put_back(bench: Bench) -> None:
    old, new = bench.top / "etc/old", bench.top / "etc/new"
    old.write_text("old")
    body = f"put '{old}' 0644 x && put '{new}' 0644 x && restore_files"
    assert bench.run(body, "journal", "files", "transaction").status == 0
    assert (old.read_text(), new.exists()) == ("old", False)


# --- locks ----------------------------------------------------------------------------------------


HOLD = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()  # until the test is over
"""


@pytest.fixture
def lock(bench: Bench) -> Iterator[Path]:
    """A lock file that a process of its own holds, as dpkg does."""
    path = bench.top / "lock-frontend"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        (bench.top / "holder").write_text(str(process.pid))
        yield path
        process.communicate()


def locks_of(bench: Bench, body: str) -> Done:
    """The part with the lock files of the test in the place of the host's."""
    text = (RUNTIME / "locks.sh").read_text(encoding="utf-8")
    own = re.sub(r'apt_locks="[^"]*"', f"apt_locks='{bench.top}/lock-frontend'", text, count=1)
    assert own != text
    return bench.run(f"{own}\n{body}", "journal")


def test_the_holder_of_a_lock_is_named(bench: Bench, lock: Path) -> None:
    done = locks_of(bench, "lock_holder")
    path, pid, age, command = done.output.split(" ", 3)
    assert (path, pid) == (str(lock), (bench.top / "holder").read_text())
    assert 0 <= int(age) < 3600
    assert "python" in command


def test_a_lock_that_nobody_holds_is_free(bench: Bench) -> None:
    assert locks_of(bench, "lock_holder").status == 1
    (bench.top / "lock-frontend").touch()
    assert locks_of(bench, "lock_holder").status == 1


@pytest.mark.slow
def test_waiting_for_a_lock_ends_with_10_and_touches_nobody(bench: Bench, lock: Path) -> None:
    done = locks_of(bench, "lock_timeout=1; wait_for_locks locks")
    assert done.status == 10
    (waits,) = done.of("wait")
    assert waits.startswith(f"{lock} ")
    assert done.of("stop") == [f"10 0 another program still holds {lock}"]
    assert done.of("cause")[0].startswith(f"lock: {(bench.top / 'holder').read_text()} ")


def test_after_the_commit_point_a_lock_is_a_failure_that_resumes(bench: Bench, lock: Path) -> None:
    assert locks_of(bench, "committed=1; lock_timeout=0; wait_for_locks locks").status == 6


@pytest.mark.slow
def test_waiting_goes_on_when_the_lock_is_free(bench: Bench) -> None:
    body = """lock_holder() { [ ! -e "$run/free" ] || return 1; : >"$run/free"; echo "a 1 2 apt-get"; }
    lock_timeout=9; wait_for_locks locks; finish 0"""
    done = bench.run((RUNTIME / "locks.sh").read_text() + body, "journal")
    assert (done.status, done.of("wait")) == (0, ["a 1 2 apt-get"])


def test_who_waits_for_a_lock_can_be_asked_to_stop(bench: Bench) -> None:
    body = (
        'lock_holder() { echo "a 1 2 apt"; }; lock_timeout=9; : >"$run/stop"; wait_for_locks locks'
    )
    done = bench.run((RUNTIME / "locks.sh").read_text() + body, "journal")
    assert done.status == 130


# --- apt ------------------------------------------------------------------------------------------


def test_status_lines_become_records(bench: Bench) -> None:
    lines = [
        "dlstatus:1:0:Retrieving file 1 of 6",
        "dlstatus:1:12.4821:Retrieving file 1 of 6",
        "dlstatus:1:12.9:Retrieving file 1 of 6",
        "media-change:CD:x:y",
        "pmstatus:docker-ce:50.0:Preparing docker-ce (amd64)",
        "pmstatus:docker-ce:amd64:62.5:Unpacking docker-ce (amd64): done",
        "pmerror:docker-ce:70:it broke",
        "pmstatus:x",
        "",
    ]
    done = bench.run("progress_of s05", "journal", "apt", stdin="\n".join(lines) + "\n")
    assert done.of("progress")[:4] == [
        "0 1 Retrieving file 1 of 6",
        "12.4821 1 Retrieving file 1 of 6",
        "50.0 docker-ce Preparing docker-ce (amd64)",
        "62.5 docker-ce Unpacking docker-ce (amd64): done",
    ]


def test_a_simulation_is_read_as_the_plan_is_written(bench: Bench) -> None:
    said = (
        "Reading package lists...\n"
        "Remv docker.io [26.1.5+dfsg1-9]\n"
        "Inst libc6:i386 [2.39-1] (2.39-2 Ubuntu:24.04/noble [i386])\n"
        "Inst docker-ce (5:29.7.2-1~debian.13~trixie Docker CE:trixie [amd64])\n"
        "Conf docker-ce (5:29.7.2-1~debian.13~trixie Docker CE:trixie [amd64])\n"
    )
    done = bench.run("plan_of", "apt", stdin=said)
    assert done.output.splitlines() == [
        "I docker-ce 5:29.7.2-1~debian.13~trixie",
        "I libc6 2.39-2",
        "R docker.io",
    ]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("The following signatures couldn't be verified: NO_PUBKEY 7EA0A9C3F273FCD8", 4),
        ("E: The repository 'https://x noble InRelease' is not signed.", 4),
        ("BADSIG 8D81803C0EBFCD88 Docker Release (CE deb)", 4),
        (
            "Sub-process /usr/bin/sqv returned an error code (1), error message is: Missing key 9DC8",
            4,
        ),
        ("E: Release file for https://x is expired (invalid since 3d)", 4),
        ("E: Release file for https://x is not valid yet", 4),
        ("Certificate verification failed: The certificate is NOT trusted.", 4),
        ("Hash Sum mismatch", 4),
        ("E: The repository 'https://x zesty Release' does not have a Release file.", 3),
        ("Err:1 https://x noble InRelease 404  Not Found [IP: 10.0.0.1 443]", 3),
        ("Could not resolve 'download.docker.com'", 5),
        (
            "E: ... is no longer signed. Clearsigned file isn't valid, got 'NOSPLIT' (does the network require authentication?)",
            5,
        ),
        ("Connection timed out", 5),
        ("", 5),
    ],
)
def test_a_failed_update_is_told_apart(bench: Bench, said: str, code: int) -> None:
    (bench.top / "said").write_text(said)
    body = 'cat "$state/../said" >"$out"; update_failed preflight'
    assert bench.run(body, "journal", "apt").status == code


def test_e13_what_stands_between_is_named(bench: Bench) -> None:
    for said, cause in (
        ("Temporary failure resolving 'download.docker.com'", "DNS: "),
        ("got 'NOSPLIT' (does the network require authentication?)", "something else answers"),
    ):
        (bench.top / "said").write_text(said)
        done = bench.run('cat "$state/../said" >"$out"; update_failed preflight', "journal", "apt")
        assert done.of("cause")[0].startswith(cause)


GUARDED = (
    "VERSION 3\nAPT::Architecture=amd64\n\n"
    "docker.io 26.1 amd64 none > - - none **REMOVE**\n"
    "docker-ce - - none < 5:29.7.2-1 amd64 none /x/docker-ce.deb\n"
    "docker-ce - - none < 5:29.7.2-1 amd64 none **CONFIGURE**\n"
)


@pytest.mark.parametrize(
    ("want", "code"),
    [
        ("I docker-ce 5:29.7.2-1\nR docker.io\n", 0),
        ("I docker-ce 5:29.7.1-1\nR docker.io\n", 1),
        ("I docker-ce 5:29.7.2-1\n", 1),
        ("I docker-ce 5:29.7.2-1\nI x 1\nR docker.io\n", 1),
    ],
)
def test_the_hook_lets_apt_do_the_plan_and_nothing_else(bench: Bench, want: str, code: int) -> None:
    private = bench.top / "private"
    private.mkdir()
    (private / "want").write_text(want)
    assert bench.run(f"work='{private}'; write_guard", "transaction").status == 0
    done = bench.run(f"'{private}/guard'", stdin=GUARDED)
    assert done.status == code
    assert ("this is not the plan" in done.output) is bool(code)


# --- snap: out of the way, and back ---------------------------------------------------------------

SNAPD = """
here="$(dirname "$0")/.."
case $1 in
  disable) rm -f "$here/enabled" ;;
  enable) [ ! -e "$here/snapd-fails" ] && : >"$here/enabled" ;;
  remove) [ ! -e "$here/snapd-fails" ] && rm -f "$here/snap" ;;
esac
"""


def snapped(bench: Bench, body: str, *, new: bool) -> Done:
    """Run with a snap that is enabled, and a new daemon that answers or not."""
    for name in ("enabled", "snap"):
        (bench.top / name).touch()
    bench.fake("snap", SNAPD)
    bench.fake("systemctl", "")
    bench.fake("docker", "" if new else "exit 1")
    client = """snap_client() { [ -e "$state/../enabled" ] && { [ "$1" != ps ] || echo 0123; }; }
    snap_is_there() { [ -e "$state/../snap" ]; }
    xargs() { echo "start $(cat)" >>"$state/../calls"; }
    """
    return bench.run(
        (RUNTIME / "snap.sh").read_text(encoding="utf-8") + client + body, "journal", "files"
    )


def test_a_snap_comes_back_with_its_containers_where_the_new_daemon_does_not_answer(
    bench: Bench,
) -> None:
    done = snapped(bench, "snap_disable docker; stop 6 s01 'it broke'", new=False)
    assert done.status == 6
    assert (bench.top / "enabled").exists()
    assert [c for c in bench.calls() if c.startswith(("snap", "systemctl stop", "start"))] == [
        "snap disable docker", "systemctl stop docker.service docker.socket",
        "snap enable docker", "start 0123",
    ]  # fmt: skip
    assert done.of("note") == ["the snap 'docker' is enabled again, and answers"]
    assert receipt(bench) == ["snap docker disabled"]


def test_a_snap_stays_disabled_where_the_new_daemon_answers(bench: Bench) -> None:
    done = snapped(bench, "snap_disable docker; stop 8 s01 'no pull'", new=True)
    assert done.status == 8
    assert not (bench.top / "enabled").exists()
    assert "is disabled and still there" in done.of("note")[0]


def test_a_snap_that_does_not_come_back_is_named_with_the_command(bench: Bench) -> None:
    (bench.top / "snapd-fails").touch()
    done = snapped(bench, "snap_disable docker; stop 6 s01 'it broke'", new=False)
    assert (done.status, "snap enable docker" in done.of("note")[0]) == (6, True)


def test_a_snap_is_removed_when_the_new_daemon_answers_and_not_before(bench: Bench) -> None:
    done = snapped(bench, "snap_disable docker; snap_remove docker; finish 0", new=True)
    assert (done.status, done.of("note")) == (0, [])
    assert not (bench.top / "snap").exists()
    assert "snap remove docker" in bench.calls()
    assert receipt(bench) == ["snap docker disabled", "snap docker removed"]
    (bench.top / "calls").unlink()
    body = 'snap_disable docker; snap_remove docker || stop 6 s01 no "$cause"'
    done = snapped(bench, body, new=False)
    assert done.of("cause") == ["the new daemon does not answer: the snap is not removed"]
    assert "snap remove docker" not in bench.calls()
    assert (bench.top / "enabled").exists()


# --- verify: causes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("toomanyrequests: You have reached your unauthenticated pull rate limit.", "rate limit"),
        ("permission denied while trying to connect to unix:///var/run/docker.sock", "permission"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "daemon down"),
        ("dial unix /var/run/docker.sock: connect: no such file", "daemon down"),
        ("mkdir /sys/fs/cgroup/docker: read-only file system", "cgroups read-only"),
        ("failed to create NAT chain DOCKER: iptables failed: iptables -t nat", "firewall tools"),
        ("AppArmor enabled on system but the docker-default profile could not be loaded: apparmor",
         "apparmor"),
        ("write /var/lib/docker/tmp/x: no space left on device", "disk full"),
        ("lookup registry-1.docker.io: no such host", "registry unreachable: its name"),
        ("tls: failed to verify certificate: x509: unknown authority", "registry not trusted"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "registry unreachable: no answer"),
        ("net/http: request canceled (Client.Timeout exceeded)", "registry unreachable: no answer"),
        ("manifest unknown: manifest unknown", "no such image"),
        ("pull access denied for x", "no such image"),
        ("segfault", "unknown"),
    ],
)  # fmt: skip
def test_docker_s_words_become_a_cause(bench: Bench, said: str, cause: str) -> None:
    (bench.top / "said").write_text(said)
    done = bench.run('cause_of "$(cat "$state/../said")"', "verify")
    assert done.output.startswith(cause)


# --- one run at a time ----------------------------------------------------------------------------


def test_a_run_that_lives_is_found_and_a_dead_one_is_not(bench: Bench) -> None:
    body = """somebody_runs && exit 9
    announce r1 $$ "$(started_of $$)" wish "pat@here"
    somebody_runs || exit 8
    echo "$live_wish|$(who_runs)"
    announce r1 $$ 12345 digest x; somebody_runs && exit 7
    announce r1 99999999 "$(started_of $$)" digest x; somebody_runs && exit 6
    exit 0"""
    done = bench.run(body, "live")
    assert done.status == 0
    assert re.fullmatch(r"wish\|r1 since [0-9:]{8}, started by pat@here\n", done.output)


def test_a_run_of_an_earlier_boot_counts_for_nothing(bench: Bench) -> None:
    body = """announce r1 $$ "$(started_of $$)" digest x
    sed -i 's/^\\([^ ]* [^ ]* [^ ]*\\) [^ ]*/\\1 00000000-0000/' "$state/live"
    somebody_runs"""
    assert bench.run(body, "live").status != 0


def test_no_run_is_under_way_any_more_once_the_last_record_is_read(bench: Bench) -> None:
    """Else the same command that plans anew after a repair would join the repair."""
    bench.fake("flock", "")
    place = bench.top / "state/live"
    bench.fake("sync", f"tail -n 1 '{bench.top}/run/records'; ls '{place}' 2>&1")
    body = """events=$run/records
    announce r1 $$ "$(started_of $$)" wish root
    finish 0"""
    done = bench.run(body, "journal", "live")
    assert done.status == 0
    last, seen = done.output.splitlines()[:2]
    assert " end - " in last
    assert "No such file" in seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("boot", "how"), [("", "killed"), ("00000000-0000", "rebooted")], ids=["killed", "rebooted"]
)
def test_records_are_followed_from_a_byte_and_a_dead_program_is_gone(
    bench: Bench, boot: str, how: str
) -> None:
    boot = boot or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    start = f"dw1 r1 start - 0.9 1795430400 {boot} docker b3Bz\n"
    (bench.top / "run/ev").write_text(f"{start}dw1 r1 begin s01 1.0 x\ndw1 r1 same s01 1.1 \n")
    offset = len(f"{start}dw1 r1 begin s01 1.0 x\n") + 1
    text = "".join(
        (RUNTIME / name).read_text(encoding="utf-8") for name in ("live.sh", "follow.sh")
    )
    script = bench.script(f"{text}\npid=99999999 started=1\nfollow {offset}")
    process = subprocess.Popen(
        ["timeout", "30", "dash", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout, process:
        assert process.stdout.readline() == "dw1 r1 same s01 1.1 \n"
        assert process.stdout.readline() == f"dw1 r1 gone - - {how}\n"
        process.stdin.close()  # the controller has gone: nothing is left behind
        assert process.stdout.read() == ""
        assert process.wait(timeout=5) is not None


# --- step kinds -----------------------------------------------------------------------------------


def step_of(kind: str, verb: Verb = Verb.CHANGE, **params: object) -> str:
    """The functions check_s01 and apply_s01 of a program with one step."""
    plan = HostPlan(
        host="h", playbook="p", summary="s",
        assumes=Assumptions(os_id="debian", codename="trixie", architecture="amd64"),
        actions=(
            Action(id="s01", component="c", step="the step", kind=kind, verb=verb, target="t",
                   reason="r", params=params),
        ),
        transaction=Transaction(
            changes=(
                PackageChange(name="docker.io", old="26.1"),
                PackageChange(name="docker-ce", new="5:29.7.2-1"),
            )
            if kind == "packages" else ()
        ),
    )  # fmt: skip
    text = render_program(plan, operator="x").text
    head = "\n".join(re.findall(r"(?m)^transaction='[^']*'$|^removals=.*$|^lock_timeout=.*$", text))
    return f"{head}\n{text[text.index('check_s01() {') : text.index('# --- begin')]}"


def run_step(bench: Bench, functions: str, call: str = "step s01 'the step'") -> Done:
    return bench.run(f"{functions}\n{call}; finish 0", "journal", "files", "transaction", "verify")


def test_a_service_is_enabled_and_started_once(bench: Bench) -> None:
    bench.fake(
        "systemctl",
        'up="$(dirname "$0")/../up"\ncase $1 in\n'
        ' is-enabled) [ -e "$up" ] && echo enabled || echo disabled ;;\n'
        ' is-active) [ -e "$up" ] ;;\n start) : >"$up" ;;\nesac',
    )
    functions = step_of("service", unit="docker.service", enabled=True, running=True)
    assert run_step(bench, functions).of("changed") == [""]
    assert "service docker.service disabled " in receipt(bench)[0]
    assert [c for c in bench.calls() if "enable -q" in c or " start" in c] == [
        "systemctl enable -q docker.service", "systemctl start docker.service",
    ]  # fmt: skip
    assert run_step(bench, functions).of("same") == [""]


def test_a_unit_beside_it_that_somebody_disabled_stays_so(bench: Bench) -> None:
    bench.fake(
        "systemctl",
        'here="$(dirname "$0")/.."\ncase "$1 $2" in\n "is-enabled docker.service") echo enabled ;;\n'
        ' "is-enabled "*) [ -e "$here/$2" ] && echo enabled || echo disabled ;;\n'
        ' "enable -q") : >"$here/$3" ;;\nesac',
    )
    functions = step_of("service", unit="docker.service", enabled=True, running=True,
                        also=["docker.socket", "containerd.service"])  # fmt: skip
    decide = (RUNTIME / "decide.sh").read_text(encoding="utf-8")
    chosen = f"{decide}\nfind_chosen_off docker.socket; {functions}"
    assert run_step(bench, chosen).of("changed") == [""]
    assert [c for c in bench.calls() if c.startswith("systemctl enable")] == [
        "systemctl enable -q docker.service", "systemctl enable -q containerd.service",
    ]  # fmt: skip
    (bench.top / "state/live").touch()  # a run that was cut may have left it so
    assert run_step(bench, chosen).of("changed") == [""]
    assert "systemctl enable -q docker.socket" in bench.calls()


@pytest.mark.parametrize(("before", "off"), [("absent", ""), ("29.7.1", " docker.socket")])
def test_a_run_that_brought_packages_and_failed_may_have_disabled_a_unit(
    bench: Bench, before: str, off: str
) -> None:
    bench.fake("systemctl", "echo disabled")
    (bench.top / "state/unverified").write_text("one\n")
    (bench.top / "state/runs/one").mkdir(parents=True)
    (bench.top / "state/runs/one/receipt").write_text(f"package docker-ce {before} 29.7.2\n")
    done = bench.run("find_chosen_off docker.socket; printf '%s' \"$chosen_off\"", "decide")
    assert done.output == off


def test_a_service_that_does_not_start_tells_its_journal(bench: Bench) -> None:
    bench.fake(
        "systemctl",
        'case $1 in enable) ;; start) echo "Job failed" >&2; exit 1 ;; *) exit 3 ;; esac',
    )
    bench.fake("journalctl", "echo 'dockerd: bad config'")
    functions = step_of("service", unit="docker.service", enabled=True, running=True)
    done = run_step(bench, functions)
    assert done.status == 6
    assert "dockerd: bad config" in done.of("output")[0]
    assert done.of("cause") == ["the service does not start; its journal is above"]


FAILED = "case $1 in enable) ;; start) exit 1 ;; *) exit 3 ;; esac"


def test_a_service_that_does_not_start_for_a_known_reason(bench: Bench) -> None:
    """D16: the journal's last word is the cause."""
    bench.fake("systemctl", FAILED)
    log = "failed to start daemon: Error initializing network controller: iptables not found"
    bench.fake("journalctl", f"echo '{log}'; echo 'docker.service: Failed with result'")
    done = run_step(bench, step_of("service", unit="docker.service", enabled=True, running=True))
    assert done.status == 6
    assert done.of("cause")[0].startswith("the service does not start; firewall tools")


def test_e31_a_kernel_whose_modules_are_gone_wants_a_reboot(bench: Bench) -> None:
    """The same command goes on after it: 6."""
    bench.fake("systemctl", FAILED)
    bench.fake("journalctl", "echo 'failed to start daemon: iptables: can not initialize table'")
    bench.fake("uname", "echo 6.0.0-gone")
    bench.fake("ls", "echo /lib/modules/6.0.0-new/")
    done = run_step(bench, step_of("service", unit="docker.service", enabled=True, running=True))
    assert done.status == 6
    assert "6.0.0-gone, are gone" in done.of("cause")[0]
    assert "Reboot, then run the same command" in done.of("cause")[0]


@pytest.mark.parametrize(("answer", "code"), [(101, 8), (104, 0)])
def test_e22_a_policy_forbids_the_start(bench: Bench, answer: int, code: int) -> None:
    bench.fake("policy-rc.d", f"exit {answer}")
    up = f"{bench.top}/up"
    bench.fake(
        "systemctl",
        f"case $1 in is-enabled) echo enabled ;; is-active) [ -e {up} ] ;; start) : >{up} ;; esac",
    )
    done = run_step(bench, step_of("service", unit="docker.service", enabled=True, running=True))
    assert done.status == code
    assert "policy-rc.d docker.service start" in bench.calls()
    if code:
        assert done.of("stop") == ["8 0 installed; start denied by policy"]
        assert "systemctl start docker.service" in done.of("cause")[0]
        assert "systemctl start docker.service" not in bench.calls()


def test_users_join_a_group_once(bench: Bench) -> None:
    bench.fake("id", 'echo "users $(cat "$(dirname "$0")/../groups" 2>/dev/null)"')
    bench.fake("usermod", 'echo "$2" >>"$(dirname "$0")/../groups"')
    functions = step_of("group_member", group="docker", users=["ops", "pat"])
    assert run_step(bench, functions).of("changed") == ["new logins of ops, pat are in the group"]
    assert receipt(bench) == ["member docker ops", "member docker pat"]
    assert run_step(bench, functions).of("same") == [""]


def test_packages_are_held_once(bench: Bench) -> None:
    bench.fake(
        "apt-mark",
        'held="$(dirname "$0")/../held"\n'
        '[ "$1" != hold ] || { shift; printf "%s\\n" "$@" >>"$held"; }',
    )
    bench.fake(
        "dpkg-query",
        'for name; do :; done; grep -qsx "$name" "$(dirname "$0")/../held" && echo hold || echo install',
    )
    functions = step_of("hold", packages=["docker-ce", "containerd.io"])
    assert run_step(bench, functions).of("changed") == [""]
    assert receipt(bench) == ["hold docker-ce containerd.io"]
    assert run_step(bench, functions).of("same") == [""]


def test_packages_are_so_when_each_has_its_version(bench: Bench) -> None:
    gone = "echo 'docker.io config-files 26.1'; "
    bench.fake("dpkg-query", gone + "echo 'docker-ce installed 5:29.7.2-1'")
    functions = step_of("packages", packages=["docker-ce"])
    assert run_step(bench, functions).of("same") == [""]
    for answer in (
        gone + "echo 'docker-ce installed 5:29.7.1-1'",
        gone + "echo 'docker-ce half-configured 5:29.7.2-1'",
        gone,
        "echo 'docker.io installed 26.1'; echo 'docker-ce installed 5:29.7.2-1'",
    ):
        bench.fake("dpkg-query", answer)
        assert bench.run(f"{functions}\ncheck_s01", "journal", "files", "transaction").status != 0


def test_a_daemon_json_that_dockerd_refuses_is_not_written(bench: Bench) -> None:
    path = bench.top / "etc/daemon.json"
    path.write_text("{}\n")
    bench.fake(
        "dockerd", 'case $1 in --help) echo "  --validate" ;; *) echo "unknown key"; exit 1 ;; esac'
    )
    was = hashlib.sha256(b"{}\n").hexdigest()
    functions = step_of(
        "daemon_json", path=str(path), mode="0644", content='{"x": 1}\n', keys=["x"], was=was
    )
    done = run_step(bench, functions)
    assert (done.status, path.read_text()) == (6, "{}\n")
    assert done.of("cause") == ["dockerd does not accept the merged file; the old one stands"]
    bench.fake("dockerd", 'case $1 in --help) echo "  --validate" ;; esac')
    assert run_step(bench, functions).status == 0
    assert path.read_text() == '{"x": 1}\n'
    # The keys are told once the copy is there that tells them from others', and before they are.
    assert [line.split()[0] for line in receipt(bench)] == ["file", "keys", "wrote"]
    assert receipt(bench)[1] == f"keys {path} x"


def test_a_daemon_json_that_another_program_wrote_meanwhile_stands(bench: Bench) -> None:
    path = bench.top / "etc/daemon.json"
    theirs = '{"labels": ["theirs"]}\n'
    bench.fake(
        "dockerd",
        f"case $1 in --help) echo --validate ;; *) echo '{theirs.strip()}' >'{path}' ;; esac",
    )
    functions = step_of(
        "daemon_json", path=str(path), mode="0644", content="{}\n", keys=["x"], was="absent"
    )
    done = run_step(bench, functions)
    assert (done.status, path.read_text()) == (6, theirs)
    assert done.of("cause")[0].endswith("changed by another program meanwhile: its edit stands")
    assert not (bench.top / "run/receipt").exists()


def test_a_daemon_that_does_not_take_the_new_file_gets_the_old_one_back(bench: Bench) -> None:
    path = bench.top / "etc/daemon.json"
    path.write_text("old\n")
    bench.fake("systemctl", 'case "$*" in *"reset-failed"*|"is-active"*) ;; *) exit 1 ;; esac')
    bench.fake("journalctl", "")
    reload = step_of("reload", unit="docker.service", how="restart")
    done = run_step(bench, f"put '{path}' 0644 new\n{reload}")
    assert (done.status, path.read_text()) == (7, "old\n")  # not even the old one starts again
    assert bench.calls()[-1] == "systemctl restart docker.service"


def test_a_file_that_must_go_is_kept_first(bench: Bench) -> None:
    path = bench.top / "etc/docker.list"
    path.write_text("deb x\n")
    functions = step_of("file", path=str(path), mode="", content="", absent=True)
    assert run_step(bench, functions).of("changed") == [""]
    assert not path.exists()
    (backup,) = (bench.top / "run/backup").iterdir()
    assert backup.read_text() == "deb x\n"
    assert run_step(bench, functions).of("same") == [""]


# --- undo -----------------------------------------------------------------------------------------


def undo_keys(bench: Bench, keys: str, *, live: bool = False, allow: str = "") -> Done:
    """The part of undo that judges and restarts a daemon, with its daemon.json in the bench."""
    config = bench.top / "etc/daemon.json"
    config.write_text("ours\n")
    digest = hashlib.sha256(b"ours\n").hexdigest()
    (bench.top / "run/back").write_text(
        f"file {config} absent -\nwrote {config} {digest}\nkeys {config} {keys}\n"
    )
    bench.fake("systemctl", "")
    bench.fake(
        "docker",
        f"case $1 in info) echo {str(live).lower()} ;; version) ;; ps) echo web ;; esac",
    )
    functions = (RUNTIME / "undo.sh").read_text().replace("/etc/docker", str(bench.top / "etc"))
    body = (
        f"{functions}\nreceipt=$run/back allow_restart={allow}\n"
        "judge_restart undo; rm $config; restart_daemon undo; finish 0"
    )
    return bench.run(body, "journal", "files")


@pytest.mark.parametrize("allow", ["", "1"])
def test_undo_restarts_a_daemon_and_stops_containers_only_when_agreed(
    bench: Bench, allow: str
) -> None:
    done = undo_keys(bench, "log-driver", allow=allow)
    assert (bench.top / "etc/daemon.json").exists() is not bool(allow)
    if allow:
        assert done.status == 0
        assert "systemctl restart docker.service" in bench.calls()
        assert bench.calls()[-1] == "docker start web"
    else:
        assert done.of("stop") == [
            "9 0 the daemon has to restart; containers would stop: web (when they may: --allow-restart)"
        ]
        assert not any("restart" in call for call in bench.calls())


def test_with_live_restore_undo_restarts_unasked(bench: Bench) -> None:
    assert undo_keys(bench, "log-driver", live=True).status == 0
    assert "systemctl restart docker.service" in bench.calls()


def test_undo_of_live_restore_stops_containers(bench: Bench) -> None:
    assert undo_keys(bench, "debug live-restore", live=True).status == 9


def test_a_daemon_json_of_somebody_else_needs_no_restart(bench: Bench) -> None:
    (bench.top / "run/back").write_text("keys /etc/docker/daemon.json x\n")
    body = "receipt=$run/back allow_restart=''; judge_restart undo; restart_daemon undo"
    assert bench.run(body, "journal", "files", "undo").status == 0
    assert bench.calls() == []


# --- the ladder -----------------------------------------------------------------------------------

LADDER = step_of(
    "container_check", Verb.CHECK, image="hello-world", expect="Hello from Docker!", always=False
)


def climb(bench: Bench, **rungs: str) -> Done:
    """The ladder with a docker that answers so: version, inspect, pull, run, rm."""
    cases = "".join(f"  {name}) {body} ;;\n" for name, body in rungs.items())
    bench.fake("docker", f'verb=$1\n[ "$1" != image ] || verb=$2\ncase $verb in\n{cases}esac')
    bench.fake("journalctl", "echo journal")
    return run_step(bench, LADDER, "verify s01 'the step'")


WELL = {
    "version": "echo 29.7.2",
    "inspect": '[ -e "$(dirname "$0")/../pulled" ]',
    "pull": ': >"$(dirname "$0")/../pulled"; echo latest; echo "Digest: sha256:0123456789abcdef"; echo Status: new',
    "run": "echo 'Hello from Docker!'",
}


def test_the_whole_ladder_is_climbed_and_the_image_goes_again(bench: Bench) -> None:
    done = climb(bench, **WELL)
    assert done.of("verified") == ["daemon 29.7.2 · pull sha256:0123456789ab · hello-world ran"]
    assert bench.calls()[-1] == "docker image rm hello-world"


def test_an_image_that_was_there_before_stays(bench: Bench) -> None:
    (bench.top / "pulled").touch()
    assert climb(bench, **WELL).status == 0
    assert not any("image rm" in call for call in bench.calls())


def test_a_container_whose_output_is_lost_is_asked_again(bench: Bench) -> None:
    second = """[ -e "$0.second" ] && echo 'Hello from Docker!'; : >"$0.second\""""
    done = climb(bench, **(WELL | {"run": second}))
    assert done.of("verified") == ["daemon 29.7.2 · pull sha256:0123456789ab · hello-world ran"]
    silent = climb(bench, **(WELL | {"run": "true"}))
    assert silent.status == 8
    assert silent.of("output") == ["the container ended with 0 and said nothing"]
    assert sum(call.startswith("docker run") for call in bench.calls()) == 2 + 3


def test_without_a_client_the_first_rung_breaks(bench: Bench) -> None:
    done = run_step(bench, LADDER, "verify s01 'the step'")
    assert (done.status, done.of("stop")) == (8, ["8 0 there is no docker client"])


@pytest.mark.parametrize(
    ("rung", "body", "brief", "cause"),
    [
        ("version", "echo 'Cannot connect to the Docker daemon'; exit 1",
         "the daemon does not answer", "daemon down"),
        ("pull", "echo 'toomanyrequests: rate limit'; exit 1",
         "hello-world cannot be pulled; the daemon is healthy", "rate limit"),
        ("run", "echo 'iptables: No chain'; exit 125",
         "a container does not run; daemon and pull are healthy", "firewall tools"),
        ("run", "echo 'Something else'", "a container does not run", "unknown"),
    ],
)  # fmt: skip
def test_each_rung_has_a_diagnosis_of_its_own(
    bench: Bench, rung: str, body: str, brief: str, cause: str
) -> None:
    done = climb(bench, **(WELL | {rung: body}))
    assert done.status == 8
    assert done.of("stop")[0].startswith(f"8 0 {brief}")
    assert done.of("cause")[0].startswith(cause)


# --- start ----------------------------------------------------------------------------------------


def test_a_second_run_is_busy_also_after_a_look(bench: Bench) -> None:
    """The look's trap is for bugs of ours; who runs is said with 10."""
    bench.fake("id", "echo 0")
    bench.fake("flock", "")
    start = (RUNTIME / "start.sh").read_text(encoding="utf-8")
    body = f"""{start}
    human=1 playbook=p operator=o
    trap 'finish 1' EXIT
    announce other $$ "$(started_of $$)" wish root
    open_run mine; finish 0"""
    done = bench.run(body, "journal", "live")
    assert done.status == 10
    assert "another run is under way: other since" in done.output
