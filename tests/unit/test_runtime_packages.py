"""The host program's way with packages: what would clash, what is wanted, and the way back."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.unit.shell import RUNTIME, Bench, Done, receipt


def part(name: str) -> str:
    return (RUNTIME / f"{name}.sh").read_text(encoding="utf-8")


# --- no_clash: a file of a new package that belongs to one that stays ------------------------------

DPKG_DEB = """
case $1 in
  -f) case $3 in Package) basename "$2" | sed 's/_.*//' ;; Replaces) cat "$2.replaces" 2>/dev/null ;; esac ;;
  --fsys-tarfile) cat "$2" ;;
esac
"""


def archive(bench: Bench, name: str, *paths: str, replaces: str = "") -> None:
    """A package with these files, as its tar alone."""
    place = bench.top / f"private/archives/{name}_1_all.deb"
    place.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place, "w") as tar:
        for path in ("./", "./usr/", "./usr/bin/", *paths):
            entry = tarfile.TarInfo(path)
            entry.type = tarfile.DIRTYPE if path.endswith("/") else tarfile.REGTYPE
            tar.addfile(entry, io.BytesIO())
    place.with_name(place.name + ".replaces").write_text(replaces)


def clash(bench: Bench, *, installed: dict[str, str], removals: str = "", gone: str = "") -> Done:
    info = bench.top / "info"
    info.mkdir()
    for name, paths in installed.items():
        (info / f"{name}.list").write_text(f"/.\n/usr\n/usr/bin\n{paths}\n")
    bench.fake("dpkg-deb", DPKG_DEB)
    bench.fake("dpkg-query", f"echo 'config-files {gone}'")
    text = part("transaction").replace("/var/lib/dpkg/info", str(info))
    assert str(info) in text
    body = f"work='{bench.top}/private' private='{bench.top}/private' transaction='I docker-ce 5:29\n' removals='{removals}'\n"
    return bench.run(f"{text}\n{body} no_clash download; finish 0", "journal")


@pytest.mark.parametrize("path", ["./usr/bin/tini", "./bin/tini"])
def test_a_file_of_a_package_that_stays_is_a_refusal(bench: Bench, path: str) -> None:
    """Also where one says /bin and the other /usr/bin: it is the same file."""
    archive(bench, "docker-ce", "./usr/bin/dockerd", path)
    done = clash(bench, installed={"tini:amd64": "/usr/bin/tini"})
    assert done.status == 3
    assert done.of("stop")[0].startswith("3 0 docker-ce would overwrite /")
    assert "of tini, which stays" in done.of("stop")[0]
    assert "remove tini first" in done.of("cause")[0]


@pytest.mark.parametrize(
    ("installed", "more"),
    [
        ({"docker.io": "/usr/bin/dockerd"}, {"removals": "docker.io runc"}),  # it goes
        ({"docker-ce": "/usr/bin/dockerd"}, {}),  # its own older version
        ({"wmdocker": "/usr/bin/dockerd"}, {"gone": "wmdocker"}),  # removed, not purged
        ({"other": "/usr/bin/dockerd-old\n/usr/share/x"}, {}),
        ({"other": "/usr/bin"}, {}),  # a directory belongs to many
    ],
)
def test_what_is_no_clash(bench: Bench, installed: dict[str, str], more: dict[str, str]) -> None:
    archive(bench, "docker-ce", "./usr/bin/dockerd")
    assert clash(bench, installed=installed, **more).status == 0


def test_a_package_that_is_replaced_may_lose_its_files(bench: Bench) -> None:
    archive(bench, "docker-ce", "./usr/bin/dockerd", replaces="old-docker (<< 2),\n other")
    assert clash(bench, installed={"old-docker": "/usr/bin/dockerd"}).status == 0


# --- put_back: the old set returns ----------------------------------------------------------------

STATES = """
for name; do :; done
case $name in
  docker-ce) echo half-configured ;; containerd.io) echo installed ;; docker-ce-cli) echo unpacked ;; *) echo not-installed ;;
