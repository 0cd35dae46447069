"""What a field may hold.

The grammars are narrow enough that no value can leave its field: a line break in a URL would
otherwise add a line to an apt source, such as ``Trusted: yes``, and switch off apt's verification.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints


class Frozen(BaseModel):
    """Base of all models: immutable, strict types, unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True
    )


def _pattern(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=pattern)


def _fingerprint(text: str) -> str:
    digits = re.sub(r"[ :]", "", text).upper()
    if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", digits):
        raise ValueError("a fingerprint has 40 (or 64) hex digits; short key ids can be forged")
    return digits


# A user name goes into ssh_config's tokens, and from there into the commands of ProxyCommand and
# Match exec: a name that a shell reads as more than a word got commands run (CVE-2026-35386).
# A leading - would be read as an option by the same commands.
LOGIN = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}\$?"
HOST_NAME = r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?"
_HOP = rf"({LOGIN}@)?({HOST_NAME}|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?"


def is_ipv6(text: str) -> bool:
    """Whether that is an IPv6 address, with or without a zone."""
    try:
        return isinstance(ipaddress.ip_address(text), ipaddress.IPv6Address)
    except ValueError:
        return False


def _address(text: str) -> str:
    if not (re.fullmatch(HOST_NAME, text) or is_ipv6(text)):
        raise ValueError("must be the name or the address of a host")
    return text


# Debian policy 5.6.1; apt reads a trailing - or + as remove or install, and ^ as a task.
PackageName: TypeAlias = Annotated[str, _pattern(r"^[a-z0-9][a-z0-9.+-]*[a-z0-9.]$")]
# An upstream version, a leading part of one (29, 29.7), or Debian's full string with epoch.
VersionWish: TypeAlias = Annotated[str, _pattern(r"^[0-9][A-Za-z0-9.+:~-]*$")]
# A version that is known to be out, and since when; or nothing.
Floor: TypeAlias = Annotated[
    str, _pattern(r"^([0-9][A-Za-z0-9.+:~-]*( of [0-9]{4}-[0-9]{2}-[0-9]{2})?)?$")
]
Url: TypeAlias = Annotated[
    str, _pattern(r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%+,=@-]+)*/?$")
]
# As apt's URIs have it: $(ARCH) stands for the host's architecture; sources.list(5).
AptUri: TypeAlias = Annotated[
    str,
    _pattern(r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/([A-Za-z0-9._~%+,=@-]+|\$\(ARCH\)))*/?$"),
]
# A proxy's address; its login is kept apart (dockwright.proxies).
PROXY_URL = r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/?$"
ProxyUrl: TypeAlias = Annotated[str, _pattern(PROXY_URL)]
Suite: TypeAlias = Annotated[str, _pattern(r"^(/|[a-z0-9][a-z0-9./-]*)$")]
Word: TypeAlias = Annotated[str, _pattern(r"^[a-z0-9][a-z0-9._-]*$")]
Architecture: TypeAlias = Annotated[str, _pattern(r"^[a-z0-9][a-z0-9-]*$")]
UnitName: TypeAlias = Annotated[str, _pattern(r"^[A-Za-z0-9@._:-]+\.(service|socket|timer)$")]
# useradd(8) of Debian allows this; a leading - would be read as an option.
UserName: TypeAlias = Annotated[str, _pattern(r"^[a-z_][a-z0-9_.-]{0,31}$")]
AbsolutePath: TypeAlias = Annotated[str, _pattern(r"^(/[A-Za-z0-9@._+-]*[A-Za-z0-9@_+-])+$")]
FileMode: TypeAlias = Annotated[str, _pattern(r"^0[0-7]{3}$")]
ImageName: TypeAlias = Annotated[
    str,
    _pattern(
        r"^[a-z0-9]([a-z0-9._/-]|:[0-9]+/)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$"
    ),
]
# A name without a digest: what docker tag gives to an image.
ImageTag: TypeAlias = Annotated[
    str, _pattern(r"^[a-z0-9]([a-z0-9._/-]|:[0-9]+/)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$")
]
# As it stands before the first slash of an image's name; docker.io is the hub.
RegistryHost: TypeAlias = Annotated[
    str, _pattern(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?$")
]
Sha256: TypeAlias = Annotated[str, _pattern(r"^([0-9a-f]{64})?$")]
Fingerprint: TypeAlias = Annotated[str, AfterValidator(_fingerprint)]
Line: TypeAlias = Annotated[str, _pattern(r"^[^\x00-\x1f\x7f]*$")]
LoginName: TypeAlias = Annotated[str, _pattern(rf"^{LOGIN}$")]
Address: TypeAlias = Annotated[str, AfterValidator(_address)]
JumpHosts: TypeAlias = Annotated[str, _pattern(rf"^{_HOP}(,{_HOP})*$")]
# Relative to what? An inventory is used from many directories.
KeyFile: TypeAlias = Annotated[str, _pattern(r"^~?/[^\x00-\x1f\x7f]+$")]
GroupName: TypeAlias = Annotated[str, _pattern(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
