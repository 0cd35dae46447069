"""Images and registries: what may be written of them, what is planned, and where logins go."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwright import __version__, facts
from dockwright.cli import commands
from dockwright.errors import DestructiveError, InputError, RefusedError
from dockwright.load import Overrides, load_playbook
from dockwright.load.saved import dump_plans
from dockwright.models import Facts
from dockwright.models.images import familiar, split
from dockwright.plan import HostPlan, Verb
from dockwright.receipts import plan_undo, plan_uninstall, read, read_receipt
from dockwright.receipts.owned import Vendor
from dockwright.registries import Logins
from dockwright.steps.merging import appended, merge
from tests.unit.making import (
    NONCE,
    answer_of,
    changed,
    pin,
    recorded,
    retold,
    run_lines,
    told_runs,
    whole_plan,
)
from tests.unit.shell import SHELLS, Bench

CA = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
HOST = "registry.example:5000"
PATH = f"/etc/docker/certs.d/{HOST}/ca.crt"
CANARY = "c4n4ry:p@ss/w%rd"
LOGIN = f"https://robot:{quote(CANARY, safe='')}@{HOST}"
ID, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
DIGEST = "sha256:" + "d" * 64


def installed(**changes: Any) -> Facts:
    return changed(recorded("ubuntu-24.04-installed"), changes)


def image(name: str, identity: str = ID) -> dict[str, str]:
    repository, tag, digest = split(name)
    return {"id": identity, "repository": repository, "tag": tag, "digest": digest}


def planned(known: Facts, **asked: Any) -> HostPlan:
    logins = asked.pop("logins", None)
    return whole_plan(known, variables={"docker_fingerprint": pin(), **asked}, logins=logins)


def verbs(plan: HostPlan, *kinds: str) -> dict[str, Verb]:
    return {action.target: action.verb for action in plan.actions if action.kind in kinds}


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "repository", "tag", "digest"),
    [
        ("hello-world", "hello-world", "latest", ""),
        ("docker.io/library/ubuntu:24.04", "ubuntu", "24.04", ""),
        ("index.docker.io/pat/app", "pat/app", "latest", ""),
        ("registry.example:5000/a/b", "registry.example:5000/a/b", "latest", ""),
        ("registry.example:5000/a:1", "registry.example:5000/a", "1", ""),
        (f"ubuntu@{DIGEST}", "ubuntu", "", DIGEST),
        (f"ubuntu:24.04@{DIGEST}", "ubuntu", "24.04", DIGEST),
    ],
)
def test_names_as_docker_lists_them(name: str, repository: str, tag: str, digest: str) -> None:
    assert split(name) == (repository, tag, digest)
    assert familiar(familiar(name)) == familiar(name)


# --- what may be written --------------------------------------------------------------------------


def complaints(folder: Path, text: str) -> str:
    file = folder / "site.yaml"
    head = "playbook: site\nsummary: ours\ncomponents: [docker-registries, docker-images]\n"
    file.write_text(head + text)
    with pytest.raises(InputError) as caught:
        load_playbook(str(file))
    return "\n".join(text for _, text in caught.value.details)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("images:\n  - nam: x\n    name: y\n", 5, ["unknown key 'nam'", "did you mean 'name'"]),
        ("images:\n  - name: Hello World\n", 5, ["name of an image"]),
        ("images:\n  - {name: x, state: gone}\n", 5, ["present, absent"]),
        ("images:\n  - {name: x, archive: x.tar}\n", 5, ["an absolute path"]),
        ("images:\n  - {name: x, archive: /x.tar, send: ~/x.tar}\n", 5, ["one of them"]),
        ("images:\n  - {name: x, sha256: abc, archive: /x}\n", 5, ["64 hex digits"]),
        ("images:\n  - {name: x, state: absent, tags: [y]}\n", 5, ["neither tags nor a tar"]),
        ("registries:\n  - {hots: x, host: y}\n", 5, ["did you mean 'host'"]),
        ("registries:\n  - {host: 'https://x'}\n", 5, ["without a scheme"]),
        ("registries:\n  - {host: x, ca: no PEM}\n", 5, ["PEM blocks"]),
        ("registries:\n  - {host: docker.io, mirror: true}\n", 5, ["takes a login only"]),
        ("image:\n  - {name: x}\n", 4, ["did you mean 'images'"]),
        ("images: hello-world\n", 4, ["a list"]),
        ("images: []\nvariables:\n  images: []\n", 4, ["among the variables"]),
    ],
)
def test_errors_name_line_and_key(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    told = complaints(tmp_path, text)
    assert f"site.yaml:{line}:" in told
    for word in words:
        assert word in told


def test_a_private_key_that_is_given_as_a_ca_is_not_shown(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\n      c2VjcmV0\n      -----END PRIVATE KEY-----"
    file = tmp_path / "site.yaml"
    file.write_text(f"playbook: site\nregistries:\n  - host: x\n    ca: |\n      {key}\n")
    with pytest.raises(InputError, match="private key") as caught:
        load_playbook(str(file))
    assert "c2VjcmV0" not in f"{caught.value.brief} {caught.value.details}"
    block = json.dumps([{"host": "x", "ca": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0"}])
    with pytest.raises(InputError) as caught:
        load_playbook("docker", overrides=Overrides(sets=(f"registries={block}",)))
    assert "c2VjcmV0" not in f"{caught.value.brief} {caught.value.details}"


# --- images ---------------------------------------------------------------------------------------


def test_images_are_planned_by_what_is_there() -> None:
    there = [
        image("here:1"), image("named:1"), image("other:1", OTHER), image(f"pinned@{DIGEST}"),
        image("pinned:2"), image("old:1"),
    ]  # fmt: skip
    asked = [
        {"name": "docker.io/library/here:1"},
        {"name": "named:1", "tags": ["other:1"]},
        {"name": f"pinned:2@{DIGEST}"},
        {"name": "pinned:3"},
        {"name": f"pinned@{OTHER}"},
        {"name": "old:1", "state": "absent"},
        {"name": "older:1", "state": "absent"},
    ]
    plan = planned(installed(images=there), images=asked)
    assert verbs(plan, "image", "image_gone") == {
        "docker.io/library/here:1": Verb.KEEP,
        "named:1": Verb.CHANGE,
        f"pinned:2@{DIGEST}": Verb.KEEP,
        "pinned:3": Verb.ADD,
        f"pinned@{OTHER}": Verb.ADD,
        "old:1": Verb.REMOVE,
        "older:1": Verb.KEEP,
    }
    moved = next(action for action in plan.actions if action.target == "named:1")
    assert "other:1 named another image" in moved.reason
    kept = planned(installed(images=there), images=[asked[0], asked[2], asked[6]])
    assert kept.changes == kept.checks == ()


def test_an_image_in_use_is_not_taken_away() -> None:
    uses = [{"id": "c" * 64, "name": "app", "image": "old:1"}]
    with pytest.raises(DestructiveError, match="in use: app"):
        planned(
            installed(images=[image("old:1")], containers=uses),
            images=[{"name": "old:1", "state": "absent"}],
        )


def test_an_undo_takes_what_came_and_no_more() -> None:
    lines = [
        "image came:1 absent", f"got came:1 {ID}", f"image moved:1 {OTHER}", f"got moved:1 {ID}",
        "image gone:1 absent", f"image-gone old:1 {ID}", f"login {HOST} new",
    ]  # fmt: skip
    receipt = read_receipt("\n".join(lines))
    assert receipt.summary == (f"image came:1, moved:1, gone:1; - image old:1; login at {HOST}")
    known = installed(images=[image("came:1"), image("moved:1")], logins={HOST: "other"})
    told = told_runs(*run_lines("r1", "\n".join(lines) + "\n"))
    plan = plan_undo("web1", known, read(told, NONCE, known))
    assert verbs(plan, "image", "registry_login") == {
        "came:1": Verb.REMOVE, "moved:1": Verb.CHANGE, HOST: Verb.REMOVE,
    }  # fmt: skip
    assert plan.logins == ()


def test_a_login_that_was_not_replaced_after_all_is_theirs() -> None:
    assert read_receipt(f"login {HOST} other\n").logins == {}
    assert read_receipt(f"login {HOST} other\ngot-login {HOST}\n").logins == {HOST: "other"}
    assert read_receipt(f"login {HOST} absent\n").logins == {HOST: "absent"}


def test_an_uninstall_logs_out_before_docker_goes() -> None:
    known = installed(logins={HOST: "other", "theirs.example": "other"})
    told = told_runs(*run_lines("r1", f"login {HOST} absent\n"))
    plan = plan_uninstall("web1", known, read(told, NONCE, known), Vendor((), ("docker-ce",)), {})
    assert [a.kind for a in plan.changes][:2] == ["registry_logout", "packages"]
    assert plan.changes[0].target == HOST
    out = told_runs(
        *run_lines("r1", f"login {HOST} absent\n"),
        *run_lines("r2", f"logout {HOST}\n", playbook="uninstall", began=1795523000),
    )
    again = plan_uninstall("web1", known, read(out, NONCE, known), Vendor((), ()), {})
    assert "registry_logout" not in {action.kind for action in again.actions}


# --- registries -----------------------------------------------------------------------------------


def test_mirrors_go_behind_those_of_others_and_need_a_reload() -> None:
    theirs = '{"registry-mirrors": ["https://theirs.example/"], "debug": false}'
    asked = [
        {"host": "ours.example", "mirror": True},
        {"host": "theirs.example", "mirror": True},
        {"host": "plain.example:80", "insecure": True},
    ]
    known = installed(files={"/etc/docker/daemon.json": theirs})
    plan = planned(known, registries=asked, docker_daemon={"labels": ["a=b"]})
    (merge_action,) = [action for action in plan.actions if action.kind == "daemon_json"]
    assert json.loads(merge_action.after or "") == {
        "registry-mirrors": ["https://theirs.example/", "https://ours.example"],
        "insecure-registries": ["plain.example:80"],
        "debug": False,
        "labels": ["a=b"],
    }
    assert verbs(plan, "reload") == {"docker.service": Verb.CHANGE}
    again = planned(
        installed(files={"/etc/docker/daemon.json": merge_action.after}),
        registries=asked,
        docker_daemon={"labels": ["a=b"]},
    )
    assert again.changes == again.checks == ()


def test_a_list_that_is_none_is_refused() -> None:
    known = installed(files={"/etc/docker/daemon.json": '{"registry-mirrors": "x"}'})
    with pytest.raises(RefusedError):
        planned(known, registries=[{"host": "ours.example", "mirror": True}])


def test_a_ca_of_somebody_else_is_not_replaced() -> None:
    asked = [{"host": HOST, "ca": CA}]
    assert verbs(planned(installed(), registries=asked), "file")[PATH] is Verb.ADD
    (file,) = [a for a in planned(installed(), registries=asked).actions if a.target == PATH]
    for content, verb in (
        (file.after, Verb.KEEP),
        (f"theirs\n{CA}", Verb.KEEP),
        ((file.after or "").replace("bm90", "bm91"), Verb.CHANGE),
    ):
        known = installed(files={PATH: content})
        assert verbs(planned(known, registries=asked), "file")[PATH] is verb
    with pytest.raises(RefusedError, match="somebody else's"):
        planned(installed(files={PATH: CA.replace("bm90", "bm91")}), registries=asked)


@pytest.mark.parametrize(
    ("there", "given_too", "verb"),
    [
        ({}, True, Verb.ADD),
        ({HOST: "same"}, True, Verb.KEEP),
        ({HOST: "other"}, True, Verb.CHANGE),
        ({HOST: "other"}, False, Verb.KEEP),
        ({HOST: "kept"}, True, Verb.KEEP),
    ],
)
def test_a_login_is_planned_by_what_is_there(
    there: dict[str, str], *, given_too: bool, verb: Verb
) -> None:
    logins = Logins.parse(LOGIN, "x") if given_too else None
    plan = planned(
        installed(logins=there), registries=[{"host": HOST, "login": True}], logins=logins
    )
    assert verbs(plan, "registry_login") == {HOST: verb}
    assert plan.logins == ((HOST,) if verb in (Verb.ADD, Verb.CHANGE) else ())
    assert CANARY not in dump_plans([plan], "1")


def test_a_login_that_nobody_gave_is_refused() -> None:
    with pytest.raises(RefusedError, match="none was given"):
        planned(installed(), registries=[{"host": HOST, "login": True}])


# --- the manual's operations ----------------------------------------------------------------------


def test_operations_are_walked_where_they_are_asked_for() -> None:
    asked = {"operations": True, "operations_registry": f"{HOST}/it"}
    for logins, login in ((None, ""), (Logins.parse(LOGIN, "x"), HOST)):
        plan = whole_plan(installed(), "verify", asked, verify=True, logins=logins)
        (walk,) = [action for action in plan.checks if action.kind == "operations_check"]
        assert walk.params["login"] == login
        assert plan.logins == ((HOST,) if login else ())
    plain = whole_plan(installed(), "verify", verify=True)
    assert "operations_check" not in {action.kind for action in plain.actions}


def test_a_registry_goes_with_operations(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.app()(["verify", "local", "--registry", HOST])
    assert ended.value.code == 2
    assert "--registry goes with --operations" in capsys.readouterr().err


# --- logins ---------------------------------------------------------------------------------------


def test_a_login_goes_nowhere_by_accident() -> None:
    logins = Logins.parse(f"# ours\n\n{LOGIN}\n", "x")
    assert logins.hosts == {HOST}
    login = logins.of(HOST)
    assert login is not None
    assert (login.user, login.password) == ("robot", CANARY)
    for text in (repr(logins), str(logins), repr(login), f"{[login]}"):
        assert "c4n4ry" not in text
        assert login.auth not in text


@pytest.mark.parametrize(
    "text",
    [
        "", "# only words\n", HOST, f"robot:{CANARY}@{HOST}", f"https://robot@{HOST}", f"https://:{CANARY}@{HOST}",
        f"https://robot:c4n4ry@{HOST}/path", "https://robot:c4n4ry@", "https://robot:c4n4ry@[x", f"https://a%3Ab:c4n4ry@{HOST}",
        f"https://robot:c4n4 ry@{HOST}", f"https://robot:c4n4%0Ary@{HOST}", f"{LOGIN}\n{LOGIN}", f"ftp://robot:c4n4ry@{HOST}",
    ],
)  # fmt: skip
def test_what_is_no_login_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Logins.parse(text, "--registry-logins f")
    shown = f"{caught.value.brief} {caught.value.details}"
    assert "--registry-logins f" in shown
    assert "c4n4" not in shown


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1)


@given(user=PRINTABLE.filter(lambda text: ":" not in text), password=PRINTABLE)
def test_any_login_arrives_as_it_was_typed(user: str, password: str) -> None:
    line = f"https://{quote(user, safe='')}:{quote(password, safe='')}@{HOST}"
    host, name, word = Logins.parse(line, "x").lines([HOST]).split(" ")
    assert host == HOST
    assert [base64.b64decode(part).decode() for part in (name, word)] == [user, password]


def test_a_login_is_compared_by_a_sum_of_one_answer() -> None:
    logins = Logins.parse(LOGIN, "x")
    login = logins.of(HOST)
    assert login is not None
    right = hashlib.sha256(f"{NONCE}\n{login.auth}\n".encode()).hexdigest()
    for told, judged in ((right, "same"), ("0" * 64, "other"), ("-", "kept")):
        answer = retold(answer_of("ubuntu-24.04-installed"), hostname=f"x\nlogin {HOST} {told}")
        known = facts.judge_logins(facts.read(answer, NONCE, host="x"), NONCE, logins)
        assert known.logins == {HOST: judged}


def test_a_saved_plan_wants_its_logins_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [{"host": HOST, "login": True}]
    plan = planned(installed(), registries=asked, logins=Logins.parse(LOGIN, "x"))
    file, other = tmp_path / "plan.json", tmp_path / "logins"
    file.write_text(dump_plans([plan], __version__))
    other.write_text("https://robot:word@other.example\n")
    for more in ([], ["--registry-logins", str(other)]):
        with pytest.raises(SystemExit) as ended:
            commands.app()(["apply", str(file), "web1", *more])
        assert ended.value.code == 2
        assert f"wants a login at {HOST}" in " ".join(capsys.readouterr().err.split())


def test_one_option_alone_reads_standard_input(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["install", "a", "--yes", "--registry-logins", "-", "--sudo-password-file", "-"]
    with pytest.raises(SystemExit) as ended:
        commands.app(words)(words)
    assert ended.value.code == 2
    assert "only one option can read -" in capsys.readouterr().err


# --- merging --------------------------------------------------------------------------------------

TEXTS = st.lists(st.sampled_from(["https://a", "https://a/", "b", "c"]), max_size=4)
LISTS = st.dictionaries(st.sampled_from(["registry-mirrors", "insecure-registries"]), TEXTS)


@given(there=LISTS, wanted=LISTS)
def test_lists_keep_what_others_wrote(
    there: dict[str, list[str]], wanted: dict[str, list[str]]
) -> None:
    whole = appended(there, wanted)
    for key, entries in there.items():
        assert whole[key][: len(entries)] == entries
    for key, entries in wanted.items():
        assert {e.rstrip("/") for e in entries} <= {e.rstrip("/") for e in whole.get(key, [])}
    assert appended(whole, wanted) == whole
    assert merge(whole, {}) == (whole, [])


# --- the host's side ------------------------------------------------------------------------------

IMAGES = ("journal", "files", "verify", "images", "logins")


@pytest.mark.parametrize("shell", SHELLS)
def test_an_operation_that_breaks_is_named_and_all_is_taken_back(bench: Bench, shell: str) -> None:
    bench.fake("docker", 'case "$1" in search|commit) echo broken; exit 1 ;; esac; echo x')
    body = "operations hello-world '' ''; rc=$?; echo \"${brief-}\"; exit $rc"
    done = bench.run(body, *IMAGES, "operations", shell=shell)
    assert done.status == 1, done
    assert "docker commit does not work; the daemon is healthy" in done.output
    assert any("push, login, logout: no registry" in text for text in done.of("note"))
    assert any("search: the hub does not offer it" in text for text in done.of("note"))
    gone = [call for call in bench.calls() if call.startswith(("docker rm", "docker image rm"))]
    assert len(gone) == 2
    assert not (bench.top / "run/operations").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_password_goes_to_standard_input_alone(bench: Bench, shell: str) -> None:
    bench.fake("docker", f"cat >'{bench.top}/given'")
    line = Logins.parse(f"https://robot:{quote(CANARY, safe='')}@{HOST}", "x").lines([HOST])
    body = f"registry_logins='other:1 eA== eA==\n{line}'\ndocker_config='{bench.top}/none'\nlog_in {HOST}"
    done = bench.run(body, *IMAGES, shell=shell)
    assert done.status == 0, done
    assert (bench.top / "given").read_text() == CANARY
    assert bench.calls() == [f"docker login --username robot --password-stdin {HOST}"]
    for path in bench.top.rglob("*"):
        if path.is_file() and path.name != "given":
            assert CANARY not in path.read_text(errors="replace")
    assert CANARY not in done.output


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("status", [0, 1])
def test_layers_are_counted(bench: Bench, shell: str, status: int) -> None:
    said = "latest: Pulling from x\\na: Already exists\\nb: Pulling fs layer\\nb: Pull complete\\n"
    bench.fake("docker", f"[ \"$1\" != pull ] || {{ printf '{said}'; exit {status}; }}")
    done = bench.run("pull_image x", *IMAGES, shell=shell)
    assert done.status == status, done
    assert done.of("progress")[-1] == "100 pull x, layer 2 of 2"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("connect: connection refused", "mirror: https://dead.example/ does not serve this host"),
        ("manifest unknown", "no such image"),
    ],
)
def test_d19_a_dead_mirror_is_the_cause_where_the_hub_is_not_reached(
    bench: Bench, shell: str, said: str, cause: str
) -> None:
    """dockerd passes over it in silence, and its last word is about the hub."""
    bench.fake(
        "docker",
        'case "$*" in'
        ' info*) echo "https://good.example/ https://dead.example/" ;;'
        ' "pull -q good.example/"*) echo "manifest unknown"; exit 1 ;;'
        f' pull*) echo "{said}"; exit 1 ;; esac',
    )
    done = bench.run('pull_image hello-world; echo "$cause"', *IMAGES, shell=shell)
    assert done.output.splitlines()[-1].startswith(cause), done
    other = bench.run('pull_image other.example/x; echo "$cause"', *IMAGES, shell=shell)
    assert "mirror" not in other.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('Error response from daemon: Get "https://r/v2/": unauthorized: authentication required', "login refused"),
        ('Get "https://r/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority', "registry not trusted"),
        ("http: server gave HTTP response to HTTPS client", "registry speaks plain http"),
        ("manifest verification failed for digest sha256:00", "not the pinned digest"),
        ("failed to register layer: write /x: no space left on device", "disk full"),
        ("manifest for hello-world:none not found: manifest unknown", "no such image"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "registry unreachable"),
    ],
)  # fmt: skip
def test_docker_s_words_have_causes(bench: Bench, text: str, cause: str) -> None:
    done = bench.run(f"cause_of '{text}'", "journal", "verify")
    assert done.output.startswith(cause)
