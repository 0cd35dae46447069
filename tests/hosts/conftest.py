"""Fixtures of the acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.support import Prepared
from tests.lab.fixtures import host_factory, lab, pytest_configure
from tests.lab.lab import Lab

__all__ = ["host_factory", "lab", "prepared", "pytest_configure", "vendor_is_good"]


@pytest.fixture(scope="session")
def prepared(lab: Lab) -> Prepared:
    """Hosts that have Docker already, of whatever origin."""
    return Prepared(lab)


@pytest.fixture
def vendor_is_good(lab: Lab) -> Iterator[None]:
    """Whatever a test serves, the next one finds the good repository."""
    yield
    lab.vendor.serve("good")
