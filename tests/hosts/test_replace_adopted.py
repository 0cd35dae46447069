"""Hosts that somebody else set up: their sources are taken over, their runtimes replaced, or left."""

from __future__ import annotations

import base64
import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.support import (
    KEY,
    PACKAGES,
    SOURCE,
    STATE,
    Make,
    at,
    clean,
    containers,
    install,
    printed,
    unseen,
    untouched,
    versions,
)
from tests.hosts.test_onefile import rendered
from tests.lab import deb
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import arch

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("vendor_is_good")]

URL = "https://download.docker.com/linux/debian"
LISTED = "/etc/apt/sources.list.d/docker.list"
ARCHIVE_KEY = "/usr/share/keyrings/docker-archive-keyring.gpg"
OLD = ("docker.io", "containerd", "runc")


def line(*options: str) -> str:
    return f"deb [{' '.join((f'arch={arch()}', *options))}] {URL} trixie stable\n"


def by_the_manual(host: Host, lab: Lab) -> list[str]:
    host.put(
        SOURCE,
        f"Types: deb\nURIs: {URL}\nSuites: trixie\nComponents: stable\n"
        f"Architectures: {arch()}\nSigned-By: {KEY}\n",
    )
    host.put(KEY, (lab.parts["keys"] / "vendor.asc").read_text())
    return []


def by_get_docker_com(host: Host, lab: Lab) -> list[str]:
    host.put(LISTED, line(f"signed-by={KEY}"))
    host.put(KEY, (lab.parts["keys"] / "vendor.asc").read_text())
    return [LISTED]


def by_another_path(host: Host, lab: Lab) -> list[str]:
    host.put(LISTED, line(f"signed-by={ARCHIVE_KEY}"))
    binary(host, lab, ARCHIVE_KEY)
    return [LISTED]


def by_apt_key(host: Host, lab: Lab) -> list[str]:
    """As ``apt-key add`` left it in 2019: no key is named, one that is trusted for everything."""
    listed = "/etc/apt/sources.list.d/additional-repositories.list"
    host.put(listed, line())
    binary(host, lab, "/etc/apt/trusted.gpg.d/docker.gpg")
    return [listed]


def by_the_legacy_keyring(host: Host, lab: Lab) -> list[str]:
    """The same, with the key in the file that apt-key wrote to by default."""
    listed = "/etc/apt/sources.list.d/download_docker_com_linux_debian.list"
    host.put(listed, line() + f"# deb-src [arch={arch()}] {URL} trixie stable\n")
    binary(host, lab, "/etc/apt/trusted.gpg")
    return [listed]


def binary(host: Host, lab: Lab, path: str) -> None:
    data = (lab.parts["keys"] / "vendor.gpg").read_bytes()
    host.exec(f"base64 -d >{path}; chmod 644 {path}", input=base64.b64encode(data).decode())


@pytest.mark.parametrize(
    "recipe",
    [by_the_manual, by_get_docker_com, by_another_path, by_apt_key, by_the_legacy_keyring],
    ids=lambda recipe: recipe.__name__,
)
def test_sources_are_taken_over(
    lab: Lab, prepared: Make, recipe: Callable[[Host, Lab], list[str]]
) -> None:
    """Without "Conflicting values set for option Signed-By", and with a way back."""
    host = prepared("docker")
    host.exec(f"rm -rf {STATE} {SOURCE} {KEY} && mkdir -p /etc/apt/keyrings")
    replaced = recipe(host, lab)
    host.exec("apt-get -qq update", check=False)
    host.exec("docker run -d --name=app --stop-signal=KILL hello-world >/dev/null")
    old = {path: host.exec(["cat", path]).stdout for path in replaced}
    host.mark()

    run = install(lab, at(host, "ops"))
    assert run.code == 20, run
    changed = {action.target for action in run.plan.actions if action.verb.value != "keep"}
    assert {*replaced, SOURCE} <= changed
    assert not run.plan.transaction.changes
    assert f"Signed-By: {KEY} {lab.fingerprint}" in host.exec(["cat", SOURCE]).stdout
    for path, text in old.items():
        assert host.exec(["test", "-e", path], check=False).returncode == 1
        name = path.replace("/", "%")
        assert host.exec(f"cat {STATE}/runs/*/backup/{name}").stdout == text
    silent = host.exec("apt-get -q update")
    assert "Conflicting values" not in silent.stdout + silent.stderr
    assert silent.stderr == "", silent.stderr
    host.exec("docker rm app")
    clean(host)
    host.mark()
    assert install(lab, at(host, "ops")).code == 0
    unseen(host)


def test_a_line_in_sources_list(lab: Lab, prepared: Make) -> None:
    """As add-apt-repository left it: that line alone is commented out, and comes back."""
    host = prepared("docker")
    host.exec(f"rm -rf {STATE} {SOURCE} {KEY}")
    path = "/etc/apt/sources.list"
    host.put(path, f"# ours\n{line()}")
    host.mark()
    run = install(lab, at(host, "ops"))
    assert run.code == 20, run
    assert run.plan.transaction.changes == ()
    assert host.exec(["cat", path]).stdout == f"# ours\n# {line()}"
    assert "Conflicting" not in host.exec("apt-get -q update 2>&1").stdout
    host.mark()
    assert install(lab, at(host, "ops")).code == 0
    unseen(host)
    undone = lab.dockwright("undo", at(host, "ops"), "--yes")
    assert undone.returncode == 0, undone
    assert host.exec(["cat", path]).stdout == f"# ours\n{line()}"


