"""Past one machine: shards of a fleet on Dask's workers, and their events back while they happen.

A scheduler is volatile, and so is a worker: what was done, and what is under way, is known on the
hosts alone. A shard whose worker died is given to another one by Dask, from its beginning: there a
run that goes on is joined, and one that is over leaves nothing to do.
"""

from dockwright.engine.dask import Engine
from dockwright.engine.shard import Shard

__all__ = ["Engine", "Shard"]
