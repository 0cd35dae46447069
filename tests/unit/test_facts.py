"""Answers of real hosts become models; answers of hostile hosts become UnreachableError or text."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwright import facts
from dockwright.errors import UnreachableError
from dockwright.models import Container, Daemon, Disk, Facts, Package, Snap, Unit
from tests.unit.making import NAMES, NONCE, answer_of, b64, pin, recorded, retold

BEGIN, END = f"dw1 {NONCE} begin", f"dw1 {NONCE} end"
MINT = (
    'NAME="Linux Mint"\nVERSION_ID="22.1"\nID=linuxmint\nID_LIKE="ubuntu debian"\n'
    'PRETTY_NAME="Linux Mint 22.1"\nVERSION_CODENAME=xia\nUBUNTU_CODENAME=noble\n'
)
RASPBIAN = 'ID=raspbian\nID_LIKE=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Raspbian"\n'


def read(text: str) -> Facts:
    return facts.read(text, NONCE, host="web1")


def told(*lines: str) -> Facts:
    return read("\n".join([BEGIN, *lines, END, ""]))


def bare(**lines: str | None) -> Facts:
    return read(retold(answer_of("ubuntu-24.04-bare"), **lines))


# --- real hosts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_answer_is_whole_and_of_a_known_host(name: str) -> None:
    known = recorded(name)
    assert facts.answered(answer_of(name), NONCE)
    assert (known.hostname, known.architecture, known.init) == ("web1", "amd64", "systemd")
    assert known.ssh_listening
    assert known.ca_certificates
    assert known.users == ("root", "ops", "pat", "plain")
    assert {disk.path for disk in known.disks} > {"/", "/var"}
    assert known.clock > 1_700_000_000


def test_a_bare_ubuntu_is_read() -> None:
    known = recorded("ubuntu-24.04-bare")
    assert (known.distro, known.os_id) == ("ubuntu", "ubuntu")
    assert (known.version_id, known.codename) == ("24.04", "noble")
    assert known.pretty_name == "Ubuntu 24.04.4 LTS"
    assert known.unit("ssh.service") == Unit(name="ssh.service", enabled="enabled", active="active")
    assert known.unit("docker.service") is None
    assert not known.apt_lists
    assert (known.daemon, known.daemon_error, known.docker_group) == (None, "", None)
    assert known.package("docker-ce") is None
    assert known.offered == {}


def test_a_bare_debian_is_read() -> None:
    known = recorded("debian-13-bare")
    assert (known.distro, known.os_id, known.codename) == ("debian", "debian", "trixie")


def test_a_host_with_docker_io_and_a_container_is_read() -> None:
    known = recorded("debian-13-docker.io")
    runtime = known.package("docker.io")
    assert runtime is not None
    assert runtime.installed
    assert (runtime.version or "").startswith("26.1.5")
    assert known.package("docker-ce") is None  # dpkg knows it, as not-installed
    assert [(one.name, one.image) for one in known.containers] == [("legacy-app", "ubuntu")]
    assert known.daemon == Daemon(
        version="26.1.5+dfsg1", driver="overlay2", data_root="/var/lib/docker"
    )
    assert known.docker_group == ()
    default = known.file("/etc/default/docker")
    assert default is not None
    assert (default.mode, default.owner) == ("0644", "root:root")


def test_an_installed_host_is_read() -> None:
    known = recorded("ubuntu-24.04-installed")
    engine = known.package("docker-ce")
    assert engine == Package(
        name="docker-ce", status="installed", version="5:29.7.2-1~ubuntu.24.04~noble"
    )
    assert known.offered["docker-ce"][-1] == "5:29.7.2-1~ubuntu.24.04~noble"
    source = known.file("/etc/apt/sources.list.d/docker.sources")
    assert source is not None
    assert f"Signed-By: /etc/apt/keyrings/docker.asc {pin()}" in (source.content or "")
    assert known.last_run
    assert known.containers == ()


def test_a_run_that_was_not_verified_is_told() -> None:
    frame = f"dw1 {NONCE} begin\nunverified 2026-11-24-5fdc20\ndw1 {NONCE} end"
    assert facts.read(frame, NONCE, host="web1").unverified == "2026-11-24-5fdc20"
    assert recorded("ubuntu-24.04-installed").unverified == ""


def test_a_host_one_version_behind_is_read() -> None:
    known = recorded("ubuntu-24.04-behind")
    engine = known.package("docker-ce")
    assert engine is not None
    assert engine.version == "5:29.7.1-1~ubuntu.24.04~noble"
    assert "5:29.7.2-1~ubuntu.24.04~noble" in known.offered["docker-ce"]


def test_a_half_installed_package_is_told_by_the_audit() -> None:
    known = recorded("ubuntu-24.04-half-installed")
    engine = known.package("docker-ce")
    assert engine is not None
    assert (engine.status, engine.installed) == ("half-configured", False)
    assert known.dpkg_audit == "iF  docker-ce"


def test_snaps_are_read_with_their_state_and_size() -> None:
    lines = "snap docker 2915 disabled 5120\nsnap microk8s x1 enabled -\n"
    end = f"dw1 {NONCE} end"
    answer = answer_of("ubuntu-24.04-bare").replace(end, lines + end)
    known = facts.read(answer, NONCE, host="web1")
    assert known.snaps == (
        Snap(name="docker", version="2915", enabled=False, data_kib=5120),
        Snap(name="microk8s", version="x1"),
    )
    assert [snap.data for snap in known.snaps] == ["5 MiB", "of unknown size"]


def test_a_daemon_that_is_down_is_no_daemon() -> None:
    known = recorded("ubuntu-24.04-daemon-down")
    assert known.daemon is None
    assert known.daemon_error.startswith("Cannot connect to the Docker daemon")
    assert known.unit("docker.service") == Unit(
        name="docker.service", enabled="enabled", active="inactive"
    )


def test_the_script_answers_on_this_machine_and_writes_nothing(tmp_path: Path) -> None:
    script, nonce = facts.question()
    done = subprocess.run(
        ["dash"], input=script, capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert facts.answered(done.stdout, nonce)
    assert facts.read(done.stdout, nonce, host="here").kernel
    assert list(tmp_path.iterdir()) == []


def test_each_question_has_a_nonce_of_its_own() -> None:
    assert facts.question()[1] != facts.question()[1]


# --- derivatives ----------------------------------------------------------------------------------


def test_the_ground_under_docker_is_read() -> None:
    known = told(
        "kernel 6.6.87.2-microsoft-standard-WSL2",
        "exec_start /usr/bin/dockerd -H fd:// --tls",
        "route docker0 000011AC 0000FFFF",
        "route eth0 zz 00",
        "route eth0",
        "route",
        "read_only /usr",
        "rootless /run/user/1000/docker.sock",
        "firewall ufw",
    )
    ground = known.ground
    assert known.wsl
    assert ground.exec_start == "/usr/bin/dockerd -H fd:// --tls"
    assert [(one.interface, str(one.network)) for one in ground.routes] == [
        ("docker0", "172.17.0.0/16")
    ]
    assert ground.routes[0].of_docker
    assert (ground.read_only, ground.firewalls) == (("/usr",), ("ufw",))
    assert ground.rootless == ("/run/user/1000/docker.sock",)
    assert not recorded("debian-13-bare").wsl


def test_mint_is_served_as_the_ubuntu_it_derives_from() -> None:
    known = bare(os_release=b64(MINT))
    assert (known.distro, known.os_id, known.codename) == ("ubuntu", "linuxmint", "noble")


def test_a_derivative_of_debian_is_served_as_debian() -> None:
    known = bare(os_release=b64(RASPBIAN))
    assert (known.distro, known.os_id, known.codename) == ("debian", "raspbian", "bookworm")


def test_a_derivative_of_ubuntu_without_its_codename_is_nobody_s() -> None:
    release = "ID=pop\nID_LIKE='ubuntu debian'\nVERSION_CODENAME=noble\n"
    assert bare(os_release=b64(release)).distro == "pop"


def test_a_host_without_os_release_is_no_release() -> None:
    known = bare(os_release=None)
    assert (known.distro, known.os_id, known.codename) == ("", "", "")


# --- hostile hosts --------------------------------------------------------------------------------


def test_a_command_in_os_release_stays_text() -> None:
    known = bare(os_release=b64('ID="$(reboot)"\nVERSION_CODENAME=`reboot`\nPRETTY_NAME="a;b"\n'))
    assert (known.os_id, known.codename, known.pretty_name) == ("$(reboot)", "`reboot`", "a;b")


def test_escape_sequences_do_not_survive() -> None:
    release = 'ID=debian\nPRETTY_NAME="\x1b[2Jgone\x07"\n'
    known = told(
        f"os_release {b64(release)}",
        "hostname web\x1b]0;owned\x07",
        "container abc na\x1b[31mme image",
        "dpkg_audit " + b64("line one\x1b[1A\nline two"),
        "daemon_error " + b64("\x1b[31mdown"),
        "kernel 6\x9b31m",
    )
    shown = [known.hostname, known.pretty_name, known.dpkg_audit, known.daemon_error, known.kernel]
    assert not any(mark in text for text in shown for mark in "\x1b\x07\x9b")
    assert known.containers == (Container(id="abc", name="na", image="[31mme"),)


@pytest.mark.parametrize(
    "output",
    [
        "",
        "Welcome to web1!\n",
        f"{BEGIN}\nhostname web1\n",
        f"hostname web1\n{END}\n",
        f"{END}\n{BEGIN}\n",
        f"x{BEGIN}\n{END}\n",
        f"{BEGIN}\ndw1 0000000000000000 end\n",
        "dw1 0000000000000000 begin\ndw1 0000000000000000 end\n",
        "A" * 1_000_000,
        f"{BEGIN}\n{'A' * 3_000_000}\n{END}\n",
    ],
    ids=lambda text: f"{len(text)} {text[:20]!r}",
)
def test_an_answer_that_is_not_framed_as_asked_is_unreachable(output: str) -> None:
    with pytest.raises(UnreachableError, match="web1 did not answer the facts script"):
        read(output)


def test_what_a_host_printed_instead_is_shown_without_escapes() -> None:
    with pytest.raises(UnreachableError) as caught:
        read("\x1b[31mThis account is disabled\x1b[0m\n")
    (label, text), *_ = caught.value.details
    assert label == "printed"
    assert "This account is disabled" in text
    assert "\x1b" not in text


def test_words_around_the_frame_are_dropped() -> None:
    answer = answer_of("ubuntu-24.04-bare")
    around = f"Last login: today\nhostname forged\n{answer}hostname forged\n"
    assert read(around) == recorded("ubuntu-24.04-bare")


def test_a_forged_end_line_only_shortens_the_answer() -> None:
    known = told("hostname web1", f" {END}", f"{END} x", f"x{END}", "uid 7 pat")
    assert (known.hostname, known.uid, known.sudo_user) == ("web1", 7, "pat")
    assert told("hostname web1", END, "uid 7 pat").uid == 0


@pytest.mark.parametrize("body", ["!!!", "QQ", "=", "QUJD\x00", "ä", "QUJD QUJD", "-"])
def test_base64_that_is_none_is_no_text(body: str) -> None:
    known = told(
        f"os_release {body}", f"dpkg_audit {body}", f"file 00 0644 root:root {body} {body}"
    )
    assert known.os_id == ""
    assert len(known.files) == 1


def test_short_lines_are_filled_up() -> None:
    known = told(
        "uid", "disk /", "package docker-ce", "unit", "docker_group", "daemon", "file", "gpu"
    )
    assert (known.uid, known.sudo_user) == (0, "")
    assert known.disks == (Disk(path="/", free_kib=0, total_kib=0),)
    assert known.docker_group == ()
    assert known.daemon is None


def test_numbers_that_are_none_are_zero() -> None:
    known = told("clock soon", "uid ² x", "disk / -1 1e9 ²", "clock 5")
    assert (known.clock, known.uid) == (0, 0)
    assert known.disks[0].free_inodes in (None, 0)


def test_a_line_of_a_megabyte_is_read_as_any_other() -> None:
    assert len(told(f"hostname {'a' * 1_000_000}").hostname) == 1_000_000


KEYS = sorted({line.split(" ", 1)[0] for name in NAMES for line in answer_of(name).splitlines()})
WORDS = st.one_of(
    st.sampled_from(["-", "", " ", "1", "installed", "hold", b64(MINT), b64("x\x1b[0m"), "\x00"]),
    st.text(max_size=30).map(b64),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30),
)
LINES = st.tuples(st.sampled_from(KEYS), st.lists(WORDS, max_size=7)).map(
    lambda pair: " ".join([pair[0], *pair[1]])
)


@given(st.lists(LINES, max_size=30))
def test_any_framed_answer_is_facts_or_unreachable(lines: list[str]) -> None:
    try:
        known = told(*lines)
    except UnreachableError:
        return  # a line of the hostile host began with another frame
    assert isinstance(known, Facts)
    assert Facts.model_validate_json(known.model_dump_json()) == known


@given(st.binary(max_size=400), st.booleans(), st.booleans())
def test_any_bytes_are_facts_or_unreachable(body: bytes, begun: bool, ended: bool) -> None:  # noqa: FBT001
    text = body.decode("utf-8", "replace")
    with contextlib.suppress(UnreachableError):
        read((f"{BEGIN}\n" if begun else "") + text + (f"\n{END}\n" if ended else ""))
