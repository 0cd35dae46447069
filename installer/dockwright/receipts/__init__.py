"""The way back: what runs changed on a host, and the plans that take it back. Pure.

A receipt is what one run changed; the trail is all runs and what became of what they changed. Undo
takes one run back, uninstall takes all that is ours.
"""

from dockwright.receipts.owned import Vendor
from dockwright.receipts.receipt import Receipt, read_receipt
from dockwright.receipts.trail import Trail, answered, question, read
from dockwright.receipts.undo import plan_undo
from dockwright.receipts.uninstall import plan_uninstall

__all__ = [
    "Receipt",
    "Trail",
    "Vendor",
    "answered",
    "plan_undo",
    "plan_uninstall",
    "question",
    "read",
    "read_receipt",
]
