"""Images and logins of a daemon, as facts.sh tells of them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence

from dockwright.facts.telling import rows
from dockwright.models import Facts, ImageFact
from dockwright.registries import HUB_KEY, Logins

_NONE = "<none>"


def images(told: Mapping[str, Sequence[str]]) -> Iterator[ImageFact]:
    """The rows of ``docker image ls --digests``."""
    for identity, repository, tag, digest in rows(told, "image", 4):
        if identity and repository and repository != _NONE:
            yield ImageFact(
                id=identity,
                repository=repository,
                tag="" if tag == _NONE else tag,
                digest="" if digest == _NONE else digest,
            )


def logins(told: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Registries that root is logged in to, with the host's sum of each login."""
    # Of a helper's entries only the name tells that it is a registry's, and not a setting's.
    found = {
        server: sum_
        for server, sum_ in rows(told, "login", 2)
        if "." in server or ":" in server or sum_ != "-"
    }
    return {"docker.io" if server == HUB_KEY else server: sum_ for server, sum_ in found.items()}


def judge_logins(known: Facts, nonce: str, given: Logins) -> Facts:
    """The facts with a word for each login: ``same`` as the one that was given, or ``other``.

    ``kept`` is one that a credential helper has: what it is, docker's file does not say.

    The host's sum is over the nonce of this one answer and is not kept, so that nobody can try
    passwords on it later.
    """
    judged = {}
    for server, told in known.logins.items():
        login = given.of(server)
        text = f"{nonce}\n{login.auth}\n" if login else ""
        right = hashlib.sha256(text.encode()).hexdigest()
        if told == "-":
            judged[server] = "kept"
            continue
        judged[server] = "same" if login and hmac.compare_digest(right, told) else "other"
    return known.model_copy(update={"logins": judged}) if judged else known
