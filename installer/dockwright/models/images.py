"""What people write of images and registries, and what hosts tell of their images."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from dockwright.models.fields import AbsolutePath, Frozen, ImageName, ImageTag, RegistryHost, Sha256

_HUB = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")
_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n"
)


def familiar(name: str) -> str:
    """A name as ``docker image ls`` has it: without the hub's own parts, and with a tag or digest."""
    name, at, digest = name.partition("@")
    for prefix in _HUB:
        name = name.removeprefix(prefix)
    name = name.removeprefix("library/")
    if ":" in name.rpartition("/")[2] or at:
        return f"{name}{at}{digest}"
    return f"{name}:latest"


def split(name: str) -> tuple[str, str, str]:
    """``(repository, tag, digest)`` of a familiar name; what it does not have is empty."""
    name, _, digest = familiar(name).partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{folder}{slash}{last}", tag, digest


def _certificates(text: str) -> str:
    text = "".join(f"{line.strip()}\n" for line in text.strip().splitlines())
    if "PRIVATE KEY" in text:
        raise ValueError("holds a private key: a host is told the CA's certificate alone")
    if not re.fullmatch(f"(?:{_PEM.pattern})+", text):
        raise ValueError("must be one or more PEM blocks BEGIN CERTIFICATE, and nothing else")
    return text


Certificates: TypeAlias = Annotated[str, AfterValidator(_certificates)]


class ImageWish(Frozen):
    """One image that a host shall have, or not.

    ``name`` may carry a digest; with a tag, too, the image is pulled by the digest and gets the
    tag. ``tags`` are further names for it. ``archive`` is a tar of ``docker save`` on the host,
    ``send`` one on this machine; ``sha256`` is that of the tar.
    """

    name: ImageName
    state: Literal["present", "absent"] = "present"
    tags: tuple[ImageTag, ...] = ()
    archive: AbsolutePath | Annotated[str, Field(max_length=0)] = ""
    send: Annotated[str, Field(pattern=r"^(~?/[^\x00-\x1f\x7f]+)?$")] = ""
    sha256: Sha256 = ""

    @model_validator(mode="after")
    def _fits(self) -> ImageWish:
        source = self.archive or self.send
        if self.archive and self.send:
            raise ValueError("'archive' is on the host and 'send' on this machine: one of them")
        if self.state == "absent" and (self.tags or source):
            raise ValueError("an image that is to be absent takes neither tags nor a tar")
        if self.sha256 and not source:
            raise ValueError("'sha256' is that of a tar; an image has its digest in the name")
        if source and "@" in self.name:
            raise ValueError("a tar holds no digest of a registry; 'sha256' pins the tar itself")
        return self


class RegistryWish(Frozen):
    """One registry as a host's daemon shall know it.

    ``ca`` is what its TLS certificate is signed by, as PEM. ``login`` says that root on the host
    logs in; name and password come by --registry-logins. ``insecure`` lets the daemon speak plain
    http, or take any certificate; ``mirror`` makes it a mirror of Docker Hub.
    """

    host: RegistryHost
    ca: Certificates | Annotated[str, Field(max_length=0)] = ""
    login: bool = False
    insecure: bool = False
    mirror: bool = False

    @model_validator(mode="after")
    def _fits(self) -> RegistryWish:
        hub = f"{self.host}/" in _HUB
        if hub and (self.ca or self.insecure or self.mirror):
            raise ValueError("the hub takes a login only: it is no mirror, and has a public CA")
        if self.ca and self.insecure:
            raise ValueError("'insecure' makes 'ca' void: one of them")
        return self


class ImageFact(Frozen):
    """One row of ``docker image ls --digests``; words that are ``<none>`` there are empty."""

    id: str
    repository: str
    tag: str = ""
    digest: str = ""
