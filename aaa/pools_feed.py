"""Tells the node that gave an address that its session is over, where the Stop came to another.

Ingest shows its batches; the address is known by who got it, and the nonce of that login:
of a nonce alone there may be two.  Where the NAS returns no Class, whose address it is tells the
login, if that was before the session: else somebody has come back since.  What is missed here
runs out by itself.
"""

from collections.abc import Collection, Iterator

from aaa import pools_sql
from accounting.batch import Batch
from accounting.folded import Folded
from accounting.generations import Generation
from core.db import Tx, raw

Unnamed = tuple[int, int, str, float]
"""Tenant, subscriber, address, and the beginning of a session without our Class."""


async def observe(tx: Tx, batch: Batch) -> None:
    """An observer of ingest (`accounting.batch.Observer`): a node's transaction."""
    over: set[tuple[int, str]] = set()
    unnamed: set[Unnamed] = set()
    for folded in batch.groups:
        for number, generation in folded.changed.items():
            if not generation.closed_by:
                continue
            if folded.key.class_nonce:
                subscriber_id = folded.group.about(generation).subscriber_id
                over.add((subscriber_id, folded.key.class_nonce))
            elif folded.subscribers[number]:
                unnamed.update(_unnamed(folded, number, generation))
    if unnamed:
        over |= await _named(tx, unnamed)
    if over:
        await (await raw(tx)).execute(pools_sql.END, *map(list, zip(*sorted(over), strict=True)))


def _unnamed(folded: Folded, number: int, generation: Generation) -> Iterator[Unnamed]:
    about = folded.group.about(generation)
    for address in (about.framed_ipv4, about.framed_ipv6, about.delegated_ipv6):
        if address:
            subscriber_id = folded.subscribers[number]
            yield folded.key.tenant_id, subscriber_id, address, float(generation.started_s)


async def _named(tx: Tx, unnamed: Collection[Unnamed]) -> set[tuple[int, str]]:
    columns = map(list, zip(*sorted(unnamed), strict=True))
    rows = await (await raw(tx)).fetch(pools_sql.NAMED, *columns)
    return {(row["subscriber_id"], row["class_nonce"]) for row in rows}
