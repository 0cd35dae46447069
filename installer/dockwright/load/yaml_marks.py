"""YAML to plain values, with the place of each key and value, and without YAML's surprises.

PyYAML's events are built here rather than by its constructor, because that one forgets where
things were, lets the second of two equal keys win, and follows tags and anchors. Only plain text,
numbers, true and false, lists and maps come out: what JSON has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from dockwright.load.problems import Problems, Spot, words

KeyPath: TypeAlias = tuple[str | int, ...]

_DEPTH_CAP = 32
# libyaml where PyYAML was built with it: 20 times as fast.
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCALARS: Any = yaml.SafeLoader("")
_STR = "tag:yaml.org,2002:str"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_NULL = "tag:yaml.org,2002:null"
SECRET = re.compile(r"pass|secret|token|vault", re.IGNORECASE)  # messages quote nothing beside it
_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass
class Document:
    """A file's value with the place of each part; a path is the keys and indexes that lead there.

    ``raw`` keeps the characters of what is not text, for messages such as *write it in quotes*.
    """

    name: str
    value: Any = None
    values: dict[KeyPath, Spot] = field(default_factory=dict)
    keys: dict[KeyPath, Spot] = field(default_factory=dict)
    raw: dict[KeyPath, str] = field(default_factory=dict)

    def at(self, path: KeyPath) -> Spot:
        """Where the value at that path stands, or what encloses it."""
        return self._nearest(self.values, path)

    def key(self, path: KeyPath) -> Spot:
        """Where the key at that path stands, or what encloses it."""
        return self.keys.get(path) or self.at(path)

    def _nearest(self, spots: dict[KeyPath, Spot], path: KeyPath) -> Spot:
        while path and path not in spots:
            path = path[:-1]
        return spots.get(path) or Spot(self.name, 1, 1)


def parse(text: str, name: str, problems: Problems, *, at: Spot | None = None) -> Document:
    """Parse one document; what is wrong is noted in ``problems`` and left out.

    ``at`` is for text that stands in something else, such as an option: all places are that one.
    """
    document = Document(name)
    builder = _Builder(document, problems, at)
    try:
        events = _events(text, _FAST)
    except yaml.YAMLError as error:
        builder.syntax(text, error)
        return document
    builder.build(events)
    return document


class _TooDeepError(yaml.MarkedYAMLError):
    """Raised while parsing: both parsers take minutes for ten thousand brackets."""


def _events(text: str, loader: Any) -> list[Any]:
    events: list[Any] = []
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        events.append(event)
        depth += isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent))
        depth -= isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent))
        if depth > _DEPTH_CAP:
            mark: Any = event.start_mark
            raise _TooDeepError(
                problem=f"nested deeper than {_DEPTH_CAP} levels", problem_mark=mark
            )
    return events


class _Builder:
    """Values from events, depth first."""

    def __init__(self, document: Document, problems: Problems, at: Spot | None) -> None:
        self._document = document
        self._problems = problems
        self._at = at
        self._events: list[Any] = []
        self._next = 0

    def build(self, events: list[Any]) -> None:
        self._events = events
        starts = [e for e in events if isinstance(e, yaml.DocumentStartEvent)]
        if len(starts) > 1:
            self._note(
                starts[1].start_mark, "a second document starts here; one file is one document"
            )
        elif starts:
            self._next = events.index(starts[0]) + 1
            self._document.value = self._node(())

    def syntax(self, text: str, failure: yaml.YAMLError) -> None:
        """Note why the text is not YAML, in the words of the Python parser: they do not vary."""
        try:
            _events(text, yaml.SafeLoader)
        except yaml.YAMLError as error:
            failure = error
        self._syntax(text, failure)

    def _syntax(self, text: str, error: yaml.YAMLError) -> None:
        if isinstance(error, yaml.reader.ReaderError):
            before = text[: error.position]
            spot = (before.count("\n"), len(before) - (before.rfind("\n") + 1))
            self._add(*spot, f"not valid YAML: character {error.character:#06x} is not allowed")
        elif isinstance(error, yaml.MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line, mark.column) if mark else (0, 0)
            why = "" if isinstance(error, _TooDeepError) else "not valid YAML: "
            self._add(line, column, f"{why}{_reason(error)}{_excerpt(text, line)}")

    def _add(self, line: int, column: int, message: str) -> None:
        self._problems.add(self._spot(line, column), message, last=True)

    def _note(self, mark: Any, message: str) -> None:
        self._add(mark.line, mark.column, message)

    def _spot(self, line: int, column: int) -> Spot:
        return self._at or Spot(self._document.name, line + 1, column + 1)

    def _node(self, path: KeyPath) -> Any:
        event = self._events[self._next]
        self._next += 1
        mark = event.start_mark
        self._document.values[path] = self._spot(mark.line, mark.column)
        if isinstance(event, yaml.AliasEvent):
            self._note(mark, f"aliases (*{event.anchor}) are not allowed: write the value out")
            return None
        if event.anchor is not None:
            self._note(mark, f"anchors (&{event.anchor}) are not allowed: write the value out")
        if event.tag is not None:
            tags = f"tags ({_short(event.tag)}) are not allowed: write text in quotes"
            self._note(mark, _VAULT if event.tag == "!vault" else tags)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path)
        return self._map(path)

    def _list(self, path: KeyPath) -> list[Any]:
        values: list[Any] = []
        while not isinstance(self._events[self._next], yaml.SequenceEndEvent):
            values.append(self._node((*path, len(values))))
        self._next += 1
        return values

    def _map(self, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(self._events[self._next], yaml.MappingEndEvent):
            event = self._events[self._next]
            key = self._key(event)
            if key is None:
                # Parsed for what else is wrong below it, and dropped.
                self._next += 1
                self._skip_open(event)
                self._node((*path, "?"))
                continue
            self._next += 1
            spot = self._spot(event.start_mark.line, event.start_mark.column)
            here = (*path, key)
            if key in values:
                first = self._document.keys[here]
                self._problems.add(
                    spot, f"key {key!r} is there twice, first in line {first.line or 1}"
                )
                self._node((*path, "?"))
                continue
            self._document.keys[here] = spot
            values[key] = self._node(here)
            if self._document.raw.get(here) == "":
                # Where nothing stands, the two parsers see different columns.
                self._document.values[here] = spot
        self._next += 1
        return values

    def _key(self, event: Any) -> str | None:
        """The text of a key; ``None``, and noted, where it is none."""
        mark = event.start_mark
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor:
            self._note(mark, "a key must be plain text, without tag, anchor or alias")
            return None
        if event.implicit[0] and event.value == "<<":
            self._note(mark, "merge keys (<<) are not allowed: write the values out")
            return None
        if event.implicit[0] and self._tag(event) != _STR:
            self._note(mark, f'key {event.value} must be text: write it in quotes, "{event.value}"')
            return None
        if _UNPRINTABLE.search(event.value):
            self._note(mark, "a key holds a character that is not text")
            return None
        return str(event.value)

    def _skip_open(self, event: Any) -> None:
        """Go on behind the list or map that ``event`` opened, if it opened one."""
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self._skip()

    def _skip(self) -> None:
        """Go on behind the list or map that is open."""
        depth = 1
        while depth:
            event = self._events[self._next]
            self._next += 1
            depth += isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent))
            depth -= isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent))

    def _tag(self, event: Any) -> str:
        tag = _SCALARS.resolve(yaml.ScalarNode, event.value, event.implicit)
        return str(tag)

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        text = str(event.value)
        if _UNPRINTABLE.search(text):
            self._note(event.start_mark, "holds a character that is not text")
            return None
        if event.tag is not None or not event.implicit[0]:
            return text
        tag = self._tag(event)
        if tag == _STR:
            return text
        self._document.raw[path] = text
        value = _plain(tag, text)
        if value is _SURPRISE:
            subject = f"{words(path)} " if words(path) else ""
            self._note(
                event.start_mark,
                f'{subject}must be text: write it in quotes, "{text}" (without, YAML reads'
                f" {_read_as(tag, text)})",
            )
            return text
        return value


_SURPRISE = object()


def _plain(tag: str, text: str) -> Any:
    """The value of an unquoted scalar, or _SURPRISE where YAML 1.1 reads another than is written."""
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() in ("yes", "true", "on")
    # 0755, 1_000, 0x1F, 12:30:00 and 29.10 do not say what they look like.
    if tag == _INT and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text):
        return int(text)
    if tag == _FLOAT and re.fullmatch(r"-?[0-9.]+", text) and repr(float(text)) == text:
        return float(text)
    return _SURPRISE


def _read_as(tag: str, text: str) -> str:
    if tag in (_INT, _FLOAT) and len(text) <= 40:
        try:
            node = yaml.ScalarNode(tag, text)
            return str(_SCALARS.construct_object(node))
        except ValueError:
            return "a number"
    return "a date" if tag.endswith("timestamp") else "something else"


_VAULT = "a value of Ansible Vault: it cannot be read here, and secrets do not belong here"


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _reason(error: yaml.MarkedYAMLError) -> str:
    words = [part for part in (error.context, error.problem) if part]
    return ", ".join(words)


def _excerpt(text: str, line: int) -> str:
    """The offending line, so that nobody has to open the file to see a missing quote."""
    lines = text.splitlines()
    found = lines[line].strip() if line < len(lines) else ""
    return f": {found[:60]}" if found and not SECRET.search(found) else ""
