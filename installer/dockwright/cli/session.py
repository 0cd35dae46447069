"""One run of a command over its hosts: reporters, questions, signals, and the exit code."""

from __future__ import annotations

import getpass
import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TextIO

from typing_extensions import Self

from dockwright import app
from dockwright.app import Prepared, Request
from dockwright.channel import Transport
from dockwright.cli.options import HostKeys, Reach, Show
from dockwright.cli.terminal import Terminal, interactive, password_source
from dockwright.errors import Exit, InputError
from dockwright.events import Event
from dockwright.models import Host
from dockwright.plan import HostPlan
from dockwright.report import REPORTERS, Output, Reporter
from dockwright.report.jsonl import JsonlReporter
from dockwright.report.tally import HostTally, exit_code, fold
from dockwright.runner import Stop
from dockwright.transport import Asker, ConnectOptions, Silent, open_transport
from dockwright.transport.target import parse_target


class Session:
    """Hosts, how they are reached, and where events go. Use as a context manager."""

    def __init__(
        self, targets: Sequence[str], reach: Reach, show: Show, *, stream: TextIO | None = None
    ) -> None:
        self._stream = stream or sys.stdout
        self.implied = not targets
        self.hosts = _unique([parse_target(target) for target in targets or ["local"]])
        self._show = show
        self._reach = reach
        self._console: Reporter | None = None
        self._log: Reporter | None = None
        self._console_lock = threading.RLock()
        self._tallies: dict[str, HostTally] = {}
        self._prepared: list[Prepared] = []
        self.stop = Stop()
        asks = interactive() and not reach.no_input
        self.terminal = Terminal(self._paused) if asks else None
        self._options = ConnectOptions(
            user=reach.user,
            identity=tuple(reach.identity or ()),
            jump=reach.jump,
            known_hosts=reach.known_hosts,
            host_keys=(reach.host_keys or (HostKeys.ASK if asks else HostKeys.STRICT)).value,
            connect_timeout=reach.connect_timeout,
            sudo_password_source=password_source(
                reach.sudo_password_file, ask_now=reach.ask_sudo_password
            ),
        )

    def __enter__(self) -> Self:
        if self._show.log is not None:
            self._log = JsonlReporter.to_file(self._show.log)
        if self.terminal is not None:
            self.terminal.remember()
        return self

    def __exit__(self, *_: object) -> None:
        for prepared in self._prepared:
            prepared.close()
        if self.terminal is not None:
            self.terminal.restore()
        for reporter in (self._console, self._log):
            if reporter is not None:
                reporter.close()

    # --- stages ---------------------------------------------------------------------------

    def gather(self, request: Request) -> list[Prepared]:
        """Facts of all hosts."""
        return self._look(app.gather, request)

    def prepare(self, request: Request) -> list[Prepared]:
        """Plans of all hosts."""
        prepared = self._look(app.prepare, request)
        self._tell(app.twins(prepared))
        return prepared

    def take_up(self, plans: dict[str, HostPlan], request: Request) -> list[Prepared]:
        """Connect for saved plans, by host."""

        def stage(prepared: Prepared, request: Request, connect: app.Connect) -> Iterator[Event]:
            return app.take_up(prepared, plans[prepared.host.name], request, connect)

        return self._look(stage, request)

    def _look(
        self,
        stage: Callable[[Prepared, Request, app.Connect], Iterator[Event]],
        request: Request,
        hosts: tuple[Host, ...] | None = None,
    ) -> list[Prepared]:
        self._prepared = [Prepared(host=host) for host in hosts or self.hosts]
        stages = (
            partial(app.guarded, prepared, stage(prepared, request, self._connect))
            for prepared in self._prepared
        )
        if not all(host.local for host in self.hosts):
            # In one go: two threads that import at the same time are no faster than one.
            importlib.import_module("dockwright.transport.remote")
        stream = app.interleave(stages, self._reach.forks)
        # While the hosts answer, what their answers need is loaded.
        for name in _NEEDED_NEXT:
            importlib.import_module(name)
        self._tell(stream)
        return self._prepared

    def finish(self) -> None:
        """End a run that only looked."""
        for prepared in self._prepared:
            if not prepared.finished:
                self._tell(app.finish(prepared))

    def carry_out(self, request: Request) -> None:
        """Change the hosts; Ctrl-C once stops after the running step, twice leaves at once."""
        going = [prepared for prepared in self._prepared if not prepared.finished]
        stages = (
            partial(app.guarded, prepared, app.carry_out(prepared, request, self.stop))
            for prepared in going
        )
        with self._interruptible():
            self._tell(app.interleave(stages, self._reach.forks))

    def attach(self, request: Request) -> None:
        """Follow what is under way on the hosts, or show how the last run there ended."""

        def stage(prepared: Prepared, request: Request, connect: app.Connect) -> Iterator[Event]:
            return app.attach(prepared, request, connect, self.stop)

        with self._interruptible():
            self._look(stage, request)

    def again(self, request: Request) -> bool:
        """Plan anew for hosts that were only made fit to be planned for; whether there are any."""
        due = [
            prepared
            for prepared in self._prepared
            if prepared.again and self._tallies[prepared.host.name].code is Exit.OK
        ]
        for prepared in due:
            prepared.close()
        if due and not self.stop.after_step.is_set():
            self._look(app.prepare, request, tuple(prepared.host for prepared in due))
            return True
        return False

    def exit(self) -> Exit:
        """The exit code of the run, from its events."""
        return exit_code(self._tallies.values(), detailed=self._show.detailed)

    # --- inner ----------------------------------------------------------------------------

    def _connect(self, host: Host) -> Transport:
        asker: Asker = self.terminal or Silent()
        return open_transport(host, self._options, asker)

    def _reporter(self) -> Reporter:
        """The console (or the JSON lines), made when there is something to tell."""
        with self._console_lock:
            if self._console is None:
                output = Output(
                    stream=self._stream,
                    hosts=tuple(host.name for host in self.hosts),
                    color=self._show.color.value,
                    quiet=self._show.quiet,
                    verbose=self._show.verbose,
                )
                self._console = REPORTERS["jsonl" if self._show.as_json else "console"](output)
            return self._console

    def _tell(self, stream: Iterator[Event]) -> None:
        for event in stream:
            self._tallies[event.host] = fold(self._tallies.get(event.host), event)
            self._reporter()(event)
            if self._log is not None:
                self._log(event)

    def _paused(self) -> AbstractContextManager[None]:
        pause: Callable[[], AbstractContextManager[None]]
        pause = getattr(self._reporter(), "paused", nullcontext)
        return pause()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        def on_signal(number: int, _frame: object) -> None:
            if number == signal.SIGINT and not self.stop.after_step.is_set():
                self.stop.after_step.set()
                with self._paused():
                    sys.stderr.write(
                        "stopping after the running step; Ctrl-C again leaves it running there\n"
                    )
            else:
                self.stop.now.set()

        before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


_NEEDED_NEXT = ("dockwright.planner", "dockwright.trust.key", "dockwright.report.console")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def operator() -> str:
    """Who runs this, for the host's journal: ``user@controller``."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # no such entry: a container with a bare uid
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def _unique(hosts: list[Host]) -> tuple[Host, ...]:
    twins = {host.name for host in hosts if [h.name for h in hosts].count(host.name) > 1}
    if twins:
        raise InputError(f"named twice: {', '.join(sorted(twins))}", next_step="name it once")
    return tuple(hosts)
