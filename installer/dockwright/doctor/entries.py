"""Read apt's source files as apt itself does, its mistakes included.

What recognises a vendor's entry (``steps.apt_sources``) may pass over what it does not understand;
what predicts apt's verdict may not. python-debian is no help here: it takes and refuses other files
than apt's own tag reader. The rules are those of apt 2.6 (``apt-pkg/sourcelist.cc``, ``tagfile.cc``,
``deb/debmetaindex.cc``), each held against the real program by the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_OFF = ("no", "false", "without", "off", "disable")
_NAME = re.compile(r"[A-Za-z0-9_:.-]+")
_BLANK = " \t\n\v\f\r"


class MalformedError(Exception):
    """Apt gives up on the file here; the text is its message."""


@dataclass(frozen=True)
class Entry:
    """What one line or stanza adds to apt's list: one URI, one suite, one component.

    ``uri`` ends with a slash, ``suite`` as well where the repository is flat. ``options`` are those
    of sources.list(5) by their one-line names; ``place`` is the file and the line or stanza.
    """

    path: str
    place: str
    kind: str
    uri: str
    suite: str
    component: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def index(self) -> str:
        """Where its release file lies, as apt compares them: without scheme and login."""
        below = self.suite.lstrip("/") if self.suite.endswith("/") else f"dists/{self.suite}/"
        return re.sub(r"^[a-z+]+:(?://)?(?:[^/@]*@)?", "", self.uri) + below


def order(paths: Mapping[str, str]) -> list[str]:
    """The paths that apt reads, in its order: sources.list first, the others by the bytes of their names."""
    main = [path for path in paths if path.endswith("/sources.list")]
    parts = [
        path
        for path in sorted(paths, key=str.encode)
        if path.rpartition("/")[0].endswith("/sources.list.d") and _is_read(path.rpartition("/")[2])
    ]
    return main + parts


def _is_read(name: str) -> bool:
    return bool(
        _NAME.fullmatch(name) and name.endswith((".list", ".sources")) and not name.startswith(".")
    )


def entries(path: str, text: str, architecture: str) -> Iterator[Entry]:
    """The entries of a file, in apt's order. Raises MalformedError where apt stops reading it."""
    if path.endswith(".sources"):
        yield from _deb822(path, text, architecture)
    else:
        for number, line in enumerate(text.split("\n"), 1):
            bare = _without_comment(line).strip(_BLANK)
            if bare:
                yield from _one_line(path, number, bare, architecture)


# --- the one-line form ------------------------------------------------------------------------


def _without_comment(line: str) -> str:
    """A # begins a comment, but not within brackets; an open bracket holds the rest of the line."""
    at = 0
    while at < len(line) and line[at] != "#":
        if line[at] == "[":
            end = line.find("]", at)
            at = len(line) if end < 0 else end
        at += 1
    return line[:at]


def _one_line(path: str, number: int, line: str, architecture: str) -> Iterator[Entry]:
    kind = re.split(r"[ \t\v]", line, maxsplit=1)[0]
    if kind == line:
        raise MalformedError(f"Malformed line {number} in source list {path} (type)")
    if kind not in ("deb", "deb-src"):
        raise MalformedError(f"Type '{kind}' is not known on line {number} in source list {path}")

    def malformed(what: str) -> MalformedError:
        return MalformedError(f"Malformed entry {number} in list file {path} ({what})")

    rest = line[len(kind) :].lstrip(_BLANK)
    options: dict[str, str] = {}
    if rest.startswith("["):
        rest = rest[1:].lstrip(_BLANK)
        while not rest.startswith("]"):
            option, rest = _word(rest, malformed("[option] unparsable"))
            if len(option) < 3:
                raise malformed("[option] too short")
            if option.endswith("]"):
                option, rest = option[:-1], "]" + rest
            key, sign, value = option.partition("=")
            if not sign:
                raise malformed("[option] not assignment")
            if not key or not value:
                raise malformed("[option] no value" if key else "[option] no key")
            options[key] = value
        rest = rest[1:].lstrip(_BLANK)
    uri, rest = _word(rest, malformed("URI"))
    suite, rest = _word(rest, malformed("Suite"))
    uri = _fixed(uri, architecture, malformed("URI parse"))
    place = f"{path}:{number}"
    if suite.endswith("/"):
        if rest:
            raise malformed("absolute Suite Component")
        suite = suite.replace("$(ARCH)", architecture)
        yield Entry(path, place, kind, uri, suite, "", options)
        return
    if not rest:
        raise malformed("Component")
    while rest:
        component, rest = _word(rest, malformed("Component"))
        yield Entry(path, place, kind, uri, suite, component, options)


