"""What of the steps' actions is needed in one plan, and in which order."""

from __future__ import annotations

from dockwright.plan import Action, Verb
from dockwright.steps.base import Decision


def needed(decisions: list[Decision]) -> list[Action]:
    """The actions in order, without restarts that come anyway: a new daemon reads a new file."""
    names = {change.name for decision in decisions for change in decision.packages}
    replaced = bool(names & {"docker-ce", "docker.io", "docker-engine", "moby-engine"})
    every = [action for decision in decisions for action in decision.actions]
    restarts = any(each.kind == "nvidia_hook" and each.verb is Verb.RESTART for each in every)
    kept = [each for each in every if not (each.kind == "reload" and (replaced or restarts))]
    if replaced:  # its package starts dockerd anew, and stops what it stops; the host looks again
        softer = {"verb": Verb.CHANGE, "stops": ()}
        kept = [
            each.model_copy(update=softer) if each.kind == "nvidia_hook" and restarts else each
            for each in kept
        ]
    return _ordered(kept)


# What rests on packages; all else may be what the transaction rests on, and stays where it is.
_AFTER = (
    "service",
    "group_member",
    "hold",
    "driver_load",
    "gpu",
    "cdi_spec",
    "nvidia_hook",
    "registry_login",
    "registry_check",
    "image",
    "image_gone",
    "container_check",
    "gpu_check",
    "operations_check",
)


def _ordered(actions: list[Action]) -> list[Action]:
    """The actions with none before the one transaction that rests on what it brings."""
    changing = [
        number
        for number, each in enumerate(actions)
        if each.kind == "packages" and each.verb is not Verb.KEEP
    ]
    last = changing[-1] + 1 if changing else 0
    late = [each for each in actions[:last] if each.kind in _AFTER or each.params.get("late")]
    early = [each for each in actions[:last] if each not in late]
    return [*early, *late, *actions[last:]]
