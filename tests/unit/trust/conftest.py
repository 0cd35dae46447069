from __future__ import annotations

import pytest
from pysequoia import Tsk


@pytest.fixture(scope="session")
def vendor() -> Tsk:
    """Docker's shape: a primary that certifies, a subkey that signs."""
    return Tsk.generate("Docker Release (CE deb) <docker@vendor.test>")


@pytest.fixture(scope="session")
def stranger() -> Tsk:
    return Tsk.generate("Stranger <stranger@vendor.test>")
