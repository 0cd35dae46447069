"""The one file: a program that needs no controller, for one release or for all of them.

What a controller decides from facts, the file decides on the host: which of the old packages are
there, which versions the trusted index has, how daemon.json merges, whether there are GPUs. The key
is in it, judged when it was rendered; versions of that day are the floor below which an index counts
as replayed.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dockwright import __version__
from dockwright.errors import InputError
from dockwright.plan import ANY_VERSION, HostPlan, Repository, Verb, list_prefix
from dockwright.renderer import UNGATED, Program, Step, render_step, titles
from dockwright.renderer.shell import Raw, environment, variable
from dockwright.steps import AptRepository, DaemonJson, GpuCheck, NvidiaHook, Packages, Service
from dockwright.steps.base import StepBase
from dockwright.steps.cdi_spec import PATH as SPEC
from dockwright.steps.daemon_json import RELOADABLE
from dockwright.steps.dockerd import FLAG_KEYS, PACKAGED

_GATE = Raw('[ -z "$gpus" ] || ')


@dataclass(frozen=True)
class Profile:
    """A release and architecture, with the plan for a bare host of it.

    ``steps`` are the playbook's, resolved for that release, with one merge of daemon.json. With
    ``gpu_mode`` the plan is for a host with GPUs, and the file looks whether there are any: where it is
    ``auto``, ``alone`` are the steps of a host without one.
    """

    plan: HostPlan
    steps: tuple[StepBase, ...]
    gpu_mode: str = ""
    alone: tuple[StepBase, ...] = field(default=())

    @property
    def name(self) -> str:
        """``ubuntu noble amd64``: how the file tells profiles apart."""
        assumes = self.plan.assumes
        return f"{assumes.os_id} {assumes.codename} {assumes.architecture}"

    def wanted_from(self, repository: str) -> tuple[str, ...]:
        """NAME=VERSION of each package from a vendor's repository."""
        return tuple(
            f"{change.name}={change.new}"
            for change in self.plan.transaction.installs
            if change.new != ANY_VERSION and change.origin == repository
        )

    def gate(self, step: str) -> Raw:
        """What stands before a call of the step of that name: where there may be no GPU, a look."""
        gpus = {one.name for one in self.steps if one.when and one.when.gpu == "auto"}
        return _GATE if self.gpu_mode == "auto" and step in gpus else UNGATED


def render_file(profiles: Sequence[Profile], *, name: str, exact: bool = False) -> Program:
    """One program for all the profiles; ``exact`` pins today's versions instead of a floor.

    Raises InputError where the playbook's steps are not the same for each of them.
    """
    first = profiles[0]
    shapes = {tuple((a.id, a.kind) for a in profile.plan.actions) for profile in profiles}
    if len(shapes) > 1:
        raise InputError(
            f"playbook {first.plan.playbook} has other steps on other releases",
            next_step="render one file for each release: --for ubuntu:24.04:amd64",
        )
    repositories = first.plan.transaction.repositories
    merges = list(_merges(first))
    packages = [step for step in first.steps if isinstance(step, Packages)]
    text = (
        environment()
        .get_template("file.sh.j2")
        .render(
            version=__version__,
            name=name,
            plan=first.plan,
            profiles=[_values(profile) for profile in profiles],
            repositories=repositories,
            steps=list(_steps(first, repositories, merges)),
            absent=_names(step.absent for step in packages),
            host=" ".join(
                change.name
                for change in first.plan.transaction.installs
                if change.new == ANY_VERSION
            ),
            held=_names(step.present for step in packages if step.hold),
            versioned="\n".join(" ".join(step.versioned) for step in packages if step.versioned),
            pinned=_names(step.versioned for step in packages if step.version),
            least=" ".join(
                f"{name}={step.least}" for step in packages if step.least for name in step.present
            ),
            exact="1" if exact else "",
            merges=merges,
            services=[step for step in first.steps if isinstance(step, Service)],
            reloadable=" ".join(sorted(RELOADABLE)),
            flag_keys=" ".join(f"{flag}={key}" for flag, key in FLAG_KEYS.items()),
            packaged=PACKAGED,
            gpu=_gpu(first),
        )
    )
    return Program.of(text)


def _names(lists: Iterable[tuple[str, ...]]) -> str:
    return " ".join(dict.fromkeys(name for names in lists for name in names))


