"""Dockwright inside a host, for its local mode: this checkout's source and its dependencies for the
host's Python.

The dependencies are fetched once for each list of them in ``pyproject.toml`` and bound read-only,
so a host gets them in no time and a run can't change them.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab.machine import ROOT, LabError, sh
from tests.lab.parts import Part, Paths, ensure

HOME = "/opt/dockwright"
ENVIRONMENT = {"PYTHONPATH": f"{HOME}/src/installer:{HOME}/deps", "PYTHONDONTWRITEBYTECODE": "1"}


def command(*args: str) -> list[str]:
    """The command line that runs Dockwright in a host made with ``python=True``."""
    return [
        "env",
        *(f"{k}={v}" for k, v in ENVIRONMENT.items()),
        "python3",
        "-m",
        "dockwright",
        *args,
    ]


def _python_of(lower: Sequence[Path]) -> str:
    """The version, as ``3.13``, of the Python that a stack of layers has."""
    for layer in lower:
        for path in (layer / "usr/bin").glob("python3.[0-9]*"):
            return path.name.removeprefix("python")
    raise LabError("the host has no Python: make it with python=True")


def dependencies(version: str) -> Part:
    """The part with everything that this checkout's package needs, for one version of Python."""
    project = ROOT / "pyproject.toml"
    listed = re.compile(r"^dependencies = \[.*?^\]", re.MULTILINE | re.DOTALL)

    def build(out: Path, _: Paths) -> None:
        wheel, deps = out / "wheel", out / "deps"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        sh([*pip, "wheel", "--no-deps", "--wheel-dir", wheel, ROOT])
        install = [*pip, "install", "--target", deps, "--python-version", version]
        sh([*install, "--only-binary=:all:", "--no-compile", *wheel.glob("*.whl")])
        shutil.rmtree(wheel)
        for path in deps.glob("dockwright*"):  # the source is bound from the checkout
            shutil.rmtree(path)

    if not project.exists():
        raise LabError("this checkout has no pyproject.toml")
    found = listed.search(project.read_text())
    salt = found[0] if found else project.read_text()
    return Part(f"deps-{version}", ("local.py",), build, salt=salt)


def binds(lower: Sequence[Path]) -> dict[str, str]:
    """What to bind where in a host; without a package to run there is nothing to bind."""
    if not (ROOT / "pyproject.toml").exists():
        return {}
    part = dependencies(_python_of(lower))
    deps = ensure(part)[part.name] / "deps"
    return {f"{HOME}/src": str(ROOT), f"{HOME}/deps": str(deps)}
