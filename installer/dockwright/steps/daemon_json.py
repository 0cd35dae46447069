"""Step kind ``daemon_json``: merge keys into /etc/docker/daemon.json, never replace the file."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dockwright.errors import DestructiveError, RefusedError
from dockwright.models import AbsolutePath, Facts, FileFact, ProxyUrl
from dockwright.plan import Action, Verb
from dockwright.steps.base import Decision, StepBase, View, action, assumed
from dockwright.steps.dockerd import overlaps, programs, refuse_what_breaks, unguarded
from dockwright.steps.merging import appended, merge, no_twins
from dockwright.steps.versions import compare, upstream

# dockerd(8), "Configuration reload behavior": a SIGHUP applies these, all else needs a restart.
RELOADABLE = frozenset(
    [
        "debug",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "default-runtime",
        "runtimes",
        "insecure-registries",
        "registry-mirrors",
        "shutdown-timeout",
        "features",
        "authorization-plugins",
    ]
)


class MergesDaemonJson(StepBase):
    """A step that has keys for daemon.json; all such steps of a plan are one merge (``united``)."""

    path: AbsolutePath = "/etc/docker/daemon.json"
    override: bool = False

    def wanted(self, facts: Facts) -> dict[str, Any]:
        """The keys for that host."""
        raise NotImplementedError


class DaemonJson(MergesDaemonJson):
    """``keys`` are merged by key, maps deeply; keys of others stay, in their order.

    A key that has another value already is a clash and refused, unless ``override``. Where dockerd
    runs, it is reloaded if that is enough and restarted otherwise. ``lists`` are keys whose entries
    go behind those of others. ``proxy`` is what dockerd pulls through. A login that it wants is not
    written: the file is read, compared and merged by others, and may be open to all. Then dockerd is
    told of no proxy, which would refuse it anyway. A port without TLS is the same as root for all who
    reach it: it is no value, unless ``insecure_tcp``.
    """

    kind: Literal["daemon_json"]
    keys: dict[str, Any] = Field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    proxy: ProxyUrl | Annotated[str, Field(max_length=0)] = ""
    insecure_tcp: bool = False

    @model_validator(mode="after")
    def _guarded(self) -> DaemonJson:
        if not self.insecure_tcp and (at := unguarded(self.keys)):
            raise ValueError(
                f"{', '.join(at)} without 'tlsverify' makes root of whoever gets there;"
                " if that is meant: docker_insecure_tcp=true"
            )
        return self

    def wanted(self, facts: Facts) -> dict[str, Any]:  # noqa: ARG002 (the same for all hosts)
        """The keys, as they were written; the proxy is told apart, for it is not told every dockerd."""
        return self.keys

    @property
    def told(self) -> dict[str, Any]:
        """``keys``, and the proxy as dockerd takes it since 23.0, unless ``keys`` say it already."""
        if not self.proxy:
            return self.keys
        both = {"http-proxy": self.proxy, "https-proxy": self.proxy}
        return {"proxies": both, **self.keys}

    @property
    def whole(self) -> dict[str, Any]:
        """All that a file has where there was none."""
        return appended(self.told, self.lists)

    @property
    def how(self) -> Literal["reload", "restart"]:
        """What makes a running daemon take all the keys."""
        return "reload" if set(self.whole) <= RELOADABLE else "restart"

    def decide(self, view: View) -> Decision:
        """The merged file, and the reload or restart that makes it effective."""
        why_not = self._untold(view)
        keys = self.keys if why_not else self.told
        notes = [f"dockerd is told of no proxy: {why_not}"] if why_not else []
        found = view.facts.file(self.path)
        current = self._parse(found) if found else {}
        if found and found.target is not None and (keys or self.lists):
            raise RefusedError(
                f"{self.path} is a symlink to {found.target}",
                step=self.name,
                next_step="make it a plain file, or take 'docker_daemon' out",
            )
        merged, clashes = merge(current, keys)
        if clashes and not self.override:
            raise RefusedError(
                f"{self.path} has other values already: {', '.join(key for key, _, _ in clashes)}",
                details=tuple(
                    (key, f"there {json.dumps(old)}, asked for {json.dumps(new)}")
                    for key, old, new in clashes
                ),
                step=self.name,
                next_step="settle which value is right, in the file or in docker_daemon",
            )
        try:
            merged = appended(merged, self.lists)
        except ValueError as error:
            raise self._invalid(str(error)) from None
        notes += overlaps(merged, view.facts)
        notes += [
            f"{at} is open without TLS, as asked for: whoever gets there is root here"
            for at in unguarded(keys)
        ]
        if merged != current or view.facts.daemon is None:
            refuse_what_breaks(self.path, merged, view.facts, self.name)
        text = json.dumps(merged, indent=2, ensure_ascii=False) + "\n"
        if merged == current:
            asked = keys or self.lists
            reason = "has all keys that were asked for" if asked else "nothing to merge"
            kept = action(
                self, view, kind="daemon_json", verb=Verb.KEEP, target=self.path, reason=reason
            )
            # A run that was cut after it wrote the file left dockerd without what is in it.
            late = set(self.keys.get("runtimes", ())) - set(view.facts.nvidia.runtimes)
            lost = late and view.facts.nvidia.runtimes
            again = self._effective(view, ["runtimes"]) if lost else ()
            return Decision(actions=(kept, *again), notes=tuple(notes))
        changed = [key for key in merged if merged[key] != current.get(key)]
        return Decision(
            actions=(
                action(
                    self,
                    view,
                    kind="daemon_json",
                    verb=Verb.CHANGE if found else Verb.ADD,
                    target=self.path,
                    reason=f"{', '.join(changed)} by us; {_keys(len(current))} of others stay"
                    if found
                    else f"new: {', '.join(changed)}",
                    before=found.content if found else None,
                    after=text,
                    params={
                        "path": self.path,
                        "mode": found.mode if found else "0644",
                        "content": text,
                        "keys": changed,
                        "was": assumed(view.facts, self.path),
                        **({"programs": new} if (new := programs(keys, current)) else {}),
                    },
                ),
                *self._effective(view, changed),
            ),
            assumes={self.path: assumed(view.facts, self.path)},
            notes=(*notes, *self._by_hand(view)),
        )

    def _untold(self, view: View) -> str:
        """Why dockerd is not told of the proxy; empty where it is, or where there is none."""
        if not self.proxy:
            return ""
        if view.login:
            return "daemon.json is no place for its login"
        kept = view.facts.package("docker-ce")
        version = upstream(kept.version or "") if kept and kept.installed else ""
        if version and not view.upgrade and compare(version, "23") < 0:
            return f"docker-ce {version} does not know the key 'proxies'"
        return ""

    def _by_hand(self, view: View) -> tuple[str, ...]:
        """What is left to people where a daemon runs that systemd did not start."""
        if view.facts.daemon is None or view.facts.init == "systemd":
            return ()
        return (f"dockerd reads {self.path} when it is started anew, which nobody does here",)

    def _effective(self, view: View, changed: list[str]) -> tuple[Action, ...]:
        """Make a running daemon take the new keys; one that is not there yet starts with them."""
        daemon = view.facts.daemon
        if daemon is None or view.facts.init != "systemd":
            return ()
        needed = [key for key in changed if key not in RELOADABLE]
        # CDI is switched on when dockerd starts, though other features are reloaded.
        if "features" in changed and "cdi" in self.keys.get("features", ()):
            needed.append("features.cdi")
        if not needed:
            return (
                action(
                    self,
                    view,
                    kind="reload",
                    verb=Verb.CHANGE,
                    target="docker.service",
                    reason="reload is enough for these keys; containers go on",
                    # A runtime's program may be among the packages that are still to come.
                    params={
                        "unit": "docker.service",
                        "how": "reload",
                        "late": "runtimes" in changed,
                    },
                ),
            )
        needs = ", ".join(needed)
        if daemon.swarm == "active":
            raise DestructiveError(
                f"{view.facts.hostname} is a Swarm node; a restart of dockerd moves its tasks",
                step=self.name,
                next_step="drain the node first: docker node update --availability drain NODE",
            )
        stops = () if daemon.live_restore else tuple(c.name for c in view.facts.containers)
        return (
            action(
                self,
                view,
                kind="reload",
                verb=Verb.RESTART,
                target="docker.service",
                reason=f"{needs} needs a restart"
                + ("; live-restore keeps containers" if daemon.live_restore else ""),
                params={"unit": "docker.service", "how": "restart"},
                stops=stops,
            ),
        )

    def _parse(self, file: FileFact) -> dict[str, Any]:
        text = file.content
        if text is None:
            raise self._invalid("it cannot be read, or is larger than any such file")
        if "\ufffd" in text:
            raise self._invalid("it is not UTF-8")
        if not text:
            return {}  # dockerd takes an empty file as one without keys
        try:
            value = json.loads(text, object_pairs_hook=no_twins)
        except json.JSONDecodeError as error:
            raise self._invalid(
                f"{error.msg} at line {error.lineno} column {error.colno}"
            ) from None
        except ValueError as error:
            raise self._invalid(str(error)) from None
        if not isinstance(value, dict):
            raise self._invalid("it is not an object")
        return value

    def _invalid(self, why: str) -> RefusedError:
        return RefusedError(
            f"{self.path} is not valid now",
            details=(("why", why), ("host", "the file was not touched")),
            step=self.name,
            next_step=f"mend {self.path}; check it with: dockerd --validate",
        )


def _keys(count: int) -> str:
    return f"{count} key{'' if count == 1 else 's'}"
