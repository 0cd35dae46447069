"""What is compared: Dockwright, the vendor's manual or script, pyinfra, Ansible with the role that
people use. Each is a way to make a host a Docker host, and most of them can be run a second time.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.lab import Lab
from tests.lab.machine import ROOT, LabError, say, sh
from tests.lab.parts import cache_dir, locked

USER = "ops"  # sudo without password

PACKAGES = (
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
    "docker-ce-rootless-extras",
)
SCRIPT_ADDS = ("docker-model-plugin",)  # what get.docker.com installs beside these

# The manual's commands, as one script. A function: the shell reads from a pipe, and what apt runs
# must not eat the rest of it.
MANUAL = """\
set -e
main() {
apt-get update
apt-get install -y ca-certificates curl
install -m 0755 -d /etc/apt/keyrings
curl -fsSL https://download.docker.com/linux/ubuntu/gpg -o /etc/apt/keyrings/docker.asc
chmod a+r /etc/apt/keyrings/docker.asc
tee /etc/apt/sources.list.d/docker.sources <<EOF2
Types: deb
URIs: https://download.docker.com/linux/ubuntu
Suites: $(. /etc/os-release && echo "${UBUNTU_CODENAME:-$VERSION_CODENAME}")
Components: stable
Architectures: $(dpkg --print-architecture)
Signed-By: /etc/apt/keyrings/docker.asc
EOF2
apt-get update
apt-get install -y @PACKAGES@
docker run hello-world
}
main </dev/null
"""
SCRIPT = "cat >/tmp/get-docker.sh && sh /tmp/get-docker.sh && docker run hello-world"

ROLE = "geerlingguy.docker"
ROLE_PLACES = ("~/.ansible/roles", "/usr/share/ansible/roles", "/etc/ansible/roles")

# On all hosts then, as on a server image: Ansible would add them.
ROLE_DEBS = (
    "python3-apt",
    "python-apt-common",
    "distro-info-data",
    "python3-debian",
    "python3-charset-normalizer",
)

PYINFRA = "pyinfra>=3.10,<4"
ANSIBLE = "ansible-core>=2.17,<3"


@dataclass(frozen=True)
class Command:
    """One command of the controller."""

    argv: list[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: Path | None = None


@dataclass(frozen=True)
class Rival:
    """One way to get Docker. ``again`` is None where a second run is nothing that people do."""

    name: str
    about: str
    first: Command
    again: Command | None
    needs: tuple[str, ...] = ()  # packages that all hosts get before, to be equal; see extra.debs
    hosts: tuple[str, ...] = ()  # where they are many


def hosts_of(rival: str, fleet: int | None) -> tuple[str, ...]:
    """The names of a rival's hosts."""
    return (rival,) if fleet is None else tuple(f"{rival}{n}" for n in range(1, fleet + 1))


# --- Dockwright -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ours:
    """This checkout as users have it: built, installed, compiled; later edits do not reach it."""

    lab: Lab
    place: Path

    @classmethod
    def install(cls, lab: Lab, place: Path) -> Ours:
        """Install it to ``place``; its dependencies are those of this environment."""
        say("installing Dockwright from this checkout")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
        sh([*pip, "--disable-pip-version-check", "--no-deps", "--target", place, ROOT])
        return cls(lab, place)

    def command(self, *args: str) -> Command:
        """The command that users type, with the lab's pin for the vendor's key."""
        pinned = args[0] not in ("verify", "--help")
        pin = ["--set", f"docker_fingerprint={self.lab.fingerprint}"] if pinned else []
        start: list[str | Path] = [sys.executable, self.place / "bin/dockwright"]
        return Command([*start, *args, *pin], {"PYTHONPATH": str(self.place)})

    def rival(self, packages: tuple[str, ...], fleet: int | None = None) -> Rival:
        """Dockwright as one of the rivals."""
        hosts = hosts_of("dockwright", fleet)
        choice = (
            ["--set", f"docker_packages={json.dumps(packages)}"] if packages != PACKAGES else []
        )
        args = ("install", *(f"{USER}@{host}" for host in hosts), "--yes", *choice)
        # A second run that changes something ends with 20, and so fails here.
        first, again = self.command(*args), self.command(*args, "--detailed-exitcode")
        about = "dockwright install --yes, of this checkout"
        return Rival("dockwright", about, first, again, hosts=hosts)


# --- the vendor -----------------------------------------------------------------------------------


def ssh(host: str, *command: str) -> list[str | Path]:
    """OpenSSH to a host."""
    return ["ssh", "-o", "BatchMode=yes", f"{USER}@{host}", *command]


def manual(script: Path, packages: tuple[str, ...]) -> Rival:
    """The commands of the vendor's manual, written to ``script``."""
    script.write_text(MANUAL.replace("@PACKAGES@", " ".join(packages)))
    command = Command(ssh("manual", "sudo", "bash", "-s"), stdin=script)
    return Rival("manual", "the vendor's manual, its commands over ssh sudo bash -s", command, None)


