"""What apt says of source files, foreseen: held against this machine's apt in private directories."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockwright.doctor.sources import Verdict, predict
from dockwright.steps.versions import compare

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt here")

Files = dict[str, str]
PARTS = "sources.list.d"
URL = "https://download.docker.com/linux/debian"
ONE = f"deb [signed-by=/a.gpg] {URL} bookworm stable\n"
OTHER = ONE.replace("/a.gpg", "/b.gpg")
BARE = ONE.replace("[signed-by=/a.gpg] ", "")
STANZA = f"Types: deb\nURIs: {URL}\nSuites: bookworm\nComponents: stable\n"
KEY = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n -----END PGP PUBLIC KEY BLOCK-----\n"
PAGE = "<!DOCTYPE html>\n<html>\n<head><title>404</title></head>\n<body>File not found</body>\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Directories of apt's that are nobody's: nothing is fetched, nothing of the machine's is read."""
    memory = Path("/dev/shm")  # 500 runs of apt
    top = (
        tmp_path_factory.mktemp("apt") if not memory.is_dir() else memory / f"dw-apt-{os.getpid()}"
    )
    for name in (f"etc/{PARTS}", "etc/parts", "state/lists/partial", "cache/archives/partial"):
        (top / name).mkdir(parents=True)
    (top / "etc" / "apt.conf").touch()
    (top / "state" / "status").touch()
    yield top
    shutil.rmtree(top)


def apt(top: Path, files: Files) -> tuple[list[str], bool, set[str]]:
    """The errors of the real apt, whether it saw an entry twice, and the release files it would ask for."""
    for old in (top / "etc" / PARTS).iterdir():
        old.unlink()
    (top / "etc" / "sources.list").unlink(missing_ok=True)
    for name, text in files.items():
        (top / "etc" / name).write_text(text, encoding="utf-8")
    words = {
        "Dir": top, "Dir::Etc": top / "etc", "Dir::Etc::Main": "apt.conf", "Dir::Etc::Parts": "parts",
        "Dir::State": top / "state", "Dir::State::status": top / "state" / "status",
        "Dir::Cache": top / "cache", "APT::Architecture": "amd64", "APT::Architectures::": "amd64",
    }  # fmt: skip
    options = [word for key, value in words.items() for word in ("-o", f"{key}={value}")]
    done = subprocess.run(
        ["apt-get", "update", "--print-uris", *options],
        capture_output=True, text=True, check=False,
        env={"LC_ALL": "C", "PATH": os.environ["PATH"], "APT_CONFIG": "/dev/null"},
    )  # fmt: skip
    lines = done.stderr.splitlines()
    found = [line[3:] for line in lines if line.startswith("E: ")]
    last = "The list of sources could not be read."
    assert (found[-1:] == [last]) == bool(done.returncode), done.stderr
    asked = {
        re.sub(r"^https?://(u:p@)?", "", line.split("'")[1]).removesuffix("InRelease")
        for line in done.stdout.splitlines()
        if line.startswith("'") and "InRelease" in line
    }
    return found[:-1], "configured multiple times" in done.stderr, asked


