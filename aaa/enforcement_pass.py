"""What heals: compare all live sessions now and then, and look whether ACKs were kept.

Jobs are quick and may be lost; a NAS may have been dead, or lied.  None of this asks the
database session by session: pages of open ones, the directory in memory, prints from keys.
"""

import asyncio
from collections import deque
from datetime import datetime, timedelta
from typing import Final

import structlog

from aaa import enforcement_ladder as ladder
from aaa.enforcement import State
from aaa.enforcement_belief import Belief, belief
from aaa.enforcement_judge import PAGE, Judge
from aaa.enforcement_ladder import After
from aaa.enforcement_rows import Awaited, Rows
from aaa.enforcement_view import View
from core.clock import Clock

log = structlog.get_logger()

LOOKED_AT: Final = 3  # times that a new session is, while directories hear of what was before it
IDS_BACK: Final = 200  # of transactions that were still under way
TIME_BACK: Final = timedelta(minutes=10)  # after a start; who was missed before is the pass's


class Pass:
    """One a process."""

    def __init__(self, rows: Rows, judge: Judge, view: View, clock: Clock) -> None:
        self.sessions = 0  # compared, the last time
        self.differing = 0
        self.took_s = 0.0
        self._rows = rows
        self._judge = judge
        self._view = view
        self._clock = clock
        self._time_seen: datetime | None = None
        self._newest: deque[int] = deque(maxlen=LOOKED_AT)  # ids, the latest times
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Compare every live session of every tenant."""
        async with self._turn:
            await self._run()

    async def settle(self) -> None:
        """Forget what is over, and judge ACKs by what was reported since."""
        await self._rows.over(all_of_them=False)
        after = 0
        while page := await self._rows.told(after, PAGE):
            await self._judge_acks(page)
            after = page[-1].task.session_id

    async def by_time(self) -> None:
        """Look after those whose time has come: valid no longer, a hold that begins or ends."""
        if not self._view.is_trusted(self._clock.unix_s()):
            return  # and what comes meanwhile is looked after when it is
        now = self._clock.now()
        since = self._time_seen or now - TIME_BACK
        due = await self._rows.due_by_time(since, now)
        # The policy's second is the next full one, of some rules: so a little is looked at twice.
        self._time_seen = now - timedelta(seconds=2)
        await self._judge.subscribers(due)

    async def newcomers(self) -> None:
        """Look after sessions that began some seconds ago.

        A change may have come between a login and its Start, when there was nobody online to
        leave a job for; and where the newest session wins, an older one must make room.
        """
        if not self._view.is_trusted(self._clock.unix_s()):
            return  # they may have been let in by a node that knows better
        async with self._turn:
            newest = await self._rows.newest()
            after = self._newest[0] - IDS_BACK if self._newest else newest
            self._newest.append(newest)
            if newest <= after + IDS_BACK:
                return
            crowding = await self._rows.crowding(after)
            while page := await self._rows.newer(after, PAGE):
                await self._judge.sessions(page, are_new=True)
                after = page[-1].id
        await asyncio.gather(*map(self._judge.subscriber, crowding))

    async def _run(self) -> None:
        now_s = self._clock.unix_s()
        if not self._view.is_trusted(now_s):
            age_s = round(now_s - self._view.current_at_s)
            log.warning("enforcement_pass_skipped", directory_age_s=age_s)
            return
        began = self._clock.monotonic()
        sessions = differing = 0
        await self._rows.over(all_of_them=True)
        revived = await self._rows.revive()
        for tenant_id in await self._rows.tenants():
            after = 0
            while page := await self._rows.open_of(tenant_id, after, PAGE):
                differing += len(await self._judge.sessions(page, is_pass=True))
                sessions += len(page)
                after = page[-1].id
        if revived:
            self._judge.woken.set()
        self.sessions, self.differing = sessions, differing
        self.took_s = self._clock.monotonic() - began
        if differing or revived:
            log.info(
                "enforcement_pass",
                sessions=sessions,
                differing=differing,
                revived=revived,
                s=round(self.took_s, 2),
            )

    async def _judge_acks(self, page: list[Awaited]) -> None:
        now = self._clock.now()
        judged: list[tuple[Awaited, After]] = []
        looked: list[Awaited] = []
        for one in page:
            found, why = belief(one.told, one.last, now)
            if found is Belief.LOOKED:
                looked.append(one)
            elif found is Belief.BELIEVED:
                judged.append((one, After(State.DONE, one.task.rung, wait_s=None)))
            elif found is Belief.CONTRADICTED:
                log.warning("enforcement_lied", session=one.task.session_id, why=why)
                judged.append((one, ladder.lied(one.task, why)))
        await self._rows.looked(looked)
        await self._rows.judged(judged)
        if any(after.state is State.DUE for _, after in judged):
            self._judge.woken.set()
