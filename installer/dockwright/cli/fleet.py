"""Which hosts a command is for: the words of its line, its inventories, its limits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path

from dockwright.cli.options import Reach, Show
from dockwright.errors import Exit, InputError
from dockwright.load import Inventory, choose, read_inventories
from dockwright.load.problems import did_you_mean, shown
from dockwright.models import Host
from dockwright.transport.target import LOCAL, parse_target, refuse_private_key

VARIABLE = "DOCKWRIGHT_INVENTORY"
_BY_LOG = ("failed", "unfinished")


class Fleet:
    """The hosts of a command.

    Raises InputError for an inventory that cannot be read at all. What is wrong in one is raised by
    ``hosts``, or before that by the playbook's loading, with what is wrong there.
    """

    def __init__(self, words: Sequence[str] | None, reach: Reach, show: Show | None = None) -> None:
        self._words = list(words or ())
        self._reach = reach
        self._log = show.log if show else None
        # Nobody named a host: then a change is asked about.
        self.implied = not self._words
        self.inventory = _inventory(reach)

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts in their order; raises InputError where they cannot be told."""
        known = self.inventory.hosts(user=self._reach.user)
        self.inventory.stop_here()
        twice = sorted({word for word in self._words if self._words.count(word) > 1})
        if twice:
            raise InputError(f"named twice: {', '.join(twice)}", next_step="name it once")
        if self.inventory.names:
            named = self._of_inventory(known)
        elif self._reach.limit and not self._words:
            raise InputError(
                "--limit takes from hosts, and none are named",
                next_step="name hosts, or an inventory by -i",
            )
        else:
            named = [parse_target(word) for word in self._words or ["local"]]
        if not named:
            raise InputError(
                f"{', '.join(self._words)}: there is no host in it",
                details=(("inventory", self.inventory.what),),
            )
        _refuse_twins(named)
        return self._limited(named, known)

    # --- inner ----------------------------------------------------------------------------

    def _of_inventory(self, known: dict[str, Host]) -> list[Host]:
        if not self._words:
            if self.inventory.environment and not self._reach.limit:
                raise InputError(
                    f"{VARIABLE} names an inventory, and nobody named hosts",
                    details=(("hosts", "none was contacted"),),
                    next_step="name hosts or groups, all, or local",
                )
            return list(known.values())
        found: dict[str, Host] = {}
        for word in self._words:
            found |= {host.name: host for host in self._meant(word, known)}
        return list(found.values())

    def _meant(self, word: str, known: dict[str, Host]) -> list[Host]:
        """The hosts of one word: names, groups and globs of the inventory, or a target as typed."""
        tree = self.inventory.tree
        if word in LOCAL and word not in known:
            return [parse_target(word)]
        # web[1:3] is a range of the inventory's.
        typed = "@" in word or word.startswith("[") or (":" in word and "[" not in word)
        if typed and word not in known:
            return [self._typed(word, known)]
        refuse_private_key(word)
        try:
            names = choose(list(known), list(tree.groups), tree.members, [word], lambda _: ())
        except InputError:
            hint = did_you_mean(word, (*known, *tree.groups))
            raise InputError(
                f"{shown(word)} is neither a host nor a group of {self.inventory.what}{hint}",
                details=(("hosts", "none was contacted"),),
                next_step="a host that is in no inventory is named with its user: user@host",
            ) from None
        return [known[name] for name in names]

    @staticmethod
    def _typed(word: str, known: dict[str, Host]) -> Host:
        """A target as typed: its user and port go before what the inventory says of that host."""
        target = parse_target(word)
        host = known.get(target.address or "")
        if host is None:
            return target
        changes = {"user": target.user, "port": target.port, "transport": target.transport}
        return host.model_copy(update={key: new for key, new in changes.items() if new})

    def _limited(self, named: list[Host], known: dict[str, Host]) -> tuple[Host, ...]:
        limit, tree = self._reach.limit, self.inventory.tree
        if not limit:
            return tuple(named)
        names = list(dict.fromkeys([*known, *(host.name for host in named)]))
        of_log = partial(self._by_log, hosts=[host.name for host in named])
        wanted = set(choose(names, list(tree.groups), tree.members, limit, of_log))
        left = tuple(host for host in named if host.name in wanted)
        if not left:
            raise InputError(
                f"--limit {', '.join(limit)} leaves no host",
                details=(("hosts", ", ".join(host.name for host in named[:20])),),
            )
        return left

    def _by_log(self, term: str, hosts: Sequence[str]) -> list[str]:
        """The hosts that a log of a run tells apart.

        ``failed:FILE`` are those that it names and that did not end well, ``unfinished:FILE`` all
        but those that ended well, also those that it does not name; ``failed`` and ``unfinished``
        are by the log of ``--log``, ``FILE`` is short for ``failed:FILE``.
        """
        word, _, file = term.partition(":")
        if word not in _BY_LOG:
            word, file = "failed", term
        elif not file and self._log is None:
            raise InputError(
                f"--limit @{word}: {word} in which run?",
                next_step=f"--limit @{word}:RUN.jsonl names its log; @{word} is the one of --log",
            )
        from dockwright.report.jsonl import read_log
        from dockwright.report.tally import tally

        path = Path(file) if file else self._log or Path()
        known = tally(read_log(path))
        well = {name for name, one in known.items() if one.code is Exit.OK}
        if word == "unfinished":
            # What was planned and not applied is not done, either.
            done = {name for name in well if not known[name].unapplied}
            found = [name for name in hosts if name not in done]
        else:
            found = [name for name in known if name not in well]
        if not found:
            none = "no host failed" if word == "failed" else "no host was left"
            raise InputError(f"{none} in {path}", next_step="there is nothing to repeat")
        return found


def _inventory(reach: Reach) -> Inventory:
    named = os.environ.get(VARIABLE, "")
    sources = reach.inventory or ([named] if named else [])
    for source in sources:
        refuse_private_key(source)
    if "-" in sources and "-" == reach.sudo_password_file:  # noqa: SIM300 (S105 takes it for a password)
        raise InputError("standard input cannot be both the inventory and the sudo password")
    if "-" in sources and not reach.inventory:
        raise InputError(f"{VARIABLE} names a file; standard input is -i -")
    return read_inventories(sources, environment=bool(named) and not reach.inventory)


def _refuse_twins(hosts: Iterable[Host]) -> None:
    """Two names of one machine, as far as they tell; what hides behind names is seen later."""
    seen: dict[tuple[object, ...], str] = {}
    for host in hosts:
        key = (host.address and host.address.lower(), host.port or 22, host.jump)
        first = seen.setdefault(key, host.name)
        if first != host.name:
            raise InputError(
                f"{first} and {host.name} are the same machine", next_step="name it once"
            )
