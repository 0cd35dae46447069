"""Step kind ``container_check``: prove that containers run, rung by rung."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dockwright.models import ImageName, Line, ProxyUrl
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action
from dockwright.steps.service import Manager


class ContainerCheck(StepBase):
    """Client, daemon, API, pull, run: each rung with its own diagnosis.

    ``image`` is run once; ``expect`` must occur in what it prints. An image that was pulled only
    for this is removed again. Where nothing else in the plan changes and the daemon answers, the
    ping that the facts brought is enough, unless ``always``. ``without`` is a proxy that others go
    through and the daemon does not: where a registry is not reached, that is said.
    """

    kind: Literal["container_check"]
    image: ImageName = "hello-world"
    expect: Line = "Hello from Docker!"
    always: bool = False
    without: ProxyUrl | Annotated[str, Field(max_length=0)] = ""
    by: Manager = "systemd"

    def decide(self, view: View) -> Decision:
        """A check, which the planner drops where nothing changes and the daemon answers."""
        answer = view.facts.daemon
        if self.by == "none" and answer is None and not (self.always or view.proving):
            kept = action(
                self, view, kind="container_check", verb=Verb.KEEP, target=self.image,
                reason="no daemon to try it with: its start is left to others",
            )  # fmt: skip
            return Decision(actions=(kept,))
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="container_check",
                    verb=Verb.CHECK,
                    target=self.image,
                    reason="client, daemon, pull and run are told apart",
                    params={
                        "image": self.image,
                        "expect": self.expect,
                        "always": self.always,
                        "without": self.without,
                        "answers": answer.version if answer else "",
                    },
                ),
            )
        )
