"""How many dead letters wait for people, and whether those are too many.

Nothing bounds their number but time: they are dropped with the days of raw packets
(`outlived`), for each is a record that was acknowledged, and to drop one sooner would lose it.
So many of them are an alarm: a box that sends what nobody understands, or a bug of ours.
"""

from dataclasses import dataclass, field
from typing import Final

import structlog

from accounting import staging
from core.db import NodeDatabase
from core.deadlines import within

log = structlog.get_logger()

COUNTED_MAX: Final = 1_000_000  # of more it is enough to know that there are so many
REASONS_TOLD_MAX: Final = 5
TIMEOUT_S: Final = 30.0

_COUNT: Final = "SELECT count(*) FROM (SELECT FROM dead_letter LIMIT $1) AS counted"
_NEWEST: Final = """
SELECT reason FROM (SELECT reason FROM dead_letter ORDER BY id DESC LIMIT 1000) AS newest
 GROUP BY reason ORDER BY count(*) DESC, reason LIMIT $1
"""


@dataclass(slots=True)
class DeadLetterAlarm:
    """Of all tenants; `look` now and then.  An alarm is told of when it begins and ends."""

    database: NodeDatabase
    alarm_at: int
    kept: int = 0
    is_on: bool = field(default=False)

    async def look(self) -> None:
        """Count them."""
        async with within(TIMEOUT_S, "counting dead letters"), self.database.transaction() as tx:
            connection = await staging.begin(tx)
            self.kept = await connection.fetchval(_COUNT, COUNTED_MAX)
            was_on, self.is_on = self.is_on, self.kept >= self.alarm_at
            if self.is_on and not was_on:
                found = await connection.fetch(_NEWEST, REASONS_TOLD_MAX)
                reasons = [row["reason"] for row in found]
                log.error("dead_letters_many", kept=self.kept, reasons=reasons)
            elif was_on and not self.is_on:
                log.info("dead_letters_few_again", kept=self.kept)
