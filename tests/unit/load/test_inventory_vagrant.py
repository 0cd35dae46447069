"""The machines of a Vagrantfile, by a Vagrant that is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockwright.errors import InputError
from dockwright.load import read_inventories
from dockwright.models import Host

TWO = """\
Host web
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  IdentityFile "/home/pat/my vms/.vagrant/machines/web/private_key"
  IdentityFile /home/pat/.vagrant.d/insecure_private_key
  LogLevel FATAL

Host db
  HostName 127.0.0.1
  User vagrant
  Port 2200
  IdentityFile /home/pat/.vagrant/machines/db/private_key
"""


def vagrant(folder: Path, script: str) -> None:
    program = folder / "vagrant"
    program.write_text(f'#!/bin/sh\n[ "$*" = ssh-config ] || exit 9\n{script}\n')
    program.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_machines_with_how_vagrant_reaches_them(path: Path) -> None:
    vagrant(path, f"cat <<'E'\n{TWO}E")
    inventory = read_inventories(["vagrant"])
    hosts = inventory.hosts()
    inventory.stop_here()
    assert list(hosts.values()) == [
        Host(
            name="web",
            address="127.0.0.1",
            user="vagrant",
            port=2222,
            identity=("/home/pat/my vms/.vagrant/machines/web/private_key",),
        ),
        Host(
            name="db",
            address="127.0.0.1",
            user="vagrant",
            port=2200,
            identity=("/home/pat/.vagrant/machines/db/private_key",),
        ),
    ]


def test_machines_that_are_off_do_not_hide_those_that_run(path: Path) -> None:
    (path / "vagrant").write_text(
        f"""#!/bin/sh
case "$*" in
  "status --machine-readable")
    printf '%s\\n' 1,web,metadata,provider,libvirt 1,web,state,running 1,db,state,not_created 1,a,state,running ;;
  "ssh-config web a") cat <<'E'
{TWO}E
  ;;
  *) echo 'is not yet ready for SSH' >&2; exit 1 ;;
esac
"""
    )
    (path / "vagrant").chmod(0o755)
    assert list(read_inventories(["vagrant"]).hosts()) == ["web", "db"]


@pytest.mark.parametrize(
    ("script", "brief", "more"),
    [
        ("echo 'A Vagrant environment is required' >&2; exit 1", "vagrant ssh-config failed", "required"),
        ("exit 1", "vagrant ssh-config failed", "vagrant up"),
        (None, "asks Vagrant, and there is none", "./vagrant"),
        ("exit 0", "1 error in vagrant ssh-config", "there is no host in it"),
        ("printf 'Host a\\n  HostName a;b\\n  Port 0\\n'", "2 errors in vagrant ssh-config", "'Port' must be"),
    ],
)  # fmt: skip
def test_what_vagrant_does_not_tell(
    path: Path, script: str | None, brief: str, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is not None:
        vagrant(path, script)
    else:  # a machine may have one of its own
        monkeypatch.setenv("PATH", str(path))
    with pytest.raises(InputError, match=brief) as caught:
        read_inventories(["vagrant"]).stop_here()
    assert "no host was contacted" in caught.value.brief
    assert more in f"{caught.value.details} {caught.value.next_step}"


def test_a_vagrant_that_does_not_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vagrant(path, "sleep 5")
    monkeypatch.setattr("dockwright.load.inventory.vagrant._LIMIT", 0.2)
    with pytest.raises(InputError, match="did not end within"):
        read_inventories(["vagrant"])


def test_a_file_of_that_name_is_a_file(path: Path) -> None:
    vagrant(path, "exit 1")
    Path("vagrant").write_text("web1\n")
    assert list(read_inventories(["vagrant"]).hosts()) == ["web1"]
