from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
import threading
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from pysequoia import Tsk

from dockwright import distros
from dockwright.errors import RefusedError, TrustError, UnreachableError
from dockwright.trust import NotFoundError, RepositoryWish, consult
from tests.unit.trust.making import (
    DAY,
    LISTING,
    NOW,
    Site,
    Wish,
    docker_site,
    key_file,
    pin,
    release,
    signed,
    stanza,
    told,
)

vendor_module = importlib.import_module("dockwright.trust.vendor")
BASE = "https://vendor.test/linux/ubuntu"
INDEX = f"{BASE}/dists/noble/InRelease"


def wish(tsk: Tsk, **changes: object) -> RepositoryWish:
    return replace(Wish(pin(tsk)), **changes)  # type: ignore[arg-type]


def test_docker(vendor: Tsk) -> None:
    site = docker_site(vendor)
    found = consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)
    assert (found.id, found.url, found.suite) == ("docker", BASE, "noble")
    assert found.key.fingerprint == pin(vendor)
    assert found.key.armoured.encode() == key_file(vendor)
    assert found.release.codename == "noble"
    assert found.notes == ()
    # 29.7.10 is newer than 29.7.2, and the one for arm64 is not there.
    assert found.versions("docker-ce") == [
        "5:29.7.10-1~ubuntu.24.04~noble",
        "5:29.7.2-1~ubuntu.24.04~noble",
        "5:20.10.24~3-0~ubuntu-noble",
    ]
    assert found.versions("docs") == ["1.0"]
    assert found.versions("docker-ee") == []
    assert found.packages("docker-ce")[0].depends == "init, a, b"
    assert sorted(site.asked[:2]) == [INDEX, f"{BASE}/gpg"]
    assert site.asked[2:] == [f"{BASE}/dists/noble/stable/binary-amd64/Packages.xz"]
    assert "available" not in repr(found)


def test_nvidia(vendor: Tsk) -> None:
    """A flat repository: no codename, no components, an old date and no end."""
    base = "https://vendor.test/stable/deb/amd64"
    listing = stanza("nvidia-container-toolkit", "1.20.1-1").encode()
    files = {"./Packages": listing, "./Packages.gz": gzip.compress(listing)}
    text = release(
        files,
        Suite=None,
        Codename=None,
        Components=None,
        Architectures=None,
        Date="Fri, 26 Oct 2018 17:18:56 +0000",
    )
    site = Site(
        {
            "https://vendor.test/gpgkey": key_file(vendor),
            f"{base}/InRelease": signed(vendor, text),
            f"{base}/Packages.gz": files["./Packages.gz"],
        }
    )
    asked = wish(vendor, url=base, key_url="https://vendor.test/gpgkey", suite="/", components=())
    found = consult(asked, architecture="amd64", now=NOW, fetch=site.fetch)
    assert found.versions("nvidia-container-toolkit") == ["1.20.1-1"]
    (note,) = found.notes
    assert "dated 2018-10-26" in note


def test_a_flat_repository_below_a_path(vendor: Tsk) -> None:
    asked = wish(vendor, suite="deb/", components=())
    site = Site({f"{BASE}/gpg": key_file(vendor)})
    with pytest.raises(RefusedError, match="no repository there"):
        consult(asked, architecture="amd64", now=NOW, fetch=site.fetch)
    assert f"{BASE}/deb/InRelease" in site.asked


def test_key_and_index_travel_together(vendor: Tsk) -> None:
    site = docker_site(vendor)
    both = threading.Barrier(2, timeout=5)

    def fetch(url: str, *, limit: int, deadline: float, proxy: str | None = None) -> bytes:
        if url in (INDEX, f"{BASE}/gpg"):
            both.wait()
        assert proxy == "http://proxy:3128"
        return site.fetch(url, limit=limit, deadline=deadline)

    consult(wish(vendor), architecture="amd64", now=NOW, proxy="http://proxy:3128", fetch=fetch)


def test_t01_the_key_is_judged_first(vendor: Tsk, stranger: Tsk) -> None:
    """Key and index of a stranger agree with each other; nothing of them is taken."""
    site = docker_site(stranger)
    with pytest.raises(TrustError, match="not the key that was pinned") as caught:
        consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)
    assert ("what", f"{BASE}/gpg") in caught.value.details
    site.files[f"{BASE}/gpg"] = key_file(vendor)
    with pytest.raises(TrustError, match="not signed by the vendor"):
        consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)


def test_e02_no_such_suite(vendor: Tsk) -> None:
    site = docker_site(vendor)
    with pytest.raises(RefusedError, match="nothing for plucky") as caught:
        consult(wish(vendor, suite="plucky"), architecture="amd64", now=NOW, fetch=site.fetch)
    assert "manual lists the releases" in told(caught.value)
    assert distros.known() in told(caught.value)
    assert "believed" not in told(caught.value)  # the table has dropped it, too
    with pytest.raises(RefusedError, match="nothing for jammy") as caught:
        consult(wish(vendor, suite="jammy"), architecture="amd64", now=NOW, fetch=site.fetch)
    assert "has Docker build for Ubuntu 22.04 (jammy), its index has nothing" in told(caught.value)
    other = wish(vendor, suite="jammy", id="own")
    with pytest.raises(RefusedError, match="nothing for jammy") as caught:
        consult(other, architecture="amd64", now=NOW, fetch=site.fetch)
    assert "Docker" not in told(caught.value)


