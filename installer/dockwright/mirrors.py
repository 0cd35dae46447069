"""Copies of Docker's apt repositories that people use where Docker's own is slow or out of reach.

A copy carries Docker's key and Docker's signed index, so the pin holds: what a mirror serves is
judged as what Docker serves. Looked up in November 2026; each entry has where it was found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dockwright.errors import InputError

OFFICIAL = "https://download.docker.com"


@dataclass(frozen=True)
class Mirror:
    """``url`` is the folder that stands for download.docker.com; ``source`` says who names it."""

    name: str
    url: str
    source: str


MIRRORS = (
    Mirror(
        "tuna",
        "https://mirrors.tuna.tsinghua.edu.cn/docker-ce",
        "https://mirrors.tuna.tsinghua.edu.cn/help/docker-ce/",
    ),
    Mirror(
        "aliyun",
        "https://mirrors.aliyun.com/docker-ce",
        "get.docker.com, --mirror Aliyun; https://developer.aliyun.com/mirror/docker-ce",
    ),
)
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%+,=@-]+)*/?")


def repository(mirror: str) -> str:
    """The value of ``docker_url`` for a mirror's name or URL.

    A URL is that of the folder that holds ``linux/ubuntu`` and ``linux/debian``. Raises InputError
    for what is neither, without the text where it may hold a login.
    """
    known = {one.name: one.url for one in MIRRORS}
    url = known.get(mirror.lower(), mirror).rstrip("/")
    if not _URL.fullmatch(url):
        shown = "" if "@" in mirror else f" {mirror!r}"
        raise InputError(
            f"--mirror{shown} is neither a mirror's name nor a URL",
            details=(("names", ", ".join(known)), ("hosts", "none was contacted")),
            next_step="the URL of the folder that stands for download.docker.com, such as"
            " https://mirror.example/docker-ce",
        )
    folder = re.sub(r"/linux(/(ubuntu|debian))?$", "", url)
    return f"{folder}/linux/{{{{ distro }}}}"
