"""script/field-check: its words, its document, and in which order what is tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockwright.cli.options import HostKeys, Reach, Values
from dockwright.errors import InputError
from dockwright.models import Facts
from tests.field import __main__ as command
from tests.field import check as checking
from tests.field import scenarios
from tests.field.check import Check
from tests.field.document import Outcome, Told, document, dump
from tests.field.machine import Broken, Skipped
from tests.field.scenarios import SCENARIOS, Scenario
from tests.field.site import words_of
from tests.unit.making import recorded


class FakeSite:
    """Stands for a host; ``found`` is what of Docker is there."""

    def __init__(self, *found: str) -> None:
        self.found, self.marks, self.ran = list(found), list[bool](), list[Any]()

    def look(self) -> Facts:
        return recorded("ubuntu-24.04-bare")

    def there(self) -> list[str]:
        return self.found

    def mark(self, *, ours: bool) -> None:
        self.marks.append(ours)


def tried(
    monkeypatch: pytest.MonkeyPatch, site: FakeSite, chosen: list[str], **ends: Exception | str
) -> Told:
    """What is told where scenarios end as ``ends`` says, and well where it says nothing."""

    def ending(name: str) -> Callable[[Any], str]:
        def run(_machine: Any, *_words: str) -> str:
            end = ends.get(name.replace("-", "_"), f"{name} held")
            if isinstance(end, Exception):
                raise end
            return end

        return run

    made = {
        name: Scenario(ending(name), changes=one.changes, alone=one.alone)
        for name, one in SCENARIOS.items()
    }
    monkeypatch.setattr(checking, "SCENARIOS", made)
    monkeypatch.setattr(scenarios, "purge", ending("purge"))
    told = Told("web1")
    Check(site, told).run(chosen)  # type: ignore[arg-type]
    return told


def test_a_host_that_is_free_is_changed_and_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    site = FakeSite()
    told = tried(monkeypatch, site, ["facts", "plan", "install", "purge"])
    assert [one.outcome for one in told.scenarios] == ["ok"] * 4
    assert site.marks == [True, False]
    assert told.exit == 0


def test_who_only_looks_leaves_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    site = FakeSite("volume db")
    told = tried(monkeypatch, site, ["facts", "plan"], plan=Skipped("no"))
    assert (told.counts, told.exit, site.marks) == ({"ok": 1, "skipped": 1}, 0, [])


def test_a_host_in_use_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = FakeSite("package docker.io", *(f"volume v{number}" for number in range(9)))
    told = tried(monkeypatch, site, ["facts", "install", "verify", "uninstall"])
    ended = [one.outcome for one in told.scenarios]
    assert (ended, told.exit, site.marks) == (["ok", "refused", "ok", "refused"], 9, [])
    assert "volume v3; 5 more (--on-used-host" in capsys.readouterr().out


def test_after_a_failure_nothing_more_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ["facts", "plan", "install", "reboot", "verify"]
    told = tried(monkeypatch, FakeSite(), chosen, install=Broken("dpkg"), plan=Broken("no key"))
    ended = {one.scenario: one.outcome for one in told.scenarios}
    assert ended == {
        "facts": "ok", "plan": "failed", "install": "failed", "reboot": "skipped", "verify": "ok",
    }  # fmt: skip
    assert told.exit == 8


def test_what_nobody_foresaw_is_a_failure_of_that_scenario(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = {"plan": ValueError("not JSON"), "doctor": InputError("ssh_config")}
    told = tried(monkeypatch, FakeSite(), ["facts", "plan", "doctor", "verify"], **ends)
    assert [(one.outcome, one.error) for one in told.scenarios] == [
        ("ok", ""), ("failed", "not JSON"), ("failed", "ssh_config"), ("ok", ""),
    ]  # fmt: skip


def test_every_scenario_has_a_sentence_and_looks_do_not_change() -> None:
    for name, one in SCENARIOS.items():
        assert one.about.endswith("."), name
    assert not [name for name in scenarios.LOOKS if SCENARIOS[name].changes]
    assert {name for name, one in SCENARIOS.items() if one.alone} == {"cut", "purge"}


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ([], ["facts", "plan", "doctor", "verify"]),
        (["--scenario", "again,install"], ["facts", "install", "again"]),
        (["--scenario", "cut", "--scenario", "plan"], ["facts", "plan", "cut"]),
        (["--all"], [name for name in SCENARIOS if name not in ("cut", "purge")]),
        (
            ["--all", "--scenario", "purge", "--confirm", "web1"],
            [name for name in SCENARIOS if name != "cut"],
        ),
    ],
)
def test_what_is_tried(
    words: list[str], chosen: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(Check, "run", lambda _self, names: seen.append(names))
    out = tmp_path / "told.json"
    assert ended(["web1", *words, "-o", str(out)]) == 0
    assert seen == [chosen]
    assert json.loads(out.read_text())["chosen"] == chosen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scenario", "instal"], "did you mean 'install'"),
        (["--scenario", "purge"], "nobody confirmed it"),
        (["--all", "--scenario", "purge"], "--confirm HOSTNAME"),
        (["-K"], "nothing can be typed or piped in"),
        (["-i", "-"], "-i FILE"),
        (["--sudo-password-file", "-"], "--sudo-password-file FILE"),
        (["web1"], "named twice"),
    ],
)
def test_what_is_refused_before_any_contact(
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Check, "run", lambda *_: pytest.fail("a host was contacted"))
    assert ended(["web1", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def ended(words: list[str]) -> int:
    """The exit status of the command line."""
    with pytest.raises(SystemExit) as exited:
        command.cli(words)
    return int(exited.value.code or 0)


def test_an_interrupted_check_writes_what_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(self: Check, _names: list[str]) -> None:
        self.told.scenarios.append(Outcome("facts", "ok"))
        raise KeyboardInterrupt

    monkeypatch.setattr(Check, "run", interrupted)
    out = tmp_path / "told.json"
    assert ended(["web1", "web2", "-o", str(out)]) == 130
    made = json.loads(out.read_text())
    assert made["interrupted"] is True
    assert [one["host"] for one in made["hosts"]] == ["host1"]


def test_the_words_of_a_group_are_those_that_were_typed() -> None:
    reach = Reach(inventory=["a", "b"], user="ops", host_keys=HostKeys.ACCEPT_NEW, no_input=True)
    assert words_of(reach) == [
        "--inventory", "a", "--inventory", "b", "--user", "ops", "--host-keys", "accept-new",
        "--no-input",
    ]  # fmt: skip
    assert words_of(Reach()) == []
    assert words_of(Values(variables=[Path("v.yaml")])) == ["--vars", "v.yaml"]


MASKED = [
    ("reached as ops@10.0.0.7, sudo", "reached as ops@[address], sudo"),
    ("web1.example.com and web1: no", "host1 and host1: no"),
    ("a db-web1-x stays", "a db-web1-x stays"),
    ("http://me:secret@proxy:3128/", "http://***@proxy:3128/"),
    ("[2001:db8::7]:22 refused", "[[address]]:22 refused"),
    ("docker-ce 5:29.7.2-1~ubuntu.24.04~noble", "docker-ce 5:29.7.2-1~ubuntu.24.04~noble"),
    ("at 10:20:30 by 127.0.0.1", "at 10:20:30 by 127.0.0.1"),
    ("GPU-1f2e3d4c-0000-1111-2222-333344445555 fell off", "GPU-*** fell off"),
    ("aa:bb:cc:dd:ee:0f", "[mac]"),
    ("0123456789abcdef0123456789abcdef", "[id]"),
]


@pytest.mark.parametrize(("text", "wanted"), MASKED)
def test_names_addresses_and_logins_are_masked(text: str, wanted: str) -> None:
    told = Told("web1", {"web1.example.com", "docker"}, {"codename": "web1"})
    told.scenarios.append(Outcome("facts", "failed", error=text))
    made = document({}, [told])
    assert made["hosts"][0]["scenarios"][0]["error"] == wanted
    assert made["hosts"][0]["host"] == "host1"
    assert made["hosts"][0]["system"] == {"codename": "web1"}
    shown = document({}, [told], masked=False)
    assert shown["hosts"][0]["scenarios"][0]["error"] == text


def test_the_document_has_a_form() -> None:
    told = Told("web1", scenarios=[Outcome("facts", "ok"), Outcome("plan", "failed", error="no")])
    made = json.loads(dump(document({"dockwright": "0"}, [told, Told("web2", unreached=True)])))
    assert made["document"] == "dockwright-field-check"
    assert (made["schema"], made["exit"], made["word"]) == (1, 8, "verify")
    assert [one["exit"] for one in made["hosts"]] == [8, 5]
    assert made["hosts"][0]["counts"] == {"ok": 1, "failed": 1}


def test_the_help_tells_each_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"{name}: " in said for name in SCENARIOS)
