"""Trust: key and signed index of an apt repository, judged on the controller before any change.

``consult`` does all of it for one repository; the judges are pure functions of bytes, so it does
not matter who fetched them. Importing this package costs next to nothing: the HTTP client and
OpenPGP are loaded by the first call that needs them, which a converged run never makes.
``dockwright.trust.fetch`` is the module that talks HTTP; its function keeps that name to itself.
"""

from dockwright.trust.by_apt import late, refused, too_large
from dockwright.trust.failures import NotFoundError
from dockwright.trust.index import Release, judge_index
from dockwright.trust.key import VendorKey, judge_key, primary_fingerprints
from dockwright.trust.listing import Available, judge_packages
from dockwright.trust.vendor import Fetch, RepositoryWish, Vendor, consult, first_files
from dockwright.trust.words import grouped, mask

__all__ = [
    "Available",
    "Fetch",
    "NotFoundError",
    "Release",
    "RepositoryWish",
    "Vendor",
    "VendorKey",
    "consult",
    "first_files",
    "grouped",
    "judge_index",
    "judge_key",
    "judge_packages",
    "late",
    "mask",
    "primary_fingerprints",
    "refused",
    "too_large",
]
