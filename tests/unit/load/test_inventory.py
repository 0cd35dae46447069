"""Inventories: our own form and Ansible's, what they come to, and what is wrong with them."""

from __future__ import annotations

import io
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from dockwright.errors import InputError, RefusedError
from dockwright.load import Flag, Inventory, Overrides, load_playbooks, read_inventories
from dockwright.models import Host
from tests.unit.load.support import Read

# What this Python says of a comma too many, and where.
COMMA = (
    "24: not valid JSON: Illegal trailing comma before end of object"
    if sys.version_info >= (3, 13)
    else "25: not valid JSON: Expecting property name enclosed in double quotes"
)

SECRET = "c4n4ry"


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read texts as inventory files beside which the test runs; ``name=text``."""
    monkeypatch.chdir(tmp_path)

    def read(**texts: str) -> Inventory:
        names = [name.replace("_", ".") for name in texts]
        for name, text in zip(names, texts.values(), strict=True):
            Path(name).write_text(textwrap.dedent(text), encoding="utf-8")
            Path(name).chmod(0o600)
        return read_inventories(names)

    return read


def wrong(inventory: Inventory, playbook: str | None = None, **overrides: Any) -> list[str]:
    """The errors of an inventory, with those that a playbook finds."""
    hosts = inventory.hosts()
    with pytest.raises(InputError) as caught:  # noqa: PT012
        if playbook:
            load_playbooks(playbook, inventory, hosts, overrides=Overrides(**overrides))
        else:
            inventory.stop_here()
    assert "no host was contacted" in caught.value.brief
    lines = [text for label, text in caught.value.details if label == "error"]
    assert SECRET not in f"{caught.value.brief} {lines} {caught.value.next_step}"
    return lines


def values(inventory: Inventory, playbook: str = "docker", **overrides: Any) -> dict[str, Any]:
    """By host: the values that are not the playbook's own."""
    hosts = inventory.hosts()
    books = load_playbooks(playbook, inventory, hosts, overrides=Overrides(**overrides))
    return {
        host: {
            name: given.value
            for name, given in book.given.items()
            if given.value != book.defaults[name].value
        }
        for host, book in books.items()
    }


OWN = """\
user: ops
variables: {docker_version: "29"}
hosts:
  web1: {address: 10.0.0.11, port: 2222}
  "web[02:04]":
  db1:
    user: root
    jump: ops@bastion:22,inner
    identity: ~/.ssh/db
    variables: {docker_users: [deploy]}
  here: {transport: local}
groups:
  web:
    hosts: [web1, "web[02:03]"]
    children: [canary]
    variables: {docker_version: "29.7", hold: true}
  canary:
    hosts: [web04]
    variables: {docker_version: "29.7.2"}
"""

INI = """\
; comment
web1 ansible_host=10.0.0.11 ansible_port=2222
db1 ansible_user=root ansible_ssh_common_args='-o ProxyJump=ops@bastion:22,inner -C' ansible_ssh_private_key_file=~/.ssh/db docker_users=deploy
here ansible_connection=local
[web]
web1          # and more
web[02:03]
[web:children]
canary
[canary]
web04 docker_version=29.7.2
[web:vars]
docker_version=29.7
hold=True
[all:vars]
ansible_user=ops
docker_version = "29"
ansible_become=yes
ansible_python_interpreter=/usr/bin/python3
"""

YAML = """\
all:
  vars: {ansible_user: ops, docker_version: "29", ansible_become: true}
  hosts:
    web1: {ansible_host: 10.0.0.11, ansible_port: 2222}
    db1:
      ansible_user: root
      ansible_ssh_common_args: -J ops@bastion:22,inner
      ansible_private_key_file: ~/.ssh/db
      docker_users: [deploy]
    here: {ansible_connection: local}
  children:
    web:
      hosts: {"web1": , "web[02:03]": }
      vars: {docker_version: "29.7", hold: true}
      children: {canary: {hosts: {web04: {docker_version: "29.7.2"}}}}
"""

