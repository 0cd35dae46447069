"""The order of the stages, spelled out once: facts, plan, trust, probe, program.

Each host is two generators of events: ``prepare`` looks and plans, ``carry_out`` changes. Between
them the command line shows the plans and asks once for all hosts. An error of one host is an event
of that host; other hosts go on.
"""

from dockwright.app.back import forget, prepare
from dockwright.app.changing import attach, carry_out, finish, take_up
from dockwright.app.commands import words_of
from dockwright.app.consulting import consult
from dockwright.app.hosts import guarded, interleave
from dockwright.app.looking import gather, key_owners, planner_for
from dockwright.app.mending import mend
from dockwright.app.rebooting import prepare_after
from dockwright.app.rollout import Rollout, Share, roll, sizes_of
from dockwright.app.room import Room
from dockwright.app.run import Connect, Mends, Prepared, Request, Way, proxy_for

__all__ = [
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
