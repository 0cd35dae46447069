"""The lab keeps what it promises: hosts that are real, and vendors that are signed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import deb
from tests.lab.dress import BOOKWORM, DRESSES
from tests.lab.fixtures import HostFactory
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import LabError

pytestmark = pytest.mark.lab

# Docker's manual for Debian and Ubuntu, as a person pastes it.
MANUAL = """\
set -e
export DEBIAN_FRONTEND=noninteractive
. /etc/os-release
apt-get -qq update
apt-get -qq -y install ca-certificates curl >/dev/null
install -m 0755 -d /etc/apt/keyrings
curl -fsSL "https://download.docker.com/linux/$ID/gpg" -o /etc/apt/keyrings/docker.asc
chmod a+r /etc/apt/keyrings/docker.asc
cat > /etc/apt/sources.list.d/docker.sources <<END
Types: deb
URIs: https://download.docker.com/linux/$ID
Suites: $VERSION_CODENAME
Components: stable
Signed-By: /etc/apt/keyrings/docker.asc
END
apt-get -qq update
"""


@pytest.fixture(scope="module", params=sorted(DRESSES))
def host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    made = lab.host(f"d-{request.param[:2]}", request.param)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def ready(lab: Lab) -> Iterator[Host]:
    """A host with the vendor's key and source, before anything was installed from there."""
    host = lab.host("vendor")
    lab.ssh("root@vendor", "sh -s", input=MANUAL, check=True)
    yield host
    lab.vendor.serve("good")
    host.remove()


@pytest.mark.sampled("host", 4)
class TestHost:
    def test_dress(self, host: Host) -> None:
        dress = DRESSES[host.dress]
        release = host.exec(". /etc/os-release; echo $ID $VERSION_ID $VERSION_CODENAME").stdout
        assert release.split() == [dress.distro, dress.version, dress.codename]
        assert host.exec("systemctl is-system-running --wait", check=False).stdout == "running\n"
        assert host.exec("command -v python3 curl gpg docker", check=False).stdout == ""

    @pytest.mark.parametrize(("user", "code"), [("root", 0), ("ops", 0), ("pat", 1), ("plain", 1)])
    def test_login_and_sudo(self, lab: Lab, host: Host, user: str, code: int) -> None:
        done = lab.ssh(f"{user}@{host.name}", "id -un; sudo -n id -u")
        assert (done.returncode, done.stdout.split()[0]) == (code, user), done.stderr

    def test_sudo_with_password(self, lab: Lab, host: Host) -> None:
        done = lab.ssh(f"pat@{host.name}", "sudo -S -p '' id -un", input=f"{lab.password}\n")
        assert done.stdout == "root\n", done.stderr

    def test_update_is_silent(self, host: Host) -> None:
        done = host.exec("apt-get -q=2 update")
        assert (done.stdout, done.stderr) == ("", "")

    def test_controller_has_a_terminal(self, lab: Lab, host: Host) -> None:
        ask = "import getpass; print(getpass.getpass('word: ')[::-1])"
        done = lab.run([sys.executable, "-c", ask], tty=True, input=[("word: ", "abc\n")])
        assert "cba" in done.stdout

    def test_unknown_host_key(self, lab: Lab, host_factory: HostFactory) -> None:
        stranger = host_factory(known=False)
        done = lab.ssh(f"root@{stranger.name}", "true")
        assert done.returncode == 255
        assert "Host key verification failed" in done.stderr


