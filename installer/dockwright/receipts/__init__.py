"""The way back: what runs changed on a host, and the plans that take it back. Pure.

A receipt is what one run changed; the trail is all runs and what became of what they changed. Undo
takes one run back, uninstall takes all that is ours, purge takes the data, too.
"""

from dockwright.receipts import data
from dockwright.receipts.data import Data
from dockwright.receipts.guards import plain
from dockwright.receipts.owned import Vendor
from dockwright.receipts.purge import judge_again, meant, plan_purge
from dockwright.receipts.receipt import Receipt, read_receipt
from dockwright.receipts.trail import Trail, answered, question, read
from dockwright.receipts.undo import plan_undo, refuse_for_good
from dockwright.receipts.uninstall import plan_uninstall

__all__ = [
    "Data",
    "Level",
    "Receipt",
    "Trail",
    "Vendor",
    "answered",
    "data",
    "judge_again",
    "meant",
    "plain",
    "plan_purge",
    "plan_undo",
    "plan_uninstall",
    "question",
    "read",
    "read_receipt",
    "refuse_for_good",
]
