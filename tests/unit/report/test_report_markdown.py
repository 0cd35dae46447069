"""The summary in Markdown: what is read in a CI job, in a bounded length, and safe to show."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from markdown_it import MarkdownIt

from dockwright import events as ev
from dockwright.errors import Exit
from dockwright.events import Event
from dockwright.report.fleet import Fleet
from dockwright.report.markdown import render_markdown
from tests.unit.report import runs, samples
from tests.unit.report.changed import PAYLOADS, any_events, everywhere
from tests.unit.report.show import check_golden

# What we write ourselves, and what Markdown makes of tables, lists, code and headings.
_TAGS = {
    "h2", "h3", "p", "strong", "code", "pre", "ul", "li", "table", "thead", "tbody", "tr", "th", "td",
    "details", "summary", "sub", "br",
}  # fmt: skip


def summary(events: list[Event]) -> str:
    return render_markdown(Fleet.of(events))


def shown(text: str) -> str:
    """As a server shows it: with tables, with HTML, and with bare addresses left as they are."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return str(markdown.render(text))


def tags(text: str) -> set[str]:
    return set(re.findall(r"<([a-zA-Z][\w-]*)", shown(text)))


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("one", samples.install()),
        ("plan", samples.plan_only()),
        ("fleet", runs.Fleet(16).events()),
        ("cut", samples.install()[:-3]),
    ],
)
def test_what_it_says(name: str, events: list[Event]) -> None:
    text = summary(events)
    assert tags(text) <= _TAGS
    check_golden(f"summary-{name}", text)


@pytest.mark.slow
def test_a_thousand_hosts_are_a_short_table() -> None:
    text = summary(runs.Fleet(1000).events())
    assert len(text) < 20_000
    rows = [line for line in text.splitlines() if re.match(r"\| [✅❌] ", line)]
    assert len(rows) == 20
    assert all("❌" in row for row in rows)
    assert "… and 980 more hosts, 48 of them not ok." in text


def test_many_different_troubles_are_bounded() -> None:
    events = [
        event for n in range(300)
        for event in samples.Play(f"h{n}")(ev.Failed, exit=Exit.FAILED, brief=f"trouble {n}").events
    ]  # fmt: skip
    assert "… and 290 other troubles." in summary(events)
    assert len(summary(events)) < 10_000


def test_credentials_are_masked() -> None:
    text = summary([*samples.install(), *samples.hostile()])
    assert "hunter2" not in text
    assert len(text) < 60_000


@pytest.mark.parametrize(
    "payload", [*PAYLOADS, "www.example.com https://example.com :boom: ~~x~~ $x$"]
)
def test_hostile_text_is_text(payload: str) -> None:
    for events in (samples.fleet(), samples.broken()):
        text = summary(everywhere(events, payload))
        assert tags(text) <= _TAGS
        html = shown(text)
        assert "<a" not in html
        assert html.count("<table>") == shown(summary(everywhere(events, "x"))).count("<table>")
    assert html.count("<h2>") == 1


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_events())
def test_any_list_of_events_makes_a_summary(events: list[Event]) -> None:
    text = summary(events)
    assert text.startswith("## ")
    assert tags(text) <= _TAGS
