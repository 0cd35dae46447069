from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dockwright.errors import DockwrightError, InputError, TrustError, UnreachableError
from dockwright.trust import NotFoundError
from dockwright.trust import fetch as fetch_module
from dockwright.trust.background import Background
from dockwright.trust.fetch import fetch
from tests.unit.trust.making import told

Answer = Callable[["Handler"], None]
SECRET = "sesame"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self)
        self.server.answers.get(self.path, text(404))(self)

    def do_CONNECT(self) -> None:
        self.server.asked.append(self)
        self.send_error(407)

    def log_message(self, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A web server on this machine's loopback; ``answers`` by path, ``asked`` in order."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[Handler] = []
        self.scheme = "http"

    def url(self, path: str, login: str = "") -> str:
        return f"{self.scheme}://{login}127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that go away are what is tested


def text(status: int = 200, body: bytes = b"hello", /, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def web() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "RETRY_PAUSES", (0.0, 0.0))


def get(url: str, **options: Any) -> bytes:
    return fetch(url, **{"limit": 1000, "deadline": 5.0, **options})


def failure(kind: type[DockwrightError], url: str, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        get(url, **options)
    assert type(caught.value) is kind
    message = told(caught.value)
    assert SECRET not in message
    assert "object at 0x" not in message
    return message


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


# --- good ---------------------------------------------------------------------------------------


def test_a_file(web: Server) -> None:
    web.answers["/gpg"] = text(200, b"key")
    assert get(web.url("/gpg")) == b"key"
    (asked,) = web.asked
    assert asked.headers["User-Agent"] == "dockwright"
    assert asked.headers["Accept-Encoding"] == "identity"


def test_a_packed_file_stays_packed(web: Server) -> None:
    web.answers["/Packages.gz"] = text(200, b"\x1f\x8bpacked", Content_Encoding="gzip")
    assert get(web.url("/Packages.gz")) == b"\x1f\x8bpacked"


def test_credentials_go_to_the_server_alone(web: Server) -> None:
    web.answers["/gpg"] = text(302, Location=web.url("/there"))
    web.answers["/there"] = text(302, Location=web.url("/x").replace("127.0.0.1", "localhost"))
    web.answers["/x"] = text()
    assert get(web.url("/gpg", f"me:{SECRET}%40@")) == b"hello"
    login = f"Basic {b64encode(f'me:{SECRET}@'.encode()).decode()}"
    assert [asked.headers["Authorization"] for asked in web.asked] == [login, login, None]


def test_a_broken_connection_is_tried_again(web: Server) -> None:
    def broken(handler: Handler) -> None:
        if len(web.asked) < 3:
            handler.connection.close()
        else:
            text()(handler)

    web.answers["/gpg"] = broken
    assert get(web.url("/gpg")) == b"hello"
    web.asked.clear()

    def busy(handler: Handler) -> None:
        text(503 if len(web.asked) < 3 else 200)(handler)

    web.answers["/gpg"] = busy
    assert get(web.url("/gpg")) == b"hello"


# --- bad ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410])
def test_not_found(web: Server, status: int) -> None:
    web.answers["/gpg"] = text(status)
    message = failure(NotFoundError, web.url("/gpg", f"me:{SECRET}@"))
    assert f"there is nothing ({status}" in message
    assert len(web.asked) == 1


@pytest.mark.parametrize(("status", "times"), [(403, 1), (500, 1), (503, 3), (407, 1), (302, 1)])
def test_other_answers(web: Server, status: int, times: int) -> None:
    web.answers["/gpg"] = text(status)
    assert f"the server answered {status}" in failure(UnreachableError, web.url("/gpg"))
    assert len(web.asked) == times


def test_refused() -> None:
    message = failure(UnreachableError, f"http://me:{SECRET}@127.0.0.1:{closed_port()}/gpg")
    assert "why: Connection refused" in message
    assert "Check the network" in message


def test_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **options: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "(DNS)" in failure(UnreachableError, f"https://me:{SECRET}@vendor.test/gpg")


def test_a_name_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in Python bounds a look-up of a name; the deadline does."""
    free = threading.Event()

    def hang(*args: Any, **options: Any) -> None:
        free.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    message = failure(UnreachableError, "http://vendor.test/gpg", deadline=0.1)
    free.set()
    assert "not done after 0.1 seconds" in message
    assert time.monotonic() - began < 30


def test_t08_a_slow_drip(web: Server) -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(6000):
            handler.wfile.write(b"x")
            time.sleep(0.01)

    web.answers["/gpg"] = drip
    began = time.monotonic()
    assert "not done" in failure(UnreachableError, web.url("/gpg"), deadline=0.15)
    assert time.monotonic() - began < 30


def test_t08_a_drip_is_noticed_by_the_thread_itself(web: Server) -> None:
    """It does not go on after its caller has left."""

    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(500):
                handler.wfile.write(b"x" * 10)
                time.sleep(0.01)
            return
        gone.set()

    gone = threading.Event()
    web.answers["/gpg"] = drip
    work = fetch_module._Get(web.url("/gpg"), limit=100000, deadline=0.1, proxy=None)
    with pytest.raises(UnreachableError, match="not done in time"):
        work.run()
    assert gone.wait(60)


def test_silence(web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "SILENCE_SECONDS", 0.05)
    web.answers["/gpg"] = lambda _: time.sleep(0.3)
    assert "nothing comes" in failure(UnreachableError, web.url("/gpg"))
    assert len(web.asked) == 3


def test_no_connection_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "CONNECT_SECONDS", 0.05)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # The kernel lets nobody else in once the queue is full.
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        message = failure(UnreachableError, f"http://127.0.0.1:{port}/gpg")
        for client in waiting:
            client.close()
    assert "no connection in time" in message


def test_pauses_end_with_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "RETRY_PAUSES", (60.0, 60.0))
    began = time.monotonic()
    failure(UnreachableError, f"http://127.0.0.1:{closed_port()}/")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("headers", [{}, {"Content_Length": "5000000000"}])
def test_t08_too_large(web: Server, headers: dict[str, str]) -> None:
    web.answers["/gpg"] = text(200, b"x" * 5000, **headers)
    assert "at most 1000 bytes" in failure(TrustError, web.url("/gpg"))
    assert len(web.asked) == 1


def test_t08_endless(web: Server) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"x" * 1000)

    web.answers["/gpg"] = endless
    assert "at most 5000 bytes" in failure(TrustError, web.url("/gpg"), limit=5000)


def test_exactly_as_large_as_it_may_be(web: Server) -> None:
    web.answers["/gpg"] = text(200, b"x" * 1000)
    assert len(get(web.url("/gpg"))) == 1000


def test_cut_short(web: Server) -> None:
    web.answers["/gpg"] = text(200, b"abc", Content_Length="10", Connection="close")
    assert "IncompleteRead" in failure(UnreachableError, web.url("/gpg"))
    assert len(web.asked) == 3


def test_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(3):
                client, _ = server.accept()
                with client:
                    client.recv(1000)
                    client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        failure(UnreachableError, f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vendor.test/gpg",
        f"ftp://me:{SECRET}@x/",
        "file:///etc/passwd",
        "http://[x/",
        "http:///x",
    ],
)
def test_no_address(url: str) -> None:
    assert "http://" in failure(InputError, url) or "no URL" in failure(InputError, url)


@pytest.mark.parametrize("url", ["http://x:port/", "http://x:99999999/"])
def test_no_port(url: str) -> None:
    assert "no URL" in failure(InputError, url)


def test_a_host_that_no_name_can_be() -> None:
    failure(UnreachableError, f"http://{'a' * 300}/")


# --- redirects ----------------------------------------------------------------------------------


def test_a_loop(web: Server) -> None:
    web.answers["/gpg"] = text(301, Location="/gpg")
    assert "more than 5 redirects" in failure(UnreachableError, web.url("/gpg"))
    assert len(web.asked) == 6


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://x/", "http://[broken", f"http://me:{SECRET}@x:port/"]
)
def test_redirects_to_no_web_address(web: Server, target: str) -> None:
    web.answers["/gpg"] = text(302, Location=target)
    assert "a redirect to what is no URL" in failure(UnreachableError, web.url("/gpg"))


def test_queries_are_not_told(web: Server) -> None:
    web.answers["/gpg"] = text(302, Location=f"/there?signature={SECRET}")
    assert "/there?***" in failure(NotFoundError, web.url("/gpg"))


# --- TLS ----------------------------------------------------------------------------------------


@dataclass
class Secure:
    """A server with a certificate of its own, and that certificate's file."""

    server: Server
    certificate: Path
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "tls.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = tmp_path / "both.pem"
    both.write_bytes(
        path.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.scheme = "https"
    with serving(server):
        yield Secure(server, path)


def test_tls_that_is_trusted(secure: Secure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secure.certificate))
    secure.server.answers["/gpg"] = text()
    assert get(secure.server.url("/gpg")) == b"hello"


def test_t16_tls_that_is_not_trusted(secure: Secure) -> None:
    secure.server.answers["/gpg"] = text()
    message = failure(TrustError, secure.server.url("/gpg", f"me:{SECRET}@"))
    assert "certificate is not trusted" in message
    assert "self-signed" in message.replace("self signed", "self-signed")
    assert secure.server.asked == []


def test_never_down_from_https(
    secure: Secure, web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secure.certificate))
    web.answers["/gpg"] = text(302, Location=secure.server.url("/gpg"))
    secure.server.answers["/gpg"] = text(302, Location=web.url("/plain"))
    web.answers["/plain"] = text()
    message = failure(TrustError, web.url("/gpg"))
    assert "from https down to http" in message
    assert f"got: {web.url('/plain')}" in message
    assert [asked.path for asked in web.asked] == ["/gpg"]


def test_no_tls_there(web: Server) -> None:
    assert "no TLS connection" in failure(
        UnreachableError, web.url("/gpg").replace("http:", "https:")
    )


# --- proxies ------------------------------------------------------------------------------------


def test_through_a_proxy(web: Server) -> None:
    web.answers["http://vendor.test/gpg"] = text()
    assert get("http://vendor.test/gpg", proxy=web.url("/", f"me:{SECRET}@")) == b"hello"
    login = f"Basic {b64encode(f'me:{SECRET}'.encode()).decode()}"
    assert web.asked[0].headers["Proxy-Authorization"] == login


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_asks_for_a_login(web: Server, scheme: str) -> None:
    web.answers["http://vendor.test/gpg"] = text(407)
    message = failure(
        UnreachableError, f"{scheme}://vendor.test/gpg", proxy=web.url("", f"me:{SECRET}@")
    )
    assert f"the proxy {web.url('')} does not let us through: 407" in message
    assert "Check the proxy and its credentials" in message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_dead(scheme: str) -> None:
    proxy = f"http://me:{SECRET}@127.0.0.1:{closed_port()}"
    message = failure(UnreachableError, f"{scheme}://vendor.test/gpg", proxy=proxy)
    assert "the proxy http://127.0.0.1:" in message
    assert "Connection refused" in message


@pytest.mark.parametrize("proxy", [f"socks5://me:{SECRET}@x:1", f"http://me:pass/{SECRET}@x:1"])
def test_no_proxy(proxy: str) -> None:
    assert "the proxy's" in failure(InputError, "http://vendor.test/gpg", proxy=proxy)


# --- background ---------------------------------------------------------------------------------


def test_background() -> None:
    assert Background(lambda: 7).result() == 7
    with pytest.raises(ZeroDivisionError):
        Background(lambda: 1 // 0).result(1)
    with pytest.raises(TimeoutError):
        Background(lambda: time.sleep(0.2)).result(0.01)
