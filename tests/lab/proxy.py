"""An HTTP proxy for tests: CONNECT and GET, with a login or without one.

Run by :meth:`tests.lab.lab.Lab.proxy` inside the lab's namespaces, where it knows the vendor's names.
Standard input gives ``USER:PASSWORD``, or an empty line; each request is one line of standard output:
its status, method and target, and never its headers.
"""

from __future__ import annotations

import base64
import hmac
import select
import socket
import sys
import threading
from urllib.parse import urlsplit

HEAD_LIMIT = 64 * 1024  # bytes


def _tell(*words: str) -> None:
    """One line, in one piece: connections have threads of their own."""
    sys.stdout.write(f"{' '.join(words)}\n")
    sys.stdout.flush()


def _answer(client: socket.socket, status: str) -> None:
    extra = "Proxy-Authenticate: Basic realm=lab\r\n" if status.startswith("407") else ""
    client.sendall(f"HTTP/1.1 {status}\r\n{extra}Content-Length: 0\r\n\r\n".encode())


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)


def _read_head(client: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_LIMIT:
        data = client.recv(4096)
        if not data:
            return b""
        head += data
    return head


def _serve(client: socket.socket, right: str) -> None:
    """One connection: one tunnel, or one request (its answer ends the connection)."""
    with client:
        head = _read_head(client)
        if not head:
            return
        lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = [
            line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:"))
        ]
        given = [line.split(": ", 1)[1] for line in lines if line.lower().startswith("proxy-auth")]
        allowed = not right or any(hmac.compare_digest(word, right) for word in given)
        _tell("ok" if allowed else "407", method, target)
        if not allowed:
            _answer(client, "407 Proxy Authentication Required")
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        try:
            server = socket.create_connection((parts.hostname or "", parts.port or 80), 10)
        except OSError:
            _answer(client, "502 Bad Gateway")
            return
        with server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
                request = [f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""]
                server.sendall("\r\n".join(request).encode("latin-1"))
            _pass_on(client, server)


def _quietly(client: socket.socket, right: str) -> None:
    try:
        _serve(client, right)
    except OSError as error:  # whoever asked has gone
        _tell("broken", type(error).__name__, "-")


def main(address: str) -> None:
    """Serve at ``address`` on any free port, which is the first line that is printed."""
    login = sys.stdin.readline().strip()
    right = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
    with socket.create_server((address, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client = listener.accept()[0]
            threading.Thread(target=_quietly, args=(client, right), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
