"""One apt repository, from its addresses to what it offers: fetched, judged, read.

Facts: the layout is that of wiki.debian.org/DebianRepository/Format; a suite that ends in ``/`` is
a flat repository (NVIDIA's), whose index lies beside its Packages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from dockwright import distros
from dockwright.errors import DockwrightError, RefusedError, TrustError
from dockwright.trust.background import Background
from dockwright.trust.failures import NotFoundError
from dockwright.trust.fetch import fetch as _fetch
from dockwright.trust.index import Release, judge_index
from dockwright.trust.key import KEY_LIMIT, VendorKey, judge_key
from dockwright.trust.listing import Available, judge_packages
from dockwright.trust.words import day, mask

INDEX_LIMIT = 4 * 1024 * 1024  # bytes; Debian's own, with 60 000 packages, has 0.2 MB
PACKAGES_LIMIT = 16 * 1024 * 1024  # bytes as fetched; Docker's have 0.1 MB, CUDA's 1 MB
DEADLINE = 60.0  # seconds a file
STALE = 365 * 86400  # seconds: an older index that names no end is worth a note

# Small first, and only what Python's own library unpacks.
_PACKINGS = (".xz", ".gz", "")


class Fetch(Protocol):
    """How a file is got: ``dockwright.trust.fetch.fetch``, through a host, or from a test."""

    def __call__(self, url: str, *, limit: int, deadline: float, proxy: str | None = None) -> bytes:
        """The bytes at ``url``; raises as ``dockwright.trust.fetch.fetch`` does."""
        ...


class RepositoryWish(Protocol):
    """What is asked of a repository; the wish of a step is one.

    ``url`` is that of apt's ``URIs``; ``fingerprint`` the pin, upper-case hex without spaces;
    ``suite`` ends in ``/`` where the repository is flat, and ``components`` is empty then.
    """

    @property
    def id(self) -> str:
        """A word that names the repository."""

    @property
    def url(self) -> str:
        """Where the repository is."""

    @property
    def key_url(self) -> str:
        """Where its key is."""

    @property
    def fingerprint(self) -> str:
        """The primary fingerprint that is pinned."""

    @property
    def suite(self) -> str:
        """The suite, such as ``noble``, or ``/``."""

    @property
    def components(self) -> tuple[str, ...]:
        """The components, such as ``stable``."""


@dataclass(frozen=True)
class Vendor:
    """A repository that was judged, and what it has for one architecture."""

    id: str
    url: str
    suite: str
    components: tuple[str, ...]
    architecture: str
    key: VendorKey
    release: Release
    available: tuple[Available, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    def packages(self, name: str) -> list[Available]:
        """The packages of that name, newest first by Debian's order of versions."""
        from debian.debian_support import NativeVersion

        found = [package for package in self.available if package.name == name]
        return sorted(found, key=lambda package: NativeVersion(package.version), reverse=True)

    def versions(self, name: str) -> list[str]:
        """The versions of that package, newest first; none where the vendor does not have it."""
        return [package.version for package in self.packages(name)]


def consult(
    wish: RepositoryWish,
    *,
    architecture: str,
    now: int,
    proxy: str | None = None,
    fetch: Fetch = _fetch,
) -> Vendor:
    """Fetch and judge key, index and lists of packages of one repository.

    ``architecture`` is dpkg's word, ``now`` the controller's time in seconds since the epoch.
    Key and index travel at the same time. Raises TrustError, RefusedError (no such suite,
    architecture or component) and UnreachableError.
    """
    get = partial(fetch, deadline=DEADLINE, proxy=proxy)
    base = _base(wish)
    index_url = f"{base}InRelease"
    index = Background(partial(get, index_url, limit=INDEX_LIMIT))
    key_data = get(wish.key_url, limit=KEY_LIMIT)
    key = judge_key(key_data, wish.fingerprint, now=now, what=mask(wish.key_url))
    try:
        data = index.result()
    except NotFoundError as error:
        raise _no_index(wish, base, get) from error
    judge = partial(
        judge_index,
        key=key,
        suite=wish.suite,
        components=wish.components,
        architecture=architecture,
        now=now,
        what=mask(index_url),
    )
    release = judge(data)
    try:
        available = _available(release, base, wish, architecture, get)
    except (TrustError, NotFoundError):
        # The vendor may have published between the two: then there is another index by now.
        again = get(index_url, limit=INDEX_LIMIT)
        if again == data:
            raise
        release = judge(again)
        available = _available(release, base, wish, architecture, get)
    return Vendor(
        id=wish.id,
        url=wish.url,
        suite=wish.suite,
        components=wish.components,
        architecture=architecture,
        key=key,
        release=release,
        available=available,
        notes=(*key.notes, *_notes(release, now)),
    )


