"""Names of variables in inventories that nobody declares."""

from __future__ import annotations

import difflib

from dockwright.load.inventory import Inventory
from dockwright.load.overrides import Known, shipped_variables


def check_names(inventory: Inventory, known: Known) -> None:
    """Note variables that neither the playbook nor a shipped component knows.

    Ansible's inventories hold what roles want to know, too: there only a name that is nearly one of
    ours is worth a word, and it is no error.
    """
    tree, elsewhere = inventory.tree, shipped_variables() if inventory.names else set()
    for level in (*tree.groups.values(), *tree.hosts.values()):
        for name, said in level.variables.items():
            if known.accepts(name) or name in elsewhere:
                continue
            for given in said:
                spot = given.document.key(given.path)
                if given.document.name in tree.strict:
                    known.complain(name, spot, tree.problems)
                elif near := difflib.get_close_matches(name, known.declared, n=1, cutoff=0.85):
                    tree.foreign.setdefault(f"{name} (did you mean {near[0]}?)", spot)
