"""Step kind ``docker_registry``: registries that a host's daemon trusts, mirrors, and is logged in to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dockwright.errors import RefusedError
from dockwright.models import RegistryWish
from dockwright.plan import Action, Verb
from dockwright.steps.base import Decision, StepBase, View, action, assumed

# Text outside the blocks is passed over by whoever reads PEM; it tells our file from others'.
OURS = "# By Dockwright.\n"


def ca_path(host: str) -> str:
    """Where dockerd looks for a registry's CA; docs.docker.com, "Verify repository client"."""
    return f"/etc/docker/certs.d/{host}/ca.crt"


class DockerRegistry(StepBase):
    """CA, mirror, plain http and login of each registry; then the daemon is shown to reach it.

    dockerd reads a CA at each pull, and takes mirrors and insecure registries by a reload. Only
    root on the host is logged in: docker keeps a login in the home of whoever logs in.
    """

    kind: Literal["docker_registry"]
    registries: tuple[RegistryWish, ...] = ()

    @property
    def daemon_lists(self) -> dict[str, tuple[str, ...]]:
        """``registry-mirrors`` and ``insecure-registries``, for the one merge of daemon.json."""
        lists = {
            "registry-mirrors": tuple(
                f"{'http' if one.insecure else 'https'}://{one.host}"
                for one in self.registries
                if one.mirror
            ),
            "insecure-registries": tuple(one.host for one in self.registries if one.insecure),
        }
        return {key: names for key, names in lists.items() if names}

    def decide(self, view: View) -> Decision:
        """CAs, logins, and one check that every registry answers; nothing without registries."""
        if not self.registries:
            return Decision()
        twice = [one.host for one in self.registries]
        if again := next((host for host in twice if twice.count(host) > 1), None):
            raise RefusedError(
                f"registry {again} is there twice", step=self.name, next_step="name it once"
            )
        trusted = [one for one in self.registries if one.ca]
        return Decision(
            actions=(
                *(self._ca(one, view) for one in trusted),
                *(self._login(one, view) for one in self.registries if one.login),
                *self._check(view),
            ),
            assumes={ca_path(one.host): assumed(view.facts, ca_path(one.host)) for one in trusted},
        )

    def _ca(self, wish: RegistryWish, view: View) -> Action:
        path, text = ca_path(wish.host), OURS + wish.ca
        found = view.facts.file(path)
        there = (found.content or "") if found else ""
        right = found is not None and found.target is None and wish.ca in there
        if found and not right and not (found.target is None and there.startswith(OURS)):
            raise RefusedError(
                f"{path} is somebody else's, and holds another CA",
                details=(("why", "what we did not make is not replaced"),),
                step=self.name,
                next_step=f"move {path} away if that CA is no longer wanted, or leave 'ca' out",
            )
        new = Verb.CHANGE if found else Verb.ADD
        return action(
            self,
            view,
            kind="file",
            verb=Verb.KEEP if right else new,
            target=path,
            reason="as planned" if right else f"the CA of {wish.host}",
            before=there if found and not right else None,
            after=None if right else text,
            params={"path": path, "mode": "0644", "content": text, "absent": False},
        )

    def _login(self, wish: RegistryWish, view: View) -> Action:
        there, given = view.facts.logins.get(wish.host, ""), wish.host in view.logins
        if not there and not given:
            raise RefusedError(
                f"registry {wish.host} wants a login, and none was given",
                details=(("host", "nothing was changed"),),
                step=self.name,
                next_step="--registry-logins FILE with a line https://USER:PASSWORD@"
                f"{wish.host}, or - for standard input",
            )
        verb, reason = Verb.ADD, "root logs in; the password is in nothing but docker's own file"
        if there == "same":
            verb, reason = Verb.KEEP, "logged in as given"
        elif there == "kept":
            verb, reason = Verb.KEEP, "logged in by a credential helper, which is not asked"
        elif there and not given:
            verb, reason = Verb.KEEP, "logged in; none was given to compare it with"
        elif there:
            verb, reason = Verb.CHANGE, "another login is there, and is replaced"
        return action(
            self,
            view,
            kind="registry_login",
            verb=verb,
            target=wish.host,
            reason=reason,
            params={"host": wish.host},
        )

    def _check(self, view: View) -> Iterator[Action]:
        mirrors = [one.host for one in self.registries if one.mirror]
        others = [one.host for one in self.registries if not one.mirror and one.host != "docker.io"]
        if mirrors or others:
            yield action(
                self,
                view,
                kind="registry_check",
                verb=Verb.CHECK,
                target=", ".join((*mirrors, *others)),
                reason="the daemon reaches it, and trusts it",
                params={"mirrors": mirrors, "registries": others},
            )
