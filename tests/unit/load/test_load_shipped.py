"""Shipped playbooks: load for every host, take overrides, keep values in their fields."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path
from typing import Any

import pytest

from dockwright import resources
from dockwright.errors import InputError
from dockwright.load import (
    SAMPLES,
    Flag,
    HostValues,
    Overrides,
    Playbook,
    load_playbook,
    shipped_names,
)
from dockwright.load.problems import Problems
from dockwright.load.sources import read_component
from dockwright.models import Facts
from dockwright.steps import AptRepository, Packages, Step
from tests.unit.load.support import SITE, STEP, Errors, Write, steps

NOBLE = HostValues(distro="ubuntu", codename="noble", architecture="amd64")
HOSTILE = [
    *("; touch canary", "$(touch canary)", "`touch canary`", "'", '"', "a\nTrusted: yes", "\0"),
    *("-o", "--", "a b", "{{", "}}", "{{ 7 * 7 }}", "{% x %}", "{# x #}", "{{ '{{' }}", "\\", "%"),
    *("é", "\x1b[31m", "!!python/object/apply:os.system [id]", "&a", "*a", "no", "29.10", "a: b"),
    *("\r\n", "\t", "[", "#", "/../..", "${IFS}", "|", ">", "<", "&&", "!", "~", "?", "\u202e"),
]


def find_step(playbook: Playbook, name: str, host: HostValues = NOBLE) -> dict[str, Any]:
    for component in playbook.steps_for(host):
        for step in component.steps:
            if step.name == name:
                return step.model_dump()
    raise AssertionError(name)


def every_step(playbook: Playbook, host: HostValues = NOBLE) -> list[Step]:
    return [step for component in playbook.steps_for(host) for step in component.steps]


@pytest.mark.parametrize("name", shipped_names())
@pytest.mark.parametrize("host", SAMPLES, ids=lambda host: f"{host.codename}-{host.architecture}")
def test_every_shipped_playbook_loads_for_every_host(name: str, host: HostValues) -> None:
    playbook = load_playbook(name)
    assert playbook.name == name
    assert playbook.where == f"playbooks/{name}.yaml"
    assert not playbook.overrides
    resolved = playbook.steps_for(host)
    assert tuple(component.name for component in resolved) == playbook.components
    assert all(component.steps and component.summary for component in resolved)
    for step in every_step(playbook, host):
        if isinstance(step, AptRepository) and step.id == "docker":
            assert step.url.endswith(f"/{host.distro}")
            assert step.suite == host.codename


@pytest.mark.parametrize("name", shipped_names("components"))
def test_every_shipped_component_is_used_and_explained(name: str) -> None:
    path = resources.directory("playbooks") / "components" / f"{name}.yaml"
    problems = Problems()
    component = read_component(path.read_text(), path.name, name, problems)
    assert problems.lines == ()
    assert component.steps
    assert all(declared.about for declared in component.declared.values())
    assert any(name in load_playbook(playbook).components for playbook in shipped_names())


def test_what_trust_rests_on_is_marked() -> None:
    playbook = load_playbook("gpu")
    trusted = {name for name, declared in playbook.declared.items() if declared.trusted}
    assert trusted == {"docker_floor", "registries"} | {
        f"{vendor}_{what}"
        for vendor in ("docker", "nvidia")
        for what in ("url", "key_url", "fingerprint")
    }


def test_the_old_recipe_has_a_step_for_each_line() -> None:
    names = [step.name for step in every_step(load_playbook("docker"))]
    assert names == [
        "let apt use the proxy",
        "remove old packages",
        "install what apt needs",
        "add the key with fingerprint check and the apt repository",
        "merge daemon.json",
        "replace the snap",
        "install docker-ce and containerd.io",
        "enable and start docker",
        "let users talk to the daemon",
        "set up registries",
        "bring images",
        "verify with hello-world",
    ]


def test_wmdocker_stays_and_all_else_that_conflicts_goes() -> None:
    absent = find_step(load_playbook("docker"), "remove old packages")["absent"]
    assert "docker" not in absent
    assert {"docker.io", "docker-cli", "docker-buildx", "moby-engine", "rootlesskit"} <= set(absent)


def test_flags_over_files_over_playbook_over_defaults(write: Write) -> None:
    write(
        "variables:\n"
        + "".join(f"  {name}: {{default: d, trusted: true}}\n" for name in "abcd")
        + STEP,
        site=SITE + "variables:\n  b: playbook\n  c: playbook\n  d: playbook\n",
        one="c: one\nd: one\n",
        two="c: two\nhello_image: known by another component\n",
    )
    overrides = Overrides(
        files=(Path("one.yaml"), Path("two.yaml")),
        sets=("d=set",),
        flags=(Flag("--d", "d", "set"),),
    )
    playbook = load_playbook("site.yaml", overrides=overrides)
    assert playbook.variables_for(NOBLE) == {"a": "d", "b": "playbook", "c": "two", "d": "set"}
    assert {name: str(origin) for name, origin in playbook.overrides.items()} == {
        "b": "site.yaml:5",
        "c": "two.yaml:1",
        "d": "--d",
    }


def test_a_trusted_value_that_is_the_default_is_no_override() -> None:
    fingerprint = "9DC8 5822 9FC7 DD38 854A E2D8 8D81 803C 0EBF CD88"
    overrides = Overrides(sets=(f"docker_fingerprint={fingerprint}", "docker_version=29.10"))
    playbook = load_playbook("docker", overrides=overrides)
    assert not playbook.overrides
    assert find_step(playbook, "install docker-ce and containerd.io")["version"] == "29.10"


@pytest.mark.parametrize(
    ("sets", "name", "value"),
    [
        ("docker_version=29.10", "docker_version", "29.10"),
        ("docker_version=", "docker_version", ""),
        ("docker_url=http://mirror/{{ distro }}", "docker_url", "http://mirror/ubuntu"),
        ("hold=yes", "hold", True),
        ("hold=false", "hold", False),
        ("hold={{ distro == 'ubuntu' }}", "hold", True),
        ("docker_users=", "docker_users", []),
        ("docker_users=alice", "docker_users", ["alice"]),
        ("docker_users=alice, bob", "docker_users", ["alice", "bob"]),
        ("docker_users=[alice, 'bob']", "docker_users", ["alice", "bob"]),
        ("docker_users={{ ['al' ~ 'ice'] }}", "docker_users", ["alice"]),
        (
            'docker_daemon={"debug": true, "mtu": 1400}',
            "docker_daemon",
            {"debug": True, "mtu": 1400},
        ),
        (
            "docker_daemon={log-opts: {tag: \"{{ '{{.Name}}' }}\"}, half: 0.5, none: null}",
            "docker_daemon",
            {"log-opts": {"tag": "{{.Name}}"}, "half": 0.5, "none": None},
        ),
    ],
)
def test_set_is_read_by_the_declared_type(sets: str, name: str, value: object) -> None:
    playbook = load_playbook("docker", overrides=Overrides(sets=(sets,)))
    assert playbook.variables_for(NOBLE)[name] == value


def test_derived_values_follow_what_they_derive_from() -> None:
    overrides = Overrides(sets=("docker_url=http://mirror/{{ distro }}-{{ architecture }}",))
    playbook = load_playbook("docker", overrides=overrides)
    step = find_step(playbook, "add the key with fingerprint check and the apt repository")
    assert step["url"] == "http://mirror/ubuntu-amd64"
    assert step["key_url"] == "http://mirror/ubuntu-amd64/gpg"
    assert list(playbook.overrides) == ["docker_url"]


def test_errors_are_told_where_the_value_was_written(write: Write, errors: Errors) -> None:
    write(
        "variables:\n  names: {default: [aa, bb]}\n  when_: {default: {}}\n  all: {type: list, default: '{{ names }}'}\n"
        + steps(
            *("- kind: packages", "  name: x", "  present: '{{ all }}'", "  when: '{{ when_ }}'"),
            *("- kind: service", "  name: y", "  unit: '{{ names[0] }}'"),
        ),
        site=SITE + "variables:\n  names: [Bad-, bb]\n  when_: {distro: 7}\n",
    )
    assert errors() == [
        "site.yaml:5:10: 'names' is not a unit, such as docker.service: 'Bad-'",
        "site.yaml:5:11: item 1 of 'names' is not the name of a package (a-z 0-9 . + -): 'Bad-'",
        "site.yaml:6:19: 'distro' must be a list, not a number",
    ]


def test_own_playbook_with_shipped_components(write: Write) -> None:
    write(
        STEP,
        site="playbook: site\nsummary: s\ncomponents: [docker-engine, own]\n"
        "variables:\n  docker_fingerprint: " + "A" * 40 + "\n",
    )
    playbook = load_playbook("./site.yaml")
    assert playbook.components == ("docker-engine", "own")
    assert str(playbook.overrides["docker_fingerprint"]) == "./site.yaml:5"


def test_steps_are_the_same_objects_for_like_hosts() -> None:
    playbook = load_playbook("docker")
    first, second = every_step(playbook), every_step(playbook)
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert all(isinstance(step, Packages) for step in first[1:3])


def test_a_playbook_travels_and_has_a_digest() -> None:
    playbook = load_playbook("docker")
    copy = pickle.loads(pickle.dumps(playbook))
    assert copy.steps_for(NOBLE) == playbook.steps_for(NOBLE)
    assert copy.digest == load_playbook("docker").digest
    assert copy.digest != load_playbook("docker", overrides=Overrides(sets=("hold=yes",))).digest


def test_host_values_come_from_facts() -> None:
    facts = Facts(
        hostname="web1",
        distro="ubuntu",
        os_id="ubuntu",
        version_id="24.04",
        codename="noble",
        pretty_name="Ubuntu 24.04",
        architecture="arm64",
        init="systemd",
        clock=0,
        boot_id="b",
    )
    assert HostValues.of(facts) == HostValues(
        distro="ubuntu",
        codename="noble",
        architecture="arm64",
        version_id="24.04",
        hostname="web1",
    )


def leaves_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves_of(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves_of(item)]
    return [value]


def fields_of(playbook: Playbook) -> list[Any]:
    return leaves_of([step.model_dump() for step in every_step(playbook)])


def load_or_refuse(overrides: Overrides) -> Playbook | None:
    with contextlib.suppress(InputError):
        return load_playbook("docker", overrides=overrides)
    return None


@pytest.fixture(scope="module")
def usual() -> list[Any]:
    return fields_of(load_playbook("docker"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["docker_version", "docker_channel", "hello_image", "docker_url"])
def test_b06_hostile_text_is_refused_or_stays_one_value(name: str, usual: list[Any]) -> None:
    for text in (*HOSTILE, *(f"https://x/{text}" for text in HOSTILE)):
        playbook = load_or_refuse(Overrides(sets=(f"{name}={text}",)))
        if playbook is None:
            continue
        value = playbook.variables_for(NOBLE)[name]
        assert value == text or "{{" in text
        news = {field for field in fields_of(playbook) if field not in usual}
        assert news <= {value, f"{value}/gpg"}
    assert not Path("canary").exists()


@pytest.mark.parametrize("text", HOSTILE)
def test_b06_hostile_items_and_keys(text: str) -> None:
    for flag in (
        Flag("--add-user", "docker_users", [text]),
        Flag("--daemon", "docker_daemon", {"labels": [text]}),
        Flag("--packages", "docker_packages", [text]),
    ):
        playbook = load_or_refuse(Overrides(flags=(flag,)))
        assert (
            playbook is None
            or playbook.variables_for(NOBLE)[flag.name] == flag.value
            or "{{" in text
        )
