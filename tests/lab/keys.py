"""The lab's own trust: a CA with one server certificate, and the OpenPGP keys that sign the
repositories.

They are made when the cache is built and never leave it, so no secret is in the project. The
vendor's key has the shape of Docker's: a primary key without expiry and a subkey that makes the
signatures, so a verifier that reports the signing key instead of the primary one is found out.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.lab.machine import sh
from tests.lab.parts import Part, Paths

# Names that the lab's web server answers for, in guests and for the controller.
NAMES = (
    "download.docker.com",
    "get.docker.com",
    "registry-1.docker.io",
    "index.docker.io",
    "nvidia.github.io",
    "archive.lab.test",
)

# The owner of each key: the right vendor, a stranger with the vendor's name, the distribution.
OWNERS = {
    "vendor": "Docker Release (CE deb, lab) <docker@lab.test>",
    "wrong": "Docker Release (CE deb, lab) <docker@stranger.test>",
    "archive": "Lab Archive Automatic Signing Key <archive@lab.test>",
}


def _certificates(out: Path) -> None:
    new_key = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    (out / "ca.cnf").write_text(
        "[req]\ndistinguished_name=dn\n[dn]\n"
        "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n"
        "[server]\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        f"subjectAltName={','.join('DNS:' + name for name in NAMES)}\n"
    )
    config = ["-config", out / "ca.cnf"]
    ca = ["-x509", "-extensions", "ca", "-days", "3650", "-subj", "/CN=Dockwright lab CA"]
    sh([*new_key, *config, *ca, "-nodes", "-keyout", out / "ca.key", "-out", out / "ca.crt"])
    request = ["-subj", f"/CN={NAMES[0]}", "-nodes", "-keyout", out / "server.key"]
    sh([*new_key, *config, *request, "-out", out / "server.csr"])
    sign = ["openssl", "x509", "-req", "-days", "3650", "-CAcreateserial"]
    sign += ["-extfile", str(out / "ca.cnf"), "-extensions", "server", "-in"]
    by = ["-CA", out / "ca.crt", "-CAkey", out / "ca.key", "-out", out / "server.crt"]
    sh([*sign, out / "server.csr", *by])


def _fingerprints(home: Path, owner: str) -> list[str]:
    """The fingerprints of an owner's primary key and its subkeys, in that order."""
    listing = sh(["gpg", "--homedir", home, "--batch", "--with-colons", "-k", f"={owner}"])
    return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")]


def _openpgp(out: Path) -> None:
    home = out / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    try:
        for name, owner in OWNERS.items():
            sh([*gpg, "--quick-generate-key", owner, "rsa3072", "cert,sign", "never"])
            primary = _fingerprints(home, owner)[0]
            sh([*gpg, "--quick-add-key", primary, "rsa3072", "sign", "never"])
            primary, subkey = _fingerprints(home, owner)
            (out / f"{name}.fingerprint").write_text(primary + "\n")
            (out / f"{name}.subkey").write_text(subkey + "\n")
            (out / f"{name}.asc").write_text(sh([*gpg, "--armor", "--export", primary]))
            sh([*gpg, "--output", out / f"{name}.gpg", "--export", primary])
    finally:
        stop_agent(home)


def stop_agent(home: Path) -> None:
    """End the agent that gpg started for this home; it would outlive the build."""
    sh(["gpgconf", "--homedir", home, "--kill", "all"])


def sign(keys: Path, name: str, release: Path) -> None:
    """Write InRelease and Release.gpg beside a Release file, made by the key's signing subkey.

    In a copy of the keys' home: its agent is this call's alone, and ends with it.
    """
    subkey = (keys / f"{name}.subkey").read_text().strip()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "gnupg"
        shutil.copytree(keys / "gnupg", home, ignore=shutil.ignore_patterns("S.*"))
        gpg = ["gpg", "--homedir", str(home), "--batch", "--yes", "--quiet"]
        gpg += ["--digest-algo", "SHA512", "-u", f"{subkey}!", "--output"]
        try:
            sh([*gpg, release.with_name("InRelease"), "--clearsign", release])
            sh([*gpg, release.with_name("Release.gpg"), "--armor", "--detach-sign", release])
        finally:
            stop_agent(home)


def _build(out: Path, _: Paths) -> None:
    _certificates(out)
    _openpgp(out)


KEYS = Part("keys", ("keys.py",), _build)
