"""daemon.json is merged so that nothing of others is lost, for any file and any keys."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dockwright.errors import RefusedError
from dockwright.events import Merged
from dockwright.models import FileFact
from dockwright.plan import Action, Verb
from dockwright.receipts.unmerge import unmerged
from dockwright.steps import DaemonJson
from dockwright.steps.base import View
from tests.unit.making import recorded

PATH = "/etc/docker/daemon.json"
HOST = recorded("ubuntu-24.04-installed").model_copy(
    update={
        "ground": recorded("ubuntu-24.04-installed").ground.model_copy(
            update={"exec_start": "dockerd"}
        )
    }
)
KEYS = st.sampled_from(["a", "b", "c", "labels", "log-opts", "é", "x y", ""])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text('aé"\\\n', max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3)
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)
FORMS = st.sampled_from([{"indent": 2}, {}, {"separators": (",", ":")}, {"indent": "\t"}])


def decided(text: str | None, keys: dict[str, Any]) -> Action | None:
    """What the step intends for the file; ``None`` where it is refused for a clash."""
    files = () if text is None else (
        FileFact(path=PATH, sha256=hashlib.sha256(text.encode()).hexdigest(), mode="0600",
                 owner="root:root", content=text),
    )  # fmt: skip
    view = View(facts=HOST.model_copy(update={"files": files}))
    try:
        return DaemonJson(kind="daemon_json", name="merge", keys=keys).decide(view).actions[0]
    except RefusedError as refused:
        if "has other values already" not in refused.brief:
            raise
        return None


def merged(text: str | None, keys: dict[str, Any]) -> str:
    """The file after the merge; a clash is no case of this."""
    action = decided(text, keys)
    assume(action is not None)
    assert action is not None
    if action.verb is Verb.KEEP:
        return "" if text is None else text
    assert action.after is not None
    return action.after


def written(value: dict[str, Any], form: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, **form)


@given(OBJECTS, OBJECTS, FORMS)
@settings(deadline=None)
def test_a_second_merge_changes_nothing(
    there: dict[str, Any], keys: dict[str, Any], form: dict[str, Any]
) -> None:
    after = merged(written(there, form), keys)
    again = decided(after, keys)
    assert again is not None
    assert again.verb is Verb.KEEP


@given(OBJECTS, OBJECTS, FORMS)
@settings(deadline=None)
def test_keys_of_others_stay_in_their_order(
    there: dict[str, Any], keys: dict[str, Any], form: dict[str, Any]
) -> None:
    after = json.loads(merged(written(there, form), keys))
    assert list(after)[: len(there)] == list(there)
    assert {key: after[key] for key in there if key not in keys} == {
        key: value for key, value in there.items() if key not in keys
    }


@given(OBJECTS, OBJECTS, VALUES)
@settings(deadline=None)
def test_it_commutes_with_an_edit_of_another_key(
    there: dict[str, Any], keys: dict[str, Any], value: object
) -> None:
    edited = {**there, "theirs": value}
    first = json.loads(merged(json.dumps(edited), keys))
    last = {**json.loads(merged(json.dumps(there), keys) or "{}"), "theirs": value}
    assert first == last


@given(st.none() | OBJECTS, OBJECTS, FORMS)
@settings(deadline=None)
def test_the_way_back_gives_the_very_bytes(
    there: dict[str, Any] | None, keys: dict[str, Any], form: dict[str, Any]
) -> None:
    before = None if there is None else written(there, form)
    after = merged(before, keys)
    assume(after != (before or ""))
    assert unmerged(after, [Merged(path=PATH, before=before, after=after)]) == (before, ())


@given(OBJECTS, OBJECTS, VALUES)
@settings(deadline=None)
def test_the_way_back_keeps_an_edit_of_another_key(
    there: dict[str, Any], keys: dict[str, Any], value: object
) -> None:
    before = json.dumps(there)
    after = merged(before, keys)
    assume(after != before)
    edited = json.dumps({**json.loads(after), "theirs": value})
    left, changed = unmerged(edited, [Merged(path=PATH, before=before, after=after)])
    assert changed == ()
    assert json.loads(left or "{}") == {**there, "theirs": value}