JSON = """\
{"_meta": {"hostvars": {
   "web1": {"ansible_host": "10.0.0.11", "ansible_port": 2222, "ansible_user": "ops", "docker_version": "29.7", "hold": true},
   "web02": {"ansible_user": "ops", "docker_version": "29.7", "hold": true},
   "web03": {"ansible_user": "ops", "docker_version": "29.7", "hold": true},
   "web04": {"ansible_user": "ops", "docker_version": "29.7.2", "hold": true},
   "db1": {"ansible_user": "root", "ansible_ssh_common_args": "-oProxyJump=ops@bastion:22,inner",
           "ansible_private_key_file": "~/.ssh/db", "docker_users": ["deploy"], "docker_version": "29"},
   "here": {"ansible_connection": "local", "docker_version": "29", "ansible_user": "ops"}}},
 "all": {"children": ["ungrouped", "web"]},
 "ungrouped": {"hosts": ["db1", "here"]},
 "web": {"children": ["canary", "empty"], "hosts": ["web1", "web02", "web03"]},
 "canary": {"hosts": ["web04"]}}
"""


@pytest.mark.parametrize("form", ["inv_yaml", "inv_ini", "ans_yaml", "list_json"])
def test_four_forms_say_the_same(read: Read, form: str) -> None:
    text = {"inv_yaml": OWN, "inv_ini": INI, "ans_yaml": YAML, "list_json": JSON}[form]
    inventory = read(**{form: text})
    hosts = inventory.hosts()
    inventory.stop_here()
    assert hosts["web1"] == Host(name="web1", address="10.0.0.11", port=2222, user="ops")
    assert hosts["web03"] == Host(name="web03", address="web03", user="ops")
    assert hosts["db1"] == Host(
        name="db1",
        address="db1",
        user="root",
        identity=("~/.ssh/db",),
        jump="ops@bastion:22,inner",
    )
    assert hosts["here"].local
    assert set(hosts) == {"web1", "web02", "web03", "web04", "db1", "here"}
    tree = inventory.tree
    assert set(tree.members("web")) == {"web1", "web02", "web03", "web04"}
    assert tree.members("canary") == ["web04"]
    assert set(tree.members("all")) == set(hosts)
    web = {"docker_version": "29.7", "hold": True}
    assert values(inventory) == {
        "web1": web,
        "web02": web,
        "web03": web,
        "web04": {"docker_version": "29.7.2", "hold": True},
        "db1": {"docker_version": "29", "docker_users": ["deploy"]},
        "here": {"docker_version": "29"},
    }


def test_the_command_line_is_over_the_inventory_and_that_over_the_playbook(read: Read) -> None:
    Path("site.yaml").write_text(
        "playbook: site\nsummary: Mine\ncomponents: [docker-engine]\n"
        "variables: {docker_channel: test, hold: true, docker_version: '28'}\n"
    )
    Path("site.yaml").chmod(0o600)
    Path("vars.yaml").write_text("hold: true\n")
    Path("vars.yaml").chmod(0o600)
    inventory = read(
        inv_yaml="""\
        variables: {docker_version: "29", hold: false}
        hosts:
          web1: {variables: {docker_users: [a]}}
        """
    )
    given = values(
        inventory,
        "./site.yaml",
        files=(Path("vars.yaml"),),
        flags=(Flag("--add-user", "docker_users", ["b"]),),
    )
    assert given == {
        "web1": {
            "docker_channel": "test",
            "docker_version": "29",
            "hold": True,
            "docker_users": ["b"],
        }
    }


def test_x10_a_pin_of_an_inventory_is_named_with_its_place(read: Read) -> None:
    pin = "A" * 40
    inventory = read(
        inv_yaml=f"""\
        hosts:
          web1:
          web2:
            variables:
              docker_fingerprint: {pin}
        """
    )
    books = load_playbooks("docker", inventory, inventory.hosts())
    assert books["web1"].overrides == {}
    assert {name: str(at) for name, at in books["web2"].overrides.items()} == {
        "docker_fingerprint": "inv.yaml:5"
    }
    assert books["web1"].digest != books["web2"].digest


def test_hosts_of_the_same_variables_share_a_playbook(read: Read) -> None:
    inventory = read(inv_yaml=OWN)
    books = load_playbooks("docker", inventory, inventory.hosts())
    assert books["web1"] is books["web03"]
    assert books["web1"] is not books["web04"]


def test_an_inventory_does_not_change_what_it_says_nothing_of(read: Read) -> None:
    one = read(inv_yaml="hosts: {web1: }")
    two = read(inv_yaml="# more\nhosts: {web1: , web2: {variables: {hold: true}}}")
    digests = {
        load_playbooks("docker", inventory, ["web1"])["web1"].digest for inventory in (one, two)
    }
    assert len(digests) == 1


# --- what is wrong --------------------------------------------------------------------------------


