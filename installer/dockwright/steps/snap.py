"""Step kind ``snap``: a snap that gives way, only where that was asked for in so many words.

Its daemon and the new one want the same socket. So it is disabled right before the transaction,
when everything is downloaded, enabled again where the new daemon does not answer, and removed as
the very last step of the run.
"""

from __future__ import annotations

from typing import Literal

from dockwright.errors import DestructiveError
from dockwright.models import Snap as SnapFact
from dockwright.models import Word
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action


class Snap(StepBase):
    """``snap`` is removed where ``remove`` says so; else it stays, and the planner judges that.

    ``snap remove`` without ``--purge``: snapd keeps a snapshot of the data where it makes one.
    """

    kind: Literal["snap"]
    snap: Word
    remove: bool = False

    def decide(self, view: View) -> Decision:
        """Nothing where it is not there; else disabled first, and removed at the end."""
        found = view.facts.snap(self.snap)
        if found is None or not self.remove:
            return Decision()
        daemon = view.facts.daemon
        its_own = daemon is not None and daemon.data_root.startswith(f"/var/snap/{self.snap}/")
        if its_own and daemon is not None and daemon.swarm == "active":
            raise DestructiveError(
                f"{view.facts.hostname} is a Swarm node by the snap '{self.snap}'; it would leave",
                step=self.name,
                next_step="let it leave in good order first: docker swarm leave",
            )
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="snap_disable",
                    verb=Verb.CHANGE if found.enabled else Verb.KEEP,
                    target=self.snap,
                    reason="disabled once all is downloaded; enabled again if the new daemon"
                    " does not answer"
                    if found.enabled
                    else "disabled already",
                    params={"snap": self.snap},
                    stops=_stops(found, view, its_own=its_own),
                ),
                action(
                    self,
                    view,
                    kind="snap_remove",
                    verb=Verb.REMOVE,
                    target=self.snap,
                    reason="removed at the very end; its images, containers and volumes"
                    f" ({found.data} in /var/snap/{self.snap}) do not move over;"
                    " 'snap saved' shows what snapd keeps of them",
                    params={"snap": self.snap},
                ),
            )
        )


def _stops(found: SnapFact, view: View, *, its_own: bool) -> tuple[str, ...]:
    """The containers of the snap's daemon; where it did not answer, nobody can say that none runs."""
    if not found.enabled:
        return ()
    if view.facts.daemon is None:
        return ("whatever the snap runs (its daemon did not answer)",)
    return tuple(container.name for container in view.facts.containers) if its_own else ()
