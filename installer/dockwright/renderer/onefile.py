"""The one file: a program that needs no controller, for one release or for all of them.

What a controller decides from facts, the file decides on the host: which of the old packages are
there, which versions the trusted index has, how daemon.json merges. The key is in it, judged when
it was rendered; versions of that day are the floor below which an index counts as replayed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dockwright import __version__
from dockwright.errors import InputError
from dockwright.plan import ANY_VERSION, Action, HostPlan, Repository, Verb, list_prefix
from dockwright.renderer import Program, Step, render_step, titles
from dockwright.renderer.shell import Raw, environment, variable
from dockwright.steps import DaemonJson, Packages, Service
from dockwright.steps import Step as PlaybookStep
from dockwright.steps.daemon_json import RELOADABLE


@dataclass(frozen=True)
class Profile:
    """A release and architecture, with the plan for a bare host of it.

    ``steps`` are the playbook's, resolved for that release.
    """

    plan: HostPlan
    steps: tuple[PlaybookStep, ...]

    @property
    def name(self) -> str:
        """``ubuntu noble amd64``: how the file tells profiles apart."""
        assumes = self.plan.assumes
        return f"{assumes.os_id} {assumes.codename} {assumes.architecture}"

    @property
    def vendor_wanted(self) -> tuple[str, ...]:
        """NAME=VERSION of each package from a vendor's repository."""
        return tuple(
            f"{change.name}={change.new}"
            for change in self.plan.transaction.installs
            if change.new != ANY_VERSION
        )


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
    text = (
        environment()
        .get_template("file.sh.j2")
        .render(
            version=__version__,
            name=name,
            plan=first.plan,
            profiles=[_values(profile) for profile in profiles],
            repositories=repositories,
            steps=list(_steps(first, repositories)),
            absent=_names(step.absent for step in _packages(first)),
            host=" ".join(
                change.name
                for change in first.plan.transaction.installs
                if change.new == ANY_VERSION
            ),
            held=_names(step.present for step in _packages(first) if step.hold),
            versioned=_names(step.versioned for step in _packages(first)),
            source_paths=" ".join(repository.source_path for repository in repositories),
            exact="1" if exact else "",
            merges=list(_merges(first)),
            services=[step for step in first.steps if isinstance(step, Service)],
            reloadable=" ".join(sorted(RELOADABLE)),
        )
    )
    return Program.of(text)


def _packages(profile: Profile) -> list[Packages]:
    return [step for step in profile.steps if isinstance(step, Packages)]


def _names(lists: Iterable[tuple[str, ...]]) -> str:
    return " ".join(dict.fromkeys(name for names in lists for name in names))


def _values(profile: Profile) -> dict[str, object]:
    repositories = profile.plan.transaction.repositories
    return {
        "pattern": Raw(profile.name.replace(" ", "\\ ")),
        "name": profile.name,
        "wanted": " ".join(profile.vendor_wanted),
        "urls": " ".join(repository.url.rstrip("/") for repository in repositories),
        "sites": " ".join(list_prefix(r.url, r.suite) for r in repositories),
        "sources": {_variable("source", r): r.source for r in repositories},
    }


def _variable(kind: str, repository: Repository) -> Raw:
    return Raw(f"{kind}_{variable(repository.id)}")


def _steps(profile: Profile, repositories: Sequence[Repository]) -> Iterable[Step]:
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
        params = dict(action.params)
        if action.kind == "file" and action.target in contents:
            params["content"] = contents[action.target]
        if action.kind == "daemon_json":
            params |= _merge(profile, action)
        yield render_step(names[action.id], action, params)


def _merges(profile: Profile) -> Iterable[dict[str, str]]:
    """Files that are merged on the host: path, keys as JSON, how a daemon takes them."""
    for action in profile.plan.actions:
        if action.kind == "daemon_json" and action.verb is not Verb.KEEP:
            merge = _merge(profile, action)
            yield {"path": action.target, "fresh": action.params["content"], **merge}


def _merge(profile: Profile, action: Action) -> dict[str, str]:
    (step,) = (s for s in profile.steps if isinstance(s, DaemonJson) and s.path == action.target)
    return {"merge": json.dumps(step.whole), "how": step.how}
