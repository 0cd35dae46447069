"""Step kind ``nvidia_past``: what NVIDIA's earlier recipes left on a host goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from dockwright.errors import DestructiveError, RefusedError
from dockwright.models import Package, Word
from dockwright.plan import Action, PackageChange, Verb
from dockwright.steps.base import Decision, StepBase, View, action
from dockwright.steps.versions import compare, listed, newest_first, short, upstream

_OLD = (
    "nvidia-docker",  # 1.0, with a volume plugin of its own
    "nvidia-docker2",
    "nvidia-container-runtime",  # part of nvidia-container-toolkit-base by now
    "nvidia-container-runtime-hook",
)
_TOOLKIT = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
_META = "2.14"  # from this version on nvidia-docker2 is empty, and depends on the toolkit
_FIRST = "1.14"  # the first toolkit in NVIDIA's present repository; what came before is 404


class NvidiaPast(StepBase):
    """nvidia-docker 1.0, nvidia-docker2 up to 2.13 and nvidia-container-runtime, where they are.

    They are removed and never purged: up to 2.13 ``/etc/docker/daemon.json`` is a conffile of
    nvidia-docker2 (its debian/nvidia-docker2.install), and purging it deletes the file. Containers
    and volumes of nvidia-docker 1.0 go only with ``remove``: what is written in them is lost.

    With ``meta`` nvidia-docker2 is wanted as what it is since 2.14, an empty package that depends on
    the toolkit, if ``repository`` offers it: toolkits after 1.14 come without one.
    """

    kind: Literal["nvidia_past"]
    remove: bool = False
    meta: bool = False
    repository: Word = "nvidia"

    def decide(self, view: View) -> Decision:
        """Nothing where there is nothing of the past."""
        meta = self._meta(view) if self.meta else ()
        if isinstance(meta, Decision):
            return meta
        gone = {change.name for change in meta}
        going = [
            found
            for name in _OLD
            if name not in gone and (found := _installed(view, name)) is not None
            if name != "nvidia-docker2" or _below(found, _META)
        ]
        # Their archives are gone, or in a repository that this plan takes out.
        lost = [one for name in _TOOLKIT if (one := _installed(view, name)) and _below(one, _FIRST)]
        copied = [package.name for package in (*going, *lost)]
        copied += [change.name for change in meta if change.old]
        return Decision(
            actions=(
                *(self._volumes(view) if view.facts.package("nvidia-docker") else ()),
                *(self._copies(view, copied) if copied else ()),
                *(self._removal(view, going) if going else ()),
                *(self._addition(view, meta) if self.meta else ()),
            ),
            packages=(*(PackageChange(name=one.name, old=one.version) for one in going), *meta),
            notes=tuple(_notes(view)),
        )

    def _meta(self, view: View) -> tuple[PackageChange, ...] | Decision:
        """The empty nvidia-docker2 where it is not there yet and the repository has it."""
        found = _installed(view, "nvidia-docker2")
        if found is not None and not _below(found, _META):
            return ()
        offered: Mapping[str, tuple[str, ...]] = view.facts.offered  # by the host's own lists
        offer = view.offers.get(self.repository)
        if offer is not None:
            offered = offer.versions
        elif "nvidia-docker2" in offered or _TOOLKIT[0] not in offered or found is not None:
            return Decision(consult=(self.repository,))
        fitting = [v for v in offered.get("nvidia-docker2", ()) if compare(upstream(v), _META) >= 0]
        old = found.version if found else None
        return tuple(
            PackageChange(name="nvidia-docker2", old=old, new=new, origin=self.repository)
            for new in newest_first(tuple(fitting))[:1]
        )

    def _copies(self, view: View, names: list[str]) -> Iterator[Action]:
        yield action(
            self, view, kind="repack", verb=Verb.ADD, target="/var/lib/dockwright/debs",
            reason="no archive has them any more: copies of what is installed, for the way back of"
            f" {', '.join(names)}",
            params={"packages": names},
        )  # fmt: skip

    def _removal(self, view: View, going: list[Package]) -> Iterator[Action]:
        yield action(
            self, view, kind="packages", verb=Verb.REMOVE,
            target=", ".join(f"{one.name} {short(one.version or '')}" for one in going),
            reason="the NVIDIA Container Toolkit replaces it; removed and never purged",
            params={"packages": [package.name for package in going]},
        )  # fmt: skip

    def _addition(self, view: View, meta: tuple[PackageChange, ...]) -> Iterator[Action]:
        there = _installed(view, "nvidia-docker2")
        verb, reason = Verb.KEEP, "installed"
        if meta:
            verb = Verb.CHANGE if there else Verb.ADD
            reason = "empty by now: it depends on the NVIDIA Container Toolkit"
        elif there is None or _below(there, _META):
            reason = "NVIDIA's repository has it no more: the toolkit is what it asked for"
        yield action(
            self, view, kind="packages", verb=verb,
            target=listed(meta) if meta else "nvidia-docker2", reason=reason,
            params={"packages": [change.name for change in meta]},
        )  # fmt: skip

    def _volumes(self, view: View) -> Iterator[Action]:
        """The containers and volumes of nvidia-docker 1.0, once somebody agreed to lose them."""
        facts = view.facts
        containers, names = facts.nvidia.old_containers, facts.nvidia.old_volumes
        if _installed(view, "nvidia-docker") and facts.daemon is None:
            raise RefusedError(
                f"nobody can tell which containers of {facts.hostname} use nvidia-docker 1.0",
                details=(("why", "dockerd does not answer"),),
                step=self.name,
                next_step="systemctl start docker, then the same command",
            )
        if not names:
            return
        listed = ", ".join(f"{one.name} ({one.state})" for one in containers)
        if not self.remove:
            raise DestructiveError(
                f"containers and volumes of nvidia-docker 1.0 are on {facts.hostname}",
                details=(("containers", listed or "none"), ("volumes", ", ".join(names))),
                step=self.name,
                next_step="when they may go, with all that is written in them: the same command"
                " with --remove-nvidia-docker",
            )
        yield action(
            self, view, kind="nvidia_volumes", verb=Verb.REMOVE,
            target=", ".join((*(one.name for one in containers), *names)),
            reason="containers and volumes of nvidia-docker 1.0; undo does not bring them back",
            params={"containers": [one.id for one in containers], "volumes": list(names)},
            stops=tuple(one.name for one in containers if one.state == "running"),
        )  # fmt: skip


def _installed(view: View, name: str) -> Package | None:
    found = view.facts.package(name)
    return found if found and found.installed else None


def _below(package: Package, version: str) -> bool:
    return compare(upstream(package.version or ""), version) < 0


def _notes(view: View) -> Iterator[str]:
    """What to know of nvidia-docker2, also long after it went: dpkg remembers its conffile."""
    found = view.facts.package("nvidia-docker2")
    if found is None or not _below(found, _META):
        return
    yield (
        f"/etc/docker/daemon.json is a conffile of nvidia-docker2 {upstream(found.version or '')}: "
        "apt-get purge nvidia-docker2 would delete the file, so it is never purged"
    )
    if found.installed:
        yield (
            "the command nvidia-docker goes with it: docker run --gpus all is what it is today; "
            "apply nvidia-docker2 --set nvidia_docker_shim=true keeps one of that name"
        )
