from __future__ import annotations

import pytest
from hypothesis import settings

from dockwright import trust
from dockwright.cli import session
from tests.unit.playing import World

# Machines that are shared take their time now and then.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Made-up hosts and a made-up vendor in the place of SSH and HTTP."""
    made = World()
    monkeypatch.setattr(session, "open_transport", made.open)
    monkeypatch.setattr(trust, "consult", made.consult)
    return made
