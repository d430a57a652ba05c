"""Quotas that were not counted with their record, worked out from the usage that was stored.

Where what counts them has a bug, ingest goes on and leaves the subscribers behind
(`quota_counting.leave_uncounted`).  The next record of each would find his sums void; but who
has used all of it with his last one has none, and would be let in as if he had not.  So some
time later each is taken up here, in a transaction of his own: one at whom the rules fail keeps
nobody else waiting.
"""

from typing import Final

import structlog

from aaa import quota_rows
from aaa.quota_counting import QuotaCounting
from accounting import staging
from accounting.trouble import is_the_worlds
from core.db import NodeDatabase
from core.deadlines import within

log = structlog.get_logger()

AT_MOST: Final = 10_000
TIMEOUT_S: Final = 30.0  # of one subscriber


class CatchingUp:
    """`step` now and then."""

    def __init__(self, database: NodeDatabase, counting: QuotaCounting) -> None:
        self._database = database
        self._counting = counting

    async def step(self) -> int:
        """Count for all who were left; returns for how many.

        Raises what the rules made of the first that they failed at, after all others.
        """
        async with (
            within(TIMEOUT_S, "asking for quotas not counted"),
            self._database.transaction() as tx,
        ):
            left = await quota_rows.uncounted(await staging.begin(tx), AT_MOST)
        failed: list[Exception] = []
        for subscriber_id in left:
            try:
                await self._count(subscriber_id)
            except Exception as error:
                # A bug about one holds up no other; it is raised when all had their turn.
                if is_the_worlds(error):
                    raise
                failed.append(error)
        if len(left) > len(failed):
            log.info("quotas_caught_up", subscribers=len(left) - len(failed))
        if failed:
            raise failed[0]
        return len(left)

    async def _count(self, subscriber_id: int) -> None:
        async with (
            within(TIMEOUT_S, "counting a quota anew"),
            self._database.transaction() as tx,
        ):
            connection = await staging.begin(tx)
            await self._counting.anew(tx, subscriber_id)
            await quota_rows.counted(connection, [subscriber_id])
