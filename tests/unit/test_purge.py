"""purge: what must never be deleted is refused, each for its own reason."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from dockwright.app import key_owners
from dockwright.errors import DestructiveError, DockwrightError, RefusedError, UnreachableError
from dockwright.load import HostValues
from dockwright.models import Facts
from dockwright.plan import HostPlan, Level, Verb
from dockwright.receipts import Vendor, data, plan_purge, read
from dockwright.receipts.data import Data, Mount, Place, Volume, decoded
from dockwright.receipts.guards import refusals
from dockwright.resources import directory
from tests.unit.making import (
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

ROOT, STORE, DAEMON = "/var/lib/docker", "/var/lib/containerd", "/etc/docker/daemon.json"
NAMES = ("engine-id", "image", "containers", "volumes", "network", "buildkit", "overlay2")
ALL = Level(everything=True)
PURGE = (directory("templates") / "runtime" / "purge.sh").read_text(encoding="utf-8")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and other users need root")


def identity_of(path: Path) -> str:
    """Device and inode, as stat(1) writes them."""
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}"


def place(path: str = ROOT, kind: str = "docker", how: str = "daemon", **fields: Any) -> Place:
    names = NAMES if kind == "docker" else ("io.containerd.metadata.v1.bolt", "tmpmounts")
    values: dict[str, Any] = {
        "type": "directory",
        "real": path,
        "identity": "1:2",
        "kib": 4096,
        "names": tuple(("d", name) for name in names),
        **fields,
    }
    return Place(kind=kind, how=how, path=path, **values)


def there(*places: Place, **fields: Any) -> Data:
    every = places or (place(), place(STORE, "containerd", "default"))
    return Data(places=every, **fields)


def purge(found: Data, level: Level = ALL, facts: Facts | None = None, told: str = "") -> HostPlan:
    facts = facts or recorded("ubuntu-24.04-installed")
    known = read(told or installed_trail(), NONCE, facts)
    book = playbook("docker", {"docker_fingerprint": pin()})
    steps = (step for part in book.steps_for(HostValues.of(facts)) for step in part.steps)
    vendor = Vendor.of(steps)
    return plan_purge("web1", facts, known, vendor, key_owners(facts), found, level)


def refused(*args: Any, **options: Any) -> str:
    with pytest.raises(DockwrightError) as caught:
        purge(*args, **options)
    assert isinstance(caught.value, DestructiveError), caught.value
    error = caught.value
    return "\n".join(
        [error.brief, *(f"{label}: {text}" for label, text in error.details), error.next_step or ""]
    )


def emptied(plan: HostPlan) -> list[str]:
    return [action.target for action in plan.changes if action.kind == "data_gone"]


# --- all of it ------------------------------------------------------------------------------------


def test_everything_goes_with_docker_itself() -> None:
    plan = purge(there(volumes=(Volume(name="db", idle=False, kib=2048),)))
    assert emptied(plan) == [ROOT, STORE]
    assert "docker-ce" in {change.name for change in plan.transaction.removals}
    (docker,) = [action for action in plan.changes if action.target == ROOT]
    assert "db (2.0 MB)" in docker.reason
    assert docker.params["identity"] == "1:2"
    assert [action.kind for action in plan.checks] == ["leftover_scan"]
    assert plan.playbook == "purge"


def test_the_data_of_users_is_named_and_never_deleted() -> None:
    path = "/home/pat/.local/share/docker"
    plan = purge(there(), told=installed_trail(f"rootless {b64(path)}"))
    assert emptied(plan) == [ROOT, STORE]
    assert any(path in note for note in plan.notes)


@root_only
def test_a_user_s_own_daemon_is_not_at_work_on_the_data() -> None:
    """A dockerd without root would keep everything else from being deleted."""
    script = f"""{PURGE}
    cp "$(command -v sleep)" "$1/dwtestd" && chmod 755 "$1" "$1/dwtestd"
    setpriv --reuid=65533 --clear-groups "$1/dwtestd" 30 & user=$!
    for attempt in $(seq 100); do
      [ "$(cat /proc/$user/comm)" = dwtestd ] && [ "$(stat -c %u /proc/$user)" = 65533 ] && break
      sleep 0.01
    done
    still_running dwtestd && echo "seen $pid"
    "$1/dwtestd" 30 & root=$!
    while [ "$(cat /proc/$root/comm)" != dwtestd ]; do sleep 0.01; done
    still_running dwtestd && [ "$pid" = "$root" ] && echo right
    kill $user $root
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["dash", "-c", script, "sh", folder], capture_output=True, text=True, check=False
        )
    assert done.stdout == "right\n", done.stderr


