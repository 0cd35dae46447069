"""Events with other texts in them, and lists of events that no run would make."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from dockwright.events import EVENT, Event
from tests.unit.report import samples

# Words that the schema knows; all other strings are somebody's text.
_WORDS = ("event", "outcome", "verb", "schema_version")

PAYLOADS = (
    "<script>document.title='owned'</script>",
    "</script></style></title><img src=x onerror=\"document.title='owned'\">",
    "\" onmouseover=\"document.title='owned'\" x='",
    "{{ 7 * 7 }}{% raw %}",
    "]]><!-- --> <?xml version='1.0'?> &lt;b&gt; &#0; <!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "[click](javascript:document.title='owned') ![x](http://example.com/x.png) <https://example.com>",
    "`` ` ``` ```\n```\n# heading\n| a | b |\n|---|---|\n<b>bold</b>",
    "../../#h1' or 1=1",
)


def everywhere(events: Iterable[Event], text: str) -> list[Event]:
    """The events with ``text`` wherever a host, a vendor or a person could have written something."""
    return [_parsed(_replaced(json.loads(event.model_dump_json()), text)) for event in events]


def _replaced(value: Any, text: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _replaced(item, text, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, text, key) for item in value]
    return text if isinstance(value, str) and key not in _WORDS else value


def _parsed(value: Any) -> Event:
    return EVENT.validate_json(json.dumps(value))


_SOME: tuple[Event, ...] = (
    *samples.install(), *samples.broken(), *samples.untrusted(), *samples.plan_only(),
    *samples.converged(),
)  # fmt: skip
_TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@st.composite
def any_events(draw: st.DrawFn) -> list[Event]:
    """Events of a few hosts in any order, at any time, some of them with any text."""
    hosts = draw(st.lists(_TEXT, min_size=1, max_size=3))
    found = []
    for event in draw(st.lists(st.sampled_from(_SOME), max_size=25)):
        at = draw(st.floats(allow_nan=False, allow_infinity=False) | st.just(samples.T0))
        changes: dict[str, Any] = {"host": draw(st.sampled_from(hosts)), "at": at}
        if "seconds" in type(event).model_fields:
            changes["seconds"] = draw(st.floats(allow_nan=False, allow_infinity=False))
        one = event.model_copy(update=changes)
        found.append(everywhere([one], draw(_TEXT))[0] if draw(st.booleans()) else one)
    return found
