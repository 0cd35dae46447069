"""Step kind ``docker_image``: images that are there, under their names, or are not."""

from __future__ import annotations

from typing import Literal

from dockwright.errors import DestructiveError
from dockwright.models import Facts, ImageWish
from dockwright.models.images import familiar, split
from dockwright.plan import Action, Verb
from dockwright.steps.base import Decision, StepBase, View, action


class DockerImage(StepBase):
    """Each image of ``images`` is pulled, or loaded from a tar, tagged, or taken away.

    One that is there is not pulled again, whatever its tag names by now: a digest in the name says
    exactly which. Taking one away never takes a container with it.
    """

    kind: Literal["docker_image"]
    images: tuple[ImageWish, ...] = ()

    def decide(self, view: View) -> Decision:
        """One action for each image, from what the host told of its images."""
        return Decision(
            actions=tuple(
                self._gone(wish, view) if wish.state == "absent" else self._there(wish, view)
                for wish in self.images
            )
        )

    def _there(self, wish: ImageWish, view: View) -> Action:
        repository, tag, digest = split(wish.name)
        # Docker pulls by the digest where there is one; the tag beside it is ours to give.
        named = f"{repository}@{digest}" if digest else familiar(wish.name)
        tags = [f"{repository}:{tag}"] if digest and tag else []
        tags += [familiar(name) for name in wish.tags]
        there = identity(view.facts, named)
        others = [name for name in tags if identity(view.facts, name) != (there or "?")]
        if there and not others:
            reason = f"there, {there[:19]}" + (f"; also {', '.join(tags)}" if tags else "")
            verb = Verb.KEEP
        elif there:
            moved = [name for name in others if identity(view.facts, name)]
            reason = f"gets the name {', '.join(others)}" + (
                f"; {', '.join(moved)} named another image" if moved else ""
            )
            verb = Verb.CHANGE
        else:
            source = wish.archive or (f"{wish.send} of this machine" if wish.send else "")
            reason = (
                f"loaded from {source}" if source else f"pulled{' by its digest' * bool(digest)}"
            )
            verb = Verb.ADD
        return action(
            self,
            view,
            kind="image",
            verb=verb,
            target=wish.name,
            reason=reason,
            params={
                "image": named,
                "tags": tags,
                "archive": wish.archive,
                "send": wish.send,
                "sha256": wish.sha256,
            },
        )

    def _gone(self, wish: ImageWish, view: View) -> Action:
        name = familiar(wish.name)
        there = identity(view.facts, name)
        if not there:
            return action(
                self, view, kind="image_gone", verb=Verb.KEEP, target=wish.name, reason="not there"
            )
        users = [one.name for one in view.facts.containers if familiar(one.image) == name]
        if users:
            raise DestructiveError(
                f"{wish.name} is in use: {', '.join(users)}",
                details=(("why", "no container is taken away with an image"),),
                step=self.name,
                next_step=f"when they may go: docker rm -f {' '.join(users)}",
            )
        return action(
            self,
            view,
            kind="image_gone",
            verb=Verb.REMOVE,
            target=wish.name,
            reason=f"not wanted; {there[:19]}",
            params={"image": name},
        )


def identity(facts: Facts, name: str) -> str:
    """The id of the image that has that name on the host, empty where none has."""
    repository, tag, digest = split(name)
    for image in facts.images:
        same = image.digest == digest if digest else image.tag == tag
        if image.repository == repository and same:
            return image.id
    return ""
