"""Fixtures of the acceptance tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hosts.support import Layers
from tests.lab.fixtures import host_factory, lab, pytest_configure
from tests.lab.host import Host
from tests.lab.lab import Lab

__all__ = [
    "host_factory",
    "lab",
    "layers",
    "prepared",
    "pytest_configure",
    "real_processes",
    "vendor_is_good",
]


@pytest.fixture(scope="session")
def layers(lab: Lab) -> Layers:
    """What prepared hosts are made of."""
    return Layers(lab)


@pytest.fixture
def prepared(layers: Layers) -> Iterator[Callable[..., Host]]:
    """Boots prepared hosts for one test: ``prepared(kind, dress)``."""
    made: list[Host] = []

    def make(kind: str, dress: str = "debian-13") -> Host:
        made.append(layers.host(kind, dress))
        return made[-1]

    yield make
    for host in made:
        host.remove()


@pytest.fixture
def vendor_is_good(lab: Lab) -> Iterator[None]:
    """Whatever a test serves, the next one finds the good repository."""
    yield
    lab.vendor.serve("good")


@pytest.fixture(scope="module")
def real_processes(lab: Lab) -> Iterator[None]:
    """Each command is a process of its own from its start, as at a user's."""
    before, lab.forks = lab.forks, False
    yield
    lab.forks = before
