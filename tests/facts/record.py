"""Record what real hosts answer to the facts script and the probe: ``python -m tests.facts.record``.

Names of records limit it to those. Needs the lab (root). Each answer is kept as it came, framed by the fixed word NONCE, but for the
kernel, which is that of the machine below the lab. ``NAME.txt`` are facts, ``NAME.probe.txt`` what
apt would do for playbook docker there. The tests of most stages start from these files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from dockwright import facts
from dockwright.renderer import render_probe
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.unit.making import NONCE, offer, plan_for

HERE = Path(__file__).parent


def answer(host: Host) -> str:
    script, nonce = facts.question()
    told = host.exec(["sh", "-s"], input=script).stdout.replace(nonce, NONCE)
    return re.sub(r"(?m)^kernel .*$", "kernel 6.12.57-amd64", told)


def probe(lab: Lab, host: Host, told: str) -> str:
    known = facts.read(told, NONCE, host=host.name)
    key = (lab.parts["keys"] / "vendor.asc").read_text(encoding="utf-8")
    offers = {"docker": offer(known, key=key)}
    pin = {"docker_fingerprint": lab.fingerprint}
    plan, _ = plan_for(known, variables=pin, offers=offers, upgrade=True)
    return host.exec(["sh", "-s"], input=render_probe(plan, run_id=NONCE).text).stdout


def bare(_: Lab, __: Host) -> None:
    pass


def docker_io(_: Lab, host: Host) -> None:
    host.exec("apt-get -qq update && apt-get -qq -y install docker.io docker-cli ca-certificates")
    host.exec("docker pull -q ubuntu && docker run -d --name legacy-app ubuntu sleep 1000000")


def installed(lab: Lab, host: Host, *options: str) -> None:
    pin = f"docker_fingerprint={lab.fingerprint}"
    done = lab.dockwright("install", f"root@{host.name}", "--set", pin, "--yes", *options)
    assert done.returncode == 0, done.stdout + done.stderr


def behind(lab: Lab, host: Host) -> None:
    installed(lab, host, "--docker-version", "29.7.1")


def half_installed(lab: Lab, host: Host) -> None:
    installed(lab, host)
    host.exec("systemctl stop docker.socket docker.service")
    host.exec(
        "sed -i '/^Package: docker-ce$/,/^$/s/^Status: .*/Status: install ok half-configured/'"
        " /var/lib/dpkg/status"
    )


def daemon_down(lab: Lab, host: Host) -> None:
    installed(lab, host)
    host.exec("systemctl stop docker.socket docker.service")


def gpu(lab: Lab, host: Host) -> None:
    pins = [f"{vendor}_fingerprint={pin}" for vendor, pin in (
        ("docker", lab.fingerprint), ("nvidia", lab.nvidia_fingerprint)
    )]  # fmt: skip
    sets = [word for pin in pins for word in ("--set", pin)]
    done = lab.dockwright("install", "--gpu", f"root@{host.name}", "--yes", *sets)
    assert done.returncode == 0, done.stdout + done.stderr


RECORDS: dict[str, tuple[str, Callable[[Lab, Host], None]]] = {
    "ubuntu-24.04-bare": ("ubuntu-24.04", bare),
    "debian-13-bare": ("debian-13", bare),
    "debian-13-docker.io": ("debian-13", docker_io),
    "ubuntu-24.04-installed": ("ubuntu-24.04", installed),
    "ubuntu-24.04-behind": ("ubuntu-24.04", behind),
    "ubuntu-24.04-half-installed": ("ubuntu-24.04", half_installed),
    "ubuntu-24.04-daemon-down": ("ubuntu-24.04", daemon_down),
    "ubuntu-24.04-gpu-bare": ("ubuntu-24.04", bare),
    "ubuntu-24.04-gpu": ("ubuntu-24.04", gpu),
}
PROBED = {"ubuntu-24.04-bare", "debian-13-docker.io", "ubuntu-24.04-behind"}


def main() -> None:
    with Lab.start() as lab:
        for name in sys.argv[1:] or RECORDS:
            dress, prepare = RECORDS[name]
            host = lab.host("web1", dress=dress, gpu="gpu" in name)
            prepare(lab, host)
            told = answer(host)
            (HERE / f"{name}.txt").write_text(told, encoding="utf-8")
            if name in PROBED:
                (HERE / f"{name}.probe.txt").write_text(probe(lab, host, told), encoding="utf-8")
            host.remove()


if __name__ == "__main__":
    main()
