"""Generations of NVIDIA's GPUs by PCI device id, and the drivers that serve each. Pure.

The ranges are those of display controllers of vendor 10de in pci.ids (of 2026-08-22). Which kernel
modules serve which is from NVIDIA's README of open-gpu-kernel-modules and its list of legacy GPUs.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

NEWEST = 999


@dataclass(frozen=True)
class Generation:
    """``last`` is the newest branch that knows it, ``first`` the oldest.

    ``open`` and ``closed`` say which of the two kinds of kernel modules drive it: the open ones need
    the GPU's own processor, since Turing, and are the only ones since Blackwell.
    """

    name: str
    first: int = 0
    last: int = NEWEST
    open: bool = True
    closed: bool = True


OLDER = Generation("older than Kepler", last=390, open=False)
KEPLER = Generation("Kepler", last=470, open=False)
MAXWELL = Generation("Maxwell", last=580, open=False)
PASCAL = Generation("Pascal", last=580, open=False)
VOLTA = Generation("Volta", last=580, open=False)
TURING = Generation("Turing")
AMPERE = Generation("Ampere")
HOPPER = Generation("Hopper", first=525)
ADA = Generation("Ada", first=525)
BLACKWELL = Generation("Blackwell or newer", first=570, closed=False)

# The first id of each range, in order.
_RANGES = (
    (0x0000, OLDER), (0x0FC0, KEPLER), (0x1040, OLDER), (0x1180, KEPLER), (0x1200, OLDER),
    (0x1280, KEPLER), (0x1340, MAXWELL), (0x15C0, PASCAL), (0x1600, MAXWELL), (0x1720, PASCAL),
    (0x1730, MAXWELL), (0x1800, PASCAL), (0x1D80, VOLTA), (0x1E00, TURING), (0x2080, AMPERE),
    (0x2180, TURING), (0x2200, AMPERE), (0x2300, HOPPER), (0x2400, AMPERE), (0x2600, ADA),
    (0x2900, BLACKWELL),
)  # fmt: skip
_FIRST = tuple(first for first, _ in _RANGES)


def generation(device: str) -> Generation:
    """That of a device id as sysfs has it, ``0x2330``; one that is no number counts as the newest."""
    try:
        number = int(device, 16)
    except ValueError:
        return BLACKWELL
    return _RANGES[bisect_right(_FIRST, number) - 1][1]
