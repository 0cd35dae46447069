"""T22: each kind of line in known_hosts, judged by us and by ssh itself, on one real sshd.

Host certificates are the one thing that ssh takes and we do not: there we are the stricter one.
"""

from __future__ import annotations

import base64
import hmac
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.support import Layers, unseen
from tests.lab.host import Host
from tests.lab.lab import Lab

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh to compare with"),
]


@pytest.fixture(scope="module")
def host(layers: Layers) -> Iterator[Host]:
    """A host with two keys, on two ports, that logs each login."""
    made = layers.host("fresh")
    made.put("/etc/ssh/sshd_config.d/two.conf", "Port 22\nPort 2222\nPerSourcePenalties no\n")
    made.exec(
        "sshd -T >/dev/null 2>&1 || sed -i /PerSource/d /etc/ssh/sshd_config.d/two.conf;"
        "ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key && systemctl restart ssh"
    )
    made.mark()
    yield made
    made.remove()


def public(host: Host, kind: str) -> str:
    return " ".join(host.exec(f"cat /etc/ssh/ssh_host_{kind}_key.pub").stdout.split()[:2])


def stranger(kind: str) -> str:
    """A key that no host has; its blob need not be a point on any curve."""
    parts = {
        "ed25519": (b"ssh-ed25519", os.urandom(32)),
        "rsa": (b"ssh-rsa", b"\1\0\1", b"\0\xc3" + os.urandom(255)),
    }[kind]
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{parts[0].decode()} {base64.b64encode(blob).decode()}"


def hashed(name: str) -> str:
    salt = os.urandom(20)
    digest = base64.b64encode(hmac.digest(salt, name.encode(), "sha1")).decode()
    return f"|1|{base64.b64encode(salt).decode()}|{digest}"


# Lines ({n} the host's name, {ip}, {k} its ed25519 key, {e} its ECDSA key, {o} another's, {h(...)}
# hashed), the port, and the verdict that both have to come to.
CASES: dict[str, tuple[str, int, str]] = {
    "nothing": ("", 22, "unknown"),
    "its name": ("{n} {k}", 22, "known"),
    "its name in capitals": ("{N} {k}", 22, "known"),
    "one name of several": ("a,{n},10.0.0.1 {k} a comment", 22, "known"),
    "by its ECDSA key": ("{n} {e}", 22, "known"),
    "another key": ("{n} {o}", 22, "changed"),
    "another key of another kind": ("{n} {r}", 22, "changed"),
    "another key and its own": ("{n} {o}\n{n} {k}", 22, "known"),
    "another host's": ("b {o}\nc {k}", 22, "unknown"),
    "a wildcard": ("* {k}", 22, "known"),
    "wildcards": ("{n0}*?,x {k}", 22, "known"),
    "a wildcard with another key": ("{n0}* {o}", 22, "changed"),
    "a wildcard that is too long": ("{n}? {k}", 22, "unknown"),
    "negated": ("*,!{n} {k}", 22, "unknown"),
    "negated first": ("!{n},* {k}", 22, "unknown"),
    "another one negated": ("!b,* {k}", 22, "known"),
    "negated alone": ("!b {k}", 22, "unknown"),
    "negated by a wildcard": ("{n},!{n0}* {o}\n", 22, "unknown"),
    "hashed": ("{hash} {k}", 22, "known"),
    "hashed with another key": ("{hash} {o}", 22, "changed"),
    "hashed for another host": ("{hash_other} {o}", 22, "unknown"),
    "hashed, broken": ("|1|x|y {o}\n|1|broken {o}", 22, "unknown"),
    "revoked": ("@revoked {n} {k}", 22, "revoked"),
    "revoked for all": ("@revoked * {k}\n{n} {k}", 22, "revoked"),
    "revoked further down": ("{n} {k}\n@revoked {n} {k}", 22, "revoked"),
    "revoked, hashed": ("{n} {k}\n@revoked {hash} {k}", 22, "revoked"),
    "another's revoked": ("@revoked * {o}\n{n} {k}", 22, "known"),
    "revoked for another host": ("@revoked b {k}\n{n} {k}", 22, "known"),
    "revoked under another port": ("@revoked [{n}]:2222 {k}\n{n} {k}", 22, "known"),
    "an authority alone": ("@cert-authority * {k}", 22, "unknown"),
    "an authority beside it": ("@cert-authority * {o}\n{n} {k}", 22, "known"),
    "a marker of tomorrow": ("@trusted {n} {k}", 22, "unknown"),
    "comments and blanks": ("# {n} {o}\n\n#{n} {o}\n  \t{n}\t{k}", 22, "known"),
    "lines that cannot be read": ("{n} ssh-ed25519 !!!\n{n}\n{n} ssh-ed25519\n{n} {k}", 22, "known"),
    "a port": ("[{n}]:2222 {k}", 2222, "known"),
    "a port, hashed": ("{hash_port} {k}", 2222, "known"),
    "a port with another key": ("[{n}]:2222 {o}", 2222, "changed"),
    "a port by a wildcard": ("[{n0}*]:* {k}", 2222, "known"),
    "another port": ("[{n}]:2200 {k}", 2222, "unknown"),
    "a port, asked without": ("[{n}]:2222 {k}", 22, "unknown"),
    "without a port, asked with": ("{n} {k}", 2222, "known"),
    "without a port, another key": ("{n} {o}", 2222, "unknown"),
    "a port negated": ("*,![{n}]:2222 {k}", 2222, "known"),
    "revoked for a port": ("@revoked [{n}]:2222 {k}\n{n} {k}", 2222, "revoked"),
}  # fmt: skip