def test_a_second_purge_has_nothing_to_do() -> None:
    """P15"""
    facts = recorded("debian-13-bare")
    found = there(place(names=()), place(STORE, "containerd", "default", type="absent"))
    plan = purge(found, facts=facts, told=told_runs())
    assert plan.changes == ()
    assert plan.checks == ()


def test_running_containers_stop_first() -> None:
    """P01"""
    container = {"id": "1" * 64, "name": "app", "image": "ubuntu"}
    facts = changed(recorded("ubuntu-24.04-installed"), {"containers": [container]})
    plan = purge(there(), facts=facts)
    assert plan.stops == ("app",)
    assert plan.changes[0].kind == "containers_stop"


def test_without_a_level_the_sizes_are_told() -> None:
    found = there(usage={"Images": (5, 2)}, volumes=(Volume(name="db", idle=True, kib=9),))
    said = refused(found, Level())
    for words in ("/var/lib/docker: 4.0 MB", "Images: 5, 3 of them", "volume db: 9 kB", "--images"):
        assert words in said


SYMLINK = place(type="symlink", real="/srv/precious", names=())
WAY = place(real="/srv/really/docker")
SPACED = Mount(kind="ext4", point="/var/lib/docker/volumes/a b\nc/_data")
OWN = (
    Mount(kind="overlay", point=f"{ROOT}/overlay2/{'a' * 64}/merged"),
    Mount(kind="overlay", point=f"{ROOT}/rootfs/overlayfs/{'b' * 64}"),
    Mount(kind="tmpfs", point=f"{ROOT}/containers/{'b' * 64}/mounts/shm"),
)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(SYMLINK, "symlink to /srv/precious", id="P03-root"),
        pytest.param(WAY, "on the way is a symlink", id="P03-way"),
        pytest.param(
            place(mounts=(Mount(kind="nfs4", point=f"{ROOT}/volumes/x/_data"),)),
            "volumes/x/_data' is mounted below it (nfs4)",
            id="P04-nfs",
        ),
        pytest.param(
            place(mounts=(Mount(kind="ext4", point=f"{ROOT}/rootfs/overlayfs/{'b' * 64}"),)),
            "is mounted below it",
            id="P04-bind-like-a-container's-root",
        ),
        pytest.param(
            place(mounts=(Mount(kind="ext4", point=f"{ROOT}/overlay2/x/merged"),)),
            "is mounted below it (ext4)",
            id="P04-bind-like-our-own",
        ),
        pytest.param(place(mounts=(SPACED,)), r"a b\nc", id="P07"),
        pytest.param(
            place(names=(("d", "image"), ("d", "x"))), "not docker's: 'x'", id="P06-foreign"
        ),
        pytest.param(place(names=(("d", "image"),)), "does not look like docker's", id="P06-shape"),
        pytest.param(
            place(names=(*place().names, ("d", ".git"))), "it is a git tree", id="P06-git"
        ),
        pytest.param(
            place(names=(*place().names, ("d", "lost+found"))), "'lost+found'", id="P06-lost"
        ),
        pytest.param(
            place(names=(*place().names[1:], ("l", "image"))),
            "'image' in it is a symlink",
            id="P03-in",
        ),
        pytest.param(place(type="other", names=()), "it is no directory", id="file"),
    ],
)
def test_a_directory_that_must_not_be_emptied(found: Place, words: str) -> None:
    assert words in refused(there(found))


@pytest.mark.parametrize(
    "path", ["/", "/var", "/home", "/home/pat", "/srv", "/usr/lib", "/var/lib", "/var/lib/dpkg"]
)
def test_directories_of_the_system_are_none_of_docker_s(path: str) -> None:
    """P06"""
    assert list(refusals(place(path), begun=True)) == ["that is no directory of Docker alone"] or (
        path == "/" and "characters" in next(refusals(place(path), begun=True))
    )


