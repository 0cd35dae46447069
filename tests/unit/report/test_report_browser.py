"""The page in a browser: it opens at once, asks nobody for anything, and is inert and of use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwright.events import Event
from dockwright.report.fleet import Fleet
from dockwright.report.html import render_html
from tests.browser import Browser, browser, why_not
from tests.unit.report import runs, samples
from tests.unit.report.changed import PAYLOADS, everywhere

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
    pytest.mark.xdist_group("browser"),
]
_SHOWN = "[...document.querySelectorAll('#list > li')].filter(li => li.clientHeight > 0)"


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as made:
        made.window(1280, 900)
        yield made


def written(events: list[Event], directory: Path) -> Path:
    path = directory / "run.html"
    path.write_text(render_html(Fleet.of(events)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(runs.Fleet(1000).events(), tmp_path_factory.mktemp("thousand"))


def complaints(tab: Browser) -> list[object]:
    return [*tab.told("Runtime.exceptionThrown"), *tab.told("Log.entryAdded")]


def asked_for(tab: Browser) -> list[str]:
    urls = [str(one["request"]["url"]) for one in tab.told("Network.requestWillBeSent")]
    return [url for url in urls if not url.startswith(("file:", "data:,"))]


def test_a_thousand_hosts_are_there_and_nothing_is_asked_for(tab: Browser, thousand: Path) -> None:
    tab.open(thousand)
    assert tab.look(f"{_SHOWN}.length") == 100
    assert complaints(tab) == []
    assert asked_for(tab) == []


def test_hosts_are_found_filtered_and_sorted(tab: Browser, thousand: Path) -> None:
    tab.open(thousand, "#o=failed")
    assert tab.look("document.getElementById('count').textContent") == "40 of 1000 hosts"
    assert tab.look(f"{_SHOWN}.every(li => li.dataset.o === 'failed')")
    tab.open(thousand, "#q=pull%20rate")
    assert tab.look("document.getElementById('count').textContent") == "13 of 1000 hosts"
    tab.open(thousand, "#s=slow")
    seconds = tab.look(f"{_SHOWN}.map(li => Number(li.dataset.s))")
    assert seconds == sorted(seconds, reverse=True)
    tab.look("document.querySelector('#rest button').click()")
    assert tab.look(f"{_SHOWN}.length") == 1000
    tab.look("document.querySelector('.chip[data-o=unreachable]').click()")
    assert tab.look("location.hash") == "#o=unreachable&s=slow"
    assert tab.look(f"{_SHOWN}.length") == 14
    tab.look("document.dispatchEvent(new KeyboardEvent('keydown', {key: '/'}))")
    assert tab.look("document.activeElement.id") == "find"


def test_a_link_to_a_host_opens_it_wherever_it_is(tab: Browser, thousand: Path) -> None:
    tab.open(thousand, "#h700")
    assert tab.look("document.querySelector('#h700 details').open")
    assert tab.look("document.querySelector('#h700').clientHeight") > 200


def test_it_reads_without_its_script(tab: Browser, thousand: Path) -> None:
    tab.open(thousand, script=False)
    tab.send("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.look(f"{_SHOWN}.length") == 1000
    assert tab.look("document.querySelector('.tools').offsetHeight") == 0
    assert tab.look("document.querySelectorAll('button:not([hidden] *)').length") == 0


def test_a_command_is_copied(tab: Browser, tmp_path: Path) -> None:
    tab.open(written(samples.broken(), tmp_path))
    tab.look(
        "new Promise(done => { document.addEventListener('copy', done); "
        "navigator.clipboard.writeText = text => { window.copied = text; done(); "
        "return Promise.resolve(); }; document.querySelector('.cmd button').click(); })"
    )
    assert tab.look("window.copied ?? String(getSelection())") == "dockwright install web1"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_does_nothing(tab: Browser, tmp_path: Path, payload: str) -> None:
    path = written(everywhere(samples.fleet(), payload), tmp_path)
    for script in (True, False):
        tab.open(path, script=script)
        assert complaints(tab) == []
        assert asked_for(tab) == []
    tab.send("Emulation.setScriptExecutionDisabled", value=False)
    assert "· dockwright" in tab.look("document.title")
    assert (
        tab.look("document.querySelectorAll('img, iframe, object, script:not(:last-child)').length")
        == 0
    )


def test_what_got_out_would_not_run(tab: Browser, tmp_path: Path) -> None:
    """The second wall: a script that somebody gets into the page is refused by its policy."""
    path = written(samples.install(), tmp_path)
    owned = "<script>document.title = 'owned'</script><img src='http://127.0.0.1:9/x.png'>"
    path.write_text(path.read_text().replace("<main", owned + "<main"))
    tab.open(path)
    assert tab.look("document.title") != "owned"
    said = " ".join(str(one) for one in complaints(tab))
    assert "script-src" in said
    assert "img-src" in said


@pytest.mark.parametrize("width", [390, 820, 1280])
@pytest.mark.parametrize("name", ["install", "broken", "hostile", "fleet"])
def test_nothing_is_wider_than_the_window(
    tab: Browser, tmp_path: Path, width: int, name: str
) -> None:
    tab.window(width, 900)
    path = written(getattr(samples, name)(), tmp_path)
    tab.open(path)
    tab.look("document.querySelectorAll('details').forEach(one => one.open = true)")
    wide = tab.look("document.documentElement.scrollWidth")
    tab.window(1280, 900)
    assert wide <= width


def test_every_text_can_be_read_in_light_and_dark(tab: Browser, tmp_path: Path) -> None:
    """Contrast of the text that there is against what is behind it: 4.5 is what WCAG AA asks for."""
    path = written(runs.Fleet(16).events(), tmp_path)
    for dark in (False, True):
        tab.window(1280, 900, dark=dark)
        tab.open(path)
        assert tab.look(_CONTRAST) == []
    tab.window(1280, 900)


_CONTRAST = """(() => {
  const parts = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => v / 255).map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parts(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || /SCRIPT|STYLE|TITLE|OPTION/i.test(e.tagName)) continue;
    const pair = [light(parts(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < 4.5) bad.add(`${e.tagName}.${e.className}: ${ratio.toFixed(2)}`);
  }
  return [...bad];
})()"""