esac
"""


def put_back(bench: Bench, *, archives: tuple[str, ...], apt: int = 0, answers: int = 0) -> Done:
    (bench.top / "state/debs").mkdir()
    for name in archives:
        (bench.top / f"state/debs/{name}_26.1_amd64.deb").touch()
    new = ("docker-ce", "containerd.io", "docker-ce-cli", "docker-compose-plugin")
    lines = [f"package {name} absent 5:29" for name in new]
    (bench.top / "run/receipt").write_text(
        "\n".join([*lines, "package docker.io 26.1 absent"]) + "\n"
    )
    (bench.top / "etc/docker.list").write_text("ours\n")
    bench.fake("dpkg-query", STATES)
    body = f"""
    private_apt() {{ echo "apt $*" >>'{bench.top}/calls'; return {apt}; }}
    old_runtime_answers() {{ return {answers}; }}
    removals='docker.io runc' transaction='{"".join(f"I {n} 5:29{chr(10)}" for n in new)}R docker.io
    '
    receipt "file {bench.top}/etc/docker.list absent -"
    echo 'E: Sub-process /usr/bin/dpkg returned an error code (1)' >"$out"
    put_back; stop "$exit_code" s01 brief "$cause"
    """
    return bench.run(body, "journal", "files", "transaction")  # ours come last


def test_the_old_set_returns_and_what_came_goes(bench: Bench) -> None:
    done = put_back(bench, archives=("docker.io", "runc"))
    assert done.status == 6
    assert "the old runtime is back and answers. E: Sub-process" in done.of("cause")[0]
    (call,) = [call for call in bench.calls() if call.startswith("apt ")]
    debs = bench.top / "state/debs"
    assert call.split() == [
        "apt", "--allow-downgrades", "install",
        f"{debs}/docker.io_26.1_amd64.deb", f"{debs}/runc_26.1_amd64.deb",
        "docker-ce-", "containerd.io-", "docker-ce-cli-",
    ]  # fmt: skip
    assert not (bench.top / "etc/docker.list").exists()


@pytest.mark.parametrize(
    ("archives", "apt", "answers"),
    [((), 0, 0), (("docker.io", "runc"), 100, 0), (("docker.io", "runc"), 0, 1)],
    ids=["nothing was kept", "apt fails", "it does not answer"],
)
def test_where_it_cannot_return_the_commands_are_told(
    bench: Bench, archives: tuple[str, ...], apt: int, answers: int
) -> None:
    done = put_back(bench, archives=archives, apt=apt, answers=answers)
    assert done.status == 7
    assert "apt-get -f install; apt-get install " in done.of("cause")[0]
    assert "docker.io" in done.of("cause")[0]
    assert not archives or bench.calls()


# --- holds ----------------------------------------------------------------------------------------


def test_a_removal_that_dpkg_was_killed_in_is_ended(bench: Bench) -> None:
    """Only one of ours, and only where nothing is left that a purge could delete."""
    info = bench.top / "info"
    info.mkdir()
    (info / "docker.io.postrm").touch()
    (bench.top / "state/runs/r0").mkdir(parents=True)
    ours = ("runc", "docker.io", "containerd")
    lines = "".join(f"package {name} 1 absent\n" for name in ours)
    (bench.top / "state/runs/r0/receipt").write_text(lines)
    listed = "\\n".join(["ii tini", *(f"pc {name}" for name in (*ours, "theirs"))])
    bench.fake(
        "dpkg-query",
        f'case $2 in *Conffiles*) [ "$3" != containerd ] || echo /etc/x ;; *) printf "{listed}\\n" ;; esac',
    )
    bench.fake("dpkg", "")
    text = part("transaction").replace("/var/lib/dpkg/info", str(info))
    bench.run(f"{text}\nforget_removed", "journal")
    assert [call for call in bench.calls() if call.startswith("dpkg ")] == ["dpkg --purge runc"]


@pytest.mark.parametrize("playbook", ["purge", "docker"])
def test_the_daemon_of_a_package_that_is_half_gone_is_stopped(bench: Bench, playbook: str) -> None:
    """Its prerm ran before the power cut; the boot after that started it again. What comes back runs on."""
    (bench.top / "state/runs/r0").mkdir(parents=True)
    (bench.top / "state/runs/r0/receipt").write_text("package docker-ce 1 absent\n")
    (bench.top / "state/debs").mkdir()
    (bench.top / "state/debs/docker-ce_1.deb").touch()
    bench.fake(
        "dpkg-query",
        'case $1 in -L) printf "%s\\n" /usr/lib/systemd/system/docker.service /usr/bin/dockerd'
        ' /usr/lib/systemd/system/docker.socket ;; *) echo "rHR docker-ce" ;; esac',
    )
    for name in ("dpkg", "apt-get", "systemctl"):
        bench.fake(name, "")
    bench.run(f"playbook={playbook}\nhalf_removed", "repair")
    calls = [
        " ".join(call.split()[:2])
        for call in bench.calls()
        if call and not call.startswith("dpkg-query")
    ]
    gone = ["systemctl stop", "dpkg --force-remove-reinstreq"]
    assert calls == (gone if playbook == "purge" else ["apt-get -q"])
    if playbook == "purge":
        assert "systemctl stop docker.service docker.socket" in bench.calls()


def test_a_hold_outlives_a_change_that_was_allowed(bench: Bench) -> None:
    """apt lets go of it; packages that went are not held, and those that nobody held are not."""
    (bench.top / "private").mkdir()
    bench.fake(
        "dpkg-query",
        'case "$2" in *Want*) echo "hold installed docker-ce"; echo "hold installed containerd.io";'
        ' echo "install installed docker-ce-cli" ;; *) echo "installed docker-ce";'
        ' echo "config-files containerd.io" ;; esac',
    )
    bench.fake("apt-mark", "")
    body = f"""
    work='{bench.top}/private' private='{bench.top}/private' removals='' apt_flags='' wanted='docker-ce=2'
    transaction='I docker-ce 2
    '
    wait_for_locks() {{ :; }}
    with_progress() {{ :; }}
    plan_versions() {{ :; }}
    transact; finish 0"""
    assert bench.run(body, "journal", "files", "transaction").status == 0
    assert [c for c in bench.calls() if c.startswith("apt-mark")] == ["apt-mark hold docker-ce"]


PRECONFIGURE = 'DPkg::Pre-Install-Pkgs:: "/usr/sbin/dpkg-preconfigure --apt || true";'


@pytest.mark.parametrize(
    ("hooks", "left_out"),
    [
        ([PRECONFIGURE], True),
        ([PRECONFIGURE, 'DPkg::Pre-Install-Pkgs:: "/usr/bin/apt-listchanges --apt || test $? -lt 10";'], False),
        (['DPkg::Pre-Install-Pkgs:: "/usr/sbin/dpkg-preconfigure --apt || true; logger";'], False),
        ([], False),
    ],
    ids=["debconf alone", "one beside it", "another one", "none"],
)  # fmt: skip
def test_what_gathers_questions_is_left_out_where_it_is_the_only_hook(
    bench: Bench, hooks: list[str], *, left_out: bool
) -> None:
    told = "\n".join(['APT "";', 'DPkg::Pre-Install-Pkgs "";', *hooks])
    bench.fake("apt-config", f"cat <<'E'\n{told}\nE")
    (bench.top / "work").mkdir()
    assert bench.run(f"work='{bench.top}/work'; ask_nothing; exit 0", "transaction").status == 0
    place = bench.top / "work/apt.conf"
    assert place.exists() == left_out
    assert not left_out or place.read_text() == "#clear DPkg::Pre-Install-Pkgs;\n"


# --- decide: what the one file wants --------------------------------------------------------------

TAIL = "-1~debian.13~trixie"
THERE = {
    "docker-ce": f"5:29.7.2{TAIL}",
    "docker-ce-cli": f"5:29.7.2{TAIL}",
    "containerd.io": f"2.2.1{TAIL}",
}


def decided(
    bench: Bench,
    installed: dict[str, str],
    newest: dict[str, str] | None = None,
    *,
    upgrade: bool = False,
    exact: bool = False,
    pinned: str = "",
    least: str = "",
) -> tuple[Done, str, str]:
    """``decide`` with these packages here and there; what it does, removals, and what is wanted."""
    newest = THERE if newest is None else newest
    known = "".join(f"{name}) printf %s '{version}' ;; " for name, version in installed.items())
    offers = "".join(f"{name}) printf %s '{version}' ;; " for name, version in newest.items())
    bench.fake("dpkg", '[ "$1" = --compare-versions ] && exec "$REAL" "$@"\nexit 9')
    floors = " ".join(f"{name}={version}" for name, version in THERE.items())
    body = f"""
    REAL='{shutil.which("dpkg")}'; export REAL
    version_of() {{ case $1 in {known} *) printf absent ;; esac; }}
    newest_of() {{ case $1 in {offers} *) ;; esac; }}
    absent_wanted='docker.io runc' host_wanted=ca-certificates vendor_wanted='{floors}'
    versioned='docker-ce docker-ce-cli' pinned='{pinned}' least='{least}' exact='{"1" if exact else ""}' upgrade='{"1" if upgrade else ""}'
    decide trust; echo "$removals|$wanted"; finish 0
    """
    done = bench.run(f"{part('decide')}\n{body}", "journal", "transaction")
    removals, _, wanted = done.output.strip("\n").partition("|")
    return done, " ".join(removals.split()), " ".join(wanted.split())


needs_dpkg = pytest.mark.skipif(shutil.which("dpkg") is None, reason="no dpkg to compare versions")
OLD = {name: version.replace("29.7.2", "29.7.1") for name, version in THERE.items()}
HERE = {"ca-certificates": "1"}


@needs_dpkg
def test_a_bare_host_gets_all_and_the_old_ones_go(bench: Bench) -> None:
    _, removals, wanted = decided(bench, {"docker.io": "26.1"})
    assert removals == "docker.io"
    floors = " ".join(f"{name}={version}" for name, version in THERE.items())
    assert wanted == f"docker.io- ca-certificates {floors}"


@needs_dpkg
def test_what_is_there_is_kept_unless_an_upgrade_is_asked_for(bench: Bench) -> None:
    assert decided(bench, HERE | OLD)[2] == ""
    both = " ".join(f"{name}={THERE[name]}" for name in ("docker-ce", "docker-ce-cli"))
    assert decided(bench, HERE | OLD, upgrade=True)[2] == both
    assert decided(bench, HERE | OLD, exact=True)[2] == both
    assert decided(bench, HERE | THERE, upgrade=True)[2] == ""


@needs_dpkg
def test_what_is_missing_beside_an_engine_follows_it(bench: Bench) -> None:
    """The lead's version, though newer ones are there, and its floor holds for what comes new."""
    here = HERE | THERE | {"docker-ce-cli": "absent"}
    newer = {name: version.replace("29.7.2", "29.9.0") for name, version in THERE.items()}
    assert decided(bench, here, newer)[2] == f"docker-ce-cli={THERE['docker-ce-cli']}"


