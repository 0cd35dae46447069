"""pytest fixtures: one lab for the session, fresh hosts for each test.

Load them with ``pytest_plugins = ["tests.lab.fixtures"]`` in the top conftest. Tests that use them
carry the marker ``lab`` and are skipped, with the reason, where no lab can be had.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.machine import why_not

HostFactory = Callable[..., Host]
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "lab: needs root and Linux; boots real hosts")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A running lab, shared by all tests of the session."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Lab.start() as running:
        yield running


@pytest.fixture
def host_factory(lab: Lab) -> Iterator[HostFactory]:
    """Boots hosts for one test: ``host_factory(dress=...)``; it makes up missing names."""
    made: list[Host] = []

    def make(name: str | None = None, dress: str = "debian-13", **options: Any) -> Host:
        host = lab.host(name or f"h{next(_numbers)}", dress, **options)
        made.append(host)
        return host

    yield make
    for host in made:
        if host.dir.exists():
            host.remove()
    lab.vendor.serve("good")