@pytest.mark.parametrize(
    "path", ["/srv/../etc", "/srv/a b", "/srv/x\ny", "/srv/", "srv", "/srv/$(id)"]
)
def test_an_odd_path_is_no_data_root(path: str) -> None:
    assert "characters" in next(refusals(place(path), begun=True))


def test_what_debian_s_containerd_left_is_no_obstacle() -> None:
    names = (("d", "io.containerd.metadata.v1.bolt"), ("d", "opt"))
    assert emptied(purge(there(place(), place(STORE, "containerd", "default", names=names)))) == [
        ROOT,
        STORE,
    ]


def test_docker_s_own_mounts_and_a_disk_of_its_own_are_no_obstacle() -> None:
    own_disk = Mount(kind="ext4", point=ROOT)
    found = place(names=(*place().names, ("d", "lost+found")), mounts=(own_disk, *OWN))
    plan = purge(there(found))
    assert emptied(plan) == [ROOT]
    assert "a mount of its own" in plan.changes[-1].reason


def test_volumes_are_saved_after_containers_stop_and_before_anything_goes() -> None:
    """P09; but not once more where a run that was cut had begun to delete: that may be half of one."""
    level = Level(everything=True, export="/srv/saved")
    running = changed(
        recorded("ubuntu-24.04-installed"),
        {"containers": [{"id": "1" * 64, "name": "app", "image": "ubuntu"}]},
    )
    kinds = [action.kind for action in purge(there(), level, facts=running).changes]
    assert kinds[:2] == ["containers_stop", "volumes_saved"]
    begun = run_lines("cut", f"purging {ROOT} 1:2\n", playbook="purge", code="-", began=1795523000)
    again = purge(there(), level, told=installed_trail(*begun))
    assert "volumes_saved" not in {action.kind for action in again.changes}
    for folder in (ROOT, f"{STORE}/x", "/var/lib/dockwright/x"):
        assert "which may go" in refused(there(), Level(everything=True, export=folder))
    idle = there(volumes=(Volume(name="db", idle=True), Volume(name="used", idle=False)))
    saved, gone = purge(idle, Level(volumes=True, export="/srv/saved")).changes
    assert saved.params["names"] == gone.params["names"] == ["db"]
    silent = there(place(how="default"), volumes=idle.volumes)
    with pytest.raises(RefusedError):
        purge(silent, Level(volumes=True, export="/srv/saved"))


def test_a_data_root_elsewhere_has_to_be_named() -> None:
    """P05"""
    elsewhere = place("/srv/docker")
    beside = place(how="default")
    assert "--data-root /srv/docker" in refused(there(elsewhere, beside))
    named = Level(everything=True, named=("/srv/docker",))
    twice = place("/srv/docker", how="named")
    plan = purge(there(elsewhere, beside, twice), named)
    assert emptied(plan) == ["/srv/docker"]


def test_settings_that_disagree_are_no_ground_for_a_deletion() -> None:
    facts = changed(recorded("debian-13-bare"), {"files": {DAEMON: '{"data-root": "/srv/a"}'}})
    settings, options = place("/srv/a", how="settings"), place("/srv/b", how="options")
    level = Level(everything=True, named=("/srv/a", "/srv/b"))
    assert "cannot be told" in refused(there(settings, options), level, facts, told_runs())
    broken = changed(facts, {"files": {DAEMON: '{"data-root": "/srv/a",}'}})
    assert "cannot be told" in refused(there(settings), level, broken, told_runs())
    nested = changed(facts, {"files": {DAEMON: '{"x": {"data-root": "/srv/a"}}'}})
    assert "cannot be told" in refused(there(settings), level, nested, told_runs())
    # A path that JSON writes in another way than the file's bytes.
    hidden = changed(facts, {"files": {DAEMON: '{"data\\u002droot": "/srv/b"}'}})
    assert "cannot be told" in refused(there(settings), level, hidden, told_runs())


