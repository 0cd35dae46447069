"""The examples of docs/inventory.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dockwright.errors import InputError
from dockwright.load import load_playbooks, read_inventories

PAGE = (Path(__file__).parents[3] / "docs" / "inventory.md").read_text(encoding="utf-8")
EXAMPLES = {
    name: text
    for text in re.findall(r"```(?:yaml|ini)\n(.*?)```", PAGE, re.DOTALL)
    for name in re.findall(r"\A# (\S+)\n", text)
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in EXAMPLES.items():
        Path(name).write_text(text, encoding="utf-8")
        Path(name).chmod(0o600)


def test_without_that_line_both_places_are_named() -> None:
    file = Path("hosts.yaml")
    file.write_text(file.read_text().replace("    children: [canary]\n", ""))
    inventory = read_inventories(["hosts.yaml"])
    with pytest.raises(InputError) as caught:
        load_playbooks("docker", inventory, inventory.hosts())
    (line,) = (text for _, text in caught.value.details)
    assert "'docker_version' of host 'web02' is given otherwise" in line
    lines = file.read_text().splitlines()
    places = [lines[int(number) - 1] for number in re.findall(r"yaml:(\d+):", line)]
    assert sorted(re.findall(r"29\.[0-9.]+", " ".join(places))) == ["29.7", "29.7.2"]


def test_our_form() -> None:
    inventory = read_inventories(["hosts.yaml"])
    hosts = inventory.hosts()
    books = load_playbooks("docker", inventory, hosts)
    assert len(hosts) == 13
    assert hosts["vault"].transport == "openssh"
    versions = [books[name].given["docker_version"].value for name in ("web02", "web03")]
    assert versions == ["29.7.2", "29.7"]
    assert (hosts["db1"].port, hosts["db1"].jump) == (2222, "ops@bastion")
    assert set(inventory.tree.members("production")) == set(hosts) - {"db1", "build", "vault"}


def test_ansible_s_form() -> None:
    inventory = read_inventories(["hosts"])
    hosts = inventory.hosts()
    books = load_playbooks("docker", inventory, hosts)
    inventory.stop_here()
    assert (len(hosts), inventory.notes()) == (11, [])
    assert hosts["db1"].jump == "ops@bastion"
    assert {host.user for host in hosts.values()} == {"ops"}
    assert books["db1"].given["docker_users"].value == ["deploy"]
    assert books["web02"].given["docker_version"].value == "29.7"
