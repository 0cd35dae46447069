"""Key and index through a host: one round trip, its answer bounded, apt's words as our errors."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from pysequoia import Tsk

from dockwright import renderer, trust
from dockwright.app import Way, consult, through_host
from dockwright.app.through_host import HostFetch
from dockwright.errors import DockwrightError, RefusedError, TrustError, UnreachableError
from dockwright.steps import RepositoryWish
from tests.fakes import FakeChannel, FakeTransport
from tests.unit.playing import run_id_of
from tests.unit.trust.making import NOW, Site, Wish, docker_site, pin

URL = "https://download.docker.com/linux/debian/gpg"
OTHER = "https://download.docker.com/linux/debian/dists/trixie/InRelease"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def told(*lines: str) -> Callable[[str], FakeChannel]:
    def answer(script: str) -> FakeChannel:
        run_id = run_id_of(script)
        return FakeChannel([f"dw1 {run_id} {line}\n".encode() for line in lines])

    return answer


def got(number: int, data: bytes, size: int = 7) -> list[str]:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [*(f"data {number} 0 {b64(piece)}" for piece in pieces), f"got {number} 1"]


def asked(answer: Callable[[str], FakeChannel], limit: int = 100) -> bytes:
    host = FakeTransport([answer])
    return HostFetch(host, {})(URL, limit=limit, deadline=60.0)


def test_what_is_asked_for_first_comes_in_one_go() -> None:
    host = FakeTransport([told(*got(1, b"the key"), *got(2, b"the index\n\0\xff"), "end - 2 0")])
    fetch = HostFetch(host, {URL: 100, OTHER: 200})
    assert fetch(OTHER, limit=200, deadline=60.0) == b"the index\n\0\xff"
    assert fetch(URL, limit=100, deadline=60.0) == b"the key"
    assert len(host.scripts) == 1
    assert host.scripts[0].count("/usr/lib/apt/apt-helper -q") == 1
    assert [channel.closed for channel in host.channels] == [True]


def test_asking_again_asks_the_host_again() -> None:
    answers = [told(*got(1, text), "end - 2 0") for text in (b"old", b"new")]
    fetch = HostFetch(FakeTransport(list(answers)), {URL: 100})
    assert [fetch(URL, limit=9, deadline=60.0) for _ in answers] == [b"old", b"new"]


def test_a_host_that_sends_more_than_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file: it is refused as any server's. Around the files: the host is given up."""
    with pytest.raises(TrustError, match="larger than"):
        asked(told(*got(1, b"x" * 101, size=50), "end - 2 0"))
    monkeypatch.setattr(through_host, "_NOISE", 1000)
    noise = FakeChannel([b"A" * 600 + b"\n"] * 1_000_000)
    with pytest.raises(UnreachableError, match="more than the files"):
        HostFetch(FakeTransport([noise]), {})(URL, limit=100, deadline=60.0)
    assert noise.closed
    assert len(noise._chunks) > 999_000


def test_a_host_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through_host, "_SLACK", -0.9)
    slow = FakeChannel(["silence"] * 1_000_000)
    with pytest.raises(UnreachableError):
        HostFetch(FakeTransport([slow]), {})(URL, limit=100, deadline=1.0)
    assert slow.closed


@pytest.mark.parametrize(
    "lines",
    [(), ("end - 2 0",), ("data 1 0 aGVsbG8=",), ("got 7 1", "end - 2 0"), ("nonsense",)],
)
def test_a_host_that_does_not_answer_as_asked(lines: tuple[str, ...]) -> None:
    with pytest.raises(UnreachableError, match="broke off"):
        asked(told(*lines))


def test_garbage_is_what_the_judges_see() -> None:
    assert asked(told("data 1 0 %%%", "got 1 1", "end - 2 0")) == b""


def test_what_the_script_stops_with() -> None:
    text = b64(b"3 0 this host has no /usr/lib/apt/apt-helper")
    with pytest.raises(RefusedError, match="no /usr/lib/apt/apt-helper"):
        asked(told(f"stop fetch 1 {text}", "output fetch 1 ", "end - 2 3"))


