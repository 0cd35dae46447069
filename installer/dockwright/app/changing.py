"""The program of a plan: started on the host and followed to its end.

What renders programs is loaded where there is one: most runs find nothing to do.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from dockwright import __version__, events, receipts, runner
from dockwright.app import looking
from dockwright.app.run import Connect, Prepared, Request
from dockwright.channel import Transport
from dockwright.errors import DestructiveError, Exit
from dockwright.events import Event
from dockwright.plan import HostPlan
from dockwright.runner import Stop


def take_up(
    prepared: Prepared, plan: HostPlan, request: Request, connect: Connect
) -> Iterator[Event]:
    """Connect for a plan that was saved; the program itself checks that what it assumed still holds.

    One that deletes data is judged again by what the host is now.
    """
    name = prepared.host.name
    if plan.deletes:
        purging = replace(request, command="purge", level=receipts.meant(plan))
        yield from looking.gather(prepared, purging, connect)
        if prepared.facts and prepared.trail and prepared.data:
            receipts.judge_again(prepared.facts, prepared.trail, prepared.data, plan)
        prepared.plan = plan
        yield events.Planned(host=name, at=time.time(), plan=plan)
        return
    yield events.RunStarted(
        host=name, at=time.time(), command=request.command, version=__version__,
        playbook=plan.playbook, operator=request.operator,
    )  # fmt: skip
    prepared.transport = connect(prepared.host)
    prepared.plan = plan
    yield events.Planned(host=name, at=time.time(), plan=plan)


def carry_out(prepared: Prepared, request: Request, stop: Stop) -> Iterator[Event]:
    """Run the plan's program, unless nothing is to be done."""
    plan, transport = prepared.plan, prepared.transport
    if prepared.joins is not None and transport is not None:
        yield from _join(prepared, transport, stop)
        return
    if plan is None or (transport is None and prepared.due):
        return
    if plan.stops and not request.allow_restart:
        raise DestructiveError(
            f"containers would stop: {', '.join(plan.stops)}",
            next_step=f"when they may stop: the same command with {_may_stop(request)}",
        )
    ended = None
    # Where nothing is to be done there may be no connection any more.
    if transport is not None and (plan.changes or plan.checks):
        ended = yield from _run(prepared, plan, transport, request, stop)
    kept = len(plan.actions) - len(plan.steps)
    prepared.finished = True
    prepared.again = ended is not None and ended.exit is Exit.OK and ended.again
    prepared.boot = ended.boot if ended is not None else ""
    yield events.RunFinished(
        host=plan.host,
        at=time.time(),
        exit=ended.exit if ended else Exit.OK,
        changed=ended.changed if ended else 0,
        same=kept + (ended.same if ended else 0),
        receipt=ended.directory if ended else "",
        seconds=time.monotonic() - prepared.began,
    )


def _run(
    prepared: Prepared, plan: HostPlan, transport: Transport, request: Request, stop: Stop
) -> Generator[Event, None, runner.Ended]:
    from dockwright import renderer

    titles = renderer.titles(plan)
    if not plan.changes:
        run_id = secrets.token_hex(8)
        program = renderer.render_program(
            plan, operator=request.operator, attached=run_id,
            registry_logins=request.logins.lines(plan.logins),
        )  # fmt: skip
        return (
            yield from runner.run_attached(transport, program.text, plan, titles, run_id=run_id)
        )
    from dockwright.app import sending

    run_id = f"{time.strftime('%Y-%m-%d')}-{secrets.token_hex(3)}"
    program = renderer.render_program(
        plan, operator=request.operator, lock_timeout=request.lock_timeout,
        resume=request.resume if prepared.host.local else "",
    )  # fmt: skip
    launch = renderer.render_launch(
        program,
        run_id=run_id,
        operator=request.operator,
        booted=plan.assumes.init == "systemd",
        wish=request.wish,
        login=request.proxy.machine if request.proxy and plan.proxy_login else "",
        registry_logins=request.logins.lines(plan.logins),
        probed=prepared.probed,
    )
    yield from sending.send(transport, plan, run_id)
    return (
        yield from runner.run_detached(
            transport, launch, _follow, plan, titles, run_id=run_id, stop=stop
        )
    )


def _may_stop(request: Request) -> str:
    return "--stop-containers" if request.command == "purge" else "--allow-restart"


def attach(prepared: Prepared, request: Request, connect: Connect, stop: Stop) -> Iterator[Event]:
    """Follow the run that is under way on a host, or show how the last one ended."""
    yield events.RunStarted(
        host=prepared.host.name, at=time.time(), command=request.command, version=__version__,
        playbook="", operator=request.operator,
    )  # fmt: skip
    prepared.transport = connect(prepared.host)
    yield from _join(prepared, prepared.transport, stop)


def _join(prepared: Prepared, transport: Transport, stop: Stop) -> Iterator[Event]:
    from dockwright import renderer

    nonce = secrets.token_hex(8)
    script = renderer.render_attach(run_id=nonce)
    ended = yield from runner.attach(
        transport, script, _follow, prepared.host.name, run_id=nonce, stop=stop
    )
    prepared.finished = True
    prepared.again = ended.exit is Exit.OK and ended.again
    prepared.boot = ended.boot
    yield events.RunFinished(
        host=prepared.host.name,
        at=time.time(),
        exit=ended.exit,
        changed=ended.changed,
        same=ended.same,
        receipt=ended.directory,
        seconds=time.monotonic() - prepared.began,
    )


def _follow(run_id: str, offset: int) -> str:
    from dockwright import renderer

    return renderer.render_follow(run_id=run_id, offset=offset)


def finish(prepared: Prepared) -> Iterator[Event]:
    """The end of a run that only looked, or was not agreed to."""
    prepared.finished = True
    if prepared.probed:
        from dockwright.app import probing

        probing.drop(prepared.transport, prepared.probed)
    plan = prepared.plan
    yield events.RunFinished(
        host=prepared.host.name,
        at=time.time(),
        exit=Exit.VERIFY if prepared.findings else Exit.OK,
        same=len(plan.actions) - len(plan.changes) - len(plan.checks) if plan else 0,
        seconds=time.monotonic() - prepared.began,
    )
