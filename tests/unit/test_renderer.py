"""Plans to programs: golden texts that people review, and quoting that nothing gets out of.

``UPDATE_GOLDEN=1 pytest tests/unit/test_renderer.py`` writes the golden programs anew.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import jinja2.exceptions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockwright import renderer
from dockwright.app import key_owners
from dockwright.judge import judge, read_simulation
from dockwright.load import HostValues
from dockwright.models import Facts
from dockwright.plan import (
    Action,
    Assumptions,
    HostPlan,
    Level,
    PackageChange,
    Repository,
    Transaction,
    Verb,
)
from dockwright.profiles import GPU, steps_of
from dockwright.proxies import Proxy
from dockwright.receipts import (
    Trail,
    Vendor,
    plan_purge,
    plan_undo,
    plan_uninstall,
    read,
)
from dockwright.receipts.data import Volume
from dockwright.registries import Logins
from dockwright.renderer import (
    Program,
    onefile,
    render_archive,
    render_attach,
    render_drop,
    render_fetch,
    render_follow,
    render_forget,
    render_launch,
    render_probe,
    render_program,
    render_send,
    titles,
)
from dockwright.renderer.onefile import Profile, render_file
from dockwright.renderer.shell import environment, one_line
from dockwright.resources import directory
from dockwright.steps import ARCHIVE, Offer
from tests.unit.making import (
    CAME,
    NONCE,
    changed,
    installed_trail,
    nvidia_pin,
    pin,
    plan_for,
    playbook,
    recorded,
    run_lines,
    told_runs,
    whole_plan,
)
from tests.unit.test_judge import probed
from tests.unit.test_purge import there

GOLDEN = Path(__file__).parent.parent / "golden"
OPERATOR = "pat@controller"
RUN_ID = "2026-11-24-1f3a2b"
# Why each is left out; all other findings fail.
SHELLCHECK_EXCLUDES = {
    "SC2015": "A && B || refuse: refusing where either fails is what is meant",
    "SC2016": "a program inside a launcher stays as it is until it runs",
    "SC2034": "what one program sets, the part of another that shares its runtime reads",
    "SC2043": "a loop over what a plan names runs once where the plan names one thing",
    "SC2329": "check_ID and apply_ID are called by name, and not every program uses all parts",
}


def judged(
    name: str, variables: dict[str, Any] | None = None, *, upgrade: bool = False
) -> HostPlan:
    facts = recorded(name)
    wanted = {"docker_fingerprint": pin(), **(variables or {})}
    plan = whole_plan(facts, variables=wanted, upgrade=upgrade)
    return judge(plan, read_simulation(*probed(name)), facts)


def daemon_json() -> HostPlan:
    facts = changed(
        recorded("ubuntu-24.04-installed"),
        {"files": {"/etc/docker/daemon.json": '{\n  "data-root": "/srv/docker"\n}\n'}},
    )
    keys = {"log-driver": "local", "labels": ["it's=a $(test)"]}
    return whole_plan(facts, variables={"docker_fingerprint": pin(), "docker_daemon": keys})


def source_among_others() -> HostPlan:
    line = "deb https://download.docker.com/linux/debian trixie stable\n"
    text = f"deb http://archive.example.org/debian trixie main\n{line}"
    facts = changed(recorded("debian-13-bare"), {"sources": {"/etc/apt/sources.list": text}})
    return whole_plan(facts, variables={"docker_fingerprint": pin()})


def snap_replaced() -> HostPlan:
    facts = changed(recorded("debian-13-bare"), {"snaps": [{"name": "docker", "version": "2915"}]})
    wanted = {"docker_fingerprint": pin(), "docker_remove_snap": True}
    return whole_plan(facts, variables=wanted)


def hold_users() -> HostPlan:
    wanted = {"docker_fingerprint": pin(), "hold": True, "docker_users": ["ops", "pat"]}
    return whole_plan(recorded("ubuntu-24.04-installed"), variables=wanted)


def ssh_server() -> HostPlan:
    gone = {"packages": {"openssh-server": None}, "units": {"ssh.service": None}}
    facts = changed(recorded("debian-13-bare"), gone)
    plan = whole_plan(facts, "ssh-server")
    said = "Inst openssh-server (1:10.0p1-7+deb13u4 Debian:13.2/stable [amd64])"
    return judge(plan, read_simulation(said, "", ""), facts)


PROXY = Proxy("http://proxy.example:3128", "robot", "it's `a` $(secret)")
FILES = {"https://download.docker.com/linux/debian/gpg": 262144, "http://a.example/it's": 1024}


def proxied() -> HostPlan:
    facts = recorded("debian-13-bare")
    wanted = {"docker_fingerprint": pin(), "proxy": PROXY.url, "keep_proxy": True}
    return whole_plan(facts, variables=wanted, proxy=PROXY)


CA = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
LOGINS = Logins.parse("https://robot:it%27s%20%60a%60%20%24(secret)@registry.example:5000", "x")


def images() -> HostPlan:
    """Images of each kind, a registry with CA and login, and a mirror."""
    facts = changed(
        recorded("ubuntu-24.04-installed"),
        {"images": [{"id": "sha256:" + "a" * 64, "repository": "old", "tag": "1"}]},
    )
    wanted = {
        "docker_fingerprint": pin(),
        "registries": [
            {"host": "registry.example:5000", "ca": CA, "login": True},
            {"host": "mirror.example", "mirror": True},
            {"host": "plain.example:80", "insecure": True},
        ],
        "images": [
            {"name": "registry.example:5000/app:1.0@sha256:" + "b" * 64, "tags": ["app:live"]},
            {"name": "base:1", "archive": "/srv/base.tar", "sha256": "c" * 64},
            {"name": "mine:1", "send": "/srv/mine.tar"},
            {"name": "old:1", "state": "absent"},
        ],
    }
    return whole_plan(facts, variables=wanted, logins=LOGINS)


def operations() -> HostPlan:
    asked = {"operations": True, "operations_registry": "registry.example:5000/it"}
    return whole_plan(
        recorded("ubuntu-24.04-installed"), "verify", asked, verify=True, logins=LOGINS
    )


def gpu(name: str, nvidia: dict[str, Any] | None = None) -> HostPlan:
    facts = recorded(name)
    seen = {**facts.nvidia.model_dump(mode="json"), **(nvidia or {})}
    pins = {"docker_fingerprint": pin(), "nvidia_fingerprint": nvidia_pin()}
    return whole_plan(changed(facts, {"nvidia": seen}), "gpu", pins)


def driver() -> HostPlan:
    """A GPU that nouveau drives, and a driver whose modules Ubuntu signs."""
    known = {"bound": ["nouveau"], "devices": ["0x2330"]}
    kernel = "6.8.0-45-generic"
    gpus = {"gpus": ["0000:01:00.0"], "nvidia": known, "kernel": kernel}
    facts = changed(recorded("ubuntu-24.04-bare"), gpus)
    pins = {"docker_fingerprint": pin(), "nvidia_fingerprint": nvidia_pin()}
    names = (
        f"linux-modules-nvidia-570-open-{kernel}",
        "nvidia-headless-no-dkms-570-open",
        "nvidia-utils-570",
    )
    offered = Offer(id=ARCHIVE, key="", fingerprint="", versions=dict.fromkeys(names, ("1",)))
    wanted = {**pins, "driver": "auto", "driver_keep": True, "reboot": True}
    plan, _ = plan_for(facts, "gpu", wanted, {ARCHIVE: offered})
    said = "\n".join(f"Inst {name} (1 Ubuntu:24.04/noble [amd64])" for name in names)
    return judge(plan, read_simulation(said, "", ""), facts)


def past() -> HostPlan:
    """A host with nvidia-docker 1.0 in use, nvidia-docker2 and their list."""
    facts = recorded("ubuntu-24.04-gpu")
    old = {
        "old_volumes": ["nvidia_driver_375.66"],
        "old_containers": [{"id": "abc", "name": "trained", "state": "exited"}],
    }
    frozen = "deb https://nvidia.github.io/nvidia-docker/ubuntu18.04/$(ARCH) /\n"
    toolkit = ("", "-base")
    changes = {
        "packages": {"nvidia-docker": "1.0.1-1", "nvidia-docker2": "2.13.0-1"}
        | {f"nvidia-container-toolkit{end}": "1.13.5-1" for end in toolkit},
        "sources": {"/etc/apt/sources.list.d/nvidia-docker.list": frozen},
        "nvidia": {**facts.nvidia.model_dump(mode="json"), **old},
    }
    pins = {"docker_fingerprint": pin(), "nvidia_fingerprint": nvidia_pin()}
    agreed = {"nvidia_docker_remove": True, "nvidia_docker_shim": True}
    return whole_plan(changed(facts, changes), "nvidia-docker2", {**pins, **agreed})


def verify() -> HostPlan:
    return whole_plan(recorded("ubuntu-24.04-installed"), "verify", verify=True)


def trail() -> Trail:
    """The runs of the recorded host, the last of which held packages and added a user."""
    more = run_lines("r2", "hold docker-ce\nmember docker pat\n", began=1795523000)
    held = f"have docker-ce installed hold {CAME['docker-ce']}"
    told = installed_trail(*more, held, "member docker pat")
    return read(told, NONCE, recorded("ubuntu-24.04-installed"))


def uninstalled() -> HostPlan:
    facts = recorded("ubuntu-24.04-installed")
    book = playbook("docker", {"docker_fingerprint": pin()})
    steps = (step for part in book.steps_for(HostValues.of(facts)) for step in part.steps)
    return plan_uninstall("web1", facts, trail(), Vendor.of(steps), key_owners(facts))


def undone() -> HostPlan:
    return plan_undo("web1", recorded("ubuntu-24.04-installed"), trail())


def undo(facts: Facts) -> HostPlan:
    lines = [
        "file /etc/docker/daemon.json absent -",
        "package docker-ce absent 5:29.7.2-1~debian.13~trixie",
        "package docker.io 26.1.5+dfsg1-9 absent",
        "hold docker-ce",
        "member docker ops",
        "snap docker removed",
    ]
    told = told_runs(
        *run_lines(RUN_ID, "\n".join(lines) + "\n"),
        "have docker-ce installed hold 5:29.7.2-1~debian.13~trixie",
        "path /etc/docker/daemon.json absent",
        "member docker ops",
    )
    return plan_undo("web1", facts, read(told, NONCE, facts), RUN_ID)


def purged() -> HostPlan:
    facts = recorded("ubuntu-24.04-installed")
    book = playbook("docker", {"docker_fingerprint": pin()})
    steps = (step for part in book.steps_for(HostValues.of(facts)) for step in part.steps)
    vendor, owners = Vendor.of(steps), key_owners(facts)
    return plan_purge("web1", facts, trail(), vendor, owners, there(), Level(everything=True))


def pruned(export: str = "") -> HostPlan:
    facts = recorded("ubuntu-24.04-installed")
    found = there(usage={"Images": (3, 1)}, volumes=(Volume(name="db", idle=True),))
    level = Level(images=True, volumes=True, export=export)
    return plan_purge("web1", facts, trail(), Vendor((), ()), {}, found, level)


def one_file(*, exact: bool = False, book: str = "docker", mode: str = "", **variables: Any) -> str:
    pins = {"docker_fingerprint": pin(), **variables}
    if mode:
        pins |= {"nvidia_fingerprint": nvidia_pin(), "gpu": mode}
    made = []
    for name in ("ubuntu-24.04-bare", "debian-13-bare"):
        bare = recorded(name).model_copy(update={"machine_id": ""})
        facts = bare.model_copy(update=GPU) if mode else bare
        alone = steps_of(playbook(book, pins), bare) if mode == "auto" else ()
        steps = steps_of(playbook(book, pins), facts)
        made.append(Profile(whole_plan(facts, book, pins), steps, mode, alone))
    return render_file(made, name=f"dockwright-{book}.sh", exact=exact).text


def program(plan: HostPlan, **options: Any) -> str:
    return render_program(plan, operator=OPERATOR, **options).text


SCRIPTS: dict[str, Callable[[], str]] = {
    "docker/fresh-noble": lambda: program(judged("ubuntu-24.04-bare")),
    "docker/fresh-trixie": lambda: program(
        whole_plan(recorded("debian-13-bare"), variables={"docker_fingerprint": pin()})
    ),
    "docker/docker.io-replaced": lambda: program(judged("debian-13-docker.io")),
    "docker/snap-replaced": lambda: program(snap_replaced()),
    "docker/source-among-others": lambda: program(source_among_others()),
    "verify/operations": lambda: program(
        operations(), attached=RUN_ID, registry_logins=LOGINS.lines(operations().logins)
    ),
    "docker/images": lambda: program(images()),
    "scripts/send": lambda: render_send(run_id=RUN_ID, name="s05", piece="aXQncw==", first=True),
    "scripts/launch-with-registries": lambda: launch(
        booted=True, registry_logins=LOGINS.lines(images().logins)
    ),
    "docker/upgrade": lambda: program(judged("ubuntu-24.04-behind", upgrade=True)),
    "docker/daemon.json-restart": lambda: program(daemon_json()),
    "docker/hold-and-users": lambda: program(hold_users()),
    "back/uninstall": lambda: program(uninstalled()),
    "back/purge": lambda: program(purged()),
    "back/prune": lambda: program(pruned()),
    "back/prune-saved": lambda: program(pruned("/srv/saved")),
    "scripts/forget": lambda: render_forget(run_id=RUN_ID),
    "back/undo": lambda: program(undone()),
    "gpu/fresh-noble": lambda: program(gpu("ubuntu-24.04-gpu-bare")),
    "gpu/docker-first": lambda: program(gpu("ubuntu-24.04-gpu", {"hook": "unseen", "specs": []})),
    "gpu/driver": lambda: program(driver(), resume="exec dockwright it's\n"),
    "gpu/past": lambda: program(past()),
    "gpu/verify": lambda: program(
        whole_plan(recorded("ubuntu-24.04-gpu"), "verify", verify=True), attached=RUN_ID
    ),
    "ssh-server/fresh-trixie": lambda: program(ssh_server(), lock_timeout=30),
    "verify/attached": lambda: program(verify(), attached=RUN_ID),
    "onefile/docker": one_file,
    "onefile/gpu": lambda: one_file(book="gpu", mode="auto"),
    "undo/docker": lambda: program(undo(recorded("debian-13-bare"))),
    "docker/proxy-kept": lambda: program(proxied()),
    "scripts/probe": lambda: render_probe(judged("debian-13-docker.io"), run_id=RUN_ID).text,
    "scripts/probe-ahead": lambda: (
        render_probe(
            judged("ubuntu-24.04-bare"), run_id=RUN_ID, kept=True, ahead=True, lacking="iptables"
        ).text
    ),
    "scripts/drop": lambda: render_drop(run_id=RUN_ID),
    "scripts/probe-with-login": lambda: (
        render_probe(proxied(), run_id=RUN_ID, login=PROXY.machine).text
    ),
    "scripts/archive": lambda: render_archive(proxied(), run_id=RUN_ID, login=PROXY.machine).text,
    "scripts/fetch": lambda: render_fetch(FILES, run_id=RUN_ID, seconds=60, proxy=PROXY),
    "scripts/attach": lambda: render_attach(run_id=RUN_ID),
    "scripts/launch": lambda: launch(booted=True),
    "scripts/launch-with-login": lambda: launch(booted=True, login=PROXY.machine),
    "scripts/launch-without-systemd": lambda: launch(booted=False),
    "scripts/follow": lambda: render_follow(run_id=RUN_ID, offset=4711),
}


def launch(*, booted: bool, **logins: str) -> str:
    text = '#!/bin/sh\necho "it\'s $HOME"\n'
    stored = Program(text=text, digest=hashlib.sha256(text.encode()).hexdigest())
    return render_launch(stored, run_id=RUN_ID, operator=OPERATOR, booted=booted, **logins)


@cache
def rendered(name: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for module in (renderer, onefile):
            patch.setattr(module, "__version__", "X.Y.Z")
        return SCRIPTS[name]()


# --- golden programs ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_program_is_the_golden_one(name: str) -> None:
    path = GOLDEN / f"{name}.sh"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered(name), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == rendered(name)


def test_there_is_no_golden_program_that_nobody_renders() -> None:
    found = {str(path.relative_to(GOLDEN).with_suffix("")) for path in GOLDEN.rglob("*.sh")}
    assert found == set(SCRIPTS)


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["dash", "bash", "sh"])
def test_every_shell_reads_every_program(shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    for name in SCRIPTS:
        done = subprocess.run(
            [found, "-n"], input=rendered(name), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), name


# Half a second a program, and most of each is the runtime that they share: these two have most of
# the lines that there are. script/test looks at all.
SHELLCHECK_ALWAYS = {"back/purge", "gpu/driver"}


def often(name: str) -> Any:
    few = name in SHELLCHECK_ALWAYS or name.startswith(("scripts/", "templates/"))
    return pytest.param(name, marks=() if few else pytest.mark.slow)


def test_what_is_always_checked_is_there() -> None:
    assert set(SCRIPTS) >= SHELLCHECK_ALWAYS


@pytest.mark.parametrize(
    "name", [often(name) for name in ("templates/facts", "templates/doctor", *SCRIPTS)]
)
def test_shellcheck_finds_nothing(name: str) -> None:
    checker = Path(sysconfig.get_path("scripts")) / "shellcheck"
    if not checker.exists():
        pytest.skip("no shellcheck here")
    folder, _, stem = name.partition("/")
    if folder == "templates":
        text = (directory("templates") / f"{stem}.sh").read_text(encoding="utf-8")
    else:
        text = rendered(name)
    argv = [str(checker), "-s", "dash", "-f", "gcc", "-e", ",".join(SHELLCHECK_EXCLUDES), "-"]
    done = subprocess.run(argv, input=text.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout.decode()) == (0, "")


FUNCTION = re.compile(  # all but main, which is around them
    r"^(?!main\b)(\w+)\(\) (?:\{ .*\}(?: *#.*)?|[{(](?:.*\n(?![})]).*)*\n[})].*)$", re.MULTILINE
)
COMMAND = re.compile(
    r"(?:^|;;|[;|&({!]|\b(?:if|then|do|else|elif|until|while)) *(\w+)(?=[ ;|&)\n]|$)", re.MULTILINE
)
OF_THE_RUNTIME = {
    found[1]
    for path in directory("templates").joinpath("runtime").iterdir()
    for found in FUNCTION.finditer(path.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("name", [*SCRIPTS, "attached"])
def test_what_a_program_calls_it_has(name: str) -> None:
    """A part of the runtime is left out only where nothing that runs calls it."""
    if name == "attached":
        text = renderer.render_program(
            whole_plan(recorded("ubuntu-24.04-installed"), "verify"),
            operator=OPERATOR,
            attached=NONCE,
        ).text
    else:
        text = rendered(name)
    has = {found[1]: found[0] for found in FUNCTION.finditer(text)}
    called: set[str] = set()
    ahead = [FUNCTION.sub("", text)]
    while ahead:
        code = re.sub(r"(?m)(^|\s)#.*$", "", ahead.pop())
        new = (set(COMMAND.findall(code)) & (OF_THE_RUNTIME | set(has))) - called
        called |= new
        ahead += [has[each].split("{", 1)[1] for each in new if each in has]
    # Called only where a snap was disabled, and then its part is there.
    assert called - set(has) - {"snap_back"} == set()


# --- quoting --------------------------------------------------------------------------------------

SHELLS = [found for shell in ("dash", "bash") if (found := shutil.which(shell))]
CANARY = "$(: >canary)`: >canary`"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
PIECES = st.sampled_from(
    ["'", '"', "\\", "$", "`", "\n", ";", "&", "|", "<", ">", "(", ")", "{", "}", "#", "*", "?",
     "~", "!", "-", "--", " ", "\t", "\r", "$(: >canary)", "`: >canary`", "' ; : >canary ; '",
     "\n: >canary\n", '"; : >canary; "', "${x-$(: >canary)}", "{{ 7 * 7 }}", "{% raw %}", "%s"]
)  # fmt: skip
HOSTILE = st.one_of(TEXT, st.lists(PIECES, max_size=8).map("".join))


def run_in(folder: Path, shell: str, script: str) -> bytes:
    """What a script prints where no program can be found: builtins only, so nothing is harmed."""
    done = subprocess.run(
        [shell],
        input=script.encode(),
        capture_output=True,
        cwd=folder,
        env={"PATH": "/nonexistent", "LC_ALL": "C.UTF-8"},
        check=False,
    )
    assert list(folder.iterdir()) == [], f"{shell}: a value got out of its word"
    return done.stdout


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(HOSTILE, min_size=3, max_size=3))
def test_every_value_arrives_as_the_word_that_it_was(empty: Path, values: list[str]) -> None:
    one, two, three = values
    text = "printf '%s\\0' {{ one }} x{{ two }}y {{ all | words }} {{ one | parent }}\n# {{ three | comment }}\n"
    script = environment().from_string(text).render(one=one, two=two, three=three, all=values)
    wanted = [one, f"x{two}y", *values, posixpath.dirname(one)]
    for shell in SHELLS:
        assert run_in(empty, shell, script) == b"".join(word.encode() + b"\0" for word in wanted)


Fill = Callable[[str], str]


def filled(value: Fill) -> HostPlan:
    """A plan whose every field is what ``value`` makes of its name; one action of each kind."""

    def act(number: int, kind: str, verb: Verb = Verb.CHANGE, **params: Any) -> Action:
        return Action(
            id=f"s{number:02d}", component=value("component"), step=value(f"step {number}"),
            kind=kind, verb=verb, target=value(f"target {number}"), reason=value(f"reason {number}"),
            params=params, before=value("before"), after=value("after"),
        )  # fmt: skip

    path, mode, content = value("path"), value("mode"), value("content")
    file: dict[str, Any] = {"path": path, "mode": mode, "content": content}
    repository = Repository(
        id=value("id"), url=f"https://{value('url')}", suite=value("suite"),
        components=(value("component"),), key=value("key"), fingerprint=value("fingerprint"),
        key_path=value("key path"), source_path=value("source path"), source=value("source"),
    )  # fmt: skip
    return HostPlan(
        host=value("host"),
        proxy=value("proxy"),
        proxy_login=True,
        playbook=value("playbook"),
        summary=value("summary"),
        assumes=Assumptions(
            os_id=value("os"), codename=value("codename"), architecture=value("architecture"),
            machine_id=value("machine"), init="systemd", files={value("key path"): value("sum")},
        ),
        actions=(
            act(1, "packages", Verb.KEEP),
            act(2, "file", absent=False, **file),
            act(3, "file", Verb.REMOVE, absent=True, **file),
            act(4, "daemon_json", keys=[value("key one")], was=value("was"), **file),
            act(5, "packages", packages=[value("package")]),
            act(6, "hold", packages=[value("held one"), value("held two")]),
            act(7, "service", unit=value("unit"), enabled=True, running=True, also=[value("also")]),
            act(8, "group_member", group=value("group"), users=[value("user one"), value("user")]),
            act(9, "reload", Verb.RESTART, unit=value("unit"), how=value("how")),
            act(10, "container_check", Verb.CHECK, image=value("image"), expect=value("expect"), without=value("without")),
            act(11, "file", absent=False, trial=True, **file),
            act(12, "snap_disable", snap=value("snap")),
            act(13, "snap_remove", Verb.REMOVE, snap=value("snap")),
            act(14, "proxy", path=path),
            act(15, "cdi_spec", path=path, new=True, drop_in=value("drop in"), text=value("text")),
            act(16, "nvidia_hook", Verb.RESTART),
            act(17, "gpu_check", Verb.CHECK, image=value("gpu image"), gpus_flag=value("flag"),
                deep=value("deep image")),
        ),
        transaction=Transaction(
            changes=(
                PackageChange(name=value("old"), old=value("old version")),
                PackageChange(name=value("new"), new=value("version"), origin=value("id")),
            ),
            repositories=(repository,),
        ),
    )  # fmt: skip


def of_fields(value: Fill) -> dict[str, str]:
    plan, operator = filled(value), value("operator")
    return {
        "program": render_program(plan, operator=operator).text,
        "attached": render_program(plan, operator=operator, attached=value("run")).text,
        "probe": render_probe(
            plan, run_id=value("run"), kept=True, ahead=True, lacking=value("lacking")
        ).text,
        "drop": render_drop(run_id=value("run")),
        "launch": render_launch(
            Program(text=value("program"), digest=value("digest")),
            run_id=value("run"), operator=operator, booted=True, wish=value("wish"), probed=value("probed"),
        ),
        "attach": render_attach(run_id=value("run")),
        "follow": render_follow(run_id=value("run"), offset=1),
    }  # fmt: skip


def token(name: str) -> str:
    return f"<<{name}>>"


@cache
def templates_with_tokens() -> dict[str, str]:
    return of_fields(token)


TOKEN = re.compile(r"<<([a-z0-9 ]+)>>")
COMMENT = re.compile(r"^#|^check_s[0-9]+\(\) \{ # ")


def put_in(template: str, value: Fill) -> str:
    """Each token replaced by its value, as it must be written where it stands."""
    lines = template.splitlines(keepends=True)
    return "".join(_line(line, value, comment=bool(COMMENT.match(line))) for line in lines)


def _line(line: str, value: Fill, *, comment: bool) -> str:
    return TOKEN.sub(lambda match: _written(match[1], value, comment=comment), line)


def _written(name: str, value: Fill, *, comment: bool) -> str:
    text = one_line(value(name)) if comment or name == "operator" else value(name)
    return text if comment else text.replace("'", "'\"'\"'")  # within single quotes


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.dictionaries(st.integers(0, 7), HOSTILE.map(lambda text: text.replace("/", "")), min_size=1)
)
def test_a_field_of_a_plan_stays_within_its_quotes_everywhere(texts: dict[int, str]) -> None:
    some = list(texts.values())

    def value(name: str) -> str:
        return f"'{some[len(name) % len(some)]} {CANARY}"

    templates = templates_with_tokens()
    for name, text in of_fields(value).items():
        assert put_in(templates[name], value) == text, name


def test_the_quoting_was_tried_on_every_field_that_gets_into_a_program() -> None:
    shown = {name for text in templates_with_tokens().values() for name in TOKEN.findall(text)}
    asked: set[str] = set()

    def remembered(name: str) -> str:
        asked.add(name)
        return token(name)

    of_fields(remembered)
    stays_here = {"before", "after", "component", "package", "fingerprint", "old version"}
    assert asked - shown == stays_here


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hostile_plan_is_still_a_program(shell: str) -> None:
    for name, text in of_fields(lambda field: f"'\n\"\\ {field} {CANARY} $((").items():
        done = subprocess.run(
            [shell, "-n"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), name


@pytest.mark.slow
@settings(max_examples=15)
@given(HOSTILE)
def test_the_steps_of_a_hostile_plan_run_nothing_of_it(empty: Path, text: str) -> None:
    """The very functions of the program, with our runtime's words replaced by ones that print."""
    program = render_program(filled(lambda _: f"{text}{CANARY}"), operator="x").text
    begin = program.index("check_s02() {")
    functions = program[begin : program.index("check_refresh() {")]
    ours = [
        "put",
        "holds",
        "keep",
        "receipt",
        "say",
        "sum_of",
        "record",
        "restore_files",
        "transact",
        "cause_of",
        "also_enabled",
        "snap_disable",
        "snap_is_there",
        "snap_remove",
    ]
    stubs = "".join(f"{name}() {{ printf '%s\\0' \"$@\"; }}\n" for name in ours)
    calls = "".join(f"(check_s{n:02d}); (apply_s{n:02d})\n" for n in range(2, 17))
    script = f"cause= brief= step_id= run=/nonexistent out=/nonexistent\n{stubs}{functions}{calls}"
    for shell in SHELLS:
        printed = run_in(empty, shell, script).split(b"\0")
        assert f"{text}{CANARY}".encode() in printed


