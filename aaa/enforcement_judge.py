"""Looks after the sessions of subscribers: what is to be sent is left in the outbox.

For a change somebody made it waits until this node's directory has it, for a session that is
ended before would be let in again as it was.  That is seen by comparing the records, not
positions: a long transaction elsewhere holds a position back, and no record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from aaa import rows as tables
from aaa.enforcement import OFF, STAFF, Live, Next, State, compare
from aaa.enforcement_ladder import UNKNOWN, first_rung
from aaa.enforcement_rows import Rows, Wish
from aaa.enforcement_view import Entitled, View
from aaa.records import ProfileRecord, SubscriberRecord
from core.clock import Clock
from core.db import NodeDatabase, raw
from dictionaries.definitions import Dictionary
from nas_adapters.profile import ServiceProfile

log = structlog.get_logger()

DIRECTORY_WITHIN_S: Final = 5.0
_LOOK_S: Final = 0.02
AT_ONCE: Final = 250  # sessions in one turn: some milliseconds
PAGE: Final = 5_000


class DirectoryBehind(TimeoutError):
    """This node's directory has not got a change in time; the job is tried again."""


class Judge:
    """`woken` is called when there is something new to send."""

    def __init__(
        self, rows: Rows, view: View, node: NodeDatabase, dictionary: Dictionary, clock: Clock
    ) -> None:
        self.woken = asyncio.Event()
        self._rows = rows
        self._view = view
        self._node = node
        self._dictionary = dictionary
        self._clock = clock

    async def subscriber(self, number: int) -> int:
        """Look after one, whose change may just have been made; how many sessions differ.

        Raises:
            DirectoryBehind: this node does not know of it yet.
        """
        await self._until(lambda: self._has_subscriber(number), f"subscriber {number}")
        return await self.sessions(await self._rows.of_subscribers([number]))

    async def subscribers(self, numbers: Sequence[int]) -> int:
        """Look after those for whom no record changed, but the time."""
        return await self.sessions(await self._rows.of_subscribers(numbers)) if numbers else 0

    async def profile(self, tenant_id: int, number: int) -> int:
        """Look after all who have this plan, which was changed."""
        await self._until(lambda: self._has_profile(number), f"profile {number}")
        differing = after = 0
        while page := await self._rows.of_profile(tenant_id, number, after, PAGE):
            differing += await self.sessions(page)
            after = page[-1].id
        return differing

    async def disconnect(self, tenant_id: int, session_id: int) -> bool:
        """End it because people want so; whether there is such a session."""
        session = await self._rows.one(tenant_id, session_id)
        if session is None:
            return False
        await self._rows.wish([Wish(session, OFF, OFF, STAFF, None, None, first_rung(OFF))])
        self.woken.set()
        return True

    async def reapply(self, tenant_id: int, session_id: int) -> bool:
        """Tell it all that it is to have, whatever it is thought to have; as above."""
        session = await self._rows.one(tenant_id, session_id)
        if session is None:
            return False
        if not session.subscriber_id:
            return True
        with self._view.turn():
            entitled = self._view.entitled(session, int(self._clock.unix_s()))
        if entitled is not None:
            await self._rows.wish([_wish(session, entitled, None)], forgets=True)
            self.woken.set()
        return True

    async def sessions(self, sessions: Sequence[Live], *, is_pass: bool = False) -> int:
        """Compare them, and store what follows; how many differ from what they should have."""
        wishes: list[Wish] = []
        cancelled: list[Wish] = []
        nobodys: list[Wish] = []
        for start in range(0, len(sessions), AT_ONCE):
            now_s = int(self._clock.unix_s())
            with self._view.turn():
                for session in sessions[start : start + AT_ONCE]:
                    if not session.subscriber_id or not self._view.knows_nas(session.nas_id):
                        continue
                    entitled = self._view.entitled(session, now_s)
                    if entitled is None:
                        continue
                    verdict = compare(session, entitled.wanted)
                    if verdict is Next.NOTHING:
                        continue
                    given = self._view.given(session, session.applied)
                    wish = _wish(session, entitled, given, is_pass=is_pass)
                    if verdict is Next.CANCEL:
                        cancelled.append(wish)
                    else:
                        (nobodys if entitled.is_of_nobody else wishes).append(wish)
            await asyncio.sleep(0)
        if nobodys:
            # A directory that lacks somebody is no reason to end his session; the database is.
            there = await self._rows.still_there([one.session.subscriber_id for one in nobodys])
            wishes += [one for one in nobodys if one.session.subscriber_id not in there]
        await self._rows.wish(wishes)
        await self._rows.wish(cancelled, state=State.DONE)
        if wishes:
            self.woken.set()
        return len(wishes)

    async def _until(self, is_so: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = self._clock.monotonic() + DIRECTORY_WITHIN_S
        wait_s = _LOOK_S
        while not await is_so():
            if self._clock.monotonic() > deadline:
                raise DirectoryBehind(f"the directory of this node has an old {what}")
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, 0.25)

    async def _has_subscriber(self, number: int) -> bool:
        async with self._node.transaction() as tx:
            found = await (await raw(tx)).fetch(tables.SUBSCRIBERS_BY_ID, [number])
        fresh = tables.subscriber_of(found[0], self._dictionary) if found else None
        with self._view.turn():
            return _without_sessions(self._view.subscriber(number)) == _without_sessions(fresh)

    async def _has_profile(self, number: int) -> bool:
        async with self._node.transaction() as tx:
            found = await (await raw(tx)).fetch(tables.PROFILES)
        fresh: ProfileRecord | None = next(
            (tables.profile_of(row) for row in found if row["id"] == number), None
        )
        with self._view.turn():
            return self._view.profile(number) == fresh


def _wish(
    session: Live, entitled: Entitled, given: ServiceProfile | None, *, is_pass: bool = False
) -> Wish:
    reason = entitled.reason
    if is_pass and not session.applied and entitled.service != OFF:
        reason = UNKNOWN
    return Wish(
        session,
        entitled.wanted,
        entitled.service,
        reason,
        entitled.profile,
        given,
        first_rung(entitled.service),
    )


def _without_sessions(record: SubscriberRecord | None) -> SubscriberRecord | None:
    """They come and go, and are no change of anybody's."""
    return None if record is None else replace(record, sessions=())
