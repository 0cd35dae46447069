"""Each guard holds something up: without it, and nothing else changed, the host comes to harm.

A copy of the package loses one guard, and the scenario that the guard is for is played. What is
asserted then is the harm, so a guard that no test would miss cannot stay unnoticed.
"""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.support import KEY, Make, Run, at, containers, dockwright, versions
from tests.lab import deb
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import ROOT, arch

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

Without = Callable[..., dict[str, str]]
FILE = "/root/dockwright-docker.sh"


@pytest.fixture
def without(tmp_path: Path) -> Without:
    """The environment of a Dockwright in which texts of one file were replaced."""

    def make(file: str, *replaced: tuple[str, str]) -> dict[str, str]:
        for part in ("installer", "templates", "playbooks"):
            shutil.copytree(ROOT / part, tmp_path / part)
        place = tmp_path / file
        text = place.read_text()
        for guard, nothing in replaced:
            assert guard in text, f"{file} has no {guard!r} any more: what guards that now?"
            text = text.replace(guard, nothing)
        place.write_text(text)
        return {"PYTHONPATH": str(tmp_path / "installer"), "PYTHONDONTWRITEBYTECODE": "1"}

    return make


def rendered(lab: Lab, env: dict[str, str] | None = None, profile: str = "debian:13") -> str:
    pin = ["--set", f"docker_fingerprint={lab.fingerprint}"]
    done = lab.dockwright("render", "docker", "--for", f"{profile}:{arch()}", *pin, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def apply(host: Host, text: str, *words: str) -> int:
    host.put(FILE, text)
    return host.exec(["sh", FILE, "apply", *words], check=False).returncode


@pytest.mark.deep
def test_error_mode(lab: Lab, prepared: Make, without: Without) -> None:
    """apt-get update ends with 0 although TLS is not trusted: nobody says "trust" any more."""
    env = without("templates/runtime/apt.sh", (" -o APT::Update::Error-Mode=any", ""))
    host = prepared("fresh")
    host.exec(": >/etc/ssl/certs/ca-certificates.crt; mv /etc/ssl/certs /etc/ssl/away")
    assert apply(host, rendered(lab)) == 4
    assert apply(host, rendered(lab, env)) != 4


def test_fingerprint_in_signed_by(lab: Lab, prepared: Make, without: Without) -> None:
    """A second key that gets into the file signs as well."""
    accepted = {}
    change = ("{self.key_path} {self.fingerprint}", "{self.key_path}")
    env = without("installer/dockwright/steps/apt_repository.py", change)
    for name, text in (("whole", rendered(lab)), ("loose", rendered(lab, env))):
        lab.vendor.serve("good")
        host = prepared("fresh")
        assert apply(host, text) == 0
        stranger = (lab.parts["keys"] / "wrong.asc").read_text()
        host.exec(f"cat >>{KEY}", input=stranger)
        host.exec("rm -rf /var/lib/apt/lists/*docker*")
        lab.vendor.serve("wrong-signer")
        update = host.exec("apt-get -q -o APT::Update::Error-Mode=any update", check=False)
        accepted[name] = update.returncode == 0
    assert accepted == {"whole": False, "loose": True}


def test_hook(lab: Lab, prepared: Make, without: Without) -> None:
    """C08: What somebody installs between simulation and transaction is removed without a word."""
    hook = '-o "DPkg::Pre-Install-Pkgs::=$work/guard" -o "DPkg::Tools::Options::$work/guard::Version=3"'
    env = without("templates/runtime/transaction.sh", (hook, ""))
    package = {"Package": "panel", "Version": "1.0", "Depends": "docker.io"}
    twin = deb.small(lab.dir / "panel.deb", package)
    wrapper = (
        '#!/bin/sh\n/usr/bin/apt-get "$@" || exit\n'
        'case " $* " in *" --download-only "*) dpkg -i /opt/panel.deb >&2 ;; esac\n'
    )
    ended: dict[str, tuple[int, bool, bool]] = {}
    for name, environment in (("whole", None), ("loose", env)):
        host = prepared("distribution")
        host.exec("base64 -d >/opt/panel.deb", input=b64encode(twin.read_bytes()).decode())
        host.put("/usr/local/sbin/apt-get", wrapper, 0o755)
        run = _install(lab, host, environment)
        has = versions(host, "panel", "docker.io")
        ended[name] = (run.code, "panel" in has, "docker.io" in has)
        if name == "whole":
            assert "app" in containers(host)
            assert host.exec(["test", "-e", KEY], check=False).returncode == 1
    assert ended["whole"] == (3, True, True)
    assert ended["loose"][1:] == (False, False)


def _install(lab: Lab, host: Host, env: dict[str, str] | None) -> Run:
    options = {"env": env} if env else {}
    return dockwright(lab, "install", at(host), "--yes", "--allow-restart", **options)


def test_one_key(lab: Lab, prepared: Make, without: Without) -> None:
    """A key file with a stranger's key beside the right one is taken."""
    env = without(
        "installer/dockwright/trust/key.py",
        ("if len(public) > 1:", "if False:"),
        ("if len(found) != 1 or ", "if "),
    )
    top = lab.vendor.copy("two-keys")
    both = "".join((lab.parts["keys"] / f"{name}.asc").read_text() for name in ("vendor", "wrong"))
    for file in top.glob("linux/*/gpg"):
        file.write_text(both)
    lab.vendor.serve(top)
    host = prepared("fresh")
    assert dockwright(lab, "plan", "docker", at(host)).code == 4
    assert dockwright(lab, "plan", "docker", at(host), env=env).code == 0


@pytest.mark.deep
def test_availability(lab: Lab, prepared: Make, without: Without) -> None:
    """The old runtime is removed for a new one that is not there: a stranded host."""
    stop = 'stop 3 "$1" "the repository has no $package for this release"'
    loose = rendered(lab, without("templates/runtime/decide.sh", (stop, "continue")))
    whole = rendered(lab)
    lab.vendor.serve("empty")
    host = prepared("distribution")
    before = containers(host)
    assert apply(host, whole, "--allow-restart") == 3
    assert containers(host) == before
    apply(host, loose, "--allow-restart")
    assert versions(host, "docker.io", "docker-ce") == {}
