"""Proxies: their address may be shown, their login goes nowhere but to who uses it."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from dockwright import facts, profiles, renderer
from dockwright.app import Request, planner_for
from dockwright.app.consulting import Consulted
from dockwright.cli import commands
from dockwright.errors import InputError
from dockwright.load import Flag, Overrides, load_playbook
from dockwright.load.saved import dump_plans
from dockwright.plan import HostPlan, Verb
from dockwright.proxies import Proxy
from dockwright.renderer.onefile import render_file
from dockwright.steps.apt_proxy import CONFIGURATION, LOGIN
from tests.unit.making import changed, offer, pin, recorded, whole_plan

CANARY = "c4n4ry:p@ss/w%rd"
URL = "http://proxy.example:3128"
FULL = f"http://robot:{quote(CANARY, safe='')}@proxy.example:3128"


def test_a_login_is_kept_apart() -> None:
    proxy = Proxy.parse(f"{FULL}/", "--proxy-file x")
    assert (proxy.url, proxy.user, proxy.password, proxy.login) == (URL, "robot", CANARY, True)
    assert proxy.full == FULL
    assert proxy.machine == f"machine {URL} login robot password {CANARY}"
    assert CANARY not in repr(proxy)
    assert Proxy.parse(URL, "--proxy") == Proxy(URL)
    assert (Proxy(URL).full, Proxy(URL).machine, Proxy(URL).login) == (URL, "", False)
    assert Proxy(URL, "robot").full == "http://robot@proxy.example:3128"
    assert Proxy(URL, "robot").machine == f"machine {URL} login robot"
    assert Proxy.parse("https://[2001:db8::1]:8080", "x").url == "https://[2001:db8::1]:8080"


@pytest.mark.parametrize(
    "text",
    [
        "", "proxy", "proxy:3128", "socks5://proxy:1080", "http://", "http://proxy:none", "http://proxy:99999",
        "http://proxy:0", "http://proxy/path", "http://proxy?x=1", "http://proxy\nx", "http://:word@proxy",
        "http://robot:two%20words@proxy", "http://robot:a%0Ab@proxy", "http://robot:a b@proxy", "http://pro xy",
        "http://[::1", f"http://robot:{CANARY}@proxy:none", f"http://robot:{CANARY}@proxy:3128",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Proxy.parse(text, "--proxy")
    shown = f"{caught.value.brief} {caught.value.details} {caught.value.next_step}"
    assert caught.value.__cause__ is None
    assert "--proxy" in shown
    for part in ("c4n4ry", "p@ss", "two", "none@", "w%rd"):
        assert part not in shown


# --- the command line -----------------------------------------------------------------------------


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        commands.app(args)([*args], standalone_mode=True)
    return int(ended.value.code or 0)


NOBODY = "ops@192.0.2.7"  # were it asked, the answer would be 5


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--proxy", FULL], "--proxy-file"),
        (["--proxy", f"http://robot:{CANARY}@proxy:none"], "no URL"),
        (["--proxy", URL, "--proxy-file", "-"], "one of them"),
        (["--proxy-file", "/nowhere"], "No such file"),
        (["--proxy-file", "-", "--sudo-password-file", "-"], "only one"),
        (["--set", f"proxy={FULL}"], "--proxy-file"),
        (["--set", f"proxy=http://robot:{CANARY}@proxy"], "--proxy-file"),
        (["--set", "proxy=socks5://proxy"], "URL of a proxy"),
    ],
)
def test_command_lines(args: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """2, before any contact, and what may hold a password is not shown."""
    assert run("install", NOBODY, "--yes", *args) == 2
    told = "".join(capsys.readouterr())
    assert word in " ".join(told.split())
    for part in ("c4n4ry", "p@ss", "w%rd", quote(CANARY, safe="")):
        assert part not in told


def test_a_login_in_a_playbook_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "playbook: mine\nsummary: mine\ncomponents: [apt-proxy, docker-engine]\n"
        f"variables:\n  proxy: '{FULL}'\n"
    )
    file.chmod(0o600)
    assert run("plan", str(file), NOBODY) == 2
    told = "".join(capsys.readouterr())
    assert "mine.yaml:5" in told
    assert "c4n4ry" not in told


def test_a_playbook_that_knows_no_proxy_takes_the_option(tmp_path: Path) -> None:
    """A component of one's own may lack the variable: then the proxy is for the run alone."""
    (tmp_path / "components").mkdir()
    (tmp_path / "components/own.yaml").write_text(
        "component: own\nsummary: own\nsteps:\n  - {kind: packages, name: jq, present: [jq]}\n"
    )
    file = tmp_path / "mine.yaml"
    file.write_text("playbook: mine\nsummary: mine\ncomponents: [own]\n")
    for path in (file, tmp_path / "components/own.yaml"):
        path.chmod(0o600)
    flags = (Flag("--proxy", "proxy", URL, required=False),)
    book = load_playbook(str(file), overrides=Overrides(flags=flags))
    known = recorded("debian-13-bare")
    request = Request(command="install", playbook=book, proxy=Proxy(URL))
    plan, _ = planner_for("web1", book, known, request)(offers={}, now=known.clock)
    assert (plan.proxy, plan.proxy_login) == (URL, False)


