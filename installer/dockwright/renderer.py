"""Turn a plan into the program that runs on the host. Pure: text in, text out.

Every ``{{ }}`` is quoted for the shell by Jinja's ``finalize``: a template's author cannot forget
it. Three filters give text that is right as it is: ``words`` (each quoted), ``comment`` (one line
behind ``#``) and ``parent`` (a quoted directory).
"""

from __future__ import annotations

import hashlib
import posixpath
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jinja2
import jinja2.sandbox

from dockwright import __version__
from dockwright.plan import Action, HostPlan, Verb
from dockwright.resources import directory


class Raw(str):
    """Shell text that must not be quoted again."""

    __slots__ = ()


@dataclass(frozen=True)
class Program:
    """A rendered script and the sha256 of its text, by which two runs are known to be the same."""

    text: str
    digest: str


@dataclass(frozen=True)
class _Step:
    id: str
    title: str
    how: Raw  # "step" or "verify"
    check: Raw
    apply: Raw
    refresh: bool = False  # the host's lists are updated after it


def render_program(
    plan: HostPlan, *, operator: str, lock_timeout: int = 600, attached: str | None = None
) -> Program:
    """The whole program for one host.

    ``operator`` is named in the host's journal; ``lock_timeout`` is in seconds. ``attached`` is the
    run id of a program that only verifies: it writes records to standard output and keeps nothing.
    """
    return _program(
        "program.sh.j2",
        plan,
        steps=_steps(plan),
        operator=_one_line(operator),
        lock_timeout=lock_timeout,
        attached=attached is not None,
        run_id=attached or "",
    )


def render_probe(plan: HostPlan, *, run_id: str) -> Program:
    """The read-only program that asks apt what it would do."""
    return _program("probe.sh.j2", plan, run_id=run_id)


def render_launch(program: Program, *, run_id: str, operator: str, booted: bool) -> str:
    """The script that stores a program on the host, starts it detached, and follows its records."""
    return (
        _environment()
        .get_template("launch.sh.j2")
        .render(program=program, run_id=run_id, operator=_one_line(operator), booted=booted)
    )


def render_follow(*, run_id: str, offset: int) -> str:
    """The script that follows a run that is on the host already, from a byte offset."""
    return _environment().get_template("follow.sh.j2").render(run_id=run_id, offset=offset)


def titles(plan: HostPlan) -> dict[str, str]:
    """The names of the program's steps as people read them, by id."""
    fixed = {
        "guard": "the host is what was planned for",
        "preflight": "simulate",
        "download": "download",
        "locks": "apt lock",
        "refresh": "refresh lists",
    }
    kinds = {"file": "file {}", "hold": "hold packages", "reload": "reload {}"}
    names = {
        action.id: kinds.get(action.kind, action.step).format(posixpath.basename(action.target))
        for action in plan.actions
    }
    return {**fixed, **names}


def _program(name: str, plan: HostPlan, **values: Any) -> Program:
    transaction = plan.transaction
    installs, removals = transaction.installs, transaction.removals
    flags = ["--allow-downgrades"] if transaction.allow_downgrades else []
    if any(change.name in transaction.held for change in transaction.changes):
        flags.append("--allow-change-held-packages")
    lines = [f"I {change.name} {change.new}" for change in installs]
    lines += [f"R {change.name}" for change in removals]
    text = (
        _environment()
        .get_template(name)
        .render(
            plan=plan,
            version=__version__,
            wanted=" ".join(_wanted(plan)),
            removals=" ".join(change.name for change in removals),
            apt_flags=" ".join(flags),
            replaced=" ".join(_replaced(plan)),
            sites=" ".join(_list_prefix(r.url, r.suite) for r in transaction.repositories),
            source_paths=" ".join(r.source_path for r in transaction.repositories),
            transaction="".join(f"{line}\n" for line in lines),
            **values,
        )
    )
    return Program(text=text, digest=hashlib.sha256(text.encode()).hexdigest())


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


def _list_prefix(url: str, suite: str) -> str:
    """How apt names the list files of a repository: URI to file name, ``/`` as ``_``."""
    plain = url.split("://", 1)[1].rstrip("/")
    end = "" if suite == "/" else f"/dists/{suite}"
    return f"{plain}{end}".replace("/", "_")


def _steps(plan: HostPlan) -> list[_Step]:
    """The steps of the program in order. All package actions are one: the last of them."""
    active = plan.steps
    of_packages = [action.id for action in active if action.kind == "packages"]
    steps = []
    for action in active:
        if action.id in of_packages[:-1]:
            continue
        params: dict[str, Any] = dict(action.params)
        if action.kind == "packages":
            params = {
                "installs": [f"{c.name}={c.new}" for c in plan.transaction.installs],
                "removals": [c.name for c in plan.transaction.removals],
            }
        steps.append(_step(plan, action, params))
    return _with_refresh(steps, of_packages, active) if plan.transaction.repositories else steps


def _with_refresh(
    steps: list[_Step], of_packages: list[str], active: tuple[Action, ...]
) -> list[_Step]:
    """The lists are refreshed after the transaction, or else after the last source was written."""
    last = [*[action.id for action in active if action.kind == "file"], *of_packages][-1:]
    return [replace(step, refresh=step.id in last) for step in steps]


def _step(plan: HostPlan, action: Action, params: dict[str, Any]) -> _Step:
    module = _environment().get_template(f"steps/{action.kind}.sh.j2").module
    return _Step(
        id=action.id,
        title=titles(plan)[action.id],
        how=Raw("verify" if action.verb is Verb.CHECK else "step"),
        check=Raw(str(module.check(params)).strip()),  # type: ignore[attr-defined]
        apply=Raw(str(module.apply(params)).strip()),  # type: ignore[attr-defined]
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(directory("templates")),
        undefined=jinja2.StrictUndefined,
        finalize=_quoted,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # this is shell: finalize quotes
    )
    environment.filters["words"] = _words
    environment.filters["comment"] = _comment
    environment.filters["parent"] = lambda path: Raw(shlex.quote(posixpath.dirname(path)))
    environment.globals["runtime"] = _runtime
    return environment


def _quoted(value: object) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises, with the name
    return shlex.quote(str(value))


def _words(values: Iterable[object]) -> Raw:
    return Raw(" ".join(shlex.quote(str(value)) for value in values))


def _comment(value: object) -> Raw:
    return Raw(_one_line(str(value)))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


@cache
def _runtime(name: str) -> Raw:
    """A part of the runtime as it stands: plain shell, no Jinja in it."""
    return Raw((directory("templates") / "runtime" / name).read_text(encoding="utf-8"))
