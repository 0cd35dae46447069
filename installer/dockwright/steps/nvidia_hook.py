"""Step kind ``nvidia_hook``: a dockerd that found NVIDIA's hook when it started."""

from __future__ import annotations

from typing import Literal

from dockwright.errors import DestructiveError
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action


class NvidiaHook(StepBase):
    """``docker run --gpus`` works only where the hook was there when dockerd started.

    dockerd looks for it once (moby, daemon/devices_nvidia_linux.go). ``--runtime=nvidia`` and
    ``--device nvidia.com/gpu=...`` need no restart: ``wanted`` is False where they are enough.
    """

    kind: Literal["nvidia_hook"]
    wanted: bool = True

    def decide(self, view: View) -> Decision:
        """Kept where dockerd saw it; else a restart, which ends containers without live-restore."""
        facts = view.facts
        daemon = facts.daemon
        verb, stops = Verb.RESTART, tuple(container.name for container in facts.containers)
        reason = "--gpus needs it: dockerd looks for NVIDIA's hook only when it starts"
        if not self.wanted:
            verb, stops, reason = Verb.KEEP, (), "nobody asked for --gpus"
        elif daemon is not None and facts.nvidia.hook == "seen":
            verb, stops, reason = Verb.KEEP, (), "dockerd found NVIDIA's hook when it started"
        elif daemon is None:
            verb, stops, reason = Verb.CHANGE, (), "started again if it was up before NVIDIA's hook"
        elif daemon.swarm == "active":
            raise DestructiveError(
                f"{facts.hostname} is a Swarm node; a restart of dockerd moves its tasks",
                step=self.name,
                next_step="drain the node first: docker node update --availability drain NODE",
            )
        elif daemon.live_restore:
            stops, reason = (), f"{reason}; live-restore keeps containers"
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="nvidia_hook",
                    verb=verb,
                    target="docker.service",
                    reason=reason,
                    stops=stops,
                ),
            )
        )
