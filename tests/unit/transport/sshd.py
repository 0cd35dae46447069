"""The real sshd on 127.0.0.1, with keys and a configuration of its own. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwright.models import Host

SSHD = "/usr/sbin/sshd"


@contextlib.contextmanager
def sshd(folder: Path, *more: str, listen: str = "127.0.0.1") -> Iterator[Host]:
    """Run sshd; ``folder`` gets ``user_key`` and a known_hosts file ``kh``. Skips where it can't."""
    if not Path(SSHD).exists() or os.geteuid() != 0:
        pytest.skip("needs root and /usr/sbin/sshd (openssh-server)")
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host_key", "user_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    shutil.copy(folder / "user_key.pub", folder / "authorized")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    config = folder / "sshd_config"
    config.write_text(
        "\n".join(
            [
                f"ListenAddress {listen}:{port}",
                f"HostKey {folder}/host_key",
                f"AuthorizedKeysFile {folder}/authorized",
                "StrictModes no",
                "PidFile none",
                "UsePAM no",
                "PermitRootLogin yes",
                *more,
            ]
        )
    )
    public = (folder / "host_key.pub").read_text().split()
    (folder / "kh").write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.01)
        yield Host(name="h", address="127.0.0.1", user="root", port=port)
    finally:
        process.terminate()
        process.wait()
