"""Step kind ``group_member``: let named users talk to the daemon."""

from __future__ import annotations

from typing import Literal

from dockwright.errors import RefusedError
from dockwright.models import UserName, Word
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action


class GroupMember(StepBase):
    """``users`` are added to ``group`` (usermod -aG); nobody is ever taken out."""

    kind: Literal["group_member"]
    group: Word = "docker"
    users: tuple[UserName, ...] = ()

    def decide(self, view: View) -> Decision:
        """One action for those who are missing; users that do not exist are refused."""
        facts = view.facts
        if not self.users:
            return Decision(
                actions=(
                    action(
                        self,
                        view,
                        kind="group_member",
                        verb=Verb.KEEP,
                        target=self.group,
                        reason="nobody asked to join",
                    ),
                )
            )
        unknown = [user for user in self.users if facts.users and user not in facts.users]
        if unknown:
            raise RefusedError(
                f"no such user: {', '.join(unknown)}",
                details=(("users", ", ".join(facts.users)),),
                step=self.name,
                next_step=f"make the user first: useradd --create-home {unknown[0]}",
            )
        members = facts.docker_group or ()
        missing = [user for user in self.users if user not in members]
        verb = Verb.CHANGE if missing else Verb.KEEP
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="group_member",
                    verb=verb,
                    target=self.group,
                    reason=f"{', '.join(missing)} can use the daemon: the same as root there"
                    if missing
                    else f"{', '.join(self.users)} are members",
                    params={"group": self.group, "users": missing},
                ),
            )
        )