def by_ssh(lab: Lab, host: Host, file: Path, port: int) -> str:
    options = [
        "BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={file}",
        "GlobalKnownHostsFile=/dev/null", "CheckHostIP=no", "UpdateHostKeys=no",
    ]  # fmt: skip
    words = [word for option in options for word in ("-o", option)]
    done = lab.run(["ssh", *words, "-p", str(port), f"ops@{host.name}", "true"])
    if done.returncode == 0:
        return "known"
    said = done.stderr
    for sign, verdict in (
        ("REVOKED HOST KEY DETECTED", "revoked"),
        ("is revoked", "revoked"),
        ("IDENTIFICATION HAS CHANGED", "changed"),
        ("host key is known for", "unknown"),
    ):
        if sign in said:
            return verdict
    raise AssertionError(said)


def by_us(lab: Lab, host: Host, file: Path, port: int) -> str:
    target = f"ops@{host.name}:{port}"
    done = lab.dockwright("facts", target, "--known-hosts", file, "--host-keys", "strict")
    if done.returncode == 0:
        return "known"
    assert done.returncode == 5, done
    said = done.stdout + done.stderr
    (verdict,) = [
        verdict
        for sign, verdict in (
            ("is REVOKED", "revoked"),
            ("has CHANGED", "changed"),
            ("key is unknown", "unknown"),
        )
        if sign in said
    ]
    return verdict


def test_t22_the_same_verdicts_as_ssh(lab: Lab, host: Host, tmp_path: Path) -> None:
    words = {
        "n": host.name,
        "N": host.name.upper(),
        "n0": host.name[:2],
        "k": public(host, "ed25519"),
        "e": public(host, "ecdsa"),
        "o": stranger("ed25519"),
        "r": stranger("rsa"),
        "hash": hashed(host.name),
        "hash_port": hashed(f"[{host.name}]:2222"),
        "hash_other": hashed("another"),
    }
    file = tmp_path / "known_hosts"
    found = {}
    for name, (lines, port, _) in CASES.items():
        file.write_text(lines.format(**words) + "\n")
        found[name] = (by_ssh(lab, host, file, port), by_us(lab, host, file, port))
        assert file.read_text() == lines.format(**words) + "\n"
    assert found == {name: (verdict, verdict) for name, (_, _, verdict) in CASES.items()}
    unseen(host)


def test_t22_a_certificate_is_not_taken(lab: Lab, host: Host, tmp_path: Path) -> None:
    """ssh would log in; we say that the key is unknown, and nothing is sent."""
    host.exec(
        "cd /etc/ssh && ssh-keygen -q -t ed25519 -N '' -f /run/ca &&"
        f" ssh-keygen -q -s /run/ca -I lab -h -n {host.name} ssh_host_ed25519_key.pub &&"
        " echo 'HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub' >sshd_config.d/cert.conf &&"
        " systemctl restart ssh"
    )
    authority = " ".join(host.exec("cat /run/ca.pub").stdout.split()[:2])
    file = tmp_path / "known_hosts"
    file.write_text(f"@cert-authority {host.name} {authority}\n")
    assert by_ssh(lab, host, file, 22) == "known"
    assert by_us(lab, host, file, 22) == "unknown"
    file.write_text(
        f"@cert-authority {host.name} {authority}\n{host.name} {public(host, 'ed25519')}\n"
    )
    assert by_us(lab, host, file, 22) == "known"
