"""A lab: private namespaces with a network, the vendors' services and hosts, and a controller's
view of them.

Everything is reached from outside through ``nsenter``; there is no daemon to talk to. A lab's state
is in the files of its folder, so another process can attach to a lab that runs detached and go on.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.lab import control, local
from tests.lab.control import MEASURED
from tests.lab.dress import DRESSES, Dress, archive, layer, python_layer
from tests.lab.drivers import DRIVERS
from tests.lab.fat import fat_layer
from tests.lab.host import BARE_INIT, DATA, Host, Layer
from tests.lab.images import IMAGES
from tests.lab.init import GATEWAY
from tests.lab.keeper import discard, take, work_dir
from tests.lab.keys import KEYS, NAMES
from tests.lab.machine import ROOT, LabError, install_tools, sh, why_not
from tests.lab.nvidia import NAME as NVIDIA_NAME
from tests.lab.nvidia import NVIDIA
from tests.lab.parts import Part, cache_dir, ensure, place
from tests.lab.ready import Ready
from tests.lab.site import Vendor, requests
from tests.lab.vendor import vendor

FIRST, LAST = 11, 250  # the last number of the hosts' addresses


@dataclass
class Proxy:
    """A proxy that runs: ``requests`` has a line for each, ``ok CONNECT download.docker.com:443``."""

    url: str
    requests: list[str] = field(default_factory=list)

    def listen(self, lines: Iterable[str]) -> None:
        """Take up what the proxy says, to its end."""
        for line in lines:
            self.requests.append(line.strip())


class Lab:
    """A running lab. Use it as a context manager, or call :meth:`stop`."""

    def __init__(self, name: str, keeper: subprocess.Popen[str] | None) -> None:
        self.name = name
        self.dir = work_dir() / name
        self.spec: dict[str, Any] = json.loads((self.dir / "lab.json").read_text())
        self.init = int(self.spec["init"])
        self.parts = {key: Path(path) for key, path in self.spec["parts"].items()}
        self.vendor = Vendor(self.dir, self.parts[self.spec["vendor"]], self.parts["keys"])
        self.started: dict[str, subprocess.Popen[bytes]] = {}  # hosts booted by this process
        self._keeper = keeper
        self._ready: Ready | None = None
        self._lock = threading.Lock()
        self.forks = MEASURED not in os.environ
        """Whether :meth:`dockwright` takes a process that is loaded already where it can."""

    # -- life ------------------------------------------------------------------------------------

    @classmethod
    def start(cls, name: str | None = None, *, detach: bool = False) -> Lab:
        """Build what is missing and start a lab; without ``detach`` it ends with this process."""
        reason = why_not()
        if reason:
            raise LabError(reason)
        install_tools()
        name = name or f"lab-{secrets.token_hex(4)}"
        spec = _spec()
        argv = [sys.executable, "-m", "tests.lab.keeper", name, json.dumps(spec)]
        keeper = subprocess.Popen(
            [*argv, *(["--detached"] if detach else [])],
            cwd=ROOT,
            stdin=subprocess.DEVNULL if detach else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if detach else None,  # a caller may wait for its end
            text=True,
            start_new_session=True,
        )
        assert keeper.stdout is not None
        with keeper.stdout:
            said = keeper.stdout.readline()
            if said != "ready\n":
                raise LabError((said + keeper.stdout.read()).strip() or "the keeper ended at once")
        return cls(name, keeper)

    @classmethod
    def attach(cls, name: str) -> Lab:
        """The lab of that name, started by another process."""
        lock = take(name)
        if lock is not None:
            Path(lock.name).unlink()
            lock.close()
            raise LabError(f"no lab named {name} runs")
        return cls(name, None)

    def stop(self) -> None:
        """End everything in the lab and remove its files."""
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()
        else:
            with suppress(ProcessLookupError):
                os.kill(self.spec["keeper"], signal.SIGTERM)
        if self._keeper is not None:
            self._keeper.wait()
        for process in self.started.values():
            process.wait()
        if self._ready is not None:
            self._ready.wait()
        while (work_dir() / f"{self.name}.lock").exists():
            lock = take(self.name)
            if lock is not None:  # the keeper was killed and could not clear up
                discard(self.name, lock)
            time.sleep(0.02)

    def __enter__(self) -> Lab:  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def enter(self) -> list[str]:
        """The command line that puts a command into the lab."""
        return ["nsenter", "-t", str(self.init), "-m", "-n", "-p", "-u", "-i", "--"]

    # -- hosts -----------------------------------------------------------------------------------

    def host(
        self,
        name: str,
        dress: str = "debian-13",
        *,
        python: bool = False,
        gpu: bool = False,
        driver: bool = True,
        fat: bool = False,
        systemd: bool = True,
        base: Layer | None = None,
        extra: Mapping[str, Path] | None = None,
        known: bool = True,
    ) -> Host:
        """Boot a fresh host.

        ``base`` stacks it on a frozen host, ``python`` adds Python and Dockwright itself (see
        ``local.py``), ``gpu`` the stand-in of NVIDIA's driver (see ``nvidia.py``), with ``driver=False`` the GPUs alone (see ``drivers.py``), ``fat`` what real servers have (see ``fat.py``),
        ``systemd=False`` boots a shell script that starts sshd, as in a container, ``extra`` binds folders of this machine read-only at paths of the host, and
        ``known=False`` leaves its key out of known_hosts.
        """
        if len(name) > 12 or not name.isascii() or not name.replace("-", "").isalnum():
            raise LabError(f"{name}: a host's name has up to 12 letters, digits and dashes")
        binds = {target: str(source) for target, source in (extra or {}).items()}
        if base is not None:
            dress, lower = base.dress, list(base.lower)
        else:
            lower = self._layers(DRESSES[dress], python=python, fat=fat)
            if gpu:
                bare, whole = self.parts[DRIVERS.name] / "bare", self.parts[NVIDIA.name] / "driver"
                lower.insert(0, whole if driver else bare)
        if python:
            binds |= local.binds(lower)
        folder = self._reserve(
            name,
            {"dress": dress, "lower": list(map(str, lower)), "binds": binds, "systemd": systemd},
        )
        host = Host(self, name)
        for part in ("upper", "work", "root", "data"):
            (folder / part).mkdir()
        if base is not None:
            sh(["cp", "-a", "--reflink=auto", *(base.data / part for part in DATA), host.data])
        else:
            for part in DATA:
                (host.data / part).mkdir(mode=0o711)
        control.prepare(self, host, fresh=base is None, known=known)
        if not systemd:
            (host.upper / "usr/sbin").mkdir(parents=True, exist_ok=True)
            (host.upper / "usr/sbin/lab-init").write_text(BARE_INIT)
            (host.upper / "usr/sbin/lab-init").chmod(0o755)
        stack = (
            f"lowerdir={':'.join(map(str, lower))},upperdir={host.upper},workdir={folder / 'work'}"
        )
        options = f"{stack},redirect_dir=off,metacopy=off,index=off"
        # By mount(2): fsconfig(2), which newer util-linux takes, holds no more than 255 letters.
        mount = ["env", "LIBMOUNT_FORCE_MOUNT2=always", "mount", "-t", "overlay", "-o", options]
        sh([*self.enter(), *mount, "overlay", host.root])
        # The address may have been another host's, under another hardware address.
        sh([*self.enter(), "ip", "neigh", "flush", "to", host.address])
        try:
            return host.boot()
        except BaseException:
            if host.leader() is not None:
                with suppress(Exception):
                    host.remove()  # whoever asks for one of that name next gets a fresh one
            raise

    def get(self, name: str) -> Host:
        """The host of that name, made earlier, here or by another process."""
        if not (self.dir / "hosts" / name / "host.json").exists():
            raise LabError(f"lab {self.name} has no host {name}")
        return Host(self, name)

    @property
    def hosts(self) -> list[str]:
        """The names of the lab's hosts."""
        return sorted(path.parent.name for path in (self.dir / "hosts").glob("*/host.json"))

    def _layers(self, dress: Dress, *, python: bool, fat: bool) -> list[Path]:
        more = fat_layer if fat else python_layer if python else None  # the fat one has a Python
        parts = [layer(dress), *([more(dress)] if more else [])]
        built = ensure(*parts)
        names = [*[part.name for part in parts][::-1], f"tree-{dress.suite}"]
        return [built[name] / "root" for name in names]

    def _reserve(self, name: str, facts: dict[str, Any]) -> Path:
        """Make the host's folder with the next free address, safe beside other processes."""
        with (self.dir / "addresses").open("a+") as last:
            fcntl.flock(last, fcntl.LOCK_EX)
            last.seek(0)
            after = int(last.read() or 0) + 1 - FIRST
            folder = self.dir / "hosts" / name
            if folder.exists():
                raise LabError(f"lab {self.name} has a host {name} already")
            taken = {
                json.loads(path.read_text())["address"]
                for path in (self.dir / "hosts").glob("*/host.json")
            }
            prefix, size = GATEWAY.rsplit(".", 1)[0], LAST - FIRST
            numbers = [FIRST + (max(after, 0) + step) % size for step in range(size)]
            number = next(each for each in numbers if f"{prefix}.{each}" not in taken)
            address = f"{prefix}.{number}"
            last.truncate(0)
            last.write(str(number))
            folder.mkdir()
            (folder / "host.json").write_text(json.dumps({"address": address, **facts}))
            return folder

    def forget(self, name: str) -> None:
        """Take a host out of the controller's names and known keys."""
        control.forget(self, name)

    # -- controller ------------------------------------------------------------------------------

    @property
    def password(self) -> str:
        """The sudo password of the user ``pat``, different in each lab."""
        return (self.dir / "password").read_text().strip()

    @property
    def fingerprint(self) -> str:
        """The primary fingerprint of the lab's vendor key."""
        return (self.parts["keys"] / "vendor.fingerprint").read_text().strip()

    @property
    def nvidia_fingerprint(self) -> str:
        """The primary fingerprint of the key that signs the stand-ins for NVIDIA's packages."""
        return (self.parts[NVIDIA.name] / "fingerprint").read_text().strip()

    @property
    def hello_digest(self) -> str:
        """The digest of hello-world:latest in the lab's registry."""
        return (self.parts["images"] / "hello.digest").read_text().strip()

    @property
    def registry_password(self) -> str:
        """The password of ``private.USER`` at the private registry, different in each lab."""
        return (self.dir / "private/password").read_text()

    def authority(self, name: str = "ca") -> str:
        """The certificate of the private registry's CA, or of a ``stranger``'s, as PEM."""
        return (self.dir / f"private/{name}.crt").read_text()

    def requests(self) -> list[str]:
        """The lab's web server's log: ``time address scheme host "request" status "agent"``."""
        return requests(self.dir)

    def run(self, argv: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as the controller would; see :func:`tests.lab.control.run`."""
        return control.run(self, argv, **options)

    def popen(self, argv: Sequence[str | Path], **options: Any) -> control.Process:
        """Start a command as the controller would; see :class:`tests.lab.control.Process`."""
        return control.Process(self, argv, **options)

    def dockwright(self, *args: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Dockwright from this checkout."""
        if self.forks and not options.keys() - {"input", "timeout", "cwd"}:
            return self._forked(args, **options)
        env = {"PYTHONPATH": str(ROOT / "installer"), **(options.pop("env", None) or {})}
        return control.run(self, [sys.executable, "-m", "dockwright", *args], env=env, **options)

    def _forked(
        self,
        args: Sequence[str | Path],
        *,
        input: str | None = None,  # noqa: A002 - the name that subprocess has
        timeout: float = 300.0,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        env = control.environment(self, None, None)
        with self._lock:
            self._ready = self._ready or Ready(self.enter(), self.dir, env)
        words = [str(arg) for arg in args]
        env["PYTHONPATH"] = str(ROOT / "installer")
        code, out, err = self._ready.run(words, env, cwd or Path.cwd(), input, timeout)
        argv = [sys.executable, "-m", "dockwright", *words]
        return subprocess.CompletedProcess(argv, code, out, err)

    @contextmanager
    def proxy(self, login: str = "") -> Iterator[Proxy]:
        """An HTTP proxy at the lab's address; ``login`` is ``USER:PASSWORD``, empty for anybody."""
        with self.popen([sys.executable, "-m", "tests.lab.proxy", GATEWAY], cwd=ROOT) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{login}\n")
            process.stdin.flush()
            served = Proxy(f"http://{GATEWAY}:{process.stdout.readline().strip()}")
            reader = threading.Thread(target=served.listen, args=(process.stdout,))
            reader.start()
            try:
                yield served
            finally:
                process.kill()
                reader.join()

    def ssh(self, target: str, command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on a host through OpenSSH; ``target`` is ``user@host``."""
        return control.run(self, ["ssh", "-o", "BatchMode=yes", target, command], **options)


def _spec() -> dict[str, Any]:
    """Build what every lab needs and say where it lies."""
    goods = vendor(DRESSES["debian-13"].suite, DRESSES["debian-12"].suite)
    soon = [dress for dress in DRESSES.values() if not dress.late]
    built = ensure(KEYS, IMAGES, NVIDIA, DRIVERS, goods, *(each for d in soon for each in _of(d)))
    www = {"download.docker.com": str(built[goods.name] / "good")}
    www[NVIDIA_NAME] = str(built[NVIDIA.name] / "good")
    www["archive.lab.test/drivers"] = str(built[DRIVERS.name])
    for dress in DRESSES.values():
        www[f"archive.lab.test/{dress.name}"] = str(place(archive(dress)) / "repo")
    return {
        "parts": {name: str(path) for name, path in built.items()},
        "vendor": goods.name,
        "www": www,
        "names": list(NAMES),
        "cache": str(cache_dir()),
    }


def _of(dress: Dress) -> list[Part]:
    return [archive(dress), layer(dress)]
