"""A thousand hosts on one port: an SSH server that has many addresses, and liars among them.

All of 127.0.0.0/8 is this machine. The second number of an address says what the host there is like;
hosts that are well do a real key exchange and login, hand over the recorded answer of a host, and
each has a machine-id of its own. Run as a program, in a process of its own: a test wants to know what
the controller costs, and not the hosts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

WELL, WRONG_KEY, SLOW, ENDLESS, GARBAGE, TALKS, SILENT, REFUSED, BUSY = range(10, 19)
NONCE = b"NONCE"


class Session(paramiko.ServerInterface):
    """Lets everybody in, and answers commands by the kind of host."""

    def __init__(self, kind: int, address: str, facts: bytes) -> None:
        self.kind, self.address, self.facts = kind, address, facts

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self.run, args=(channel, command), daemon=True).start()
        return True

    def run(self, channel: paramiko.Channel, command: bytes) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            if self.kind == TALKS:
                while True:
                    channel.sendall(b"noise " * 5000)
            (nonce,) = re.findall(rb"n=([0-9a-f]+);", command)
            channel.sendall(b"\nREADY " + nonce + b" root\n")
            stdin = channel.makefile("rb")
            length = int((stdin.readline().split() or [b"", b"0"])[1])
            if not length:
                return
            script = stdin.read(length)
            if self.kind == ENDLESS:
                while True:
                    channel.sendall(b"x" * 30000 + b"\n")
            if self.kind == BUSY:  # with a program that says nothing for now
                (asked,) = re.findall(rb"none - -\\n' '?([0-9a-f]+)", script)
                channel.sendall(b"dw1 " + asked + b" joined - - 2026-01-01-abcdef\n")
                stdin.read()
                return
            (asked,) = re.findall(rb"(?m)^set -- ([0-9a-f]+)$", script)
            text = self.facts.replace(NONCE, asked)
            identity = hashlib.sha256(self.address.encode()).hexdigest()[:32].encode()
            text = re.sub(rb"(?m)^machine_id .*$", b"machine_id " + identity, text)
            text = re.sub(rb"(?m)^clock .*$", b"clock %d" % time.time(), text)
            channel.sendall(text)
            channel.send_exit_status(0)
            channel.close()


def serve(caller: socket.socket, keys: dict[int, paramiko.PKey], facts: bytes) -> None:
    address = caller.getsockname()[0]
    kind = int(address.split(".")[1])
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        if kind == SLOW:
            while caller.send(b"S"):  # a banner that never comes to its end
                time.sleep(0.5)
        if kind == GARBAGE:
            while True:
                caller.sendall(os.urandom(1000))
        transport = paramiko.Transport(caller)
        transport.add_server_key(keys.get(kind, keys[WELL]))
        transport.start_server(server=Session(kind, address, facts), event=threading.Event())


def mute() -> None:
    """What liars and hurried callers do to Paramiko is no news here."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    logging.getLogger("paramiko").propagate = False


def main() -> None:
    """Argument: the file of recorded facts. Prints ports and host keys, and serves until its stdin ends."""
    mute()
    facts = Path(sys.argv[1]).read_bytes()
    keys: dict[int, Any] = {
        WELL: paramiko.ECDSAKey.generate(),
        WRONG_KEY: paramiko.ECDSAKey.generate(),
    }
    listener = socket.create_server(("", 0), backlog=1024)
    silent = socket.create_server(("", 0), backlog=0)
    # Whose queue is full gets no answer: what a firewall that drops looks like.
    full = []
    for _ in range(3):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(silent.getsockname())
        full.append(one)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    print(
        json.dumps(
            {
                "port": listener.getsockname()[1], "silent": silent.getsockname()[1],
                "refused": nobody, "key": f"{keys[WELL].get_name()} {keys[WELL].get_base64()}",
            }
        ),
        flush=True,
    )  # fmt: skip

    def accept() -> None:
        while True:
            caller, _ = listener.accept()
            threading.Thread(target=serve, args=(caller, keys, facts), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
