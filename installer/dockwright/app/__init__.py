"""The order of the stages, spelled out once: facts, plan, trust, probe, program.

Each host is two generators of events: ``prepare`` looks and plans, ``carry_out`` changes. Between
them the command line shows the plans and asks once for all hosts. An error of one host is an event
of that host; other hosts go on.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockwright.app.back import forget, prepare
    from dockwright.app.changing import attach, carry_out, finish, take_up
    from dockwright.app.commands import words_of
    from dockwright.app.consulting import consult
    from dockwright.app.hosts import guarded, interleave
    from dockwright.app.looking import gather, key_owners, planner_for
    from dockwright.app.mending import mend
    from dockwright.app.rebooting import ROUNDS, prepare_after
    from dockwright.app.rollout import Rollout, Share, roll, sizes_of
    from dockwright.app.room import Room
    from dockwright.app.run import Connect, Mends, Prepared, Request, Way, proxy_for

# A stage is loaded when it is wanted: the connection is being made meanwhile.
_HOMES = {
    "back": ("forget", "prepare"),
    "changing": ("attach", "carry_out", "finish", "take_up"),
    "commands": ("words_of",),
    "consulting": ("consult",),
    "hosts": ("guarded", "interleave"),
    "looking": ("gather", "key_owners", "planner_for"),
    "mending": ("mend",),
    "rebooting": ("ROUNDS", "prepare_after"),
    "rollout": ("Rollout", "Share", "roll", "sizes_of"),
    "room": ("Room",),
    "run": ("Connect", "Mends", "Prepared", "Request", "Way", "proxy_for"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """What the modules below offer, by its name; see PEP 562."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "ROUNDS",
    "Connect",
    "Mends",
    "Prepared",
    "Request",
    "Rollout",
    "Room",
    "Share",
    "Way",
    "attach",
    "carry_out",
    "consult",
    "finish",
    "forget",
    "gather",
    "guarded",
    "interleave",
    "key_owners",
    "mend",
    "planner_for",
    "prepare",
    "prepare_after",
    "proxy_for",
    "roll",
    "sizes_of",
    "take_up",
    "words_of",
]