def test_moby_and_podman(lab: Lab, prepared: Make, tmp_path: Path) -> None:
    """Stand-ins by name for Microsoft's builds and podman's shim; what they were is written down."""
    host = prepared("fresh")
    names = ("moby-engine", "moby-cli", "moby-containerd", "moby-runc", "podman-docker")
    for name in names:
        package = deb.small(
            lab.dir / f"{name}-{host.name}.deb", {"Package": name, "Version": "4.0"}
        )
        host.exec(
            f"base64 -d >/run/{name}.deb && dpkg -i /run/{name}.deb",
            input=base64.b64encode(package.read_bytes()).decode(),
        )
    host.mark()
    run = install(lab, at(host, "ops"))
    assert run.code == 20, run
    assert versions(host, *names) == {}
    assert {change.name for change in run.plan.transaction.removals} == set(names)
    assert "no longer has" in "\n".join(run.plan.notes)  # they cannot be kept, and that is said
    clean(host)


# --- a new runtime that cannot be installed -------------------------------------------------------


def serve(lab: Lab, name: str, edit: Callable[[Path], None]) -> None:
    """The good repository with a newer docker-ce that was changed."""
    newer = {
        "docker-ce": edit,
        "docker-ce-cli": lambda _: None,
        "docker-ce-rootless-extras": lambda _: None,
    }
    made = []
    for package, change in newer.items():

        def all_of(root: Path, change: Callable[[Path], object] = change) -> None:
            control = root / "DEBIAN/control"
            control.write_text(re.sub(r"5:29\.7\.2", "5:29.9.0", control.read_text()))
            change(root)

        source = lab.vendor.deb("debian", "trixie", package)
        made.append(deb.repack(source, lab.dir / f"{package}_29.9.0-{name}_{arch()}.deb", all_of))
    top = lab.vendor.copy(name)
    lab.vendor.add(top, "debian", "trixie", made)
    lab.vendor.serve(lab.vendor.sign(top))


def data_is_there(host: Host) -> None:
    kept = printed(host, "docker run --rm -v data:/d ubuntu cat /d/file")
    assert kept == "precious\n"


@pytest.mark.deep
def test_postinst_fails(lab: Lab, prepared: Make) -> None:
    """The old runtime runs again, with its container and its data, and its sources alone."""
    serve(lab, "postinst", lambda root: _write(root / "DEBIAN/postinst", "#!/bin/sh\nexit 1\n"))
    host = prepared("distribution")
    before, running = versions(host, *OLD), containers(host)
    run = install(lab, at(host, "ops"), "--allow-restart")
    assert run.code == 6, run
    assert "the old runtime is back" in run.told, run.told
    assert versions(host, *OLD) == before
    assert set(PACKAGES) & set(versions(host)) == set()
    assert containers(host).keys() == running.keys()
    data_is_there(host)
    assert host.exec("dpkg --audit").stdout == ""
    for path in (KEY, SOURCE):
        assert host.exec(["test", "-e", path], check=False).returncode == 1
    lab.vendor.serve("good")
    again = install(lab, at(host, "ops"), "--allow-restart")  # the cause is mended
    assert again.code == 20, again
    data_is_there(host)
    clean(host)


def test_packages_that_are_not_there(lab: Lab, prepared: Make) -> None:
    """E02: a good index whose packages are 404. Nothing is removed before they are all here."""
    lab.vendor.serve("good")
    text = rendered(lab)
    lab.vendor.serve("no-pool")
    fresh, used = prepared("fresh"), prepared("distribution")
    before, running = versions(used, *OLD), containers(used)
    for host in (fresh, used):
        run = install(lab, at(host, "ops"), "--allow-restart")
        assert run.code == 5, run
        assert "could not be downloaded" in run.told
        assert "404" in run.told
        assert run.failed.next_step
        assert not run.failed.changed_host
        untouched(host)
        host.put("/root/docker.sh", text)
        host.mark()
        done = host.exec("sh /root/docker.sh apply --allow-restart", check=False)
        assert done.returncode == 5, done.stdout
        assert "could not be downloaded" in done.stdout
        untouched(host)
    assert versions(used, *OLD) == before
    assert containers(used) == running


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_file_clash(lab: Lab, prepared: Make) -> None:
    """E28: a file of a package that stays. apt would stop in the middle; nothing was removed."""

    def clash(root: Path) -> None:
        (root / "usr/bin/tini-static").write_text("not tini's\n")

    serve(lab, "clash", clash)
    host = prepared("distribution")
    running = containers(host)
    run = install(lab, at(host, "ops"), "--allow-restart")
    assert run.code == 3, run
    assert "tini-static" in run.told
    assert "docker-ce would overwrite" in run.told
    assert run.failed.next_step
    assert containers(host) == running
    untouched(host)


def test_the_gap(lab: Lab, prepared: Make) -> None:
    """How long no daemon answers while the runtime is replaced: measured, not judged."""
    host = prepared("distribution")
    sample = (
        "while [ -e /run/sampling ]; do if curl -sf --max-time 1 --unix-socket /run/docker.sock"
        " http://d/_ping >/dev/null 2>&1 || docker version >/dev/null 2>&1; then"
        " cut -d' ' -f1 /proc/uptime; fi; sleep 0.05; done >/run/answers"
    )
    host.exec("touch /run/sampling")
    host.exec(["sh", "-c", 'setsid sh -c "$0" >/dev/null 2>&1 </dev/null &', sample])
    run = install(lab, at(host, "ops"), "--allow-restart")
    host.exec("rm /run/sampling; sleep 0.3")
    assert run.code == 20, run
    answers = [float(word) for word in host.exec("cat /run/answers").stdout.split()]
    assert len(answers) > 2
    gap = max(after - before for before, after in itertools.pairwise(answers))
    sys.stdout.write(f"no daemon answered for {gap:.1f} s\n")
    data_is_there(host)