def test_all_errors_at_once_with_file_line_and_key(read: Read) -> None:
    inventory = read(
        inv_yaml=f"""\
        user: "ops;x"
        variables: {{docker_version: 29, dockr_users: [x]}}
        password: {SECRET}
        hosts:
          web1: {{adress: 10.0.0.11, port: 99999, sudo_password: {SECRET}}}
          "web[04:2]":
          "a b":
          db1:
            jump: "b;x"
            identity: keys/x
            variables: {{docker_users: deploy}}
        groups:
          web:
            hosts: [web9, web1, web1]
            children: [web, canry]
          canary:
          all:
        """
    )
    assert wrong(inventory, "docker") == [
        "inv.yaml:1:7: 'user' is not the name of a user (A-Z a-z 0-9 . _ + -): 'ops;x'",
        "inv.yaml:2:29: 'docker_version' must be text: write it in quotes, \"29\"",
        "inv.yaml:2:33: unknown variable 'dockr_users' in playbook docker; did you mean 'docker_users'?",
        (
            "inv.yaml:3:1: 'password': passwords do not belong in an inventory; give keys, or -K, or"
            " --sudo-password-file FILE"
        ),
        "inv.yaml:5:10: unknown key 'adress'; did you mean 'address'?",
        "inv.yaml:5:35: 'port' must be at most 65535, not 99999",
        (
            "inv.yaml:5:42: 'sudo_password': passwords do not belong in an inventory; give keys, or -K,"
            " or --sudo-password-file FILE"
        ),
        "inv.yaml:6:3: range [04:2]: both ends need as many digits",
        "inv.yaml:7:3: 'a b' is not the name of a host",
        "inv.yaml:9:11: 'jump' is not jump hosts, such as ops@bastion or ops@bastion:22,inner: 'b;x'",
        "inv.yaml:10:15: 'identity' is not the path of a key file that begins with / or ~/: 'keys/x'",
        "inv.yaml:11:31: 'docker_users' must be a list, not text",
        "inv.yaml:14:13: there is no host 'web9'; did you mean 'web1'?",
        "inv.yaml:14:25: 'web1' is there twice, first at inv.yaml:14:19",
        "inv.yaml:15:16: group 'web' is in itself, by its children",
        "inv.yaml:15:21: there is no group 'canry'; did you mean 'canary'?",
        "inv.yaml:17:3: 'all' is every host: what is said of it stands at the top",
    ]


def test_all_errors_of_an_ini_file_and_no_line_of_it(read: Read) -> None:
    inventory = read(
        hosts=f"""\
        web1 ansible_password={SECRET}
        web2 foo='{SECRET}
        [web
        web1 x
        [web:var]
        a
        [nix:vars]
        b={SECRET}
        [ok:children]
        nothing
        [ok:vars]
        {SECRET}
        ansible_host={{{{ x }}}}
        ansible_become_pass={SECRET}
        ansible_connection=docker
        ansible_ssh_common_args=-o ProxyCommand='ssh -W %h:%p {SECRET}'
        db_password=$ANSIBLE_VAULT;1.1;{SECRET}
        ansible_port=ssh
        """
    )
    passwords = (
        "passwords do not belong in an inventory; give keys, or -K, or --sudo-password-file FILE"
    )
    assert wrong(inventory) == [
        f"hosts:1:6: 'ansible_password': {passwords}",
        "hosts:2:1: a quote is not closed, or a backslash ends the line",
        "hosts:3:1: neither a section nor a host: a section is [GROUP], [GROUP:children] or [GROUP:vars]",
        "hosts:4:1: 'web1' is there twice, first at hosts:1:1",
        "hosts:4:6: after the host there are only NAME=VALUE, values with spaces in quotes",
        "hosts:5:6: unknown kind of section 'var'; did you mean 'vars'?",
        "hosts:7:2: there is no group 'nix'",
        "hosts:10:1: there is no group 'nothing'",
        "hosts:12:1: in a section of variables each line is NAME=VALUE",
        "hosts:13:1: 'ansible_host' holds an expression of Ansible's, which is not evaluated here",
        f"hosts:14:1: 'ansible_become_pass': {passwords}",
        "hosts:15:1: 'ansible_connection' must be ssh or local, not 'docker': there is no other way",
        (
            "hosts:16:1: 'ansible_ssh_common_args': ProxyCommand belongs in ~/.ssh/config; a jump host is"
            " -J HOST here"
        ),
        (
            "hosts:17:1: 'db_password' is a value of Ansible Vault: it cannot be read here, and secrets do"
            " not belong here"
        ),
        "hosts:18:1: 'ansible_port' must be a whole number, not text",
    ]


