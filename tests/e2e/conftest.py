"""Fixtures of the scenarios."""

from __future__ import annotations

from tests.lab.fixtures import lab, pytest_configure

__all__ = ["lab", "pytest_configure"]
