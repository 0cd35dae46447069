"""The way back: receipts, the trail of all runs, and the plans that take something back."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from dockwright.app import key_owners
from dockwright.errors import BusyError, DestructiveError, RefusedError, UnreachableError
from dockwright.events import Merged
from dockwright.load import HostValues
from dockwright.models import Facts, LiveRun
from dockwright.plan import HostPlan, Verb
from dockwright.receipts import (
    Trail,
    Vendor,
    plan_undo,
    plan_uninstall,
    question,
    read,
    read_receipt,
    refuse_for_good,
)
from dockwright.receipts.unmerge import unmerged
from dockwright.resources import directory
from tests.unit.making import (
    CAME,
    INSTALL_RUN,
    NONCE,
    b64,
    changed,
    installed_trail,
    pin,
    playbook,
    recorded,
    run_lines,
    told_runs,
)

KEY = "/etc/apt/keyrings/docker.asc"
SOURCE = "/etc/apt/sources.list.d/docker.sources"
DAEMON = "/etc/docker/daemon.json"


def installed() -> Facts:
    return recorded("ubuntu-24.04-installed")


def trail(*more: str, facts: Facts | None = None, **options: dict[str, str]) -> Trail:
    return read(installed_trail(*more, **options), NONCE, facts or installed())


def uninstall(facts: Facts, known: Trail) -> HostPlan:
    book = playbook("docker", {"docker_fingerprint": pin()})
    steps = (step for part in book.steps_for(HostValues.of(facts)) for step in part.steps)
    return plan_uninstall("web1", facts, known, Vendor.of(steps), key_owners(facts))


def targets(plan: HostPlan, verb: Verb | None = None) -> dict[str, str]:
    """Targets to reasons, of the actions with that verb, or of all changes."""
    chosen = plan.changes if verb is None else [a for a in plan.actions if a.verb is verb]
    return {action.target: action.reason for action in chosen}


# --- receipts -------------------------------------------------------------------------------------


def test_a_receipt_says_what_was_changed_in_one_line() -> None:
    receipt = read_receipt(
        "package docker-ce absent 5:29\npackage docker.io 26 absent\npackage runc 1 2\n"
        "asked docker-ce=5:29 docker.io-\nfile /etc/a/b.json absent -\nwrote /etc/a/b.json 00\n"
        "hold docker-ce\nmember docker pat\nnonsense\n\n"
    )
    assert receipt.summary == (
        "+ docker-ce; - docker.io; ~ runc; b.json; held docker-ce; pat in group docker"
    )
    assert receipt.asked == ("docker-ce", "docker.io")
    assert receipt.wrote == {"/etc/a/b.json": "00"}
    many = read_receipt("".join(f"package p{n} absent 1\n" for n in range(9)))
    assert many.summary == "+ p0, p1, p2 and 6 more"
    assert read_receipt("").summary == ""


def test_the_trail_is_read_oldest_first_with_how_each_run_ended() -> None:
    told = told_runs(
        *run_lines("2026-11-25-000001", "package a 1 2\n", began=1795600000, code="-"),
        *run_lines("2026-11-24-ffffff", "package a absent 1\n"),
        f"run 2026-11-26-000000 - - - -\nreceipt.undone 2026-11-26-000000 {b64('hold a')}",
        "have a installed hold 2",
        "have b config-files deinstall 1",
        f"data  {b64('/srv/my docker')}",
        "odd line that says nothing",
    )
    known = read(told, NONCE, installed())
    assert [run.run_id for run in known.runs] == [
        "2026-11-26-000000", "2026-11-24-ffffff", "2026-11-25-000001",
    ]  # fmt: skip
    undone, first, cut = known.runs
    assert (undone.undone, undone.began, undone.who) == (True, 0, "")
    assert (first.exit, first.who, first.changed) == (0, "pat@here", "+ a")
    assert cut.exit is None
    assert known.packages == {"a": "2"}
    assert known.held == {"a"}
    assert known.data == {"/srv/my docker": None}


def test_an_answer_that_is_not_whole_is_none() -> None:
    with pytest.raises(UnreachableError):
        read(installed_trail().replace("told", "tol"), NONCE, installed())


def test_the_script_reads_a_real_folder(tmp_path: Path) -> None:
    """The shell of the question, over a state directory that is made up."""
    run = tmp_path / "runs" / "2026-11-24-0000aa"
    (run / "backup").mkdir(parents=True)
    (tmp_path / "file").write_text("ours")
    (tmp_path / "made").mkdir()
    (run / "ev").write_text(
        f"dw1 R start - 1.0 1795522000 boot docker {b64('pat@here')}\ndw1 R end - 2.0 0\n"
    )
    (run / "receipt").write_text(
        f"package dpkg absent 1\npackage no-such absent 1\nasked dpkg=1\nfile {tmp_path}/file absent -\n"
        f"wrote {tmp_path}/file 00\nfile {tmp_path}/gone absent -\ndirectory {tmp_path}/made\n"
        f"keys {tmp_path}/d.json log-driver\nmember no-such-group root\n"
    )
    (run / "backup" / f"{tmp_path}/d.json".replace("/", "%")).write_text("")
    (run / "daemon.json").write_text('{"log-driver": "local"}')
    script = question(NONCE).replace("/var/lib/dockwright", str(tmp_path))
    for shell in ("dash", "bash"):
        done = subprocess.run([shell], input=script, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        known = read(done.stdout, NONCE, installed())
        (told,) = known.runs
        assert (told.run_id, told.playbook, told.who, told.exit) == (
            "2026-11-24-0000aa", "docker", "pat@here", 0,
        )  # fmt: skip
        assert told.merged == (
            Merged(path=f"{tmp_path}/d.json", before="", after='{"log-driver": "local"}'),
        )
        assert set(known.packages) == {"dpkg"}
        assert known.needs["dpkg"]
        assert known.files == {
            f"{tmp_path}/file": hashlib.sha256(b"ours").hexdigest(),
            f"{tmp_path}/gone": None,
        }
        assert known.inside == {f"{tmp_path}/made": ()}
        assert known.members == ()


def test_a_login_goes_without_a_copy() -> None:
    path = "/etc/apt/auth.conf.d/95dockwright-proxy.conf"
    receipt = f"file {path} absent -\nwrote {path} 11\n"
    plan = uninstall(installed(), trail(*run_lines("r2", receipt), f"path {path} 11"))
    (action,) = [one for one in plan.changes if one.target == path]
    assert action.params["secret"]
    assert action.before is None


def test_what_others_wrote_first_is_not_ours_to_take() -> None:
    """A source of others in which our entry was commented out stays as it is."""
    path = "/etc/apt/sources.list"
    receipt = f"file {path} 00 /backup\nwrote {path} 11\n"
    facts = changed(
        installed(), {"sources": {path: "# deb https://download.docker.com/linux/ubuntu x y\n"}}
    )
    plan = uninstall(facts, trail(*run_lines("r2", receipt), f"path {path} 11", facts=facts))
    assert path not in targets(plan)


def test_the_snap_that_a_run_removed_is_told_of() -> None:
    plan = plan_undo("web1", installed(), trail(*run_lines("r2", "snap docker removed\n")), "r2")
    assert any("snap install docker" in note for note in plan.notes)


# --- undo -----------------------------------------------------------------------------------------


def test_undo_takes_back_what_is_as_the_run_left_it() -> None:
    plan = plan_undo("web1", installed(), trail())
    assert plan.undoes == INSTALL_RUN
    assert {change.name for change in plan.transaction.changes} == set(CAME)
    assert {KEY, SOURCE} <= set(targets(plan, Verb.REMOVE))
    assert plan.assumes.files[KEY] == installed().file(KEY).sha256  # type: ignore[union-attr]
    assert "pat@here" in plan.notes[0]


def test_undo_refuses_and_shows_what_was_changed_since() -> None:
    packages = {**CAME, "docker-ce": "5:29.9.9", "docker-ce-cli": "", "nftables": "2"}
    packages.pop("docker-ce-cli")
    later = trail(f"path {SOURCE} 00", packages=packages)
    with pytest.raises(RefusedError) as refused:
        plan_undo("web1", installed(), later)
    told = dict(refused.value.details)
    assert told["docker-ce"] == f"is 5:29.9.9 by now; the run left {CAME['docker-ce']}"
    assert SOURCE in told
    # What is gone already is as before, and a dependency may have been updated.
    assert set(told) == {"docker-ce", SOURCE}


def test_an_undo_that_was_cut_goes_on_and_closes_the_run() -> None:
    """Everything is as before, but the receipt still stands."""
    done = trail(f"path {KEY} absent", f"path {SOURCE} absent", packages={})
    plan = plan_undo("web1", installed(), done)
    assert [action.step for action in plan.changes] == ["close the run"]


def test_the_last_run_is_the_newest_that_changed_something_however_it_ended() -> None:
    """One that was cut is taken back, too; an undo that was cut is no run to take back."""
    lines = (
        *run_lines("cut", "hold other\n", code="-", began=1795522001),
        *run_lines("undo", "package a 1 absent\n", playbook="undo", code="-", began=1795522002),
        "run nothing 1795522003 0 docker -",
    )
    known = trail(*lines, "have other installed hold 1")
    assert plan_undo("web1", installed(), known).undoes == "cut"
    assert plan_undo("web1", installed(), known, INSTALL_RUN).undoes == INSTALL_RUN


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("run r9 1 0 uninstall -", f"receipt r9 {b64('package a 1 absent')}"), "was an uninstall"),
        (
            (
                "run r1 0 0 docker -",
                f"receipt r1 {b64('package docker.io 26 absent')}",
                "run r9 1 0 uninstall -",
                f"receipt r9 {b64('package a 1 absent')}",
            ),
            "--run r1 what was there before",
        ),
        (("run r9 1 0 docker -", f"receipt.undone r9 {b64('hold a')}"), "is undone already"),
        (("run r9 1 0 undo -", f"receipt.undone r9 {b64('hold a')}"), "took another one back"),
        (("run r9 1 0 docker -",), "changed nothing"),
        (("run r9 1 0 prune -", f"receipt r9 {b64('hold a')}"), "a volume is gone"),
        (("run r9 1 0 purge -", f"receipt r9 {b64('hold a')}"), "what it deleted cannot come back"),
        ((), "there is no run r9"),
    ],
)
def test_a_run_that_cannot_be_undone_says_why(lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        plan_undo("web1", installed(), trail(*lines), "r9")
    assert words in f"{caught.value.brief}\n{caught.value.next_step}"


@pytest.mark.parametrize("wanted", ["", "r9"])
def test_what_cannot_come_back_is_refused_before_dpkg_is_mended(wanted: str) -> None:
    receipts = f"receipt r9 {b64('package a 1 absent')}"
    with pytest.raises(RefusedError, match="what it deleted cannot come back"):
        refuse_for_good("web1", trail("run r9 1795599999 0 purge -", receipts), wanted)
    refuse_for_good("web1", trail("run r9 1795599999 0 docker -", receipts), wanted)
    refuse_for_good("web1", trail(), wanted)


@pytest.mark.parametrize(
    ("playbook", "refused"), [("purge", True), ("docker", True), ("-", True), ("undo", False)]
)
def test_what_was_before_a_run_that_died_comes_back_by_its_name_alone(
    playbook: str, *, refused: bool
) -> None:
    """It died before it changed anything; an undo that did so goes on."""
    facts = installed().model_copy(update={"cut": "r9"})
    known = trail(f"run r9 1795599999 - {playbook} -", facts=facts)
    if not refused:
        assert plan_undo("web1", facts, known).undoes == INSTALL_RUN
        return
    with pytest.raises(RefusedError, match="changed nothing that could be undone") as caught:
        plan_undo("web1", facts, known)
    assert f"--run {INSTALL_RUN}" in str(caught.value.next_step)
    assert plan_undo("web1", facts, known, INSTALL_RUN).undoes == INSTALL_RUN


CDI = "/var/run/cdi/nvidia.yaml"


@pytest.mark.parametrize(("now", "goes"), [("00", True), ("11", True), ("absent", False)])
def test_a_specification_that_was_made_anew_is_nobody_s_change(now: str, *, goes: bool) -> None:
    """By the toolkit, as with another driver: it goes with the toolkit, by undo and by uninstall."""
    lines = run_lines("gpu", f"package x absent 1\nfile {CDI} absent -\nwrote {CDI} 00\n")
    known = trail(*lines, "have x installed install 1", f"path {CDI} {now}")
    assert (CDI in targets(plan_undo("web1", installed(), known, "gpu"))) is goes
    assert (CDI in targets(uninstall(installed(), known))) is goes
    before = run_lines("gpu", f"package x absent 1\nfile {CDI} 22 /b\nwrote {CDI} 00\n")
    known = trail(*before, "have x installed install 1", f"path {CDI} {now}")
    assert (CDI in targets(plan_undo("web1", installed(), known, "gpu"))) is (now == "00")


def test_a_run_that_is_under_way_is_not_undone() -> None:
    live = LiveRun(run_id=INSTALL_RUN, wish="w", since=1, who="pat")
    facts = installed().model_copy(update={"live": live})
    with pytest.raises(BusyError):
        plan_undo("web1", facts, trail(facts=facts), INSTALL_RUN)


# --- uninstall ------------------------------------------------------------------------------------


def test_uninstall_takes_what_is_ours_and_tells_of_the_data() -> None:
    plan = uninstall(installed(), trail())
    assert {change.name for change in plan.transaction.removals} == set(CAME)
    assert not plan.transaction.installs
    assert not plan.transaction.way_back
    gone = targets(plan, Verb.REMOVE)
    assert {KEY, SOURCE, "/etc/apt/keyrings"} <= set(gone)
    assert "download.docker.com_linux_ubuntu_dists" in gone
    assert plan.notes[0] == "data stays: /var/lib/docker, 2.0 MB; dockwright purge web1 takes it"
    assert plan.assumes.files.keys() == {KEY, SOURCE}


def test_the_data_of_a_user_s_own_docker_is_named_and_stays(tmp_path: Path) -> None:
    """Whoever may log in is looked at, wherever the home is; a purge says the same."""
    (tmp_path / "a home/.local/share/docker").mkdir(parents=True)
    users = tmp_path / "passwd"
    users.write_text(f"pat:x:1000:1000::{tmp_path}/a home:/bin/sh\nsvc:x:900:900::/:/bin/false\n")
    script = question(NONCE, more="data").replace("getent passwd", f"cat {users}")
    for shell in ("dash", "bash"):
        done = subprocess.run([shell], input=script, capture_output=True, text=True, check=True)
        found = read(done.stdout, NONCE, installed()).rootless
        assert found == (f"{tmp_path}/a home/.local/share/docker",)
    plan = uninstall(installed(), trail(f"rootless {b64(found[0])}"))
    (note,) = [note for note in plan.notes if found[0] in note]
    assert "dockerd-rootless-setuptool.sh uninstall" in note
    assert not any(found[0] in action.target for action in plan.actions)


def test_a_host_without_receipts_is_known_by_the_vendor_s_own_files() -> None:
    plan = uninstall(installed(), read(told_runs(), NONCE, installed()))
    gone = targets(plan, Verb.REMOVE)
    assert gone[SOURCE].startswith("names Docker's repository alone")
    assert gone[KEY].startswith("holds Docker's key and no other")
    assert {change.name for change in plan.transaction.removals} == set(CAME) - {
        "nftables", "libnftables1",
    }  # fmt: skip


def test_a_bare_host_has_nothing_to_do() -> None:
    facts = recorded("debian-13-bare")
    plan = uninstall(facts, read(told_runs(), NONCE, facts))
    assert plan.actions == ()


def test_docker_of_the_distribution_stays() -> None:
    facts = recorded("debian-13-docker.io")
    plan = uninstall(facts, read(told_runs(), NONCE, facts))
    assert plan.changes == ()
    assert "not ours" in targets(plan, Verb.KEEP)["docker.io"]


def test_what_an_uninstall_took_is_ours_no_more_unless_it_was_cut() -> None:
    """Somebody installed the same by hand since: known by its marks, its dependencies are theirs."""
    took = "".join(f"package {name} {version} absent\n" for name, version in CAME.items())
    took += f"file {SOURCE} 00 x\nfile {KEY} 00 x\nunhold docker-ce\nleft docker pat\n"
    hers = run_lines("r2", "hold docker-ce\nmember docker pat\n")
    still = (*hers, "member docker pat", f"have docker-ce installed install {CAME['docker-ce']}")
    ended = run_lines("z", took, playbook="uninstall", began=1795523000)
    plan = uninstall(installed(), trail(*still, *ended))
    assert "nftables" not in {change.name for change in plan.transaction.changes}
    assert targets(plan)[SOURCE].startswith("names Docker's repository alone")
    assert not any(action.kind == "group_left" for action in plan.changes)
    cut = run_lines("z", took, playbook="uninstall", began=1795523000, code="-")
    plan = uninstall(installed(), trail(*still, *cut))
    assert "nftables" in {change.name for change in plan.transaction.changes}
    assert targets(plan)[SOURCE].startswith("ours")
    assert any(action.kind == "group_left" for action in plan.changes)


def test_what_stayed_is_not_taken_by_the_next_uninstall_either() -> None:
    """A source that was changed since stays changed, whatever was uninstalled meanwhile."""
    facts = changed(installed(), {"sources": {SOURCE: "# mine\nTypes: deb\n"}})
    ended = run_lines("z", "package docker-ce 1 absent\n", playbook="uninstall", began=1795523000)
    plan = uninstall(facts, trail(*ended, f"path {SOURCE} 00", facts=facts))
    assert "changed since" in targets(plan, Verb.KEEP)[SOURCE]


@pytest.mark.parametrize(
    ("more", "stays"),
    [
        (("needs nftables firewall",), {"nftables": "firewall", "libnftables1": "nftables"}),
        (("needs libnftables1 firewall",), {"libnftables1": "firewall"}),
        (("needs docker-ce panel",), {}),
    ],
)
def test_a_dependency_that_others_need_stays(more: tuple[str, ...], stays: dict[str, str]) -> None:
    plan = uninstall(installed(), trail(*more))
    kept = targets(plan, Verb.KEEP)
    assert {name: why.split(" but ")[1].split(" ")[0] for name, why in kept.items()} == stays
    assert {change.name for change in plan.transaction.changes} == set(CAME) - set(stays)


def test_a_dependency_that_was_marked_since_stays() -> None:
    told = installed_trail().replace("auto nftables\n", "")
    plan = uninstall(installed(), read(told, NONCE, installed()))
    assert "marked" in targets(plan, Verb.KEEP)["nftables"]


def test_the_way_in_stays() -> None:
    lines = run_lines("r2", "package openssh-server absent 1\nasked openssh-server\n")
    plan = uninstall(installed(), trail(*lines, "have openssh-server installed install 1"))
    assert "way into" in targets(plan, Verb.KEEP)["openssh-server"]


def test_a_source_that_was_changed_since_stays_with_its_key_and_lists() -> None:
    facts = installed()
    source = facts.file(SOURCE)
    assert source is not None
    facts = changed(facts, {"sources": {SOURCE: (source.content or "") + "# mine\n"}})
    plan = uninstall(facts, trail(f"path {SOURCE} 00", facts=facts))
    kept = targets(plan, Verb.KEEP)
    assert "changed since" in kept[SOURCE]
    assert SOURCE in kept[KEY]
    gone = targets(plan, Verb.REMOVE)
    assert not any(target.startswith(("download.docker.com", "/etc/apt")) for target in gone)


def test_the_lists_of_a_flat_repository_go_before_the_source_that_tells_of_them() -> None:
    """NVIDIA's has no suites, and the host's architecture in its URL; ours by receipt alone."""
    path = "/etc/apt/sources.list.d/nvidia-container-toolkit.sources"
    site = "nvidia.github.io_libnvidia-container_stable_deb"
    text = "Types: deb\nURIs: https://nvidia.github.io/libnvidia-container/stable/deb/$(ARCH)\nSuites: /\n"
    facts = changed(installed(), {"sources": {path: text}})
    lists = (f"{site}_amd64_InRelease", f"{site}_amd64_other_InRelease", f"{site}_arm64_InRelease")
    facts = facts.model_copy(update={"lists": lists})
    sha = hashlib.sha256(text.encode()).hexdigest()
    receipt = f"file {path} absent -\nwrote {path} {sha}\n"
    known = trail(f"path {path} {sha}", *run_lines("2026-11-25-gpu", receipt), facts=facts)
    gone = [action.target for action in uninstall(facts, known).changes]
    assert f"{site}_amd64" in gone
    assert not any("other" in target or "arm64" in target for target in gone)
    assert gone.index(f"{site}_amd64") < gone.index(path)
    # While another source names it, they are that one's.
    facts = changed(facts, {"sources": {path: text, path.replace("toolkit", "too"): text}})
    facts = facts.model_copy(update={"lists": lists})
    gone = [action.target for action in uninstall(facts, known).changes]
    assert path in gone
    assert f"{site}_amd64" not in gone


def test_a_source_that_names_others_too_stays() -> None:
    mixed = "deb https://download.docker.com/linux/ubuntu noble stable\ndeb http://x.test y z\n"
    facts = changed(installed(), {"sources": {"/etc/apt/sources.list.d/docker-all.list": mixed}})
    plan = uninstall(facts, trail(facts=facts))
    kept = targets(plan, Verb.KEEP)["/etc/apt/sources.list.d/docker-all.list"]
    assert "beside" in kept


def test_a_file_with_a_name_that_no_receipt_could_hold_stays() -> None:
    line = "deb https://download.docker.com/linux/ubuntu noble stable\n"
    odd = "/etc/apt/sources.list.d/docker x\nwrote /etc/passwd.list"
    facts = changed(installed(), {"sources": {odd: line}})
    assert odd not in targets(uninstall(facts, trail(facts=facts)))


def test_what_a_run_held_is_released_and_what_others_hold_is_refused() -> None:
    held = {
        "packages": {
            "docker-ce": {"version": CAME["docker-ce"], "status": "installed", "held": True}
        }
    }
    facts = changed(installed(), held)
    with pytest.raises(RefusedError, match="held by apt-mark: docker-ce"):
        uninstall(facts, trail(facts=facts))
    ours = (
        *run_lines("r2", "hold docker-ce\n"),
        f"have docker-ce installed hold {CAME['docker-ce']}",
    )
    plan = uninstall(facts, trail(*ours, facts=facts))
    assert targets(plan)["docker-ce"] == "held by a run of ours"
    assert plan.transaction.held == ("docker-ce",)


def test_a_user_whom_we_added_leaves_the_group() -> None:
    lines = run_lines("r2", "member docker pat\nmember docker ops\n")
    plan = uninstall(installed(), trail(*lines, "member docker pat"))
    left = [action.params for action in plan.changes if action.kind == "group_left"]
    assert left == [{"group": "docker", "user": "pat"}]


def test_kubernetes_and_swarm_are_not_cut_off() -> None:
    node = installed().model_copy(update={"kubernetes": ("/etc/kubernetes/kubelet.conf",)})
    with pytest.raises(DestructiveError, match="Kubernetes node"):
        uninstall(node, trail())
    daemon = installed().daemon
    assert daemon is not None
    swarm = installed().model_copy(update={"daemon": daemon.model_copy(update={"swarm": "active"})})
    with pytest.raises(DestructiveError, match="Swarm"):
        uninstall(swarm, trail())


def test_a_run_that_was_cut_is_cleared_up_after() -> None:
    facts = recorded("debian-13-bare").model_copy(update={"cut": "r1"})
    plan = uninstall(facts, read(told_runs(), NONCE, facts))
    assert [action.kind for action in plan.changes] == ["leftovers"]


# --- daemon.json ----------------------------------------------------------------------------------


def merged(before: str | None, after: object) -> Merged:
    return Merged(path=DAEMON, before=before, after=json.dumps(after))


@pytest.mark.parametrize(
    ("current", "merges", "left", "kept"),
    [
        # Nobody touched it: the very bytes of before, or no file.
        ({"a": 1, "b": 2}, [('{ "a":1 }', {"a": 1, "b": 2})], '{ "a":1 }', ()),
        ({"b": 2}, [(None, {"b": 2})], None, ()),
        ({"b": 2, "c": 3}, [(None, {"b": 2}), ('{"b": 2}', {"b": 2, "c": 3})], None, ()),
        # Somebody added a key: it stays; ours goes, and what it replaced is back.
        ({"a": 1, "b": 2, "x": 9}, [('{"a": 1}', {"a": 1, "b": 2})], {"a": 1, "x": 9}, ()),
        ({"a": 2, "x": 9}, [('{"a": 1}', {"a": 2})], {"a": 1, "x": 9}, ()),
        ({"b": 2, "x": 9}, [(None, {"b": 2})], {"x": 9}, ()),
        # Somebody changed our value: that is theirs now.
        ({"b": 5}, [(None, {"b": 2})], {"b": 5}, ("b",)),
        # In maps, too.
        (
            {"o": {"mine": "1", "ours": "2", "new": "3"}},
            [('{"o": {"mine": "1"}}', {"o": {"mine": "1", "ours": "2"}})],
            {"o": {"mine": "1", "new": "3"}},
            (),
        ),
        ({"o": {"ours": "2"}, "x": 1}, [(None, {"o": {"ours": "2"}})], {"x": 1}, ()),
        # It is as before already: an uninstall that was cut.
        ({"a": 1}, [('{"a": 1}', {"a": 1, "b": 2})], {"a": 1}, ()),
        # Somebody took all that was theirs out: the bytes of before do not come back.
        ({"b": 2}, [('{"a": 1}', {"a": 1, "b": 2})], {}, ()),
    ],
)
def test_a_merge_is_taken_back(
    current: object, merges: list[tuple[str | None, object]], left: object, kept: tuple[str, ...]
) -> None:
    text, changed_since = unmerged(
        json.dumps(current), [merged(before, after) for before, after in merges]
    )
    assert changed_since == kept
    if left is None or isinstance(left, str):
        assert text == left
    else:
        assert text is not None
        assert json.loads(text) == left


def test_a_file_that_is_no_json_any_more_stays() -> None:
    facts = changed(installed(), {"files": {DAEMON: "{,"}})
    lines = [*run_lines("r2", f"file {DAEMON} absent -\nwrote {DAEMON} 00\nkeys {DAEMON} b\n")]
    ours = b64('{"b": 2}')
    plan = uninstall(facts, trail(*lines, f"merged r2 {DAEMON} absent {ours}", facts=facts))
    assert "not valid" in targets(plan, Verb.KEEP)[DAEMON]


def test_our_keys_go_and_those_of_others_stay() -> None:
    facts = changed(installed(), {"files": {DAEMON: '{"a": 1, "b": 2, "x": 9}'}})
    lines = [*run_lines("r2", f"file {DAEMON} 00 /b\nwrote {DAEMON} 00\nkeys {DAEMON} b\n")]
    merge = f"merged r2 {DAEMON} {b64(json.dumps({'a': 1}))} {b64(json.dumps({'a': 1, 'b': 2}))}"
    plan = uninstall(facts, trail(*lines, merge, facts=facts))
    (action,) = [one for one in plan.changes if one.target == DAEMON]
    assert json.loads(action.params["content"]) == {"a": 1, "x": 9}


def test_a_daemon_that_stays_takes_the_settings_up() -> None:
    """docker.io with keys of ours: the packages are the distribution's, and go on."""
    facts = changed(recorded("debian-13-docker.io"), {"files": {DAEMON: '{"labels": ["a=b"]}'}})
    lines = [*run_lines("r2", f"file {DAEMON} absent -\nwrote {DAEMON} 00\nkeys {DAEMON} labels\n")]
    for keys, verb in (({"labels": ["a=b"]}, Verb.CHANGE), ({"bip": "10.0.0.1/24"}, Verb.RESTART)):
        facts = changed(facts, {"files": {DAEMON: json.dumps(keys)}})
        merge = f"merged r2 {DAEMON} absent {b64(json.dumps(keys))}"
        told = told_runs(*lines, merge)
        plan = uninstall(facts, read(told, NONCE, facts))
        reload = next(action for action in plan.changes if action.kind == "reload")
        assert reload.verb is verb
        assert bool(reload.stops) is (verb is Verb.RESTART)


def test_every_template_of_the_way_back_is_there() -> None:
    for kind in ("unhold", "group_left", "lists_gone", "directory_gone", "containers_stop"):
        assert (directory("templates") / "steps" / f"{kind}.sh.j2").is_file()
