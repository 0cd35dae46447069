"""Fleets: a thousand hosts of a farm, and the engine."""

# A worker's profiler can lock up a Python of the age of 3.11.7 for good (CPython's issue 106883); docs/fleet.md.
NO_PROFILE = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
