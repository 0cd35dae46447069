"""The benchmark's judgement: each target is met or missed by the middle of its ratios."""

from __future__ import annotations

from tests.bench import archive, figures, fleet
from tests.bench.figures import Ratio


def ratio(what: str, who: str, middle: float) -> Ratio:
    return Ratio(what, who, 3, middle, middle, middle)


def test_all_targets_have_to_be_met() -> None:
    found = [
        ratio("fresh install", "pyinfra", 0.9),
        ratio("fresh install", "ansible", 0.4),
        ratio("second run", "pyinfra", 0.5),
    ]
    met, text = figures.verdict(found, fleet.TARGETS)
    assert met
    assert text.count(": met") == 3
    met, text = figures.verdict([*found[:2], ratio("second run", "pyinfra", 0.61)], fleet.TARGETS)
    assert not met
    assert "second run: 0.61 of pyinfra; the target is 0.6: MISSED" in text


def test_what_was_not_measured_is_said() -> None:
    met, text = figures.verdict([ratio("second run", "pyinfra", 0.5)], fleet.TARGETS)
    assert met
    assert "fresh install: not measured beside ansible" in text
    assert not figures.verdict([ratio("second run", "pyinfra", 0.5)])[0]


def test_packages_of_an_index_by_name() -> None:
    """The last of several versions; what is no package of it is none."""
    index = "Package: hello\nVersion: 1\n\nPackage: libc6\nVersion: 2\n\nPackage: hello\nVersion: 3\n\n\n"
    assert archive.stanzas(index) == {
        "hello": "Package: hello\nVersion: 3",
        "libc6": "Package: libc6\nVersion: 2",
    }
    assert archive.stanzas("Origin: Debian\n") == {}