def test_no_such_architecture(vendor: Tsk) -> None:
    site = docker_site(vendor)
    with pytest.raises(RefusedError, match="no architecture armhf"):
        consult(wish(vendor), architecture="armhf", now=NOW, fetch=site.fetch)
    # The index names the architecture, or none at all, and has no list for it.
    with pytest.raises(RefusedError, match="no stable/binary-arm64/Packages"):
        consult(wish(vendor), architecture="arm64", now=NOW, fetch=site.fetch)


@pytest.mark.parametrize("url", [INDEX, f"{BASE}/gpg"])
def test_unreachable(vendor: Tsk, url: str) -> None:
    site = docker_site(vendor)
    site.files[url] = UnreachableError("no route")
    with pytest.raises(UnreachableError, match="no route"):
        consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)


def test_no_key(vendor: Tsk) -> None:
    site = docker_site(vendor)
    del site.files[f"{BASE}/gpg"]
    with pytest.raises(NotFoundError):
        consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)


def test_by_hash(vendor: Tsk) -> None:
    site = docker_site(vendor, Acquire_By_Hash="yes")
    folder = f"{BASE}/dists/noble/stable/binary-amd64"
    found = consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)
    sha256 = found.release.hashes["stable/binary-amd64/Packages.xz"][0]
    named = f"{folder}/by-hash/SHA256/{sha256}"
    # The site of the test has no such folder, so the plain name came after it.
    assert site.asked[2:] == [named, f"{folder}/Packages.xz"]
    site.files[named] = site.files.pop(f"{folder}/Packages.xz")
    site.asked.clear()
    consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)
    assert site.asked[2:] == [named]


def test_a_packing_that_is_only_listed(vendor: Tsk) -> None:
    site = docker_site(vendor)
    del site.files[f"{BASE}/dists/noble/stable/binary-amd64/Packages.xz"]
    found = consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)
    assert site.asked[-1].endswith("Packages.gz")
    assert len(found.versions("docker-ce")) == 3


def test_t13_a_tampered_listing(vendor: Tsk) -> None:
    site = docker_site(vendor)
    folder = f"{BASE}/dists/noble/stable/binary-amd64"
    site.files[f"{folder}/Packages.xz"] = b"tampered"
    with pytest.raises(TrustError, match="not what the index was signed for"):
        consult(wish(vendor), architecture="amd64", now=NOW, fetch=site.fetch)
    assert site.asked[-1] == INDEX  # looked again whether the vendor had published meanwhile


def test_the_vendor_publishes_in_between(vendor: Tsk) -> None:
    old, new = docker_site(vendor), docker_site(vendor, listing=LISTING + b"\n")
    first = [old.files[INDEX]]

    def fetch(url: str, *, limit: int, deadline: float, proxy: str | None = None) -> bytes:
        if url == INDEX and first:
            found = first.pop()
            assert isinstance(found, bytes)
            return found
        return new.fetch(url, limit=limit, deadline=deadline)

    found = consult(wish(vendor), architecture="amd64", now=NOW, fetch=fetch)
    assert len(found.versions("docker-ce")) == 3


def test_too_large_a_listing(vendor: Tsk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_module, "PACKAGES_LIMIT", 100)
    with pytest.raises(RefusedError, match="larger than a list of packages"):
        consult(wish(vendor), architecture="amd64", now=NOW, fetch=docker_site(vendor).fetch)


def test_the_same_package_in_two_components(vendor: Tsk) -> None:
    files = {f"{name}/binary-amd64/Packages": LISTING for name in ("stable", "test")}
    site = Site(
        {
            f"{BASE}/gpg": key_file(vendor),
            INDEX: signed(vendor, release(files)),
            **{f"{BASE}/dists/noble/{path}": text for path, text in files.items()},
        }
    )
    asked = wish(vendor, components=("stable", "test"), url=f"{BASE}/")
    found = consult(asked, architecture="amd64", now=NOW, fetch=site.fetch)
    assert len(found.versions("docker-ce")) == 3


def test_t07_notes_of_the_key_come_along(vendor: Tsk) -> None:
    soon = Tsk.generate("Soon", validity_seconds=30 * DAY)
    site = docker_site(soon, Date=formatdate(NOW - 900 * DAY), Valid_Until=formatdate(NOW + DAY))
    found = consult(wish(soon), architecture="amd64", now=NOW, fetch=site.fetch)
    (note,) = found.notes
    assert note.startswith("the key expires on")


def test_importing_costs_next_to_nothing() -> None:
    """A converged run imports this package and asks no vendor."""
    heavy = "'pysequoia', 'urllib3', 'truststore', 'debian', 'ssl', 'lzma', 'concurrent.futures'"
    code = (
        "import sys, dockwright.errors; before = set(sys.modules);"
        "import dockwright.trust;"
        f"print(sorted({{{heavy}}} & (set(sys.modules) - before)))"
    )
    root = Path(sys.modules["dockwright"].__file__ or "").parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(root)},
    )
    assert done.stdout == "[]\n"