@needs_dpkg
def test_the_newest_at_or_above_the_floor_is_taken(bench: Bench) -> None:
    newer = {name: version.replace("29.7.2", "29.9.0") for name, version in THERE.items()}
    assert f"docker-ce=5:29.9.0{TAIL}" in decided(bench, {}, newer)[2]
    assert f"docker-ce=5:29.7.2{TAIL}" in decided(bench, {}, newer, exact=True)[2]


@needs_dpkg
def test_an_index_below_the_floor_is_a_replayed_one(bench: Bench) -> None:
    done, _, _ = decided(bench, {}, OLD)
    assert done.status == 4
    assert "older than 5:29.7.2" in done.of("stop")[0]


@needs_dpkg
def test_a_repository_without_the_package_is_a_refusal(bench: Bench) -> None:
    done, _, _ = decided(bench, {}, {"docker-ce": THERE["docker-ce"], "docker-ce-cli": "x"})
    assert (done.status, "no containerd.io" in done.of("stop")[0]) == (3, True)


@needs_dpkg
def test_a_major_version_does_not_come_unasked(bench: Bench) -> None:
    newer = {name: version.replace("29.7.2", "30.0.0") for name, version in THERE.items()}
    done, _, wanted = decided(bench, HERE | THERE, newer, upgrade=True)
    assert (done.status, wanted) == (0, "")
    assert "30.0.0" in done.of("note")[0]
    assert "new major version" in done.of("note")[0]


