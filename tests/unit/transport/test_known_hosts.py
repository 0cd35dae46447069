"""known_hosts: OpenSSH's verdicts, line by line, and next to the real ssh-keygen."""

from __future__ import annotations

import base64
import hmac
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockwright.errors import UnreachableError
from dockwright.transport.hostkeys import (
    Key,
    KnownHosts,
    Verdict,
    files,
    fingerprint,
    name_of,
    require_known,
)


def key(seed: str, kind: str = "ssh-ed25519") -> Key:
    body = seed.encode().ljust(32, b".")[:32]
    parts = (kind.encode(), body)
    return Key(kind, b"".join(len(part).to_bytes(4, "big") + part for part in parts))


def hashed(name: str) -> str:
    salt = os.urandom(20)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


MINE, OTHER, ECDSA = key("mine"), key("other"), key("mine", "ecdsa-sha2-nistp256")


@pytest.mark.parametrize(
    ("lines", "name", "verdict"),
    [
        ([], "h", Verdict.UNKNOWN),
        ([f"h {MINE.text}"], "h", Verdict.KNOWN),
        ([f"h {MINE.text} a comment"], "h", Verdict.KNOWN),
        ([f"  \th\t{MINE.text}"], "h", Verdict.KNOWN),
        ([f"H.Example {MINE.text}"], "h.example", Verdict.KNOWN),
        ([f"other,h,10.0.0.1 {MINE.text}"], "10.0.0.1", Verdict.KNOWN),
        ([f"h {OTHER.text}"], "h", Verdict.CHANGED),
        ([f"h {ECDSA.text}"], "h", Verdict.CHANGED),
        ([f"h {OTHER.text}", f"h {MINE.text}"], "h", Verdict.KNOWN),
        ([f"# h {OTHER.text}", f"#h {OTHER.text}", ""], "h", Verdict.UNKNOWN),
        ([f"{hashed('h')} {MINE.text}"], "h", Verdict.KNOWN),
        ([f"{hashed('h')} {OTHER.text}"], "h", Verdict.CHANGED),
        ([f"{hashed('x')} {OTHER.text}", "|1|broken x y"], "h", Verdict.UNKNOWN),
        ([f"*.example {MINE.text}"], "a.b.example", Verdict.KNOWN),
        ([f"web? {MINE.text}"], "web1", Verdict.KNOWN),
        ([f"web? {MINE.text}"], "web12", Verdict.UNKNOWN),
        ([f"web[12] {MINE.text}"], "web1", Verdict.UNKNOWN),
        ([f"*.example,!bad.example {OTHER.text}"], "bad.example", Verdict.UNKNOWN),
        ([f"!bad.example,*.example {OTHER.text}"], "bad.example", Verdict.UNKNOWN),
        ([f"*.example,!bad.example {MINE.text}"], "good.example", Verdict.KNOWN),
        ([f"[h]:2222 {MINE.text}"], "[h]:2222", Verdict.KNOWN),
        ([f"[h]:2222 {OTHER.text}"], "[h]:2222", Verdict.CHANGED),
        ([f"h {MINE.text}"], "[h]:2222", Verdict.KNOWN),
        ([f"h {OTHER.text}"], "[h]:2222", Verdict.UNKNOWN),
        ([f"[h]:2222 {OTHER.text}", f"h {MINE.text}"], "[h]:2222", Verdict.CHANGED),
        ([f"[h]:* {MINE.text}"], "[h]:2222", Verdict.KNOWN),
        ([f"[h]:2222 {MINE.text}"], "h", Verdict.UNKNOWN),
        ([f"@revoked * {MINE.text}", f"h {MINE.text}"], "h", Verdict.REVOKED),
        ([f"h {MINE.text}", f"@revoked h {MINE.text}"], "h", Verdict.REVOKED),
        ([f"@revoked h {OTHER.text}", f"h {MINE.text}"], "h", Verdict.KNOWN),
        ([f"@revoked x {MINE.text}", f"h {MINE.text}"], "h", Verdict.KNOWN),
        ([f"@cert-authority * {OTHER.text}"], "h", Verdict.UNKNOWN),
        ([f"@cert-authority * {MINE.text}"], "h", Verdict.UNKNOWN),
        ([f"@something h {MINE.text}"], "h", Verdict.UNKNOWN),
        (["h ssh-ed25519 !!!", "h ssh-ed25519", "h", "\udcff"], "h", Verdict.UNKNOWN),
        ([f"h ssh-rsa {MINE.text.split()[1]}"], "h", Verdict.UNKNOWN),
        (["h 1024 35 1234567890"], "h", Verdict.UNKNOWN),
        (["h ssh-future AAAACnNzaC1mdXR1cmU="], "h", Verdict.UNKNOWN),
        ([f"fe80::1 {MINE.text}"], "fe80::1", Verdict.KNOWN),
    ],
)
def test_verdicts(lines: list[str], name: str, verdict: Verdict, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("\n".join(lines), errors="surrogateescape")
    assert KnownHosts([file]).verdict(name, MINE)[0] is verdict


def test_files_count_in_their_order_and_missing_ones_do_not(tmp_path: Path) -> None:
    users, systems = tmp_path / "users", tmp_path / "systems"
    systems.write_text(f"h {MINE.text}\n")
    known = KnownHosts([users, systems])
    assert known.verdict("h", MINE)[0] is Verdict.KNOWN
    users.write_text(f"\nh {OTHER.text}\n")
    verdict, line = known.verdict("h", key("third"))
    assert verdict is Verdict.CHANGED
    assert line is not None
    assert line.where == f"{users}:2"


def test_names_and_files_of_ssh_config(tmp_path: Path) -> None:
    assert name_of("Host.Example", 22) == "host.example"
    assert name_of("::1", 2222) == "[::1]:2222"
    home = Path("~/.ssh/known_hosts").expanduser()
    assert files({}, None)[0] == home
    assert files({}, tmp_path)[0] == tmp_path
    assert home not in files({}, tmp_path)
    config = {"userknownhostsfile": "/a /b", "globalknownhostsfile": "/c"}
    assert files(config, None) == [Path("/a"), Path("/b"), Path("/c")]


def test_known_keys_decide_which_algorithm_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    rsa = key("r", "ssh-rsa")
    file.write_text(f"h {rsa.text}\n@revoked h {ECDSA.text}\n[p]:22 {MINE.text}\np {MINE.text}\n")
    known = KnownHosts([file])
    assert known.algorithms("h") == ["rsa-sha2-512", "rsa-sha2-256"]
    assert known.algorithms("[p]:2222") == ["ssh-ed25519"]
    assert known.algorithms("nobody") == []


def no(host: str, fingerprint: str, kind: str) -> bool:
    return False


def unasked(host: str, fingerprint: str, kind: str) -> bool:
    raise AssertionError("asked")


def test_an_unknown_key_is_refused_with_its_fingerprint_and_the_line_to_add(tmp_path: Path) -> None:
    known = KnownHosts([tmp_path / "kh"])
    with pytest.raises(UnreachableError, match="unknown; nothing was sent") as caught:
        require_known(known, "h", "strict", unasked, MINE)
    text = str(caught.value.details)
    assert fingerprint(MINE.blob) in text
    assert f"h {MINE.text}" in text
    assert "ssh_host_ed25519_key.pub" in str(caught.value.next_step)
    assert not known.files[0].exists()


def test_a_file_that_keeps_nothing_is_not_advised() -> None:
    """ssh_config(5): UserKnownHostsFile /dev/null, as throwaway machines have it."""
    with pytest.raises(UnreachableError, match="unknown") as caught:
        require_known(KnownHosts([Path("/dev/null")]), "h", "strict", unasked, MINE)
    assert dict(caught.value.details)["to"] == "a file of yours: /dev/null keeps nothing"
    assert "--known-hosts FILE" in (caught.value.next_step or "")


def test_asking_stores_a_yes_and_refuses_a_no(tmp_path: Path) -> None:
    known = KnownHosts([tmp_path / "ssh" / "kh"])
    with pytest.raises(UnreachableError):
        require_known(known, "h", "ask", no, MINE)
    asked: list[tuple[str, str, str]] = []

    def yes(host: str, fingerprint: str, kind: str) -> bool:
        asked.append((host, fingerprint, kind))
        return True

    require_known(known, "h", "ask", yes, MINE)
    require_known(known, "h", "strict", unasked, MINE)
    assert asked == [("h", fingerprint(MINE.blob), "ssh-ed25519")]
    assert known.files[0].stat().st_mode & 0o777 == 0o600
    assert known.files[0].parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", ["ask", "strict", "accept-new"])
def test_a_changed_key_is_refused_in_every_mode(mode: str, tmp_path: Path) -> None:
    file = tmp_path / "kh"
    file.write_text(f"\nh {OTHER.text}\n")
    with pytest.raises(UnreachableError, match="CHANGED") as caught:
        require_known(KnownHosts([file]), "h", mode, unasked, MINE)
    text = str(caught.value.details)
    assert fingerprint(MINE.blob) in text
    assert fingerprint(OTHER.blob) in text
    assert f"{file}:2" in text
    assert "ssh-keygen -R 'h'" in str(caught.value.next_step)
    assert file.read_text() == f"\nh {OTHER.text}\n"


def test_a_revoked_key_is_refused_and_says_where(tmp_path: Path) -> None:
    file = tmp_path / "kh"
    file.write_text(f"@revoked * {MINE.text}\n")
    with pytest.raises(UnreachableError, match="REVOKED") as caught:
        require_known(KnownHosts([file]), "h", "accept-new", unasked, MINE)
    assert ("revoked in", f"{file}:1") in caught.value.details


def test_accept_new_appends_and_mends_a_missing_line_break(tmp_path: Path) -> None:
    file = tmp_path / "kh"
    file.write_text(f"x {OTHER.text}")
    known = KnownHosts([file])
    require_known(known, "h", "accept-new", unasked, MINE)
    require_known(known, "h", "accept-new", unasked, MINE)
    assert file.read_text() == f"x {OTHER.text}\nh {MINE.text}\n"


def test_forty_runs_append_one_line_each_and_one_host_once(tmp_path: Path) -> None:
    file = tmp_path / "kh"

    def run(number: int) -> None:
        require_known(KnownHosts([file]), f"h{number // 2}", "accept-new", unasked, MINE)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(file.read_text().splitlines()) == sorted(f"h{n} {MINE.text}" for n in range(20))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="cannot be stored"):
        KnownHosts([tmp_path]).add("h", MINE)