def test_who_else_lives_on_it() -> None:
    """P08, P18, and a daemon that stays."""
    assert "k8s.io" in refused(there(spaces=("moby", "k8s.io")))
    said = refused(there(swarm="active true 3 1"))
    assert "manager; the swarm has 3 nodes" in said
    assert "services" in said
    node = recorded("ubuntu-24.04-installed").model_copy(update={"kubernetes": ("/x",)})
    assert "Kubernetes" in refused(there(), facts=node)
    said = refused(there(), facts=recorded("debian-13-docker.io"), told=told_runs())
    assert "docker.io lives on this data" in said
    assert "never purge" in said
    assert emptied(purge(there(spaces=("moby", "plugins.moby"))))


def test_a_daemon_that_nobody_s_package_brought_keeps_its_data() -> None:
    facts = recorded("debian-13-bare")
    said = refused(there(processes=(("dockerd", "77"),)), facts=facts, told=told_runs())
    assert "pid 77" in said
    assert "k3s-server" in refused(there(processes=(("k3s-server", "9"),)))
    found = there(processes=(("containerd", "78"),))
    assert emptied(purge(found, facts=facts, told=told_runs())) == [ROOT]
    ours = (("dockerd", "77"), ("containerd", "78"), ("containerd-shim", "79"))
    assert emptied(purge(there(processes=ours))) == [ROOT, STORE]


def test_a_containerd_that_stays_keeps_its_directory() -> None:
    both = {"packages": {"containerd": "1.7"}}
    facts = changed(recorded("debian-13-bare"), both)
    assert emptied(purge(there(), facts=facts, told=told_runs())) == [ROOT]


def test_a_purge_that_was_cut_goes_on_where_it_began_and_nowhere_else() -> None:
    """P13"""
    half = place(names=(("d", "overlay2"),))
    begun = run_lines("r9", f"purging {ROOT} 1:2\n", playbook="purge", code="-", began=1795523000)
    store = place(STORE, "containerd", "default")
    plan = purge(there(half, store), told=installed_trail(*begun))
    assert emptied(plan) == [ROOT, STORE]
    other = place(names=half.names, identity="1:3")
    assert "does not look like" in refused(there(other), told=installed_trail(*begun))


# --- prune ----------------------------------------------------------------------------------------


def test_less_than_all_is_the_daemon_s_own_prune() -> None:
    found = there(
        usage={"Images": (5, 2), "BuildCache": (1, 0)},
        volumes=(Volume(name="db", idle=False), Volume(name="old", idle=True, kib=5)),
    )
    plan = purge(found, Level(images=True, volumes=True))
    assert [action.params["what"] for action in plan.changes] == ["images", "volumes"]
    assert "4 images" in plan.changes[0].reason
    assert "old (5 kB)" in plan.changes[1].reason
    assert "db" not in plan.changes[1].reason
    assert plan.transaction.changes == ()
    idle = purge(there(usage={"Images": (2, 2)}), Level(images=True, volumes=True))
    assert {action.verb for action in idle.actions} == {Verb.KEEP}


def test_only_a_daemon_knows_what_is_in_use() -> None:
    with pytest.raises(RefusedError, match="no Docker daemon answers"):
        purge(there(), Level(images=True), recorded("debian-13-bare"), told_runs())
    with pytest.raises(RefusedError, match="did not say in time"):
        purge(there(), Level(images=True))


# --- what the host tells --------------------------------------------------------------------------


def test_mount_points_are_decoded() -> None:
    assert decoded(r"/a\040b\011c\012d\134e") == "/a b\tc\nd\\e"


