"""The machines of a Vagrantfile: what ``vagrant ssh-config`` says of them."""

from __future__ import annotations

import subprocess

from dockwright.errors import InputError
from dockwright.load.inventory.ansible import settle
from dockwright.load.inventory.tree import Level, Tree
from dockwright.load.problems import Spot
from dockwright.load.values import Given
from dockwright.load.yaml_marks import Document

NAME = "vagrant"
SHOWN = "vagrant ssh-config"
_LIMIT = 120  # seconds: it asks the provider about each machine
_SETTINGS = {"hostname": "address", "user": "user", "port": "port", "identityfile": "identity"}


def read_vagrant(tree: Tree) -> None:
    """Add the machines that run. Raises InputError where Vagrant does not tell."""
    level: Level | None = None
    for number, line in enumerate(_told().splitlines(), 1):
        keyword, _, value = line.strip().partition(" ")
        spot = Spot(SHOWN, number, 1)
        if keyword == "Host":
            level = tree.host(value.strip(), spot)
        elif level is not None and keyword.lower() in _SETTINGS:
            setting = _SETTINGS[keyword.lower()]
            if setting in level.settings:
                continue  # of several keys the first is the machine's own
            document = Document(SHOWN)
            document.values[()] = spot
            settle(level, setting, Given(value.strip().strip('"'), document), keyword, tree)


def _told() -> str:
    """What Vagrant says of the machines that run: it says nothing while one of a project does not."""
    done = _vagrant("ssh-config")
    if done.returncode:
        running = _running(_vagrant("status", "--machine-readable").stdout)
        if running:
            done = _vagrant("ssh-config", *running)
    if done.returncode:
        said = "".join(c if c.isprintable() else " " for c in done.stderr.strip()[-500:])
        raise InputError(
            f"{SHOWN} failed; no host was contacted",
            details=(("said", said or "nothing"),),
            next_step="vagrant up starts the machines",
        )
    return done.stdout


def _running(status: str) -> list[str]:
    """The machines that run, by ``vagrant status --machine-readable``: time, machine, kind, data."""
    rows = [line.split(",") for line in status.splitlines()]
    return [row[1] for row in rows if row[2:4] == ["state", "running"]]


def _vagrant(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["vagrant", *words],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT,
            check=False,
        )
    except FileNotFoundError:
        raise InputError(
            "-i vagrant asks Vagrant, and there is none; no host was contacted",
            next_step="a file of that name is -i ./vagrant",
        ) from None
    except subprocess.TimeoutExpired:
        said = f"vagrant {words[0]} did not end within {_LIMIT} s"
        raise InputError(f"{said}; no host was contacted") from None
