"""Names that stand for many: ``web[01:10]``, ``db[a:c]``, ``[0:8:2]``; Ansible's form."""

from __future__ import annotations

import itertools
import re
import string

MOST = 10_000  # hosts that one name may stand for

_RANGE = re.compile(r"\[([^\[\]]*:[^\[\]]*)\]")
_NUMBERS = re.compile(r"([0-9]{0,9}):([0-9]{1,9})(?::([0-9]{1,9}))?")
_LETTERS = re.compile(r"([A-Za-z]):([A-Za-z])(?::([0-9]{1,9}))?")


class RangeError(ValueError):
    """Why a range cannot be counted through; the message completes ``file:line:col:``."""


def expand(pattern: str) -> list[str]:
    """The names that a pattern stands for, in order; itself where it has no range.

    Ends are included; zeros before a first number give its width. Raises RangeError.
    """
    # Every second part is what stood between brackets.
    parts = enumerate(_RANGE.split(pattern))
    choices = [_count(part) if number % 2 else [part] for number, part in parts]
    count = 1
    for choice in choices:
        count *= len(choice)
        if count > MOST:
            raise RangeError(f"stands for more than {MOST} hosts")
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _count(text: str) -> list[str]:
    numbers, letters = _NUMBERS.fullmatch(text), _LETTERS.fullmatch(text)
    if numbers is not None:
        first, last = numbers[1] or "0", numbers[2]
        width = len(first) if first.startswith("0") and len(first) > 1 else 0
        if width and width != len(last):
            raise RangeError(f"range [{text}]: both ends need as many digits")
        low, high, step = int(first), int(last), int(numbers[3] or 1)
    elif letters is not None:
        width = 0
        low, high = (string.ascii_letters.index(letter) for letter in letters.groups()[:2])
        step = int(letters[3] or 1)
        if (low < 26) is not (high < 26):
            raise RangeError(f"range [{text}]: both ends are small letters, or both capitals")
    else:
        raise RangeError(f"range [{text}]: write [FIRST:LAST] or [FIRST:LAST:STEP]")
    if low > high or not step:
        raise RangeError(f"range [{text}]: it has to count upwards")
    if (high - low) // step >= MOST:
        raise RangeError(f"stands for more than {MOST} hosts")
    found = range(low, high + 1, step)
    if letters is not None:
        return [string.ascii_letters[number] for number in found]
    return [f"{number:0{width}d}" for number in found]
