"""One run of a command over its hosts: reporters, questions, signals, and the exit code."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, NoReturn, TextIO

from typing_extensions import Self

from dockwright import app
from dockwright.channel import Transport
from dockwright.cli import ahead
from dockwright.cli.fleet import Fleet
from dockwright.cli.options import HostKeys, Reach, Show
from dockwright.cli.outputs import open_files
from dockwright.cli.register import complain
from dockwright.cli.terminal import Terminal, interactive, password_source
from dockwright.errors import DockwrightError, Exit, FailedError, worst
from dockwright.models import Host
from dockwright.plan import HostPlan
from dockwright.report import REPORTERS, Output, Reporter
from dockwright.transport import Asker, ConnectOptions, Silent, open_transport

if TYPE_CHECKING:  # loaded while the hosts are called
    from dockwright.app import Prepared, Request
    from dockwright.events import Event
    from dockwright.report.tally import HostTally
    from dockwright.runner import Stop


class Session:
    """Hosts, how they are reached, and where events go. Use as a context manager."""

    def __init__(
        self, fleet: Fleet, reach: Reach, show: Show, *, stream: TextIO | None = None
    ) -> None:
        self._stream = stream or sys.stdout
        self.implied = fleet.implied
        self.hosts = fleet.hosts
        for note in () if show.quiet else fleet.inventory.notes():
            sys.stderr.write(f"note: {note}\n")
        self._show = show
        self._reach = reach
        self._console: Reporter | None = None
        self._files: list[Reporter] = []
        self._unwritten: list[Exit] = []
        self._console_lock = threading.RLock()
        self._tallies: dict[str, HostTally] = {}
        self._prepared: list[Prepared] = []
        self._ahead: Transport | None = None
        self._room = app.Room(reach.forks)
        asks = interactive() and not reach.no_input
        self.terminal = Terminal(self._paused) if asks else None
        self._options = ConnectOptions(
            user=reach.user,
            identity=tuple(reach.identity or ()),
            jump=reach.jump,
            known_hosts=reach.known_hosts,
            host_keys=(reach.host_keys or (HostKeys.ASK if asks else HostKeys.STRICT)).value,
            connect_timeout=reach.connect_timeout,
            transport=reach.transport.value,
            sudo_password_source=password_source(
                reach.sudo_password_file, ask_now=reach.ask_sudo_password
            ),
        )

    @cached_property
    def stop(self) -> Stop:
        """What Ctrl-C asks for."""
        from dockwright.runner import Stop

        return Stop()

    def __enter__(self) -> Self:
        self._files = open_files(self._show)
        # Also while nothing runs on a host yet, the log and the reports are brought to their end.
        self._on_term = signal.signal(signal.SIGTERM, _terminated)
        if self.terminal is not None:
            self.terminal.remember()
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._on_term)
        for each in (*self._prepared, self._ahead):
            if each is not None:
                each.close()
        if self.terminal is not None:
            self.terminal.restore()
        for reporter in (self._console, *self._files):
            if reporter is not None:
                self._close(reporter)

    def _close(self, reporter: Reporter) -> None:
        try:
            reporter.close()
        except FailedError as error:  # of one report; the others are written all the same
            complain(error, self._show.color)
            self._unwritten.append(error.exit)

    # --- stages ---------------------------------------------------------------------------

    def gather(self, request: Request) -> list[Prepared]:
        """Facts of all hosts; where doctor is to mend, plans as well."""
        self._dial(root=request.command != "doctor")
        return self._look(app.mend if request.mends else app.gather, request)

    def prepare(self, request: Request) -> list[Prepared]:
        """Plans of all hosts."""
        self._dial()
        return self._look(app.prepare, request)

    def take_up(self, plans: dict[str, HostPlan], request: Request) -> list[Prepared]:
        """Connect for saved plans, by host."""
        self._dial()

        def stage(prepared: Prepared, request: Request, connect: app.Connect) -> Iterator[Event]:
            return app.take_up(prepared, plans[prepared.host.name], request, connect)

        return self._look(stage, request)

    def _look(
        self,
        stage: Callable[[Prepared, Request, app.Connect], Iterator[Event]],
        request: Request,
        hosts: tuple[Host, ...] | None = None,
    ) -> list[Prepared]:
        self._prepared = [app.Prepared(host=host) for host in hosts or self.hosts]
        stages = (
            partial(self._room.parking, prepared, app.guarded(prepared, begun), looks=request.looks)
            for prepared in self._prepared
            for begun in (stage(prepared, request.on(prepared.host.name), self._connect),)
        )
        ahead.load_transport(self.hosts, self._options.transport)
        stream = app.interleave(stages, self._room.forks)
        ahead.load_rest(request.command, self._answered)  # while the hosts answer
        self._tell(stream)
        return self._prepared

    def finish(self) -> None:
        """End a run that only looked."""
        for prepared in self._prepared:
            if not prepared.finished:
                self._tell(app.finish(prepared))

    def judge(self, prepared: Prepared, question: Callable[[], None]) -> None:
        """Ask something of one host; an error is that host's end, as everywhere."""

        def stage() -> Iterator[Event]:
            question()
            yield from ()

        self._tell(app.guarded(prepared, stage()))

    def forget(self, request: Request) -> None:
        """Take the state directory away, on each host where all went well."""
        for prepared in self._prepared:
            if self._tallies[prepared.host.name].code is Exit.OK:
                self._tell(app.guarded(prepared, app.forget(prepared, request, self._connect)))

    def carry_out(self, request: Request, rollout: app.Rollout | None = None) -> None:
        """Change the hosts; Ctrl-C once stops after the running step, twice leaves at once."""

        def change(prepared: Prepared) -> Iterator[Event]:
            try:
                yield from app.carry_out(prepared, request.on(prepared.host.name), self.stop)
            finally:
                if request.command != "purge":  # which may take the state directory away at last
                    prepared.close()

        with self._interruptible():
            self._tell(
                app.roll(
                    self._prepared, rollout or app.Rollout(), change,
                    connect=self._connect, stop=self.stop, workers=self._room.forks,
                )
            )  # fmt: skip

    def attach(self, request: Request) -> None:
        """Follow what is under way on the hosts, or show how the last run there ended."""

        def stage(prepared: Prepared, request: Request, connect: app.Connect) -> Iterator[Event]:
            return app.attach(prepared, request, connect, self.stop)

        with self._interruptible():
            self._look(stage, request)

    def again(self, request: Request) -> list[Prepared]:
        """Plans anew for hosts that were only made fit to be planned for, and may boot first."""
        due = [
            prepared
            for prepared in self._prepared
            if prepared.again and self._tallies[prepared.host.name].code is Exit.OK
        ]
        for prepared in due:
            prepared.close()
        if not due or self.stop.after_step.is_set():
            return []
        stage = app.prepare_after({one.host.name: one.boot for one in due})
        return self._look(stage, request, tuple(prepared.host for prepared in due))

    def exit(self) -> Exit:
        """The exit code of the run, from its events; 6 where a report could not be written."""
        from dockwright.report.tally import exit_code

        code = exit_code(self._tallies.values(), detailed=self._show.detailed)
        return worst([code, *self._unwritten])

    # --- inner ----------------------------------------------------------------------------

    def _answered(self) -> bool:
        """Whether it is known by now of a host what is to be done there: a saved plan says so at once."""
        return any(one.facts or one.plan or one.finished for one in self._prepared)

    def _dial(self, *, root: bool = True) -> None:
        """Begin to connect to the one host of a run; what comes next is loaded meanwhile."""
        if len(self.hosts) == 1:
            # Who loads gives way more often than each 5 ms to who logs in.
            sys.setswitchinterval(0.0005)
            with suppress(DockwrightError):  # its stage meets it again, and tells it
                self._ahead = self._connect(self.hosts[0])
                getattr(self._ahead, "begin", lambda **_: None)(root=root)

    def _connect(self, host: Host) -> Transport:
        if self._ahead is not None:
            begun, self._ahead = self._ahead, None
            return begun
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
        from dockwright.report.tally import fold

        for event in stream:
            self._tallies[event.host] = fold(self._tallies.get(event.host), event)
            self._reporter()(event)
            for reporter in self._files:
                reporter(event)

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


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _terminated(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(int(Exit.TERMINATED))


def operator() -> str:
    """Who runs this, for the host's journal: ``user@controller``."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # no such entry: a container with a bare uid
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
