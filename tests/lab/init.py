"""Process 1 of a lab: sets up its network, mounts and services, then waits for the end.

It runs inside fresh namespaces, so everything here has fixed addresses and plain names, and nothing
here has to be undone: when this process ends, the kernel takes all of it down.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.lab import private
from tests.lab.keys import NAMES
from tests.lab.machine import sh

GATEWAY = "10.99.0.1"
BRIDGE = "lab0"

NGINX = """\
user root;
worker_processes 2;
daemon off;
pid {top}/nginx.pid;
error_log {top}/log/nginx.error;
events {{ worker_connections 512; }}
http {{
    log_format lab '$time_iso8601 $remote_addr $scheme $host "$request" $status "$http_user_agent"';
    access_log {top}/log/requests lab;
    client_body_temp_path {top}/tmp;
    proxy_temp_path {top}/tmp;
    fastcgi_temp_path {top}/tmp;
    uwsgi_temp_path {top}/tmp;
    scgi_temp_path {top}/tmp;
    default_type application/octet-stream;
    sendfile on;
    ssl_certificate {keys}/server.crt;
    ssl_certificate_key {keys}/server.key;
    client_max_body_size 0;
    server {{
        listen {gateway}:80 default_server;
        listen {gateway}:443 ssl default_server;
        root {top}/www/$host;
    }}
    server {{
        listen {gateway}:8080 default_server;
        root {top}/www/$host;
        limit_rate 20;
    }}
    server {{
        server_name registry-1.docker.io index.docker.io;
        listen {gateway}:80;
        listen {gateway}:443 ssl;
        # What docker search asks for: the hub's old interface, which registries do not have.
        location = /v1/search {{
            default_type application/json;
            return 200 '{{"num_results": 1, "query": "$arg_q", "results": [{{"name": "hello-world", "description": "Of the lab", "is_official": true, "star_count": 1}}]}}';
        }}
        location / {{
            proxy_pass http://127.0.0.1:5000;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
{private}}}
"""

REGISTRY = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {top}/registry}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:5000"}}
"""

SSH_CONFIG = """\
Host *
    IdentityFile {home}/.ssh/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile {home}/.ssh/known_hosts
"""


def _files(top: Path, spec: dict[str, Any]) -> None:
    """Everything that is this lab's own: its login key, passwords, web root, registry content."""
    keys = Path(spec["parts"]["keys"])
    for name in ("log", "tmp", "www", "hosts", "layers"):
        (top / name).mkdir()
    (top / "password").write_text(secrets.token_urlsafe(9) + "\n")
    (top / "password").chmod(0o600)
    ssh = top / "home/.ssh"
    ssh.mkdir(mode=0o700, parents=True)
    sh(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", ssh / "id_ed25519"])
    (ssh / "config").write_text(SSH_CONFIG.format(home=top / "home"))
    (ssh / "known_hosts").touch(mode=0o600)
    (top / "registry.yml").write_text(REGISTRY.format(top=top))
    shutil.copytree(Path(spec["parts"]["images"]) / "registry", top / "registry")
    for name, target in spec["www"].items():
        link = top / "www" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    more = private.make(top, GATEWAY)
    (top / "nginx.conf").write_text(NGINX.format(top=top, keys=keys, gateway=GATEWAY, private=more))
    names = "".join(f"{GATEWAY} {name}\n" for name in (*NAMES, *private.NAMES))
    (top / "etc-hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{names}")


def _mounts(top: Path, keys: Path) -> None:
    """What a controller sees differently: names, trusted CAs, its .ssh, an empty /run."""
    sh(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    sh(["mount", "--bind", top / "etc-hosts", "/etc/hosts"])
    certs = top / "certs"
    certs.mkdir()
    own = (keys / "ca.crt").read_text()
    system = Path("/etc/ssl/certs")
    bundle = system / "ca-certificates.crt"
    text = bundle.read_text() if bundle.exists() else ""
    (certs / "ca-certificates.crt").write_text(text + own)
    digest = sh(["openssl", "x509", "-noout", "-hash", "-in", keys / "ca.crt"]).strip()
    (certs / f"{digest}.0").write_text(own)
    system.mkdir(parents=True, exist_ok=True)
    sh(["mount", "-t", "overlay", "-o", f"lowerdir={certs}:{system}", "overlay", system])
    # The OpenSSH client takes its files from the account's home, whatever $HOME says.
    ssh = Path(pwd.getpwuid(0).pw_dir) / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    sh(["mount", "--bind", top / "home/.ssh", ssh])


def _network() -> None:
    batch = f"""link set lo up
link add {BRIDGE} type bridge forward_delay 0
addr add {GATEWAY}/24 dev {BRIDGE}
link set {BRIDGE} up
"""
    sh(["ip", "-batch", "-"], input=batch)


def _services(top: Path) -> list[int]:
    """Start the web server and the registry; returns their pids."""
    pids = []
    for argv in (
        ["nginx", "-e", f"{top}/log/nginx.error", "-c", f"{top}/nginx.conf", "-p", str(top)],
        ["docker-registry", "serve", f"{top}/registry.yml"],
    ):
        with (top / f"log/{argv[0]}").open("wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        pids.append(process.pid)
    return pids


def _reap() -> set[int]:
    """Collect ended children: as process 1 all orphans in the lab are ours."""
    gone: set[int] = set()
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return gone
        if not pid:
            return gone
        gone.add(pid)


def main(top: Path, spec: dict[str, Any]) -> int:
    """Set up, say ``ready``, and stay until the keeper's pipe closes."""
    os.umask(0o022)
    os.chdir(top)
    _files(top, spec)
    _mounts(top, Path(spec["parts"]["keys"]))
    _network()
    services = set(_services(top))
    wakeup_read, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    signal.set_wakeup_fd(wakeup_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin, wakeup_read], [], [], 5.0)
        if sys.stdin in ready and not os.read(0, 4096):
            return 0
        if wakeup_read in ready:
            os.read(wakeup_read, 4096)
        for pid in _reap() & services:
            print(f"service with pid {pid} ended; see {top}/log", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
