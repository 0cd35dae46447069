"""Step kind ``apt_proxy``: the HTTP proxy that apt on the host goes through, for a run or for good."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dockwright.models import ProxyUrl
from dockwright.plan import Action, Verb
from dockwright.steps.base import Decision, StepBase, View, action, assumed

CONFIGURATION = "/etc/apt/apt.conf.d/95dockwright-proxy"
LOGIN = "/etc/apt/auth.conf.d/95dockwright-proxy.conf"


class AptProxy(StepBase):
    """With ``keep`` the proxy is written into apt's configuration, else it is for the run alone.

    The login that a proxy may want is no part of the step: it goes into a file of its own, 0600,
    where apt looks for logins (apt_auth.conf(5); apt 2.6 and 3.0 take a proxy's from there).
    """

    kind: Literal["apt_proxy"]
    proxy: ProxyUrl | Annotated[str, Field(max_length=0)] = ""
    keep: bool = False

    @property
    def configuration(self) -> str:
        """The file for apt.conf.d."""
        return (
            "# By Dockwright. A login, where the proxy wants one, is in /etc/apt/auth.conf.d.\n"
            f'Acquire::http::Proxy "{self.proxy}";\n'
            f'Acquire::https::Proxy "{self.proxy}";\n'
        )

    def decide(self, view: View) -> Decision:
        """Nothing without a proxy; nothing is written without ``keep``."""
        if not self.proxy:
            return Decision()
        if not self.keep:
            why = "for this run; keep_proxy writes it down"
            return Decision(
                actions=(
                    action(self, view, kind="proxy", verb=Verb.KEEP, target=self.proxy, reason=why),
                )
            )
        return Decision(
            actions=(self._file(view), *self._login(view)),
            assumes={CONFIGURATION: assumed(view.facts, CONFIGURATION)},
        )

    def _file(self, view: View) -> Action:
        found, text = view.facts.file(CONFIGURATION), self.configuration
        right = found is not None and found.content == text
        new = Verb.ADD if found is None else Verb.CHANGE
        return action(
            self,
            view,
            kind="file",
            verb=Verb.KEEP if right else new,
            target=CONFIGURATION,
            reason="as planned" if right else f"apt goes through {self.proxy}",
            before=found.content if found and not right else None,
            after=None if right else text,
            params={"path": CONFIGURATION, "mode": "0644", "content": text, "absent": False},
        )

    def _login(self, view: View) -> tuple[Action, ...]:
        if not view.login:
            return ()
        there = view.facts.proxy_login
        verb = {"": Verb.ADD, "same": Verb.KEEP}.get(there, Verb.CHANGE)
        reason = "as given" if there == "same" else "the proxy's login, for root's eyes only"
        return (
            action(
                self,
                view,
                kind="proxy",
                verb=verb,
                target=LOGIN,
                reason=reason,
                params={"path": LOGIN},
            ),
        )
