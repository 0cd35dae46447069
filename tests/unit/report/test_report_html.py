"""The page: well formed, asks nobody for anything, and nothing of a host is more than text on it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings

from dockwright import events as ev
from dockwright.events import Event, Outcome
from dockwright.plan import Verb
from dockwright.report import html_hosts
from dockwright.report.fleet import Fleet
from dockwright.report.html import render_html
from tests.unit.report import runs, samples
from tests.unit.report.changed import PAYLOADS, any_events, everywhere

# HTML allows these to be left open; the next of their kind ends them.
_LEFT_OPEN = {"td", "th", "tr", "thead", "tbody", "li"}
_VOID = {"meta", "link", "input", "rect"}
_ATTRIBUTES = {
    "aria-hidden", "aria-label", "aria-labelledby", "aria-live", "autocomplete", "charset", "class",
    "colspan", "content", "data-o", "data-s", "height", "hidden", "href", "http-equiv", "id", "lang",
    "name", "open", "placeholder", "preserveaspectratio", "rel", "role", "scope", "spellcheck",
    "tabindex", "title", "type", "value", "viewbox", "width", "x",
}  # fmt: skip
_TAGS = {
    "a", "article", "b", "body", "button", "code", "dd", "details", "div", "dl", "dt", "em", "footer",
    "form", "h1", "h2", "h3", "head", "header", "html", "i", "input", "label", "li", "link", "main",
    "meta", "ol", "option", "output", "p", "pre", "rect", "script", "section", "select", "small",
    "span", "strong", "style", "summary", "svg", "table", "tbody", "td", "th", "thead", "title", "tr",
    "ul",
}  # fmt: skip


class Page(HTMLParser):
    """Reads a page as strictly as it has to be: what is not ours is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _TAGS, tag
        names = [name for name, _ in attrs]
        assert set(names) <= _ATTRIBUTES, names
        assert len(set(names)) == len(names), names
        for name, value in attrs:
            if name == "href":
                assert value == "data:," or re.fullmatch(r"#[\w-]+", value or ""), value
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        while self.stack[-1] != tag:
            assert self.stack[-1] in _LEFT_OPEN, f"{self.stack} is ended by {tag}"
            self.stack.pop()
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.tags if t == tag and wanted.items() <= a.items()]


def page(events: list[Event]) -> Page:
    return Page(render_html(Fleet.of(events)))


def text_of(events: list[Event]) -> str:
    return re.sub(r"\s+", " ", " ".join(page(events).texts))


# --- what stands on it ----------------------------------------------------------------------------


def test_one_host_that_is_fine() -> None:
    text = text_of(samples.install())
    for said in (
        "web1 is a Docker host", "0 (ok)", "key and index verified", "waiting for locks",
        "unattended-upgrades (pid 812)", "install docker-ce", "5 packages in, 2 out",
        "/var/lib/dockwright/runs/2026-11-24-1f3a", "Ubuntu 24.04.3 LTS (noble, amd64)",
        "reached as ubuntu@10.0.0.11, sudo without password", "by alice", "legacy-app",
        "matches the pin", "2 h old", "dockwright 0.1.0", "docker.io 26.1.5", '"log-driver": "local"',
        "held back from upgrades: docker-ce", "146 MB to download", "an OpenPGP certificate",
    ):  # fmt: skip
        assert said in text, said
    assert "What needs you" not in text


def test_a_fleet_tells_errors_first_with_cause_and_next_command() -> None:
    text = text_of(runs.Fleet(16).events())
    for said in (
        "11 of 16 hosts are Docker hosts", "11 of 16 (69 %)", "6 (failed)", "changed 11",
        "/ is full: 12 MB of 20 GB are free", "No space left on device",
        "was changed; the same command resumes", "dockwright install -i inventory.yaml --yes",
        "dockwright verify ops@web14.ams.example.net", "is the host up, sshd running",
        "dockwright install -i inventory.yaml --yes --allow-restart", "hosts with the same plan share one",
    ):  # fmt: skip
        assert said in text, said
    where = [
        text.index(said) for said in ("What needs you", "Search hosts", "share of all", "Plans")
    ]
    assert where == sorted(where)


def test_credentials_are_masked() -> None:
    text = render_html(Fleet.of([*samples.install(), *samples.hostile()]))
    assert "hunter2" not in text
    assert "swordfish" not in text
    assert "***@proxy:3128" in text


