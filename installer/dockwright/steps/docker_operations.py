"""Step kind ``docker_operations``: the operations of the manual, walked one by one on a host."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dockwright.models import ImageName, ImageTag
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action


class DockerOperations(StepBase):
    """search, pull, images, tag, push, save, load, create, run, commit, build, history, inspect, rmi.

    ``registry`` (HOST or HOST/NAME) is what is pushed to, and logged in to and out of where a login
    for it was given. What cannot be tried is said. Nothing is left on the host.
    """

    kind: Literal["docker_operations"]
    wanted: bool = False
    registry: ImageTag | Annotated[str, Field(max_length=0)] = ""
    image: ImageName = "hello-world"

    def decide(self, view: View) -> Decision:
        """One check, where it is wanted."""
        if not self.wanted:
            return Decision()
        host = self.registry.partition("/")[0]
        login = host if host in view.logins else ""
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="operations_check",
                    verb=Verb.CHECK,
                    target=self.image,
                    reason="each operation of the manual is tried; nothing is left behind",
                    params={
                        "image": self.image,
                        "registry": self.registry,
                        "login": login,
                        "always": True,
                    },
                ),
            )
        )
