"""Step kind ``packages``: what is installed, at which version, held or absent.

All package steps of a plan end in one apt transaction, so that nothing is removed before what
replaces it is downloaded, and a failure leaves no gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dockwright import distros
from dockwright.errors import RefusedError
from dockwright.models import Floor, Line, PackageName, VersionWish, Word
from dockwright.plan import ANY_VERSION, Action, PackageChange, Verb
from dockwright.steps.base import Decision, Offer, StepBase, View, action
from dockwright.steps.pins import refuse_pinned
from dockwright.steps.runtimes import stopped
from dockwright.steps.versions import (
    below,
    compare,
    listed,
    major,
    matches,
    newer,
    refuse_replayed,
    short,
    upstream,
)


class Packages(StepBase):
    """``present`` are there, ``absent`` are not; only what is installed is removed, never purged.

    ``repository`` names the apt_repository step that ``present`` must come from; without it the
    host's own sources give them. ``version`` (``29``, ``29.7``, ``29.7.2`` or the full string)
    applies to the packages in ``versioned``, which all get the same one; ``named_by`` is what people
    write before one. ``floor`` is a version of the first of them that is known to be out, for all
    releases that Docker builds for: an index whose newest is older is not of today. Below ``least``
    nothing is installed, for the reason ``least_because``. ``hold`` keeps apt from changing them later
    (apt-mark(8)).
    """

    kind: Literal["packages"]
    present: tuple[PackageName, ...] = ()
    absent: tuple[PackageName, ...] = ()
    repository: Word | None = None
    version: VersionWish | Annotated[str, Field(max_length=0)] = ""
    versioned: tuple[PackageName, ...] = ()
    named_by: Line = "--docker-version "
    floor: Floor = ""
    least: VersionWish | Annotated[str, Field(max_length=0)] = ""
    least_because: Line = ""
    hold: bool = False
    because: Line = "wanted"

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Packages:
        both = set(self.present) & set(self.absent)
        if both:
            raise ValueError(f"both present and absent: {', '.join(sorted(both))}")
        if self.version and not self.repository:
            raise ValueError("'version' needs 'repository': the one whose versions are meant")
        return self

    def decide(self, view: View) -> Decision:
        """Which packages change, and to which exact version where the vendor was consulted."""
        removal = self._removal(view)
        wanted = self._wanted(view)
        if isinstance(wanted, Decision):
            return wanted
        changes, notes = wanted
        if not self.version:
            refuse_pinned(view.facts.ground.pins, changes, self.name)
        held = [c.name for c in (*removal, *changes) if self._held_by_another(view, c.name)]
        if held:
            raise RefusedError(
                f"held by apt-mark: {', '.join(held)}",
                details=(("why", "somebody asked apt not to change them"),),
                step=self.name,
                next_step=f"if that is no longer wanted: apt-mark unhold {' '.join(held)}",
            )
        return Decision(
            actions=(
                *self._remove_action(view, removal),
                *self._present_actions(view, changes),
                *self._hold_action(view, changes),
            ),
            packages=(*removal, *changes),
            held=self.present if self.hold else (),
            notes=tuple(notes),
            allow_downgrades=any(
                change.old
                and change.new
                and change.new != ANY_VERSION
                and compare(change.new, change.old) < 0
                for change in changes
            ),
        )

    # --- what must go ---------------------------------------------------------------------

    def _removal(self, view: View) -> tuple[PackageChange, ...]:
        known = (view.facts.package(name) for name in self.absent)
        return tuple(
            PackageChange(name=package.name, old=package.version)
            for package in known
            if package is not None and package.installed
        )

    def _remove_action(self, view: View, removal: tuple[PackageChange, ...]) -> Iterator[Action]:
        if not self.absent:
            return
        if not removal:
            yield action(
                self, view, kind="packages", verb=Verb.KEEP, target="old packages",
                reason="none of them is installed",
            )  # fmt: skip
            return
        names = [change.name for change in removal]
        yield action(
            self, view, kind="packages", verb=Verb.REMOVE,
            target=", ".join(f"{change.name} {short(change.old or '')}" for change in removal),
            reason=f"{self.because}; removed after the download, data stays",
            params={"packages": names}, stops=stopped(view, names, live=False),
        )  # fmt: skip

    # --- what must be there ---------------------------------------------------------------

    def _wanted(self, view: View) -> Decision | tuple[list[PackageChange], list[str]]:
        facts = view.facts
        installed = {
            package.name: package.version or ""
            for package in map(facts.package, self.present)
            if package is not None and package.installed
        }
        missing = [name for name in self.present if name not in installed]
        if self.repository is None:
            return [PackageChange(name=name, new=ANY_VERSION) for name in missing], []
        wrong = [
            name
            for name in self.versioned
            if self.version and name in installed and not matches(installed[name], self.version)
        ]
        if self._low(installed):  # what has a known hole is not kept
            view = replace(view, upgrade=True)
        if not (missing or wrong or view.upgrade):
            return [], self._newer(view, installed)
        offer = view.offers.get(self.repository)
        if offer is None:
            return Decision(consult=(self.repository,))
        target, notes = self._target(offer, installed, view)
        changes = []
        for name in self.present:
            current = installed.get(name)
            if current is not None and not view.upgrade and name not in wrong:
                continue
            new = self._pick(offer, name, target, view)
            if current is None or compare(new, current) > 0 or (name in wrong and new != current):
                changes.append(
                    PackageChange(name=name, old=current, new=new, origin=self.repository)
                )
        if low := self._low(installed | {change.name: change.new or "" for change in changes}):
            raise RefusedError(
                low[0], step=self.name, next_step=f"name {self.least} or a newer version"
            )
        return changes, notes

    def _low(self, versions: dict[str, str]) -> list[str]:
        """What is below the floor, in words."""
        return below(versions, self.versioned, self.least, self.least_because)

    def _target(
        self, offer: Offer, installed: dict[str, str], view: View
    ) -> tuple[str | None, list[str]]:
        """The one version of the packages that go together, and what is worth saying about it."""
        lead = next((name for name in self.versioned if name in self.present), None)
        if lead is None:
            return None, []
        versions = offer.versions.get(lead, ())
        if not versions:
            raise self._not_there(lead, view)
        current = installed.get(lead)
        if current is None or view.upgrade:
            known = (*view.facts.offered.get(lead, ()), *([current] if current else []))
            refuse_replayed(lead, versions[0], known, step=self.name, floor=self._floor(view))
        if self.version:
            fitting = [v for v in versions if matches(v, self.version)]
            if not fitting:
                raise RefusedError(
                    f"{lead} {self.version} is not in the repository for {view.facts.codename}",
                    details=(("there", ", ".join(upstream(v) for v in versions[:6])),),
                    step=self.name,
                    next_step="name one of the versions that are there",
                )
            return fitting[0], []
        if current is None:
            return versions[0], []
        if not view.upgrade:
            return current, []
        same_major = [v for v in versions if major(v) == major(current)]
        best = same_major[0] if same_major else current
        if major(versions[0]) != major(current):
            note = (
                f"{lead} {upstream(versions[0])} is a new major version: "
                f"it comes only when it is named ({self.named_by}{major(versions[0])})"
            )
            return best, [note]
        return best, []

    def _floor(self, view: View) -> str:
        """The floor where it holds: what Docker builds no more for stays at an older version."""
        release = distros.find(view.facts.distro, view.facts.codename)
        return self.floor if release is not None and release.docker else ""

    def _pick(self, offer: Offer, name: str, target: str | None, view: View) -> str:
        versions = offer.versions.get(name, ())
        if not versions:
            raise self._not_there(name, view)
        if name not in self.versioned or target is None:
            return versions[0]
        if target in versions:
            return target
        raise RefusedError(
            f"{name} is not in the repository at {upstream(target)}",
            details=(("there", ", ".join(upstream(v) for v in versions[:6])),),
            step=self.name,
            next_step="upgrade: the repository no longer has what is installed",
        )

    def _not_there(self, name: str, view: View) -> RefusedError:
        return RefusedError(
            f"the repository has no {name} for {view.facts.codename} on {view.facts.architecture}",
            details=(("known", distros.known()),) if self.repository == distros.DOCKER else (),
            step=self.name,
            next_step="use a release that the vendor builds for",
        )

    def _newer(self, view: View, installed: dict[str, str]) -> list[str]:
        """What the host's own lists offer that is newer: kept, and told."""
        names = [name for name in self.versioned or self.present if name in installed]
        offered = view.facts.offered
        told = (newer(n, installed[n], offered.get(n, ()), self.named_by) for n in names)
        return [note for note in told if note][:1]

    def _present_actions(self, view: View, changes: list[PackageChange]) -> Iterator[Action]:
        new = [change for change in changes if change.old is None]
        other = [change for change in changes if change.old is not None]
        same = [name for name in self.present if name not in {c.name for c in changes}]
        live = bool(view.facts.daemon and view.facts.daemon.live_restore)
        if new:
            yield action(
                self, view, kind="packages", verb=Verb.ADD, target=listed(new),
                reason=self.because, params={"packages": [change.name for change in new]},
            )  # fmt: skip
        if other:
            names = [change.name for change in other]
            yield action(
                self,
                view,
                kind="packages",
                verb=Verb.CHANGE,
                target=", ".join(
                    f"{c.name} {upstream(c.old or '')} → {upstream(c.new or '')}" for c in other
                ),
                reason=self._why(other),
                params={"packages": names},
                stops=stopped(view, names, live=live),
            )
        if same:
            listing = ", ".join(same)
            kept = {"kind": "packages", "verb": Verb.KEEP, "target": listing, "reason": "installed"}
            yield action(self, view, **kept)

    def _why(self, changes: list[PackageChange]) -> str:
        named = f"version {self.version} was named" if self.version else "upgrade asked for"
        return next(iter(self._low({one.name: one.old or "" for one in changes})), named)

    def _hold_action(self, view: View, changes: list[PackageChange]) -> Iterator[Action]:
        if not self.hold or not self.present:
            return
        # apt lets go of a package that it is asked by name to change.
        held = {package.name for package in view.facts.packages if package.held}
        loose = [name for name in self.present if name not in held - {c.name for c in changes}]
        yield action(
            self,
            view,
            kind="hold",
            verb=Verb.CHANGE if loose else Verb.KEEP,
            target=", ".join(loose or self.present),
            reason="held: apt will not change them by itself" if loose else "held already",
            params={"packages": loose},
        )

    def _held_by_another(self, view: View, name: str) -> bool:
        package = view.facts.package(name)
        return bool(package and package.held and not (self.hold and name in self.present))
