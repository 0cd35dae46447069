"""Data goes only where it is Docker's alone, confirmed by the host's name; no canary is ever lost.

Each row of the matrix is run twice: what is refused once is refused again, and what was done once has
nothing to do the second time. The data of a lab host is outside of its overlay, so what is on it is
looked at from inside.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dockwright.events import Note, Planned, StepFinished
from tests.hosts.support import (
    STATE,
    Make,
    Run,
    at,
    clean,
    dockwright,
    install,
    printed,
    under_way,
    until,
    untouched,
    versions,
)
from tests.hosts.test_uninstall import bare, uninstall
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

ROOT, STORE = "/var/lib/docker", "/var/lib/containerd"
CANARY = "/srv/canary/file"


def purge(lab: Lab, host: Host, *args: str, confirm: bool = True) -> Run:
    name = ("--confirm", host.name) if confirm else ()
    return dockwright(lab, "purge", at(host), "--detailed-exitcode", *args, *name)


def inside(host: Host, path: str) -> list[str]:
    """What is in a directory; nothing where there is none."""
    return host.exec(["ls", "-A", path], check=False).stdout.split()


def used(host: Host) -> Host:
    """A host with an image, a volume with something in it, a stopped container, and canaries."""
    host.exec("mkdir -p /srv/canary && echo alive >/srv/canary/file")
    host.exec("docker pull -q ubuntu && docker volume create data")
    host.exec(
        "docker run --name=old -v data:/d ubuntu sh -c 'echo precious >/d/file; ln -s /srv/canary /d/link'"
    )
    host.exec("ln -s /srv/canary /var/lib/docker/volumes/data/_data/host-link")
    odd = (  # names that a list of words or of lines would get wrong, and links out of them
        "cd /var/lib/docker/volumes/data/_data && for name in 'a b' \"$(printf 'c\\nd')\" -rf '*'; do"
        ' mkdir "./$name" && touch "./$name/$name" && ln -s /srv/canary "./$name/out" || exit; done'
    )
    host.exec(odd)
    host.mark()
    return host


def alive(host: Host) -> None:
    assert host.exec(["cat", CANARY]).stdout == "alive\n"


def refused(lab: Lab, host: Host, words: str, *args: str, keeps: str = f"{ROOT}/volumes") -> Run:
    """9, twice, with the reason; nothing is touched, and the data is still there."""
    for _ in range(2):
        run = purge(lab, host, *(args or ("--all",)))
        assert run.code == 9, run
        assert words in run.told, run.told
        untouched(host)
        assert inside(host, keeps) != []
        alive(host)
    return run


def test_all_of_it_and_nothing_else(lab: Lab, prepared: Make) -> None:
    """P09, P14, P15, P17: data, packages and source go; links out of a volume lead to nothing's loss."""
    host = used(prepared("docker"))
    shown = purge(lab, host, "--all", "--dry-run")
    assert shown.code == 20, shown
    assert "data (" in " ".join(action.reason for action in shown.plan.changes)
    untouched(host)
    run = purge(lab, host, "--all")
    assert run.code == 20, run
    bare(host)
    alive(host)
    assert inside(host, ROOT) == []
    assert inside(host, STORE) == []
    scan = run.step("look for leftovers")
    notes = [note.text for note in run.all(Note) if note.text.startswith("left: ")]
    assert scan.text == f"{len(notes)} left over"
    assert any("group docker" in text for text in notes)
    assert any("network docker0" in text for text in notes)
    host.mark()
    again = purge(lab, host, "--all")
    assert again.code == 0, again
    assert again.plan.changes == ()
    untouched(host)
    assert install(lab, at(host)).code == 20
    clean(host)