# --- plans ----------------------------------------------------------------------------------------


def planned(
    proxy: Proxy | None, *, keep: bool, change: dict[str, object] | None = None
) -> HostPlan:
    known = changed(recorded("ubuntu-24.04-bare"), change or {})
    flags = [Flag("--set", "docker_fingerprint", pin()), Flag("--set", "keep_proxy", keep)]
    if proxy:
        flags.append(Flag("--proxy", "proxy", proxy.url))
    book = load_playbook("docker", overrides=Overrides(flags=tuple(flags)))
    request = Request(command="install", playbook=book, proxy=proxy)
    make = planner_for("web1", book, known, request)
    plan, _ = make(offers={"docker": offer(known)}, now=known.clock)
    return plan


def about(plan: HostPlan, target: str) -> Verb | None:
    return next((action.verb for action in plan.actions if action.target == target), None)


GIVEN = Proxy(URL, "robot", CANARY)


def test_without_a_proxy_nothing_is_said() -> None:
    plan = planned(None, keep=True)
    assert plan.proxy == ""
    assert "proxy" not in {action.kind for action in plan.actions}


def test_for_the_run_alone() -> None:
    plan = planned(GIVEN, keep=False)
    assert (plan.proxy, plan.proxy_login) == (URL, True)
    assert about(plan, URL) is Verb.KEEP
    assert about(plan, CONFIGURATION) is about(plan, LOGIN) is None
    assert "proxies" not in str([action.after for action in plan.actions])


def test_for_good() -> None:
    """apt's file, dockerd's key; a login in a file of its own, and dockerd told of neither."""
    plain = planned(Proxy(URL), keep=True)
    assert about(plain, CONFIGURATION) is Verb.ADD
    assert about(plain, LOGIN) is None
    (merged,) = [a.after for a in plain.actions if a.kind == "daemon_json"]
    assert json.loads(merged or "") == {"proxies": {"http-proxy": URL, "https-proxy": URL}}
    secret = planned(GIVEN, keep=True)
    assert about(secret, LOGIN) is Verb.ADD
    assert about(secret, "/etc/docker/daemon.json") is Verb.KEEP
    assert [note for note in secret.notes if "no place for its login" in note]


@pytest.mark.parametrize(
    ("there", "verb"), [("", Verb.ADD), ("same", Verb.KEEP), ("other", Verb.CHANGE)]
)
def test_a_login_that_is_there_already(there: str, verb: Verb) -> None:
    text = next(
        a.params["content"] for a in planned(GIVEN, keep=True).actions if a.target == CONFIGURATION
    )
    plan = planned(GIVEN, keep=True, change={"proxy_login": there, "files": {CONFIGURATION: text}})
    assert about(plan, LOGIN) is verb
    assert about(plan, CONFIGURATION) is Verb.KEEP


