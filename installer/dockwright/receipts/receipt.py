"""What one run changed on a host, read back from the lines that its program wrote."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from dockwright.models import Frozen


class Receipt(Frozen):
    """One run's changes: packages as (before, after), files as what stood there before.

    A version or a file of ``None`` was absent. ``wrote`` has the sha256 of each file that the run
    wrote, ``None`` where it only took one away. ``asked`` are the packages that it named to apt,
    ``members`` and ``left`` are (group, user). ``keys`` are
    those merged into daemon.json, ``snaps`` those that were removed.
    ``images`` maps names to the id of the image that they were for before, ``None`` for none;
    ``gone`` are images that were taken away, ``logins`` registries with ``absent``, ``new`` or
    ``other`` for what was there before, ``logouts`` those that were left.
    ``purging`` has directories that it began to empty, with device and inode.
    """

    packages: dict[str, tuple[str | None, str | None]] = Field(default_factory=dict)
    asked: tuple[str, ...] = ()
    files: dict[str, str | None] = Field(default_factory=dict)
    wrote: dict[str, str | None] = Field(default_factory=dict)
    directories: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    snaps: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    images: dict[str, str | None] = Field(default_factory=dict)
    gone: tuple[str, ...] = ()
    logins: dict[str, str] = Field(default_factory=dict)
    logouts: tuple[str, ...] = ()
    purging: tuple[tuple[str, str], ...] = ()

    @property
    def summary(self) -> str:
        """What was changed, in one line."""
        came = [n for n, (before, after) in self.packages.items() if before is None and after]
        went = [n for n, (before, after) in self.packages.items() if before and after is None]
        moved = [n for n, (before, after) in self.packages.items() if before and after]
        parts = [
            *([f"+ {_some(came)}"] if came else []),
            *([f"- {_some(went)}"] if went else []),
            *([f"~ {_some(moved)}"] if moved else []),
            *([_some([path.rpartition("/")[2] for path in self.files])] if self.files else []),
            *([f"held {_some(self.holds)}"] if self.holds else []),
            *([f"released {_some(self.released)}"] if self.released else []),
            *(f"- snap {name}" for name in self.snaps),
            *(f"{user} in group {group}" for group, user in self.members),
            *(f"{user} out of group {group}" for group, user in self.left),
            *([f"image {_some(tuple(self.images))}"] if self.images else []),
            *(f"- image {name}" for name in self.gone),
            *(f"login at {host}" for host in self.logins),
            *(f"logout from {host}" for host in self.logouts),
            *(f"emptied {path}" for path, _ in self.purging),
        ]
        return "; ".join(parts)


def _some(names: tuple[str, ...] | list[str]) -> str:
    """The first few names and how many more there are; what apt added comes last in a receipt."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def read_receipt(text: str) -> Receipt:
    """The lines that the program wrote (templates/runtime/files.sh); others are passed over."""
    packages: dict[str, tuple[str | None, str | None]] = {}
    files: dict[str, str | None] = {}
    wrote: dict[str, str | None] = {}
    directories: list[str] = []
    asked: list[str] = []
    holds: list[str] = []
    released: list[str] = []
    members: list[tuple[str, str]] = []
    left: list[tuple[str, str]] = []
    snaps: list[str] = []
    keys: list[str] = []
    purging: list[tuple[str, str]] = []
    for line in text.splitlines():
        match line.split(" "):
            case ["package", name, before, after]:
                packages[name] = (_present(before), _present(after))
            case ["asked", *names]:
                asked += [re.sub(r"(=.*|-)$", "", name) for name in names if name]
            case ["file", path, before, _]:
                files.setdefault(path, _present(before))
                wrote.setdefault(path, None)
            case ["wrote", path, after]:
                wrote[path] = after
            case ["directory", path]:
                directories.append(path)
            case ["hold", *names]:
                holds += names
            case ["unhold", *names]:
                released += names
            case ["member", group, user]:
                members.append((group, user))
            case ["left", group, user]:
                left.append((group, user))
            case ["snap", name, "removed"]:
                snaps.append(name)
            case ["keys", _, *names]:
                keys += names
            case ["purging", path, identity]:
                purging.append((path, identity))
            case _:
                pass
    return Receipt(
        packages=packages,
        asked=tuple(dict.fromkeys(asked)),
        files=files,
        wrote=wrote,
        directories=tuple(dict.fromkeys(directories)),
        holds=tuple(dict.fromkeys(holds)),
        released=tuple(dict.fromkeys(released)),
        members=tuple(dict.fromkeys(members)),
        left=tuple(dict.fromkeys(left)),
        snaps=tuple(dict.fromkeys(snaps)),
        keys=tuple(dict.fromkeys(keys)),
        **_of_docker(text),
        purging=tuple(dict.fromkeys(purging)),
    )


def _of_docker(text: str) -> dict[str, Any]:
    """What the run did to docker's images and logins."""
    images: dict[str, str | None] = {}
    gone: list[str] = []
    logins: dict[str, str] = {}
    logouts: list[str] = []
    taken: set[str] = set()
    for line in text.splitlines():
        match line.split(" "):
            case ["image", name, before]:
                images.setdefault(name, _present(before))
            case ["image-gone", name, _]:
                gone.append(name)
            case ["login", host, before]:
                logins.setdefault(host, before)
            case ["got-login", host]:
                taken.add(host)
            case ["logout", host]:
                logouts.append(host)
            case _:
                pass
    return {
        "images": images,
        "gone": tuple(dict.fromkeys(gone)),
        # One that was there, and was not replaced after all, is theirs.
        "logins": {
            host: before for host, before in logins.items() if before != "other" or host in taken
        },
        "logouts": tuple(dict.fromkeys(logouts)),
    }


def _present(word: str) -> str | None:
    return None if word == "absent" else word
