"""Gives the lab's own tests its fixtures, also when they are run alone."""

from tests.lab.fixtures import host_factory, lab, pytest_configure

__all__ = ["host_factory", "lab", "pytest_configure"]