def test_after_an_uninstall_by_a_plan_that_was_saved(
    lab: Lab, prepared: Make, tmp_path: Path
) -> None:
    """P02: the file's digest confirms it, and what came since stops it."""
    host = used(prepared("docker"))
    assert uninstall(lab, host).code == 20
    saved = tmp_path / "p.json"
    host.mark()
    assert purge(lab, host, "--all", "-o", str(saved), confirm=False).code == 20
    assert dockwright(lab, "apply", saved, "--yes").code == 9
    untouched(host)
    assert inside(host, ROOT) != []
    digits = hashlib.sha256(saved.read_bytes()).hexdigest()[:8]
    apply = ("apply", saved, "--confirm", digits, "--detailed-exitcode")
    host.exec(f"mkdir {ROOT}/volumes/late && mount --bind /srv/canary {ROOT}/volumes/late")
    late = dockwright(lab, *apply)
    assert late.code == 9, late
    assert "is mounted below it" in late.told
    host.exec(f"umount {ROOT}/volumes/late")
    run = dockwright(lab, *apply)
    assert run.code == 20, run
    assert inside(host, ROOT) == []
    assert inside(host, STORE) == []
    alive(host)


def test_running_containers(lab: Lab, prepared: Make) -> None:
    """P01"""
    host = used(prepared("docker"))
    host.exec("docker run -d --stop-timeout=1 --restart=always --name=app ubuntu sleep 100000")
    host.mark()
    run = refused(lab, host, "app")
    assert "--stop-containers" in run.told
    run = purge(lab, host, "--all", "--stop-containers")
    assert run.code == 20, run
    assert inside(host, ROOT) == []
    assert host.exec("pgrep -f 'sleep 10000[0]'", check=False).stdout == ""
    alive(host)


def test_the_name_is_what_confirms(lab: Lab, prepared: Make) -> None:
    """P02: neither --yes nor another name does; without a level the sizes are told."""
    host = used(prepared("docker"))
    for args in (("--all", "--yes"), ("--all", "--confirm", "other")):
        for _ in range(2):
            run = purge(lab, host, *args, confirm=False)
            assert run.code == 9, run
            assert f"--confirm {host.name}" in run.told
            untouched(host)
    run = refused(lab, host, "--images, --volumes or --all", "--yes")
    assert ROOT in run.told
    assert "volume data" in run.told
    assert re.search(r"Images: 1 \([0-9.]+MB\), 0 of them in no container's use \(0B\)", run.told)


def test_levels(lab: Lab, prepared: Make) -> None:
    """P09: what a container uses stays, and each level takes its own only."""
    host = used(prepared("docker"))
    host.exec("docker pull -q hello-world && docker volume create idle")
    for _, code in enumerate((20, 0)):
        run = purge(lab, host, "--images")
        assert run.code == code, run
        images = host.exec("docker image ls --format '{{.Repository}}'").stdout.split()
        assert images == ["ubuntu"]
        assert set(host.exec("docker volume ls -q").stdout.split()) == {"data", "idle"}
    for code in (20, 0):
        run = purge(lab, host, "--volumes")
        assert run.code == code, run
        assert host.exec("docker volume ls -q").stdout.split() == ["data"]
    assert printed(host, "docker run --rm -v data:/d ubuntu cat /d/file") == "precious\n"


def away(host: Host) -> None:
    """Docker is stopped and its data, which the lab mounts, is a plain directory elsewhere."""
    host.exec("systemctl stop docker.socket docker.service containerd.service")


@pytest.mark.parametrize("what", ["root", "parent"])
def test_a_symlink(lab: Lab, prepared: Make, what: str) -> None:
    """P03"""
    host = used(prepared("docker"))
    away(host)
    if what == "root":
        host.exec(f"mkdir /srv/moved && cp -a {ROOT}/. /srv/moved && umount {ROOT}")
        host.exec(f"rmdir {ROOT} && ln -s /srv/moved {ROOT}")
    else:
        host.exec("mkdir -p /srv/disk/docker && ln -s /srv/disk /srv/way")
        host.exec(f"cp -a {ROOT}/. /srv/disk/docker")
        host.put("/etc/docker/daemon.json", '{"data-root": "/srv/way/docker"}\n')
    host.mark()
    named = () if what == "root" else ("--data-root", "/srv/way/docker")
    place = "/srv/moved" if what == "root" else "/srv/disk/docker"
    refused(lab, host, "symlink", "--all", *named, keeps=f"{place}/volumes")


