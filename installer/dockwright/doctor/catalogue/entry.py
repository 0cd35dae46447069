"""One record of the catalogue: a message that people search for, its cause, and its mend."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """What a message means.

    ``messages`` are regular expressions over the message with its blanks made single; the catalogue
    is asked in its order, and the first entry that fits is the answer. ``rung`` is what does not
    carry: host, apt, dpkg, docker, daemon, container, driver, toolkit or cdi. ``look`` and ``mend``
    are commands or short advice; ``source`` is where the fact can be read.
    """

    id: str
    rung: str
    finding: str
    cause: str
    mend: tuple[str, ...]
    source: str
    messages: tuple[str, ...] = ()
    look: tuple[str, ...] = ()

    def fits(self, message: str) -> bool:
        """Whether the message is one of this entry's."""
        return any(re.search(pattern, message, re.IGNORECASE) for pattern in self.messages)
