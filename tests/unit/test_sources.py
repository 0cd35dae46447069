"""Others' apt sources: ours are found and commented out, all other bytes stay.

The controller's reading and the one file's are held to the same table.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dockwright.models import FileFact
from dockwright.resources import directory
from dockwright.steps import apt_sources
from tests.unit.shell import Bench

URL = "https://download.docker.com/linux/debian"
OURS = f"deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.gpg] {URL} trixie stable"
DEBIAN = "deb http://archive.example.org/debian trixie main\n"
STANZA = f"Types: deb\nURIs: {URL}\nSuites: trixie\nComponents: stable\n"
OTHER = "Types: deb\nURIs: http://archive.example.org/debian\nSuites: trixie trixie-updates\n"
INLINE = STANZA + "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQIN\n"


def off(text: str) -> str:
    return "".join(f"# {line}" for line in text.splitlines(keepends=True))


# What the file is called, its text, and what is left of it; None: it cannot be told apart.
CASES: dict[str, tuple[str, str, str | None]] = {
    "a line among others": ("a.list", DEBIAN + OURS + "\n" + DEBIAN, DEBIAN + f"# {OURS}\n" + DEBIAN),
    "the last line has no end": ("a.list", DEBIAN + OURS, DEBIAN + f"# {OURS}"),
    "others' last line has no end": ("a.list", f"{OURS}\ndeb http://x/y z main", f"# {OURS}\ndeb http://x/y z main"),
    "commented out already": ("a.list", f"#{OURS}\n # {OURS}\n" + DEBIAN, f"#{OURS}\n # {OURS}\n" + DEBIAN),
    "blanks, tabs and a comment behind": (
        "a.list", f" \tdeb\t[ arch=amd64 ]  {URL}/ trixie stable # mine\n\n\n# x\n{DEBIAN}",
        f"#  \tdeb\t[ arch=amd64 ]  {URL}/ trixie stable # mine\n\n\n# x\n{DEBIAN}",
    ),
    "sources and http": (
        "a.list", f"deb-src {URL.replace('https', 'http')} trixie stable\n{OURS}\n{DEBIAN}",
        f"# deb-src {URL.replace('https', 'http')} trixie stable\n# {OURS}\n{DEBIAN}",
    ),
    "an address that only begins like it": ("a.list", f"deb {URL}-test x y\n", f"deb {URL}-test x y\n"),
    "the lines end as on Windows": ("a.list", f"{OURS}\r\ndeb http://x/y z main\r\n", f"# {OURS}\r\ndeb http://x/y z main\r\n"),
    "latin letters": ("a.list", f"# Spiegelserver für uns\n{OURS}\n", f"# Spiegelserver für uns\n# {OURS}\n"),
    "a stanza among others": ("a.sources", f"{OTHER}\n{STANZA}\n{OTHER}", f"{OTHER}\n{off(STANZA)}\n{OTHER}"),
    "a stanza with the key in it": ("a.sources", f"{INLINE}\n{OTHER}", f"{off(INLINE)}\n{OTHER}"),
    "the last stanza has no end": ("a.sources", f"{OTHER}\n\n{STANZA[:-1]}", f"{OTHER}\n\n{off(STANZA[:-1])}"),
    "comments in a stanza": ("a.sources", f"# mine\n{STANZA}\n# theirs\n{OTHER}", f"# mine\n{off(STANZA)}\n# theirs\n{OTHER}"),
    "a stanza that is switched off": ("a.sources", f"Enabled: no\n{STANZA}\n{OTHER}", f"Enabled: no\n{STANZA}\n{OTHER}"),
    "fields in other letters": ("a.sources", f"{STANZA.replace('URIs', 'uris')}\n{OTHER}", f"{off(STANZA.replace('URIs', 'uris'))}\n{OTHER}"),
    "URIs on lines of their own": (
        "a.sources", f"Types: deb\nURIs:\n {URL}\n {URL}/\nSuites: x\n\n{OTHER}",
        off(f"Types: deb\nURIs:\n {URL}\n {URL}/\nSuites: x\n") + f"\n{OTHER}",
    ),
    "a stanza of both": ("a.sources", STANZA.replace(URL, f"{URL} http://x/y"), None),
    "a stanza of both on two lines": ("a.sources", STANZA.replace(URL, f"{URL}\n http://x/y"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_controller_s_reading(name: str) -> None:
    file, text, left = CASES[name]
    fact = FileFact(path=f"/etc/apt/{file}", sha256="-", mode="0644", owner="x", content=text)
    assert apt_sources.parse(fact).without(URL) == left


@pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
@pytest.mark.parametrize("name", CASES)
def test_the_one_file_s_reading(name: str, shell: str, tmp_path: Path) -> None:
    file, text, left = CASES[name]
    (tmp_path / file).write_bytes(text.encode())
    runtime = (directory("templates") / "runtime/decide.sh").read_text(encoding="utf-8")
    script = f"run={tmp_path} repository_urls={URL}\n{runtime}\nwithout_ours {tmp_path / file}"
    done = subprocess.run([shell, "-uc", script], capture_output=True, check=False)
    if left is None:
        assert (done.returncode, done.stdout) == (1, b"")
    else:
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{left}x".encode(), b"")


def test_bytes_that_would_not_come_back_are_left_alone() -> None:
    text = f"# caf\ufffd\n{OURS}\n"  # as facts read what is not UTF-8
    fact = FileFact(path="/etc/apt/sources.list", sha256="-", mode="0644", owner="x", content=text)
    assert apt_sources.parse(fact).names(URL)
    assert apt_sources.parse(fact).without(URL) is None


@pytest.mark.parametrize(
    ("text", "goes"),
    [
        (STANZA, True),
        (f"{STANZA}\n# a comment\n", True),
        (f"{STANZA}\nEnabled: no\n{STANZA}", True),
        (f"{STANZA}\n{OTHER}", False),
        (f"{STANZA}\nEnabled: no\n{OTHER}", False),  # theirs, though apt passes over it
    ],
)
def test_a_file_goes_as_a_whole_where_all_of_it_is_ours(
    bench: Bench, text: str, *, goes: bool
) -> None:
    fact = FileFact(path="/x.sources", sha256="-", mode="0644", owner="x", content=text)
    assert (apt_sources.parse(fact).names(URL), apt_sources.parse(fact).only(URL)) == (True, goes)
    (bench.top / "etc/x.sources").write_text(text)
    runtime = (directory("templates") / "runtime/decide.sh").read_text(encoding="utf-8")
    runtime = runtime.replace("/etc/apt/sources.list.d", f"{bench.top}/etc")
    body = f"repository_urls={URL} source_paths=''; same_origin; echo \"$others|$edits\""
    path = f" {bench.top}/etc/x.sources"
    done = bench.run(f"{runtime}\n{body}", "journal")
    assert done.output == (f"{path}|\n" if goes else f"|{path}\n")


@pytest.mark.parametrize(
    ("name", "text", "goes"),
    [
        ("own.list", "deb https://old.test/docker/ubuntu18.04/$(ARCH) /\n", True),
        ("own.list", f"deb {URL}/$(ARCH) /\n", False),  # below ours, and none of the earlier ones
        ("own.list", "deb https://old.test/dockerish/x /\n", False),
        ("saved.list", "\n<!doctype html>\n<html></html>\n", True),
        ("saved.list", "# Unsupported distribution!\n# Check https://x.test\n", True),
        ("saved.list", "# nothing here\n", False),
        ("own.list", "<!doctype html>\n", False),  # not of a name that the recipe gave
    ],
)
def test_what_became_of_an_earlier_repository_goes(
    bench: Bench, name: str, text: str, *, goes: bool
) -> None:
    (bench.top / f"etc/{name}").write_text(text)
    runtime = (directory("templates") / "runtime/decide.sh").read_text(encoding="utf-8")
    runtime = runtime.replace("/etc/apt/sources.list.d", f"{bench.top}/etc")
    body = (
        f"repository_urls={URL} source_paths='' architecture=amd64 page_lists='saved.list'"
        ' retired=https://old.test/docker; same_origin; echo "$others|$edits"'
    )
    done = bench.run(f"{runtime}\n{body}", "journal")
    assert done.output == (f" {bench.top}/etc/{name}|\n" if goes else "|\n")


def test_apt_s_word_for_the_architecture_is_ours_as_well(bench: Bench) -> None:
    (bench.top / "etc/own.list").write_text(f"deb {URL}/$(ARCH) /\n")
    runtime = (directory("templates") / "runtime/decide.sh").read_text(encoding="utf-8")
    runtime = runtime.replace("/etc/apt/sources.list.d", f"{bench.top}/etc")
    body = (
        f"repository_urls={URL}/arm64 source_paths='' architecture=arm64; same_origin; echo $others"
    )
    assert bench.run(f"{runtime}\n{body}", "journal").output == f"{bench.top}/etc/own.list\n"
