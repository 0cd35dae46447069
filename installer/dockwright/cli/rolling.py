"""Options for changing many hosts: in which order, how many may fail, what runs beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dockwright.cli.options import panel

if TYPE_CHECKING:
    from dockwright.app import Rollout

_many = panel("Many hosts")


@dataclass(frozen=True)
class Rolling:
    """How a change goes over a fleet."""

    batches: Annotated[
        str | None,
        _many(
            "1,10%,rest: one host, then a tenth, then all others; each when the one before it is "
            "done. The last size is repeated.",
            "--batches",
        ),
    ] = None
    max_failures: Annotated[
        str | None,
        _many(
            "3 or 10%: begin no further host once so many failed. With --batches alone: 1.",
            "--max-failures",
        ),
    ] = None
    pause: Annotated[float, _many("Seconds between two batches.", "--pause")] = 0.0
    before_host: Annotated[
        str | None,
        _many(
            "A command of this machine before each host that is changed; {host}, {address}, {user} "
            "and {port} are filled in. Where it fails the host is left alone.",
            "--before-host",
        ),
    ] = None
    after_host: Annotated[
        str | None,
        _many("The same after each host that was changed and is well.", "--after-host"),
    ] = None


@dataclass(frozen=True)
class Spreading(Rolling):
    """How it goes past one machine."""

    engine: Annotated[
        str | None,
        _many(
            "dask=tcp://scheduler:8786 (or tls://): workers of that Dask do it, each with its own keys.",
            "--engine",
        ),
    ] = None
    sites: Annotated[
        list[str] | None,
        _many(
            "With --engine: hosts of this group of the inventory go to workers with the resource of "
            "that name alone. May be repeated.",
            "--site",
        ),
    ] = None


def rollout_of(rolling: Rolling) -> Rollout | None:
    """What the options ask for, if anything. Raises InputError."""
    if rolling == type(rolling)():
        return None
    from dockwright.app import Rollout, Share, sizes_of, words_of
    from dockwright.errors import InputError

    if rolling.pause and not rolling.batches:
        raise InputError(
            "--pause is between batches", next_step="add --batches, such as 1,10%,rest"
        )
    if rolling.pause < 0:
        raise InputError("--pause: seconds are not negative")
    limit, before, after = rolling.max_failures, rolling.before_host, rolling.after_host
    return Rollout(
        batches=sizes_of(rolling.batches) if rolling.batches else (),
        most_failures=Share.of_text(limit, "--max-failures") if limit else None,
        pause=rolling.pause,
        before=words_of(before, "--before-host") if before is not None else (),
        after=words_of(after, "--after-host") if after is not None else (),
    )
