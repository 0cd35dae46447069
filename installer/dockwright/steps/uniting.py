"""All that a plan's steps want of daemon.json, as one merge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from dockwright.errors import RefusedError
from dockwright.models import Facts
from dockwright.steps.base import StepBase
from dockwright.steps.daemon_json import DaemonJson, MergesDaemonJson
from dockwright.steps.merging import merge

_PATH = str(MergesDaemonJson.model_fields["path"].default)


def united(
    components: Iterable[tuple[str, Sequence[StepBase]]], facts: Facts
) -> list[tuple[str, list[StepBase]]]:
    """The components with one merge for each file, in the place of the first that wants one.

    Raises RefusedError where two steps want other values for one key.
    """
    components = list(components)
    merges: dict[str, DaemonJson] = {}
    for _, steps in components:
        for step in steps:
            if step.when and step.when.mismatch(facts):
                continue
            if isinstance(step, MergesDaemonJson):
                merges[step.path] = _added(merges.get(step.path), step, facts)
            elif step.daemon_lists:
                first = merges.get(_PATH) or DaemonJson(
                    kind="daemon_json", name="merge daemon.json", path=_PATH
                )
                merges[_PATH] = first.model_copy(
                    update={"lists": _joined(first.lists, step.daemon_lists)}
                )
    return [(name, list(_each(steps, merges, facts))) for name, steps in components]


def _added(first: DaemonJson | None, step: MergesDaemonJson, facts: Facts) -> DaemonJson:
    keys, clashes = merge(first.keys if first else {}, step.wanted(facts))
    if clashes:
        raise RefusedError(
            f"two values for {clashes[0][0]} of {step.path}",
            details=tuple(
                (key, f"{json.dumps(one)} and {json.dumps(other)}") for key, one, other in clashes
            ),
            step=step.name,
            next_step="take the key out of docker_daemon",
        )
    plain = step if isinstance(step, DaemonJson) else None
    return DaemonJson(
        kind="daemon_json",
        name=first.name if first else step.name,
        keys=keys,
        lists=_joined(first.lists if first else {}, plain.lists if plain else {}),
        path=step.path,
        override=step.override or bool(first and first.override),
        proxy=(plain and plain.proxy) or (first.proxy if first else ""),
        insecure_tcp=bool((plain and plain.insecure_tcp) or (first and first.insecure_tcp)),
    )


def _joined(
    one: dict[str, tuple[str, ...]], other: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    return {
        key: tuple(dict.fromkeys((*one.get(key, ()), *other.get(key, ()))))
        for key in {**one, **other}
    }


def _each(
    steps: Iterable[StepBase], merges: dict[str, DaemonJson], facts: Facts
) -> Iterator[StepBase]:
    for step in steps:
        if step.when and step.when.mismatch(facts):
            yield step
        elif isinstance(step, MergesDaemonJson):
            if one := merges.pop(step.path, None):
                yield one
        else:
            if step.daemon_lists and (one := merges.pop(_PATH, None)):
                yield one
            yield step
