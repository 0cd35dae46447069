"""A private registry of the lab, with TLS of a CA that no host knows and a login; a mirror of the hub
by the same CA; and a mirror of the vendor's packages.

The registry's content is that of the lab's hub. CA, certificate and password are a lab's own: they
are made when it starts, and end with it.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from tests.lab.machine import sh

PORT = 5443
REGISTRY = f"registry.lab.test:{PORT}"
HUB_MIRROR = f"hub-mirror.lab.test:{PORT}"
PACKAGES = "http://mirror.lab.test/docker-ce"
USER = "robot"
NAMES = ("registry.lab.test", "hub-mirror.lab.test", "mirror.lab.test")

NGINX = """\
    server {{
        server_name registry.lab.test;
        listen {gateway}:{port} ssl default_server;
        ssl_certificate {folder}/server.crt;
        ssl_certificate_key {folder}/server.key;
        auth_basic "lab";
        auth_basic_user_file {folder}/users;
        location / {{
            proxy_pass http://127.0.0.1:5000;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Authorization "";
        }}
    }}
    server {{
        server_name hub-mirror.lab.test;
        listen {gateway}:{port} ssl;
        ssl_certificate {folder}/server.crt;
        ssl_certificate_key {folder}/server.key;
        location / {{
            proxy_pass http://127.0.0.1:5000;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
"""

CONFIG = """\
[req]
distinguished_name=dn
[dn]
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[server]
basicConstraints=critical,CA:FALSE
extendedKeyUsage=serverAuth
authorityKeyIdentifier=keyid
subjectAltName={names}
"""


def make(top: Path, gateway: str) -> str:
    """Make all of it below a lab's folder; returns what the web server's configuration has of it."""
    folder = top / "private"
    folder.mkdir()
    names = ",".join(f"DNS:{name}" for name in NAMES)
    (folder / "ca.cnf").write_text(CONFIG.format(names=names))
    for name in ("ca", "stranger"):
        authority(folder, name)
    key = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    key += ["-config", str(folder / "ca.cnf"), "-nodes", "-subj", f"/CN={NAMES[0]}"]
    sh([*key, "-keyout", folder / "server.key", "-out", folder / "server.csr"])
    sign = ["openssl", "x509", "-req", "-days", "30", "-CAcreateserial", "-extensions", "server"]
    sign += ["-extfile", str(folder / "ca.cnf"), "-in", str(folder / "server.csr")]
    by = ["-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-out", folder / "server.crt"]
    sh([*sign, *by])
    # With what a URL, JSON and a shell would each read otherwise.
    password = f"c4n4ry:{secrets.token_urlsafe(6)}@p/w%'$"
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o600)
    hashed = sh(["openssl", "passwd", "-apr1", "-stdin"], input=password + "\n").strip()
    (folder / "users").write_text(f"{USER}:{hashed}\n")
    packages = top / "www/mirror.lab.test"
    packages.mkdir()
    (packages / "docker-ce").symlink_to("../download.docker.com")
    return NGINX.format(gateway=gateway, port=PORT, folder=folder)


def authority(folder: Path, name: str) -> Path:
    """A CA of that name; returns its certificate."""
    key = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    key += ["-config", str(folder / "ca.cnf"), "-nodes", "-x509", "-extensions", "ca"]
    made = folder / f"{name}.crt"
    sh(
        [
            *key,
            "-days",
            "30",
            "-subj",
            f"/CN=Lab {name}",
            "-keyout",
            folder / f"{name}.key",
            "-out",
            made,
        ]
    )
    return made
