"""pgqueuer's log of what jobs went through, which grows with each and must end somewhere."""

from datetime import datetime
from typing import Final

from sqlalchemy import text

from core.db import NodeDatabase

ROWS_PER_TRANSACTION_MAX: Final = 10_000


async def prune(database: NodeDatabase, before: datetime) -> int:
    """Forget what is older, a chunk at a time; returns how much.  Jobs keep their own error."""
    pruned = 0
    while True:
        async with database.transaction() as tx:
            chunk = await tx.scalars(
                text(
                    """
                    DELETE FROM turnpike_jobs.pgqueuer_log WHERE id IN (
                        SELECT id FROM turnpike_jobs.pgqueuer_log
                        WHERE created < :before ORDER BY created LIMIT :limit
                    ) RETURNING id
                    """
                ),
                {"before": before, "limit": ROWS_PER_TRANSACTION_MAX},
            )
            found = len(chunk.all())
        pruned += found
        if found < ROWS_PER_TRANSACTION_MAX:
            return pruned