@needs_dpkg
def test_below_the_least_version_an_installed_one_is_upgraded_unasked(bench: Bench) -> None:
    both = " ".join(f"{name}={THERE[name]}" for name in ("docker-ce", "docker-ce-cli"))
    least = "docker-ce=5:29.7.2 docker-ce-cli=5:29.7.2"
    assert decided(bench, HERE | OLD, least=least)[2] == both
    assert decided(bench, HERE | OLD, least=least.replace("7.2", "7.1"))[2] == ""


@needs_dpkg
def test_a_version_that_was_named_is_that_version(bench: Bench) -> None:
    newer = {name: version.replace("29.7.2", "29.9.0") for name, version in THERE.items()}
    wanted = decided(bench, {}, newer, pinned="docker-ce docker-ce-cli")[2]
    assert f"docker-ce=5:29.7.2{TAIL} docker-ce-cli=5:29.7.2{TAIL}" in wanted


def test_a_package_comes_from_its_own_repository_alone(bench: Bench) -> None:
    """NVIDIA's index is believed for NVIDIA's packages, and not for Docker's."""
    body = """
    no_offers
    offers https://a.test/docker a.test_docker /a.sources docker-ce=1 containerd.io=2
    offers https://b.test/nvidia b.test_nvidia /b.sources nvidia-container-toolkit=3
    origin_of containerd.io; origin_of nvidia-container-toolkit; origin_of runc; origin_of docker
    echo "$sites|$source_paths|$vendor_wanted"; finish 0"""
    done = bench.run(f"{part('decide')}\n{body}", "journal")
    assert done.output.splitlines() == [
        "https://a.test/docker a.test_docker",
        "https://b.test/nvidia b.test_nvidia",
        "a.test_docker b.test_nvidia |/a.sources /b.sources |docker-ce=1 containerd.io=2 nvidia-container-toolkit=3 ",
    ]


