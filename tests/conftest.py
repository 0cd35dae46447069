"""How the tests are run."""

from __future__ import annotations

import os

import pytest


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Tests that need no lab run on all cores; a lab and its hosts are one worker's at a time."""
    if config.option.markexpr.strip() != "not lab":
        return 0
    return os.cpu_count() or 1