def test_the_answer_is_read_as_it_was_asked() -> None:
    facts = recorded("ubuntu-24.04-installed")
    root = b64(ROOT)
    names = b64("d/volumes\0l/odd\nname\0")
    told = "\n".join(
        [
            f"dw1 {NONCE} data",
            f"place docker daemon {root} directory {root} 8:1 77",
            f"place docker default {root} directory {root} 8:1 ",
            f"names {root} {names}",
            rf"mount {root} ext4 /var/lib/docker/a\040b",
            f"space {b64('moby')}",
            "swarm active true 1 1",
            "usage Images 3 1 1.2GB 600MB(50%)",
            "usage LocalVolumes x y",
            f"volume {b64('db')} idle 5",
            f"volume {b64('big')} used ",
            "process dockerd 77",
            f"dw1 {NONCE} measured",
        ]
    )
    found = data.read(told, NONCE, facts)
    first, second = found.places
    assert (first.kib, second.kib) == (77, None)
    assert first.names == (("d", "volumes"), ("l", "odd\nname"))
    assert first.mounts == (Mount(kind="ext4", point="/var/lib/docker/a b"),)
    assert found.usage == {"Images": (3, 1)}
    assert found.sizes == {"Images": ("1.2GB", "600MB")}
    assert "Images: 3 (1.2GB), 2 of them in no container's use (600MB)" in refused(found, Level())
    assert found.idle("Images") == 2
    assert found.volumes == (
        Volume(name="db", idle=True, kib=5), Volume(name="big", idle=False),
    )  # fmt: skip
    assert data.answered(told, NONCE)
    with pytest.raises(UnreachableError):
        data.read(told.replace("measured", ""), NONCE, facts)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_script_tells_of_a_real_directory(tmp_path: Path, shell: str) -> None:
    root = tmp_path / "it's $(a) root"
    (root / "volumes").mkdir(parents=True)
    (root / "odd\nname").symlink_to("/etc")
    script = data.question(NONCE, [str(root), str(tmp_path / "none")])
    done = subprocess.run([shell], input=script, capture_output=True, text=True, check=True)
    found = data.read(done.stdout, NONCE, recorded("ubuntu-24.04-installed"))
    named = [one for one in found.places if one.how == "named"]
    assert [one.path for one in named] == [str(root), str(tmp_path / "none")]
    assert named[0].identity == identity_of(root)
    assert set(named[0].names) == {("d", "volumes"), ("l", "odd\nname")}
    assert named[1].type == "absent"


# --- the deletion itself --------------------------------------------------------------------------


def empty_out(path: Path, identity: str | None = None, before: str = "") -> tuple[int, str]:
    """Run the deletion for real, in a mount namespace of its own, and give its status and words."""
    inode = identity or identity_of(path)
    script = (
        f"receipt() {{ :; }}; settle() {{ :; }}; cause=''\n{PURGE}\n{before}\n"
        'empty_out "$1" "$2"; rc=$?; echo "$cause"; exit $rc\n'
    )
    argv = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "dash",
        "-c",
        script,
        "sh",
        str(path),
        inode,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def doomed(tmp_path: Path) -> Path:
    """A directory to be emptied, full of what leads out of it, beside a canary."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "canary").write_text("alive")
    top = tmp_path / "root"
    (top / "volumes" / "a b\nc" / "_data").mkdir(parents=True)
    (top / "volumes" / "-rf").write_text("x")
    (top / "volumes" / "* $(touch pwned)").write_text("x")
    (top / "volumes" / "link").symlink_to(tmp_path / "outside")
    (top / "volumes" / "file").symlink_to(tmp_path / "outside" / "canary")
    os.link(tmp_path / "outside" / "canary", top / "volumes" / "hard")
    return top


def canary(top: Path) -> str:
    return (top.parent / "outside" / "canary").read_text()


@root_only
def test_all_that_is_in_it_goes_and_nothing_else(doomed: Path) -> None:
    assert empty_out(doomed) == (0, "\n")
    assert not doomed.exists()
    assert canary(doomed) == "alive"


@root_only
def test_another_directory_than_the_planned_one_is_not_touched(doomed: Path) -> None:
    code, said = empty_out(doomed, "1:1")
    assert code == 3
    assert "not the directory that was planned for" in said
    assert (doomed / "volumes" / "-rf").exists()


@root_only
@pytest.mark.parametrize("where", ["itself", "parent"])
def test_a_symlink_on_the_way_is_not_followed(doomed: Path, where: str) -> None:
    """P11: swapped between plan and deletion; even the right inode behind a link is refused."""
    identity = identity_of(doomed)
    if where == "itself":
        link = doomed.parent / "link"
        link.symlink_to(doomed)
    else:
        (doomed.parent.parent / "way").symlink_to(doomed.parent)
        link = doomed.parent.parent / "way" / "root"
    code, _ = empty_out(link, identity)
    assert code == 3
    assert (doomed / "volumes" / "-rf").exists()


@root_only
@pytest.mark.parametrize("name", ["_data", "x y", "x\ny"])
def test_a_mount_below_it_stops_everything(doomed: Path, name: str) -> None:
    """P04, P07: a bind mount of the same file system, whatever its name."""
    point = doomed / "volumes" / name
    point.mkdir()
    before = f"mount --bind '{doomed.parent}/outside' '{point}'"
    code, said = empty_out(doomed, before=before)
    assert code == 3, said
    assert "mounted below" in said
    assert canary(doomed) == "alive"
    assert (doomed / "volumes" / "-rf").exists()


@pytest.mark.slow
@root_only
def test_a_mount_that_comes_while_it_deletes_is_not_seen_by_it(doomed: Path) -> None:
    """The deletion's namespace is its own: what is bound there later is not in it."""
    many = doomed / "volumes" / "many"
    many.mkdir()
    for number in range(3000):
        (many / f"f{number}").touch()
    late = doomed / "late"
    late.mkdir()
    before = (
        "mount --make-rshared / 2>/dev/null\n"
        f"(for i in 1 2 3 4 5 6 7 8 9; do mount --bind '{doomed.parent}/outside' '{late}'; sleep 0.01; done) 2>/dev/null &\n"
        "sleep 0.001\n"
    )
    code, _ = empty_out(doomed, before=before)
    assert code in (0, 1, 3)
    assert canary(doomed) == "alive"