def test_b11_one_bad_line_in_a_thousand_is_named(read: Read) -> None:
    lines = [
        f"web{number} ansible_host=10.0.{number // 250}.{number % 250}" for number in range(1000)
    ]
    lines[617] += " ansible_port=0"
    assert wrong(read(hosts="\n".join(lines))) == [
        "hosts:618:32: 'ansible_port' must be at least 1, not 0"
    ]
    hosts = [f"  web{number}: {{user: u{number}}}" for number in range(1000)]
    hosts[617] = "  web617: {usr: u617}"
    assert wrong(read(inv_yaml="\n".join(["hosts:", *hosts]))) == [
        "inv.yaml:619:12: unknown key 'usr'; did you mean 'user'?"
    ]


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        ({"a_yaml": "hosts: {web1: }", "b_ini": "db1\nweb1\n"},
         ["b.ini:2:1: host 'web1' is there twice, first at a.yaml:1:9"]),
        ({"a_yaml": "hosts:\n  web1:\n  'web[1:2]':\n"},
         ["a.yaml:3:3: host 'web1' is there twice, first at a.yaml:2:3"]),
        ({"hosts": "[web]\nweb1\nweb1\n"}, ["hosts:3:1: 'web1' is there twice, first at hosts:2:1"]),
        ({"a_yaml": "hosts:\n  web1:\n  web1:\n"},
         ["a.yaml:3:3: key 'web1' is there twice, first in line 2"]),
        ({"a_yaml": "hosts:\n  a: {address: 10.0.0.1}\n  b: {address: 10.0.0.1, port: 22}\n"},
         ["a.yaml:3:3: host 'b' is the same machine as 'a' at a.yaml:2:3: 10.0.0.1, port 22"]),
        ({"a_yaml": "hosts:\n  a:\n  b: {address: A}\n  c: {address: a}\n"},
         ["a.yaml:3:3: host 'b' is the same machine as 'a' at a.yaml:2:3: A, port 22",
          "a.yaml:4:3: host 'c' is the same machine as 'a' at a.yaml:2:3: a, port 22"]),
        ({"a_yaml": "hosts:\n  local:\n  here: {transport: local}\n"},
         ["a.yaml:3:3: host 'here' is the same machine as 'local' at a.yaml:2:3: this one"]),
        ({"a_yaml": "hosts: {}\n"}, ["a.yaml:1:1: there is no host in it"]),
        ({"hosts": "# nobody\n\n"}, ["hosts:1:1: there is no host in it"]),
        ({"a_yaml": ""}, ["a.yaml:1:1: the inventory is empty"]),
        ({"a_yaml": "- web1\n"}, ["a.yaml:1:1: the inventory must be a map, not a list"]),
        ({"a_yaml": "hosts: [web1]\n"}, ["a.yaml:1:8: 'hosts' must be a map, not a list"]),
        ({"a_json": '{"web": {"hosts": ["a"],}}'},
         [f"a.json:1:{COMMA}"]),
        ({"a_json": '{"web": {}, "web": {}}'}, ["a.json:1:1: not an inventory: key 'web' is there twice"]),
        ({"a_yaml": "web:\n  hosst: {a: }\n  hosts: [b]\n  vars: 5\n"},
         ["a.yaml:2:3: unknown key 'hosst' in a group; did you mean 'hosts'?",
          "a.yaml:4:3: must be a map, not a number"]),
        ({"a_yaml": "hosts: {a: {transport: local, address: x}}\n"},
         ["a.yaml:1:24: host 'a' is local and has an address: which is it?"]),
        ({"a_yaml": "hosts: {a: }\ngroups: {g: {children: [all]}}\n"},
         ["a.yaml:2:25: 'all' holds every group and is in none"]),
        ({"hosts": "web[1:99999999]\n"}, ["hosts:1:1: stands for more than 10000 hosts"]),
        ({"hosts": "web[3:1] web[a:3]\n"},
         ["hosts:1:1: range [3:1]: it has to count upwards"]),
        ({"hosts": "[b@d]\nweb1\n"}, ["hosts:1:2: that is not the name of a group (A-Z a-z 0-9 . _ -)"]),
    ],
)  # fmt: skip
def test_b11_bad_inventories(read: Read, texts: dict[str, str], lines: list[str]) -> None:
    assert wrong(read(**texts)) == lines


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        ({"a_yaml": """\
            hosts: {web1: , web2: }
            groups:
              a: {hosts: [web1, web2], user: x, variables: {docker_version: "28"}}
              b: {hosts: [web1, web2], user: y, variables: {docker_version: "29"}}
            """},
         [("a.yaml:4:34: 'user' of host 'web1' is given otherwise at a.yaml:3:34: give it at the host,"
          " or make one group a child of the other"),
          ("a.yaml:4:65: 'docker_version' of host 'web1' is given otherwise at a.yaml:3:65: give it at"
          " the host, or make one group a child of the other")]),
        ({"a_ini": "[a]\nweb1 hold=true\n[b]\nweb1 hold=false\n"},
         [("a.ini:4:6: 'hold' of host 'web1' is given otherwise at a.ini:2:6: give it at the host, or"
          " make one group a child of the other")]),
        ({"a_ini": "[web]\nweb1\n[web:vars]\nhold=true\n", "b_ini": "[web]\nweb2\n[web:vars]\nhold=false\n"},
         [("b.ini:4:1: 'hold' of host 'web1' is given otherwise at a.ini:4:1: give it at the host, or"
          " make one group a child of the other")]),
    ],
)  # fmt: skip
def test_b12_contradictions_name_both_places(
    read: Read, texts: dict[str, str], lines: list[str]
) -> None:
    assert wrong(read(**texts), "docker") == lines


