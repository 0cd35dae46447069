"""Packages of the distribution that only a few tests need, as .debs from this machine's archive."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tests.lab.machine import archive, components, sh
from tests.lab.parts import Part, Paths, ensure


@lru_cache
def part(suite: str, names: tuple[str, ...]) -> Part:
    """The part with some packages of a suite in ``debs``, without what they depend on."""

    def build(out: Path, _: Paths) -> None:
        for folder in ("lists/partial", "cache/archives/partial", "debs"):
            (out / folder).mkdir(parents=True)
        (out / "sources.list").write_text(f"deb {archive()} {suite} {components()}\n")
        (out / "status").touch()
        options = {
            "Dir::Etc::sourcelist": out / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": out / "lists",
            "Dir::State::status": out / "status",
            "Dir::Cache": out / "cache",
            "Acquire::Languages": "none",
            "APT::Update::Error-Mode": "any",
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
        sh([*apt, "update"])
        sh([*apt, "download", *names], cwd=out / "debs")
        for folder in ("lists", "cache"):
            sh(["rm", "-r", out / folder])

    return Part(f"extra-{suite}", ("faults/extra.py",), build, salt=" ".join((suite, *names)))


def debs(suite: str, *names: str) -> Path:
    """The folder with the .debs of some packages of a suite, fetched once."""
    wanted = part(suite, names)
    return ensure(wanted)[wanted.name] / "debs"