@root_only
def test_docker_s_own_mounts_are_unmounted(doomed: Path) -> None:
    shm = doomed / "containers" / ("a" * 64) / "mounts" / "shm"
    shm.mkdir(parents=True)
    code, said = empty_out(doomed, before=f"mount -t tmpfs shm '{shm}'")
    assert code == 0, said
    assert not doomed.exists()


@pytest.mark.slow
@root_only
def test_a_mount_that_is_busy_is_named_with_who_holds_it(doomed: Path) -> None:
    """P12"""
    shm = doomed / "containers" / ("a" * 64) / "mounts" / "shm"
    shm.mkdir(parents=True)
    before = f"mount -t tmpfs shm '{shm}'; (cd '{shm}' && exec sleep 4) & sleep 0.2"
    code, said = empty_out(doomed, before=before)
    assert code == 1
    assert "is busy" in said
    assert "sleep 4" in said
    assert (doomed / "volumes" / "-rf").exists()


@root_only
def test_a_root_that_is_a_mount_is_emptied_and_stays(doomed: Path) -> None:
    (doomed / "lost+found").mkdir()
    (doomed / "lost+found" / "#12").write_text("x")
    code, said = empty_out(doomed, before=f"mount --bind '{doomed}' '{doomed}'")
    assert code == 0, said
    assert [path.name for path in doomed.iterdir()] == ["lost+found"]
    assert (doomed / "lost+found" / "#12").exists()


def immutable(path: Path, *, on: bool) -> None:
    """``chattr +i`` without e2fsprogs: ioctl_iflags(2)."""
    get, put, flag = 0x80086601, 0x40086602, 0x10
    with path.open("rb") as file:
        flags = bytearray(8)
        fcntl.ioctl(file, get, flags)
        number = int.from_bytes(flags[:4], sys.byteorder)
        number = number | flag if on else number & ~flag
        fcntl.ioctl(file, put, number.to_bytes(8, sys.byteorder))


@root_only
def test_what_cannot_be_deleted_is_said(doomed: Path) -> None:
    """An immutable file (P12's kind): the rest goes, and the same command goes on."""
    stuck = doomed / "volumes" / "stuck"
    stuck.write_text("x")
    try:
        immutable(stuck, on=True)
    except OSError:
        pytest.skip("no immutable files on this file system")
    try:
        code, said = empty_out(doomed)
        assert code == 1
        assert "not all of" in said
        assert not (doomed / "volumes" / "-rf").exists()
    finally:
        immutable(stuck, on=False)
    assert empty_out(doomed)[0] == 0