def _gpu(profile: Profile) -> dict[str, str] | None:
    """What the file has to know of GPUs; ``None`` where they are no matter."""
    if not profile.gpu_mode:
        return None
    old = [step for step in profile.steps if isinstance(step, AptRepository)]
    asked = [step.wanted for step in profile.steps if isinstance(step, NvidiaHook)]
    asked += [step.gpus_flag for step in profile.steps if isinstance(step, GpuCheck)]
    return {
        "mode": profile.gpu_mode,
        "flag": "1" if any(asked) else "",
        "retired": " ".join(url for step in old for url in step.retired),
        "lists": " ".join(name for step in old for name in step.lists),
        "spec": SPEC,
    }


def _values(profile: Profile) -> dict[str, object]:
    of = {s.id: s.name for s in profile.steps if isinstance(s, AptRepository)}
    return {
        "pattern": Raw(profile.name.replace(" ", "\\ ")),
        "name": profile.name,
        "origins": [
            {
                "id": one.id,
                "gate": profile.gate(of[one.id]),
                "url": one.url.rstrip("/"),
                "site": list_prefix(one.url, one.suite),
                "key_path": one.key_path,
                "source_path": one.source_path,
                "source": one.source,
                "variable": _variable("source", one),
                "wanted": profile.wanted_from(one.id),
            }
            for one in profile.plan.transaction.repositories
        ],
    }


def _variable(kind: str, repository: Repository) -> Raw:
    return Raw(f"{kind}_{variable(repository.id)}")


def _steps(
    profile: Profile, repositories: Sequence[Repository], merges: Sequence[Mapping[str, Any]]
) -> Iterable[Step]:
    """The steps of a bare host; what differs between releases comes from shell variables."""
    contents = {r.key_path: Raw(f'"${_variable("key", r)}"') for r in repositories}
    contents |= {r.source_path: Raw(f'"${_variable("source", r)}"') for r in repositories}
    names = titles(profile.plan)
    last = [a.id for a in profile.plan.actions if a.kind == "packages" and a.verb is Verb.ADD][-1:]
    for action in profile.plan.actions:
        if action.kind == "packages" and action.id not in last:
            continue
        if action.verb is Verb.KEEP:
            continue
        params, gate = dict(action.params), profile.gate(action.step)
        if action.kind == "file" and action.target in contents:
            params["content"] = contents[action.target]
        if action.kind == "packages":
            gate = UNGATED
        if action.kind == "cdi_spec":
            params["new"] = "look"
        if action.kind == "daemon_json":
            (merge,) = [one for one in merges if one["path"] == action.target]
            gate = merge["gate"]
            params["merge"] = Raw(f'"${merge["id"]}_keys"')
            params["content"] = Raw(f'"${merge["id"]}_fresh"')
            params["names"] = Raw(f'"${merge["id"]}_names"')
            # A runtime's program may be among the packages that are still to come.
            late = "runtimes" in action.params["keys"]
            params["then"] = Raw(
                "daemon_late=1" if late else f"take_up {shlex.quote(action.target)}"
            )
        yield render_step(names[action.id], action, params, gate)


def _merges(profile: Profile) -> Iterable[dict[str, Any]]:
    """Files that are merged on the host: path, keys as JSON, how a daemon takes them."""
    for action in profile.plan.actions:
        if action.kind != "daemon_json" or action.verb is Verb.KEEP:
            continue
        alone = _merge(profile.alone, action.target)
        gated = profile.gpu_mode == "auto" and alone is None
        yield {
            "id": variable(f"merge_{action.id}"),
            "path": action.target,
            "alone": alone,
            "gate": _GATE if gated else UNGATED,
            **(_merge(profile.steps, action.target) or {}),
        }


def _merge(steps: Iterable[StepBase], path: str) -> dict[str, str] | None:
    for step in steps:
        if isinstance(step, DaemonJson) and step.path == path and step.whole:
            return {
                "merge": json.dumps(step.whole),
                "fresh": json.dumps(step.whole, indent=2, ensure_ascii=False) + "\n",
                "names": " ".join(step.whole),
                "how": _how(step),
            }
    return None


def _how(step: DaemonJson) -> str:
    cdi = "cdi" in step.whole.get("features", {})
    return "cdi" if cdi and step.how == "reload" else step.how