def test_each_link_on_the_page_goes_somewhere() -> None:
    one = page(runs.Fleet(40).events())
    ids = {a["id"] for _, a in one.tags if "id" in a}
    links = {(a["href"] or "")[1:] for a in one.all("a")}
    assert links <= ids
    assert len([a for _, a in one.tags if "id" in a]) == len(ids)


def test_what_a_plan_would_do_is_ready_to_be_applied() -> None:
    events = samples.plan_only()
    events[0] = events[0].model_copy(
        update={"again": "dockwright install web1 --proxy http://u:hunter2@p"}
    )
    text = text_of(events)
    assert "Nothing was changed" in text
    assert "dockwright install web1 --proxy http://***@p" in text


def test_an_overridden_pin_is_shown_as_such() -> None:
    pin = "docker_fingerprint is not the shipped one: it is set by site.yaml:14"
    plan = samples.PLAN.model_copy(update={"trust": (pin,)})
    text = text_of(samples.Play()(ev.Planned, plan=plan).end().events)
    assert f"overridden pin {pin}" in text


# --- nothing gets out -----------------------------------------------------------------------------


def test_the_policy_names_the_very_style_and_script() -> None:
    text = render_html(Fleet.of(samples.install()))
    found = Page(text).all("meta", **{"http-equiv": "Content-Security-Policy"})
    policy = dict(part.split(" ", 1) for part in (found[0]["content"] or "").split("; "))
    assert policy["default-src"] == "'none'"
    for tag in ("style", "script"):
        (body,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = render_html(Fleet.of(samples.install()))
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    assert not re.search(r"url\(|@import|https?:", style)
    assert not re.search(r"fetch\(|XMLHttp|import\(|innerHTML|eval\(|https?:", script)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_is_text(payload: str) -> None:
    plain = page(samples.fleet())
    hostile = page(everywhere(samples.fleet(), payload))
    scripts = [len(one.all("script")) for one in (plain, hostile)]
    assert scripts == [1, 1]
    assert not any(name.startswith("on") for _, a in hostile.tags for name in a)


def test_a_host_that_sends_whatever_hurts_is_bounded() -> None:
    text = render_html(Fleet.of(samples.hostile()))
    Page(text)
    assert len(text) < 100_000
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_events())
def test_any_list_of_events_makes_a_page(events: list[Event]) -> None:
    page(events)


# --- a thousand hosts -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_thousand_hosts_are_a_small_page() -> None:
    text = render_html(Fleet.of(runs.Fleet(1000).events()))
    assert len(text.encode()) < 5_000_000
    assert text.count("<li id=") == 1000
    assert "had no room" not in text


def unlike(count: int) -> list[Event]:
    """Hosts of which each has a plan, and words, of its own."""
    events: list[Event] = []
    for number in range(count):
        play = samples.Play(f"web{number}")
        own = samples.action(
            "x", "file", Verb.ADD, f"/etc/{number}", "new",
            after="\n".join(f"{number} line {n} of a long file" for n in range(120)),
        )  # fmt: skip
        plan = samples.PLAN.model_copy(update={"host": play.host, "actions": (own,)})
        play.reached()(ev.Planned, plan=plan)
        for step in range(20):
            text = f"{number} " + "x" * 200
            play.step(f"s{step}", f"step {step}", Outcome.CHANGED, text)
        events += play.end().events
    return events


@pytest.mark.slow
def test_a_thousand_hosts_of_which_no_two_are_alike_are_a_small_page_too() -> None:
    text = render_html(Fleet.of(unlike(1000)))
    assert len(text.encode()) < 5_000_000
    assert text.count("<li id=") == 1000
    assert "700 more plans had no room on this page" in text
    assert "This plan had no room on this page" in text
    assert "Its steps had no room on this page" in text
    Page(text)


@pytest.mark.slow
def test_hosts_that_have_no_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_hosts, "_ROWS", 30)
    bad = samples.untrusted("bad")
    one = page([*unlike(40), *bad])
    text = re.sub(r"\s+", " ", " ".join(one.texts))
    assert "11 more hosts had no room on this page" in text
    assert "40 of 41 hosts would change" in text
    assert len(one.all("li")) >= 30
    assert text.index("bad") < text.index("web0")  # whoever needs eyes has room
