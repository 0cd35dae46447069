"""What would change in a file, line by line."""

from __future__ import annotations

from difflib import SequenceMatcher

_LONGEST = 2_000  # lines; the comparison takes time by the square of them


def file_diff(before: str, after: str, *, context: int = 2) -> list[tuple[str, str]] | None:
    """Lines with their sign: ``+``, ``-``, a blank for context, ``@`` where lines are left out.

    ``None`` where the files are too long to be compared.
    """
    old, new = before.splitlines(), after.splitlines()
    if len(old) > _LONGEST or len(new) > _LONGEST:
        return None
    lines: list[tuple[str, str]] = []
    end = 0
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(context):
        if group[0][1] > end:
            lines.append(("@", ""))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [(" ", line) for line in old[i1:i2]]
                continue
            lines += [("-", line) for line in old[i1:i2]]
            lines += [("+", line) for line in new[j1:j2]]
        end = group[-1][2]
    if lines and end < len(old):
        lines.append(("@", ""))
    return lines