@cache
def apt_version() -> str:
    """This machine's."""
    words = ["dpkg-query", "-W", "-f", "${Version}", "apt"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def strict() -> bool:
    """Whether this machine's apt takes an entry without a signer for a contradiction."""
    return compare(apt_version(), "2.9.8") < 0


def foreseen(top: Path, files: Files) -> Verdict:
    texts = {f"{top}/etc/{name}": text for name, text in files.items()}
    return predict(texts, "amd64", apt_version())


def agree(top: Path, files: Files) -> Verdict:
    """Both say the same of the files."""
    errors, twice, asked = apt(top, files)
    verdict = foreseen(top, files)
    # An embedded key goes over several lines of the message.
    assert [one.message.split("\n")[0] for one in verdict.complaints] == errors, files
    if not errors:
        assert bool(verdict.twice) == twice, files
        assert {entry.index for entry in verdict.entries} == asked, files
    return verdict


def parts(*texts: str, kind: str = "list") -> Files:
    return {f"{PARTS}/{name}.{kind}": text for name, text in zip("abcdef", texts, strict=False)}


@pytest.mark.parametrize(
    ("version", "number"), [("2.4.13", 1), ("2.9.8~", 1), ("2.9.8", 0), ("3.0.3", 0)]
)
def test_since_when_no_signer_is_no_contradiction(version: str, number: int) -> None:
    files = {"/etc/apt/sources.list": ONE + BARE}
    assert len(predict(files, "amd64", version).complaints) == number


# --- by hand --------------------------------------------------------------------------------------


def test_two_keys_for_one_repository_in_both_orders(place: Path) -> None:
    for files in (parts(ONE, OTHER), parts(OTHER, ONE)):
        (complaint,) = agree(place, files).complaints
        assert complaint.conflict
        assert complaint.message.startswith("Conflicting values set for option Signed-By")
        assert [Path(one).name for one in complaint.places] == ["a.list:1", "b.list:1"]


def test_without_a_key_first_is_accepted_and_after_it_is_fatal(place: Path) -> None:
    assert not agree(place, parts(BARE, ONE)).complaints
    found = agree(place, parts(ONE, BARE)).complaints
    assert [one.message.endswith(": /a.gpg != ") for one in found] == [True] * strict()
    # Three in a row: the one that brought the key is named, not the first.
    (complaint,) = agree(place, parts(BARE, ONE, OTHER)).complaints
    assert [Path(one).name for one in complaint.places] == ["b.list:1", "c.list:1"]


def test_sources_list_goes_before_its_directory(place: Path) -> None:
    verdict = agree(place, {**parts(OTHER), "sources.list": ONE})
    assert [Path(one).name for one in verdict.complaints[0].places] == [
        "sources.list:1",
        "a.list:1",
    ]
    assert bool(agree(place, {**parts(BARE), "sources.list": ONE}).complaints) == strict()
    assert not agree(place, {**parts(ONE), "sources.list": BARE}).complaints


@pytest.mark.parametrize(
    "files",
    [
        {f"{PARTS}/docker.list": ONE, f"{PARTS}/docker.sources": f"{STANZA}Signed-By: /b.gpg\n"},
        {f"{PARTS}/docker.list": ONE, f"{PARTS}/docker.sources": STANZA + KEY},
        {f"{PARTS}/a.sources": STANZA + KEY, f"{PARTS}/docker.list": ONE},
        parts(ONE, OTHER.replace("https:", "http:")),
        parts(ONE, OTHER.replace("debian ", "debian/ ")),
        parts(ONE, OTHER.replace("stable", "test")),
        parts(ONE, OTHER.replace("deb ", "deb-src ")),
        parts("deb [signed-by=/a] http://d/$(ARCH) /\ndeb [signed-by=/b] http://d/amd64 /\n"),
        parts(ONE.replace("[", "[trusted=yes "), ONE),
    ],
    ids=["formats", "embedded", "embedded first", "scheme", "slash", "component", "deb-src", "arch",
         "trusted"],
)  # fmt: skip
def test_conflicts(place: Path, files: Files) -> None:
    (complaint,) = agree(place, files).complaints
    assert complaint.conflict


@pytest.mark.parametrize(
    "files",
    [
        parts(ONE, f"# {OTHER}"),
        {f"{PARTS}/a.list": ONE, f"{PARTS}/b.list.save": OTHER, f"{PARTS}/b c.list": OTHER},
        {f"{PARTS}/a.list": ONE, f"{PARTS}/b.sources": f"Enabled: no\n{STANZA}Signed-By: /b\n"},
        parts(STANZA + KEY, STANZA + KEY, kind="sources"),
        parts(ONE, OTHER.replace("bookworm", "trixie")),
        {f"{PARTS}/a.list": ONE, f"{PARTS}/b.sources": f"{STANZA}Signed-By:\n /a.gpg\n"},
    ],
    ids=["comment", "names", "disabled", "the same key", "another suite", "the same file"],
)
def test_what_apt_accepts(place: Path, files: Files) -> None:
    assert agree(place, files).complaints == ()


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (PAGE, "list", "Type '<!DOCTYPE' is not known on line 1"),
        (PAGE, "sources", "Unable to parse package file"),
        ("deb https://x\n", "list", "Malformed entry 1 in list file"),
        ("deb x y z\n", "list", "(URI parse)"),
        ("deb http://x y\n", "list", "(Component)"),
        ("deb http://x y/ z\n", "list", "(absolute Suite Component)"),
        ("deb [signed-by=/a http://x y z\n", "list", "not assignment"),
        ("deb [signed-by=a.gpg] http://x y z\n", "list", "(not a fingerprint)"),
        (STANZA.replace("Types: deb\n", ""), "sources", "Malformed stanza 1"),
        (STANZA.replace("Components: stable\n", ""), "sources", "(Component)"),
    ],
)
def test_malformed(place: Path, text: str, kind: str, message: str) -> None:
    (complaint,) = agree(place, parts(text, kind=kind)).complaints
    assert message in complaint.message
    assert complaint.places[0].endswith(f"/a.{kind}")


# --- generated ------------------------------------------------------------------------------------

