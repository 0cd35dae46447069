"""A headless Chromium that opens a page and looks at it; skipped where there is none.

It is spoken to over two pipes, in the DevTools protocol: JSON, each message ended by a zero byte.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--disable-extensions", "--remote-debugging-pipe",
)  # fmt: skip
# The two pipes have to be numbers 3 and 4.
_START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
_DEADLINE = 60.0


def why_not() -> str:
    """Why no page can be opened here; empty where one can."""
    return "" if _binary() else "no Chromium here: apt-get install chromium"


def _binary() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own; both are gone afterwards."""
    binary = _binary()
    assert binary is not None, why_not()
    theirs_in, ours_out = map(_high, os.pipe())
    ours_in, theirs_out = map(_high, os.pipe())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs_in), str(theirs_out), binary, *_FLAGS,
             f"--user-data-dir={profile}"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        made = Browser(ours_out, ours_in)
        try:
            yield made
        finally:
            with contextlib.suppress(OSError, AssertionError):
                made.send("Browser.close")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
            os.close(ours_out)
            os.close(ours_in)


def _high(descriptor: int) -> int:
    """Out of the way of 3 and 4."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(descriptor)
    return int(moved)


class Browser:
    """One tab. ``events`` are all that it told of itself: requests, dialogs, what went wrong."""

    def __init__(self, out: int, into: int) -> None:
        self._out, self._in = out, into
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        found = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and give its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            told = self._read()
            if told.get("id") == self._number:
                assert "error" not in told, told["error"]
                result: dict[str, Any] = told["result"]
                return result
            self.events.append(told)

    def open(self, page: Path, fragment: str = "", *, script: bool = True) -> float:
        """Open a file and give the seconds until it was loaded and drawn."""
        self.send("Emulation.setScriptExecutionDisabled", value=not script)
        self._go("about:blank")  # else only the fragment may change
        began = time.monotonic()
        self._go(f"file://{page.resolve()}{fragment}")
        self.send("Page.captureScreenshot", format="jpeg", quality=1)
        return time.monotonic() - began

    def window(self, width: int, height: int, *, dark: bool = False, scale: float = 1) -> None:
        """The size of the window, and the colours that its user prefers."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=scale, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def shot(self, path: Path, *, whole: bool = False) -> None:
        """A picture of the window, or of the whole page, in a window as high as the page is."""
        if whole:
            width, height = self.look("[innerWidth, document.documentElement.scrollHeight]")
            self.send(
                "Emulation.setDeviceMetricsOverride", width=width, height=min(height, 12_000),
                deviceScaleFactor=1, mobile=width < 600,
            )  # fmt: skip
            self.look("new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")
        result = self.send("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(result["data"]))

    def look(self, expression: str) -> Any:
        """What a JavaScript expression is, by value; it may be a promise."""
        result = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def told(self, method: str) -> list[dict[str, Any]]:
        """The parameters of the events of that kind since the page was opened."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def _go(self, url: str) -> None:
        self.events.clear()
        self.send("Page.navigate", url=url)
        while not self.told("Page.loadEventFired"):
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], _DEADLINE)
            data = os.read(self._in, 1 << 20) if ready else b""
            assert data, "the browser does not answer"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told
