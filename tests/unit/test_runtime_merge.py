"""daemon.json on a host without a controller: merged by its python3 as the controller merges."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dockwright.steps.daemon_json import RELOADABLE
from dockwright.steps.merging import merge
from tests.unit.shell import RUNTIME, Bench, Done

FRESH = '{\n  "log-driver": "local"\n}\n'


@pytest.fixture
def path(bench: Bench) -> Path:
    """Where the file lies; the host has a python3."""
    bench.fake("python3", f'exec "{sys.executable}" "$@"')
    return bench.top / "etc/daemon.json"


def run(bench: Bench, body: str) -> Done:
    text = (RUNTIME / "merge.sh").read_text(encoding="utf-8")
    return bench.run(f"{text}\n{body}", "journal", "files", "transaction")


def merged(bench: Bench, path: Path, keys: dict[str, Any], *more: str) -> Done:
    words = " ".join(f"'{word}'" for word in (json.dumps(keys), FRESH, *more))
    return run(bench, f"merged '{path}' {words}")


def test_where_there_is_no_file_it_is_the_fresh_one(bench: Bench, path: Path) -> None:
    (bench.top / "bin/python3").unlink()
    assert merged(bench, path, {"log-driver": "local"}).output == FRESH
    path.write_text(FRESH)  # and the very file needs no python3 either
    assert merged(bench, path, {"log-driver": "local"}).output == FRESH


def test_without_python_a_file_that_is_there_is_not_merged(bench: Bench, path: Path) -> None:
    (bench.top / "bin/python3").unlink()
    path.write_text("{}\n")
    done = merged(bench, path, {"log-driver": "local"})
    assert (done.status, "there is no python3" in done.output) == (1, True)


PAIRS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"a": 1}),
    ({"b": [1, 2], "x": {"é": "ü"}}, {"a": True}),
    ({"log-opts": {"max-file": "2"}}, {"log-opts": {"max-size": "5m", "deep": {"er": 1}}}),
    ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}}),
    ({"z": 1, "a": 2}, {"m": 3}),
    ({"a": 1}, {"a": 1}),
    ({"a": 1}, {"a": 2}),
    ({"a": {"b": 1}}, {"a": {"b": 2}}),
    ({"a": [1]}, {"a": [1, 2]}),
    ({"a": 1}, {"a": {"b": 1}}),
]


@pytest.mark.parametrize(("there", "wanted"), PAIRS)
def test_it_merges_as_the_controller_does(
    bench: Bench, path: Path, there: dict[str, Any], wanted: dict[str, Any]
) -> None:
    path.write_text(json.dumps(there), encoding="utf-8")
    theirs, clashes = merge(there, wanted)
    done = merged(bench, path, wanted)
    if clashes:
        assert done.status == 1
        assert f"{path}: {clashes[0][0]} is {json.dumps(clashes[0][1])} already" in done.output
        return
    if theirs == there:
        assert done.output == path.read_text(encoding="utf-8")  # byte for byte, whatever its form
    else:
        assert done.output == json.dumps(theirs, indent=2, ensure_ascii=False) + "\n"
    assert list(json.loads(done.output)) == list(theirs)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1,}', "is not valid"),
        ("[]", "is not an object"),
        ('{"a": 1, "a": 2}', "a key stands there twice"),
        ('\ufeff{"a": 1}', "is not valid"),
        ("", "is not valid"),
        ("// x\n{}", "is not valid"),
    ],
)
def test_a_file_that_is_not_valid_is_named(bench: Bench, path: Path, text: str, why: str) -> None:
    path.write_text(text, encoding="utf-8")
    done = merged(bench, path, {"b": 1})
    assert done.status == 1
    assert str(path) in done.output
    assert why in done.output
    assert "Traceback" not in done.output


def test_keys_that_need_a_restart_are_told(bench: Bench, path: Path) -> None:
    path.write_text('{"labels": ["x"]}')
    names = " ".join(sorted(RELOADABLE))
    keys = {"log-driver": "local", "debug": True, "bip": "10.0.0.1/24"}
    assert merged(bench, path, keys, names).output.split() == ["log-driver", "bip"]
    assert merged(bench, path, {"debug": True}, names).output.split() == []


RUNTIMES = {"runtimes": {"nvidia": {"args": [], "path": "nvidia-container-runtime"}}}


@pytest.mark.parametrize(
    "theirs",
    [
        {"path": "nvidia-container-runtime", "runtimeArgs": []},
        {"path": "/usr/bin/nvidia-container-runtime"},
    ],
)
def test_the_runtime_in_words_of_somebody_else_stays(
    bench: Bench, path: Path, theirs: dict[str, Any]
) -> None:
    """As nvidia-docker2 wrote it, or a manual: the controller leaves it, too."""
    path.write_text(json.dumps({"runtimes": {"nvidia": theirs}}))
    assert merged(bench, path, RUNTIMES).output == path.read_text()


def test_g14_runtimes_that_are_none_and_another_program_are_a_clash(
    bench: Bench, path: Path
) -> None:
    theirs: list[dict[str, Any]] = [
        {"runtimes": []},
        {"runtimes": {"nvidia": {"path": "/opt/mine"}}},
    ]
    for there in theirs:
        path.write_text(json.dumps(there))
        done = merged(bench, path, RUNTIMES)
        assert (done.status, "already, not" in done.output) == (1, True), done.output


def test_cdi_is_switched_on_by_a_start(bench: Bench, path: Path) -> None:
    """Other features are reloaded; and a dockerd that does CDI by itself needs nothing."""
    names = " ".join(sorted(RELOADABLE))
    path.write_text('{"features": {"buildkit": true}}')
    keys = {"features": {"cdi": True}}
    assert merged(bench, path, keys, names).output.split() == ["features.cdi"]
    assert merged(bench, path, keys, f"{names} features.cdi").output.split() == []
    assert merged(bench, path, {"features": {"x": True}}, names).output.split() == []


def judged(bench: Bench, path: Path, keys: dict[str, Any], **more: str) -> Done:
    values = {"info": "inactive false", "ps": "app", "active": "0", "allow": "", "how": "restart"}
    values |= more
    bench.fake("systemctl", f"exit {values['active']}")
    bench.fake(
        "docker",
        f"case $1 in info) echo '{values['info']}' ;; ps) printf %s '{values['ps']}' ;; esac",
    )
    body = f"""
    reloadable='{" ".join(sorted(RELOADABLE))}' allow_restart='{values["allow"]}'
    judge_merge '{path}' '{json.dumps(keys)}' '{FRESH}' {values["how"]}
    echo "how $daemon_how"; finish 0"""
    return run(bench, body)


RESTART, RELOAD = {"log-driver": "local"}, {"debug": True}


@pytest.mark.parametrize(
    ("keys", "more", "code", "said"),
    [
        (RESTART, {}, 9, "containers would stop: app"),
        (RESTART, {"allow": "1"}, 0, ""),
        (RESTART, {"info": "inactive true"}, 0, ""),  # live-restore
        (RESTART, {"ps": ""}, 0, ""),
        (RESTART, {"active": "3"}, 0, ""),  # no daemon runs
        (RESTART, {"info": "active false", "allow": "1"}, 9, "Swarm node"),
        (RELOAD, {"info": "active false"}, 0, ""),
        (RELOAD, {}, 0, ""),
    ],
)
def test_a_restart_that_nobody_agreed_to_is_refused(
    bench: Bench, path: Path, keys: dict[str, Any], more: dict[str, str], code: int, said: str
) -> None:
    path.write_text('{"labels": ["x"]}')
    done = judged(bench, path, keys, **more)
    assert done.status == code
    assert not said or said in done.of("stop")[0]
    assert code or f"how {'reload' if keys == RELOAD else 'restart'}" in done.output


def test_a_symlink_and_a_clash_are_refused(bench: Bench, path: Path) -> None:
    path.symlink_to("elsewhere")
    assert judged(bench, path, RESTART).of("stop") == [f"3 0 {path} is a symlink to elsewhere"]
    path.unlink()
    path.write_text('{"log-driver": "journald"}')
    (stop,) = judged(bench, path, RESTART).of("stop")
    assert stop.startswith(f"3 0 {path} cannot be merged: ")
    assert 'log-driver is "journald" already' in stop


def test_a_new_daemon_json_takes_the_way_of_all_its_keys(bench: Bench, path: Path) -> None:
    assert judged(bench, path, RESTART).status == 9
    assert judged(bench, path, RELOAD, how="reload").status == 0


def test_a_daemon_that_does_not_take_it_gets_the_old_file_back(bench: Bench, path: Path) -> None:
    path.write_text("old\n")
    bench.fake("systemctl", 'case "$1" in is-active|reset-failed) ;; *) exit 1 ;; esac')
    bench.fake("journalctl", "")
    put = f"daemon_how=restart; put '{path}' 0644 new"
    body = f'{put}; take_up \'{path}\' || stop "${{exit_code:-6}}" s01 no "$cause"'
    done = run(bench, body)
    assert (done.status, path.read_text()) == (7, "old\n")
    assert f"mend {path}, then: systemctl restart docker" in done.of("cause")[0]