class TestChanges:
    def test_idle_host_changes_nothing(self, lab: Lab, host_factory: HostFactory) -> None:
        host = host_factory()
        lab.ssh(f"ops@{host.name}", "sudo -n id", check=True)
        lab.ssh(f"ops@{host.name}", "cat /etc/os-release; ls /", check=True)
        assert not host.changes()

    def test_kinds(self, host_factory: HostFactory) -> None:
        host = host_factory()
        host.put("/etc/new/file", "x", 0o600)
        host.exec("chmod 700 /etc/apt; rm /etc/issue; echo >> /etc/fstab; touch -a /etc/passwd")
        host.exec("rm -r /etc/skel && mkdir /etc/skel; : >> /etc/group")
        changes = host.changes()
        assert changes.added == ("/etc/new", "/etc/new/file")
        assert changes.modified == ("/etc/apt", "/etc/fstab")
        assert "/etc/issue" in changes.deleted
        assert "/etc/skel/.bashrc" in changes.deleted
        host.mark()
        assert host.changed() == []
        host.exec("rm -r /etc/new; touch /etc/fstab")
        assert host.changes().deleted == ("/etc/new", "/etc/new/file")
        assert host.changes().modified == ("/etc/fstab",)


class TestPower:
    def test_stop_kill_and_boot(self, lab: Lab, host_factory: HostFactory) -> None:
        host = host_factory()
        host.put("/root/kept", "1")
        host.stop()
        assert host.leader() is None
        host.boot()
        assert not host.changes()
        host.kill()
        assert host.leader() is None
        with pytest.raises(LabError, match="is off"):
            host.exec("true")
        host.boot()
        assert lab.ssh(f"root@{host.name}", "cat kept", check=True).stdout == "1"

    def test_reboot_from_inside(self, lab: Lab, host_factory: HostFactory) -> None:
        host = host_factory()
        before = host.exec("cat /proc/sys/kernel/random/boot_id; stat -c %Y /run").stdout
        host.exec("systemctl reboot", check=False)
        host.await_reboot()
        assert host.exec("cat /proc/sys/kernel/random/boot_id; stat -c %Y /run").stdout != before
        assert lab.ssh(f"ops@{host.name}", "id -un", check=True).stdout == "ops\n"

    def test_cable(self, lab: Lab, host_factory: HostFactory) -> None:
        host = host_factory()
        host.link(down=True)
        short = ["ssh", "-o", "ConnectTimeout=1", f"root@{host.name}", "true"]
        assert lab.run(short).returncode == 255
        host.link(down=False)
        assert lab.ssh(f"root@{host.name}", "true").returncode == 0


class TestDocker:
    def test_distribution_package(self, lab: Lab, host_factory: HostFactory) -> None:
        host = host_factory()
        host.exec("apt-get -qq update && apt-get -qq -y install docker.io docker-cli")
        done = host.exec(
            "docker run hello-world; docker image inspect -f '{{.RepoDigests}}' hello-world"
        )
        assert "Hello from Docker!" in done.stdout
        assert lab.hello_digest in done.stdout
        host.exec("docker run -d --restart=always --stop-signal=KILL --name=app ubuntu sleep 1000")
        layer = host.freeze()
        twins = [host_factory(base=layer), host_factory(base=layer)]
        for twin in twins:
            state = (
                "for i in 1 2 3 4 5 6 7 8 9; do docker exec app echo up && exit; sleep 0.3; done"
            )
            assert twin.exec(state).stdout == "up\n"
            assert lab.ssh(f"root@{twin.name}", "docker ps -q", check=True).stdout

    @pytest.mark.sampled("host", 2)
    def test_vendor_manual(self, lab: Lab, host: Host) -> None:
        done = lab.ssh(f"root@{host.name}", "sh -s", input=MANUAL)
        assert done.returncode == 0, done.stderr
        shown = host.exec("apt-cache madison docker-ce").stdout.splitlines()
        versions = [line.split("|")[1].strip().split("-")[0] for line in shown]
        older = [] if DRESSES[host.dress].base is BOOKWORM else ["5:29.7.1", "5:28.5.2"]
        assert versions == ["5:29.7.2", *older]
        packages = (
            "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"
        )
        lab.ssh(f"root@{host.name}", f"apt-get -qq -y install {packages}", check=True)
        done = lab.ssh(f"root@{host.name}", "docker run --rm hello-world", check=True)
        assert "Hello from Docker!" in done.stdout
        for check in (
            "docker compose version",
            "docker buildx version",
            "docker run --init ubuntu id",
        ):
            assert host.exec(check).returncode == 0
        assert host.exec("dpkg --audit").stdout == ""