# --- apt's words ----------------------------------------------------------------------------------

IP = "[IP: 10.99.0.1 443]"
GNUTLS = "Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown.  Could not handshake: Error in the certificate verification."
SAID = [
    (f"404  Not Found {IP}", trust.NotFoundError, "404 Not Found"),
    (f"503  Service Unavailable {IP}", UnreachableError, "503"),
    (f"{GNUTLS} {IP}", TrustError, "certificate is not trusted by the host"),
    (f"SSL connection failed: error:0A000086:SSL routines::certificate verify failed / Success {IP}",
     TrustError, "certificate is not trusted by the host"),
    ("Could not connect to download.docker.com:443 (10.0.0.1). - connect (111: Connection refused)",
     UnreachableError, "Connection refused"),
    ("Temporary failure resolving 'download.docker.com'", UnreachableError, "resolving"),
    (f"Redirection from https to 'http://user:pw@a.example/gpg' is forbidden {IP}",
     TrustError, "from https down to http"),
    ("Could not connect to cache.example:3128 (10.0.0.9). - connect (111: Connection refused)",
     UnreachableError, "the proxy http://cache.example:3128"),
    ("Temporary failure resolving 'cache.example'", UnreachableError, "the proxy http://cache"),
    (f"407  Proxy Authentication Required {IP}", UnreachableError, "the proxy http://cache"),
    (f"Invalid response from proxy: HTTP/1.1 407 Proxy Authentication Required  {IP}",
     UnreachableError, "the proxy http://cache"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "kind", "words"), SAID, ids=[reason[:30] for reason, *_ in SAID]
)
def test_apts_words(reason: str, kind: type[DockwrightError], words: str) -> None:
    """As apt 2.6.1 and 3.0.4 print them."""
    said = f"Err:1 {URL}\n  {reason}\nE: Failed to fetch {URL}  {reason}\nE: Download Failed\n"
    lines = [
        f"proxies - 0 {b64(b'http://cache.example:3128')}",
        f"refused 1 0 {b64(said.encode())}",
    ]
    with pytest.raises(kind) as caught:
        asked(told(*lines, "end - 2 0"))
    shown = f"{caught.value.brief} {caught.value.details} {caught.value.next_step}"
    assert words in shown
    assert "10.99.0.1" not in shown
    assert "pw" not in shown
    assert caught.value.next_step


def test_proxies_that_are_none_are_passed_over() -> None:
    """A host may tell anything of its proxies; nothing of it gets into a message."""
    said = f"E: Failed to fetch {URL}  407  Proxy Authentication Required\n"
    words = b64(b"http://[::1 http://a:b@c http://x/\x1b[31m nonsense")
    lines = [f"proxies - 0 {words}", f"refused 1 0 {b64(said.encode())}", "end - 2 0"]
    with pytest.raises(UnreachableError, match="the proxy of the host's apt"):
        asked(told(*lines))


def test_too_large_and_too_late() -> None:
    said = "Get:1 x\nE: Method https has died unexpectedly!\nE: Sub-process https received signal 25.\n"
    with pytest.raises(TrustError, match="larger than"):
        asked(told(f"refused 1 0 {b64(said.encode())}", "end - 2 0"))
    with pytest.raises(UnreachableError, match="not done after 60 seconds"):
        asked(told("late 1 0", "end - 2 0"))


def test_a_407_without_a_proxy_that_is_known() -> None:
    error = trust.refused(
        URL, f"E: Failed to fetch {URL}  407  Proxy Authentication Required\n", limit=1
    )
    assert "the proxy of the host's apt" in error.brief


# --- which way ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tsk() -> Tsk:
    return Tsk.generate("Docker Release (CE deb) <docker@vendor.test>")


@pytest.fixture
def site(tsk: Tsk) -> Site:
    return docker_site(tsk)


@pytest.fixture
def wish(tsk: Tsk) -> RepositoryWish:
    return RepositoryWish(**asdict(Wish(pin(tsk))))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dockwright.app.consulting.time.time", lambda: float(NOW))