MOUNTS: dict[str, str] = {
    "bind": "mount --bind /srv/canary {point}",
    "tmpfs": "mount -t tmpfs none {point} && echo alive >{point}/file",
}


@pytest.mark.parametrize("how", sorted(MOUNTS))
@pytest.mark.parametrize("name", ["plain", "a b", "a\nb", "merged"])
def test_a_mount_below_the_data(lab: Lab, prepared: Make, how: str, name: str) -> None:
    """P04, P07: of the same file system or of another, whatever its name."""
    host = used(prepared("docker"))
    point = f"'{ROOT}/volumes/{name}'"
    host.exec(f"mkdir {point} && {MOUNTS[how].format(point=point)}")
    refused(lab, host, "is mounted below it")
    assert host.exec(f"cat {point}/file").stdout == "alive\n"


def test_a_data_root_elsewhere(lab: Lab, prepared: Make) -> None:
    """P05: it is deleted only where it is named, and the usual one is not touched then."""
    host = prepared("fresh")
    host.put("/etc/docker/daemon.json", '{"data-root": "/srv/docker"}\n')
    assert install(lab, at(host)).code == 20
    host.exec("mkdir -p /srv/canary && echo alive >/srv/canary/file && docker volume create data")
    host.exec(f"echo usual >{ROOT}/usual")
    host.mark()
    refused(lab, host, "--data-root /srv/docker", keeps="/srv/docker")
    run = purge(lab, host, "--all", "--data-root", "/srv/docker")
    assert run.code == 20, run
    assert not inside(host, "/srv/docker")
    assert inside(host, ROOT) == ["usual"]
    assert any(f"left: {ROOT}" in note.text for note in run.all(Note))
    again = purge(lab, host, "--all", "--data-root", "/srv/docker")
    assert again.code == 0, again
    alive(host)


@pytest.mark.parametrize(
    ("root", "prepare", "words"),
    [
        ("/", "", "characters"),
        ("/var", "", "no directory of Docker alone"),
        ("/home/ops", "", "no directory of Docker alone"),
        ("/srv/tree", "mkdir -p /srv/tree/.git", "git tree"),
        ("/srv/mixed", "mkdir -p /srv/mixed/photos /srv/mixed/volumes", "'photos'"),
        ("/srv/empty", "mkdir -p /srv/empty/image", "does not look like"),
    ],
)
def test_a_directory_that_is_not_docker_s(
    lab: Lab, prepared: Make, root: str, prepare: str, words: str
) -> None:
    """P06, with the daemon off, and the root named by the user."""
    host = used(prepared("docker"))
    away(host)
    host.exec(prepare or "true")
    host.put("/etc/docker/daemon.json", f'{{"data-root": "{root}"}}\n')
    host.mark()
    if root == "/":
        run = purge(lab, host, "--all", "--data-root", root)
        assert run.code == 2, run.err
        return
    refused(lab, host, words, "--all", "--data-root", root)


def test_a_containerd_that_others_use(lab: Lab, prepared: Make) -> None:
    """P08: while it answers, and by what it left where it does not."""
    host = used(prepared("docker"))
    host.exec("ctr namespaces create k8s.io")
    refused(lab, host, "k8s.io")
    away(host)
    refused(lab, host, "k8s.io")


def test_docker_of_the_distribution(lab: Lab, prepared: Make) -> None:
    """P10: never purged; its data stays with it."""
    host = prepared("distribution")
    host.exec("mkdir -p /srv/canary && echo alive >/srv/canary/file; docker stop -t 1 app")
    host.mark()
    refused(lab, host, "docker.io lives on this data")


