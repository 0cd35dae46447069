"""A folder with a playbook and a component of the test's own."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from dockwright.errors import InputError
from dockwright.load import Overrides, load_playbook
from tests.unit.load.support import SITE, Errors, Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write ``site.yaml`` and ``components/own.yaml``; the test runs beside them."""
    monkeypatch.chdir(tmp_path)

    def write(own: str, site: str = SITE, **files: str) -> None:
        Path("components").mkdir(exist_ok=True)
        Path("components/own.yaml").write_text(
            f"component: own\nsummary: Own\n{textwrap.dedent(own)}", encoding="utf-8"
        )
        Path("site.yaml").write_text(textwrap.dedent(site), encoding="utf-8")
        for name, text in files.items():
            Path(f"{name}.yaml").write_text(textwrap.dedent(text), encoding="utf-8")

    return write


@pytest.fixture
def errors() -> Errors:
    """The error lines of loading a playbook, which must not load."""

    def errors(
        playbook: str = "site.yaml", *sets: str, overrides: Overrides | None = None
    ) -> list[str]:
        with pytest.raises(InputError) as caught:
            load_playbook(playbook, overrides=overrides or Overrides(sets=sets))
        assert caught.value.exit == 2
        assert "no host was contacted" in caught.value.brief
        return [text for label, text in caught.value.details if label == "error"]

    return errors
