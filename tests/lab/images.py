"""The images of the lab's registry, written straight into the registry's own storage layout.

That layout has not changed since registry 2.0, so no registry has to run while the cache is built
and no tool is needed to push. ``hello-world`` is to verify with, ``ubuntu`` has a shell, and two stand in
for samples of CUDA: no CUDA is in them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

from tests.lab.machine import arch, sh
from tests.lab.parts import Part, Paths

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
APPLETS = [
    "sh",
    "ls",
    "cat",
    "echo",
    "true",
    "false",
    "sleep",
    "env",
    "id",
    "ps",
    "grep",
    "sed",
    "head",
    "tail",
    "wc",
    "touch",
    "mkdir",
    "rm",
    "cp",
    "mv",
]


def _tar(files: dict[str, bytes], links: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(info)
    return buffer.getvalue()


class Storage:
    """The parts of a registry's storage folder that a pull needs."""

    def __init__(self, top: Path) -> None:
        self.top = top / "docker/registry/v2"

    def blob(self, data: bytes) -> str:
        """Store content; returns its digest."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.top / f"blobs/sha256/{digest[:2]}/{digest}/data"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"sha256:{digest}"

    def link(self, repository: str, place: str, digest: str) -> None:
        """Make content known to a repository."""
        path = self.top / "repositories" / repository / place / "link"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(digest)

    def image(self, repository: str, layer: bytes, command: list[str]) -> str:
        """Store a one-layer image as ``latest``; returns the digest that a pull reports."""
        packed = gzip.compress(layer, 6, mtime=0)
        diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        config: dict[str, Any] = {
            "architecture": arch(),
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": command, "Env": ["PATH=/usr/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "lab"}],
        }
        blobs = {CONFIG: json.dumps(config).encode(), LAYER: packed}
        parts = []
        for kind, data in blobs.items():
            digest = self.blob(data)
            self.link(repository, f"_layers/{digest.replace(':', '/')}", digest)
            parts.append({"mediaType": kind, "size": len(data), "digest": digest})
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0]}
        digest = self.blob(json.dumps({**manifest, "layers": parts[1:]}).encode())
        where = digest.replace(":", "/")
        self.link(repository, f"_manifests/revisions/{where}", digest)
        self.link(repository, "_manifests/tags/latest/current", digest)
        self.link(repository, f"_manifests/tags/latest/index/{where}", digest)
        return digest


def _build(out: Path, _: Paths) -> None:
    storage = Storage(out / "registry")
    program = out / "hello"
    sh(["gcc", "-static", "-Os", "-s", "-o", program, Path(__file__).with_name("hello.c")])
    hello = storage.image(
        "library/hello-world", _tar({"hello": program.read_bytes()}, {}), ["/hello"]
    )
    (out / "hello.digest").write_text(hello + "\n")
    busybox = Path(shutil.which("busybox") or "/bin/busybox").read_bytes()
    release = b'PRETTY_NAME="Ubuntu 24.04.4 LTS"\nID=ubuntu\nVERSION_ID="24.04"\n'
    files = {"bin/busybox": busybox, "etc/os-release": release}
    layer = _tar(files, {f"bin/{name}": "busybox" for name in APPLETS})
    (out / "ubuntu.digest").write_text(storage.image("library/ubuntu", layer, ["/bin/sh"]) + "\n")

    # The words of NVIDIA's samples, where a program of CUDA's computes and where it cannot.
    passed = "nvidia-smi -L >/dev/null && echo Test PASSED"
    storage.image("library/cuda-sample", layer, ["/bin/sh", "-c", passed])
    failed = "echo 'CUDA driver version is insufficient for CUDA runtime version'; exit 1"
    storage.image("library/cuda-too-new", layer, ["/bin/sh", "-c", failed])


IMAGES = Part("images", ("images.py", "hello.c"), _build)