def test_another_key_stored_meanwhile_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "kh"
    file.write_text(f"h {OTHER.text}\n")
    with pytest.raises(UnreachableError, match="meanwhile"):
        KnownHosts([file]).add("h", MINE)


def test_thousands_of_lines_take_milliseconds(tmp_path: Path) -> None:
    file = tmp_path / "kh"
    plain = "\n".join(
        f"host{n}.example,10.0.{n // 256}.{n % 256} {OTHER.text}" for n in range(3600)
    )
    file.write_text(f"{plain}\nh {MINE.text}\n")
    known = KnownHosts([file])
    began = time.perf_counter()
    assert known.verdict("h", MINE)[0] is Verdict.KNOWN
    assert time.perf_counter() - began < 0.25  # 3 ms on an idle machine; Paramiko's takes 1.15 s


NAMES = ["a", "b.example", "10.0.0.7", "[a]:2222", "[b.example]:22", "::1"]
PATTERNS = [*NAMES, "*", "*.example", "!a", "?", "10.0.0.*", "[a]:*", "!*.example", "B.EXAMPLE"]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3).map(",".join),
            st.sampled_from(NAMES).map(hashed),
        ),
        max_size=5,
    ),
    st.sampled_from(NAMES),
)
def test_the_same_lines_are_found_as_by_ssh_keygen(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], name: str
) -> None:
    file = tmp_path_factory.mktemp("kh") / "known_hosts"
    file.write_text("".join(f"{pattern} {MINE.text}\n" for pattern in patterns))
    done = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", str(file)], capture_output=True, text=True, check=False
    )
    theirs = [
        int(line.split(" found: line ")[1].split()[0])
        for line in done.stdout.splitlines()
        if " found: line " in line
    ]
    ours = [int(entry.where.rsplit(":", 1)[1]) for entry in KnownHosts([file]).entries(name)]
    assert ours == theirs