def host_of(of: Site) -> FakeTransport:
    """A host that reaches the vendor: answers each script with the files that it names."""

    def answer(script: str) -> FakeChannel:
        lines = []
        for number, limit, url in re.findall(r"(?m)^get (\d+) (\d+) 60 '?(\S+?)'? &$", script):
            lines += got(int(number), of.fetch(url, limit=int(limit), deadline=1.0), size=50_000)
        return told(*lines, "end - 2 0")(script)

    return FakeTransport([answer, answer])


def silent(*_: object, **__: object) -> bytes:
    raise UnreachableError("https://download.docker.com/x: no way", next_step="look")


@pytest.mark.usefixtures("clock")
def test_through_the_host_in_two_round_trips(
    site: Site, wish: RepositoryWish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dockwright.trust.fetch.fetch", silent)
    for way, more in ((Way.HOST, 0), (Way.AUTO, 1)):
        host = host_of(site)
        asked = consult([wish], "amd64", way=way, host=host)
        assert len(host.scripts) == 2
        assert asked.way is Way.HOST
        assert asked.seen[0].endswith("fetched through the host")
        lines = [line for line in asked.seen if "does not reach" in line]
        assert len(lines) == more
        assert asked.offers["docker"].versions["docker-ce"]
    host = host_of(site)
    with pytest.raises(UnreachableError):
        consult([wish], "amd64", way=Way.CONTROLLER, host=host)
    assert host.scripts == []


@pytest.mark.usefixtures("clock")
def test_what_a_vendor_says_is_no_reason_to_ask_another_way(
    site: Site, wish: RepositoryWish, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (TrustError("not the key"), RefusedError("nothing for noble")):

        def fetch(*_: object, error: DockwrightError = error, **__: object) -> bytes:
            raise error

        monkeypatch.setattr("dockwright.trust.fetch.fetch", fetch)
        host = host_of(site)
        with pytest.raises(type(error)):
            consult([wish], "amd64", way=Way.AUTO, host=host)
        assert host.scripts == []


@pytest.mark.usefixtures("clock")
def test_where_neither_reaches_the_vendor_both_are_told(
    site: Site, wish: RepositoryWish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dockwright.trust.fetch.fetch", silent)
    reason = f"E: Failed to fetch {wish.url}  Temporary failure resolving 'x'\n"
    lines = [f"refused {number} 0 {b64(reason.encode())}" for number in (1, 2)]
    host = FakeTransport([told(*lines, "end - 2 0")])
    with pytest.raises(UnreachableError) as caught:
        consult([wish], "amd64", way=Way.AUTO, host=host)
    assert "no way" in caught.value.brief
    assert "resolving" in dict(caught.value.details)["through the host"]


# --- the script itself ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_script_with_a_helper_of_its_own(tmp_path: Path) -> None:
    """Pieces, a refusal, and one that is late, from the very script; nothing is left in /run."""
    if os.geteuid() != 0:
        pytest.skip("the script refuses to run without root")
    helper = tmp_path / "apt-helper"
    helper.write_text(
        "#!/bin/sh\nfor target; do url=$before before=$target; done\n"
        "case $url in *gpg) head -c 100000 /dev/zero >$target ;; *slow) sleep 9 ;;"
        " *huge) head -c 9000 /dev/zero >$target || exit 100 ;;"
        ' *) echo "E: Failed to fetch $url  404  Not Found"; exit 100 ;; esac\n'
    )
    helper.chmod(0o755)
    files = {"http://v/gpg": 200_000, "http://v/slow": 10, "http://v/none": 10, "http://v/huge": 10}
    script = renderer.render_fetch(files, run_id="abc", seconds=1)
    script = script.replace("/usr/lib/apt/apt-helper", str(helper))
    before = set(Path("/run").glob("dockwright*"))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = [line.split(" ")[2:4] for line in done.stdout.splitlines()]
    assert [word for word in words if word[0] != "data"] == [
        ["proxies", "-"], ["got", "1"], ["late", "2"], ["refused", "3"], ["refused", "4"], ["end", "-"]
    ]  # fmt: skip
    assert words.count(["data", "1"]) == 3
    assert set(Path("/run").glob("dockwright*")) == before