def test_groups_that_say_the_same_or_are_overruled_do_not_contradict(read: Read) -> None:
    inventory = read(
        a_yaml="""\
        hosts: {web1: {variables: {hold: true}}, web2: }
        groups:
          a: {hosts: [web1, web2], variables: {docker_version: "28"}}
          b: {hosts: [web1, web2], variables: {docker_version: "28"}}
          c: {hosts: [web1], variables: {hold: false}}
          d: {hosts: [web1], variables: {hold: true}}
        """
    )
    assert values(inventory) == {
        "web1": {"hold": True, "docker_version": "28"},
        "web2": {"docker_version": "28"},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n", "holds a private key"),
        (f"# mine\n-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n", "holds a private key"),
        (f"PuTTY-User-Key-File-3: {SECRET}\n", "holds a private key"),
        (f"#!/usr/bin/python3\n{SECRET}\n", "is a program, and inventories are not executed"),
    ],
)
def test_b19_what_is_no_inventory_is_named_and_not_shown(read: Read, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read(some=text)
    told = f"{caught.value.brief} {caught.value.details} {caught.value.next_step}"
    assert SECRET not in told
    assert ("--identity" if "key" in said else "some --list | dockwright") in told


def test_a_directory_is_no_inventory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory") as caught:
        read_inventories([str(tmp_path)])
    assert "ansible-inventory -i" in str(caught.value.next_step)
    with pytest.raises(InputError, match="does not exist"):
        read_inventories([str(tmp_path / "none")])


def test_b18_an_inventory_that_others_may_write_is_refused_to_root(read: Read) -> None:
    read(inv_yaml="hosts: {web1: }")
    Path("inv.yaml").chmod(0o666)
    if Path("inv.yaml").stat().st_uid:
        pytest.skip("only root is guarded")
    with pytest.raises(RefusedError, match="can be written by everybody"):
        read_inventories(["inv.yaml"])


@pytest.mark.parametrize(
    "name",
    ["ansible_password", "ansible_ssh_pass", "ansible_become_pass", "ansible_become_password",
     "ansible_sudo_pass", "ansible_ssh_private_key", "ansible_ssh_passphrase", "ansible_winrm_token"],
)  # fmt: skip
def test_passwords_are_refused(read: Read, name: str) -> None:
    for form, text in (
        ("a_ini", f"web1 {name}={SECRET}\n"),
        ("b_ini", f"web1\n[all:vars]\n{name} = {SECRET}\n"),
        ("c_yaml", f"all: {{hosts: {{web1: {{{name}: {SECRET}}}}}}}\n"),
    ):
        (line,) = wrong(read(**{form: text}))
        assert f"{name!r}: passwords do not belong in an inventory" in line


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vault", f"$ANSIBLE_VAULT;1.1;AES256\n{SECRET}\n"),
        ("v_yaml", f"all:\n  hosts:\n    a: {{x: !vault '{SECRET}'}}\n"),
        (
            "v_json",
            f'{{"_meta": {{"hostvars": {{"a": {{"x": {{"__ansible_vault": "{SECRET}"}}}}}}}}}}',
        ),
        ("v_ini", f"a x='$ANSIBLE_VAULT;1.1 {SECRET}'\n"),
    ],
)
def test_vault_values_are_refused_in_words_with_their_line(
    read: Read, name: str, text: str
) -> None:
    (line,) = wrong(read(**{name: text}))
    assert "Ansible Vault" in line
    assert line.startswith(f"{name.replace('_', '.')}:{3 if name == 'v_yaml' else 1}:")