# --- the environment ------------------------------------------------------------------------------


def test_a_file_that_is_locked_differs_in_one_line_only() -> None:
    """``render --lock``: the same program, and the versions of today are the versions."""
    floor, exact = (one_file(exact=which).splitlines() for which in (False, True))
    differing = [(a, b) for a, b in zip(floor, exact, strict=True) if a != b]
    assert differing == [("exact=''", "exact=1")]


def test_an_undefined_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="nothing"):
        environment().from_string("{{ nothing }}").render()


def test_templates_are_sandboxed() -> None:
    with pytest.raises(jinja2.exceptions.SecurityError):
        environment().from_string("{{ ''.__class__.__mro__ }}").render()


def test_every_runtime_part_is_plain_shell() -> None:
    for path in (directory("templates") / "runtime").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "{%" not in text, path
        assert "{{ " not in text, path  # Docker's own templates have no blank there


def test_titles_are_what_people_read() -> None:
    plan = judged("debian-13-docker.io")
    assert list(titles(plan).values()) == [
        "the host is what was planned for", "simulate", "download", "apt lock", "refresh lists",
        "remove old packages", "install what apt needs", "file docker.asc", "file docker.sources",
        "merge daemon.json", "install docker-ce and containerd.io", "enable and start docker",
        "let users talk to the daemon", "verify with hello-world",
    ]  # fmt: skip