def _word(text: str, error: MalformedError) -> tuple[str, str]:
    """The first word and the rest; quotes and brackets hold blanks, %20 is one."""
    at = 0
    while at < len(text) and text[at] not in _BLANK:
        if text[at] in '"[':
            at = text.find({'"': '"', "[": "]"}[text[at]], at + 1)
            if at < 0:
                raise error
        at += 1
    if not at:
        raise error
    word = re.sub(r"%([0-9A-Fa-f]{2})|\"", lambda m: chr(int(m[1], 16)) if m[1] else "", text[:at])
    return word, text[at:].lstrip(_BLANK)


def _fixed(uri: str, architecture: str, error: MalformedError) -> str:
    if ":" not in uri:
        raise error
    uri = uri.replace("$(ARCH)", architecture)
    return uri if uri.endswith("/") else f"{uri}/"


# --- deb822 -----------------------------------------------------------------------------------


def _deb822(path: str, text: str, architecture: str) -> Iterator[Entry]:
    for number, stanza in enumerate(_stanzas(path, text), 1):
        if "types" not in stanza:
            raise MalformedError(f"Malformed stanza {number} in source list {path} (type)")
        for kind in stanza["types"].split():
            if kind not in ("deb", "deb-src"):
                raise MalformedError(
                    f"Type '{kind}' is not known on stanza {number} in source list {path}"
                )
            yield from _stanza(path, number, kind, stanza, architecture)


def _stanza(
    path: str, number: int, kind: str, stanza: Mapping[str, str], architecture: str
) -> Iterator[Entry]:
    if _is_off(stanza.get("enabled", "")):
        return

    def malformed(what: str) -> MalformedError:
        return MalformedError(f"Malformed entry {number} in sources file {path} ({what})")

    uris, components = stanza.get("uris", "").split(), stanza.get("components", "").split()
    suites = stanza.get("suites", "").replace("$(ARCH)", architecture).split()
    if not uris or not suites:
        raise malformed("Suite" if uris else "URI")
    options = {name.lower(): value for name, value in _options(stanza)}
    for each in uris:
        uri = _fixed(each, architecture, malformed("URI parse"))
        for suite in suites:
            if suite.endswith("/") == bool(components):
                flat = suite.endswith("/")
                raise malformed("absolute Suite Component" if flat else "Component")
            for component in components or [""]:
                yield Entry(path, f"{path}:{number}", kind, uri, suite, component, options)


def _options(stanza: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, option in (("architectures", "arch"), ("trusted", "trusted"),
                         ("check-valid-until", "check-valid-until")):  # fmt: skip
        if stanza.get(name):
            yield option, ",".join(stanza[name].split())
    signed = stanza.get("signed-by", "")
    if signed:
        # An embedded key keeps its lines; keyrings and fingerprints are words.
        embedded = "-----BEGIN" in signed
        yield "signed-by", signed if embedded else ",".join(re.split(r"[\s,]+", signed))


def _is_off(word: str) -> bool:
    return word.lower() in _OFF or bool(re.fullmatch(r"[+-]?0+", word))


def _stanzas(path: str, text: str) -> Iterator[dict[str, str]]:
    """Fields by their names in lower case, the last of a name; apt looks for a colon past the end of a line."""
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    rest = "\n".join(lines).strip("\n").replace("\r", "") + "\n"
    while rest.strip("\n"):
        rest = rest.lstrip("\n")
        stanza: dict[str, str] = {}
        while rest and not rest.startswith("\n"):
            name, colon, rest = rest.partition(":")
            if not colon:
                raise MalformedError(f"Unable to parse package file {path} (1)")
            value = re.match(r"[^\n]*(?:\n[ \t][^\n]*)*", rest)
            assert value is not None  # it matches nothing, too
            rest = rest[value.end() :].removeprefix("\n")
            stanza[name.strip().lower()] = value[0].strip()
        yield stanza
