"""Turn a plan into the program that runs on the host. Pure: text in, text out.

Every ``{{ }}`` is quoted for the shell by Jinja's ``finalize``: a template's author cannot forget
it. Three filters give text that is right as it is: ``words`` (each quoted), ``comment`` (one line
behind ``#``) and ``parent`` (a quoted directory).
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dockwright import __version__
from dockwright.plan import Action, HostPlan, Verb, list_prefix
from dockwright.proxies import Proxy
from dockwright.renderer.shell import Raw, environment, one_line, variable

UNGATED = Raw("")


@dataclass(frozen=True)
class Program:
    """A rendered script and the sha256 of its text, by which two runs are known to be the same."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> Program:
        """The program of that text."""
        return cls(text=text, digest=hashlib.sha256(text.encode()).hexdigest())


@dataclass(frozen=True)
class Step:
    """One step of a program: its two shell functions, and how they are run."""

    id: Raw
    title: str
    kind: str
    how: Raw  # "step" or "verify"
    check: Raw
    apply: Raw
    refresh: bool = False  # the host's lists are updated after it
    gate: Raw = UNGATED  # in the one file: stands before each call of it


def render_program(
    plan: HostPlan,
    *,
    operator: str,
    lock_timeout: int = 600,
    attached: str | None = None,
    registry_logins: str = "",
    resume: str = "",
) -> Program:
    """The whole program for one host.

    ``operator`` is named in the host's journal; ``lock_timeout`` is in seconds. ``attached`` is the
    run id of a program that only verifies: it writes records to standard output and keeps nothing.
    Such a one may be given ``registry_logins``: its text is run and not kept. ``resume`` are lines for
    sh that the next boot runs, where the program reboots the machine that started it.
    """
    if plan.undoes:
        # All package actions are one transaction: its end is told once.
        of_packages = [action.id for action in plan.actions if action.kind == "packages"]
        ids = [action.id for action in plan.actions if action.id not in of_packages[:-1]]
        text = _text(
            "undo.sh.j2", plan=plan, ids=ids, version=__version__, operator=one_line(operator),
            lock_timeout=lock_timeout,
        )  # fmt: skip
        return Program.of(text)
    return _program(
        "program.sh.j2",
        plan,
        steps=_steps(plan),
        operator=one_line(operator),
        lock_timeout=lock_timeout,
        attached=attached is not None,
        run_id=attached or "",
        registry_logins=registry_logins if attached is not None else "",
        resume=resume,
    )


def render_probe(
    plan: HostPlan, *, run_id: str, login: str = "", kept: bool = False, ahead: bool = False, lacking: str = "",
) -> Program:  # fmt: skip
    """The read-only program that asks apt what it would do.

    ``login`` is that of the plan's proxy (``Proxy.machine``): this text is run and not kept. What was
    fetched is ``kept`` for the plan's own program, which follows in the same root shell; packages are
    fetched ``ahead`` of it, too. Names that are ``lacking`` come from the distribution: its lists are fetched at once.
    """
    return _program(
        "probe.sh.j2", plan, run_id=run_id, login=login, kept=kept, ahead=kept and ahead, lacking=lacking,
    )  # fmt: skip


def render_archive(plan: HostPlan, *, run_id: str, login: str = "") -> Program:
    """The read-only program that asks which drivers the host's own sources have; ``login`` as above."""
    return _program("archive.sh.j2", plan, run_id=run_id, login=login)


def render_fetch(
    files: Mapping[str, int], *, run_id: str, seconds: int, proxy: Proxy | None = None
) -> str:
    """The read-only script that has a host's apt get ``files``: addresses with their most bytes."""
    named = [{"url": url, "limit": limit} for url, limit in files.items()]
    return _text(
        "fetch.sh.j2", files=named, run_id=run_id, seconds=seconds,
        proxy=proxy.url if proxy else "", login=proxy.machine if proxy else "",
    )  # fmt: skip


def render_launch(
    program: Program,
    *,
    run_id: str,
    operator: str,
    booted: bool,
    wish: str = "",
    login: str = "",
    registry_logins: str = "",
    probed: str = "",
) -> str:
    """The script that stores a program on the host, starts it detached, and follows its records.

    ``wish`` is a digest of what was asked for: a live run of the same wish is joined. By itself a
    program is its own wish. ``login`` is that of the plan's proxy (``Proxy.machine``),
    ``registry_logins`` those of registries (``Logins.lines``): they are handed over beside the
    program, which is kept. ``probed`` is the run id of a probe that kept what it fetched.
    """
    return _text(
        "launch.sh.j2", program=program, run_id=run_id, operator=one_line(operator), booted=booted,
        wish=wish or program.digest, login=login, registry_logins=registry_logins, probed=probed,
    )  # fmt: skip


def render_follow(*, run_id: str, offset: int) -> str:
    """The script that follows a run that is on the host already, from a byte offset."""
    return _text("follow.sh.j2", run_id=run_id, offset=offset)


def render_attach(*, run_id: str) -> str:
    """The script that follows whatever run is under way, or else shows the last one.

    ``run_id`` is a nonce that frames its first answer.
    """
    return _text("attach.sh.j2", run_id=run_id)


