"""Tells `/metrics` how the NASes report: the last two days' quality, every few minutes."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from accounting.again import again
from accounting.quality_sums import NasQuality, of_all
from accounting.status import NasQualityStatus, QualityStatus
from core.clock import Clock
from core.db import NodeDatabase

EVERY_S: Final = 300.0
TIMEOUT_S: Final = 60.0
# A NAS is a label of a dozen series: of more than these, `turnpike nas quality` tells.
NASES_MAX: Final = 500


class QualityReport:
    """`run` until cancelled, or `step` once."""

    def __init__(
        self, database: NodeDatabase, clock: Clock, tell: Callable[[QualityStatus], None]
    ) -> None:
        """`tell` takes the report where it can be read."""
        self._database = database
        self._clock = clock
        self._tell = tell

    async def run(self) -> None:
        await again("quality", self.step, EVERY_S)

    async def step(self) -> None:
        """Ask, and tell."""
        since = (self._clock.now() - timedelta(days=1)).date()
        async with asyncio.timeout(TIMEOUT_S), self._database.transaction() as tx:
            found = await of_all(tx, since)
        heard = [_status(one, score) for one in found if (score := one.quality.score) is not None]
        heard.sort(key=lambda one: (one.score, one.tenant_id, one.nas))
        self._tell(QualityStatus(self._clock.unix_s(), heard[:NASES_MAX]))


def _status(one: NasQuality, score: int) -> NasQualityStatus:
    seen = one.seen
    return NasQualityStatus(
        tenant_id=one.tenant_id,
        nas=one.name,
        score=score,
        missing_stop_share=seen.missing_stop_share,
        repeated_share=seen.repeated_share,
        unreadable=seen.unreadable,
        ambiguous=seen.ambiguous,
        implausible=seen.implausible,
        swapped=seen.is_swapped,
        silent_gaps=seen.silent_gaps,
        silent_s=seen.silent_s,
        skew_s=seen.skew_s,
    )
