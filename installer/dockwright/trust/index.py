"""Whether a repository's index is the vendor's, by the signature of its InRelease file.

Facts: the layout of repositories is Debian's (wiki.debian.org/DebianRepository/Format). Docker
signs with a subkey of the pinned primary; NVIDIA signs with the primary, dates its index 2018 and
sets no Valid-Until, so a date alone tells nothing of freshness: only a version floor does.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timezone
from typing import TYPE_CHECKING

from dockwright.errors import RefusedError, TrustError
from dockwright.trust import armour
from dockwright.trust.key import VendorKey
from dockwright.trust.packets import SIGNATURE, ask, read, tags
from dockwright.trust.words import clean, day, grouped, what_came

if TYPE_CHECKING:
    from debian.deb822 import Deb822

CLOCKS = 300  # seconds by which a vendor's clock may be ahead of ours

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEXT = (
    "Look who answers at that address: a proxy, a captive portal or a mirror "
    "may serve something of its own."
)


@dataclass(frozen=True)
class Release:
    """The signed head of an index.

    Times are in seconds since the epoch. ``hashes`` maps a path below the index to sha256 (hex)
    and size in bytes. ``signer`` is the fingerprint of the key that signed it. Empty tuples: the
    index does not say.
    """

    suite: str
    codename: str
    architectures: tuple[str, ...]
    components: tuple[str, ...]
    date: int | None
    valid_until: int | None
    by_hash: bool
    signer: str
    hashes: Mapping[str, tuple[str, int]] = field(repr=False)


def judge_index(
    inrelease: bytes,
    key: VendorKey,
    *,
    suite: str,
    components: Sequence[str],
    architecture: str,
    now: int,
    what: str,
) -> Release:
    """Judge an InRelease file; ``now`` is in seconds since the epoch, ``what`` its URL.

    A ``suite`` that ends in ``/`` is a flat repository, which has no name of its own to compare.
    Raises TrustError when ``key`` did not sign it, when it is another suite's, or when its dates
    do not hold; RefusedError when it has nothing for the architecture or a component.
    """
    text, signer = _signed(inrelease, key, what)
    release = _release(text, signer, what)

    def distrust(brief: str, expected: str, got: str) -> TrustError:
        details = (("what", what), ("expected", expected), ("got", got))
        return TrustError(f"{what}: {brief}", details=details, next_step=_NEXT)

    names = tuple(dict.fromkeys(name for name in (release.codename, release.suite) if name))
    if not suite.endswith("/") and suite not in names:
        raise distrust("the index is another suite's", suite, ", ".join(names) or "no name")
    if release.date is not None and release.date > now + CLOCKS:
        raise distrust("the index is dated in the future", f"at most {day(now)}", day(release.date))
    if release.valid_until is not None and release.valid_until <= now:
        end = day(release.valid_until)
        raise distrust("the index has run out", f"valid on {day(now)}", f"valid until {end}")
    for kind, wished, there in (
        ("architecture", (architecture,), release.architectures),
        ("component", components, release.components),
    ):
        missing = [name for name in wished if there and name not in there]
        if missing:
            raise _missing(what, kind, missing, there)
    return release


def _signed(inrelease: bytes, key: VendorKey, what: str) -> tuple[str, str]:
    """The text that ``key`` signed, as OpenPGP returned it, and the signer's fingerprint."""
    from pysequoia import Cert, verify

    def distrust(brief: str, got: str) -> TrustError:
        details = (("what", what), ("expected", grouped(key.fingerprint)), ("got", got))
        return TrustError(f"{what}: {brief}", details=details, next_step=_NEXT)

    # Other kinds of signed messages would verify, too, but apt does not read them.
    blocks = armour.blocks(inrelease)
    if [block.kind for block in blocks] != [armour.SIGNED_MESSAGE, armour.SIGNATURE]:
        raise distrust("not a signed index", what_came(inrelease))
    if not inrelease.startswith(b"-----BEGIN PGP SIGNED MESSAGE-----"):
        raise distrust("text before the signed index", what_came(inrelease[:200]))
    signatures = blocks[1].data or b""
    if set(tags(signatures) or ()) != {SIGNATURE}:
        raise distrust("not a signed index", "signatures that are cut off or damaged")
    cert = Cert.from_bytes(key.armoured.encode())
    try:
        verified = verify(inrelease, store=lambda _: [cert])
        signers = [
            signature.signing_key.upper()
            for signature in verified.valid_sigs
            if hmac.compare_digest(signature.certificate.upper(), key.fingerprint)
        ]
    except RuntimeError:
        raise distrust("not signed by the vendor's key", _issuers(signatures)) from None
    able = [signer for signer in signers if signer in key.signers]
    if not able or verified.bytes is None:
        got = f"signed by {', '.join(map(grouped, signers))}, which may not sign any more"
        raise distrust("signed by a key that has expired", got)
    return verified.bytes.decode("utf-8", "replace").replace("\r\n", "\n"), able[0]


def _issuers(signatures: bytes) -> str:
    """Who claims to have signed, for a message: a fingerprint where it is told, else a key id."""
    names = []
    for packet in read(signatures):
        name = ask(packet, "issuer_fingerprint") or ask(packet, "issuer_key_id")
        if name:
            moment = packet.signature_created
            made = f" on {moment:%Y-%m-%d}" if moment else ""
            names.append(f"a signature in the name of {grouped(name)}{made}")
    return "; ".join(names[:4]) or "a signature in nobody's name"


def _release(text: str, signer: str, what: str) -> Release:
    """The fields of a Release file."""
    from debian.deb822 import Deb822

    fields = Deb822(text.split("\n"))
    hashes: dict[str, tuple[str, int]] = {}
    for line in fields.get("SHA256", "").split("\n"):
        words = line.split()
        if len(words) == 3 and _SHA256.fullmatch(words[0]) and words[1].isdecimal():
            hashes[words[2].removeprefix("./")] = (words[0], int(words[1]))
    if not hashes:
        details = (("what", what), ("expected", "SHA256 sums"), ("got", what_came(text.encode())))
        raise TrustError(f"{what}: a signed index without SHA256 sums", details=details)
    return Release(
        suite=clean(fields.get("Suite", "")),
        codename=clean(fields.get("Codename", "")),
        architectures=tuple(clean(word) for word in fields.get("Architectures", "").split()),
        components=tuple(clean(word) for word in fields.get("Components", "").split()),
        date=_time(fields, "Date", what),
        valid_until=_time(fields, "Valid-Until", what),
        by_hash=fields.get("Acquire-By-Hash", "").strip().lower() == "yes",
        signer=signer,
        hashes=hashes,
    )


def _time(fields: Deb822, name: str, what: str) -> int | None:
    """A field such as ``Sat, 10 Oct 2026 08:00:00 UTC`` in seconds since the epoch."""
    from email.utils import parsedate_to_datetime

    text = fields.get(name)
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        # A time without a zone is in UTC, as for apt.
        return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())
    except (ValueError, OverflowError):
        details = (("what", what), ("expected", "a time"), ("got", clean(text) or "nothing"))
        raise TrustError(
            f"{what}: {name} of the signed index is no time", details=details
        ) from None


def _missing(what: str, kind: str, missing: Sequence[str], there: Sequence[str]) -> RefusedError:
    return RefusedError(
        f"{what}: the vendor has no {kind} {', '.join(missing)} there",
        details=(("what", what), ("expected", ", ".join(missing)), ("got", ", ".join(there))),
    )