def render_send(*, run_id: str, name: str, piece: str, first: bool) -> str:
    """The script that takes a piece of a file (base64) for the step ``name`` of a run to come."""
    return _text("send.sh.j2", run_id=run_id, name=name, piece=piece, first=first)


def render_drop(*, run_id: str) -> str:
    """The script that takes away what the probe ``run_id`` kept for its program."""
    return _text("drop.sh.j2", run_id=run_id)


def render_forget(*, run_id: str) -> str:
    """The script that takes the state directory away; ``run_id`` is a nonce that frames its answer."""
    return _text("forget.sh.j2", run_id=run_id)


def titles(plan: HostPlan) -> dict[str, str]:
    """The names of the program's steps as people read them, by id."""
    fixed = {
        "guard": "the host is what was planned for",
        "preflight": "simulate",
        "download": "download",
        "locks": "apt lock",
        "refresh": "refresh lists",
    }
    return {**fixed, **{action.id: _title(action) for action in plan.actions}}


def _title(action: Action) -> str:
    name = posixpath.basename(action.target)
    words = {
        "driver_load": "load NVIDIA's driver",
        "file": f"file {name}",
        "hold": "hold packages",
        "image": f"image {action.target}",
        "image_gone": f"remove the image {action.target}",
        "registry_login": f"log in to {action.target}",
        "lists": "refresh lists",
        "reload": f"reload {name}",
        "snap_disable": f"disable the snap {name}",
        "snap_remove": f"remove the snap {name}",
    }
    return words.get(action.kind, action.step)


def _text(template: str, **values: Any) -> str:
    return environment().get_template(template).render(**values)


def _program(name: str, plan: HostPlan, **values: Any) -> Program:
    transaction = plan.transaction
    flags = ["--allow-downgrades"] if transaction.allow_downgrades else []
    if any(change.name in transaction.held for change in transaction.changes):
        flags.append("--allow-change-held-packages")
    lines = [f"I {change.name} {change.new}" for change in transaction.installs]
    lines += [f"R {change.name}" for change in transaction.removals]
    text = (
        environment()
        .get_template(name)
        .render(
            plan=plan,
            version=__version__,
            wanted=" ".join(_wanted(plan)),
            removals=" ".join(_kept(plan)),
            apt_flags=" ".join(flags),
            replaced=" ".join(_replaced(plan)),
            edited=_edited(plan),
            sites=" ".join(list_prefix(r.url, r.suite) for r in transaction.repositories),
            source_paths=" ".join(r.source_path for r in transaction.repositories),
            transaction="".join(f"{line}\n" for line in lines),
            **values,
        )
    )
    return Program.of(text)


def _kept(plan: HostPlan) -> Iterable[str]:
    """What goes, and returns from its archive where the rest cannot be installed."""
    repacked = {n for a in plan.actions if a.kind == "repack" for n in a.params["packages"]}
    for change in plan.transaction.removals:
        if plan.transaction.way_back and change.name not in repacked:
            yield change.name


def _wanted(plan: HostPlan) -> Iterable[str]:
    """The operands of apt-get install: what was planned, not what apt adds by itself."""
    for change in plan.transaction.changes:
        if not change.planned:
            continue
        if change.new is None:
            yield f"{change.name}-"
        else:
            yield change.name if change.new == "any" else f"{change.name}={change.new}"


def _replaced(plan: HostPlan) -> Iterable[str]:
    """Source files that the plan writes or removes: the trial must not see the old ones."""
    for repository in plan.transaction.repositories:
        yield repository.source_path
    for action in plan.actions:
        if action.kind == "file" and action.params.get("absent"):
            yield action.target
    yield from _edited(plan)


def _edited(plan: HostPlan) -> dict[str, str]:
    """Source files of the host that stay, with other text: the trial sees that text."""
    return {
        action.target: action.params["content"]
        for action in plan.actions
        if action.kind == "file" and action.params.get("trial")
    }


def _steps(plan: HostPlan) -> list[Step]:
    """The steps of the program in order. All package actions are one: the last of them."""
    active = plan.steps
    of_packages = [action.id for action in active if action.kind == "packages"]
    steps = []
    for action in active:
        if action.id in of_packages[:-1]:
            continue
        steps.append(render_step(titles(plan)[action.id], action, action.params))
    return _with_refresh(steps, of_packages, active) if plan.transaction.repositories else steps


def _with_refresh(
    steps: list[Step], of_packages: list[str], active: tuple[Action, ...]
) -> list[Step]:
    """The lists are refreshed after the transaction, or else after the last source was written."""
    last = [*[action.id for action in active if action.kind == "file"], *of_packages][-1:]
    return [replace(step, refresh=step.id in last) for step in steps]


def render_step(title: str, action: Action, params: dict[str, Any], gate: Raw = UNGATED) -> Step:
    """The step of an action, by the template of its kind."""
    module = environment().get_template(f"steps/{action.kind}.sh.j2").module
    return Step(
        id=variable(action.id),
        title=title,
        kind=action.kind,
        how=Raw("verify" if action.verb is Verb.CHECK else "step"),
        check=Raw(str(module.check(params)).strip()),  # type: ignore[attr-defined]
        apply=Raw(str(module.apply(params)).strip()),  # type: ignore[attr-defined]
        gate=gate,
    )