def test_a_yaml_error_beside_a_password_quotes_nothing(read: Read) -> None:
    (line,) = wrong(read(a_yaml=f"all:\n  vars:\n    ansible_password: '{SECRET}' x\n"))
    assert line.startswith("a.yaml:3:")


def test_what_means_nothing_here_is_named_once(read: Read) -> None:
    inventory = read(hosts=INI.replace("hold=True", "docker_verison=3"))
    values(inventory)
    (note,) = inventory.notes()
    assert note == (
        "not used: ansible_become, ansible_python_interpreter, ansible_ssh_common_args -C,"
        " docker_verison (did you mean docker_version?)"
    )
    Path("group_vars").mkdir()
    read(hosts="web1\n")
    assert read(hosts="web1\n").notes() == [
        "not read: group_vars; ansible-inventory -i hosts --list | dockwright COMMAND -i - takes it in"
    ]
    assert read(hosts_yaml="hosts: {web1: }").notes() == []


def test_a_variable_of_another_shipped_playbook_is_no_error(read: Read) -> None:
    text = "variables: {docker_version: '29', hello_image: hello-world}\nhosts: {web1: }"
    by_the_playbook = {"gpu": "installed"}
    assert values(read(a_yaml=text), "verify") == {"web1": by_the_playbook}


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped(io.StringIO):
        buffer = io.BytesIO(JSON.encode())

    monkeypatch.setattr(sys, "stdin", Piped())
    assert "web04" in read_inventories(["-"]).hosts()
    Piped.buffer = io.BytesIO(b"web1 x\n")
    assert wrong(read_inventories(["-"]))[0].startswith("<stdin>:1:6: ")
    monkeypatch.setattr(Piped, "isatty", lambda _: True)
    with pytest.raises(InputError, match="that is the terminal"):
        read_inventories(["-"])


def test_b21_an_inventory_of_the_environment_decides_nothing_trusted(read: Read) -> None:
    read(inv_yaml="hosts: {web1: {variables: {docker_url: 'http://x.example', hold: true}}}")
    inventory = read_inventories(["inv.yaml"], environment=True)
    assert wrong(inventory, "docker") == [
        (
            "inv.yaml:1:40: 'docker_url' decides what is trusted, and the environment named this"
            " inventory: name it by -i"
        )
    ]
    inventory = read_inventories(["inv.yaml"], environment=True)
    assert values(inventory, sets=("docker_url=http://y.example",))["web1"]["hold"] is True


def test_json_that_yaml_does_not_take_is_read_all_the_same(read: Read) -> None:
    inventory = read(a_json='{\n\t"web": {"hosts": ["a\\/b", "ok"]}\n}')
    assert wrong(inventory) == ["a.json:2:20: 'a/b' is not the name of a host"]
    inventory = read(a_json='{\n"web": {"hosts": ["a/b"], "vars": {"x": 1e5}}\n}')
    assert wrong(inventory) == ["a.json:1:1: 'a/b' is not the name of a host"]


def test_ports_and_addresses_of_ini_hosts(read: Read) -> None:
    inventory = read(hosts="web1:2222\n[2001:db8::1]:22\n2001:db8::2\n[v6]\n[2001:db8::3]\n")
    hosts = inventory.hosts()
    assert (hosts["web1"].address, hosts["web1"].port) == ("web1", 2222)
    assert (hosts["2001:db8::1"].address, hosts["2001:db8::1"].port) == ("2001:db8::1", 22)
    assert hosts["2001:db8::2"].port is None
    assert inventory.tree.members("v6") == ["2001:db8::3"]


@pytest.mark.slow
def test_a_thousand_hosts_are_read(read: Read) -> None:
    lines = [f"web{number} docker_version=29.{number % 3}" for number in range(1000)]
    inventory = read(hosts="\n".join(["[web]", *lines]))
    books = load_playbooks("docker", inventory, inventory.hosts())
    assert len(books) == 1000
    inventory = read(hosts="\n".join(["[web]", *lines]).replace("29.0", "28.1"))
    assert len(inventory.tree.members("web")) == 1000