def test_a_title_with_braces_is_only_a_title() -> None:
    plan = filled(lambda _: "{} {0.__class__} {x}")
    assert titles(plan)["s07"] == "{} {0.__class__} {x}"


def test_the_digest_is_of_the_text_and_of_nothing_else() -> None:
    plan = judged("ubuntu-24.04-bare")
    one, two = (render_program(plan, operator=OPERATOR) for _ in range(2))
    assert one == two
    assert one.digest == hashlib.sha256(one.text.encode()).hexdigest()
    assert render_program(plan, operator="someone else").digest != one.digest


def test_an_attached_program_keeps_nothing_and_changes_nothing() -> None:
    text = rendered("verify/attached")
    begin = text[text.index("# --- begin") :]
    assert f"open_scratch {RUN_ID}" in begin
    assert not any(word in begin for word in ("open_run", "commit", "download", "$state"))


def test_the_transaction_is_what_apt_is_asked_for_and_what_the_hook_expects() -> None:
    text = rendered("docker/docker.io-replaced")
    assert "\nremovals='docker.io docker-cli docker-buildx containerd runc'\n" in text
    (wanted,) = re.findall(r"\nwanted='([^']*)'\n", text)
    assert wanted.startswith("docker.io- docker-cli- docker-buildx- containerd- runc- docker-ce=5:")
    (transaction,) = re.findall(r"\ntransaction='([^']*)'\n", text)
    lines = transaction.splitlines()
    assert "R docker.io" in lines
    assert "I containerd.io 2.2.1-1~debian.13~trixie" in lines


def test_dependencies_that_apt_adds_are_expected_but_not_asked_for() -> None:
    text = rendered("docker/fresh-noble")
    (wanted,) = re.findall(r"\nwanted='([^']*)'\n", text)
    assert "iptables" not in wanted
    assert "\nI iptables " in text


def test_flags_of_apt_come_only_where_the_plan_needs_them() -> None:
    plan = judged("ubuntu-24.04-behind", upgrade=True)
    assert "\napt_flags=''\n" in program(plan)
    held = plan.transaction.model_copy(update={"held": ("docker-ce",)})
    down = held.model_copy(update={"allow_downgrades": True})
    text = program(plan.model_copy(update={"transaction": down}))
    assert "\napt_flags='--allow-downgrades --allow-change-held-packages'\n" in text