def test_facts_compare_without_telling() -> None:
    """The host's sum is of this answer's nonce; what stays in the facts is a word."""
    import hashlib

    def told(machine: str) -> str:
        return hashlib.sha256(f"n0nce\n{machine}\n".encode()).hexdigest()

    known = recorded("debian-13-bare")
    assert facts.judge_login(known, "n0nce", GIVEN.machine).proxy_login == ""
    for machine, word in ((GIVEN.machine, "same"), ("machine x", "other"), ("", "other")):
        there = known.model_copy(update={"proxy_login": told(machine)})
        assert facts.judge_login(there, "n0nce", GIVEN.machine).proxy_login == word
    there = known.model_copy(update={"proxy_login": told("")})
    assert facts.judge_login(there, "n0nce", "").proxy_login == "other"


def test_the_login_is_in_no_plan_and_no_program() -> None:
    plan = planned(GIVEN, keep=True)
    program = renderer.render_program(plan, operator="pat@here")
    for text in (dump_plans([plan], "0"), program.text):
        assert "c4n4ry" not in text
        assert "robot" not in text
    launch = renderer.render_launch(
        program, run_id="r", operator="o", booted=True, login=GIVEN.machine
    )
    assert launch.count(CANARY) == 1
    assert program.text.count(URL) >= 2


def test_saved_plans_want_the_login_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, login, bare = tmp_path / "p.json", tmp_path / "login", tmp_path / "bare"
    login.write_text(f"http://robot:{quote(CANARY, safe='')}@other.example:3128\n")
    bare.write_text(f"{URL}\n")
    file.write_text(dump_plans([planned(GIVEN, keep=False)], "0"))
    for path in (file, login, bare):
        path.chmod(0o600)
    for args, word in (
        ([], "wants its login"),
        (["--proxy", URL], "wants its login"),
        (["--proxy-file", str(bare)], "wants its login"),
        (["--proxy-file", str(login)], "was planned for the proxy"),
    ):
        assert run("apply", str(file), "--yes", *args) == 2
        told = " ".join("".join(capsys.readouterr()).split())
        assert word in told
        assert "c4n4ry" not in told
    file.write_text(
        dump_plans(
            [whole_plan(recorded("ubuntu-24.04-bare"), variables={"docker_fingerprint": pin()})],
            "0",
        )
    )
    assert run("apply", str(file), "--yes", "--proxy", URL) == 2
    assert "without a proxy" in " ".join("".join(capsys.readouterr()).split())


def test_one_file_knows_the_proxy_and_not_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def consult(wishes: object, architecture: str, *, proxy: Proxy | None) -> Consulted:
        asked.append(proxy.full if proxy else None)
        return Consulted(offers={"docker": offer(recorded("ubuntu-24.04-bare"))})

    monkeypatch.setattr(profiles, "consult", consult)
    flags = (
        Flag("--set", "docker_fingerprint", pin()),
        Flag("--set", "keep_proxy", value=True),
        Flag("--proxy-file", "proxy", URL),
    )
    book = load_playbook("docker", overrides=Overrides(flags=flags))
    made = profiles.profiles(book, ["ubuntu:24.04:amd64"], proxy=GIVEN)
    assert asked == [FULL]
    text = render_file(made, name="x.sh").text
    assert f"\nproxy={URL}\n" in text
    assert text.count(f'Acquire::https::Proxy "{URL}";') == 2
    assert '"https-proxy": "http://proxy.example:3128"' in text
    assert "c4n4ry" not in text
    assert "robot" not in text


def test_a_daemon_that_is_too_old_for_the_key_is_not_told() -> None:
    """dockerd before 23.0 does not start with a key that it does not know."""
    known = changed(
        recorded("ubuntu-24.04-installed"),
        {"packages": {"docker-ce": "5:20.10.24~3-0~ubuntu-noble"}},
    )
    wanted = {"docker_fingerprint": pin(), "proxy": URL, "keep_proxy": True}
    plan = whole_plan(known, variables=wanted)
    assert about(plan, "/etc/docker/daemon.json") is Verb.KEEP
    assert [note for note in plan.notes if "20.10.24 does not know" in note]
    plan = whole_plan(recorded("ubuntu-24.04-installed"), variables=wanted)
    assert about(plan, "/etc/docker/daemon.json") is not Verb.KEEP
    assert about(plan, "docker.service") is not None