# --- containers that would stop -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "live", "allow", "code"),
    [
        ("docker.io- runc- docker-ce=5:29", "false", "", 9),
        ("docker.io- runc- docker-ce=5:29", "true", "", 9),  # live-restore carries over no removal
        ("docker-ce=5:29.7.2 docker-ce-cli=5:29.7.2", "false", "", 9),
        ("docker-ce=5:29.7.2 containerd.io=2.2", "true", "", 0),
        ("docker-ce-", "true", "", 9),
        ("/var/lib/dockwright/debs/docker.io_26.1_amd64.deb docker-ce-", "false", "", 9),
        ("docker-compose-plugin=5 ca-certificates", "false", "", 0),
        ("docker.io- docker-ce=5:29", "false", "1", 0),
    ],
)
def test_containers_are_stopped_only_where_that_was_agreed_to(
    bench: Bench, wanted: str, live: str, allow: str, code: int
) -> None:
    bench.fake("docker", f"case $1 in info) echo {live} ;; ps) echo app ;; esac")
    body = f"wanted='{wanted}' allow_restart='{allow}'; refuse_to_stop undo; finish 0"
    done = bench.run(f"{part('stops')}\n{body}", "journal")
    assert done.status == code
    assert not code or "containers would stop: app" in done.of("stop")[0]


