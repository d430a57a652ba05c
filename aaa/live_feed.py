"""Tells every directory when a session opens or closes, of a subscriber where that matters.

An open session is part of its subscriber's record there, and nobody wants a record to be
read again with each Interim.  So no trigger does it: ingest shows its batches (`observe`),
and what a batch opened or closed it tells without a question to the database.  Whose
profile neither limits sessions nor divides a quota between them, the one statement finds
out that then follows.
"""

from collections.abc import Collection, Iterator
from typing import Final

from aaa.rows import COUNTS_SESSIONS
from accounting.batch import Batch
from accounting.folded import Folded
from core.changes import noting
from core.db import Tx, raw

_NOTE: Final = noting(
    f"""
    SELECT e.tenant_id, 'subscriber', e.subscriber_id
      FROM unnest($1::bigint[]) AS s (id)
      JOIN entitlement AS e ON e.subscriber_id = s.id
      JOIN profile AS p ON p.id = e.profile_id AND {COUNTS_SESSIONS}"""  # noqa: S608 - constants of ours
)
_OWNERS: Final = """
SELECT DISTINCT subscriber_id FROM session
 WHERE id = ANY ($1::bigint[]) AND subscriber_id IS NOT NULL
"""


async def observe(tx: Tx, batch: Batch) -> None:
    """An observer of ingest (`accounting.batch.Observer`): a node's transaction."""
    subscribers = {number for one in batch.groups for number in _moved(one) if number}
    if subscribers:
        await _tell(tx, subscribers)
    if counted := batch.heard_again | batch.doubted:
        await sessions_changed(tx, counted)


async def tell_all(tx: Tx, batch: Batch) -> None:
    """Stands in for `observe` where observers fail: whoever is in the batch is read again."""
    if subscribers := {one for folded in batch.groups for one in folded.subscribers} - {0}:
        await _tell(tx, subscribers)
    if counted := batch.heard_again | batch.doubted:
        await sessions_changed(tx, counted)


async def sessions_changed(tx: Tx, session_ids: Collection[int]) -> None:
    """These sessions fell silent, or were heard of again: a node's transaction."""
    connection = await raw(tx)
    found = await connection.fetch(_OWNERS, list(session_ids))
    if found:
        await _tell(tx, {row["subscriber_id"] for row in found})


async def _tell(tx: Tx, subscribers: Collection[int]) -> None:
    connection = await raw(tx)
    await connection.execute(_NOTE, sorted(subscribers))


def _moved(one: Folded) -> Iterator[int]:
    """The subscribers, 0 for nobody, of the sessions that are not as open as before.

    The next report of an open session tells nothing new.
    """
    for number, generation in one.changed.items():
        if (
            number >= one.known
            or generation.closed_by
            or number in one.reopened
            or one.described  # an owner may have been found only now, and where it is
        ):
            yield one.subscribers[number]
    for number in one.gone:
        yield one.subscribers[number]