class TestLocal:
    @pytest.mark.sampled("dress", 3)
    @pytest.mark.parametrize("dress", sorted(DRESSES))
    def test_dockwright_runs_inside(self, host_factory: HostFactory, dress: str) -> None:
        host = host_factory(dress=dress, python=True)
        done = host.dockwright("--version")
        assert done.stdout.startswith("dockwright "), done.stderr
        assert not host.changes()


class TestVendor:
    def update(self, host: Host) -> int:
        return host.exec(
            "rm -rf /var/lib/apt/lists/*; apt-get -qq update -o APT::Update::Error-Mode=any",
            check=False,
        ).returncode

    @pytest.mark.parametrize(
        "state",
        ["wrong-key", "wrong-signer", "unsigned", "tampered", "expired", "bad-index", "gone"],
    )
    def test_apt_refuses(self, lab: Lab, ready: Host, state: str) -> None:
        lab.vendor.serve(state)
        assert self.update(ready) == 100
        lab.vendor.serve("good")
        assert self.update(ready) == 0

    def test_every_state_is_known(self, lab: Lab) -> None:
        assert {"good", "wrong-key", "wrong-key-file", "no-pool", "empty"} < set(lab.vendor.states)

    def test_packages_of_ones_own(self, lab: Lab, ready: Host, tmp_path: Path) -> None:
        top = lab.vendor.copy("own")
        control = {"Package": "docker-ce", "Version": "5:99.0.0-1~debian.13~trixie"}
        broken = deb.small(
            tmp_path / "docker-ce_99_all.deb", control, {"DEBIAN/postinst": "#!/bin/sh\nexit 7\n"}
        )
        lab.vendor.add(top, "debian", "trixie", [broken])
        lab.vendor.serve(lab.vendor.sign(top))
        assert self.update(ready) == 0
        done = ready.exec("apt-get -qq -y install docker-ce=5:99*", check=False)
        assert done.returncode == 100
        assert "exit status 7" in done.stdout + done.stderr

    def test_log(self, lab: Lab, ready: Host) -> None:
        before = len(lab.requests())
        lab.run([sys.executable, "-c", GET], check=True)
        assert "/linux/debian/gpg" in lab.requests()[before]

    def test_python_trusts_the_lab(self, lab: Lab) -> None:
        assert lab.run([sys.executable, "-c", GET], check=True).stdout == "200\n"


GET = "import urllib.request as u; print(u.urlopen('https://download.docker.com/linux/debian/gpg').status)"
ASK = """
import sys, urllib.request
proxy = urllib.request.ProxyHandler({"http": sys.argv[1], "https": sys.argv[1]})
for scheme in ("http", "https"):
    url = f"{scheme}://download.docker.com/linux/debian/gpg"
    try:
        print(len(urllib.request.build_opener(proxy).open(url, timeout=10).read()) > 1000)
    except OSError as error:
        print(error)
"""


def test_a_proxy_asks_for_its_login(lab: Lab) -> None:
    with lab.proxy("me:p@ss") as proxy:
        place = proxy.url.partition("://")[2]
        for login, answers in (("me:p%40ss@", 2 * ["True"]), ("", None), ("me:x@", None)):
            done = lab.run([sys.executable, "-c", ASK, f"http://{login}{place}"], check=True)
            said = done.stdout.splitlines()
            assert said == answers if answers else all("407" in line for line in said)
    # A client that closes a tunnel in the middle is told of, too.
    assert [one for one in proxy.requests if not one.startswith("broken")] == [
        "ok GET http://download.docker.com/linux/debian/gpg",
        "ok CONNECT download.docker.com:443",
        *2
        * [
            "407 GET http://download.docker.com/linux/debian/gpg",
            "407 CONNECT download.docker.com:443",
        ],
    ]