def vendor_script(script: Path) -> Rival:
    """The vendor's own script, unmodified, then hello-world."""
    command = Command(ssh("script", f"sudo sh -c '{SCRIPT}'"), stdin=script)
    return Rival("script", "the vendor's script (get.docker.com), unmodified", command, None)


# --- pyinfra --------------------------------------------------------------------------------------


def pyinfra(packages: tuple[str, ...], fleet: int | None = None) -> Rival:
    """pyinfra with the deploy of this folder; its environment is made at first use."""
    deploy = Path(__file__).with_name("pyinfra_deploy.py")
    place, hosts = environment(PYINFRA), hosts_of("pyinfra", fleet)
    start: list[str | Path] = [place / "bin/pyinfra", ",".join(hosts), deploy]
    data = ["--data", f"docker_packages={','.join(packages)}"]
    command = Command([*start, "-y", "--ssh-user", USER, *data])
    asked = "import importlib.metadata as m; print(m.version('pyinfra'))"
    version = sh([place / "bin/python", "-c", asked]).strip()
    about = f"pyinfra {version}, tests/bench/pyinfra_deploy.py"
    return Rival("pyinfra", about, command, command, hosts=hosts)


def environment(wanted: str) -> Path:
    """A virtual environment with that requirement and nothing else, kept in the lab's cache.

    pyinfra wants an older Paramiko than Dockwright, and nobody shall pay for what others import.
    """
    name = re.split(r"[^a-z-]", wanted)[0]
    place = cache_dir() / f"bench-{name}"
    stamp = place / ".made-for"
    made_for = f"{wanted} {sys.version}\n"
    with locked(cache_dir() / f".bench-{name}"):
        if not stamp.exists() or stamp.read_text() != made_for:
            say(f"installing {wanted}")
            sh([sys.executable, "-m", "venv", "--clear", place])
            pip = [place / "bin/python", "-m", "pip", "install", "--quiet", "--no-input"]
            sh([*pip, "--disable-pip-version-check", wanted])
            stamp.write_text(made_for)
    return place


def helps(ours: Ours) -> dict[str, Command]:
    """What shows its help, by whom."""
    return {
        "dockwright": ours.command("--help"),
        "pyinfra": Command([environment(PYINFRA) / "bin/pyinfra", "--help"]),
    }


# --- Ansible --------------------------------------------------------------------------------------


def ansible(
    folder: Path, packages: tuple[str, ...], role: Path | None, fleet: int | None = None
) -> Rival | str:
    """Ansible with geerlingguy.docker; where something is missing, why it is left out."""
    places = [role] if role else [Path(place).expanduser() / ROLE for place in ROLE_PLACES]
    found = next((place for place in places if (place / "tasks/main.yml").exists()), None)
    if found is None:
        return f"skipped: the role {ROLE} is not at hand"
    command = environment(ANSIBLE) / "bin/ansible-playbook"
    (folder / "roles").mkdir()
    (folder / "roles" / ROLE).symlink_to(found.resolve())
    # The role adds the compose plugin by a variable of its own.
    names = [name for name in packages if name != "docker-compose-plugin"]
    play = [
        {
            "hosts": "all",
            "become": True,
            "roles": [{"role": ROLE, "vars": {"docker_packages": names}}],
            "post_tasks": [
                {"name": "which containers are there", "command": "docker ps -aq",
                 "register": "containers", "changed_when": False},
                {"name": "run hello-world", "command": "docker run hello-world",
                 "when": "containers.stdout == ''"},
            ],
        }
    ]  # fmt: skip
    playbook = folder / "play.yml"
    playbook.write_text(json.dumps(play))  # JSON is YAML
    env = {
        "ANSIBLE_ROLES_PATH": str(folder / "roles"),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "control"),
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=1s",
    }
    hosts = hosts_of("ansible", fleet)
    argv: list[str | Path] = [command, "-i", f"{','.join(hosts)},", "-u", USER, playbook]
    forks = ["--forks", str(fleet)] if fleet else []
    about = f"{_first_line([command, '--version'])}, {ROLE}, with pipelining"
    both = Command([*argv, *forks], env)
    about += f", {fleet} forks" if fleet else ""
    return Rival("ansible", about, both, both, needs=ROLE_DEBS, hosts=hosts)


def _first_line(argv: list[str | Path]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or [str(argv[0])])[0]


# --- all ------------------------------------------------------------------------------------------


def all_of(
    ours: Ours, script: Path | None, role: Path | None, *, folder: Path, fleet: int | None = None
) -> tuple[list[Rival], list[str]]:
    """The rivals in the order of their turns, Dockwright first; and who was left out, and why.

    For a ``fleet`` of so many hosts there is no manual.
    """
    if script is not None and not script.is_file():
        raise LabError(f"{script} is no file")
    packages = (*PACKAGES, *(SCRIPT_ADDS if script else ()))
    vendors = vendor_script(script) if script else manual(folder / "manual.sh", packages)
    others = ansible(folder, packages, role, fleet)
    rivals = [ours.rival(packages, fleet), *([vendors] if fleet is None else [])]
    rivals.append(pyinfra(packages, fleet))
    if isinstance(others, str):
        return rivals, [f"ansible with {ROLE}: {others}"]
    return [*rivals, others], []