# --- undo -----------------------------------------------------------------------------------------


def undone(bench: Bench, lines: list[str], body: str = "undo s01; finish 0") -> Done:
    run = bench.top / "state/runs/before"
    run.mkdir(parents=True, exist_ok=True)
    if lines:
        (run / "receipt").write_text("".join(f"{line}\n" for line in lines))
    stubs = "refuse_to_stop() { :; }\nwait_for_locks() { :; }\nreplaced= lock_timeout=1\n"
    text = "\n".join(part(name) for name in ("transaction", "undo"))
    return bench.run(f"{text}\n{stubs}{body}", "journal", "files")


def summed(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_go_back_to_what_they_were(bench: Bench) -> None:
    backup = bench.top / "backup"
    backup.write_text("deb old\n")
    backup.chmod(0o640)
    changed, new, gone = (bench.top / "etc" / n for n in ("docker.list", "keys/docker.asc", "gone"))
    new.parent.mkdir()
    changed.write_text("deb ours\n")
    new.write_text("key\n")
    done = undone(bench, [
        f"file {changed} {summed(backup)} {backup}", f"wrote {changed} {summed(changed)}",
        f"file {new} absent -", f"directory {new.parent}", f"wrote {new} {summed(new)}",
        f"file {gone} {summed(backup)} {backup}",
    ])  # fmt: skip
    assert (done.status, done.of("note")) == (0, [])
    assert (changed.read_text(), changed.stat().st_mode & 0o777) == ("deb old\n", 0o640)
    assert (new.exists(), new.parent.exists()) == (False, False)
    assert gone.read_text() == "deb old\n"
    assert done.of("changed") == [""]
    assert done.of("passed") == ["run before is undone; data stays"]
    assert not (bench.top / "state/last").exists()
    again = undone(bench, [])
    assert (again.status, again.of("stop")) == (3, ["3 0 there is no run to undo"])


def test_a_file_that_somebody_changed_since_stays(bench: Bench) -> None:
    path = bench.top / "etc/daemon.json"
    path.write_text("theirs\n")
    done = undone(bench, [f"file {path} absent -", f"wrote {path} {'0' * 64}"])
    assert (done.status, path.read_text()) == (0, "theirs\n")
    assert done.of("note") == [f"{path} was changed since by somebody else: it stays"]


def test_the_run_before_can_be_undone_next(bench: Bench) -> None:
    earlier = bench.top / "state/runs/first"
    earlier.mkdir(parents=True)
    (earlier / "receipt").write_text("hold docker-ce\n")
    path = bench.top / "etc/a"
    path.write_text("x")
    assert undone(bench, [f"file {path} absent -", f"wrote {path} {summed(path)}"]).status == 0
    assert (bench.top / "state/last").read_text() == "first\n"
    bench.fake("apt-mark", "")
    assert undone(bench, []).of("passed") == ["run first is undone; data stays"]
    assert "apt-mark unhold docker-ce" in bench.calls()
    assert undone(bench, []).status == 3


def test_an_undo_that_was_cut_is_not_the_run_to_undo(bench: Bench) -> None:
    """Its receipt is newer than that of the run that it was taking back, which was cut before it."""
    path = bench.top / "etc/a"
    path.write_text("x")
    lines = [f"file {path} absent -", f"wrote {path} {summed(path)}"]
    cut = bench.top / "state/runs/cut"
    cut.mkdir(parents=True)
    (cut / "receipt").write_text("asked docker-ce-\n")
    (cut / "ev").write_text("dw1 cut start - 9.13 1795522000 5d7c-boot undo cGF0\n")
    os.utime(cut / "receipt", (2**31, 2**31))
    done = undone(bench, lines)
    assert done.of("passed") == ["run before is undone; data stays"]
    assert not path.exists()


def test_holds_groups_and_snaps(bench: Bench) -> None:
    bench.fake("apt-mark", "")
    bench.fake("gpasswd", "")
    done = undone(
        bench, ["hold docker-ce containerd.io", "member docker ops", "snap docker removed"]
    )
    assert done.status == 0
    assert bench.calls() == ["apt-mark unhold docker-ce containerd.io", "gpasswd -d ops docker"]
    assert "snap install docker" in done.of("note")[0]


def of_packages(bench: Bench, simulated: str, lines: list[str], **here: str) -> Done:
    """``undo_packages`` with apt's simulation, and these versions here."""
    known = "".join(f"{name.replace('_', '-')}) printf %s '{v}' ;; " for name, v in here.items())
    (bench.top / "simulated").write_text(simulated)
    (bench.top / "private").mkdir(exist_ok=True)
    body = f"""
    version_of() {{ case $1 in {known} *) printf absent ;; esac; }}
    work='{bench.top}/private' private='{bench.top}/private'
    prepare_private() {{ mkdir -p "$private/lists" "$work/archives"; }}
    simulate() {{ echo "wanted$wanted" >>'{bench.top}/calls'; cat '{bench.top}/simulated'; }}
    private_apt() {{ echo "apt $*" >>'{bench.top}/calls'; }}
    transact() {{ ls "$work/archives"; echo "transact $wanted" >>'{bench.top}/calls'; }}
    receipt=$state/runs/before/receipt
    undo_packages undo; finish 0
    """
    return undone(bench, lines, f"{part('apt')}\n{body}")


def test_packages_go_and_come_back_from_what_was_kept(bench: Bench) -> None:
    debs = bench.top / "state/debs"
    debs.mkdir()
    for version in ("25.0", "26.1"):
        (debs / f"docker.io_{version}_amd64.deb").touch()
    bench.fake("dpkg-deb", 'echo "$2" | sed "s/.*docker.io_//; s/_.*//"')
    done = of_packages(
        bench,
        "Remv docker-ce [5:29]\nInst docker.io (26.1 now [amd64])\nInst runc (1.1 now [amd64])\n",
        ["package docker-ce absent 5:29", "package docker.io 26.1 absent", "package runc 1.1 absent",
         "package containerd.io absent 2.2"],
        docker_ce="5:29", containerd_io="2.3",
    )  # fmt: skip
    assert done.status == 0
    # containerd.io was upgraded by somebody since: theirs. runc was not kept: by its version.
    wanted = f" docker-ce- {debs}/docker.io_26.1_amd64.deb runc=1.1"
    assert f"wanted{wanted}" in bench.calls()
    assert f"transact {wanted}" in bench.calls()
    # Where no source offers a version, apt takes it from there alone once it may not download.
    assert "docker.io_26.1_amd64.deb\n" in done.output


def test_what_came_since_is_not_taken_away(bench: Bench) -> None:
    done = of_packages(
        bench,
        "Remv nerdctl [1]\nRemv docker-ce [5:29]\n",
        ["package docker-ce absent 5:29"],
        docker_ce="5:29",
    )
    assert done.status == 9
    assert "also remove nerdctl, which came since" in done.of("stop")[0]
    assert not any(call.startswith(("transact", "apt")) for call in bench.calls())


def test_where_all_packages_are_theirs_by_now_apt_is_not_asked(bench: Bench) -> None:
    done = of_packages(bench, "", ["package docker-ce absent 5:29"], docker_ce="5:30")
    assert (done.status, bench.calls()) == (0, [])
    assert receipt(bench) == []