def first_files(wish: RepositoryWish) -> dict[str, int]:
    """What ``consult`` asks for first: addresses with the most bytes that each may have."""
    return {wish.key_url: KEY_LIMIT, f"{_base(wish)}InRelease": INDEX_LIMIT}


def _base(wish: RepositoryWish) -> str:
    """The URL of the folder that holds InRelease, with a slash at its end."""
    root = wish.url.rstrip("/")
    if wish.suite.endswith("/"):
        return f"{root}/{wish.suite.lstrip('/')}"
    return f"{root}/dists/{wish.suite}/"


def _no_index(wish: RepositoryWish, base: str, get: Callable[..., bytes]) -> DockwrightError:
    """The error for an InRelease that is not there: no such suite, or one without a signature."""
    url = f"{base}InRelease"
    if isinstance(_tried(partial(get, f"{base}Release", limit=INDEX_LIMIT)), bytes):
        return TrustError(
            f"{mask(url)}: the index is not signed",
            details=(
                ("what", mask(url)),
                ("expected", "an index with the vendor's signature in it"),
                ("got", "a Release file alone"),
            ),
            next_step="Look who answers at that address, or name a mirror that is whole.",
        )
    flat = wish.suite.endswith("/")
    told: tuple[tuple[str, str], ...] = ()
    if wish.id == distros.DOCKER:
        families = [one.distro for one in distros.RELEASES if one.codename == wish.suite]
        differs = "".join(distros.believed(one, wish.suite, indexed=False) for one in families)
        told = (*([("table", differs)] if differs else []), ("known", distros.known()))
    lacks = "no repository there" if flat else f"nothing for {wish.suite}"
    return RefusedError(
        f"{mask(wish.url)}: the vendor has {lacks}",
        details=(("what", mask(url)), ("expected", wish.suite), ("got", "404"), *told),
        next_step="The vendor's manual lists the releases that it builds for.",
    )


def _available(
    release: Release,
    base: str,
    wish: RepositoryWish,
    architecture: str,
    get: Callable[..., bytes],
) -> tuple[Available, ...]:
    """The packages of all components for the architecture, each once."""
    found: dict[tuple[str, str], Available] = {}
    for component in wish.components or ("",):
        folder = "" if wish.suite.endswith("/") else f"{component}/binary-{architecture}/"
        path, data = _listing(release, base, f"{folder}Packages", get)
        for package in judge_packages(release, path, data, what=mask(f"{base}{path}")):
            if package.architecture in (architecture, "all"):
                found.setdefault((package.name, package.version), package)
    return tuple(found.values())


def _listing(
    release: Release, base: str, plain: str, get: Callable[..., bytes]
) -> tuple[str, bytes]:
    """One list of packages: its path in the index, and the file as it came, not judged yet."""
    paths = [plain + packing for packing in _PACKINGS if plain + packing in release.hashes]
    missing: RefusedError = RefusedError(
        f"{mask(base)}: the vendor's index has no {plain}",
        details=(("what", mask(base)), ("expected", plain), ("got", "not in the index")),
        next_step="Use an architecture and a channel that the vendor builds for.",
    )
    for path in paths:
        size = release.hashes[path][1]
        if size > PACKAGES_LIMIT:
            missing = _too_large(base, path, size)
            continue
        for url in _addresses(release, base, path):
            got = _tried(partial(get, url, limit=size))
            if isinstance(got, bytes):
                return path, got
            missing = got
    raise missing


def _tried(get: Callable[[], bytes]) -> bytes | NotFoundError:
    try:
        return get()
    except NotFoundError as error:
        return error


def _addresses(release: Release, base: str, path: str) -> Iterator[str]:
    """Where a file of the index is: by its hash first, which no later index replaces."""
    if release.by_hash:
        folder = path.rpartition("/")[0]
        below = f"{folder}/" if folder else ""
        yield f"{base}{below}by-hash/SHA256/{release.hashes[path][0]}"
    yield f"{base}{path}"


def _too_large(base: str, path: str, size: int) -> RefusedError:
    most = f"at most {PACKAGES_LIMIT >> 20} MiB"
    return RefusedError(
        f"{mask(base)}{path}: larger than a list of packages can be",
        details=(("what", mask(base + path)), ("expected", most), ("got", f"{size >> 20} MiB")),
        next_step="Look who answers at that address.",
    )


def _notes(release: Release, now: int) -> Iterator[str]:
    """What is worth knowing about a good index."""
    if release.date is not None and release.valid_until is None and release.date < now - STALE:
        yield (
            f"the signed index is dated {day(release.date)} and names no end: "
            "it does not prove that these are the newest packages"
        )
