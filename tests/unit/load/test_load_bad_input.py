"""Bad input: exit 2, the exact place, nothing contacted (rows B01 to B18, X08)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dockwright.errors import InputError, RefusedError
from dockwright.load import Flag, HostValues, Overrides, load_playbook
from dockwright.load.files import SIZE_CAP, read_text, refuse_foreign
from dockwright.steps import STEPS
from tests.unit.load.support import SITE, STEP, Errors, Write, steps


def test_b01_not_yaml_shows_place_and_line(write: Write, errors: Errors) -> None:
    write(STEP, site="playbook: site\nsummary: a: b\ncomponents: [own]\n")
    assert errors() == [
        "site.yaml:2:11: not valid YAML: mapping values are not allowed here: summary: a: b"
    ]


def test_b02_unknown_keys_all_at_once_with_did_you_mean(write: Write, errors: Errors) -> None:
    write(
        """\
        variables:
          level: {defualt: 1, about: x}
        steps:
          - kind: service
            name: run
            unit: docker.service
            enabeld: true
          - kind: servise
            name: other
        """,
        site=SITE + "sumary: x\nvariables:\n  docker_verison: '29'\n",
    )
    assert errors() == [
        "site.yaml:4:1: unknown key 'sumary'; did you mean 'summary'?",
        "site.yaml:6:3: unknown variable 'docker_verison' in playbook site",
        "components/own.yaml:4:10: 'default' is missing",
        "components/own.yaml:4:11: unknown key 'defualt'; did you mean 'default'?",
        "components/own.yaml:9:5: unknown key 'enabeld'; did you mean 'enabled'?",
        (
            "components/own.yaml:10:11: unknown kind 'servise'; did you mean 'service'?;"
            f" there are {', '.join(STEPS)}"
        ),
    ]


def test_b02_unknown_variable_in_a_shipped_playbook(errors: Errors) -> None:
    assert errors("docker", "docker_verison=29", "x=1", "distro=debian") == [
        (
            "--set docker_verison: unknown variable 'docker_verison' in playbook docker;"
            " did you mean 'docker_version'?"
        ),
        "--set x: unknown variable 'x' in playbook docker",
        "--set distro: 'distro' is told by the host and cannot be set",
    ]


def test_b02_when_is_checked_too(write: Write, errors: Errors) -> None:
    write(
        steps("- kind: service", "  name: run", "  unit: a.service", "  when: {distros: [debian]}")
    )
    assert errors() == ["components/own.yaml:7:12: unknown key 'distros'; did you mean 'distro'?"]


def test_b02_a_type_that_is_none(write: Write, errors: Errors) -> None:
    write("variables:\n  level: {default: 1, type: nit}\n" + STEP)
    assert errors() == [
        (
            "components/own.yaml:4:29: 'type' must be one of str, int, bool, list, map, not 'nit'"
            "; did you mean 'int'?"
        )
    ]


def test_all_errors_of_a_step_whose_leaf_fails(write: Write, errors: Errors) -> None:
    write(
        steps(
            *(
                "- kind: packages",
                "  name: x",
                "  present: ['{{ no }}', Bad]",
                "  hold: '{{ 1 / 0 }}'",
            ),
            *("- kind: daemon_json", "  name: y", "  keys: {a: '{{ no }}'}"),
        )
    )
    assert errors() == [
        "components/own.yaml:6:15: unknown variable 'no'",
        (
            "components/own.yaml:6:27: item 2 of 'present' is not the name of a package"
            " (a-z 0-9 . + -): 'Bad'"
        ),
        "components/own.yaml:7:11: {{ 1 / 0 }}: quotients are not allowed",
        "components/own.yaml:10:15: unknown variable 'no'",
    ]


def test_long_lists_of_errors_are_cut(write: Write, errors: Errors) -> None:
    write(STEP, site=SITE + "variables:\n" + "".join(f"  v{i}: a\n" for i in range(250)))
    lines = errors()
    assert len(lines) == 201
    assert lines[-1] == "and 50 more"


def test_b03_duplicate_keys_name_both_lines(write: Write, errors: Errors) -> None:
    write(STEP, site=SITE + "summary: Again\n")
    assert errors() == ["site.yaml:4:1: key 'summary' is there twice, first in line 2"]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("29.10", " (without, YAML reads 29.1)"),
        ("29.7", ""),
        ("29", ""),
        ("no", ""),
        ("0755", " (without, YAML reads 493)"),
        ("12:30", " (without, YAML reads 750)"),
        ("2026-01-01", " (without, YAML reads a date)"),
        ("1_000", " (without, YAML reads 1000)"),
        (".inf", " (without, YAML reads inf)"),
        ("~", ""),
    ],
)
def test_b04_what_yaml_takes_for_something_else(
    write: Write, errors: Errors, value: str, read: str
) -> None:
    write(
        "variables:\n  level: {default: a}\n" + STEP, site=f"{SITE}variables:\n  level: {value}\n"
    )
    assert errors() == [
        f"site.yaml:5:10: 'level' must be text: write it in quotes, \"{value}\"{read}"
    ]


def test_b04_in_a_step_and_as_a_key(write: Write, errors: Errors) -> None:
    write(
        steps(
            "- kind: packages",
            "  name: 7",
            "  because: no",
            "  present: a",
            "  on: 1",
            "  hold: 'x'",
        )
    )
    assert errors() == [
        "components/own.yaml:5:11: 'name' must be text: write it in quotes, \"7\"",
        "components/own.yaml:6:14: 'because' must be text: write it in quotes, \"no\"",
        "components/own.yaml:7:14: 'present' must be a list, not text",
        'components/own.yaml:8:5: key on must be text: write it in quotes, "on"',
        "components/own.yaml:9:11: 'hold' must be true or false, not text",
    ]


def test_b05_tags_run_nothing(write: Write, errors: Errors) -> None:
    write(STEP, site=SITE + "variables: !!python/object/apply:os.system ['touch canary']\n")
    assert errors()[0] == (
        "site.yaml:4:12: tags (!!python/object/apply:os.system) are not allowed: write text in quotes"
    )
    assert not Path("canary").exists()


def test_b05_anchors_aliases_and_merges(write: Write, errors: Errors) -> None:
    site = (
        f"{SITE}variables:\n  a: &x {{b: c}}\n  d: *x\n  <<: {{e: f}}\n  ? [g]\n  : h\n  *x : i\n"
    )
    write("variables: {a: {default: {}}, d: {default: {}}}\n" + STEP, site=site)
    assert errors() == [
        "site.yaml:5:6: anchors (&x) are not allowed: write the value out",
        "site.yaml:6:6: aliases (*x) are not allowed: write the value out",
        "site.yaml:7:3: merge keys (<<) are not allowed: write the values out",
        "site.yaml:8:5: a key must be plain text, without tag, anchor or alias",
        "site.yaml:10:3: a key must be plain text, without tag, anchor or alias",
    ]


@pytest.mark.parametrize(
    "value", ["https://x/$(touch canary)", "https://x/`id`", "https://x/;id", "-o", "https://x/'"]
)
def test_b06_metacharacters_outside_the_grammar(errors: Errors, value: str) -> None:
    assert errors("docker", f"docker_url={value}") == [
        (
            "--set docker_url: 'docker_url' is not an http or https URL"
            f" without user, query or fragment: {value!r}"
        )
    ]


def test_b07_a_line_break_in_a_url_or_suite(write: Write, errors: Errors) -> None:
    write(
        """\
        steps:
          - kind: apt_repository
            name: repo
            id: own
            url: "https://example.org/x\\nTrusted: yes"
            key_url: https://example.org/gpg
            fingerprint: 9DC8 5822 9FC7 DD38 854A E2D8 8D81 803C 0EBF CD88
            suite: "stable\\nTrusted: yes"
            components: ["main\\tx"]
            key_path: /etc/apt/keyrings/own.asc
            source_path: ../own.sources
        """
    )
    assert errors() == [
        "components/own.yaml:7:10: 'url' contains a line break",
        "components/own.yaml:10:12: 'suite' contains a line break",
        "components/own.yaml:11:18: item 1 of 'components' contains a control character",
        (
            "components/own.yaml:13:18: 'source_path' is not an absolute path (A-Z a-z 0-9 . _ @ + -):"
            " '../own.sources'"
        ),
    ]


@pytest.mark.parametrize("name", ["docker-ce-", "docker-ce^", "a/suite", "--allow-unauthenticated"])
def test_b08_names_that_apt_reads_as_something_else(errors: Errors, name: str) -> None:
    assert errors("docker", f"docker_packages=[docker-ce, {name!r}]") == [
        (
            f"--set docker_packages: item 2 of 'docker_packages' is not the name of a package"
            f" (a-z 0-9 . + -): {name!r}"
        )
    ]


def test_b09_undefined_variable(write: Write, errors: Errors) -> None:
    write(
        "variables:\n  channel: {default: a}\n"
        + steps("- kind: packages", "  name: x", "  because: 'a {{ chanel }} b'", "  present: [xx]")
    )
    assert errors() == [
        "components/own.yaml:8:14: unknown variable 'chanel'; did you mean 'channel'?"
    ]


@pytest.mark.parametrize(
    ("leaf", "why"),
    [
        ("{{ ''.__class__ }}", "{{ ''.__class__ }}: attributes are not allowed"),
        ("{{ cycler() }}", "{{ cycler() }}: calls are not allowed"),
        ("{{ distro['__class__'] }}", "{{ distro['__class__'] }}: there is no '__class__' in it"),
    ],
)
def test_b10_template_injection(write: Write, errors: Errors, leaf: str, why: str) -> None:
    write(steps("- kind: packages", "  name: x", f'  because: "{leaf}"', "  present: [xx]"))
    assert errors() == [f"components/own.yaml:6:14: {why}"]


@pytest.mark.parametrize("digits", ["0EBFCD88", "8D81803C0EBFCD88", "", "Z" * 40])
def test_b13_a_short_fingerprint(errors: Errors, digits: str) -> None:
    lines = errors("docker", f"docker_fingerprint={digits}")
    assert lines == [
        (
            "--set docker_fingerprint: 'docker_fingerprint': a fingerprint has 40 (or 64) hex digits;"
            f" short key ids can be forged: {digits!r}"
        )
    ]


def test_nightly_is_gone(errors: Errors) -> None:
    assert errors("docker", "docker_channel=nightly") == [
        "--set docker_channel: 'docker_channel': nightly is gone; stable or test"
    ]
    assert errors("docker", "docker_channel=tset") == [
        (
            "--set docker_channel: 'docker_channel' must be one of stable, test, not 'tset';"
            " did you mean 'test'?"
        )
    ]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (
            "'{% for i in x %}{% endfor %}'",
            "statements ({% %}) are not allowed, only expressions: {{ name }}",
        ),
        ("'{# x #}'", "template comments ({# #}) are not allowed, only expressions: {{ name }}"),
        ("'{{ range(10**9) }}'", "{{ range(10**9) }}: calls are not allowed"),
        ("\"{{ 'a' * 10 ** 9 }}\"", "{{ 'a' * 10 ** 9 }}: products are not allowed"),
        ("'{{ 10 ** 10 ** 10 }}'", "{{ 10 ** 10 ** 10 }}: powers are not allowed"),
        ("'{{ b ~ b }}'", "becomes longer than 64 KiB"),
        ("'{{ b }}{{ b }}'", "becomes longer than 64 KiB"),
    ],
)
def test_b15_nothing_loops_or_explodes(write: Write, errors: Errors, value: str, why: str) -> None:
    write(f"variables:\n  a: {{default: {value}}}\n  b: {{default: {'x' * 40_000}}}\n{STEP}")
    assert errors() == [f"components/own.yaml:4:16: {why}"]


@pytest.mark.slow
def test_b15_a_billion_laughs(write: Write, errors: Errors) -> None:
    ten = ", ".join(["'{{ v%d }}'"] * 10)
    lines = [f"  v{i}: {{type: list, default: [{ten % ((i + 1,) * 10)}]}}\n" for i in range(6)]
    write(f"variables:\n{''.join(lines)}  v6: {{type: list, default: [ha]}}\n{STEP}")
    assert "all values together become longer than 256 KiB" in errors()[0]


def test_b15_circles_and_chains(write: Write, errors: Errors) -> None:
    chain = "".join(f"  c{i:02}: {{default: '{{{{ c{i + 1:02} }}}}'}}\n" for i in range(17))
    circle = "".join(f"  {a}: {{default: '{{{{ {b} }}}}'}}\n" for a, b in ("xy", "yz", "zx", "wx"))
    write(
        f"variables:\n{circle}{chain}  c17: {{default: a}}\n  s: {{default: '{{{{ s }}}}'}}\n{STEP}"
    )
    assert errors() == [
        "components/own.yaml:4:16: variables refer in a circle: x -> y -> z -> x",
        "components/own.yaml:8:18: 'c00' refers to variables more than 16 deep",
        "components/own.yaml:9:18: 'c01' refers to variables more than 16 deep",
        "components/own.yaml:26:16: variables refer in a circle: s -> s",
    ]


def test_files_that_are_no_playbook(write: Write, errors: Errors) -> None:
    write(STEP, empty="", text="words", two="a: b\n---\nc: d\n", deep="[" * 50_000, nul="a: \0")
    assert errors("empty.yaml") == ["empty.yaml:1:1: the file is empty"]
    assert errors("text.yaml") == ["text.yaml:1:1: the file must be a map, not text"]
    assert errors("two.yaml")[0] == (
        "two.yaml:2:1: a second document starts here; one file is one document"
    )
    assert errors("deep.yaml")[0].startswith("deep.yaml:1:33: nested deeper than 32 levels")
    assert errors("nul.yaml") == ["nul.yaml:1:4: not valid YAML: character 0x0000 is not allowed"]
    Path("latin.yaml").write_bytes(b"a: b\nc: \xff\n")
    assert errors("latin.yaml") == ["latin.yaml:2:1: not UTF-8 text"]
    Path("surrogate.yaml").write_text('a: "\\ud800"\n', encoding="utf-8")
    assert errors("surrogate.yaml")[0].startswith("surrogate.yaml:1:")


def test_files_that_are_not_read(write: Write) -> None:
    write(STEP, big="#" * (SIZE_CAP + 1), key="-----BEGIN OPENSSH PRIVATE KEY-----\nsecret")
    os.mkfifo("fifo.yaml")
    for name, why in {
        "big.yaml": "big.yaml is larger than 256 KiB",
        "key.yaml": "key.yaml holds a private key; nothing of it is shown",
        "fifo.yaml": "fifo.yaml is not a regular file",
        "./": "./ cannot be read: Is a directory",
        "gone.yaml": "gone.yaml does not exist",
        "a\nb.yaml": "a file's name holds a control character",
        "x" * 300 + ".yaml": "cannot be read: File name too long",
    }.items():
        with pytest.raises(InputError, match=re.escape(why)) as caught:
            load_playbook(name)
        assert caught.value.brief.endswith("no host was contacted")


def test_b18_who_may_write_what_root_obeys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def status(mode: int, uid: int) -> os.stat_result:
        return os.stat_result((mode, 0, 0, 1, uid, 0, 0, 0, 0, 0))

    def judge(mode: int, owner: int, uid: int = 0, sudo: str = "") -> str:
        try:
            refuse_foreign(
                status(mode, owner), "site.yaml", uid=uid, environment={"SUDO_UID": sudo}
            )
        except RefusedError as error:
            return f"exit {error.exit}: {error.brief}" if error.next_step else "no advice"
        return ""

    assert (
        judge(0o100644, 0)
        == judge(0o100666, 1000, uid=1000)
        == judge(0o100600, 1000, sudo="1000")
        == ""
    )
    assert judge(0o100664, 0) == "exit 3: site.yaml can be written by its group, and this is root"
    assert judge(0o100646, 0) == "exit 3: site.yaml can be written by everybody, and this is root"
    foreign = "exit 3: site.yaml belongs to another user (uid 1001), and this is root"
    assert judge(0o100644, 1001) == judge(0o100644, 1001, sudo="1000") == foreign
    assert judge(0o100644, 1001, sudo="x") == foreign

    file = tmp_path / "site.yaml"
    file.write_text("a: b")
    file.chmod(0o666)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", str(os.getuid()))
    with pytest.raises(RefusedError):
        read_text(file, "site.yaml")
    assert read_text(file, "site.yaml", guarded=False) == "a: b"


def test_components(write: Write, errors: Errors) -> None:
    write(
        "steps:\n  - {kind: service, name: a, unit: a.service}\n  - 7\n  - {name: b}\n"
        "  - {kind: service, name: a, unit: b.service}\n  - {kind: service, name: '{{ x }}'}\n",
        site=(
            "playbook: site\nsummary: s\n"
            "components: [own, own, docker-verfy, ../x, docker-engine, 7, mine]\n"
            "variables: {anything: 1}\n"
        ),
    )
    Path("components/docker-engine.yaml").write_text("component: docker-engine\n")
    Path("components/mine.yaml").write_text("component: other\nsummary: s\n" + STEP)
    assert errors() == [
        "site.yaml:3:19: component 'own' is there twice",
        "site.yaml:3:24: there is no component 'docker-verfy'; did you mean 'docker-verify'?",
        "site.yaml:3:38: item 4 of 'components' is not a word (a-z 0-9 . _ -): '../x'",
        (
            "site.yaml:3:44: component 'docker-engine' comes with Dockwright;"
            " give components/docker-engine.yaml another name"
        ),
        "site.yaml:3:59: item 6 of 'components' must be text: write it in quotes, \"7\"",
        "components/own.yaml:5:5: item 2 of 'steps' must be a map, not a number",
        (f"components/own.yaml:6:5: 'kind' is missing: one of {', '.join(STEPS)}"),
        "components/own.yaml:7:27: step 'a' is there twice, first in line 4",
        "components/own.yaml:8:27: 'name' cannot hold template expressions",
        "components/mine.yaml:1:12: the file is named mine.yaml, the component 'other'",
    ]


def test_variables_of_components(write: Write, errors: Errors) -> None:
    write(
        "variables:\n  Bad-name: {default: a}\n  distro: {default: a}\n  empty: {default: }\n"
        "  real: {default: 1.5}\n  self: {default: a}\n  plain: a\n  wrong: {type: int, default: a}\n"
        "  one: {default: a}\n  '{{ x }}': {default: a}\n  gone: {default: {'{{ k }}': 1}}\n"
        + steps(
            "- kind: packages", "  name: x", "  because: '{{ one }} {{ empty }}'", "  present: [xx]"
        ),
        site="playbook: site\nsummary: s\ncomponents: [own, two]\n",
    )
    Path("components/two.yaml").write_text(
        "component: two\nsummary: s\nvariables: {one: {default: b}}\n" + STEP
    )
    assert errors() == [
        "components/own.yaml:4:3: 'Bad-name' cannot name a variable (a-z 0-9 _)",
        "components/own.yaml:5:3: 'distro' is told by the host and cannot be a variable",
        (
            "components/own.yaml:6:11: 'empty' needs a default: text such as \"\", a whole number,"
            " true or false, [] or {}"
        ),
        (
            "components/own.yaml:7:19: 'real' needs a default: text such as \"\", a whole number,"
            " true or false, [] or {}"
        ),
        "components/own.yaml:8:3: 'self' cannot name a variable (a-z 0-9 _)",
        "components/own.yaml:9:10: 'plain' must be a map, not text",
        "components/own.yaml:10:31: 'wrong' must be a whole number, not text",
        "components/own.yaml:12:3: '{{ x }}' cannot name a variable (a-z 0-9 _)",
        "components/own.yaml:13:20: a key cannot hold template expressions",
        "components/two.yaml:3:13: 'one' is declared otherwise at components/own.yaml:11:3",
    ]


def test_a_repository_that_nobody_brings(write: Write, errors: Errors) -> None:
    write(
        steps("- kind: packages", "  name: x", "  present: [xx]", "  repository: dokcer"),
        site="playbook: site\nsummary: s\ncomponents: [docker-engine, own]\n",
    )
    assert errors() == [
        (
            "components/own.yaml:7:17: no apt_repository step has the id 'dokcer';"
            " did you mean 'docker'?"
        )
    ]


def test_errors_about_a_step_as_a_whole(write: Write, errors: Errors) -> None:
    write(steps("- {kind: packages, name: x, present: [aa], absent: [aa]}"))
    assert errors() == ["components/own.yaml:4:5: both present and absent: aa"]


def test_d13_a_port_without_tls(errors: Errors) -> None:
    wish = "docker_daemon={hosts: [tcp://0.0.0.0:2375, unix:///run/docker.sock]}"
    (said,) = errors("docker", overrides=Overrides(sets=(wish,)))
    assert "tcp://0.0.0.0:2375 without 'tlsverify' makes root of whoever gets there" in said
    assert "docker_insecure_tcp=true" in said
    load_playbook("docker", overrides=Overrides(sets=(wish, "docker_insecure_tcp=true")))
    load_playbook("docker", overrides=Overrides(sets=(wish.replace("]}", "], tlsverify: true}"),)))


def test_options_of_the_wrong_type_or_twice(errors: Errors) -> None:
    overrides = Overrides(
        sets=(
            *(
                "docker_daemon=[a",
                "hold=maybe",
                "docker_users={a: b}",
                "novalue",
                "docker_daemon=1",
            ),
            *("docker_version=29", "docker_packages=[0755]", "hello_image=\udcff"),
        ),
        flags=(
            Flag("--docker-version", "docker_version", "28"),
            Flag("--add-user", "docker_user", ["a"]),
        ),
    )
    assert errors("docker", overrides=overrides) == [
        (
            "--set docker_daemon: not valid YAML: while parsing a flow sequence,"
            " expected ',' or ']', but got '<stream end>': [a"
        ),
        "--set: write NAME=VALUE, not 'novalue'",
        (
            '--set docker_packages: must be text: write it in quotes, "0755"'
            " (without, YAML reads 493)"
        ),
        "--set hello_image: holds a character that is not text",
        (
            "--docker-version: 'docker_version' is given twice, here and by --set docker_version,"
            " with two values"
        ),
        "--add-user: playbook docker has no 'docker_user'",
        "--set hold: 'hold' must be true or false, not text",
        (
            "--set docker_users: item 1 of 'docker_users' is not the name of a user"
            " (a-z 0-9 . _ -): '{a: b}'"
        ),
    ]


def test_vars_files(write: Write, errors: Errors) -> None:
    write(STEP, vars="docker_version: '29'\nnvidia: x\ndocker_url: 7\n", words="a", none="")
    overrides = Overrides(files=(Path("vars.yaml"), Path("words.yaml"), Path("none.yaml")))
    assert errors("docker", overrides=overrides) == [
        "vars.yaml:2:1: unknown variable 'nvidia' in playbook docker",
        "vars.yaml:3:13: 'docker_url' must be text: write it in quotes, \"7\"",
        "words.yaml:1:1: must be a map of variables, not text",
    ]


def test_no_message_has_a_password_or_an_escape(errors: Errors) -> None:
    (line,) = errors("docker", "docker_url=https://me:canary@x/y")
    assert "canary" not in line
    (line,) = errors("docker", "docker_url=\x1b[31mx")
    assert "\x1b" not in line


def test_a_name_that_is_none_shipped() -> None:
    with pytest.raises(
        InputError, match="there is no playbook 'dokcer'; did you mean 'docker'"
    ) as caught:
        load_playbook("dokcer")
    assert caught.value.details[0][0] == "shipped"
    assert caught.value.next_step


def test_x08_what_a_host_says_is_never_a_template(write: Write) -> None:
    write(steps("- kind: packages", "  name: x", "  because: '{{ hostname }}'", "  present: [xx]"))
    playbook = load_playbook("site.yaml")
    host = HostValues(
        distro="ubuntu", codename="noble", architecture="amd64", hostname="{{ 7 * 7 }}{% x %}"
    )
    (component,) = playbook.steps_for(host)
    assert component.steps[0].model_dump()["because"] == "{{ 7 * 7 }}{% x %}"


def test_x08_what_a_host_says_stays_in_its_field() -> None:
    playbook = load_playbook("docker")
    host = HostValues(distro="ubuntu", codename="noble\nTrusted: yes", architecture="amd64")
    with pytest.raises(RefusedError) as caught:
        playbook.steps_for(host)
    assert caught.value.details == (
        ("error", "playbooks/components/docker-engine.yaml:108:12: 'suite' contains a line break"),
    )