def volumes_saved_first(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """P09: each as an archive for root alone; one that is there already is not written over."""
    host = used(prepared("docker"))
    host.exec("docker volume create idle && mkdir -p /srv/saved && echo mine >/srv/saved/idle.tar")
    host.exec("docker volume inspect -f '{{.Mountpoint}}' idle | xargs -I{} sh -c 'echo one >{}/f'")
    assert purge(lab, host, "--images", "--export", "/srv/saved").code == 2
    for code in (20, 0):
        run = purge(lab, host, "--volumes", "--export", "/srv/saved")
        assert run.code == code, run
        assert host.exec("docker volume ls -q").stdout.split() == ["data"]
        assert inside(host, "/srv/saved") == ["idle.1.tar", "idle.tar"]
    assert host.exec(["cat", "/srv/saved/idle.tar"]).stdout == "mine\n"
    assert host.exec("tar -xOf /srv/saved/idle.1.tar _data/f").stdout == "one\n"
    for _ in range(2):
        below = purge(lab, host, "--all", "--export", f"{ROOT}/saved")
        assert below.code == 9, below
        assert "which may go" in below.told
    host.exec(f"mkdir /srv/way && ln -s {ROOT}/volumes /srv/way/in")
    by_a_link = purge(lab, host, "--all", "--export", "/srv/way/in/saved")
    assert by_a_link.code == 6, by_a_link
    assert "which may go" in by_a_link.told
    assert inside(host, f"{ROOT}/volumes/data/_data") != []
    host.exec(f"rmdir {ROOT}/volumes/saved")
    host.exec("mkdir -p /srv/small && mount -t tmpfs -o size=4k none /srv/small")
    small = purge(lab, host, "--all", "--export", "/srv/small/here")
    assert small.code == 6, small
    assert "could not be saved" in small.told
    assert inside(host, f"{ROOT}/volumes/data/_data") != []
    for code in (20, 0):
        run = purge(lab, host, "--all", "--export", "/srv/saved")
        assert run.code == code, run
        assert inside(host, ROOT) == []
    assert host.exec("tar -xOf /srv/saved/data.tar _data/file").stdout == "precious\n"
    assert host.exec("stat -c %a /srv/saved/data.tar").stdout == "600\n"
    assert "_data/host-link" in host.exec("tar -tf /srv/saved/data.tar").stdout
    assert inside(host, "/srv/saved") == ["data.tar", "idle.1.tar", "idle.tar"]
    alive(host)


def left_by_docker_io(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """P10: its postrm, kept by dpkg, would delete by paths, whatever is there by then."""
    host = prepared("distribution")
    host.exec("mkdir -p /srv/canary && echo alive >/srv/canary/file")
    assert install(lab, at(host), "--allow-restart").code == 20
    until(lambda: host.exec("docker ps -q").stdout, "the container is back")
    host.exec("docker rm -f app")
    for code in (20, 0):
        run = purge(lab, host, "--all")
        assert run.code == code, run
        assert inside(host, ROOT) == inside(host, STORE) == []
        state = host.exec(["dpkg-query", "-W", "-f", "${db:Status-Status}", "docker.io"]).stdout
        assert state == "config-files"
        # A link that comes since leads that postrm astray, and nothing of ours calls it.
        host.exec(f"rmdir {ROOT} 2>/dev/null || umount {ROOT} && rmdir {ROOT}", check=False)
        alive(host)
    assert any("docker.io" in note.text for note in run.all(Note)) or code == 0


def a_mount_that_is_held(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """P12: 6, with who holds it; what is deleted is nothing, and the same command ends it."""
    host = used(prepared("docker"))
    assert uninstall(lab, host).code == 20  # a daemon lets go of what is below its root as it ends
    host.exec(
        f"cd {ROOT}/overlay2 && mkdir -p leak/merged leak/upper leak/work leak/lower &&"
        f" mount -t overlay -o lowerdir=$PWD/leak/lower,upperdir=$PWD/leak/upper,workdir=$PWD/leak/work"
        f" none {ROOT}/overlay2/leak/merged"
    )
    holder = f"--property=WorkingDirectory={ROOT}/overlay2/leak/merged sleep 7654321"
    host.exec(f"systemd-run -q --unit=holder {holder}")
    for _ in range(2):
        run = purge(lab, host, "--all")
        assert run.code == 6, run
        assert "still mounted and busy" in run.told
        assert "sleep 7654321" in run.all(StepFinished)[-1].output, run
        assert inside(host, f"{ROOT}/volumes") != []
        alive(host)
    host.exec("systemctl stop holder")
    for code in (20, 0):
        run = purge(lab, host, "--all")
        assert run.code == code, run
        assert inside(host, ROOT) == inside(host, STORE) == []
    bare(host)
    alive(host)


def both_image_stores(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """Images below /var/lib/containerd, as Engine 29 keeps them, with a container that runs on one."""
    host = prepared("fresh")
    host.put("/etc/docker/daemon.json", '{"features": {"containerd-snapshotter": true}}\n')
    assert install(lab, at(host)).code == 20
    host = used(host)
    host.exec("docker run -d --stop-timeout=1 --restart=always --name=app ubuntu sleep 100000")
    assert f" {ROOT}/rootfs/" in host.exec("cat /proc/self/mountinfo").stdout
    assert inside(host, f"{STORE}/io.containerd.snapshotter.v1.overlayfs/snapshots") != []
    host.mark()
    refused(lab, host, "app")
    for code in (20, 0):
        run = purge(lab, host, "--all", "--stop-containers")
        assert run.code == code, run
        assert inside(host, ROOT) == inside(host, STORE) == []
        alive(host)


def two_hosts_by_one_file(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """Planned together and confirmed by one digest; a host that may not be purged by then stays."""
    one, two = used(prepared("docker")), used(prepared("docker"))
    saved = tmp_path / "p.json"
    for host in (one, two):
        host.mark()
    run = dockwright(lab, "purge", at(one), at(two), "--all", "-o", str(saved))
    assert run.code == 0, run
    for host in (one, two):
        untouched(host)
    digits = hashlib.sha256(saved.read_bytes()).hexdigest()[:8]
    assert dockwright(lab, "apply", saved, "--confirm", "00000000").code == 9
    two.exec("docker run -d --stop-timeout=1 --name=late ubuntu sleep 100000")
    two.mark()
    run = dockwright(lab, "apply", saved, "--confirm", digits)
    assert run.code == 9, run
    assert "late" in run.told
    assert inside(one, ROOT) == inside(one, STORE) == []
    untouched(two)
    assert inside(two, f"{ROOT}/volumes") != []
    two.exec("docker rm -f late")
    run = dockwright(lab, "apply", saved, "--confirm", digits)
    assert inside(two, ROOT) == inside(two, STORE) == []
    for host in (one, two):
        bare(host)
        alive(host)


@pytest.mark.sampled("row", 1)
@pytest.mark.parametrize(
    "row",
    [
        both_image_stores,
        volumes_saved_first,  # P09
        left_by_docker_io,  # P10
        a_mount_that_is_held,  # P12
        two_hosts_by_one_file,  # P02
    ],
)
def test_rows_that_take_their_time(
    lab: Lab, prepared: Make, tmp_path: Path, row: Callable[[Lab, Make, Path], None]
) -> None:
    """P09, P10, P12 and more: one of them, and all of them by --whole."""
    row(lab, prepared, tmp_path)


def test_what_is_swapped_for_a_link_at_the_last_moment(lab: Lab, prepared: Make) -> None:
    """P11: the plan was right; then, while packages go, the root becomes a link to the canary."""
    host = used(prepared("docker"))
    host.exec(f"cp -a {ROOT}/. /srv/keep")
    with under_way(lab, "purge", at(host), "--all", "--confirm", host.name) as process:
        until(lambda: "docker-ce" not in versions(host), "packages are gone")
        host.exec(f"umount -l {ROOT}; rmdir {ROOT}; ln -s /srv/canary {ROOT}", check=False)
        out, err = process.communicate(timeout=120)
    assert process.returncode in (0, 6, 20), out + err
    alive(host)
    again = purge(lab, host, "--all")
    assert again.code in (0, 9, 20), again
    alive(host)


def test_a_mount_that_comes_at_the_last_moment(lab: Lab, prepared: Make) -> None:
    host = used(prepared("docker"))
    host.exec(f"mkdir {ROOT}/volumes/late")
    with under_way(lab, "purge", at(host), "--all", "--confirm", host.name) as process:
        until(lambda: "docker-ce" not in versions(host), "packages are gone")
        host.exec(f"mount --bind /srv/canary {ROOT}/volumes/late", check=False)
        out, err = process.communicate(timeout=120)
    assert process.returncode in (0, 6, 20), out + err
    alive(host)
    purge(lab, host, "--all")
    alive(host)


@pytest.mark.parametrize("moment", ["packages", "data"])
def test_a_power_cut_in_the_middle(lab: Lab, prepared: Make, moment: str) -> None:
    """P13: the same command ends it, and no daemon starts on half of its data."""
    host = used(prepared("docker"))
    host.exec(f"cd {ROOT}/volumes && mkdir many && cd many && seq 60000 | xargs touch")
    moments: dict[str, Callable[[], object]] = {
        "packages": lambda: "docker-ce" not in versions(host),
        "data": lambda: "purging" in host.exec(f"cat {STATE}/runs/*/receipt").stdout,
    }
    with under_way(lab, "purge", at(host), "--all", "--confirm", host.name) as process:
        until(moments[moment], f"it comes to {moment}")
        host.kill()
        process.kill()
    host.boot()
    assert host.exec("pgrep -x dockerd", check=False).stdout == "" or moment == "packages"
    run = purge(lab, host, "--all")
    assert run.code in (0, 20), run
    assert inside(host, ROOT) == []
    assert inside(host, STORE) == []
    bare(host)
    alive(host)
    assert purge(lab, host, "--all").code == 0


def test_a_swarm_node(lab: Lab, prepared: Make) -> None:
    """P18"""
    host = used(prepared("docker"))
    host.exec("docker swarm init --advertise-addr 127.0.0.1")
    host.mark()
    run = refused(lab, host, "is a Swarm node")
    assert "manager" in run.told


def test_forget(lab: Lab, prepared: Make) -> None:
    """P19: the state directory goes last, and its summary is shown first."""
    host = used(prepared("docker"))
    assert purge(lab, host, "--all").code == 20
    # What undo and uninstall would need goes, too, only where the name confirms it.
    for _ in range(2):
        unsaid = purge(lab, host, "--all", "--forget", "--yes", confirm=False)
        assert unsaid.code == 9, unsaid
        assert host.exec(f"ls {STATE}/runs").stdout.split()
    run = purge(lab, host, "--all", "--forget")
    assert run.code == 0, run
    kinds = [event.event for event in run.events]
    assert kinds.index("run_finished") < len(kinds) - 1
    assert run.events[-1].event == "note"
    assert host.exec(["test", "-e", STATE], check=False).returncode == 1
    assert run.all(Planned)
    told = [note.text for note in run.all(Note)]
    assert any(text.startswith("forgotten: run ") and "docker-ce" in text for text in told)
    host.mark()
    again = purge(lab, host, "--all", "--forget")
    assert again.code == 0, again
    untouched(host)
    alive(host)
