"""Step kind ``apt_repository``: a vendor's repository with its pinned key, in deb822 form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dockwright import distros
from dockwright.errors import RefusedError
from dockwright.models import AbsolutePath, AptUri, Fingerprint, Suite, Url, Word
from dockwright.plan import Action, Repository, Verb, list_prefix
from dockwright.steps import apt_past as past
from dockwright.steps import apt_sources
from dockwright.steps.apt_sources import expanded
from dockwright.steps.base import Decision, Offer, RepositoryWish, StepBase, View, action, assumed


class AptRepository(StepBase):
    """Key and source of one repository.

    The key's primary fingerprint is pinned in full, and the source names path and fingerprint in
    ``Signed-By``: a second key in the file is not trusted (sources.list(5)). The source file has
    the vendor's own name and shape, so that a host set up by the manual merges. In ``url``,
    ``$(ARCH)`` stands for the host's architecture, as it does for apt.

    What became of the vendor's earlier repositories goes, too: entries below one of ``retired``;
    files that have a name of ``lists`` and no entry, for a "not found" page was saved as one; and
    other files that hold the pinned key alone, which would make it trusted for every source.

    A ``suite`` is a release of Ubuntu or Debian: a host that only derives from it is served where
    ``derivatives`` says so. A flat repository (``/``) is for all.
    """

    kind: Literal["apt_repository"]
    id: Word
    url: AptUri
    key_url: Url
    fingerprint: Fingerprint
    suite: Suite
    components: tuple[Word, ...]
    key_path: AbsolutePath
    source_path: AbsolutePath
    retired: tuple[Url, ...] = ()
    lists: tuple[Word, ...] = ()
    derivatives: bool = False

    def source(self, architecture: str) -> str:
        """The deb822 text, in the shape of Docker's manual."""
        lines = [
            "Types: deb",
            f"URIs: {self.url}",
            f"Suites: {self.suite}",
            *([f"Components: {' '.join(self.components)}"] if self.components else []),
            f"Architectures: {architecture}",
            f"Signed-By: {self.key_path} {self.fingerprint}",
        ]
        return "\n".join(lines) + "\n"

    def decide(self, view: View) -> Decision:
        """Key and source are kept where both are right already; else the vendor is consulted."""
        facts = view.facts
        source = self.source(facts.architecture)
        url = expanded(self.url, facts.architecture)
        others = self._others(view)  # path to what is to be its text; None: it goes as a whole
        spare = past.spare_keys(self, view, others) if self.retired else ()
        key_right = view.key_owners.get(self.key_path) == (self.fingerprint,)
        present = facts.file(self.source_path)
        source_right = present is not None and present.content == source
        wish = RepositoryWish(
            id=self.id,
            url=url,
            key_url=self.key_url,
            fingerprint=self.fingerprint,
            suite=self.suite,
            components=self.components,
        )
        offer = view.offers.get(self.id)
        settled = key_right and source_right and not others
        if offer is None and not settled:
            self._refuse_derivative(view)
            return Decision(wish=wish, consult=(self.id,))
        repository = self._resolved(offer, url, source) if offer else None
        return Decision(
            actions=(
                self._key(view, right=key_right, text=offer.key if offer else ""),
                *(self._replaced(view, path, text) for path, text in others.items()),
                self._source(
                    view,
                    right=source_right,
                    text=source,
                    replaces=tuple(path for path, left in others.items() if left is None),
                ),
                *(self._spare_key(view, path) for path in spare),
                *self._lists(view, settled=settled),
            ),
            repository=repository,
            wish=wish,
            assumes={
                path: assumed(facts, path)
                for path in (self.key_path, self.source_path, *others, *spare)
            },
            notes=tuple(self._notes(view, offer)),
        )

    def _notes(self, view: View, offer: Offer | None) -> Iterator[str]:
        if self.retired:
            yield from past.shared_keyrings(view, self.fingerprint)
        if offer is not None and self.id == distros.DOCKER:
            differs = distros.believed(view.facts.distro, self.suite, indexed=True)
            if differs:
                yield differs

    def _refuse_derivative(self, view: View) -> None:
        """Refuse a host that derives from the release which the packages are built for."""
        facts = view.facts
        flat = self.suite.endswith("/")
        if self.derivatives or flat or facts.os_id == facts.distro or not facts.codename:
            return
        release = distros.find(facts.distro, facts.codename)
        raise RefusedError(
            f"{facts.pretty_name} is neither Ubuntu nor Debian: it derives from"
            f" {release or f'{facts.distro} {facts.codename}'}",
            details=(
                ("why", "Docker builds and tests for no derivative; its packages may work here"),
            ),
            step=self.name,
            next_step=f"--set derivatives=true takes the packages for {facts.codename}",
        )

    def _resolved(self, offer: Offer, url: str, source: str) -> Repository:
        return Repository(
            id=self.id,
            url=url,
            suite=self.suite,
            components=self.components,
            key=offer.key,
            fingerprint=self.fingerprint,
            key_path=self.key_path,
            source_path=self.source_path,
            source=source,
        )

    def _lists(self, view: View, *, settled: bool) -> tuple[Action, ...]:
        """A run that was cut after the packages were in left apt without lists of the repository.

        Where packages change they are fetched anyway; a host that keeps no lists is left so.
        """
        prefix = list_prefix(expanded(self.url, view.facts.architecture), self.suite)
        known = view.facts.lists
        if not settled or self.id in view.offers or not known:
            return ()
        if any(name.startswith(prefix) for name in known):
            return ()
        params = {"source_path": self.source_path, "prefix": prefix}
        return (
            action(
                self,
                view,
                kind="lists",
                verb=Verb.ADD,
                target=self.source_path,
                reason="apt has no lists of it yet",
                params=params,
            ),
        )

    def _others(self, view: View) -> dict[str, str | None]:
        """Other files that name the same repository; two Signed-By values would stop all of apt.

        A file of ours alone goes (``None``). In one that names others beside it, and in
        /etc/apt/sources.list, only our entries are commented out. Others' entries in the very
        file that is to be ours are not for us to move.
        """
        found: dict[str, str | None] = {}
        url = expanded(self.url, view.facts.architecture)
        for file in view.facts.sources:
            parsed = apt_sources.parse(file, view.facts.architecture)
            ours = file.path == self.source_path
            if past.page_for_list(file, parsed, self.lists):
                found[file.path] = None
                continue
            if not parsed.names(url, self.retired) or (ours and parsed.only(url)):
                continue
            if parsed.only(url, self.retired) and file.path != "/etc/apt/sources.list":
                found[file.path] = None
                continue
            text = None if ours or file.target is not None else parsed.without(url, self.retired)
            if text is None:
                raise RefusedError(
                    f"{file.path} names this repository beside others, where they cannot be told apart",
                    details=(
                        ("why", "apt refuses two entries of one repository with different keys"),
                        *([("link", f"to {file.target}")] if file.target is not None else []),
                    ),
                    step=self.name,
                    next_step=f"take {url} out of {file.path}",
                )
            found[file.path] = text
        return found

    def _key(self, view: View, *, right: bool, text: str) -> Action:
        before = view.facts.file(self.key_path)
        if right:
            verb, reason = Verb.KEEP, "holds the pinned key and no other"
        elif before is None:
            verb, reason = Verb.ADD, "new"
        else:
            verb, reason = Verb.CHANGE, "holds something else than the pinned key alone"
        return action(
            self,
            view,
            kind="file",
            verb=verb,
            target=self.key_path,
            reason=reason,
            params={"path": self.key_path, "mode": "0644", "content": text, "absent": False},
        )

    def _source(self, view: View, *, right: bool, text: str, replaces: tuple[str, ...]) -> Action:
        before = view.facts.file(self.source_path)
        reason = "new" if before is None else "differs from what the repository is now"
        if replaces:
            reason += f", replaces {', '.join(path.rpartition('/')[2] for path in replaces)}"
        verb = Verb.ADD if before is None else Verb.CHANGE
        return action(
            self,
            view,
            kind="file",
            verb=Verb.KEEP if right else verb,
            target=self.source_path,
            reason="as planned" if right else reason,
            before=before.content if before and not right else None,
            after=None if right else text,
            params={"path": self.source_path, "mode": "0644", "content": text, "absent": False},
        )

    def _spare_key(self, view: View, path: str) -> Action:
        return action(
            self,
            view,
            kind="file",
            verb=Verb.REMOVE,
            target=path,
            reason=f"holds the key that is in {self.key_path} now; a backup is kept",
            params={"path": path, "mode": "", "content": "", "absent": True},
        )

    def _replaced(self, view: View, path: str, text: str | None) -> Action:
        """The file goes, or stays as ``text``: ``trial`` has apt's trial run see it like that."""
        before = view.facts.file(path)
        ours = f"same origin as {self.source_path.rpartition('/')[2]}"
        if before and past.page_for_list(before, apt_sources.parse(before), self.lists):
            ours = "no list, but a page that says there is none"
        if text is None:
            verb, reason = Verb.REMOVE, f"{ours}; a backup is kept"
            params = {"path": path, "mode": "", "content": "", "absent": True}
        else:
            verb, reason = Verb.CHANGE, f"{ours}: that entry alone is commented out"
            mode = before.mode if before else "0644"
            params = {"path": path, "mode": mode, "content": text, "absent": False, "trial": True}
        return action(
            self,
            view,
            kind="file",
            verb=verb,
            target=path,
            reason=reason,
            before=before.content if before else None,
            after=text or "",
            params=params,
        )
