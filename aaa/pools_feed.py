"""Tells the node that gave an address that its session is over, where the Stop came to another.

Ingest shows its batches; the address is known by who got it, and the nonce of that login:
of a nonce alone there may be two.  What is missed here runs out by itself.
"""

from aaa import pools_sql
from accounting.batch import Batch
from core.db import Tx, raw


async def observe(tx: Tx, batch: Batch) -> None:
    """An observer of ingest (`accounting.batch.Observer`): a node's transaction."""
    over = {
        (folded.group.about(generation).subscriber_id, folded.key.class_nonce)
        for folded in batch.groups
        if folded.key.class_nonce
        for generation in folded.changed.values()
        if generation.closed_by
    }
    if over:
        await (await raw(tx)).execute(pools_sql.END, *map(list, zip(*sorted(over), strict=True)))