uris = st.sampled_from(
    ["http://d/linux", "http://d/linux/", "https://d/linux", "http://u:p@d/linux", "http://d:80/linux",
     "http://d/$(ARCH)", "http://d/amd64", "http://e/linux", "d/linux"]
)  # fmt: skip
suites = st.sampled_from(["noble", "noble", "trixie", "/", "./", "dists/noble/", "$(ARCH)/"])
components = st.sampled_from(["", "stable", "stable", "stable test"])
signers = st.sampled_from(
    ["", "", "/a.gpg", "/a.gpg", "/b.gpg", "/a.gpg,/b.gpg", "A" * 40, "a" * 40, f"{'A' * 40}!",
     "a.gpg", f"/a.gpg,{'B' * 40}"]
)  # fmt: skip
switches = st.sampled_from(["", "", "", "yes", "no"])
kinds = st.sampled_from(["deb"] * 6 + ["deb-src", "rpm", "deb[x]"])
blanks = st.sampled_from([" ", " ", "  ", "\t"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    options = {
        "signed-by": draw(signers),
        "trusted": draw(switches),
        "arch": draw(st.sampled_from(["", "amd64", "arm64"])),
    }
    words = [f"{key}={value}" for key, value in options.items() if value]
    inside = draw(st.sampled_from(["[{}]", "[ {} ]"])).format(" ".join(words)) if words else ""
    parts = [draw(kinds), inside, draw(uris), draw(suites), draw(components)]
    text = draw(blanks).join(part for part in parts if part)
    return draw(
        st.sampled_from(["{}", "{}", "{}", "# {}", " {}", "{} # x", "{} x", "#{}\r"])
    ).format(text)


garbage = st.sampled_from(
    [
        "",
        "deb",
        "<html>",
        "deb [",
        "deb [a=] http://d n s",
        "deb [a] http://d n s",
        "deb [signed-by=/a#b] http://d n s",
    ]
)
one_line = st.lists(st.one_of(lines(), lines(), lines(), garbage), min_size=1, max_size=3).map(
    lambda some: "\n".join(some) + "\n"
)


@st.composite
def stanzas(draw: st.DrawFn) -> str:
    fields = {
        "Types": draw(st.sampled_from(["deb", "deb", "deb", "deb deb-src", "rpm", ""])),
        "URIs": " ".join(draw(st.lists(uris, max_size=2, min_size=1))),
        "Suites": draw(st.sampled_from([" ", "\n "])).join(draw(st.lists(suites, min_size=1, max_size=2))),
        "Components": draw(components),
        "Enabled": draw(st.sampled_from(["", "", "", "no", "yes", "False", "off", "0", "1", "never"])),
        "Signed-By": draw(st.one_of(signers, st.sampled_from(["/a.gpg /b.gpg", "/a.gpg, /b.gpg"]))),
        "Trusted": draw(switches),
        "Architectures": draw(st.sampled_from(["", "", "amd64", "arm64"])),
    }  # fmt: skip
    missing = draw(st.sampled_from([""] * 9 + ["Types", "URIs", "Suites"]))
    names = draw(st.permutations([name for name in fields if name != missing and fields[name]]))
    made = [f"{name}: {fields[name]}" for name in names]
    if draw(st.integers(0, 9)) == 0:
        made = [line.lower() if line.startswith("Ty") else f"# c\n{line}" for line in made]
    if not fields["Signed-By"] and draw(st.booleans()):
        made.append(KEY.strip() if draw(st.booleans()) else KEY.strip().replace("mQ", "mR"))
    if draw(st.integers(0, 9)) == 0:
        made.insert(
            draw(st.integers(0, len(made))), draw(st.sampled_from(["<html>", "x", "# : y"]))
        )
    return "\n".join(made)


deb822 = st.lists(stanzas(), min_size=1, max_size=2).map(lambda some: "\n\n".join(some) + "\n")
names = st.sampled_from([f"{PARTS}/a", f"{PARTS}/b", f"{PARTS}/B", f"{PARTS}/10-a", f"{PARTS}/a-b"])
files = st.one_of(
    st.tuples(names.map(lambda name: f"{name}.list"), one_line),
    st.tuples(names.map(lambda name: f"{name}.sources"), deb822),
    st.tuples(st.just("sources.list"), one_line),
    st.tuples(names.map(lambda name: f"{name}.list.save"), one_line),
)
pairs = st.lists(files, min_size=2, max_size=2, unique_by=lambda pair: pair[0]).map(dict)
here = settings(
    deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


@settings(here, max_examples=25)
@given(pairs)
def test_some_pairs_of_files_are_judged_as_apt_judges_them(place: Path, pair: Files) -> None:
    agree(place, pair)


@pytest.mark.slow
@settings(here, max_examples=500)
@given(pairs)
def test_500_pairs_of_files_are_judged_as_apt_judges_them(place: Path, pair: Files) -> None:
    agree(place, pair)
